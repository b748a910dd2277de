"""Impact on the screen: the three answers, the charts, and what else changed."""

from __future__ import annotations

from datetime import date, datetime

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.happenings import Happening
from storage.workflows import Workflow
from workbench.actions import noting
from workbench.analytics_parts import chart_with_table, count_column, table_with_download, text_column
from workbench.known_reviews import Reviews
from workbench.parts import plain, visible
from workbench.screens import impact, impact_charts
from workbench.session import database

TURN = "happening-turn"  #: how often something was noted; names the form that is drawn
SAID = "happening-said"  #: what came of the last press: whether it was done, and a sentence

IMPACT_COLUMNS = {
    "title": text_column("Measure"),
    "unit": text_column("In"),
    **{
        name: st.column_config.NumberColumn(title, format="%.2f")
        for name, title in (
            ("baseline", "Before"),
            ("now", "Now"),
            ("change", "Change"),
            ("low", "95 % from"),
            ("high", "to"),
        )
    },
    "n_baseline": count_column("Reviews before"),
    "n_now": count_column("Reviews now"),
}
PACE_COLUMNS = {
    "month": st.column_config.DateColumn("Month", format="MMM YYYY"),
    "decisions": count_column("Decisions"),
    "a_week": st.column_config.NumberColumn("A week", format="%.1f"),
    "side": text_column("Made"),
}
TIME_COLUMNS = {
    "month": st.column_config.DateColumn("Came in", format="MMM YYYY"),
    "n": count_column("Reviews"),
    "median_days": st.column_config.NumberColumn("Median (days)", format="%.1f"),
    "side": text_column("Reviewed"),
}


def hourly_rate(known: Reviews) -> float | None:
    """What an hour of a reviewer costs, typed here and kept in the link; None until then."""
    currency = known.workflow.policy.currency or "money"
    rate = st.number_input(
        f"What an hour of a reviewer costs ({plain(currency)})",
        min_value=0.0,
        value=None,
        step=5.0,
        placeholder="not stated",
        key="rate",
        bind="query-params",
        width=320,
    )
    return None if rate is None else float(rate)


def happenings(user: Principal, workflow: Workflow) -> list[Happening]:
    """What else changed, by day."""
    return noting.list_happenings(database(), person_id=user.person_id, workflow_id=workflow.id)


def answers(user: Principal, known: Reviews, rate: float | None) -> None:
    """The answer, the three questions behind it and whether it helps, with the table of all measures."""
    table = impact.compared(known, rate=rate)
    reviewers = noting.reviewers(database(), person_id=user.person_id, workflow_id=known.workflow.id)
    pulse = noting.pulse_counts(database(), person_id=user.person_id, workflow=known.workflow)
    st.markdown(f"**{plain(impact.answer(known, table))}**")
    lines = (
        impact.used_answer(known, reviewers),
        impact.decisions_answer(table),
        impact.worth_answer(table),
        impact.pulse_answer(pulse, smallest=known.workflow.policy.smallest_group),
    )
    st.markdown("\n".join(f"- {plain(said)}" for said in lines))
    st.caption(plain(impact.footnote(known, table)))
    if impact.comparable(table)["change"].notna().any():
        drawn = impact_charts.change_chart(table)
        chart_with_table(drawn, table, key="before-and-now", alt_text="Change of each measure", columns=IMPACT_COLUMNS)
    elif not table.empty:
        table_with_download(table, key="before-and-now", columns=IMPACT_COLUMNS)


def over_time(known: Reviews, happened: list[Happening]) -> None:
    """The pace and the time to a decision, with go-live and what else changed marked."""
    marks, paces, months = impact.marks(known, happened), impact.pace(known), impact.time_by_month(known)
    if len(paces) > 1:
        drawn = impact_charts.pace_chart(paces, marks)
        chart_with_table(drawn, paces, key="decisions-by-month", alt_text="Decisions by month", columns=PACE_COLUMNS)
    if months["median_days"].notna().sum() > 1:
        drawn = impact_charts.time_chart(months, marks)
        chart_with_table(
            drawn, months, key="time-by-month", alt_text="Median time to a decision by month", columns=TIME_COLUMNS
        )


def what_else(user: Principal, workflow: Workflow, happened: list[Happening]) -> None:
    """What else changed, numbered as on the charts, and a form for whoever may note it."""
    st.subheader("What else changed?")
    said = st.session_state.pop(SAID, None)
    if said is not None:
        (st.success if said[0] else st.warning)(plain(said[1]))
    if not happened:
        st.caption("Nothing is noted. A new system, a reorganisation, a strike: note it, and the charts show the day.")
    for number, one in enumerate(happened, start=1):
        st.text(visible(f"{number} · {one.day:%-d %b %Y} · {one.what} (noted by {one.noted_by})"))
    if not noting.may_note(user, workflow.id):
        return
    turn = st.session_state.get(TURN, 0)
    with (
        st.expander("Note what else changed", key=f"happening-{turn}"),
        st.form(f"happening-form-{turn}", border=False),
    ):
        today = datetime.now(workflow.policy.zone).date()
        st.date_input("Day", today, key=f"happening-day-{turn}", max_value=today, width=200)
        st.text_input("What happened?", key=f"happening-what-{turn}", max_chars=noting.LONGEST)
        st.form_submit_button("Note it", on_click=_note, args=(user.person_id, workflow.id, turn))


def _note(person_id: int, workflow_id: int, turn: int) -> None:
    day, what = st.session_state.get(f"happening-day-{turn}"), st.session_state.get(f"happening-what-{turn}") or ""
    if turn != st.session_state.get(TURN, 0) or not isinstance(day, date):
        return  # a doubled press
    try:
        noting.note_happening(database(), person_id=person_id, workflow_id=workflow_id, day=day, what=what)
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
        return
    st.session_state[TURN] = turn + 1
    st.session_state[SAID] = (True, "Noted. The charts show the day.")

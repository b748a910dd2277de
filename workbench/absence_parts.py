"""Who is away and who stands in: noted in whole working days, listed while it lies ahead, ended early with a press."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import streamlit as st

from review_queue.calendars import BusinessCalendar
from review_queue.errors import ReviewError
from review_queue.roles import Principal, Task
from review_queue.workflows import Policy
from storage.absences import Absence
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import assigning
from workbench.parts import plain, told_apart, visible

NOBODY = 0
TURN = "absence-turn"  #: how often an absence was noted; names the form that is drawn
SAID = "absence-said"  #: what came of the last press: whether it was done, and a sentence


def days_away(policy: Policy, first: date, last: date) -> tuple[datetime, datetime]:
    """From the opening of the first day to the opening after the last, in UTC, by the workflow's calendar."""
    calendar = BusinessCalendar.of(policy)
    return calendar.next_opening(first), calendar.next_opening(last + timedelta(days=1))


def absences(user: Principal, database: Database, workflow: Workflow) -> None:
    """Who is away now or soon, and a form to note an absence."""
    if not user.may(Task.REVIEW) and not user.may(Task.ASSIGN):
        return
    known = assigning.list_absences(database, person_id=user.person_id)
    st.subheader("Away")
    said = st.session_state.pop(SAID, None)
    if said is not None:
        is_done, sentence = said
        (st.success if is_done else st.warning)(plain(sentence))
    if not known:
        st.caption("Nobody whose work concerns you is noted as away.")
    for absence in known:
        _line(user, database, workflow.policy, absence)
    with st.expander("Note an absence", key=f"absence-{st.session_state.get(TURN, 0)}", on_change="rerun") as form:
        if form.open:
            _form(user, database, workflow)


def _line(user: Principal, database: Database, policy: Policy, absence: Absence) -> None:
    who = "You are" if absence.person_id == user.person_id else f"{absence.name} is"
    away = f"{who} away from {_day(absence.from_at, policy)}, back on {_day(absence.until_at, policy)}"
    words = [away, _stands_in(user, absence), absence.note]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(visible(" · ".join(filter(None, words))), width="content")
        if absence.person_id == user.person_id or user.may(Task.ASSIGN):
            st.button(
                "End",
                key=f"end-absence-{absence.id}",
                type="tertiary",
                on_click=_end,
                args=(database, user.person_id, absence.id),
            )


def _stands_in(user: Principal, absence: Absence) -> str:
    if absence.deputy is None:
        return "nobody stands in: the items are for anybody"
    return "you stand in" if absence.deputy_id == user.person_id else f"{absence.deputy} stands in"


def _day(instant: datetime, policy: Policy) -> str:
    return f"{instant.astimezone(policy.zone):%a %-d %b %Y}"


def _form(user: Principal, database: Database, workflow: Workflow) -> None:
    turn = st.session_state.get(TURN, 0)
    whose = _whose(user, database, workflow, turn)
    stand_ins = {NOBODY: "Nobody"} | told_apart(assigning.deputies(database, person_id=whose))
    today = datetime.now(workflow.policy.zone).date()
    next_workday = days_away(workflow.policy, today, today)[0].astimezone(workflow.policy.zone).date()
    with st.form(f"absence-form-{turn}-{whose}", border=False):
        first, last, deputy, note, save = st.columns([2, 2, 3, 4, 1], vertical_alignment="bottom")
        first.date_input("First day away", value=next_workday, min_value=today, key=f"away-from-{turn}-{whose}")
        last.date_input("Last day away", value=next_workday, min_value=today, key=f"away-until-{turn}-{whose}")
        names = stand_ins.__getitem__
        deputy.selectbox("Who stands in?", list(stand_ins), format_func=names, key=f"away-deputy-{turn}-{whose}")
        note.text_input("Note", key=f"away-note-{turn}-{whose}", max_chars=400)
        save.form_submit_button(
            "Note it", type="primary", on_click=_note, args=(database, user.person_id, workflow.policy, whose, turn)
        )


def _whose(user: Principal, database: Database, workflow: Workflow, turn: int) -> int:
    """Whose absence is noted: one's own, or anybody's for those who assign items."""
    if not user.may(Task.ASSIGN, workflow.id):
        return user.person_id
    everybody = assigning.candidates(database, person_id=user.person_id, workflow=workflow)
    others = {person.id: person.name for person in everybody if person.id != user.person_id}
    names = {user.person_id: "Mine"} | told_apart(others)
    chosen = st.selectbox(
        "Whose absence?", list(names), format_func=names.__getitem__, key=f"away-whose-{turn}", width=320
    )
    return int(chosen)


# --- the presses ---------------------------------------------------------------------------------------------------


def _note(database: Database, person_id: int, policy: Policy, whose: int, turn: int) -> None:
    if turn != st.session_state.get(TURN, 0):
        return  # a doubled press
    form: dict[str, Any] = {
        name: st.session_state.get(f"away-{name}-{turn}-{whose}") for name in ("from", "until", "deputy", "note")
    }
    if form["from"] is None or form["until"] is None:
        st.session_state[SAID] = (False, "Choose the first and the last day away.")
        return
    from_at, until_at = days_away(policy, form["from"], form["until"])
    if from_at == until_at:
        st.session_state[SAID] = (False, "Nobody works on these days, so there is nothing to note. Choose other days.")
        return
    try:
        assigning.note_absence(
            database,
            person_id=person_id,
            whose=whose,
            from_at=from_at,
            until_at=until_at,
            deputy_id=form["deputy"] or None,
            note=form["note"] or "",
        )
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
        return
    st.session_state[SAID] = (True, f"Noted: away from {_day(from_at, policy)}, back on {_day(until_at, policy)}.")
    st.session_state[TURN] = turn + 1


def _end(database: Database, person_id: int, absence_id: int) -> None:
    try:
        assigning.end_absence(database, person_id=person_id, absence_id=absence_id)
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    else:
        st.session_state[SAID] = (True, "Ended: back from now on.")

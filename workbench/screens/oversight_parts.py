"""What the page Oversight shows: lines, charts, unlabelled dots, one's own figures, and the closer look."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from review_queue.advance_notice import DAYS
from review_queue.errors import ReviewError
from review_queue.measures.overrides import judged, override_funnel
from review_queue.measures.oversight import BENIGN, REVEALED_FROM
from review_queue.roles import Principal
from review_queue.small_groups import singles_out
from storage.figure_comments import FigureComment
from storage.workflows import Workflow
from workbench import analytics
from workbench.actions.forewarning import LONGEST, comment_on_own
from workbench.actions.looking import (
    PEOPLE_SINCE,
    Compared,
    Look,
    Own,
    Person,
    compare,
    look_closer,
    may_look_closer,
)
from workbench.analytics_parts import (
    chart_with_table,
    count_column,
    ratio_column,
    table_with_download,
    text_column,
)
from workbench.known_reviews import Reviews
from workbench.parts import local_time, plain, untrusted_text
from workbench.screens import overrides, oversight
from workbench.screens.overrides_charts import funnel_chart
from workbench.screens.oversight import Line
from workbench.screens.oversight_charts import rate_by_step
from workbench.session import database

LINES: Mapping[str, ColumnConfig] = {
    "topic": text_column("Question"),
    "sentence": text_column("Answer"),
    "n": count_column("Rests on"),
    "value": ratio_column("Figure"),
    "low": ratio_column("95 % from"),
    "high": ratio_column("to"),
    "state": text_column("State"),
}
SIGNALS = {"about": "Figure", "value": "Value (95 % interval)", "usual": "Usual here", "state": "State"}
PEOPLE: Mapping[str, ColumnConfig] = {name: column for name, column in overrides.FUNNEL.items() if name != "group"}
PURPOSE = f"""
**What this is for.** To find out whether the way of working lets people judge the AI: whether there is time, evidence
and a clear guideline. The figures are plain statistics about decisions, worked out anew each time.

**What the signals are not.** No score, no ranking, no measure of anybody's worth, and no ground for a measure against
anybody. A low override rate is not rubber-stamping. A long time is never taken for care, nor a short one for neglect.

**Who sees what.** People are compared only where the workflow's policy says so; without that, no page shows a figure
about one person. Everybody sees their own figures first. Others are dots without a name. A name is shown only from
{REVEALED_FROM} decisions, when two different questions speak, {DAYS} days after the person was told and could comment,
to who assigns the work here, one at a time; each look is recorded. People are compared over the last 13 months, always
over all items of the workflow, so that no slice can be searched for somebody who stands out.

**What to do first.** Look at the system: share the load out anew, raise the threshold, mend the evidence, agree on
cases together, let a number be named before the AI's is shown for a week.

**Before people are compared.** Tell them, hear their representatives, and have the data protection assessed: where
systems watch or judge work, the law may ask for it. This is no legal advice.
"""
OFF = """
**People are not compared here.** The workflow's policy leaves that off, and nothing on this page is about one person.
Its owner can turn it on with `person_level` in the workflow's file, once people were told, their representatives heard
and the data protection assessed.
"""


def lines(found: list[Line], *, key: str, gather: bool = False) -> None:
    """Each line with its topic, and the table behind. ``gather``: what cannot be told yet stands in one line."""
    st.markdown("\n".join(f"- {said}" for said in oversight.told(found, gather=gather)))
    table_with_download(oversight.table_of(found), key=key, columns=LINES)


def rates_by_gap(decided: Reviews) -> None:
    """The picture of the second question."""
    _rates(
        decided,
        oversight.rates_by_gap(decided),
        key="overrides-by-gap",
        question="Are large gaps judged differently from small ones?",
        along="Gap between the forecasts (× usual miss)",
        below="A rubber stamp is flat. Dashed: overall.",
        alt_text="Override rate by the size of the gap, with 95 % intervals",
    )


def rates_before_the_deadline(decided: Reviews) -> None:
    """Whether the same gaps are judged differently when time runs out."""
    _rates(
        decided,
        oversight.rates_by_time_left(decided),
        key="overrides-by-time-left",
        question="Are items judged differently just before the deadline?",
        along="Time left to the deadline",
        below="Short lines: what the gaps let expect. Dashed: overall.",
        has_expected=True,
        alt_text="Override rate by the time left to the deadline, with 95 % intervals and what the gaps let expect",
    )


def _rates(
    decided: Reviews,
    table: pd.DataFrame,
    *,
    key: str,
    question: str,
    along: str,
    below: str,
    alt_text: str,
    has_expected: bool = False,
) -> None:
    """Override rates step by step, if there are enough of them to compare."""
    enough = table.dropna(subset=["rate"])
    if len(enough) < overrides.FEWEST_TO_COMPARE:
        return
    overall = analytics.overrides_overall(decided)["rate"]
    words = {"question": question, "along": along, "below": below}
    chart = rate_by_step(enough, overall=overall, has_expected=has_expected, **words)
    chart_with_table(chart, table, key=key, alt_text=alt_text, columns=overrides.BY_STEP)


def people(user: Principal, known: Reviews) -> None:
    """One's own figures, how many stand out, and everybody as a dot without a name; or that nobody is compared."""
    compared = compare(database(), user=user, known=known)
    if compared is None:
        st.markdown(OFF)
        return
    if compared.own is not None:
        _own_figures(user, known.workflow, compared.own)
    _everybody(user, known, compared)


def _own_figures(user: Principal, workflow: Workflow, own: Own) -> None:
    """What others may see later of whoever asks, to themselves alone, with room for their own words."""
    with st.container(border=True):
        st.markdown("**Your own figures**")
        until = local_time(own.notice.open_to_others_at) if own.notice else ""
        st.markdown(plain(oversight.own_answer(own, until=until)))
        if own.person.may_be_named:
            _said_of(own.person)
        st.caption(f"{own.person.decisions:,} decisions in the last 13 months, compared with everybody's here.")
        _signals(own.person)
        with st.expander("Your comment", expanded=own.person.may_be_named):
            _comment_form(user, workflow, own.comment)


def _comment_form(user: Principal, workflow: Workflow, comment: FigureComment | None) -> None:
    with st.form(f"figure-comment-{workflow.id}-{comment.id if comment else 0}", border=False):
        body = st.text_area(
            "What should be known about your figures",
            value=comment.body if comment else "",
            max_chars=LONGEST,
            height=100,
        )
        stands = f"Saved {local_time(comment.written_at)}. " if comment else ""
        st.caption(f"{stands}Yours alone to change. Whoever looks closer reads it beside the figures.")
        if not st.form_submit_button("Save comment"):
            return
    try:
        comment_on_own(database(), person_id=user.person_id, workflow_id=workflow.id, body=body or "")
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        return
    st.rerun()


def _everybody(user: Principal, known: Reviews, compared: Compared) -> None:
    st.markdown(f"**{oversight.people_answer(compared)}**")
    if may_look_closer(user, known.workflow.id):
        _closer_look(user, known, [one for one in compared.stand_out if one.reviewer != user.name])
    recent = known.since(PEOPLE_SINCE, column="decided_at")
    counts = override_funnel(recent.table, tolerance=known.tolerance, groups=recent.table["reviewer"])
    found = oversight.unlabelled(counts)
    smallest = known.workflow.policy.smallest_group
    if len(found.table) < smallest:
        st.caption(f"Dots are drawn from {smallest:,} people on: among fewer, everybody knows whose is whose.")
        return
    chart = funnel_chart(found, "Does anyone's override rate stand out for their items?", has_names=False)
    alt_text = "Observed over expected overrides of each person, without names, against decisions, with limits"
    chart_with_table(chart, found.table, key="people-without-names", alt_text=alt_text, columns=PEOPLE)
    st.caption(f"{overrides.funnel_note(found)} The last 13 months, whatever is chosen above.")


def enough_people(known: Reviews, kept: Reviews) -> None:
    """Go on if what is kept of the reviews tells of nobody alone; else say so, and end the page."""
    smallest = known.workflow.policy.smallest_group
    decided = judged(known.table)
    if singles_out(decided["reviewer"], decided.index.to_series().isin(kept.table.index), smallest=smallest):
        st.info(
            f"These figures are about how people decide. Here, or in what is left out, fewer than {smallest:,} people "
            "did, so they would tell of one of them. Show all, or a larger part."
        )
        st.stop()


def how_to_read() -> None:
    """The purpose, and what the signals are not."""
    with st.expander("What this page is for, and what it is not"):
        st.markdown(PURPOSE)


def _closer_look(user: Principal, known: Reviews, worth: list[Person]) -> None:
    """Each press shows one more person; a reload forgets them, and the next press is recorded again."""
    seen: dict[str, Look] = st.session_state.setdefault(f"looked-closer-{user.person_id}-{known.workflow.id}", {})
    waiting = [person for person in worth if person.reviewer not in seen]
    if waiting:
        st.caption(
            "A look shows one name, what may be behind the figures and what the person says of them. It is recorded; "
            "nobody is notified."
        )
    if waiting and st.button("Look closer"):
        name = waiting[0].reviewer
        try:
            seen[name] = look_closer(database(), person_id=user.person_id, workflow=known.workflow, reviewer=name)
        except ReviewError as refusal:
            st.error(plain(str(refusal)))
            return
        st.rerun()
    for person in worth:
        if person.reviewer in seen:
            _account(seen[person.reviewer])


def _account(look: Look) -> None:
    person = look.person
    with st.container(border=True):
        st.markdown(f"**{plain(person.reviewer)}** · {person.decisions:,} decisions in the last 13 months")
        if look.comment is None:
            st.caption("No comment was written.")
        else:
            st.markdown(f"In their own words, {plain(local_time(look.comment.written_at))}:")
            untrusted_text(look.comment.body)
        _said_of(person)
        _signals(person)


def _said_of(person: Person) -> None:
    """Benign explanations first, then what was noticed."""
    benign, noticed = person.account[: len(BENIGN)], person.account[len(BENIGN) :]
    st.markdown("What may well be behind it:\n" + "\n".join(f"- {plain(sentence)}" for sentence in benign))
    st.markdown("What was noticed:\n" + "\n".join(f"- {plain(sentence)}" for sentence in noticed))


def _signals(person: Person) -> None:
    """The figures, folded away, in a table that nothing can be taken out of as a file (METHODS 4.10)."""
    with st.expander("All twelve figures"):
        table = oversight.signals_table(person)[list(SIGNALS)].rename(columns=SIGNALS)
        st.table(table.set_index(SIGNALS["about"]))

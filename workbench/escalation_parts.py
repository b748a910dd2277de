"""The escalation ladder with what it would do, and the test of the override path. Each takes who asks and where."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.escalation import came_of, what, why
from review_queue.path_test import Part, PartState
from review_queue.roles import Principal, Task
from storage.engine import Database
from storage.path_tests import PathTest
from storage.workflows import Workflow
from workbench.actions import escalating, path_testing
from workbench.actions.escalating import Rehearsal
from workbench.lists import open_review, selected_row
from workbench.mailing import post_of
from workbench.parts import counted, local_time, plain, time_column
from workbench.settings import settings

#: Rows of a table; what is beyond is counted.
MOST_ROWS = 200
MARKS = {
    PartState.OK: (":material/check_circle:", "ok"),
    PartState.FAILED: (":material/error:", "failed"),
    PartState.NOT_TRIED: (":material/do_not_disturb_on:", "not tried"),
}


def ladder(database: Database, user: Principal, workflow: Workflow) -> None:
    """The ladder of a workflow, what it would do now and in the next business hours, and what it did last."""
    st.subheader("What goes up by itself?", anchor=False)
    steps = workflow.policy.escalation
    if not steps:
        st.markdown("**Nothing: this workflow has no escalation ladder.**")
        st.caption(
            "Add steps to the workflow's file, one [[escalation]] each, and run `workbench workflow add` again. "
            "Until then an item goes up only when somebody presses Escalate, or leaves it five times."
        )
        return
    may_rehearse = escalating.may_rehearse(user, workflow.id)
    rehearsal = _rehearsed(database, user, workflow) if may_rehearse else None
    if rehearsal is not None:
        st.markdown(f"**{plain(_answer(rehearsal))}**")
    rows = [(step.name, plain(why(step, openly=True)), plain(what(step))) for step in steps]
    st.table(pd.DataFrame(rows, columns=["Step", "Acts on an item that is", "And does this"]).set_index("Step"))
    st.caption(
        "Once an item, round and step, looked at once a minute. No step decides anything, and nobody loses what they "
        "have in hand."
    )
    if rehearsal is None:
        st.caption("What it would do to which items is shown to directors, managers and owners.")
        return
    _foreseen(rehearsal)
    _lately(database, user, workflow)


def _rehearsed(database: Database, user: Principal, workflow: Workflow) -> Rehearsal | None:
    try:
        return escalating.rehearse(database, person_id=user.person_id, workflow=workflow)
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        return None


def _answer(found: Rehearsal) -> str:
    now, later = len(found.due_now), len(found.acts) - len(found.due_now)
    more = "" if found.is_whole else " at least"
    soon = f"{counted(later, 'act')} in the next {escalating.AHEAD_HOURS:g} business hours"
    if not found.acts:
        return f"Nothing now, and nothing in the next {escalating.AHEAD_HOURS:g} business hours, if all stays as it is."
    first = f"Now{more} {counted(now, 'act')}" if now else "Nothing now"
    return f"{first}, and{more} {soon}, if all stays as it is."


def _foreseen(found: Rehearsal) -> None:
    if not found.acts:
        return
    shown = found.acts[:MOST_ROWS]
    rows = pd.DataFrame(
        {
            "item": [act.item_id for act in shown],
            "at": [act.at for act in shown],
            "series": [act.series for act in shown],
            "period": [act.period for act in shown],
            "step": [act.step for act in shown],
            "does": [came_of(act.did, to_level=act.to_level, taker=act.taker) for act in shown],
            "told": [", ".join(act.told) for act in shown],
        }
    )
    columns = {
        "item": None,
        "at": time_column("When"),
        "series": "Series",
        "period": "Period",
        "step": "Step",
        "does": "What",
        "told": st.column_config.TextColumn("Who hears of it", width="large"),
    }
    row = selected_row(
        rows,
        columns,
        key="ladder-foreseen",
        alt="What the ladder would do",
        ids=[f"{a.item_id}{a.step}" for a in shown],
    )
    if len(found.acts) > MOST_ROWS:
        st.caption(f"And {len(found.acts) - MOST_ROWS:,} more.")
    if row is not None:
        open_review(int(rows["item"].iloc[row]))


def _lately(database: Database, user: Principal, workflow: Workflow) -> None:
    done = escalating.last_acts(database, person_id=user.person_id, workflow=workflow)
    with st.expander(f"What it did last ({len(done)})"):
        if not done:
            st.caption("Nothing yet.")
            return
        rows = [
            (
                each.at,
                f"{each.series} · {each.period}",
                each.step,
                came_of(each.did, to_level=each.to_level, taker=each.assigned_to),
                ", ".join(each.told),
            )
            for each in done
        ]
        table = pd.DataFrame(rows, columns=["at", "Item", "Step", "What", "Who heard of it"])
        st.dataframe(table, hide_index=True, column_config={"at": time_column("When")}, alt="What the ladder did last")


# --- the override path ---------------------------------------------------------------------------------------------


def override_test(database: Database, user: Principal, workflow: Workflow) -> None:
    """*Test the override path*: the button, and what the last tests came to."""
    st.subheader("Can a bad AI value be overridden here?", anchor=False)
    if user.may(Task.RESPOND, workflow.id) and st.button(
        "Test the override path", key="path-test", icon=":material/fact_check:"
    ):
        _press(database, user, workflow)
    try:
        known = path_testing.path_tests_of(database, person_id=user.person_id, workflow=workflow)
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        return
    st.markdown(f"**{plain(_verdict(known, datetime.now(UTC)))}**")
    if known:
        st.markdown("\n".join(f"- {_told(part)}" for part in known[0].parts))
        _earlier(known[1:])
    st.caption(
        "An item is claimed and overridden in your name, and all of it is taken back at once. The owner and the deputy "
        "are told that it is a test."
    )


def _press(database: Database, user: Principal, workflow: Workflow) -> None:
    chosen = settings()
    with st.spinner("Trying every part"):
        try:
            path_testing.try_path(
                database,
                person_id=user.person_id,
                workflow=workflow,
                post=post_of(chosen),
                sender=chosen.mail_from or "",
            )
        except ReviewError as refusal:
            st.warning(plain(str(refusal)))


def _told(part: Part) -> str:
    icon, words = MARKS[part.state]
    return f"{icon} **{plain(part.name)}** ({words}): {plain(part.sentence)}"


def _verdict(known: list[PathTest], now: datetime) -> str:
    if not known:
        return "Can't tell yet: nobody has tried."
    last = known[0]
    failed = sum(part.state is PartState.FAILED for part in last.parts)
    untried = [part.name for part in last.parts if part.state is PartState.NOT_TRIED]
    ended = "Yes" if last.is_passed else f"No: {counted(failed, 'part')} failed"
    rest = f", but for what was not tried ({', '.join(untried)})" if last.is_passed and untried else ""
    return f"{ended}{rest}. Last tested {_ago(now, last.at)} by {last.by}."


def _ago(now: datetime, then: datetime) -> str:
    minutes = max((now - then).total_seconds(), 0) / 60
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{counted(int(minutes), 'minute')} ago"
    hours = minutes / 60
    return f"{counted(int(hours), 'hour')} ago" if hours < 48 else f"{int(hours / 24):,} days ago"


def _earlier(known: list[PathTest]) -> None:
    if known:
        with st.expander(f"Earlier tests ({len(known)})"):
            for test in known:
                failed = [part.name for part in test.parts if part.state is PartState.FAILED]
                came_to = "passed" if test.is_passed else f"failed: {', '.join(failed)}"
                st.caption(plain(f"{local_time(test.at)} · {test.by} · {came_to}"))

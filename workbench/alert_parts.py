"""The alerts of a workflow, each with what can be done about it, and the thresholds that raise them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from review_queue.alerting import KINDS, AlertRule, Reading, Watched, in_unit, measured, passed
from review_queue.errors import ReviewError
from review_queue.roles import Principal, Task
from storage.alerts import Alert
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import alerting
from workbench.incident_parts import open_from_alert
from workbench.navigation import PAGES
from workbench.parts import counted, local_time, plain, untrusted_text
from workbench.readings import watched_now

SAID = "alert-said"  #: why the last press was refused
LONGEST = 2000  #: characters of an explanation


def alert_list(user: Principal, database: Database, workflow: Workflow) -> None:
    """The open alerts beside what is measured now, then those that were closed, folded away, and what is watched."""
    try:
        every = alerting.list_alerts(database, person_id=user.person_id, workflow=workflow)
        now = watched_now(database, person_id=user.person_id, workflow=workflow)
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        return
    refused = st.session_state.pop(SAID, None)
    if refused:
        st.warning(plain(refused))
    still_open, closed = [one for one in every if one.closed_at is None], [one for one in every if one.closed_at]
    st.subheader("Is anything past its limit?", anchor=False)
    st.markdown(f"**{_answer(still_open, workflow)}**")
    if still_open and not user.may(Task.ANSWER, workflow.id):
        st.caption("A manager or the workflow's owner answers alerts.")
    for alert in still_open:
        with st.container(border=True):
            _alert(user, database, workflow, alert, _as_it_is_now(alert, workflow, now))
    if closed:
        with st.expander(f"Closed ({len(closed)})"):
            for alert in closed:
                _told(alert)
    _thresholds(workflow, now)


def _thresholds(workflow: Workflow, now: Mapping[Watched, Reading | None]) -> None:
    """What raises an alert here, and how it stands."""
    rules = workflow.policy.alerts
    with st.expander(f"What is watched ({len(rules)})", expanded=not rules):
        if not rules:
            st.caption(
                "Nothing yet. Add thresholds to the workflow's file, one [[alerts]] for each measure, "
                "and run `workbench workflow add` again."
            )
            st.table(
                pd.DataFrame([(name.value, kind.title) for name, kind in KINDS.items()], columns=["measure", "is"])
            )
            return
        rows = [
            (KINDS[rule.measure].title, _measured(rule.measure, now), _limits(rule), f"{rule.answer_hours:g} h")
            for rule in rules
        ]
        table = pd.DataFrame(rows, columns=["Measure", "Now", "Limits", "To be explained within"])
        st.table(table.set_index("Measure"))
        st.caption("Looked at every quarter of an hour. To be explained within business hours.")


def _as_it_is_now(alert: Alert, workflow: Workflow, now: Mapping[Watched, Reading | None]) -> str:
    """Whether it still is as it was when the alert was raised."""
    rule = next((rule for rule in workflow.policy.alerts if rule.measure == alert.measure), None)
    if rule is None:
        return "No longer watched."
    reading = now.get(alert.measure)
    if reading is None:
        return "Now: can't tell."
    state = "no longer past its limit" if passed(rule, reading) is None else "still past its limit"
    return f"Now: {_measured(alert.measure, now)}, {state}."


def _measured(measure: Watched, now: Mapping[Watched, Reading | None]) -> str:
    reading = now.get(measure)
    return "can't tell" if reading is None else measured(reading, KINDS[measure])


def _answer(still_open: list[Alert], workflow: Workflow) -> str:
    if not workflow.policy.alerts and not still_open:
        return "Nothing is watched yet."
    if not still_open:
        return "No: everything that is watched lies within its limits, or cannot be told yet."
    waiting = sum(alert.explained_at is None for alert in still_open)
    rest = f", {counted(waiting, 'alert')} without an explanation" if waiting else ", all explained"
    return f"Yes: {counted(len(still_open), 'alert')} open{rest}."


def _alert(user: Principal, database: Database, workflow: Workflow, alert: Alert, now: str) -> None:
    _told(alert)
    st.markdown(plain(now))
    explanation: str | None = None
    if user.may(Task.ANSWER, alert.workflow_id):
        explanation = st.text_area(
            "What is behind it, and what is done about it",
            value=alert.explanation,
            key=f"explanation-{alert.id}",
            max_chars=LONGEST,
            height=80,
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        if user.may(Task.ANSWER, alert.workflow_id):
            _answers(user, database, alert, explanation or "")
        if st.button("See the figures", key=f"figures-{alert.id}", icon=":material/monitoring:", type="tertiary"):
            st.switch_page(PAGES / f"{KINDS[alert.measure].page}.py")
        if user.may(Task.SEE_QUEUE, workflow.id):
            open_from_alert(database, user, workflow, alert)


def _answers(user: Principal, database: Database, alert: Alert, explanation: str) -> None:
    if alert.acknowledged_at is None:
        _button("Acknowledge", alert, lambda: alerting.acknowledge(database, **_mine(user, alert)))
    _button("Explain", alert, lambda: alerting.explain(database, **_mine(user, alert), explanation=explanation))
    if alert.explained_at is not None:
        _button("Close", alert, lambda: alerting.close(database, **_mine(user, alert)))


def _told(alert: Alert) -> None:
    """What was passed, when, whose it is, and what was said."""
    st.markdown(f"**{plain(alert.sentence)}**")
    facts = [f"raised {local_time(alert.raised_at)}", f"owner {alert.owner or 'nobody'}"]
    if alert.due_at is not None and alert.explained_at is None:
        is_late = alert.due_at < datetime.now(UTC)
        facts.append(f"{'late: was ' if is_late else ''}to be explained by {local_time(alert.due_at)}")
    for step, at, by in (
        ("acknowledged", alert.acknowledged_at, alert.acknowledged_by),
        ("explained", alert.explained_at, alert.explained_by),
        ("closed", alert.closed_at, alert.closed_by),
    ):
        if at is not None:
            facts.append(f"{step} by {by}, {local_time(at)}")
    st.caption(plain(" · ".join(facts)))
    if alert.explanation:
        untrusted_text(alert.explanation)


def _button(name: str, alert: Alert, act: Callable[[], object]) -> None:
    if st.button(name, key=f"{name.lower()}-{alert.id}"):
        try:
            act()
        except ReviewError as refusal:
            st.session_state[SAID] = str(refusal)
        st.rerun()


def _mine(user: Principal, alert: Alert) -> dict[str, int]:
    return {"person_id": user.person_id, "alert_id": alert.id}


def _limits(rule: AlertRule) -> str:
    """Both sides in words, as the policy has them."""
    kind = KINDS[rule.measure]
    sides = (("not below", rule.below), ("not above", rule.above))
    return ", ".join(f"{words} {in_unit(limit, kind)}" for words, limit in sides if limit is not None)

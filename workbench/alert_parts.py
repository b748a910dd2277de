"""The alerts of a workflow, each with what can be done about it, and the thresholds that raise them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from review_queue.alerting import KINDS, AlertRule, in_unit
from review_queue.errors import ReviewError
from review_queue.roles import Principal, Task
from storage.alerts import Alert
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import alerting
from workbench.navigation import PAGES
from workbench.parts import counted, local_time, plain, untrusted_text

SAID = "alert-said"  #: why the last press was refused
LONGEST = 2000  #: characters of an explanation


def alert_list(user: Principal, database: Database, workflow: Workflow) -> None:
    """The open alerts, then those that were closed, folded away."""
    try:
        every = alerting.list_alerts(database, person_id=user.person_id, workflow=workflow)
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        return
    refused = st.session_state.pop(SAID, None)
    if refused:
        st.warning(plain(refused))
    still_open, closed = [one for one in every if one.closed_at is None], [one for one in every if one.closed_at]
    st.subheader("Is anything past its limit?", anchor=False)
    st.markdown(f"**{_answer(still_open, workflow)}**")
    for alert in still_open:
        with st.container(border=True):
            _alert(user, database, alert)
    if closed:
        with st.expander(f"Closed ({len(closed)})"):
            for alert in closed:
                _told(alert)


def thresholds(workflow: Workflow) -> None:
    """What raises an alert here."""
    with st.expander("Thresholds", expanded=not workflow.policy.alerts):
        if not workflow.policy.alerts:
            st.caption(
                "None are set. Add them to the workflow's file, one [[alerts]] for each measure, "
                "and run `workbench workflow add` again."
            )
            st.table(
                pd.DataFrame([(name.value, kind.title) for name, kind in KINDS.items()], columns=["measure", "is"])
            )
            return
        rows = [
            (KINDS[rule.measure].title, _limit(rule, rule.below), _limit(rule, rule.above), f"{rule.answer_hours:g}")
            for rule in workflow.policy.alerts
        ]
        columns = ["Measure", "Not below", "Not above", "Business hours to answer"]
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, alt="Thresholds")


def _answer(still_open: list[Alert], workflow: Workflow) -> str:
    if not workflow.policy.alerts and not still_open:
        return "Nothing is watched yet."
    if not still_open:
        return "No: everything that is watched lies within its limits, or cannot be told yet."
    waiting = sum(alert.explained_at is None for alert in still_open)
    rest = f", {counted(waiting, 'alert')} without an explanation" if waiting else ", all explained"
    return f"Yes: {counted(len(still_open), 'alert')} open{rest}."


def _alert(user: Principal, database: Database, alert: Alert) -> None:
    _told(alert)
    if not user.may(Task.ANSWER, alert.workflow_id):
        return
    explanation = st.text_area(
        "What is behind it, and what is done about it",
        value=alert.explanation,
        key=f"explanation-{alert.id}",
        max_chars=LONGEST,
        height=80,
    )
    with st.container(horizontal=True):
        if alert.acknowledged_at is None:
            _button("Acknowledge", alert, lambda: alerting.acknowledge(database, **_mine(user, alert)))
        _button(
            "Explain",
            alert,
            lambda: alerting.explain(database, **_mine(user, alert), explanation=explanation or ""),
        )
        if alert.explained_at is not None:
            _button("Close", alert, lambda: alerting.close(database, **_mine(user, alert)))


def _told(alert: Alert) -> None:
    """What was passed, when, whose it is, and what was said."""
    st.markdown(f"**{plain(alert.sentence)}**")
    facts = [f"raised {local_time(alert.raised_at)}", f"owner {alert.owner or 'nobody'}"]
    if alert.due_at is not None and alert.explained_at is None:
        facts.append(f"to be explained by {local_time(alert.due_at)}")
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
    if st.button("See the figures", key=f"figures-{alert.id}", icon=":material/monitoring:", type="tertiary"):
        st.switch_page(PAGES / f"{KINDS[alert.measure].page}.py")


def _button(name: str, alert: Alert, act: Callable[[], object]) -> None:
    if st.button(name, key=f"{name.lower()}-{alert.id}"):
        try:
            act()
        except ReviewError as refusal:
            st.session_state[SAID] = str(refusal)
        st.rerun()


def _mine(user: Principal, alert: Alert) -> dict[str, int]:
    return {"person_id": user.person_id, "alert_id": alert.id}


def _limit(rule: AlertRule, limit: float | None) -> str:
    return "" if limit is None else in_unit(limit, KINDS[rule.measure])

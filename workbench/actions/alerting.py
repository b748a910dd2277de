"""Alerts: raised where a threshold is passed, then acknowledged, explained and closed by people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from review_queue.alerting import KINDS, AlertRule, Reading, Watched, passed, sentence
from review_queue.calendars import BusinessCalendar
from review_queue.errors import AlertRefused
from review_queue.notices import News
from review_queue.roles import Principal, Task
from storage import alerts, audit, notifications, people, workflows
from storage.alerts import Alert, Step
from storage.engine import Database, database_now
from storage.workflows import Workflow
from workbench.actions import responding
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen

#: After an alert was closed, the same measure is quiet for so long, whatever it does.
QUIET = timedelta(days=7)


def raise_alerts(database: Database, workflow: Workflow, readings: Mapping[Watched, Reading | None]) -> list[int]:
    """Raise an alert for each threshold that a reading lies beyond, unless one is open or was closed lately.

    Whoever owns the workflow, by the grant or by the e-mail address that its policy names, is told.

    Returns:
        The ids of those that are new.
    """
    made = []
    for rule in workflow.policy.alerts:
        reading = readings.get(rule.measure)
        limit = passed(rule, reading)
        if limit is None or reading is None:
            continue
        with database.writing() as session:
            now = database_now(session)
            workflows.lock(session, workflow.id)
            if not _is_known(session, workflow, rule, now):
                made.append(_raise(session, workflow, rule, reading, limit, now))
    return made


def _is_known(session: Session, workflow: Workflow, rule: AlertRule, now: datetime) -> bool:
    last = alerts.last_of(session, workflow.id, rule.measure)
    return last is not None and (last.closed_at is None or now - last.closed_at < QUIET)


def _raise(session: Session, workflow: Workflow, rule: AlertRule, reading: Reading, limit: float, now: datetime) -> int:
    policy = workflow.policy
    due_at = BusinessCalendar.of(policy).add_hours(now, rule.answer_hours)
    said = sentence(rule, reading, limit)
    facts = {"value": reading.value, "limit": limit, "n": float(reading.n)}
    alert_id = alerts.raise_alert(
        session, workflow.id, rule.measure, said, facts=facts, owner=policy.owner, due_at=due_at
    )
    owners = people.owners(session, workflow.id, emails=tuple(filter(None, (policy.owner, policy.deputy))))
    notifications.notify(session, owners, workflow.id, News.ALERT, f"{workflow.title}: {said}", by=None)
    audit.record(session, "alert.raised", actor_id=None, workflow_id=workflow.id, details={"alert": alert_id, **facts})
    if rule.opens_incident is not None:
        responding.start(session, workflow, title=said, severity=rule.opens_incident, alert_id=alert_id, by=None)
    return alert_id


@notes_refusals
def list_alerts(database: Database, *, person_id: int, workflow: Workflow) -> list[Alert]:
    """The alerts of a workflow, the open ones first."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_ANALYTICS, workflow.id)
        return as_seen(session, who, workflow, alerts.of(session, workflow.id))


@again(in_doubt=True)
def acknowledge(database: Database, *, person_id: int, alert_id: int) -> Alert:
    """Say that one has seen an alert. Whoever was first stands.

    Raises:
        AlertRefused: it is closed, or there is none.
        NotAllowed: the person may not answer alerts here.
    """
    with database.writing() as session:
        alert = _answerable(session, person_id, alert_id)
        return alert if alert.acknowledged_at else _step(session, alert, "acknowledged", person_id)


@again(in_doubt=True)
def explain(database: Database, *, person_id: int, alert_id: int, explanation: str) -> Alert:
    """Say what is behind an alert and what is done about it; a later explanation takes the place of an earlier one.

    Raises:
        AlertRefused: nothing is said, it is closed, or there is none.
        NotAllowed: the person may not answer alerts here.
    """
    if not explanation.strip():
        raise AlertRefused("Say what is behind it, and what is done about it.")
    with database.writing() as session:
        alert = _answerable(session, person_id, alert_id)
        if alert.acknowledged_at is None:
            alert = _step(session, alert, "acknowledged", person_id)
        return _step(session, alert, "explained", person_id, explanation=explanation.strip())


@again(in_doubt=True)
def close(database: Database, *, person_id: int, alert_id: int) -> Alert:
    """Close an alert that was explained.

    Raises:
        AlertRefused: nobody explained it, or there is none.
        NotAllowed: the person may not answer alerts here.
    """
    with database.writing() as session:
        alert = _answerable(session, person_id, alert_id, closed_is_fine=True)
        if alert.closed_at is not None:
            return alert
        if alert.explained_at is None:
            raise AlertRefused(f"{KINDS[alert.measure].title}: explain it first, then close it.")
        return _step(session, alert, "closed", person_id)


def _answerable(session: Session, person_id: int, alert_id: int, *, closed_is_fine: bool = False) -> Alert:
    who: Principal = people.principal(session, person_id)
    alert = alerts.by_id(session, alert_id, lock=True)
    if alert is None:
        raise AlertRefused("There is no such alert.")
    who.require(Task.ANSWER, alert.workflow_id)
    if alert.closed_at is not None and not closed_is_fine:
        raise AlertRefused(f"{KINDS[alert.measure].title}: {alert.closed_by} closed this alert already.")
    return alert


def _step(session: Session, alert: Alert, step: Step, person_id: int, *, explanation: str | None = None) -> Alert:
    alerts.take_step(session, alert.id, step, person_id, explanation=explanation)
    audit.record(
        session, f"alert.{step}", actor_id=person_id, workflow_id=alert.workflow_id, details={"alert": alert.id}
    )
    found = alerts.by_id(session, alert.id)
    assert found is not None  # noqa: S101 -- read a moment ago in this transaction
    return found

"""Alerts: raised once while they are open, and answered by people. A row is never removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.orm import Session

from review_queue.alerting import Watched
from storage.engine import database_time
from storage.tables import alerts, people

#: What can be done about an alert, in this order → the columns that tell when and by whom.
Step = Literal["acknowledged", "explained", "closed"]


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold that was passed, and what people said of it."""

    id: int
    workflow_id: int
    measure: Watched
    sentence: str  #: as it was when it was raised
    owner: str | None  #: who was to answer
    raised_at: datetime  #: UTC
    due_at: datetime | None  #: UTC; by when it is to be explained
    acknowledged_at: datetime | None
    acknowledged_by: str | None  #: names
    explanation: str  #: untrusted text
    explained_at: datetime | None
    explained_by: str | None
    closed_at: datetime | None
    closed_by: str | None


def raise_alert(
    session: Session,
    workflow_id: int,
    measure: Watched,
    sentence: str,
    *,
    facts: dict[str, float],
    owner: str | None,
    due_at: datetime,
) -> int:
    """Keep that a threshold was passed. One alert of a measure can be open at a time; the schema sees to it."""
    alert_id: int = session.execute(
        insert(alerts)
        .values(
            workflow_id=workflow_id,
            measure=measure,
            details={"sentence": sentence, **facts},
            owner=owner,
            raised_at=database_time(),
            due_at=due_at,
        )
        .returning(alerts.c.id)
    ).scalar_one()
    return alert_id


def last_of(session: Session, workflow_id: int, measure: Watched) -> Alert | None:
    """The newest alert of a measure, open or closed."""
    query = _alerts().where(alerts.c.workflow_id == workflow_id, alerts.c.measure == measure)
    row = session.execute(query.order_by(alerts.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else _alert(row)


def by_id(session: Session, alert_id: int, *, lock: bool = False) -> Alert | None:
    query = _alerts().where(alerts.c.id == alert_id)
    row = session.execute(query.with_for_update(of=alerts) if lock else query).one_or_none()
    return None if row is None else _alert(row)


def of(session: Session, workflow_id: int, *, limit: int = 200) -> list[Alert]:
    """The alerts of a workflow: the open ones first, then the newest."""
    query = _alerts().where(alerts.c.workflow_id == workflow_id)
    rows = session.execute(query.order_by(alerts.c.closed_at.is_not(None), alerts.c.id.desc()).limit(limit))
    return [_alert(row) for row in rows]


def take_step(session: Session, alert_id: int, step: Step, person_id: int, *, explanation: str | None = None) -> None:
    """Note that somebody acknowledged, explained or closed an alert."""
    values: dict[str, Any] = {f"{step}_at": database_time(), f"{step}_by": person_id}
    if explanation is not None:
        values["explanation"] = explanation
    session.execute(update(alerts).where(alerts.c.id == alert_id).values(values))


def _alerts() -> Select[Any]:
    by = {step: people.alias(step) for step in ("acknowledged", "explained", "closed")}
    query = select(alerts, *(person.c.name.label(f"{step}_name") for step, person in by.items()))
    joined: Any = alerts
    for step, person in by.items():
        joined = joined.outerjoin(person, person.c.id == alerts.c[f"{step}_by"])
    return query.select_from(joined)


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        workflow_id=row.workflow_id,
        measure=Watched(row.measure),
        sentence=row.details["sentence"],
        owner=row.owner,
        raised_at=row.raised_at,
        due_at=row.due_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_name,
        explanation=row.explanation,
        explained_at=row.explained_at,
        explained_by=row.explained_name,
        closed_at=row.closed_at,
        closed_by=row.closed_name,
    )

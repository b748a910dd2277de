"""Incidents: what went wrong, what it touches, who owns it, its timeline, and how it ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.orm import Session

from review_queue.incidents import Happened, Severity
from review_queue.items import Act, Outcome
from review_queue.roles import Principal, Task
from storage.engine import database_time, upsert
from storage.people import scope
from storage.tables import (
    decisions,
    escalations,
    incident_events,
    incident_items,
    incidents,
    items,
    people,
    series,
)


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong."""

    id: int
    workflow_id: int
    alert_id: int | None
    title: str  #: untrusted text
    severity: Severity
    owner_id: int | None
    owner: str | None
    model_version: str | None  #: untrusted text
    opened_by: str | None  #: None: a rule of the policy
    opened_at: datetime  #: UTC
    closed_at: datetime | None
    closed_by: str | None
    closing_note: str  #: untrusted text
    items: int  #: how many it touches

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline."""

    at: datetime  #: UTC
    kind: Happened
    by: str | None  #: None: a rule, or the clock
    said: str  #: untrusted text
    item_id: int | None = None


def add(
    session: Session,
    workflow_id: int,
    *,
    title: str,
    severity: Severity,
    owner_id: int | None,
    model_version: str | None,
    alert_id: int | None,
    opened_by: int | None,
) -> int:
    """Open an incident; its id. An alert has one open at a time; the schema sees to it."""
    incident_id: int = session.execute(
        insert(incidents)
        .values(
            workflow_id=workflow_id,
            alert_id=alert_id,
            title=title,
            severity=severity,
            owner_id=owner_id,
            model_version=model_version,
            opened_by=opened_by,
            opened_at=database_time(),
        )
        .returning(incidents.c.id)
    ).scalar_one()
    return incident_id


def touch(session: Session, incident_id: int, item_ids: Collection[int]) -> None:
    """Note that an incident touches these items; those that it touched already stay."""
    for item_id in sorted(set(item_ids)):
        row = upsert(session, incident_items).values(incident_id=incident_id, item_id=item_id)
        session.execute(row.on_conflict_do_nothing())


def note(
    session: Session, incident_id: int, kind: Happened, *, by: int | None, said: str = "", item_id: int | None = None
) -> None:
    """Add a line to the timeline."""
    event = {"incident_id": incident_id, "kind": kind, "actor_id": by, "item_id": item_id, "body": said}
    session.execute(insert(incident_events).values(at=database_time(), **event))


def change(session: Session, incident_id: int, **values: Any) -> None:
    """Give an incident another owner or severity."""
    session.execute(update(incidents).where(incidents.c.id == incident_id).values(**values))


def close(session: Session, incident_id: int, *, by: int, closing_note: str) -> None:
    ended = {"closed_at": database_time(), "closed_by": by, "closing_note": closing_note}
    session.execute(update(incidents).where(incidents.c.id == incident_id).values(ended))


def reopen(session: Session, incident_id: int) -> None:
    """Open an incident again; how it had ended stays in its timeline."""
    fresh = {"closed_at": None, "closed_by": None, "closing_note": ""}
    session.execute(update(incidents).where(incidents.c.id == incident_id).values(fresh))


def by_id(session: Session, incident_id: int, *, lock: bool = False) -> Incident | None:
    query = _whole().where(incidents.c.id == incident_id)
    row = session.execute(query.with_for_update(of=incidents) if lock else query).one_or_none()
    return None if row is None else _incident(row)


def of(session: Session, workflow_id: int, *, limit: int = 200) -> list[Incident]:
    """The incidents of a workflow: the open ones first, then the newest."""
    query = _whole().where(incidents.c.workflow_id == workflow_id)
    rows = session.execute(query.order_by(incidents.c.closed_at.is_not(None), incidents.c.id.desc()).limit(limit))
    return [_incident(row) for row in rows]


def open_of(session: Session, workflow_id: int) -> list[int]:
    """The ids of the open incidents of a workflow."""
    wanted = (incidents.c.workflow_id == workflow_id, incidents.c.closed_at.is_(None))
    return list(session.execute(select(incidents.c.id).where(*wanted).order_by(incidents.c.id)).scalars())


def open_of_alert(session: Session, alert_id: int) -> int | None:
    """The id of the open incident that came of an alert."""
    wanted = (incidents.c.alert_id == alert_id, incidents.c.closed_at.is_(None))
    return session.execute(select(incidents.c.id).where(*wanted)).scalar_one_or_none()


def spans(session: Session, workflow_id: int) -> list[tuple[datetime, datetime | None]]:
    """From when to when each incident of a workflow was open."""
    rows = session.execute(
        select(incidents.c.opened_at, incidents.c.closed_at).where(incidents.c.workflow_id == workflow_id)
    )
    return list(rows.tuples())


def touched(session: Session, incident_id: int, who: Principal) -> list[tuple[int, str, str]]:
    """The items that an incident touches and this person may see: id, series, period."""
    rows = session.execute(
        select(items.c.id, series.c.key, items.c.period)
        .join(incident_items, incident_items.c.item_id == items.c.id)
        .join(series, series.c.id == items.c.series_id)
        .where(incident_items.c.incident_id == incident_id, scope(who, Task.SEE_QUEUE))
        .order_by(items.c.id)
    )
    return list(rows.tuples())


def timeline(session: Session, incident: Incident, who: Principal) -> list[Event]:
    """What happened in an incident, the oldest first, with items that went up meanwhile and that ``who`` may see.

    What people and the ladder escalated is read from where it stands, so that nothing has to write it twice.
    """
    told = session.execute(
        select(
            incident_events.c.at,
            incident_events.c.kind,
            people.c.name,
            incident_events.c.body,
            incident_events.c.item_id,
            incident_events.c.id,
        )
        .outerjoin(people, people.c.id == incident_events.c.actor_id)
        .where(incident_events.c.incident_id == incident.id)
    )
    events = [(row.at, row.id, Event(row.at, Happened(row.kind), row.name, row.body, row.item_id)) for row in told]
    events += [(event.at, 0, event) for event in _went_up(session, incident, who)]
    return [event for _, _, event in sorted(events, key=lambda each: each[:2])]


def _went_up(session: Session, incident: Incident, who: Principal) -> list[Event]:
    undone = decisions.alias("undone")
    is_undone = select(undone.c.id).where(undone.c.supersedes_id == decisions.c.id, undone.c.act == Act.UNDO).exists()
    mine = _touched_by(incident, who)
    passed_up = session.execute(
        select(decisions.c.decided_at, people.c.name, series.c.key, items.c.period, items.c.id)
        .join(items, items.c.id == decisions.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .join(people, people.c.id == decisions.c.actor_id)
        .where(mine, decisions.c.outcome == Outcome.ESCALATE, ~is_undone, _meanwhile(incident, decisions.c.decided_at))
    )
    found = [
        Event(at, Happened.ESCALATED, name, f"{key} · {period} was passed up.", item_id)
        for at, name, key, period, item_id in passed_up
    ]
    climbed = session.execute(
        select(escalations.c.acted_at, escalations.c.step, series.c.key, items.c.period, items.c.id)
        .join(items, items.c.id == escalations.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .where(mine, _meanwhile(incident, escalations.c.acted_at))
    )
    return found + [
        Event(at, Happened.ESCALATED, None, f"{key} · {period}: step {step} of the ladder.", item_id)
        for at, step, key, period, item_id in climbed
    ]


def _touched_by(incident: Incident, who: Principal) -> Any:
    touched = select(incident_items.c.item_id).where(incident_items.c.incident_id == incident.id)
    return items.c.id.in_(touched) & scope(who, Task.SEE_QUEUE)


def _meanwhile(incident: Incident, at: Any) -> Any:
    return at.between(incident.opened_at, incident.closed_at) if incident.closed_at else at >= incident.opened_at


def _whole() -> Select[Any]:
    owner, opener, closer = (people.alias(name) for name in ("owner", "opener", "closer"))
    touched = (
        select(func.count())
        .select_from(incident_items)
        .where(incident_items.c.incident_id == incidents.c.id)
        .correlate(incidents)
        .scalar_subquery()
    )
    return (
        select(
            incidents,
            owner.c.name.label("owner_name"),
            opener.c.name.label("opener_name"),
            closer.c.name.label("closer_name"),
            touched.label("touched"),
        )
        .outerjoin(owner, owner.c.id == incidents.c.owner_id)
        .outerjoin(opener, opener.c.id == incidents.c.opened_by)
        .outerjoin(closer, closer.c.id == incidents.c.closed_by)
    )


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        id=row.id,
        workflow_id=row.workflow_id,
        alert_id=row.alert_id,
        title=row.title,
        severity=Severity(row.severity),
        owner_id=row.owner_id,
        owner=row.owner_name,
        model_version=row.model_version,
        opened_by=row.opener_name,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closed_by=row.closer_name,
        closing_note=row.closing_note,
        items=row.touched,
    )

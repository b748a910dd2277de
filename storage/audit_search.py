"""Looking events up in the audit record, inside a person's scope, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, not_, or_, select, true
from sqlalchemy.orm import Session

from review_queue.roles import Principal, Task
from storage.engine import database_now
from storage.people import scope
from storage.receipts import sealed_from
from storage.tables import audit_chain, audit_events, items, people, series
from storage.workflows import Workflow

#: Events at once.
PAGE = 200


@dataclass(frozen=True, slots=True)
class Sought:
    """What to look for; None: anything."""

    person: str | None = None  #: a part of the name of who did it
    action: str | None = None  #: how the action's name begins
    item_id: int | None = None
    since: datetime | None = None  #: UTC
    until: datetime | None = None  #: UTC; before it
    is_general: bool = False  #: what belongs to no workflow, in the place of what belongs to this one
    before: int | None = None  #: the event behind which the page begins


@dataclass(frozen=True, slots=True)
class Found:
    """One event, with names."""

    id: int
    seq: int | None  #: its place; None for one that nobody recorded
    at: datetime
    actor_id: int | None
    actor: str | None
    action: str
    item_id: int | None
    series: str | None
    period: str | None
    decision_id: int | None
    details: dict[str, Any]


def find(session: Session, who: Principal, workflow: Workflow, sought: Sought) -> list[Found]:
    """The newest events first, one more than ``PAGE`` where there are more.

    What a blind second review of this person's would be given away by is left out.
    """
    query = (
        select(
            audit_events.c.id,
            audit_chain.c.seq,
            audit_events.c.at,
            audit_events.c.actor_id,
            people.c.name.label("actor"),
            audit_events.c.action,
            audit_events.c.item_id,
            series.c.key.label("series"),
            items.c.period,
            audit_events.c.decision_id,
            audit_events.c.details,
        )
        .select_from(audit_events)
        .outerjoin(audit_chain, audit_chain.c.event_id == audit_events.c.id)
        .outerjoin(people, people.c.id == audit_events.c.actor_id)
        .outerjoin(items, items.c.id == audit_events.c.item_id)
        .outerjoin(series, series.c.id == items.c.series_id)
        .where(_in_scope(session, who, workflow, sought), *_wanted(sought))
        .order_by(audit_events.c.id.desc())
        .limit(PAGE + 1)
    )
    return [Found(**row._mapping) for row in session.execute(query)]


def _in_scope(session: Session, who: Principal, workflow: Workflow, sought: Sought) -> ColumnElement[bool]:
    held = who.grants_for(Task.AUDIT, workflow.id)
    if sought.is_general:
        everywhere = any(grant.workflow_id is None and grant.segment_path is None for grant in held)
        return audit_events.c.workflow_id.is_(None) if everywhere else false()
    can_be_undone = database_now(session) - timedelta(seconds=workflow.policy.undo_seconds)
    of_item = and_(items.c.id.is_not(None), scope(who, Task.AUDIT), not_(sealed_from(who, can_be_undone)))
    is_whole = any(grant.segment_path is None for grant in held)
    seen = or_(of_item, audit_events.c.item_id.is_(None)) if is_whole else of_item
    return and_(audit_events.c.workflow_id == workflow.id, seen)


def _wanted(sought: Sought) -> list[ColumnElement[bool]]:
    event = audit_events.c
    wanted: list[ColumnElement[bool]] = [true()]
    if sought.person:
        named = select(people.c.id).where(people.c.name.icontains(sought.person, autoescape=True))
        wanted.append(event.actor_id.in_(named))
    if sought.action:
        wanted.append(event.action.startswith(sought.action, autoescape=True))
    if sought.item_id is not None:
        wanted.append(event.item_id == sought.item_id)
    if sought.since is not None:
        wanted.append(event.at >= sought.since)
    if sought.until is not None:
        wanted.append(event.at < sought.until)
    if sought.before is not None:
        wanted.append(event.id < sought.before)
    return wanted

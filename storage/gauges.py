"""How things stand in the database as a whole, for whoever watches over the installation: no person's scope applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from review_queue.items import Lane
from storage import audit
from storage.engine import Database, database_now
from storage.failures import is_sqlite_busy
from storage.tables import OPEN, UNROUTED, audit_chain, audit_events, deliveries, items, outbox, receivers, workflows

PENDING = deliveries.c.state == "pending"


@dataclass(frozen=True, slots=True)
class Depth:
    """The open items of one workflow in one lane."""

    workflow: str  #: its key
    lane: Lane
    open: int
    oldest_seconds: float  #: since the oldest of them came in


@dataclass(frozen=True, slots=True)
class Ahead:
    """How far the audit record is ahead of the last checkpoint."""

    events: int
    seconds: float  #: since the first of them happened; 0 where there is none


@dataclass(frozen=True, slots=True)
class Standing:
    """What the gauges show."""

    queue: tuple[Depth, ...]
    outbox_pending: int  #: events not taken up yet, and deliveries that are still to be made to receivers in use
    outbox_oldest_seconds: float  #: since the oldest of those events happened; 0 where none waits
    ahead: Ahead | None  #: None where no checkpoints are kept


def standing(session: Session, *, vouched: int | None = None) -> Standing:
    """How things stand now, by the database's clock. ``vouched``: how many events the last checkpoint vouches for."""
    now = database_now(session)
    by_lane = (
        select(workflows.c.key, items.c.lane, func.count(), func.min(items.c.created_at))
        .join(workflows, workflows.c.id == items.c.workflow_id)
        .where(OPEN)
        .group_by(workflows.c.key, items.c.lane)
        .order_by(workflows.c.key, items.c.lane)
    )
    queue = tuple(
        Depth(key, Lane(lane), count, _seconds(oldest, now)) for key, lane, count, oldest in session.execute(by_lane)
    )
    unrouted = select(func.count(), func.min(outbox.c.created_at)).where(UNROUTED)
    undelivered = (
        select(func.count(), func.min(outbox.c.created_at))
        .select_from(deliveries)
        .join(outbox, outbox.c.id == deliveries.c.outbox_id)
        .join(receivers, receivers.c.id == deliveries.c.receiver_id)
        .where(PENDING, receivers.c.ended_at.is_(None), receivers.c.paused_at.is_(None))
    )
    waiting = [session.execute(each).one() for each in (unrouted, undelivered)]
    oldest = min((moment for _, moment in waiting if moment is not None), default=None)
    ahead = None if vouched is None else _ahead(session, vouched, now)
    return Standing(queue, sum(count for count, _ in waiting), _seconds(oldest, now), ahead)


def _ahead(session: Session, vouched: int, now: datetime) -> Ahead:
    first = (
        select(audit_events.c.at)
        .join(audit_chain, audit_chain.c.event_id == audit_events.c.id)
        .where(audit_chain.c.seq == vouched + 1)
    )
    since = session.execute(first).scalar_one_or_none()
    return Ahead(max(audit.tip(session).seq - vouched, 0), _seconds(since, now))


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def in_use(database: Database) -> int:
    """How many of this process's connections are in somebody's hands."""
    checked_out: Callable[[], int] | None = getattr(database.engine.pool, "checkedout", None)
    return checked_out() if checked_out is not None else 0


def on_sqlite_busy(database: Database, told: Callable[[], object]) -> None:
    """Have ``told`` called each time that SQLite waited in vain for another writer."""

    @event.listens_for(database.engine, "handle_error")
    def failed(context: Any) -> None:
        error = context.sqlalchemy_exception
        if isinstance(error, DBAPIError) and is_sqlite_busy(error):
            told()

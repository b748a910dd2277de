"""The record of what happened: written in the transaction of the change that it tells, or the change fails.

Events are inserted where they happen, and get their places in the hash chain as the last thing before COMMIT: whoever
gets one lets the next in only when it has ended, so places have no gaps, and nothing is locked behind that lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, String, bindparam, cast, func, insert, select
from sqlalchemy.orm import Session

from review_queue.chain import GENESIS, Entry, Event, Link, linked
from storage.engine import at_end, database_time
from storage.tables import audit_chain, audit_events

#: Links that are read at once.
AT_ONCE = 10_000

_UNSEALED = "audit events without a place"


def record(
    session: Session,
    action: str,
    *,
    actor_id: int | None,
    workflow_id: int | None = None,
    item_id: int | None = None,
    decision_id: int | None = None,
    details: dict[str, Any] | None = None,
) -> int:
    """Add one audit event. ``details`` holds ids, numbers and codes, never free text. Returns the event's id."""
    event: dict[str, Any] = {
        "actor_id": actor_id,
        "action": action,
        "workflow_id": workflow_id,
        "item_id": item_id,
        "decision_id": decision_id,
        "details": details or {},
    }
    event_id, at = session.execute(_ADDED, event).one()
    _to_seal(session, [Event(id=event_id, at=at, **event)])
    return int(event_id)


def record_all(session: Session, events: Sequence[dict[str, Any]]) -> None:
    """Add many: of each all that ``record`` takes, by its name."""
    added = session.execute(_ADDED_IN_ORDER, list(events)).all()
    _to_seal(session, [Event(id=row[0], at=row[1], **event) for row, event in zip(added, events, strict=True)])


_ADDED = insert(audit_events).values(at=database_time()).returning(audit_events.c.id, audit_events.c.at)
_ADDED_IN_ORDER = (
    insert(audit_events)
    .values(at=database_time())
    .returning(audit_events.c.id, audit_events.c.at, sort_by_parameter_order=True)
)


def seal_unsealed(session: Session) -> None:
    """Give places to events that were inserted past ``record``: a simulation's, in the order of their ids."""
    without = (
        select(audit_events)
        .outerjoin(audit_chain, audit_chain.c.event_id == audit_events.c.id)
        .where(audit_chain.c.seq.is_(None))
        .order_by(audit_events.c.id)
    )
    _to_seal(session, [_event(row) for row in session.execute(without)])


def _to_seal(session: Session, events: list[Event]) -> None:
    session.info.setdefault(_UNSEALED, []).extend((event.id, event.hash) for event in events)
    at_end(session, _seal)


def _seal(session: Session) -> None:
    """Give this transaction's events their places. From here to COMMIT nobody else gets one."""
    unsealed: list[tuple[int, str]] = session.info.pop(_UNSEALED)
    if session.get_bind().dialect.name == "postgresql":
        ids, hashes = zip(*unsealed, strict=True)
        session.execute(_SEALED, {"ids": list(ids), "hashes": list(hashes)})
        return
    last = tip(session)
    links = linked((event_hash for _, event_hash in unsealed), seq=last.seq, tip=last.hash)
    rows = [asdict(link) | {"event_id": event_id} for link, (event_id, _) in zip(links, unsealed, strict=True)]
    session.execute(_LINKED, rows)


_LINKED = insert(audit_chain)
_SEALED = select(func.audit_seal(cast(bindparam("ids"), ARRAY(BigInteger)), cast(bindparam("hashes"), ARRAY(String))))


# --- reading it -----------------------------------------------------------------------------------------------------

_LINK = (audit_chain.c.seq, audit_chain.c.event_hash, audit_chain.c.hash)


def tip(session: Session) -> Link:
    """The last link; link 0 while nothing is recorded."""
    row = session.execute(_TIP).one_or_none()
    return Link(0, "", GENESIS) if row is None else Link(*row)


_TIP = select(*_LINK).order_by(audit_chain.c.seq.desc()).limit(1)


def hashes_at(session: Session, places: Sequence[int]) -> dict[int, str]:
    """The hashes of these links, of those that are there."""
    found = session.execute(select(audit_chain.c.seq, audit_chain.c.hash).where(audit_chain.c.seq.in_(places)))
    return dict(found.tuples().all())


def last_at(session: Session) -> datetime | None:
    """When the newest event happened, UTC."""
    query = select(audit_events.c.at).order_by(audit_events.c.id.desc()).limit(1)
    return session.execute(query).scalar_one_or_none()


def place_of(session: Session, event_id: int) -> int:
    """The place of an event that was committed."""
    seq: int = session.execute(select(audit_chain.c.seq).where(audit_chain.c.event_id == event_id)).scalar_one()
    return seq


def entries(session: Session) -> Iterator[Entry]:
    """The whole record in its order, each link with the event that it is of."""
    after = 0
    while rows := session.execute(_ENTRIES, {"after": after, "at_once": AT_ONCE}).all():
        for row in rows:
            yield Entry(Link(row.seq, row.event_hash, row.hash), None if row.id is None else _event(row))
        after = rows[-1].seq


_ENTRIES: Select[Any] = (
    select(*_LINK, *audit_events.c)
    .select_from(audit_chain)
    .outerjoin(audit_events, audit_events.c.id == audit_chain.c.event_id)
    .where(audit_chain.c.seq > bindparam("after"))
    .order_by(audit_chain.c.seq)
    .limit(bindparam("at_once"))
)


def strangers(session: Session) -> list[int]:
    """Ids of events that are in the record without a place in its chain, at most ten: nobody recorded them."""
    without = (
        select(audit_events.c.id)
        .outerjoin(audit_chain, audit_chain.c.event_id == audit_events.c.id)
        .where(audit_chain.c.seq.is_(None))
        .order_by(audit_events.c.id)
        .limit(10)
    )
    return list(session.execute(without).scalars())


def last_of(session: Session, action: str) -> Event | None:
    """The newest event with this action that belongs to no workflow."""
    of_all = (audit_events.c.action == action, audit_events.c.workflow_id.is_(None))
    query = select(audit_events).where(*of_all).order_by(audit_events.c.id.desc()).limit(1)
    row = session.execute(query).one_or_none()
    return None if row is None else _event(row)


def done_by(session: Session, actor_id: int, actions: Collection[str], *, since: datetime) -> list[Event]:
    """What somebody has done since then of these actions, in its order."""
    wanted = (audit_events.c.actor_id == actor_id, audit_events.c.action.in_(actions), audit_events.c.at >= since)
    query = select(audit_events).where(*wanted).order_by(audit_events.c.id)
    return [_event(row) for row in session.execute(query)]


def _event(row: Any) -> Event:
    return Event(
        id=row.id,
        at=row.at,
        actor_id=row.actor_id,
        action=row.action,
        workflow_id=row.workflow_id,
        item_id=row.item_id,
        decision_id=row.decision_id,
        details=row.details,
    )

"""Where a workflow's events are sent, and the keys that they are signed with. Rows are never removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, or_, select, update
from sqlalchemy.orm import Session

from storage.engine import database_time
from storage.tables import people, receiver_keys, receivers, workflows


@dataclass(frozen=True, slots=True)
class Receiver:
    """One address that a workflow's events are sent to."""

    id: int
    workflow_id: int
    workflow_key: str
    url: str  #: untrusted text
    created_by: int
    created_by_name: str
    created_at: datetime  #: UTC
    approved_by_name: str | None
    approved_at: datetime | None  #: UTC; events from then on are sent; None: it waits for a second person
    hold_until: datetime | None  #: UTC; it asked us to wait
    paused_at: datetime | None  #: UTC
    paused_why: str
    ended_at: datetime | None  #: UTC; removed


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key, without its secret."""

    id: int
    created_at: datetime  #: UTC
    ends_at: datetime | None  #: UTC; None: in force until another takes its place


def add(session: Session, workflow_id: int, url: str, *, person_id: int) -> int:
    """Add a receiver that nobody has approved yet."""
    receiver_id: int = session.execute(
        insert(receivers)
        .values(workflow_id=workflow_id, url=url, created_by=person_id, created_at=database_time())
        .returning(receivers.c.id)
    ).scalar_one()
    return receiver_id


def by_id(session: Session, receiver_id: int, *, lock: bool = False) -> Receiver | None:
    query = _receivers().where(receivers.c.id == receiver_id)
    row = session.execute(query.with_for_update(of=receivers) if lock else query).one_or_none()
    return None if row is None else _receiver(row)


def of(session: Session, workflow_ids: list[int]) -> list[Receiver]:
    """The receivers of these workflows, without those that were removed, in the order in which they came."""
    query = _receivers().where(receivers.c.workflow_id.in_(workflow_ids), receivers.c.ended_at.is_(None))
    return [_receiver(row) for row in session.execute(query.order_by(receivers.c.id))]


def change(session: Session, receiver_id: int, **values: Any) -> None:
    """Set columns of one receiver."""
    session.execute(update(receivers).where(receivers.c.id == receiver_id).values(values))


def add_key(session: Session, receiver_id: int, secret: str, *, person_id: int) -> int:
    """Add a signing key, in force from now on."""
    key_id: int = session.execute(
        insert(receiver_keys)
        .values(receiver_id=receiver_id, secret=secret, created_by=person_id, created_at=database_time())
        .returning(receiver_keys.c.id)
    ).scalar_one()
    return key_id


def keys(session: Session, receiver_ids: list[int], now: datetime) -> dict[int, list[Key]]:
    """The keys in force of each receiver, the newest first."""
    found: dict[int, list[Key]] = {}
    for row in session.execute(_in_force(receiver_ids, now)):
        found.setdefault(row.receiver_id, []).append(Key(row.id, row.created_at, row.ends_at))
    return found


def secrets(session: Session, receiver_ids: list[int], now: datetime) -> dict[int, tuple[str, ...]]:
    """What each receiver's messages are signed with now, the newest first."""
    found: dict[int, tuple[str, ...]] = {}
    for row in session.execute(_in_force(receiver_ids, now)):
        found[row.receiver_id] = (*found.get(row.receiver_id, ()), row.secret)
    return found


def end_keys(session: Session, receiver_id: int, ends_at: datetime, *, but: int) -> None:
    """Let every key of a receiver end then, except the one with that id and those that end sooner."""
    others = (
        receiver_keys.c.receiver_id == receiver_id,
        receiver_keys.c.id != but,
        or_(receiver_keys.c.ends_at.is_(None), receiver_keys.c.ends_at > ends_at),
    )
    session.execute(update(receiver_keys).where(*others).values(ends_at=ends_at))


def _in_force(receiver_ids: list[int], now: datetime) -> Select[Any]:
    return (
        select(receiver_keys)
        .where(
            receiver_keys.c.receiver_id.in_(receiver_ids),
            or_(receiver_keys.c.ends_at.is_(None), receiver_keys.c.ends_at > now),
        )
        .order_by(receiver_keys.c.id.desc())
    )


def _receivers() -> Select[Any]:
    creator, approver = people.alias("creator"), people.alias("approver")
    return (
        select(
            receivers,
            workflows.c.key.label("workflow_key"),
            creator.c.name.label("creator_name"),
            approver.c.name.label("approver_name"),
        )
        .select_from(receivers)
        .join(workflows, workflows.c.id == receivers.c.workflow_id)
        .join(creator, creator.c.id == receivers.c.created_by)
        .outerjoin(approver, approver.c.id == receivers.c.approved_by)
    )


def _receiver(row: Row[Any]) -> Receiver:
    return Receiver(
        id=row.id,
        workflow_id=row.workflow_id,
        workflow_key=row.workflow_key,
        url=row.url,
        created_by=row.created_by,
        created_by_name=row.creator_name,
        created_at=row.created_at,
        approved_by_name=row.approver_name,
        approved_at=row.approved_at,
        hold_until=row.hold_until,
        paused_at=row.paused_at,
        paused_why=row.paused_why,
        ended_at=row.ended_at,
    )

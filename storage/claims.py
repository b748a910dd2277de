"""Claims that end without whoever holds them doing anything about the item."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, not_, select, update
from sqlalchemy.orm import Session

from review_queue.items import State
from storage.tables import IN_HAND, items


@dataclass(frozen=True, slots=True)
class Held:
    """One person's claim on one item."""

    person_id: int
    item_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class Released:
    """A claim that was given back."""

    item_id: int
    workflow_id: int
    fence: int


def release_all(session: Session, person_id: int, *, now: datetime) -> list[Released]:
    """Give back everything that this person holds."""
    return _release(session, items.c.claimed_by == person_id, now)


def release_one(session: Session, held: Held, *, now: datetime) -> list[Released]:
    """Give back this claim, if it still stands."""
    same = and_(items.c.id == held.item_id, items.c.claimed_by == held.person_id, items.c.fence == held.fence)
    return _release(session, same, now)


def release_beyond(session: Session, person_id: int, within: ColumnElement[bool], *, now: datetime) -> list[Released]:
    """Give back what this person holds of items for which ``within`` is not so."""
    return _release(session, and_(items.c.claimed_by == person_id, not_(within)), now)


def holders(session: Session) -> list[int]:
    """The ids of everybody who holds an item."""
    found = select(items.c.claimed_by).where(IN_HAND, items.c.claimed_by.is_not(None)).distinct()
    return sorted(session.execute(found).scalars())


def holds_beyond(session: Session, person_id: int, within: ColumnElement[bool]) -> bool:
    """Whether this person holds an item for which ``within`` is not so."""
    found = select(items.c.id).where(IN_HAND, items.c.claimed_by == person_id, not_(within)).limit(1)
    return session.execute(found).first() is not None


def _release(session: Session, which: ColumnElement[bool], now: datetime) -> list[Released]:
    released = session.execute(
        update(items)
        .where(which, IN_HAND)
        .values(state=State.READY, available_at=now, expires_at=None)
        .returning(items.c.id, items.c.workflow_id, items.c.fence)
    )
    return [Released(*row) for row in sorted(released)]

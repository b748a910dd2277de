"""Giving items to a person: who has what to decide, and the record of who gave it to them and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from review_queue.items import Item, SkipReason, State
from storage.engine import database_time
from storage.tables import OPEN, assignments, items, people, skips

#: Who gives an item away that a step of the escalation ladder gives away.
LADDER = "The escalation ladder"


def assign(session: Session, item: Item, to: int | None, *, by: int | None, note: str, now: datetime) -> None:
    """Put a locked item into somebody's name, or back to everybody's; whoever holds it no longer does.

    ``by``: None is the escalation ladder.
    """
    taken = item.state is State.CLAIMED and item.holder_id != to
    ended = {"state": State.READY, "available_at": now, "expires_at": None, "fence": items.c.fence + 1} if taken else {}
    session.execute(update(items).where(items.c.id == item.id).values(assigned_to=to, **ended))
    session.execute(
        insert(assignments).values(
            item_id=item.id,
            assigned_to=to,
            taken_from=item.holder_id if taken else item.assigned_id,
            assigned_by=by,
            note=note,
            assigned_at=database_time(),
        )
    )


def note_reopening(session: Session, item: Item, *, by: int, note: str) -> None:
    """Keep the note with which a decided item was put back for everybody."""
    session.execute(
        insert(assignments).values(
            item_id=item.id, assigned_to=None, assigned_by=by, note=note, assigned_at=database_time()
        )
    )


@dataclass(frozen=True, slots=True)
class Reopening:
    """That somebody put a decided item back into the queue."""

    name: str
    note: str  #: untrusted text
    at: datetime  #: UTC


def last_reopening(session: Session, item_id: int) -> Reopening | None:
    """Who reopened the item last, when and why; None if nobody ever did."""
    # Giving an item back to everybody takes it from somebody; reopening takes it from nobody.
    taken_from_nobody = (assignments.c.assigned_to.is_(None), assignments.c.taken_from.is_(None))
    row = session.execute(
        select(people.c.name, assignments.c.note, assignments.c.assigned_at)
        .join(people, people.c.id == assignments.c.assigned_by)
        .where(assignments.c.item_id == item_id, *taken_from_nobody)
        .order_by(assignments.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Reopening(*row)


def loads(session: Session, workflow_id: int, person_ids: Collection[int]) -> dict[int, int]:
    """How many open items of the workflow are assigned to each of these people."""
    counts = session.execute(
        select(items.c.assigned_to, func.count())
        .where(items.c.assigned_to.in_(person_ids), OPEN, items.c.workflow_id == workflow_id)
        .group_by(items.c.assigned_to)
    )
    return dict(counts.all())


def last_note(session: Session, item_id: int) -> tuple[str, str] | None:
    """Who gave the item to whoever it is assigned to, and the note they left."""
    row = session.execute(
        select(func.coalesce(people.c.name, LADDER).label("name"), assignments.c.note)
        .outerjoin(people, people.c.id == assignments.c.assigned_by)
        .where(assignments.c.item_id == item_id)
        .order_by(assignments.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.name, row.note)


def skip(session: Session, item: Item, person_id: int, fence: int, reason: SkipReason, note: str) -> None:
    """Note that somebody gave an item back undecided, and why; what is not theirs is no longer in their name."""
    if reason.is_for_good and item.assigned_id == person_id:
        session.execute(update(items).where(items.c.id == item.id).values(assigned_to=None))
    session.execute(
        insert(skips).values(
            item_id=item.id,
            person_id=person_id,
            round=item.round,
            fence=fence,
            reason=reason,
            note=note,
            skipped_at=database_time(),
        )
    )


def is_skipped(session: Session, item_id: int, person_id: int, fence: int) -> bool:
    """Whether this person skipped the item under that claim."""
    same = select(skips.c.id).where(skips.c.item_id == item_id, skips.c.person_id == person_id, skips.c.fence == fence)
    return session.execute(same).one_or_none() is not None


def passed_for_good(session: Session, item: Item, person_id: int) -> SkipReason | None:
    """Why this person will not be served the item again in this round, if they skipped it for good."""
    reason = session.execute(
        select(skips.c.reason)
        .where(
            skips.c.item_id == item.id,
            skips.c.person_id == person_id,
            skips.c.round == item.round,
            skips.c.reason.in_([reason for reason in SkipReason if reason.is_for_good]),
        )
        .order_by(skips.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if reason is None else SkipReason(reason)


@dataclass(frozen=True, slots=True)
class Skip:
    """That somebody passed an item by."""

    person_id: int
    name: str
    reason: SkipReason
    note: str  #: untrusted text
    skipped_at: datetime  #: UTC


def skips_of(session: Session, item_id: int, round_: int) -> list[Skip]:
    """Who passed the item by in this round, the newest first."""
    rows = session.execute(
        select(people.c.id, people.c.name, skips.c.reason, skips.c.note, skips.c.skipped_at)
        .join(people, people.c.id == skips.c.person_id)
        .where(skips.c.item_id == item_id, skips.c.round == round_)
        .order_by(skips.c.id.desc())
    )
    return [Skip(person_id, name, SkipReason(reason), note, at) for person_id, name, reason, note, at in rows]

"""Claims: taking the next item or a certain one, holding it, giving it back, moving it on.

A claim is one statement. Its condition treats an expired claim and a reached deferral as available, so nothing has to
sweep the table, and no item can be stuck.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, literal, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from review_queue.errors import ItemNotFound
from review_queue.items import (
    Claim,
    Item,
    Stage,
    State,
    Verdict,
)
from review_queue.roles import Grant, Principal, Task
from review_queue.rules import TOP_LEVEL
from storage import people as people_
from storage import serving
from storage.engine import database_time
from storage.serving import Server
from storage.tables import (
    IN_HAND,
    PUT_OFF,
    items,
)

#: A claim that ran out this often without a decision puts the item before somebody one level up.
EXPIRIES_BEFORE_HELP = 5
#: How many items of each segment are looked at when others have the first in hand.
SEVERAL = 50


@dataclass(frozen=True, slots=True)
class PassedUp:
    """An item that was put before somebody one level up."""

    item_id: int
    fence: int
    level: int


@dataclass(frozen=True, slots=True)
class Held:
    """One claim of a person."""

    item_id: int
    fence: int
    is_in_scope: bool  #: whether their grants still reach it


@dataclass(frozen=True, slots=True)
class Hand:
    """What a person holds."""

    now: datetime  #: when it was read, UTC, by the database's clock
    held: tuple[Held, ...]  #: the oldest claim first

    @property
    def first(self) -> Held | None:
        """The oldest claim that the person may still decide."""
        return next((each for each in self.held if each.is_in_scope), None)


def in_hand(session: Session, who: Principal, workflow_id: int) -> Hand:
    """What ``who`` claimed in a workflow and still has, even past its time, if nobody took it over."""
    mine = {"workflow_id": workflow_id, "person_id": who.person_id}
    rows = session.execute(_hand(who.grants), mine).all()
    return Hand(rows[0].now, tuple(Held(row.id, row.fence, row.is_in_scope) for row in rows if row.id is not None))


def claim_next(
    session: Session, server: Server, workflow_id: int, *, now: datetime, ttl: timedelta
) -> tuple[Claim | None, list[PassedUp]]:
    """Claim the first item in serving order, or nothing when nothing is waiting for this person.

    Items that another transaction has locked are passed over, and waited for when there is no other. An item whose
    claims ran out too often is not handed out once more but passed up; those come second.
    """
    passed_up: list[PassedUp] = []
    for again in (False, True):
        while (row := _claim_first(session, server, workflow_id, now=now, ttl=ttl, again=again)) is not None:
            if row.expiries < EXPIRIES_BEFORE_HELP or row.level >= TOP_LEVEL:
                return _as_claim(row, server.who, now, ttl), passed_up
            passed_up.append(_pass_up(session, row, now))
    return None, passed_up


def _claim_first(
    session: Session, server: Server, workflow_id: int, *, now: datetime, ttl: timedelta, again: bool
) -> Row[Any] | None:
    statement = partial(_claiming_first, server, workflow_id, again)
    row = _claim(session, statement("pass over"), server.who, now=now, ttl=ttl)
    if row is None and _is_any_left(session, server, workflow_id, again, now):
        # Many at once in one segment: whoever waited for its first item would hold up the next who does.
        row = _claim(session, statement("pass over", SEVERAL), server.who, now=now, ttl=ttl)
    while row is None and _is_any_left(session, server, workflow_id, again, now):
        # All that is left is locked by others. Whatever they do with it, after the wait there is news.
        row = _claim(session, statement("wait"), server.who, now=now, ttl=ttl)
    return row


def _is_any_left(session: Session, server: Server, workflow_id: int, again: bool, now: datetime) -> bool:
    first = serving.first_for(server, workflow_id, again=again, lock="no")
    return session.execute(select(first), serving.at(now)).scalar_one() is not None


def claim_this(session: Session, server: Server, item_id: int, *, now: datetime, ttl: timedelta) -> Claim | None:
    """Claim one item by its id, or None when it is not to be had now."""
    which = and_(items.c.id == item_id, serving.free_to(server))
    row = _claim(session, _claiming(which), server.who, now=now, ttl=ttl)
    return None if row is None else _as_claim(row, server.who, now, ttl)


def take_over(session: Session, server: Server, item_id: int, *, now: datetime, ttl: timedelta) -> Claim | None:
    """Claim one open item whatever it waits for, a date or an answer; None if somebody else has it in hand."""
    which = and_(items.c.id == item_id, serving.open_to(server))
    row = _claim(session, _claiming(which), server.who, now=now, ttl=ttl)
    return None if row is None else _as_claim(row, server.who, now, ttl)


def renew(session: Session, who: Principal, item_id: int, fence: int, *, now: datetime, ttl: timedelta) -> bool:
    """Hold the item for another while, if the claim is still this one."""
    renewed = session.execute(
        update(items)
        .where(items.c.id == item_id, _claimed(who, fence), people_.reach(who))
        .values(expires_at=now + ttl, available_at=now + ttl)
        .returning(items.c.id)
    )
    return renewed.one_or_none() is not None


def release(session: Session, who: Principal, item_id: int, fence: int, *, now: datetime) -> bool:
    """Give the item back to the queue, if the claim is still this one."""
    released = session.execute(
        update(items)
        .where(items.c.id == item_id, _claimed(who, fence))
        .values(state=State.READY, available_at=now, expires_at=None)
        .returning(items.c.id)
    )
    return released.one_or_none() is not None


def complete(session: Session, who: Principal, item: Item, verdict: Verdict, *, now: datetime) -> bool:
    """Move the item on from its claim; false when that claim is gone. The fence decides, not the clock."""
    is_provisional_first = verdict.is_provisional and verdict.next_stage is Stage.SECOND
    is_disputed = item.stage is Stage.SECOND and verdict.next_stage is Stage.SETTLING
    moved = session.execute(
        _completing(),
        {
            "item_id": item.id,
            "item_round": item.round,
            "holder": who.person_id,
            "held_fence": item.fence,
            "next_state": verdict.next_state,
            "next_level": verdict.next_level,
            "next_stage": verdict.next_stage,
            "next_not_for": who.person_id if is_provisional_first else item.not_for,
            "next_nor_for": who.person_id if is_disputed else item.nor_for,
            # Whoever it was given to has done their part; what comes next is for anybody, unless it is put off.
            "next_assigned": item.assigned_id if verdict.next_state is State.DEFERRED else None,
            "available_from": verdict.available_at or now,
        },
    )
    return moved.one_or_none() is not None


@cache
def _completing() -> ReturningUpdate[Any]:
    held = and_(
        items.c.state == State.CLAIMED,
        items.c.claimed_by == bindparam("holder"),
        items.c.fence == bindparam("held_fence"),
    )
    return (
        update(items)
        .where(items.c.id == bindparam("item_id"), items.c.round == bindparam("item_round"), held)
        .values(
            state=bindparam("next_state"),
            level=bindparam("next_level"),
            stage=bindparam("next_stage"),
            not_for=bindparam("next_not_for"),
            nor_for=bindparam("next_nor_for"),
            assigned_to=bindparam("next_assigned"),
            available_at=bindparam("available_from"),
            expires_at=None,
            expiries=0,
        )
        .returning(items.c.id)
    )


def reclaim(
    session: Session, who: Principal, item: Item, *, level: int, stage: Stage, now: datetime, ttl: timedelta
) -> Claim:
    """Put a locked item back into its last reviewer's hands under a new fence, after an undo."""
    row = _claim(session, _claiming(items.c.id == item.id), who, now=now, ttl=ttl)
    if row is None:
        raise ItemNotFound(item.id)
    free = {"not_for": None} if stage is Stage.FIRST else {}
    if stage is not Stage.SETTLING:
        free["nor_for"] = None
    session.execute(update(items).where(items.c.id == item.id).values(level=level, stage=stage, **free))
    return _as_claim(row, who, now, ttl)


def reopen(session: Session, item: Item, *, now: datetime) -> int:
    """Put a locked, decided item back for another round. Returns its number."""
    session.execute(
        update(items)
        .where(items.c.id == item.id)
        .values(
            state=State.READY,
            round=item.round + 1,
            stage=Stage.FIRST,
            not_for=None,
            nor_for=None,
            available_at=now,
            # It is placed again before it is served for long: what it was weighed against may have changed.
            placed_until=now,
        )
    )
    return item.round + 1


def wake(session: Session, workflow_id: int, *, now: datetime, limit: int = 500) -> int:
    """Bring what was put off until now back among the ready; how many. A claim finds them without it, more slowly."""
    reached = (
        select(items.c.id)
        .where(items.c.workflow_id == workflow_id, PUT_OFF, items.c.available_at <= now)
        .order_by(items.c.available_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    woken = session.execute(
        update(items).where(items.c.id.in_(reached.scalar_subquery())).values(state=State.READY).returning(items.c.id)
    )
    return len(woken.all())


def _claimed(who: Principal, fence: int) -> ColumnElement[bool]:
    return and_(items.c.state == State.CLAIMED, items.c.claimed_by == who.person_id, items.c.fence == fence)


def _claim(
    session: Session, claiming: ReturningUpdate[Any], who: Principal, *, now: datetime, ttl: timedelta
) -> Row[Any] | None:
    claim = {"claimer": who.person_id, "claimed_now": now, "ends_at": now + ttl}
    return session.execute(claiming, claim | serving.at(now)).one_or_none()


@lru_cache(maxsize=512)
def _claiming_first(
    server: Server, workflow_id: int, again: bool, lock: Literal["pass over", "wait"], depth: int = 1
) -> ReturningUpdate[Any]:
    return _claiming(items.c.id == serving.first_for(server, workflow_id, again=again, lock=lock, depth=depth))


def _claiming(which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    """The claim: one statement, whose condition says which item."""
    return (
        update(items)
        .where(which)
        .values(
            state=State.CLAIMED,
            claimed_by=bindparam("claimer"),
            claimed_at=bindparam("claimed_now"),
            expires_at=bindparam("ends_at"),
            available_at=bindparam("ends_at"),
            fence=items.c.fence + 1,
            expiries=case((items.c.state == State.CLAIMED, items.c.expiries + 1), else_=items.c.expiries),
        )
        .returning(items.c.id, items.c.fence, items.c.expiries, items.c.level)
    )


def _as_claim(row: Row[Any], who: Principal, now: datetime, ttl: timedelta) -> Claim:
    return Claim(row.id, who.person_id, row.fence, now, now + ttl)


def _pass_up(session: Session, row: Row[Any], now: datetime) -> PassedUp:
    session.execute(
        update(items)
        .where(items.c.id == row.id)
        # In the name of somebody who does not reach that step it would be served to nobody.
        .values(
            state=State.READY,
            level=row.level + 1,
            expiries=0,
            available_at=now,
            expires_at=None,
            assigned_to=None,
        )
    )
    return PassedUp(row.id, row.fence, row.level + 1)


@lru_cache(maxsize=512)
def _hand(grants: tuple[Grant, ...]) -> Select[Any]:
    held = (
        select(
            items.c.id,
            items.c.fence,
            items.c.claimed_at,
            people_.scope(Principal(0, "", grants), Task.REVIEW).label("is_in_scope"),
        )
        .where(items.c.workflow_id == bindparam("workflow_id"), items.c.claimed_by == bindparam("person_id"), IN_HAND)
        .subquery()
    )
    always = select(literal(1)).subquery()  # or there would be no row for an empty hand
    return (
        select(database_time().label("now"), held.c.id, held.c.fence, held.c.is_in_scope)
        .select_from(always.outerjoin(held, true()))
        .order_by(held.c.claimed_at, held.c.id)
    )

"""Items as the queue serves them: reading one whole, claiming the next, giving it back.

A claim is one statement. Its condition treats an expired claim and a reached deferral as available, so nothing has to
sweep the table, and no item can be stuck.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, func, literal, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from review_queue.errors import ItemNotFound
from review_queue.items import (
    Band,
    Claim,
    Divergence,
    Forecast,
    Item,
    Lane,
    SourceKind,
    Stage,
    Standing,
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
    forecasts,
    items,
    model_versions,
    people,
    policies,
    segments,
    series,
    sources,
    workflows,
)
from storage.tree import names

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


def get_item(
    session: Session, item_id: int, who: Principal, task: Task = Task.SEE_QUEUE, *, lock: bool = False
) -> Item:
    """The item with its standing forecasts, if ``who`` may see it; ``lock`` holds it until the transaction ends.

    Raises:
        ItemNotFound: there is none, or not in this person's scope.
    """
    row = session.execute(_visible_item(who.grants, task, lock=lock), {"item_id": item_id}).one_or_none()
    if row is None:
        raise ItemNotFound(item_id)
    return _item(row, _standing_forecasts(session, item_id))


def require_visible(session: Session, who: Principal, item_id: int) -> None:
    """Raise ``ItemNotFound`` unless there is such an item and ``who`` may see it."""
    seen = select(items.c.id).where(items.c.id == item_id, people_.scope(who, Task.SEE_QUEUE))
    if session.execute(seen).first() is None:
        raise ItemNotFound(item_id)


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


# Statements that every press needs are built once for each set of grants: building them takes longer than running them.


@lru_cache(maxsize=512)
def _visible_item(grants: tuple[Grant, ...], task: Task, *, lock: bool) -> Select[Any]:
    wanted = _whole_items().where(items.c.id == bindparam("item_id"), people_.scope(Principal(0, "", grants), task))
    return wanted.with_for_update(of=items) if lock else wanted


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


def _whole_items() -> Select[Any]:
    assignees = people.alias("assignees")
    newest = (
        select(func.max(policies.c.version))
        .where(policies.c.workflow_id == items.c.workflow_id)
        .correlate(items)
        .scalar_subquery()
    )
    return (
        select(
            items,
            workflows.c.key.label("workflow_key"),
            workflows.c.unit,
            policies.c.body["tolerance"].as_float().label("tolerance"),
            series.c.key.label("series"),
            series.c.value_per_unit,
            series.c.currency,
            segments.c.path,
            people.c.name.label("holder_name"),
            assignees.c.name.label("assigned_name"),
        )
        .join(workflows, workflows.c.id == items.c.workflow_id)
        .join(
            policies,
            and_(policies.c.workflow_id == items.c.workflow_id, policies.c.version == newest),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(people, people.c.id == items.c.claimed_by)
        .outerjoin(assignees, assignees.c.id == items.c.assigned_to)
    )


@cache
def _newest_forecasts() -> Select[Any]:
    newest = select(func.max(forecasts.c.id)).where(forecasts.c.item_id == bindparam("item_id"))
    return (
        select(forecasts, sources.c.key, sources.c.kind, model_versions.c.name.label("model_version"))
        .join(sources, sources.c.id == forecasts.c.source_id)
        .outerjoin(model_versions, model_versions.c.id == forecasts.c.model_version_id)
        .where(forecasts.c.id.in_(newest.group_by(forecasts.c.source_id)))
        .order_by(forecasts.c.id)
    )


def _standing_forecasts(session: Session, item_id: int) -> list[Forecast]:
    rows = session.execute(_newest_forecasts(), {"item_id": item_id})
    return [
        Forecast(
            id=row.id,
            source=row.key,
            kind=SourceKind(row.kind),
            value=row.value,
            received_at=row.received_at,
            low=row.low,
            high=row.high,
            level=row.interval_level,
            model_version=row.model_version,
            made_at=row.made_at,
            author=row.author,
            note=row.note,
            rationale=row.rationale,
        )
        for row in rows
    ]


def _item(row: Row[Any], standing: list[Forecast]) -> Item:
    by_kind = {forecast.kind: forecast for forecast in standing}
    return Item(
        id=row.id,
        workflow_id=row.workflow_id,
        workflow_key=row.workflow_key,
        unit=row.unit,
        series_id=row.series_id,
        series=row.series,
        period=row.period,
        period_start=row.period_start,
        segments=names(row.path),
        state=State(row.state),
        round=row.round,
        level=row.level,
        stage=Stage(row.stage),
        created_at=row.created_at,
        due_at=row.due_at,
        ai=by_kind.get(SourceKind.AI),
        manual=by_kind.get(SourceKind.MANUAL),
        naive=by_kind.get(SourceKind.NAIVE),
        others=tuple(forecast for forecast in standing if forecast.kind is SourceKind.OTHER),
        divergence=Divergence(
            gap=row.gap,
            money=row.money,
            scale=row.scale,
            u=row.u,
            symmetric=row.symmetric,
            band=Band(row.band),
            outside_interval=row.outside_interval,
            flagged=row.flagged,
        ),
        standing=Standing(Lane(row.lane), row.score, tuple(row.why)),
        content_hash=row.content_hash,
        tolerance=row.tolerance,
        fence=row.fence,
        holder_id=row.claimed_by,
        holder_name=row.holder_name,
        claimed_at=row.claimed_at,
        expires_at=row.expires_at,
        deferred_until=row.available_at if row.state == State.DEFERRED else None,
        not_for=row.not_for,
        nor_for=row.nor_for,
        assigned_id=row.assigned_to,
        assigned_name=row.assigned_name,
        value_per_unit=row.value_per_unit,
        currency=row.currency,
    )

"""Which item is next for whom: the first of a few lines, each a walk along one index.

A person is served from lines: what is assigned to them, what anybody at their step of the ladder may take in the whole
workflow or in each of their segments, and what was put off until now. Each line is in serving order already, so only
its first free item is looked at, and the best of these few is next: a claim costs the same at ten items and a million.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Integer,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from review_queue.items import CLAIMABLE_STATES, Lane, SkipReason, State
from review_queue.roles import REVIEW_LEVEL, Principal, Task
from storage import people
from storage.engine import UtcDateTime, unindexed
from storage.tables import CLAIMABLE, FOR_ANYBODY, OPEN, PUT_OFF, SERVING_ORDER, TO_CLAIM, items, segments, skips
from storage.tree import below

#: How long an item that somebody skipped stays out of their way while there is anything else.
SKIPPED_FOR = timedelta(hours=8)
#: Skipped for these, an item does not come back to the same person in this round.
FOR_GOOD = [reason for reason in SkipReason if reason.is_for_good]
#: Of what was put off until now, only the longest overdue are looked at; within a minute the server wakes the rest.
REACHED = 100
#: No lane is counted further than this: how much waits is worth knowing, the millionth item is not.
COUNTED_TO = 1_000


@dataclass(frozen=True, slots=True)
class Server:
    """Somebody who is to be served: who they are, and in whose place they decide beside their own."""

    who: Principal
    stands_in_for: frozenset[int] = frozenset()  #: ids of people who are away

    @property
    def served(self) -> list[int]:
        return [self.who.person_id, *sorted(self.stands_in_for)]


#: Parameters of every condition here, given with the statement by ``at``: the statements themselves are kept.
NOW = bindparam("serving_now", type_=UtcDateTime())
SKIPPED_SINCE = bindparam("skipped_since", type_=UtcDateTime())


def at(now: datetime) -> dict[str, datetime]:
    """The parameters of a statement that holds one of these conditions, at ``now`` (UTC)."""
    return {"serving_now": now, "skipped_since": now - SKIPPED_FOR}


def first_for(
    server: Server, workflow_id: int, *, again: bool, lock: Literal["pass over", "wait", "no"], depth: int = 1
) -> ScalarSelect[int]:
    """The id of the first item in serving order that this person may take now; null when there is none.

    Args:
        again: offer what they skipped a while ago too.
        lock: whether to lock it, and then what to do about items that another transaction has locked.
        depth: how many items of each segment to look at, where it goes by segments and the first may be locked; more
            than one is for PostgreSQL.
    """
    free = _free(server, again=again)
    lines = [
        (line if lock == "no" else _locking(line, skip_locked=lock == "pass over")).cte(f"line_{number}")
        for number, line in enumerate(_lines(server, workflow_id, free, depth))
    ]
    together = union_all(*(select(line) for line in lines)).subquery()
    first = together.c
    return (
        select(first.id)
        .order_by(first.lane, first.is_own.desc(), first.score.desc(), first.due_at.is_(None), first.due_at, first.id)
        .limit(_rows(1))
        .scalar_subquery()
    )


def next_for(session: Session, server: Server, workflow_id: int, *, now: datetime) -> int | None:
    """The id of the item that this person would be served next, left where it is; None where nothing waits."""
    first = first_for(server, workflow_id, again=False, lock="no")
    return session.execute(select(first), at(now)).scalar_one()


def free_to(server: Server) -> ColumnElement[bool]:
    """The condition on ``items`` that one of them can be claimed by this person now."""
    is_mine = and_(items.c.state == State.CLAIMED, items.c.claimed_by == server.who.person_id)
    return and_(
        CLAIMABLE,
        or_(items.c.available_at <= NOW, is_mine),
        _for(server),
        people.reach(server.who),
    )


def open_to(server: Server) -> ColumnElement[bool]:
    """The condition on ``items`` that this person may decide one of them, even one that waits for something."""
    is_held = and_(items.c.state == State.CLAIMED, items.c.available_at > NOW)
    is_free = or_(not_(is_held), items.c.claimed_by == server.who.person_id)
    return and_(OPEN, is_free, _not_against(server), people.reach(server.who))


def waiting(session: Session, server: Server, workflow_id: int, *, now: datetime) -> dict[Lane, int]:
    """How many items wait for this person now, by lane, counted up to ``COUNTED_TO`` each."""
    mine = _is_theirs(server, workflow_id)
    counts = [
        select(func.count())
        .select_from(select(literal(1)).where(mine, items.c.lane == lane).limit(COUNTED_TO).subquery())
        .scalar_subquery()
        for lane in Lane
    ]
    return dict(zip(Lane, session.execute(select(*counts), at(now)).one(), strict=True))


def due(session: Session, server: Server, workflow_id: int, *, now: datetime, soon: datetime) -> tuple[int, int]:
    """How many of the items that wait for this person are overdue, and how many are due from now until ``soon``."""
    mine = _is_theirs(server, workflow_id)
    counts = [
        select(func.count())
        .select_from(select(literal(1)).where(mine, when).limit(COUNTED_TO).subquery())
        .scalar_subquery()
        for when in (items.c.due_at <= now, and_(items.c.due_at > now, items.c.due_at <= soon))
    ]
    overdue, later = session.execute(select(*counts), at(now)).one()
    return overdue, later


def due_first(
    session: Session, server: Server, workflow_id: int, *, now: datetime, soon: datetime, limit: int
) -> list[int]:
    """The ids of those items that wait for this person and are overdue or due until ``soon``, the earliest first."""
    theirs = select(items.c.id).where(_is_theirs(server, workflow_id), items.c.due_at <= soon)
    return list(session.execute(theirs.order_by(items.c.due_at, items.c.id).limit(limit), at(now)).scalars())


def _is_theirs(server: Server, workflow_id: int) -> ColumnElement[bool]:
    """The condition on ``items`` that one waits for this person now."""
    return and_(_where_they_work(server.who, workflow_id), OPEN, free_to(server), not_passed(server))


def _where_they_work(who: Principal, workflow_id: int) -> ColumnElement[bool]:
    """The condition that an item is of the workflow and, where the person knows only some, in one of their segments."""
    whole, inside = _reach_by_scope(who, workflow_id)
    if whole >= 0:
        return items.c.workflow_id == workflow_id
    theirs = select(segments.c.id).where(segments.c.workflow_id == workflow_id, or_(false(), *map(below, inside)))
    return and_(unindexed(items.c.workflow_id) == workflow_id, items.c.segment_id.in_(theirs))


def _lines(server: Server, workflow_id: int, free: ColumnElement[bool], depth: int) -> Iterator[Select[Any]]:
    """The lines that this person is served from; each gives at most one row of ``id, lane, is_own, score, due_at``."""
    here = items.c.workflow_id == workflow_id
    reach = people.reach(server.who)
    for person in server.served:
        own = and_(items.c.assigned_to == person, OPEN, CLAIMABLE, here, reach, free)
        yield _in_order(select(*_facts(items, is_own=True)).where(own))
    put_off = select(*_facts(items)).where(_longest_reached(here), PUT_OFF, FOR_ANYBODY, reach, free)
    yield _in_order(put_off)
    whole, inside = _reach_by_scope(server.who, workflow_id)
    for level in range(whole + 1):
        yield _in_order(select(*_facts(items)).where(here, items.c.level == level, TO_CLAIM, FOR_ANYBODY, free))
    for level in range(whole + 1, max(inside.values(), default=-1) + 1):
        paths = [path for path, top in inside.items() if top >= level]
        yield _first_of_segments(workflow_id, paths, level, free, depth)


def _longest_reached(here: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition that an item is among those put off until now, found by their date.

    PostgreSQL takes nearly every date for past, and would rather walk the whole queue in serving order.
    """
    reached = (
        select(items.c.id).where(here, PUT_OFF, FOR_ANYBODY, items.c.available_at <= NOW).order_by(items.c.available_at)
    )
    return items.c.id.in_(reached.limit(_rows(REACHED)).correlate(None))


def _first_of_segments(
    workflow_id: int, paths: list[str], level: int, free: ColumnElement[bool], depth: int
) -> Select[Any]:
    """The best among the first of each segment at or below ``paths``."""
    here = (
        _in_order(select(items.c.id).where(items.c.segment_id == segments.c.id, items.c.level == level, TO_CLAIM))
        .where(FOR_ANYBODY, free)
        .correlate(segments)
    )
    if depth == 1:
        firsts = select(here.scalar_subquery())
    else:
        several = here.limit(_rows(depth)).lateral("several")
        firsts = select(several.c.id).select_from(segments.join(several, true()))
    firsts = firsts.where(segments.c.workflow_id == workflow_id, or_(*(below(path) for path in paths)))
    item = items.alias("first_here")
    # What was free when it was read may be taken by the time that it is locked.
    is_free_still = and_(item.c.state.in_(CLAIMABLE_STATES), item.c.available_at <= NOW, item.c.assigned_to.is_(None))
    return (
        select(*_facts(item))
        .where(item.c.id.in_(firsts), is_free_still)
        .order_by(item.c.lane, item.c.score.desc(), item.c.due_at.is_(None), item.c.due_at, item.c.id)
        .limit(_rows(1))
    )


def _facts(item: Any, *, is_own: bool = False) -> tuple[ColumnElement[Any], ...]:
    return item.c.id, item.c.lane, literal(int(is_own)).label("is_own"), item.c.score, item.c.due_at


def _locking(line: Select[Any], *, skip_locked: bool) -> Select[Any]:
    return line.with_for_update(skip_locked=skip_locked, of=line.selected_columns.id.table)


def _in_order(line: Select[Any]) -> Select[Any]:
    return line.order_by(*SERVING_ORDER).limit(_rows(1))


def _rows(count: int) -> ColumnElement[int]:
    """So many rows, written out: of a parameter PostgreSQL expects a tenth of the table, and plans each claim anew."""
    return literal_column(str(count), Integer())


def _reach_by_scope(who: Principal, workflow_id: int) -> tuple[int, dict[str, int]]:
    """The highest step of the ladder in the whole workflow (-1: none), and in each segment path."""
    whole, inside = -1, dict[str, int]()
    for grant in who.grants_for(Task.REVIEW, workflow_id):
        top = REVIEW_LEVEL[grant.role]
        if grant.segment_path is None:
            whole = max(whole, top)
        else:
            inside[grant.segment_path] = max(inside.get(grant.segment_path, -1), top)
    return whole, inside


def _free(server: Server, *, again: bool) -> ColumnElement[bool]:
    for_good, lately = skips.c.reason.in_(FOR_GOOD), skips.c.skipped_at > SKIPPED_SINCE
    not_skipped = _not_skipped(server, for_good if again else or_(for_good, lately))
    return and_(items.c.available_at <= NOW, _not_against(server), not_skipped)


def _for(server: Server) -> ColumnElement[bool]:
    """For anybody, or for this person or one in whose place they stand."""
    return and_(or_(FOR_ANYBODY, items.c.assigned_to.in_(server.served)), _not_against(server))


def _not_against(server: Server) -> ColumnElement[bool]:
    """Whoever decided first is not the second reviewer, and neither of the two settles what they differ about."""
    me = server.who.person_id
    return and_(*(or_(column.is_(None), column != me) for column in (items.c.not_for, items.c.nor_for)))


def not_passed(server: Server) -> ColumnElement[bool]:
    """The condition on ``items`` that this person did not skip it for good in this round."""
    return _not_skipped(server, skips.c.reason.in_(FOR_GOOD))


def _not_skipped(server: Server, how: ColumnElement[bool]) -> ColumnElement[bool]:
    mine = and_(
        skips.c.item_id == items.c.id,
        skips.c.person_id == server.who.person_id,
        skips.c.round == items.c.round,
    )
    return not_(exists().where(mine, how).correlate(items))

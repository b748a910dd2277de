"""What the escalation ladder looks for among open items, and what its steps have done: once an item, round and step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select, true, update
from sqlalchemy.orm import Session

from review_queue.escalation import Did, Does, Facts, Since, Step, When
from review_queue.items import Act, Band, Outcome, State
from storage import bulk
from storage.absences import is_on
from storage.engine import unindexed, upsert
from storage.people import names_of
from storage.tables import LEFT, OPEN, absences, decisions, escalations, items, people, segments, series


@dataclass(frozen=True, slots=True)
class Climber:
    """An open item that a step may act on."""

    item_id: int
    series: str
    period: str
    path: str  #: of its segment; empty: none
    round: int
    level: int
    state: State
    fence: int
    holder_id: int | None  #: whoever claimed it last, while it is claimed
    assigned_id: int | None
    facts: Facts


def candidates(
    session: Session,
    workflow_id: int,
    step: Step,
    before: Step | None,
    *,
    now: datetime,
    at: datetime,
    cutoff: datetime,
    limit: int,
) -> list[int]:
    """Ids of open items on which ``step`` has not acted in their round, and acts by ``at`` if nothing else happens.

    Args:
        before: the step before this one, for those that count from it.
        at: UTC, ``now`` or later. Who is away is taken as it is now.
        cutoff: the last instant from which the step's business hours have passed by ``at``, UTC.
    """
    acted = exists().where(
        escalations.c.item_id == items.c.id,
        escalations.c.round == items.c.round,
        escalations.c.step == step.name,
    )
    query = select(items.c.id).where(items.c.workflow_id == workflow_id, OPEN, not_(acted))
    if step.since is Since.LAST_STEP:
        earlier = escalations.alias("earlier")
        query = query.join(earlier, and_(earlier.c.item_id == items.c.id, earlier.c.round == items.c.round)).where(
            earlier.c.workflow_id == workflow_id,
            earlier.c.step == (before.name if before else ""),
            earlier.c.acted_at <= cutoff,
        )
    else:
        start = items.c.due_at if step.since is Since.DUE else items.c.created_at
        # Few items have such a gap or were left so often, and most are older: SQLite is to begin with the few.
        begins_elsewhere = When.EXTREME in step.when or When.EXPIRED in step.when
        query = query.where((unindexed(start) if begins_elsewhere else start) <= cutoff)
    conditions = [_holds(condition, step, at) for condition in step.when]
    if step.does is not Does.NOTIFY:
        conditions.append(_is_free(at))
    if step.does is Does.ASSIGN_DEPUTY:
        conditions.append(_is_with_absent(now))
    return list(session.execute(query.where(*conditions).limit(limit)).scalars())


def climbers(session: Session, item_ids: Collection[int], *, now: datetime, lock: bool = False) -> list[Climber]:
    """These items, by id, where they are open; ``lock`` holds them, without those that somebody else holds."""
    which = bulk.among(session, items.c.id, sorted(item_ids))
    if lock:
        held = select(items.c.id).where(which).order_by(items.c.id).with_for_update(key_share=True, skip_locked=True)
        which = bulk.among(session, items.c.id, list(session.execute(held).scalars()))
    rows = session.execute(
        select(
            items,
            series.c.key.label("series"),
            func.coalesce(segments.c.path, "").label("path"),
            _returned().label("returned"),
            _is_with_absent(now).label("is_with_absent"),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .where(which, OPEN)
        .order_by(items.c.id)
    )
    return [
        Climber(
            item_id=row.id,
            series=row.series,
            period=row.period,
            path=row.path,
            round=row.round,
            level=row.level,
            state=State(row.state),
            fence=row.fence,
            holder_id=row.claimed_by if row.state == State.CLAIMED else None,
            assigned_id=row.assigned_to,
            facts=Facts(
                created_at=row.created_at,
                due_at=row.due_at,
                band=Band(row.band),
                money=row.money,
                expiries=row.expiries,
                claim_ends_at=row.expires_at if row.state == State.CLAIMED else None,
                returned=row.returned,
                is_with_absent=bool(row.is_with_absent),
            ),
        )
        for row in rows
    ]


def done(session: Session, item_ids: Collection[int]) -> dict[int, dict[str, datetime]]:
    """When steps acted on these items in their present round: id → step → instant."""
    found: dict[int, dict[str, datetime]] = {}
    rows = session.execute(
        select(escalations.c.item_id, escalations.c.step, escalations.c.acted_at)
        .join(items, and_(items.c.id == escalations.c.item_id, items.c.round == escalations.c.round))
        .where(bulk.among(session, escalations.c.item_id, sorted(item_ids)))
    )
    for item_id, step, at in rows:
        found.setdefault(item_id, {})[step] = at
    return found


def add(
    session: Session,
    climber: Climber,
    step: str,
    *,
    workflow_id: int,
    did: Did,
    why: str,
    to_level: int,
    assigned_to: int | None,
    told: Sequence[int],
    policy_version: int,
    now: datetime,
) -> bool:
    """Keep that a step acts on an item; false if it has in this round, so that whoever asks leaves it alone."""
    row = {
        "workflow_id": workflow_id,
        "item_id": climber.item_id,
        "round": climber.round,
        "step": step,
        "did": did,
        "why": why,
        "from_level": climber.level,
        "to_level": to_level,
        "assigned_to": assigned_to,
        "told": list(told),
        "policy_version": policy_version,
        "acted_at": now,
    }
    added = upsert(session, escalations).values(row).on_conflict_do_nothing().returning(escalations.c.id)
    return session.execute(added).one_or_none() is not None


def raise_item(session: Session, climber: Climber, level: int, *, now: datetime) -> None:
    """Put a locked item before a higher step of review. A claim that ran out ends; what waits for a date goes on to.

    The fence rises, so that what somebody did with the item before is neither saved late nor undone.
    """
    ended = {"state": State.READY, "available_at": now, "expires_at": None} if climber.state is State.CLAIMED else {}
    # In the name of somebody who does not reach that step it would be served to nobody.
    values = {"level": level, "assigned_to": None, "expiries": 0, "fence": items.c.fence + 1, **ended}
    session.execute(update(items).where(items.c.id == climber.item_id).values(values))


@dataclass(frozen=True, slots=True)
class Escalated:
    """That a step of the ladder acted on an item."""

    item_id: int
    series: str
    period: str
    step: str
    did: Did
    why: str
    from_level: int
    to_level: int
    assigned_to: str | None
    told: tuple[str, ...]  #: names
    at: datetime  #: UTC


def of_item(session: Session, item_id: int, round_: int) -> list[Escalated]:
    """What the ladder did with an item in a round, the oldest first."""
    return _read(session, escalations.c.item_id == item_id, escalations.c.round == round_)


def newest(session: Session, workflow_id: int, *wanted: ColumnElement[bool], limit: int = 50) -> list[Escalated]:
    """What the ladder did last in a workflow, the newest first; ``wanted``: conditions on ``items``."""
    ids = (
        select(escalations.c.id)
        .join(items, items.c.id == escalations.c.item_id)
        .where(escalations.c.workflow_id == workflow_id, *wanted)
    )
    newest = ids.order_by(escalations.c.acted_at.desc(), escalations.c.id.desc()).limit(limit).subquery()
    return _read(session, escalations.c.id.in_(select(newest.c.id)))[::-1]


def _read(session: Session, *wanted: ColumnElement[bool]) -> list[Escalated]:
    takers = people.alias("takers")
    rows = session.execute(
        select(escalations, series.c.key.label("series"), items.c.period, takers.c.name.label("taker"))
        .join(items, items.c.id == escalations.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(takers, takers.c.id == escalations.c.assigned_to)
        .where(*wanted)
        .order_by(escalations.c.acted_at, escalations.c.id)
    ).all()
    names = names_of(session, {person for row in rows for person in row.told})
    return [
        Escalated(
            item_id=row.item_id,
            series=row.series,
            period=row.period,
            step=row.step,
            did=Did(row.did),
            why=row.why,
            from_level=row.from_level,
            to_level=row.to_level,
            assigned_to=row.taker,
            told=tuple(names[person] for person in row.told if person in names),
            at=row.acted_at,
        )
        for row in rows
    ]


def _holds(condition: When, step: Step, at: datetime) -> ColumnElement[bool]:
    """The condition in SQL, as ``review_queue.escalation`` has it for an item that stays as it is until ``at``."""
    match condition:
        case When.OVERDUE:
            return items.c.due_at <= at
        case When.UNCLAIMED:
            return _is_free(at)
        case When.EXTREME:
            return items.c.band == Band.EXTREME
        case When.MONEY:
            return func.abs(items.c.money) > (step.money_above or 0.0)
        case When.EXPIRED:
            # Implied by what follows for all but the first time, and what the index holds.
            left = true() if step.expired_times == 1 else LEFT
            ran_out = and_(items.c.state == State.CLAIMED, items.c.expires_at <= at)
            often = or_(items.c.expiries >= step.expired_times, ran_out)
            return and_(left, items.c.expiries >= step.expired_times - 1, often)
        case When.RETURNED:
            return _returned() >= step.returned_times


def _is_free(at: datetime) -> ColumnElement[bool]:
    return or_(items.c.state != State.CLAIMED, items.c.expires_at <= at)


def _is_with_absent(at: datetime) -> ColumnElement[bool]:
    return exists().where(absences.c.person_id == items.c.assigned_to, is_on(at)).correlate(items)


def _returned() -> ColumnElement[int]:
    undone = decisions.alias("undone")
    return (
        select(func.count())
        .select_from(decisions)
        .where(
            decisions.c.item_id == items.c.id,
            decisions.c.round == items.c.round,
            decisions.c.outcome == Outcome.SEND_BACK,
            ~exists().where(undone.c.supersedes_id == decisions.c.id, undone.c.act == Act.UNDO),
        )
        .correlate(items)
        .scalar_subquery()
    )

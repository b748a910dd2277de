"""Bringing ``kept_reviews`` up to date with what has come in, and making them anew.

What is stored is worked out beforehand, so that nobody who decides waits for it, and is stored only where nobody else
has stored anything in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Table, and_, delete, func, insert, select, union_all, update
from sqlalchemy.orm import Session

from storage import bulk
from storage import kept_reviews as kept
from storage.engine import Database, database_now, upsert
from storage.growth import Some, Tips, newest, settled, touched
from storage.known_actuals import period_ends
from storage.reports import rows
from storage.tables import cycles, decisions, items, kept_reviews, kept_until, past_reviews, review_changes
from storage.workflows import Workflow

#: Reviews that are worked out and stored together, and parts that are gathered together at the most.
AT_ONCE, MOST_GATHERED = 20_000, 200
Key = tuple[date, int]  #: week and stratum: what names a part


@dataclass(frozen=True)
class Until:
    """How much of what has come in is kept."""

    stamp: int  #: rises with each change
    layout: str
    tips: Tips | None  #: what has come in up to here is kept; None: that cannot be told yet
    mark: Tips  #: how far the tables had grown at ``mark_at``
    mark_at: datetime  #: UTC
    as_of: datetime  #: UTC; when it was last brought up to date
    next_item: int | None = 0  #: while all is being made: what has an id above is still to come
    next_past: int | None = 0
    is_gathered: bool = False  #: of each week and stratum there is one piece
    changes_at: datetime | None = None  #: UTC; when the clock alone will change something that is kept

    @property
    def is_whole(self) -> bool:
        """Whether everything is kept that had come in up to ``tips``."""
        return self.tips is not None and self.is_gathered


@dataclass(frozen=True)
class _Step:
    """What is to be stored: parts as they are to be, and how much is kept then."""

    until: Until
    parts: dict[Key, pa.Table] = field(default_factory=dict)
    piece: int = 0
    is_anew: bool = False  #: nothing that was kept may stay


def until(session: Session, workflow: Workflow) -> Until | None:
    """How much is kept of a workflow; None where nothing is, or nothing that could be used."""
    found = session.execute(select(kept_until).where(kept_until.c.workflow_id == workflow.id)).one_or_none()
    if found is None or found.layout != _layout(workflow):
        return None
    known = found._asdict()
    del known["workflow_id"]
    tips = None if found.tips is None else Tips(*found.tips)
    return Until(**{**known, "tips": tips, "mark": Tips(*found.mark)})


def steps(database: Database, workflow: Workflow) -> Iterator[Until]:
    """Bring what is kept up to date, step by step; after each it may be left, and gone on with another time.

    It ends when everything is kept that had come in, or when somebody else is at it.
    """
    while True:
        with database.reading() as session:
            known, now = until(session, workflow), database_now(session)
            if known is None or (known.changes_at is not None and known.changes_at <= now):
                step = _begun(session, workflow, known, now)
            elif known.is_whole:
                break
            else:
                step = _made(session, workflow, known, now)
        stored = _store(database, workflow.id, step)
        if stored is None:
            return
        yield stored
    yield from _brought_up_to_date(database, workflow)


def _brought_up_to_date(database: Database, workflow: Workflow) -> Iterator[Until]:
    with database.reading() as session:
        known, now = until(session, workflow), database_now(session)
        if known is None or known.tips is None:
            return
        grown, tips = newest(session), settled(session, known.mark, known.mark_at)
        some = touched(session, workflow.id, known.tips, between=(known.as_of, now))
    done = replace(known, as_of=now)
    if tips is not None:
        done = replace(done, tips=tips, mark=grown, mark_at=now)
    if not some and (done.tips, done.mark) == (known.tips, known.mark):
        return
    for piece in _pieces(some):
        with database.reading() as session:
            step = _Step(known, _patched(session, workflow, piece, now))
        stored = _store(database, workflow.id, step)
        if stored is None:
            return
        known = stored
        yield known
    _store(database, workflow.id, _Step(replace(done, stamp=known.stamp)))


# --- one step ------------------------------------------------------------------------------------------------------


def _begun(session: Session, workflow: Workflow, known: Until | None, now: datetime) -> _Step:
    """Nothing is kept, and everything is to come."""
    grown = newest(session)
    stamp = session.execute(select(kept_until.c.stamp).where(kept_until.c.workflow_id == workflow.id)).scalar()
    begun = Until(stamp or 0, _layout(workflow), None, grown, now, now)
    return _Step(begun, is_anew=True)


def _made(session: Session, workflow: Workflow, known: Until, now: datetime) -> _Step:
    """The next reviews, while all is being made."""
    if known.tips is None:
        tips = settled(session, known.mark, known.mark_at)
        return _Step(replace(known, tips=tips, as_of=now))
    if known.next_item is not None:
        ids = _next_ids(session, items, workflow.id, known.next_item)
        some, after = Some(items=ids), replace(known, next_item=ids[-1] if ids else None)
    elif known.next_past is None:
        return _gathered(session, workflow.id, known)
    else:
        ids = _next_ids(session, past_reviews, workflow.id, known.next_past)
        some, after = Some(past=ids), replace(known, next_past=ids[-1] if ids else None)
    fresh = rows(session, workflow, now, only=some)
    found = kept.closed(fresh)
    changes = [at for at in (known.changes_at, _changes_at(session, workflow, found, now)) if at is not None]
    after = replace(after, changes_at=min(changes, default=None))
    return _Step(after, _parted(found, workflow), piece=known.stamp + 1)


def _gathered(session: Session, workflow_id: int, known: Until) -> _Step:
    """The next pieces as one, while all is being made; of so many parts that they hold some ten thousand reviews."""
    part = kept_reviews.c
    query = select(part.week, part.stratum, func.sum(part.rows)).where(part.workflow_id == workflow_id)
    split = query.group_by(part.week, part.stratum).having(func.max(part.piece) > 0)
    chosen, count = [], 0
    for week, stratum, rows_there in session.execute(split.order_by(part.week, part.stratum).limit(MOST_GATHERED)):
        chosen.append((week, stratum))
        count += int(rows_there)
        if count >= AT_ONCE:
            break
    return _Step(replace(known, is_gathered=not chosen), _stored(session, workflow_id, chosen))


def _patched(session: Session, workflow: Workflow, some: Some, now: datetime) -> dict[Key, pa.Table]:
    """The parts that differ once these reviews are read anew."""
    fresh = _parted(kept.closed(rows(session, workflow, now, only=some)), workflow)
    stood = _stored(session, workflow.id, fresh.keys() | _where_they_stood(session, workflow, some))
    changed = {}
    for key in {*stood, *fresh}:
        before = stood.get(key)
        rest = kept.SCHEMA.empty_table() if before is None else _without(before, some)
        if key in fresh or before is None or len(rest) < len(before):
            changed[key] = pa.concat_tables([rest, fresh.get(key, kept.SCHEMA.empty_table())])
    return changed


def _store(database: Database, workflow_id: int, step: _Step) -> Until | None:
    """Store a step; None where somebody else has stored something since it was worked out."""
    stored = replace(step.until, stamp=step.until.stamp + 1)
    written = {key: (len(part), kept.encoded(part)) for key, part in step.parts.items()}
    values = {name: getattr(stored, name) for name in stored.__dataclass_fields__}
    with database.writing() as session:
        mine = kept_until.c.workflow_id == workflow_id
        fresh = update(kept_until).where(mine, kept_until.c.stamp == step.until.stamp).values(values)
        if session.execute(fresh.returning(kept_until.c.stamp)).one_or_none() is None:
            first = upsert(session, kept_until).values(workflow_id=workflow_id, **values).on_conflict_do_nothing()
            if session.execute(first.returning(kept_until.c.stamp)).one_or_none() is None:
                return None
        here = kept_reviews.c.workflow_id == workflow_id
        if step.is_anew:
            session.execute(delete(kept_reviews).where(here))
        for (week, stratum), (count, content) in written.items():
            if step.piece == 0:  # in place of whatever there was of it
                session.execute(delete(kept_reviews).where(here, _is_part(week, stratum)))
            if count:
                part = {"week": week, "stratum": stratum, "piece": step.piece, "rows": count, "content": content}
                session.execute(insert(kept_reviews).values(workflow_id=workflow_id, **part))
        if stored.tips is not None:
            # Not the newest of all: SQLite would give its id once more, and nobody would look at that.
            done = review_changes.c.id < stored.tips.review_changes
            session.execute(delete(review_changes).where(done, review_changes.c.workflow_id == workflow_id))
    return stored


def _is_part(week: date, stratum: int) -> ColumnElement[bool]:
    return and_(kept_reviews.c.week == week, kept_reviews.c.stratum == stratum)


# --- parts ---------------------------------------------------------------------------------------------------------


def _layout(workflow: Workflow) -> str:
    """What decides how rows read, beside what they are read from."""
    return f"{kept.LAYOUT}/{workflow.policy_version}"


def _parted(found: pd.DataFrame, workflow: Workflow) -> dict[Key, pa.Table]:
    """The rows of each part."""
    places: dict[Key, list[int]] = {}
    weeks = kept.weeks_of(found, workflow.policy.zone)
    for place, key in enumerate(zip(weeks, kept.strata_of(found["series_id"]).tolist(), strict=True)):
        places.setdefault(key, []).append(place)
    whole = kept.part_of(found)
    return {key: whole.take(pa.array(of_key)) for key, of_key in places.items()}


def _stored(session: Session, workflow_id: int, wanted: Collection[Key]) -> dict[Key, pa.Table]:
    part = kept_reviews.c
    weeks, strata = {week for week, _ in wanted}, {stratum for _, stratum in wanted}
    query = select(part.week, part.stratum, part.content).where(
        part.workflow_id == workflow_id, part.week.in_(weeks), part.stratum.in_(strata)
    )
    found: dict[Key, list[pa.Table]] = {}
    for week, stratum, content in session.execute(query):
        if (week, stratum) in wanted:
            found.setdefault((week, stratum), []).append(kept.decoded(content))
    return {key: pa.concat_tables(pieces) for key, pieces in found.items()}


def _where_they_stood(session: Session, workflow: Workflow, some: Some) -> set[Key]:
    """The parts in which these reviews can have been kept until now."""
    this, of = bulk.among(session, items.c.id, some.items), items.c.series_id
    cycle = cycles.c.workflow_id == items.c.workflow_id
    ended = union_all(
        select(of, decisions.c.decided_at.label("at")).join(decisions, decisions.c.item_id == items.c.id).where(this),
        select(of, cycles.c.locked_at).join(cycles, cycle & (cycles.c.period == items.c.period)).where(this),
        select(of, items.c.created_at).where(this),
    )
    found = pd.DataFrame(session.execute(ended).all(), columns=["series_id", "created_at"]).dropna()
    found["created_at"] = pd.to_datetime(found["created_at"], utc=True)
    nobody_knows = pd.Series(pd.NaT, index=found.index, dtype=found["created_at"].dtype)
    ends = found.assign(decided_at=nobody_knows, withdrawn_at=nobody_knows)
    weeks = kept.weeks_of(ends, workflow.policy.zone)
    live = set(zip(weeks, kept.strata_of(found["series_id"]).tolist(), strict=True))
    return live | _where_past_stood(session, workflow.id, some.past)


def _where_past_stood(session: Session, workflow_id: int, past: Sequence[int]) -> set[Key]:
    """As an import can move the end of a past review, any week of its series."""
    if not past:
        return set()
    of = session.execute(select(past_reviews.c.series_id).where(bulk.among(session, past_reviews.c.id, past))).scalars()
    strata = set(kept.strata_of(pd.Series(list(of), dtype="int64")).tolist())
    part = kept_reviews.c
    every = select(part.week, part.stratum).where(part.workflow_id == workflow_id, part.stratum.in_(strata))
    return {(row.week, row.stratum) for row in session.execute(every)}


def _without(part: pa.Table, some: Some) -> pa.Table:
    is_gone = (
        pc.fill_null(pc.is_in(part[name], pa.array(ids, pa.int64())), False)
        for name, ids in (("item", some.items), ("past", some.past))
    )
    return part.filter(pc.invert(pc.or_(*is_gone)))


def _next_ids(session: Session, table: Table, workflow_id: int, after: int) -> list[int]:
    query = select(table.c.id).where(table.c.workflow_id == workflow_id, table.c.id > after)
    return list(session.execute(query.order_by(table.c.id).limit(AT_ONCE)).scalars())


def _pieces(some: Some) -> Iterator[Some]:
    for start in range(0, len(some.items), AT_ONCE):
        yield Some(items=some.items[start : start + AT_ONCE])
    for start in range(0, len(some.past), AT_ONCE):
        yield Some(past=some.past[start : start + AT_ONCE])


def _changes_at(session: Session, workflow: Workflow, found: pd.DataFrame, now: datetime) -> datetime | None:
    """When the first actual counts that came with a past review before its period was over."""
    unknown = found.loc[found["past"].notna() & found["actual"].isna() & found["period"].notna()]
    ends = period_ends(unknown["period"], workflow.policy.zone)
    ahead = unknown[ends > pd.Timestamp(now)]
    if ahead.empty:
        return None
    given = select(past_reviews.c.id).where(
        bulk.among(session, past_reviews.c.id, ahead["past"].tolist()), past_reviews.c.actual.is_not(None)
    )
    awaited = ends[ahead.index][ahead["past"].isin(session.execute(given).scalars().all())]
    return None if awaited.empty else awaited.min().to_pydatetime()

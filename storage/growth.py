"""What has come in since somebody last looked: which reviews can differ now from what was read then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
from sqlalchemy import CompoundSelect, Select, Table, and_, func, insert, literal, select, text, union_all
from sqlalchemy.orm import Session

from storage import bulk
from storage.frames import frame
from storage.known_actuals import periods_after
from storage.tables import (
    actuals,
    audit_events,
    cycles,
    decisions,
    forecasts,
    items,
    past_reviews,
    review_changes,
    used_values,
)


@dataclass(frozen=True)
class Some:
    """Some of the reviews: those that are named, and all that are open if these are wanted as well."""

    items: Sequence[int] = ()
    past: Sequence[int] = ()  #: ids of ``past_reviews``
    and_open: bool = False

    def __len__(self) -> int:
        return len(self.items) + len(self.past)


class Tips(NamedTuple):
    """The highest id of each table that reviews are read from and that only grows."""

    audit_events: int = 0
    decisions: int = 0
    forecasts: int = 0
    actuals: int = 0
    past_reviews: int = 0
    review_changes: int = 0
    used_values: int = 0


_GROWING = (audit_events, decisions, forecasts, actuals, past_reviews, review_changes, used_values)


def newest(session: Session) -> Tips:
    """How far the tables have grown: while it is the same, only the clock can change what is read."""
    tips = [select(func.coalesce(func.max(table.c.id), 0)).scalar_subquery() for table in _GROWING]
    return Tips(*session.execute(select(*tips)).one())


def settled(session: Session, mark: Tips, mark_at: datetime) -> Tips | None:
    """Tips below which nothing more can come in; None where that cannot be told yet.

    SQLite writes one transaction after the other: those of now. Elsewhere a transaction takes ids before it shows
    them. Those that are running now, and began after the tables had been seen to stand at ``mark`` at ``mark_at``
    (UTC), took none below it.
    """
    if session.get_bind().dialect.name != "postgresql":
        return newest(session)
    oldest = session.execute(_OLDEST).scalar_one()
    return mark if oldest is None or oldest > mark_at else None


_OLDEST = text(
    "SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
)


def touched(session: Session, workflow_id: int, since: Tips, *, between: tuple[datetime, datetime]) -> Some:
    """The reviews that something has happened to since the tables stood at ``since``.

    Args:
        between: the instants (UTC) from which to which the clock has moved since: an actual that became final in that
            time is news, and a plan that was used.
    """
    live, past = _named(workflow_id, since)
    found, found_past = set(session.execute(live).scalars()), set(session.execute(past).scalars())
    told = _told(session, since, between)
    if len(told):
        found |= set(_of_series(session, workflow_id, told, items))
        found_past |= set(_of_series(session, workflow_id, told, past_reviews))
    return Some(sorted(found), sorted(found_past))


def note_changed(session: Session, workflow_id: int, which: Select[Any], *, column: str) -> None:
    """Note that reviews read differently from now on, without a decision, a forecast or an audit event that says so.

    ``which``: ids to note in the ``column`` of ``review_changes``.
    """
    source = which.subquery()
    (ids,) = source.c
    columns = ["workflow_id", column]
    session.execute(insert(review_changes).from_select(columns, select(literal(workflow_id), ids)))


def _named(workflow_id: int, since: Tips) -> tuple[CompoundSelect[Any], CompoundSelect[Any]]:
    """The live and the past reviews that are named by something that came in."""
    # With repetitions: to leave them out SQLite would read an index of each table in its whole length.
    event, change = audit_events.c, review_changes.c
    changed = and_(change.id > since.review_changes, change.workflow_id == workflow_id)
    moved = select(change.series_id).where(changed, change.series_id.is_not(None))
    live = union_all(
        select(event.item_id).where(
            event.id > since.audit_events, event.item_id.is_not(None), event.workflow_id == workflow_id
        ),
        select(decisions.c.item_id).where(decisions.c.id > since.decisions),
        select(forecasts.c.item_id).where(forecasts.c.id > since.forecasts),
        select(change.item_id).where(changed, change.item_id.is_not(None)),
        select(items.c.id).where(items.c.series_id.in_(moved)),
    )
    past = union_all(
        select(past_reviews.c.id).where(
            past_reviews.c.id > since.past_reviews, past_reviews.c.workflow_id == workflow_id
        ),
        select(change.past_review_id).where(changed, change.past_review_id.is_not(None)),
        select(past_reviews.c.id).where(past_reviews.c.series_id.in_(moved)),
    )
    return live, past


def _told(session: Session, since: Tips, between: tuple[datetime, datetime]) -> pd.DataFrame:
    """Of which series and periods an actual or a used plan has become known: ``series_id``, ``period``."""
    start, end = between
    # Questions by themselves, as no index answers two in one.
    final, used = actuals.c.final_at, used_values.c.used_at
    actual, plan = (select(table.c.series_id, table.c.period) for table in (actuals, used_values))
    told = (
        actual.where(actuals.c.id > since.actuals),
        actual.where(final > start, final <= end),
        plan.where(used_values.c.id > since.used_values),
        plan.where(used > start, used <= end),
    )
    return frame(session, union_all(*told)).drop_duplicates()


def _of_series(session: Session, workflow_id: int, told: pd.DataFrame, table: Table) -> list[int]:
    """The rows of ``table`` that an actual can speak of: of its period, or of one whose naive forecast it is."""
    known = select(cycles.c.period if table is items else table.c.period).distinct()
    known = known.where((cycles if table is items else table).c.workflow_id == workflow_id)
    periods = [period for period in session.execute(known).scalars() if period is not None]
    query = select(table.c.id).where(
        table.c.workflow_id == workflow_id,
        bulk.among(session, table.c.series_id, told["series_id"].unique()),
        table.c.period.in_(periods_after(told["period"], periods)),
    )
    return list(session.execute(query).scalars())

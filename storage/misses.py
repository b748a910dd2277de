"""How far the AI was off before on one item's series and around it: signed, and quick enough for every item drawn."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from review_queue.items import SourceKind
from review_queue.misses import LAST
from storage.tables import actuals, forecasts, items, segments, series, sources
from storage.track_record import parent_of, standing_forecast, stands

#: Series around an item that are looked at where its own says too little: an item is drawn on every press.
NEIGHBOURS = 60

_here = items.alias("here")
_ITEM = _here.c.id == bindparam("item_id", type_=BigInteger())


def of_series(session: Session, item_id: int) -> list[float]:
    """Actual minus AI of the item's series and horizon in earlier periods, in the unit; the newest 24, newest first."""
    return list(session.execute(_of_series(), {"item_id": item_id}).scalars())


def around(session: Session, item_id: int) -> list[float]:
    """The same in the part of the tree that the series is pooled in, each as a share of the size of its AI value.

    Some series there stand for all; AI values of 0 are left out.
    """
    return list(session.execute(_around(), {"item_id": item_id}).scalars())


@cache
def _of_series() -> Select[Any]:
    same_series = and_(items.c.series_id == _here.c.series_id, _earlier())
    return _newest(actuals.c.value - forecasts.c.value, _here.join(items, same_series)).where(_ITEM)


@cache
def _around() -> Select[Any]:
    own = series.alias("own")
    pool = (
        select(parent_of())
        .select_from(_here.join(own, own.c.id == _here.c.series_id).outerjoin(segments))
        .where(_ITEM)
        .scalar_subquery()
    )
    workflow = select(_here.c.workflow_id).where(_ITEM).scalar_subquery()
    neighbours = (
        select(series.c.id)
        .select_from(series.outerjoin(segments, segments.c.id == series.c.segment_id))
        .where(series.c.workflow_id == workflow, parent_of() == pool)
        .order_by(series.c.id)
        .limit(NEIGHBOURS)
        .subquery("neighbours")
    )
    beside = neighbours.join(_here, _ITEM).join(items, and_(items.c.series_id == neighbours.c.id, _earlier()))
    share = (actuals.c.value - forecasts.c.value) / func.abs(forecasts.c.value)
    return _newest(share, beside).where(forecasts.c.value != 0)


def _earlier() -> ColumnElement[bool]:
    return and_(
        func.coalesce(items.c.horizon, -1) == func.coalesce(_here.c.horizon, -1),
        items.c.period_start < _here.c.period_start,
    )


def _newest(miss: ColumnElement[Any], looked_at: FromClause) -> Select[Any]:
    realised = and_(actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start)
    return (
        select(miss)
        .select_from(
            looked_at.join(actuals, realised)
            .join(forecasts, forecasts.c.item_id == items.c.id)
            .join(sources, sources.c.id == forecasts.c.source_id)
        )
        .where(
            ~actuals.c.is_lower_bound,  # how far off it was is not known
            stands(),
            standing_forecast(SourceKind.AI),
        )
        .order_by(items.c.period_start.desc(), items.c.id.desc())
        .limit(LAST)
    )

"""How the AI did so far: its errors where the actual is known, series by series, as placing needs them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Subquery, and_, exists, func, select
from sqlalchemy.orm import Session

from review_queue.items import SourceKind
from storage import bulk
from storage.tables import actuals, forecasts, items, segments, series, sources

#: Errors that count as the record: the newest of the same series and horizon.
RESIDUALS = 24


def parent_of(table: Any = segments) -> ColumnElement[int]:
    """The segment that a series is pooled in: the one above its own, or its own where that is outermost; 0 for none."""
    return func.coalesce(table.c.parent_id, table.c.id, 0)


def errors(session: Session, workflow_id: int, parents: NDArray[np.int64]) -> pd.DataFrame:
    """The AI's record in the pools ``parents``: one row a series and horizon.

    Columns ``series_id, horizon`` (-1 when unknown)``, parent, n_hist, mae_hist`` (in the unit), and ``n_relative``
    and ``relative``: how many errors could be set against an AI value other than 0, and the sum of those shares.
    """
    residual = _residuals(session, workflow_id, parents)
    rows = session.execute(
        select(
            residual.c.series_id,
            residual.c.horizon,
            residual.c.parent,
            func.count(),
            func.avg(residual.c.error),
            func.count(residual.c.relative),
            func.sum(residual.c.relative),
        )
        .where(residual.c.newest <= RESIDUALS)
        .group_by(residual.c.series_id, residual.c.horizon, residual.c.parent)
    ).all()
    columns = ["series_id", "horizon", "parent", "n_hist", "mae_hist", "n_relative", "relative"]
    return pd.DataFrame(rows, columns=columns).astype("float64")


def typical_actuals(session: Session, series_ids: NDArray[np.int64]) -> pd.DataFrame:
    """The median size of each series' actuals: ``series_id, typical_actual`` (in the unit)."""
    size = func.abs(actuals.c.value)
    ranked = (
        select(
            actuals.c.series_id,
            size.label("size"),
            func.row_number().over(partition_by=actuals.c.series_id, order_by=size).label("rank"),
            func.count().over(partition_by=actuals.c.series_id).label("count"),
        )
        .where(bulk.among(session, actuals.c.series_id, series_ids), stands())
        .subquery()
    )
    middle = ranked.c.rank * 2 - ranked.c.count  # 1 at the middle of an odd count; 0 and 2 around that of an even one
    rows = session.execute(
        select(ranked.c.series_id, func.avg(ranked.c.size)).where(middle.between(0, 2)).group_by(ranked.c.series_id)
    ).all()
    return pd.DataFrame(rows, columns=["series_id", "typical_actual"]).astype("float64")


def stands() -> ColumnElement[bool]:
    """The condition on ``actuals`` that no newer one of the same series and period has come."""
    newer = actuals.alias("newer")
    return ~exists().where(
        newer.c.series_id == actuals.c.series_id,
        newer.c.period_start == actuals.c.period_start,
        newer.c.id > actuals.c.id,
    )


def standing_forecast(kind: SourceKind) -> ColumnElement[bool]:
    """The condition on ``forecasts`` joined to ``sources``: the newest of its source, which is of ``kind``."""
    newer = forecasts.alias("newer")
    is_newest = ~exists().where(
        newer.c.item_id == forecasts.c.item_id,
        newer.c.source_id == forecasts.c.source_id,
        newer.c.id > forecasts.c.id,
    )
    return and_(sources.c.kind == kind, is_newest)


def _residuals(session: Session, workflow_id: int, parents: NDArray[np.int64]) -> Subquery:
    error = func.abs(actuals.c.value - forecasts.c.value)
    horizon = func.coalesce(items.c.horizon, -1)
    return (
        select(
            items.c.series_id,
            horizon.label("horizon"),
            parent_of().label("parent"),
            error.label("error"),
            (error / func.nullif(func.abs(forecasts.c.value), 0)).label("relative"),
            func.row_number()
            .over(partition_by=(items.c.series_id, horizon), order_by=items.c.period_start.desc())
            .label("newest"),
        )
        .select_from(items)
        .join(
            actuals,
            and_(actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start),
        )
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == series.c.segment_id)
        .where(
            items.c.workflow_id == workflow_id,
            bulk.among(session, parent_of(), parents),
            ~actuals.c.is_lower_bound,  # how far off it was is not known
            stands(),
            standing_forecast(SourceKind.AI),
        )
        .subquery()
    )

"""What the AI said of a series and of the segment around it in the past, beside what happened: for the model card."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.orm import Session

from review_queue.items import SourceKind
from review_queue.periods import parse_period, seasons_back
from storage import bulk
from storage.tables import actuals, forecasts, items, series, sources
from storage.track_record import standing_forecast, stands

#: The newest forecasts that are looked at: a card is opened beside a choice, and a segment may be large.
MOST = 2_000

NUMBERS = ("ai", "ai_low", "ai_high", "ai_level", "naive", "actual", "value_per_unit")
COLUMNS = ("series_id", "period", "period_start", *NUMBERS, "is_lower_bound")


def of_series(session: Session, series_id: int) -> pd.DataFrame:
    """The periods of the series with an AI value and an actual, newest first, up to 2,000.

    Columns ``COLUMNS``, values in the unit, NaN where unknown. ``naive`` is as given, else the actual of the same
    season last year.
    """
    return _read(session, items.c.series_id == series_id)


def of_segment(session: Session, series_id: int) -> pd.DataFrame:
    """The same of every series in the segment that this one lies in."""
    own = series.alias("own")
    same = and_(series.c.workflow_id == own.c.workflow_id, series.c.segment_id.is_not_distinct_from(own.c.segment_id))
    beside = select(series.c.id).select_from(own.join(series, same)).where(own.c.id == series_id)
    return _read(session, items.c.series_id.in_(beside))


def _read(session: Session, where: ColumnElement[bool]) -> pd.DataFrame:
    rows = pd.DataFrame(session.execute(_past(where)).all(), columns=list(COLUMNS))
    rows = rows.astype(dict.fromkeys(NUMBERS, "float64"))
    season_before = {period: seasons_back(parse_period(period)).start for period in rows["period"].unique()}
    found = session.execute(
        select(actuals.c.series_id, actuals.c.period_start, actuals.c.value).where(
            bulk.among(session, actuals.c.series_id, rows["series_id"].unique()),
            actuals.c.period_start.in_(sorted(set(season_before.values()))),
            stands(),
        )
    )
    known = {(row.series_id, row.period_start): row.value for row in found}
    seasonal = [known.get((row.series_id, season_before[row.period])) for row in rows.itertuples()]
    rows["naive"] = rows["naive"].fillna(pd.Series(seasonal, index=rows.index, dtype="float64"))
    return rows


def _past(where: ColumnElement[bool]) -> Select[Any]:
    given, of_kind = forecasts.alias("given"), sources.alias("of_kind")
    naive = (
        select(given.c.value)
        .join(of_kind, of_kind.c.id == given.c.source_id)
        .where(given.c.item_id == items.c.id, of_kind.c.kind == SourceKind.NAIVE)
        .order_by(given.c.id.desc())
        .limit(1)
        .correlate(items)
        .scalar_subquery()
    )
    realised = and_(actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start)
    return (
        select(
            items.c.series_id,
            items.c.period,
            items.c.period_start,
            forecasts.c.value,
            forecasts.c.low,
            forecasts.c.high,
            forecasts.c.interval_level,
            naive,
            actuals.c.value,
            series.c.value_per_unit,
            actuals.c.is_lower_bound,
        )
        .select_from(items)
        .join(series, series.c.id == items.c.series_id)
        .join(actuals, realised)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(where, stands(), standing_forecast(SourceKind.AI))
        .order_by(items.c.period_start.desc(), items.c.id.desc())
        .limit(MOST)
    )

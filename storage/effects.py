"""What stands in on items whose AI value would no longer be shown."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from review_queue.periods import parse_period, seasons_back
from storage import bulk
from storage.tables import actuals
from storage.track_record import stands


def has_seasonal_naive(session: Session, rows: pd.DataFrame) -> pd.Series:
    """Whether the actual of the same season last year is known, of items with ``series_id`` and ``period``."""
    if rows.empty:
        return pd.Series(False, index=rows.index)
    starts = {period: _season_before(period) for period in rows["period"].unique()}
    found = session.execute(
        select(actuals.c.series_id, actuals.c.period_start).where(
            bulk.among(session, actuals.c.series_id, rows["series_id"].unique()),
            actuals.c.period_start.in_([start for start in starts.values() if start is not None]),
            stands(),
        )
    )
    known = {(row.series_id, row.period_start) for row in found}
    pairs = zip(rows["series_id"], rows["period"], strict=True)
    return pd.Series([(series_id, starts[period]) in known for series_id, period in pairs], index=rows.index)


def _season_before(period: str) -> object:
    try:
        return seasons_back(parse_period(period)).start
    except ValueError:  # before the first year of the calendar
        return None

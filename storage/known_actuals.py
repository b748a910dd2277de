"""What happened, as it was known by an instant, joined to reviews; and the naive forecast that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import Session

from review_queue.periods import parse_period, seasons_back
from storage import bulk
from storage.engine import unindexed
from storage.frames import frame
from storage.tables import actuals, series
from storage.workflows import Workflow

#: How many seasons back the last known value of the same season is looked for.
SEASONS_BACK = 3
#: Above so many different periods it is quicker to read every actual than to name the ones that are wanted.
MOST_PERIODS_NAMED = 500


def with_actuals(session: Session, workflow: Workflow, table: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Each review with what happened in its period: ``actual``, ``actual_final_at`` and ``is_lower_bound``."""
    known = _known_actuals(session, workflow.id, table["series_id"], table["period"], as_of)
    standing = known.sort_values("id").drop_duplicates(["series_id", "period"], keep="last")
    found = table[["series_id", "period"]].merge(standing, on=["series_id", "period"], how="left")
    found.index = table.index
    brought = pd.to_numeric(table["actual"])
    table["actual"] = brought.fillna(found["value"])
    table["actual_final_at"] = found["final_at"].where(brought.isna())
    table["is_lower_bound"] = found["is_lower_bound"].eq(True) & brought.isna()
    return table


def with_naive(session: Session, workflow: Workflow, table: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Fill in the seasonal naive forecast where none was given: the last value of the same season known by then."""
    table["naive"] = pd.to_numeric(table["naive"])
    wanted = table.loc[table["naive"].isna() & table["period"].notna(), ["series_id", "period", "created_at"]]
    seasons = {back: _seasons_back(wanted["period"], back) for back in range(1, SEASONS_BACK + 1)}
    needed = pd.concat([text.dropna() for text in seasons.values()])
    if needed.empty:
        return table
    known = _known_actuals(session, workflow.id, wanted["series_id"], needed, as_of)
    if known.empty:
        return table
    ended = period_ends(known["period"], workflow.policy.zone)
    known_at = pd.to_datetime(known["final_at"], utc=True).fillna(ended)
    known["known_at"] = known_at.where(~(known["corrected_at"] > known_at), known["corrected_at"])
    wanted = wanted.rename_axis("review").reset_index()
    for texts in seasons.values():
        season = wanted.assign(period=wanted["review"].map(texts))
        candidate = season.merge(known, on=["series_id", "period"])
        early = candidate["known_at"] <= pd.to_datetime(candidate["created_at"], utc=True)
        newest = candidate[early].sort_values("id").drop_duplicates("review", keep="last")
        table["naive"] = table["naive"].fillna(newest.set_index("review")["value"])
    return table


def periods_after(told: Iterable[str], among: Iterable[str]) -> list[str]:
    """Which periods ``among`` those given an actual of a ``told`` one can speak of: that one, later seasons."""
    known = set(told)
    backwards = range(SEASONS_BACK + 1)
    return [period for period in among if any(_earlier(period, back) in known for back in backwards)]


def period_ends(periods: pd.Series, zone: ZoneInfo) -> pd.Series:
    """The instant at which each period is over, in the workflow's zone."""
    ends = {text: pd.Timestamp(parse_period(text).end, tz=zone) for text in periods.dropna().unique()}
    return pd.to_datetime(periods.map(ends), utc=True)


def _seasons_back(periods: pd.Series, seasons: int) -> pd.Series:
    earlier = {text: _earlier(text, seasons) for text in periods.dropna().unique()}
    return periods.map(earlier)


def _known_actuals(
    session: Session, workflow_id: int, series_ids: pd.Series, periods: pd.Series, as_of: datetime
) -> pd.DataFrame:
    """The actuals of these series that were known at ``as_of``, among ``periods`` (canonical texts).

    Of one series and period the highest ``id`` is the one that stood; ``corrected_at`` is when one came that follows
    another.
    """
    earlier = actuals.alias("earlier")
    follows = exists().where(
        earlier.c.series_id == actuals.c.series_id,
        earlier.c.period_start == actuals.c.period_start,
        earlier.c.id < actuals.c.id,
    )
    corrected_at = case((follows, actuals.c.received_at))
    final_at = case((or_(~follows, actuals.c.final_at > actuals.c.received_at), actuals.c.final_at))
    query = (
        select(
            actuals.c.id,
            actuals.c.series_id,
            actuals.c.period,
            actuals.c.value,
            actuals.c.final_at,
            actuals.c.is_lower_bound,
            corrected_at.label("corrected_at"),
        )
        .join(series, series.c.id == actuals.c.series_id)
        .where(func.coalesce(final_at, actuals.c.received_at) <= as_of)
    )
    names = [str(period) for period in periods.dropna().unique()]
    if len(names) <= MOST_PERIODS_NAMED:
        query = query.where(actuals.c.period.in_(names))
    of = series_ids.dropna().unique()
    if len(of) <= bulk.CHUNK:
        among = bulk.among(session, actuals.c.series_id, of)
        query = query.where(unindexed(series.c.workflow_id) == workflow_id, among)
    else:
        query = query.where(series.c.workflow_id == workflow_id)
    known = frame(session, query).astype({"series_id": "int64", "value": float})
    return known.assign(corrected_at=pd.to_datetime(known["corrected_at"], utc=True))


def _earlier(period: str, seasons: int) -> str | None:
    try:
        return seasons_back(parse_period(period), seasons).text
    except ValueError:  # before the first year of the calendar: there is no such period
        return None

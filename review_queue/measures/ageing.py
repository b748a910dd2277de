"""How old the open reviews are (METHODS 5.1 and 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from review_queue.calendars import BusinessCalendar
from review_queue.items import OPEN_STATES
from review_queue.measures.groups import split
from review_queue.measures.latency import SHOWN_FROM, durations, percentiles, survival

#: Name of each age bucket and the age in wall-clock days at which it begins.
BUCKETS: dict[str, float] = {"under_1d": 0, "d1_3": 1, "d3_7": 3, "d7_14": 7, "d14_30": 14, "over_30d": 30}
#: Shares of items done by the lines across an ageing chart.
LINES = (0.5, 0.85, 0.95)
COLUMNS = ("group", "open", "oldest_hours", "median_age_hours", "overdue", *BUCKETS)


def open_reviews(reviews: pd.DataFrame, *, as_of: datetime) -> pd.DataFrame:
    """The reviews that wait, with ``age_hours`` (wall clock), their ``bucket`` and whether they are ``overdue``.

    Args:
        reviews: with ``state`` as of ``as_of``, ``created_at`` and ``due_at`` (UTC, NaT: no deadline). A deadline
            that falls on ``as_of`` has not passed yet.
    """
    waiting = reviews[reviews["state"].isin(OPEN_STATES)].copy()
    now = pd.Timestamp(as_of)
    waiting["age_hours"] = ((now - waiting["created_at"]).dt.total_seconds() / 3600).clip(lower=0.0)
    starts = [*(24 * days for days in BUCKETS.values()), float("inf")]
    waiting["bucket"] = pd.cut(waiting["age_hours"], starts, right=False, labels=list(BUCKETS)).astype(str)
    waiting["overdue"] = waiting["due_at"] < now
    return waiting


def ageing(reviews: pd.DataFrame, *, as_of: datetime, groups: pd.Series | None = None) -> pd.DataFrame:
    """Open reviews by group: how many, how old, how many past their deadline, and counts by age.

    Ages are wall-clock hours, NaN where nothing is open; a bucket begins with its lower end. Only groups in which
    something is open have a row.
    """
    waiting = open_reviews(reviews, as_of=as_of)
    rows = [_row(name, part) for name, part in split(waiting, groups)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(name: str | None, waiting: pd.DataFrame) -> dict[str, object]:
    return {
        "group": name,
        "open": len(waiting),
        "oldest_hours": waiting["age_hours"].max(),
        "median_age_hours": waiting["age_hours"].median(),
        "overdue": int(waiting["overdue"].sum()),
        **{bucket: int((waiting["bucket"] == bucket).sum()) for bucket in BUCKETS},
    }


def heat_map(reviews: pd.DataFrame, *, as_of: datetime, groups: pd.Series) -> pd.DataFrame:
    """How many reviews wait in each group at each age, for a map in which an empty place shows its 0.

    Returns:
        One row per group and bucket, ``group, bucket, open``: groups by name, the unknown (None) last, also those in
        which nothing is open; buckets from the youngest.
    """
    buckets = open_reviews(reviews, as_of=as_of)["bucket"]
    rows = []
    for name, part in split(reviews, groups):
        counts = buckets.reindex(part.index).value_counts().reindex(list(BUCKETS), fill_value=0)
        rows += [(name, bucket, int(count)) for bucket, count in counts.items()]
    return pd.DataFrame(rows, columns=["group", "bucket", "open"])


def ageing_lines(
    reviews: pd.DataFrame,
    *,
    as_of: datetime,
    watched_from: datetime | None = None,
    calendar: BusinessCalendar | None = None,
    done: Sequence[float] = LINES,
) -> pd.DataFrame:
    """The ages by which shares of items have been decided: the lines across an ageing chart.

    They are those of the Kaplan–Meier curve, in which open items count; the ages of completed items alone would lie
    too low. Arguments and columns are those of ``latency.durations`` and ``latency.percentiles``.
    """
    return percentiles(durations(reviews, as_of=as_of, watched_from=watched_from, calendar=calendar), done)


def ageing_dots(
    reviews: pd.DataFrame, *, as_of: datetime, stages: pd.Series | None = None, calendar: BusinessCalendar | None = None
) -> pd.DataFrame:
    """Every open item as a dot: its stage across, its total age up, and how many items end sooner.

    Args:
        reviews: as ``open_reviews`` takes them, with ``series`` and ``period``.
        stages: where each item stands, with the index of ``reviews``; None takes ``state``.
        calendar: whose business hours ``age_hours`` counts; None is the wall clock. It is the age of the item, not
            the time in its stage.

    Returns:
        ``series, period, stage, age_hours, overdue, jitter, pace``, oldest first. ``jitter`` lies between -0.5 and 0.5
        and always is the same for the same series and period, so that dots do not dance from one rerun to the next.
        ``pace`` is the share of items, open ones counted, that had been decided at that age (0 to 1; NaN below 20
        items).
    """
    dots = open_reviews(reviews, as_of=as_of)
    times = durations(reviews, as_of=as_of, calendar=calendar)
    dots["stage"] = (reviews["state"] if stages is None else stages).reindex(dots.index)
    if calendar is not None:
        dots["age_hours"] = calendar.hours_between(dots["created_at"], as_of).clip(lower=0.0)
    dots["jitter"] = _jitter(dots["series"].astype(str) + "\x1f" + dots["period"].astype(str))
    dots["pace"] = _done_by(times, dots["age_hours"])
    dots = dots.sort_values(["age_hours", "series", "period"], ascending=[False, True, True], ignore_index=True)
    return dots[["series", "period", "stage", "age_hours", "overdue", "jitter", "pace"]]


def _done_by(times: pd.DataFrame, hours: pd.Series) -> pd.Series:
    if len(times) < SHOWN_FROM:
        return pd.Series(np.nan, index=hours.index, dtype="float64")
    curve = survival(times)
    waiting = np.append(1.0, curve["waiting"].to_numpy(float))
    place = np.searchsorted(curve["hours"].to_numpy(float), hours.to_numpy(float), side="right")
    return pd.Series(1 - waiting[place], index=hours.index)


def _jitter(names: pd.Series) -> pd.Series:
    hashes = pd.util.hash_pandas_object(names.astype("object"), index=False).to_numpy("uint64")
    return pd.Series(hashes / 2.0**64 - 0.5, index=names.index)

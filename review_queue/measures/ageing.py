"""How old the open reviews are (METHODS 5.1 and 5.4)."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from review_queue.items import OPEN_STATES
from review_queue.measures.groups import split

#: Name of each age bucket and the age in wall-clock days at which it begins.
BUCKETS: dict[str, float] = {"under_1d": 0, "d1_3": 1, "d3_7": 3, "d7_14": 7, "d14_30": 14, "over_30d": 30}
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

"""Who still reviews (METHODS 8.4). A reviewer is active when they decide; times are wall clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd

from review_queue.measures.adoption import live, monday_of
from review_queue.measures.latency import (
    CANT_TELL,
    CONCLUDED_FROM,
    ENOUGH,
    SHORTEST_HOURS,
    SHOWN_FROM,
    percentiles,
    survival,
)
from review_queue.measures.overrides import NOT_ENOUGH, is_override, judged

SILENCE = timedelta(days=14)  #: after which somebody is taken to have stopped


def weekly_active(reviews: pd.DataFrame, *, as_of: datetime, timezone: str = "UTC") -> pd.DataFrame:
    """How many people decided something in each week, and for how many it was their first.

    Args:
        reviews: ``reviewer`` and ``decided_at`` (UTC), and ``item`` (past reviews, without one, are left out).

    Returns:
        One row per ISO week from the first decision to the week of ``as_of``, also without any: ``week``, ``active``
        and ``new``.
    """
    made = _made(reviews)
    weeks = monday_of(made["decided_at"], timezone)
    if made.empty:
        return pd.DataFrame({"week": [], "active": [], "new": []}).astype({"active": "int64", "new": "int64"})
    last = monday_of(pd.to_datetime(pd.Series([as_of]), utc=True), timezone).iloc[0]
    every = pd.date_range(weeks.min(), last, freq="7D")
    active = made["reviewer"].groupby(weeks).nunique().reindex(every, fill_value=0)
    new = weeks.groupby(made["reviewer"]).min().value_counts().reindex(every, fill_value=0)
    return pd.DataFrame({"week": every.strftime("%G-W%V"), "active": active.to_numpy(int), "new": new.to_numpy(int)})


def staying(reviews: pd.DataFrame, *, as_of: datetime) -> pd.DataFrame:
    """How long each reviewer has been active, from the first decision to the last: ``hours``, and ``finished`` if they
    have been silent for 14 days since. One row per reviewer, for ``latency.survival``; columns as ``weekly_active``.
    """
    spans = _made(reviews).groupby("reviewer")["decided_at"].agg(["min", "max"])
    hours = (spans["max"] - spans["min"]).dt.total_seconds() / 3600
    silent = pd.Timestamp(as_of) - spans["max"] >= SILENCE
    return pd.DataFrame({"hours": hours.clip(lower=SHORTEST_HOURS), "finished": silent})


def retention(reviews: pd.DataFrame, *, as_of: datetime, weeks: tuple[int, ...] = (4, 8)) -> pd.DataFrame:
    """The share of reviewers who are still active in their 4th and 8th week; their first decision begins week 1.

    Active in week w means that the last decision comes at its start or later: Kaplan–Meier on the time to the last
    activity, 14 days of silence being the end.

    Returns:
        One row per week: ``week``, ``n`` reviewers, ``share`` with its 95 % interval ``low`` and ``high``, ``state``.
        Below 20 reviewers all are NaN, below 50 it is "can't tell yet"; NaN too for a week that nobody has been
        watched until.

    Source: METHODS 8.4, 9.
    """
    times = staying(reviews, as_of=as_of)
    n = len(times)
    state = NOT_ENOUGH if n < SHOWN_FROM else CANT_TELL if n < CONCLUDED_FROM else ENOUGH
    unknown = dict.fromkeys(("share", "low", "high"), float("nan"))
    rows = [
        {"week": week, "n": n, **(unknown if n < SHOWN_FROM else _active_at(times, week)), "state": state}
        for week in weeks
    ]
    return pd.DataFrame(rows, columns=["week", "n", "share", "low", "high", "state"])


def until_first_override(reviews: pd.DataFrame, *, tolerance: float) -> pd.DataFrame:
    """How long each reviewer took from their first decision to their first override.

    Args:
        reviews: as ``overrides.judged`` takes them, with ``reviewer``, ``decided_at`` (UTC), ``item``, ``ai``,
            ``final`` and ``state``.

    Returns:
        One row per reviewer: ``hours`` (to their last decision where they have made none), and ``finished``.
    """
    made = _made(judged(reviews))
    over = made[is_override(made, tolerance=tolerance)].groupby("reviewer")["decided_at"].min()
    spans = made.groupby("reviewer")["decided_at"].agg(["min", "max"])
    end = over.reindex(spans.index)
    hours = (end.fillna(spans["max"]) - spans["min"]).dt.total_seconds() / 3600
    return pd.DataFrame({"hours": hours.clip(lower=SHORTEST_HOURS), "finished": end.notna()})


def first_override(reviews: pd.DataFrame, *, tolerance: float) -> pd.DataFrame:
    """The median time to a new reviewer's first override, as ``latency.percentiles`` gives it; unknown below 20."""
    return percentiles(until_first_override(reviews, tolerance=tolerance), (0.5,))


def _made(reviews: pd.DataFrame) -> pd.DataFrame:
    return live(reviews).dropna(subset=["reviewer", "decided_at"])


def _active_at(times: pd.DataFrame, week: int) -> dict[str, float]:
    starts = 7 * 24 * (week - 1)
    unknown = float("nan")
    curve = survival(times)
    before = curve[curve["hours"] < starts]
    if times["hours"].max() < starts and (before.empty or before["waiting"].iloc[-1] > 0):
        return {"share": unknown, "low": unknown, "high": unknown}
    if before.empty:
        return {"share": 1.0, "low": unknown, "high": unknown}
    last = before.iloc[-1]
    return {"share": float(last["waiting"]), "low": float(last["low"]), "high": float(last["high"])}

"""How long a review takes, counting those that are not finished yet (METHODS 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import numpy as np
import pandas as pd

from review_queue.calendars import BusinessCalendar
from review_queue.measures.groups import split
from review_queue.measures.overrides import NOT_ENOUGH

COLUMNS = (
    "group",
    "n",
    "open",
    "median_hours",
    "p85_hours",
    "p90_hours",
    "finished_median_hours",
    "finished_p90_hours",
)
SHORTEST_HOURS = 1 / 60  #: a time of zero counts as one minute
SHOWN_FROM = 20  #: reviews watched from which a percentile is shown (METHODS 9)
CONCLUDED_FROM, TAIL_CONCLUDED_FROM = 50, 100  #: the same to conclude from a median, and from anything further out
CANT_TELL = "can't tell yet"
ENOUGH = "enough"
_SLACK = 1e-9  #: statsmodels multiplies in logarithms, so an exact half can come out a hair above


class Clock(StrEnum):
    """Which stretch of a review's life is timed."""

    CYCLE = "cycle"  #: created to decided
    WAIT = "wait"  #: created to started, or to decided where nobody noted the start


def durations(
    reviews: pd.DataFrame,
    *,
    as_of: datetime,
    clock: Clock = Clock.CYCLE,
    watched_from: datetime | None = None,
    calendar: BusinessCalendar | None = None,
) -> pd.DataFrame:
    """How long each review has taken so far, in hours, and whether that was the end of it.

    Args:
        reviews: with ``created_at``, ``started_at``, ``decided_at`` and ``withdrawn_at``, UTC, NaT where it has not
            happened by ``as_of``, and ``state``.
        watched_from: when anybody began to note ends (UTC). What was open then was not sure to be seen before:
            it enters late, at the age that it had, and what had ended by then is left out.
        calendar: whose business hours count; None is the wall clock.

    Returns:
        ``hours``, ``finished`` and ``open``, with the index of ``reviews``, and ``entered`` (hours at which it came
        into view) if ``watched_from`` is given. A withdrawn review is neither finished nor open: it is watched until
        it was withdrawn and then lost from sight (``competing`` counts it as an end of its own). One withdrawn at an
        unknown time is left out.

    Source: METHODS 5.1, 5.2.
    """
    decided, withdrawn = reviews["decided_at"], reviews["withdrawn_at"]
    end = decided if clock is Clock.CYCLE else reviews["started_at"].combine_first(decided)
    gone = reviews["state"].isin(("withdrawn", "locked")) & end.isna()
    until = end.combine_first(withdrawn).where(end.notna() | gone, pd.Timestamp(as_of))
    hours = _hours(reviews["created_at"], until, calendar)
    table = pd.DataFrame(
        {"hours": hours.clip(lower=SHORTEST_HOURS), "finished": end.notna(), "open": end.isna() & ~gone},
        index=reviews.index,
    )
    table = table[table["hours"].notna()]
    if watched_from is None:
        return table
    since = pd.Series(pd.Timestamp(watched_from), index=reviews.index)
    table["entered"] = _hours(reviews["created_at"], since, calendar).clip(lower=0.0)
    return table[(table["hours"] > table["entered"]) & (until > since)[table.index]]


def survival(times: pd.DataFrame) -> pd.DataFrame:
    """The share of reviews still waiting after so many hours, with its 95 % interval (Kaplan–Meier).

    Args:
        times: ``hours`` and ``finished``, as ``durations`` gives them, and ``entered`` where reviews are at risk
            only from that time on (delayed entry). At equal times, endings come before losses from sight.

    Returns:
        One row per time at which a review ended: ``hours``, ``waiting`` (share, 0 to 1), ``low`` and ``high``
        (log–log interval from Greenwood's variance; NaN where the share is 0), ``at_risk`` and ``ended`` (counts).

    Source: E. L. Kaplan and P. Meier (1958), JASA 53, 457-481, as statsmodels computes it.
    """
    from statsmodels.duration.survfunc import SurvfuncRight  # half a second that no start should wait for

    entry = times["entered"].to_numpy(float) if "entered" in times else None
    curve = SurvfuncRight(times["hours"].to_numpy(float), times["finished"].to_numpy(int), entry=entry)
    waiting = np.asarray(curve.surv_prob, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        loglog = np.log(-np.log(waiting))
        spread = 1.959964 * np.asarray(curve.surv_prob_se, dtype=float) / np.abs(waiting * np.log(waiting))
        low, high = np.exp(-np.exp(loglog + spread)), np.exp(-np.exp(loglog - spread))
    inside = (waiting > _SLACK) & (waiting < 1)
    return pd.DataFrame(
        {
            "hours": np.asarray(curve.surv_times, dtype=float),
            "waiting": waiting,
            "low": np.where(inside, low, np.nan),
            "high": np.where(inside, high, np.nan),
            "at_risk": np.asarray(curve.n_risk, dtype=int),
            "ended": np.asarray(curve.n_events, dtype=int),
        }
    )


def hours_until(curve: pd.DataFrame, done: float, *, of: str = "waiting") -> float:
    """The first time, in hours, by which a share ``done`` (0 to 1) of reviews has ended; NaN if it never gets there.

    ``of`` names the column of the curve to read: its ``low`` or ``high`` gives an end of the interval of that time.
    """
    there = curve.loc[curve[of] <= 1 - done + _SLACK, "hours"]
    return float(there.iloc[0]) if len(there) else float("nan")


def percentiles(times: pd.DataFrame, done: Sequence[float] = (0.5, 0.85)) -> pd.DataFrame:
    """The times by which shares of reviews have ended, for a screen that may only say what it knows.

    Args:
        times: as ``durations`` gives them.

    Returns:
        One row per share in ``done``: ``done``, ``hours``, its 95 % interval ``low`` and ``high`` (hours; from that of
        the curve), ``more_than``, and ``state``. Where the curve does not get there ``hours`` is NaN and ``more_than``
        is the longest time watched. Below 20 reviews all are NaN and ``state`` is "not enough data"; a median is
        "can't tell yet" below 50 and any other below 100, then "enough".

    Source: METHODS 5.2, 9.
    """
    n = len(times)
    curve = survival(times) if n >= SHOWN_FROM else None
    rows = [{"done": share, **_percentile(times, curve, share), "state": _state(n, share)} for share in done]
    return pd.DataFrame(rows, columns=["done", "hours", "low", "high", "more_than", "state"])


def latency(
    reviews: pd.DataFrame, *, as_of: datetime, clock: Clock = Clock.CYCLE, groups: pd.Series | None = None
) -> pd.DataFrame:
    """Time to review by group: percentiles that count open reviews, beside those of finished ones only.

    Times are wall-clock hours. ``n`` counts every review watched, ``open`` those still waiting for the end of this
    clock. A percentile is NaN where the curve does not get there.
    """
    times = durations(reviews, as_of=as_of, clock=clock)
    rows = [_row(name, part) for name, part in split(times, groups)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(name: str | None, times: pd.DataFrame) -> dict[str, object]:
    curve = survival(times)
    finished = times.loc[times["finished"], "hours"]
    return {
        "group": name,
        "n": len(times),
        "open": int(times["open"].sum()),
        "median_hours": hours_until(curve, 0.5),
        "p85_hours": hours_until(curve, 0.85),
        "p90_hours": hours_until(curve, 0.9),
        "finished_median_hours": finished.quantile(0.5),
        "finished_p90_hours": finished.quantile(0.9),
    }


def _percentile(times: pd.DataFrame, curve: pd.DataFrame | None, done: float) -> dict[str, float]:
    if curve is None:
        return dict.fromkeys(("hours", "low", "high", "more_than"), float("nan"))
    hours = hours_until(curve, done)
    return {
        "hours": hours,
        "low": hours_until(curve, done, of="low"),
        "high": hours_until(curve, done, of="high"),
        "more_than": float("nan") if hours == hours else float(times["hours"].max()),
    }


def _state(n: int, done: float) -> str:
    if n < SHOWN_FROM:
        return NOT_ENOUGH
    return ENOUGH if n >= (CONCLUDED_FROM if done == 0.5 else TAIL_CONCLUDED_FROM) else CANT_TELL


def _hours(starts: pd.Series, ends: pd.Series, calendar: BusinessCalendar | None) -> pd.Series:
    if calendar is None:
        return (ends - starts).dt.total_seconds() / 3600
    return calendar.hours_between(starts, ends)

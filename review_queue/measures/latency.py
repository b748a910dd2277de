"""How long a review takes, counting those that are not finished yet (METHODS 5.2)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import numpy as np
import pandas as pd

from review_queue.measures.groups import split

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
_SLACK = 1e-9  #: statsmodels multiplies in logarithms, so an exact half can come out a hair above


class Clock(StrEnum):
    """Which stretch of a review's life is timed."""

    CYCLE = "cycle"  #: created to decided
    WAIT = "wait"  #: created to started, or to decided where nobody noted the start


def durations(reviews: pd.DataFrame, *, as_of: datetime, clock: Clock = Clock.CYCLE) -> pd.DataFrame:
    """How long each review has taken so far, in wall-clock hours, and whether that was the end of it.

    Args:
        reviews: with ``created_at``, ``started_at``, ``decided_at`` and ``withdrawn_at``, UTC, NaT where it has not
            happened by ``as_of``, and ``state``.

    Returns:
        ``hours``, ``finished`` and ``open``, with the index of ``reviews``. A withdrawn review is neither finished
        nor open: it is watched until it was withdrawn and then lost from sight. (Treating withdrawal as a competing
        event, by Aalen–Johansen, is left to a later version.) One withdrawn at an unknown time is left out.
    """
    decided, withdrawn = reviews["decided_at"], reviews["withdrawn_at"]
    end = decided if clock is Clock.CYCLE else reviews["started_at"].combine_first(decided)
    gone = reviews["state"].isin(("withdrawn", "locked")) & end.isna()
    until = end.combine_first(withdrawn).where(end.notna() | gone, pd.Timestamp(as_of))
    hours = (until - reviews["created_at"]).dt.total_seconds() / 3600
    table = pd.DataFrame(
        {"hours": hours.clip(lower=SHORTEST_HOURS), "finished": end.notna(), "open": end.isna() & ~gone},
        index=reviews.index,
    )
    return table[table["hours"].notna()]


def survival(times: pd.DataFrame) -> pd.DataFrame:
    """The share of reviews still waiting after so many hours, with its 95 % interval (Kaplan–Meier).

    Args:
        times: ``hours`` and ``finished``, as ``durations`` gives them. At equal times, endings come before losses
            from sight.

    Returns:
        One row per time at which a review ended: ``hours``, ``waiting`` (share, 0 to 1), ``low`` and ``high``
        (log–log interval from Greenwood's variance; NaN where the share is 0), ``at_risk`` and ``ended`` (counts).

    Source: E. L. Kaplan and P. Meier (1958), JASA 53, 457-481, as statsmodels computes it.
    """
    from statsmodels.duration.survfunc import SurvfuncRight  # half a second that no start should wait for

    curve = SurvfuncRight(times["hours"].to_numpy(float), times["finished"].to_numpy(int))
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

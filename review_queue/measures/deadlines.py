"""What is late, what soon will be, and how much lateness the promise still allows (METHODS 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from review_queue.items import OPEN_STATES
from review_queue.measures.flow import local_days
from review_queue.measures.latency import CANT_TELL, CONCLUDED_FROM, ENOUGH, SHOWN_FROM, survival
from review_queue.measures.overrides import NOT_ENOUGH

LATE, TODAY, SOON, THIS_WEEK, LATER, NO_DEADLINE = "late", "today", "1-2 d", "3-5 d", "later", "no deadline"
DUE = (LATE, TODAY, SOON, THIS_WEEK, LATER, NO_DEADLINE)


@dataclass(frozen=True, slots=True)
class Attainment:
    """The share of reviews that end within the promised time."""

    n: int  #: reviews watched
    late: int  #: of them, that took longer, or are open and already older
    share: float  #: 0 to 1; NaN below 20 reviews
    low: float  #: its 95 % interval
    high: float
    state: str  #: "not enough data" below 20, "can't tell yet" below 50, then "enough"


def attainment(times: pd.DataFrame, *, sla_hours: float) -> Attainment:
    """``1 − S(SLA)`` of the Kaplan–Meier curve: open items count for as long as they have been watched.

    Args:
        times: ``hours`` and ``finished`` as ``latency.durations`` gives them, by the clock of the promise: in
            business hours where that is.
        sla_hours: the promise; a review that ends exactly then kept it.

    Source: METHODS 5.3, 9.
    """
    n, late = len(times), int((times["hours"] > sla_hours).sum())
    if n < SHOWN_FROM:
        return Attainment(n, late, float("nan"), float("nan"), float("nan"), NOT_ENOUGH)
    by_then = survival(times)
    by_then = by_then[by_then["hours"] <= sla_hours]
    if by_then.empty:
        share, low, high = 0.0, float("nan"), float("nan")
    else:
        last = by_then.iloc[-1]
        share, low, high = (float(1 - last[name]) for name in ("waiting", "high", "low"))
    return Attainment(n, late, share, low, high, ENOUGH if n >= CONCLUDED_FROM else CANT_TELL)


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """How much lateness a promise allows in a window, and how fast it is used up."""

    allowed: float  #: late items that the target allows in the whole window
    late: int  #: so far
    burn_rate: float  #: 1 uses up all of it exactly at the end of the window; NaN where nothing is allowed


def error_budget(*, late: int, arrivals: float, target: float, elapsed: float) -> ErrorBudget:
    """The budget ``(1 − target) · arrivals`` and its burn rate, ``late / (budget · elapsed)``.

    Args:
        arrivals: items that the whole window is expected to bring.
        target: share of items to be on time, 0 to 1.
        elapsed: share of the window that is over, above 0 to 1.

    Source: METHODS 5.3.
    """
    allowed = (1 - target) * arrivals
    due = allowed * elapsed
    return ErrorBudget(allowed, late, late / due if due > 0 else float("nan"))


def due_buckets(reviews: pd.DataFrame, *, as_of: datetime, timezone: str) -> pd.DataFrame:
    """How many open reviews are late, due today, in 1 to 2, in 3 to 5 days, and later.

    Days are calendar days of ``timezone``. A deadline that falls on ``as_of`` has not passed yet.

    Args:
        reviews: ``state`` and ``due_at`` (UTC, NaT: no deadline).

    Returns:
        One row for each of ``DUE``, in this order: ``due`` and ``open``.
    """
    buckets = due_bucket(reviews[reviews["state"].isin(OPEN_STATES)], as_of=as_of, timezone=timezone)
    counts = buckets.value_counts().reindex(list(DUE), fill_value=0)
    return pd.DataFrame({"due": list(DUE), "open": counts.to_numpy(int)})


def due_bucket(reviews: pd.DataFrame, *, as_of: datetime, timezone: str) -> pd.Series:
    """Which of ``DUE`` each review is in, open or not."""
    now = pd.Timestamp(as_of)
    today = local_days(pd.Series([now]), timezone).iloc[0]
    left = (local_days(reviews["due_at"], timezone) - today).dt.days
    labels = np.select(
        [reviews["due_at"].isna(), reviews["due_at"] < now, left <= 0, left <= 2, left <= 5],
        [NO_DEADLINE, LATE, TODAY, SOON, THIS_WEEK],
        LATER,
    )
    return pd.Series(labels, index=reviews.index, dtype="object")

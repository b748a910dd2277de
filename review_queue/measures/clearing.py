"""When the queue will be empty, if the next weeks are like the last ones (METHODS 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.calendars import BusinessCalendar
from review_queue.measures.latency import ENOUGH
from review_queue.measures.overrides import NOT_ENOUGH

HISTORY_DAYS = 40  #: working days that trials draw from, the last ones
SHOWN_FROM = 20  #: working days of history (ours: half of the above)
TRIALS = 2000
HORIZON = 260  #: working days, a year of them
SEED = 20250331


@dataclass(frozen=True, slots=True)
class Clearing:
    """In how many working days the queue is empty; NaN where so many trials do not get there within the horizon."""

    backlog: int  #: open items now
    history: int  #: working days that were drawn from
    arrivals: float  #: a working day, in that history
    decisions: float
    p50: float  #: working days
    p85: float
    p95: float
    never: float  #: share of trials that are not there within 260 working days
    state: str  #: "not enough data" below 20 working days of history, then "enough"

    @property
    def net(self) -> float:
        """Items by which the queue grows on a working day."""
        return self.arrivals - self.decisions


def working_history(days: pd.DataFrame) -> pd.DataFrame:
    """The last 40 working days, oldest first; what happened on other days is left out.

    Args:
        days: ``day``, ``arrivals``, ``decisions`` and ``working``, as ``flow.per_day`` gives them. The last day should
            be over.
    """
    return days[days["working"].astype(bool)].sort_values("day", ignore_index=True).tail(HISTORY_DAYS)


def clearing(days: pd.DataFrame, *, backlog: int, trials: int = TRIALS, seed: int = SEED) -> Clearing:
    """When ``backlog`` open items will have been cleared, by 2 000 trials.

    Each trial draws days with replacement from the last 40 working days, arrivals and decisions of a day together, so
    that a busy day stays busy on both sides; the queue is clear on the first day after which nothing is left.
    ``days``: as ``working_history`` takes them. Same seed, same answer.
    """
    history = working_history(days)
    n, arrivals, decisions = len(history), float(history["arrivals"].mean()), float(history["decisions"].mean())
    unknown = float("nan")
    if not backlog:
        return Clearing(0, n, arrivals, decisions, 0.0, 0.0, 0.0, 0.0, ENOUGH)
    if n < SHOWN_FROM:
        return Clearing(backlog, n, arrivals, decisions, unknown, unknown, unknown, unknown, NOT_ENOUGH)
    left = backlog + np.cumsum(_drawn(history, trials, seed), axis=1)
    is_clear = left <= 0
    when = np.where(is_clear.any(axis=1), is_clear.argmax(axis=1) + 1.0, np.inf)
    # The inverted distribution needs no mean of a day and of never.
    found = np.quantile(when, (0.5, 0.85, 0.95), method="inverted_cdf")
    p50, p85, p95 = (float(value) if np.isfinite(value) else unknown for value in found)
    return Clearing(backlog, n, arrivals, decisions, p50, p85, p95, float(np.isinf(when).mean()), ENOUGH)


def fan(
    days: pd.DataFrame, *, backlog: int, horizon: int = HISTORY_DAYS, trials: int = TRIALS, seed: int = SEED
) -> pd.DataFrame:
    """How many items will be open after each working day: the middle of the trials, and P15 to P85.

    A queue that is empty stays at 0 until more arrives than is decided.

    Returns:
        ``day`` (0 is now, up to ``horizon``), ``p15``, ``p50``, ``p85`` in items; NaN but for now below 20 working
        days of history.
    """
    ahead = pd.DataFrame({"day": np.arange(horizon + 1)})
    history = working_history(days)
    if len(history) < SHOWN_FROM:
        return ahead.assign(**{name: np.where(ahead["day"] == 0, float(backlog), np.nan) for name in _FAN})
    path = backlog + np.cumsum(_drawn(history, trials, seed, horizon), axis=1)
    path -= np.minimum(np.minimum.accumulate(path, axis=1), 0)
    bands = np.quantile(path, list(_FAN.values()), axis=0)
    return ahead.assign(
        **{name: np.concatenate([[float(backlog)], band]) for name, band in zip(_FAN, bands, strict=True)}
    )


def more_needed(*, backlog: int, days: float, arrivals: float, decisions: float) -> float:
    """Decisions a day, beside those there are, that clear the queue in ``days`` working days.

    ``backlog/days + arrivals − decisions``; 0 where the pace is enough, infinite where no day is left.
    """
    if days <= 0:
        return float("inf") if backlog else 0.0
    return max(0.0, backlog / days + arrivals - decisions)


def working_days_until(by: date, *, now: datetime, calendar: BusinessCalendar) -> float:
    """Working days, in parts of their hours, from ``now`` to the close of ``by``; 0 where that is over."""
    return max(0.0, calendar.hours(now, calendar.last_close(by))) / calendar.day_hours


def day_after(days: float, *, now: datetime, calendar: BusinessCalendar) -> date | None:
    """The day on which ``days`` working days from ``now`` are over; None where they are not known, or nobody's time."""
    over = calendar.hours_after(now, days * calendar.day_hours) if np.isfinite(days) else None
    return None if over is None else over.astimezone(ZoneInfo(calendar.timezone)).date()


def in_words(found: Clearing, *, by: date, now: datetime, calendar: BusinessCalendar) -> str:
    """When the queue will be clear, or how many more decisions a day it takes to clear it ``by`` a day; a sentence."""
    if not found.backlog:
        return "The queue is clear."
    if found.state == NOT_ENOUGH:
        return f"Not enough data: {found.history} of {SHOWN_FROM} working days."
    if found.net >= 0 or np.isnan(found.p50):
        left = working_days_until(by, now=now, calendar=calendar)
        more = more_needed(backlog=found.backlog, days=left, arrivals=found.arrivals, decisions=found.decisions)
        if np.isinf(more):
            return f"Not clearing at the current pace; no working day is left to clear by {_day(by)}."
        return f"Not clearing at the current pace; needs +{np.ceil(more):.0f} decisions a day to clear by {_day(by)}."
    dates = [day_after(days, now=now, calendar=calendar) for days in (found.p50, found.p85)]
    likely = "" if dates[1] is None else f", very likely by {_day(dates[1])}"
    never = "" if not found.never else f" In {max(1, round(100 * found.never))} % of trials it never clears."
    return f"Clear by {_day(dates[0])} as likely as not{likely}.{never}"


def _day(day: date | None) -> str:
    return "a day beyond a year" if day is None else f"{day:%-d %B %Y}"


_FAN = {"p15": 0.15, "p50": 0.5, "p85": 0.85}


def _drawn(history: pd.DataFrame, trials: int, seed: int, horizon: int = HORIZON) -> NDArray[np.float64]:
    """The change of the queue on each day of each trial, shape (trials, horizon)."""
    change = (history["arrivals"] - history["decisions"]).to_numpy(float)
    days = np.random.default_rng(seed).integers(0, len(change), (trials, horizon))
    drawn: NDArray[np.float64] = change[days]
    return drawn

"""Whether the people there are can keep up with what comes in (METHODS 5.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from review_queue.measures.latency import CANT_TELL, SHOWN_FROM, hours_until, survival
from review_queue.measures.overrides import NOT_ENOUGH

APART = 0.2  #: beyond which the two sides of Little's law are not the same
WINDOWS = 3  #: times P85 that the window of the check must be long
AGREES, UNSTABLE = "agrees", "not stable, or the clocks are wrong"
BUSY = 0.8  #: utilisation from which waiting is worth a sentence of its own


@dataclass(frozen=True, slots=True)
class LittlesCheck:
    """The mean number of items that waited, counted and worked out from arrivals and times."""

    open: float  #: mean open items on a day of the window
    arrivals: float  #: a day
    days: float  #: mean time to the end of a review; NaN below 20 items
    expected: float  #: open items that arrivals × days lead to expect
    apart: float  #: open / expected - 1
    state: str  #: ``AGREES``, ``UNSTABLE``, "can't tell yet" (the window is too short), "not enough data"


def littles_check(days: pd.DataFrame, times: pd.DataFrame) -> LittlesCheck:
    """Little's law, ``L = λ·W``: more than 20 % apart, the queue is not stable or a clock is wrong.

    Args:
        days: every day of the window as ``flow.per_day`` gives it, with ``arrivals`` and ``open``.
        times: wall-clock ``hours`` and ``finished`` of the items that arrived in the window, as ``latency.durations``
            gives them; set ``finished`` for the withdrawn too, which no longer wait.

    ``W`` is the area under the Kaplan–Meier curve up to the longest time watched, so that open items count (the choice
    of the mean is ours). The window must be longer than three times the P85 of the same curve.

    Source: J. D. C. Little (1961), Operations Research 9(3), 383-387; METHODS 5.3.
    """
    mean_open, arrivals = float(days["open"].mean()), float(days["arrivals"].mean())
    if len(times) < SHOWN_FROM:
        return LittlesCheck(mean_open, arrivals, float("nan"), float("nan"), float("nan"), NOT_ENOUGH)
    curve = survival(times)
    mean_days = _area(curve, float(times["hours"].max())) / 24
    expected = arrivals * mean_days
    apart = mean_open / expected - 1 if expected > 0 else float("nan")
    is_long = len(days) * 24 > WINDOWS * hours_until(curve, 0.85)  # False where the curve does not get there
    state = CANT_TELL if not is_long or np.isnan(apart) else AGREES if abs(apart) <= APART else UNSTABLE
    return LittlesCheck(mean_open, arrivals, mean_days, expected, apart, state)


def utilisation(*, arrivals: float, touch_minutes: float, reviewers: float, hours: float) -> float:
    """The share of the reviewers' time that arriving items need; above 1, more comes in than can be looked at.

    ``ρ = arrivals · touch / (reviewers · available hours)``; NaN where nobody is there. All a working day.

    Args:
        arrivals: items a working day.
        touch_minutes: active minutes that one item takes.
        reviewers: people.
        hours: that one of them has for reviewing on a working day.

    Source: METHODS 5.3.
    """
    available = reviewers * hours
    return arrivals * touch_minutes / 60 / available if available > 0 else float("nan")


def waiting_factor(used: float) -> float:
    """How many times as long as the work on it an item waits at utilisation ``used``: ``ρ/(1 − ρ)``.

    Infinite from 1 on. For one server with arrivals and work as irregular as chance makes them (both c² = 1).

    Source: J. F. C. Kingman (1961), Mathematical Proceedings of the Cambridge Philosophical Society 57(4), 902-904.
    """
    return used / (1 - used) if used < 1 else float("inf") if used >= 1 else float("nan")


def in_words(used: float) -> str:
    """What utilisation ``used`` (a share) means for who waits, in a sentence."""
    if np.isnan(used):
        return "Utilisation is not known: nobody's time for reviewing is."
    percent = f"{100 * used:.0f} %"
    if used >= 1:
        return f"Reviewers would need {percent} of their time: more comes in than they can look at, so the queue grows."
    times = waiting_factor(used)
    if used < BUSY:
        return f"Reviewers need {percent} of their time: there is room for a busy day."
    return (
        f"Reviewers need {percent} of their time: an item then waits about {times:.0f} times as long as the work on it "
        f"takes{'' if used >= 0.95 else '; at 95 % it would be 19 times'}."
    )


def flow_efficiency(touch_hours: pd.Series, cycle_hours: pd.Series) -> pd.Series:
    """The share of each review's time in which somebody worked on it: touch / cycle, NaN where either is unknown."""
    return touch_hours / cycle_hours.where(cycle_hours > 0)


def _area(curve: pd.DataFrame, longest: float) -> float:
    """Under the curve, in hours, from 0 to ``longest``."""
    edges = np.concatenate([[0.0], curve["hours"].to_numpy(float), [longest]])
    waiting = np.append(1.0, curve["waiting"].to_numpy(float))
    return float((np.diff(edges) * waiting).sum())

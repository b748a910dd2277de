"""In which order items are served, and why, in words (METHODS 2.4).

Impact is a product of surprise and money, so neither alone brings an item forward; time can only double it.
All functions are vectorised: a frame of items in, a frame with the same index out.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.calendars import BusinessCalendar
from review_queue.divergence import Flags, Floats, floats, money_at_stake
from review_queue.items import Band, Lane
from review_queue.workflows import Policy

FULL_SURPRISE = 3.0  #: usual misses from which an item cannot surprise more
DEFAULT_UNCERTAINTY = 0.5
STARVED_AT = 2.0  #: times the SLA, after which an item moves up one lane
MOVING_HOURS = 1 / 12  #: after which an item whose score moves with the clock is placed again
PLACED_AGAIN_HOURS = 4.0  #: after which any item is, so that the words of "why" and the stakes around it stay true
IN_DAYS_FROM = 3.0  #: working days from which a time is told in days, not hours

_SIZES = (1e3, 1e6, 1e9, 1e12)
_SUFFIXES = ("", "k", "m", "bn", "tn")
_SMALLEST_SHOWN = 1e-4


def place(facts: pd.DataFrame, policy: Policy, *, now: datetime, g95: float | None) -> pd.DataFrame:
    """Lane, score and the phrases of "why this is next" of each item.

    Args:
        facts: one row an item. ``u``, ``gap``, ``money``, ``band``, ``flagged`` as ``diverge`` gives them;
            ``materiality`` (money, NaN where unknown); ``created_at``, ``due_at`` (UTC, NaT: none);
            ``audit_sample`` (of Routine, to be judged all the same); ``uncertainty`` (0 to 1, NaN counts
            as 0.5); ``has_manual``, ``has_ai``; optionally ``requires_sign_off``. Where ``ai``, ``manual``
            and ``value_per_unit`` are there too, an item with one forecast is weighed by that forecast;
            otherwise by its materiality if it is flagged, and by nothing if it is not.
        policy: for the calendar, ``sla_hours``, ``lead_hours``, ``review_minutes``, ``unit``, ``currency``.
        now: aware; the instant that ages and deadlines are counted to.
        g95: 95th percentile of ``abs(money)`` in the last 90 days; None while unknown.

    Returns:
        ``lane`` (int of ``Lane``), ``score`` (0 to 100), ``why`` (list of str), ``placed_until`` (UTC): when the
        clock will have moved them on.

    Source: ours, from METHODS 2.4.
    """
    calendar = BusinessCalendar.of(policy)
    age = np.maximum(_array(calendar.hours_between(facts["created_at"], now)), 0.0)
    left = -_array(calendar.hours_between(facts["due_at"], now))
    pressure = _pressure(left, policy)
    stake = _stake(facts)
    return pd.DataFrame(
        {
            "lane": _lane(facts, policy, age=age, pressure=pressure),
            "score": _score(facts, policy, stake=stake, g95=g95, age=age, pressure=pressure),
            "why": pd.Series(
                _why(facts, policy, calendar, stake=stake, age=age, left=left, now=now),
                index=facts.index,
                dtype=object,
            ),
            "placed_until": _placed_until(policy, age=age, left=left, pressure=pressure, now=now),
        },
        index=facts.index,
    )


def gap_words(facts: pd.DataFrame, policy: Policy) -> list[tuple[str, str]]:
    """The first two phrases of "why this is next" for each row: how far apart, and what is at stake.

    Args:
        facts: ``ai``, ``manual``, ``value_per_unit``, ``u``, ``gap``, ``money``, ``band``, ``has_ai``, ``has_manual``.
    """
    return list(zip(_surprise_words(facts), _stake_words(facts, policy, _stake(facts)), strict=True))


def _placed_until(policy: Policy, *, age: Floats, left: Floats, pressure: Floats, now: datetime) -> pd.DatetimeIndex:
    """Until when lane and score hold: a while where time still moves them, else until the next hour that does.

    Working hours are never shorter than those on the wall, so an item is looked at too early rather than too late.
    """
    is_moving = (age < policy.sla_hours) | ((pressure > 0) & (pressure < 1))
    starves_in = STARVED_AT * policy.sla_hours - age
    presses_in = left - policy.review_minutes / 60 - policy.lead_hours
    hours = np.full(len(age), PLACED_AGAIN_HOURS)
    for event in (starves_in, presses_in):
        hours = np.where(event > 0, np.fmin(hours, event), hours)
    hours = np.where(is_moving, MOVING_HOURS, np.maximum(hours, MOVING_HOURS))
    return pd.DatetimeIndex(pd.Timestamp(now) + pd.to_timedelta(hours, unit="h")).floor("s")


def _score(
    facts: pd.DataFrame, policy: Policy, *, stake: Floats, g95: float | None, age: Floats, pressure: Floats
) -> Floats:
    uncertainty = np.clip(np.nan_to_num(floats(facts, "uncertainty"), nan=DEFAULT_UNCERTAINTY), 0, 1)
    impact = np.sqrt(_surprise(facts) * _weight(facts, stake, g95)) * (0.8 + 0.2 * uncertainty)
    lateness = np.minimum(1.0, age / policy.sla_hours)
    urgency: Floats = np.maximum(pressure, lateness**2)
    return 100 * impact * (0.5 + 0.5 * urgency)


def _surprise(facts: pd.DataFrame) -> Floats:
    """0 to 1; 1 too for opposite signs, and for a material item whose distance cannot be known."""
    u = np.abs(floats(facts, "u"))
    is_open = _has_band(facts, Band.OPPOSITE) | (np.isnan(u) & _flags(facts, "flagged"))
    return np.where(is_open, 1.0, np.minimum(1.0, np.nan_to_num(u) / FULL_SURPRISE))


def _weight(facts: pd.DataFrame, stake: Floats, g95: float | None) -> Floats:
    """Money at stake, 0 to 1, on a logarithmic scale that reaches 1 at ``g95``."""
    materiality = floats(facts, "materiality")
    at_least = np.where(_flags(facts, "flagged"), np.nan_to_num(materiality), 0.0)
    stake = np.where(np.isnan(stake), at_least, stake)
    ceiling = np.full(len(facts), np.nan if g95 is None else g95)
    ceiling = np.where(ceiling > materiality, ceiling, 10 * materiality)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.log1p(stake / materiality) / np.log1p(ceiling / materiality)
    # As materiality goes to 0 the ratio of the logarithms goes to 1 for any stake.
    weight = np.where(materiality > 0, weight, np.where(stake > 0, 1.0, 0.0))
    return np.minimum(1.0, weight)


def _pressure(left: Floats, policy: Policy) -> Floats:
    """0 to 1: how much of the lead before the deadline is used up; 0 without a deadline."""
    slack = left - policy.review_minutes / 60
    return np.nan_to_num(np.clip(1 - slack / policy.lead_hours, 0, 1), nan=0.0)


def _lane(facts: pd.DataFrame, policy: Policy, *, age: Floats, pressure: Floats) -> NDArray[np.int64]:
    flagged = _flags(facts, "flagged")
    is_wanted = flagged | _flags(facts, "requires_sign_off", default=False)
    is_due = (pressure >= 1) | ((age >= policy.sla_hours) & is_wanted)
    is_judged = flagged | _flags(facts, "audit_sample")
    lane = np.where(is_due, Lane.DUE, np.where(is_judged, Lane.JUDGEMENT, Lane.ROUTINE))
    is_starved = age >= STARVED_AT * policy.sla_hours
    return np.where(is_starved & (lane > Lane.DUE), lane - 1, lane).astype(np.int64)


def _stake(facts: pd.DataFrame) -> Floats:
    """Money at stake, never negative; NaN where it is not known."""
    if {"ai", "manual", "value_per_unit"} <= set(facts.columns):
        return money_at_stake(facts)
    return np.abs(floats(facts, "money"))


# --- in words ------------------------------------------------------------------------------------------


def _why(
    facts: pd.DataFrame,
    policy: Policy,
    calendar: BusinessCalendar,
    *,
    stake: Floats,
    age: Floats,
    left: Floats,
    now: datetime,
) -> list[list[str]]:
    is_late = (pd.to_datetime(facts["due_at"], utc=True) <= pd.Timestamp(now)).to_numpy()
    phrases = (
        _surprise_words(facts),
        _stake_words(facts, policy, stake),
        _deadline_words(left, is_late, calendar),
        _waiting_words(age, policy, calendar),
    )
    return [list(row) for row in zip(*phrases, strict=True)]


def _surprise_words(facts: pd.DataFrame) -> list[str]:
    u = np.abs(floats(facts, "u"))
    tenths = np.floor(np.nan_to_num(u) * 10 + 0.5)
    words = _once_each(tenths, _misses)
    words[(u > 0) & (tenths == 0)] = "under 0.1 × usual miss"
    words[u == 0] = "no gap"
    words[np.isnan(u)] = "no scale yet"
    words[_has_band(facts, Band.OPPOSITE)] = "opposite signs"
    words[~_flags(facts, "has_manual")] = "no manual forecast"
    words[~_flags(facts, "has_ai")] = "no AI forecast"
    found: list[str] = words.tolist()
    return found


def _misses(tenths: float) -> str:
    return f"{tenths / 10:.1f} × usual miss"


def _stake_words(facts: pd.DataFrame, policy: Policy, stake: Floats) -> list[str]:
    measured_in = _money_unit(facts, policy)
    amounts = zip(_amounts(np.nan_to_num(stake)), measured_in, strict=True)
    words = np.array(
        [f"{amount} {unit} at stake" if unit else f"{amount} at stake" for amount, unit in amounts], dtype=object
    )
    words[stake == 0] = "nothing at stake"
    words[np.isnan(stake)] = "stake unknown"
    found: list[str] = words.tolist()
    return found


def _amounts(money: Floats) -> list[str]:
    """Three significant digits with a suffix: 250k, 1.25m."""
    with np.errstate(divide="ignore"):
        digits = 2 - np.floor(np.log10(np.maximum(money, _SMALLEST_SHOWN)))
    rounded = np.round(money * 10.0**digits) / 10.0**digits
    step = np.searchsorted(_SIZES, rounded, side="right")
    scaled = rounded / 1000.0**step
    return [
        f"{number:.3g}{_SUFFIXES[size]}" if number >= _SMALLEST_SHOWN else f"under {_SMALLEST_SHOWN:g}"
        for number, size in zip(scaled.tolist(), step.tolist(), strict=True)
    ]


def _money_unit(facts: pd.DataFrame, policy: Policy) -> list[str]:
    """What money is counted in: the unit itself, or the currency where a unit has a value of its own."""
    if "value_per_unit" in facts.columns:
        is_unit = np.nan_to_num(floats(facts, "value_per_unit"), nan=1.0) == 1
    else:
        gap, money = floats(facts, "gap"), floats(facts, "money")
        is_unit = (gap == money) | np.isnan(money)
    found: list[str] = np.where(is_unit, policy.unit, policy.currency or "").tolist()
    return found


def _deadline_words(left: Floats, is_late: Flags, calendar: BusinessCalendar) -> list[str]:
    spans = _spans(np.abs(np.nan_to_num(left)), calendar)
    words = np.where(is_late, "overdue by ", "due in ").astype(object) + spans
    words[~is_late & (left == 0)] = "due now"
    words[np.isnan(left)] = "no deadline"
    found: list[str] = words.tolist()
    return found


def _waiting_words(age: Floats, policy: Policy, calendar: BusinessCalendar) -> list[str]:
    in_hours = f"{policy.sla_hours:g} h"
    in_days = f"{policy.sla_hours / calendar.day_hours:.2g}"
    of = np.where(_is_long(age, calendar), in_days, in_hours).astype(object)
    found: list[str] = ("waiting " + _spans(age, calendar) + " of " + of).tolist()
    return found


def _spans(hours: Floats, calendar: BusinessCalendar) -> NDArray[np.object_]:
    """Business hours in whole hours, or working days, that have passed: never more than is true."""
    is_long = _is_long(hours, calendar)
    words = _once_each(
        np.where(is_long, np.floor(hours / calendar.day_hours), 0), lambda days: f"{days:,.0f} working days"
    )
    return np.where(is_long, words, _once_each(np.where(is_long, 0, np.floor(hours)), _hours))


def _hours(hours: float) -> str:
    return f"{hours:.0f} h" if hours else "under 1 h"


def _is_long(hours: Floats, calendar: BusinessCalendar) -> Flags:
    return hours >= IN_DAYS_FROM * calendar.day_hours


# --- columns -------------------------------------------------------------------------------------------


def _once_each(numbers: Floats, words: Callable[[float], str]) -> NDArray[np.object_]:
    """Each number in words, with one call for each distinct number."""
    distinct, where = np.unique(numbers, return_inverse=True)
    spoken = np.array([words(number) for number in distinct.tolist()], dtype=object)
    return spoken[where]


def _flags(facts: pd.DataFrame, column: str, *, default: bool | None = None) -> Flags:
    if default is not None and column not in facts.columns:
        return np.full(len(facts), default)
    return facts[column].to_numpy(dtype=bool)


def _has_band(facts: pd.DataFrame, band: Band) -> Flags:
    found: Flags = facts["band"].to_numpy(dtype=object) == band.value
    return found


def _array(series: pd.Series) -> Floats:
    return series.to_numpy(dtype="float64")

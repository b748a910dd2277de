"""How far the manual forecast lies from the AI's, measured by how far the AI is usually off (METHODS 2).

All functions are vectorised: a frame of items in, a frame with the same index out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from review_queue.items import Band
from review_queue.workflows import Policy

#: Residuals that the AI's own interval is worth when it is blended with past errors.
INTERVAL_WEIGHT = 8.0
#: A mean absolute error, as the standard deviation of a normal distribution: sqrt(pi / 2).
MAE_TO_SIGMA = 1.2533
#: A usual miss is at least this share of the larger forecast, and of the series' typical actual.
SMALLEST_MISS = 0.01
DEFAULT_LEVEL = 0.8  #: coverage of an interval that names none

#: Where each band of |u| begins: the middle of it, the ends of the 80 %, 95 % and 99.9 % ranges.
BAND_STARTS = (0.5, 1.28, 1.96, 3.29)
_BANDS = (Band.AGREE, Band.MINOR, Band.NOTABLE, Band.LARGE, Band.EXTREME)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def diverge(facts: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Gap, usual miss, band and flag of each item.

    Args:
        facts: one row an item, float columns, NaN where unknown: ``ai``, ``ai_low``, ``ai_high``,
            ``ai_level`` (coverage, 0 to 1), ``manual``, all in the workflow's unit; ``value_per_unit``
            (money, 1 when unknown); ``n_hist`` and ``mae_hist`` (number and mean size of the AI's last 24
            errors, same series and horizon); ``parent_relative_mae`` (mean of error / AI value in the parent
            segment, same horizon); ``typical_actual`` (median size of the series' actuals);
            ``materiality`` (money; where it is unknown every gap is material).
        policy: for ``flag_at``.

    Returns:
        ``gap`` (manual minus AI), ``money`` (gap times the value of a unit), ``scale`` (the usual miss),
        ``u`` (gap / scale), ``symmetric`` (share, -2 to 2), ``outside_interval``, ``band`` (the text of a
        ``Band``), ``flagged``. NaN where there is no such figure.

    Source: ours, from METHODS 2.2 and 2.3.
    """
    ai, manual = floats(facts, "ai"), floats(facts, "manual")
    gap = manual - ai
    scale = _usual_miss(facts)
    with np.errstate(divide="ignore", invalid="ignore"):
        # No gap is no gap on any scale, even where there is none.
        u = np.where(gap == 0, 0.0, gap / scale)
        symmetric = np.where(gap == 0, 0.0, 2 * gap / (np.abs(ai) + np.abs(manual)))
    opposite = np.sign(ai) * np.sign(manual) == -1
    return pd.DataFrame(
        {
            "gap": gap,
            "money": gap * _value_per_unit(facts),
            "scale": scale,
            "u": u,
            "symmetric": symmetric,
            "outside_interval": _is_outside(facts),
            "band": _band(gap, u, opposite),
            "flagged": _is_flagged(facts, u, opposite, policy),
        },
        index=facts.index,
    )


def money_at_stake(facts: pd.DataFrame) -> Floats:
    """Money, never negative: the size of the gap or, with one forecast missing, of the one that is there.

    Args:
        facts: columns ``ai``, ``manual`` and ``value_per_unit``, as ``diverge`` takes them.
    """
    ai, manual = floats(facts, "ai"), floats(facts, "manual")
    size = np.where(np.isnan(ai), manual, np.where(np.isnan(manual), ai, manual - ai))
    return np.abs(size * _value_per_unit(facts))


def floats(facts: pd.DataFrame, column: str) -> Floats:
    """A column as floats, shape (rows,), NaN where it holds nothing."""
    return facts[column].to_numpy(dtype="float64", na_value=np.nan)


def _usual_miss(facts: pd.DataFrame) -> Floats:
    """The AI's usual miss, in the workflow's unit; NaN without an AI value, past errors or an interval."""
    ai, manual = floats(facts, "ai"), floats(facts, "manual")
    n, by_history = floats(facts, "n_hist"), MAE_TO_SIGMA * floats(facts, "mae_hist")
    by_interval = _interval_sigma(facts)
    has_history = (n > 0) & ~np.isnan(by_history)
    n, by_history = np.where(has_history, n, 0.0), np.where(has_history, by_history, 0.0)
    blend = np.sqrt((n * by_history**2 + INTERVAL_WEIGHT * by_interval**2) / (n + INTERVAL_WEIGHT))
    pooled = MAE_TO_SIGMA * floats(facts, "parent_relative_mae") * np.abs(ai)
    pooled = np.where(pooled > 0, pooled, np.nan)  # A share of an AI value of 0 measures nothing.
    sigma = np.where(np.isnan(by_interval), np.where(has_history, by_history, pooled), blend)
    larger = np.fmax(np.abs(ai), np.abs(manual))
    typical = np.nan_to_num(np.abs(floats(facts, "typical_actual")), nan=0.0)
    scale = np.maximum(sigma, SMALLEST_MISS * np.maximum(larger, typical))
    return np.where(np.isnan(ai) | (scale == 0), np.nan, scale)


def _interval_sigma(facts: pd.DataFrame) -> Floats:
    """Standard deviation by the AI's interval, on the side of the manual forecast; NaN where it says nothing.

    Without a manual forecast neither side is asked for, and half the width serves both.
    """
    ai, manual = floats(facts, "ai"), floats(facts, "manual")
    low, high = floats(facts, "ai_low"), floats(facts, "ai_high")
    level = np.nan_to_num(floats(facts, "ai_level"), nan=DEFAULT_LEVEL)
    side = np.where(manual >= ai, high - ai, ai - low)
    side = np.where(np.isnan(manual), (high - low) / 2, side)
    is_usable = (side > 0) & _interval_in_order(low, high) & (level > 0) & (level < 1)
    quantile = ndtri((1 + np.where(is_usable, level, DEFAULT_LEVEL)) / 2)
    return np.where(is_usable, side / quantile, np.nan)


def _interval_in_order(low: Floats, high: Floats) -> Flags:
    """False for an inverted interval or one of no width; one open end is in order."""
    return ~(low >= high)


def _is_outside(facts: pd.DataFrame) -> Flags:
    manual, low, high = floats(facts, "manual"), floats(facts, "ai_low"), floats(facts, "ai_high")
    is_known = ~np.isnan(floats(facts, "ai")) & _interval_in_order(low, high)
    return is_known & ((manual < low) | (manual > high))


def _band(gap: Floats, u: Floats, opposite: Flags) -> NDArray[np.object_]:
    by_distance = np.array([band.value for band in _BANDS], dtype=object)
    band = by_distance[np.searchsorted(BAND_STARTS, np.nan_to_num(np.abs(u)), side="right")]
    band[np.isnan(u)] = Band.NO_SCALE.value
    band[opposite] = Band.OPPOSITE.value
    band[np.isnan(gap)] = Band.ONE_SIDED.value
    return band


def _is_flagged(facts: pd.DataFrame, u: Floats, opposite: Flags, policy: Policy) -> Flags:
    """Worth a judgement: far apart or not to be measured, and material; opposite signs always."""
    materiality = np.nan_to_num(floats(facts, "materiality"), nan=0.0)
    is_material = money_at_stake(facts) >= materiality
    is_far = np.isnan(u) | (np.abs(u) >= policy.flag_at)
    return opposite | (is_far & is_material)


def _value_per_unit(facts: pd.DataFrame) -> Floats:
    return np.nan_to_num(floats(facts, "value_per_unit"), nan=1.0)

"""Whether two people come to the same decision on the same item (METHODS 4.9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

NOTHING = (float("nan"), float("nan"), float("nan"))
SHOWN_FROM, CONCLUDED_FROM = 30, 100  #: pairs
GOOD, TENTATIVE = 0.80, 0.667  #: customary, after Krippendorff
NOT_ENOUGH, CANNOT_TELL = "not enough data", "can't tell yet"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far second reviews agree with the first. Where low, items or guideline are ambiguous, not people bad."""

    n: int  #: pairs
    alpha: float  #: Krippendorff's; at most 1; NaN below 30 pairs
    same: float  #: share of pairs with the same direction
    difference: float  #: mean distance of the two values, in usual misses
    verdict: str  #: "good", "tentative" or "low" from 100 pairs


def agreement(pairs: pd.DataFrame, *, tolerance: float) -> Agreement:
    """The agreement of blind second reviews with the first, on accept, up or down, and on the amount.

    Args:
        pairs: one row an item: ``ai``, ``first`` and ``second`` (final values) in the unit, ``scale`` (the usual miss,
            NaN: unknown, left out of ``difference``).
        tolerance: share of the AI's value within which a value accepts it.

    Source: METHODS 4.9. Alpha's standard deviation is about 0.17 at 30 pairs, 0.09 at 100 (simulated).
    """
    known = pairs.dropna(subset=["ai", "first", "second"])
    n = len(known)
    if n < SHOWN_FROM:
        return Agreement(n, *NOTHING, NOT_ENOUGH)
    first, second = (direction(known[name], known["ai"], tolerance=tolerance) for name in ("first", "second"))
    alpha = krippendorff(first, second)
    apart = (known["first"] - known["second"]).abs() / known["scale"].where(known["scale"] > 0)
    return Agreement(n, alpha, float((first == second).mean()), float(apart.mean()), _verdict(n, alpha))


def direction(final: pd.Series, ai: pd.Series, *, tolerance: float) -> pd.Series:
    """What was decided: ``accept``, ``up`` or ``down``, against the AI's value."""
    moved = (final - ai).abs() > tolerance * ai.abs()
    labels = np.select([~moved, final > ai], ["accept", "up"], "down")
    return pd.Series(labels, index=final.index, dtype="object")


def krippendorff(first: pd.Series, second: pd.Series) -> float:
    """Krippendorff's alpha of two coders of the same items, nominal labels, nothing missing.

    α = 1 − D_o / D_e: the share of pairs that differ over the share of all 2n labels that would, drawn two at a
    time, D_e = 1 − Σ c(c − 1) / (2n(2n − 1)).

    Returns:
        At most 1; 0 is chance level; NaN where all labels are one and the same, where alpha is undefined.

    Source: METHODS 4.9, after Krippendorff.
    """
    labels = 2 * len(first)
    counts = pd.concat([first, second]).value_counts().to_numpy(float)
    if len(counts) < 2:
        return float("nan")
    by_chance = 1 - float((counts * (counts - 1)).sum()) / (labels * (labels - 1))
    return 1 - float((first.to_numpy() != second.to_numpy()).mean()) / by_chance


def _verdict(n: int, alpha: float) -> str:
    if n < CONCLUDED_FROM or np.isnan(alpha):
        return CANNOT_TELL
    return "good" if alpha >= GOOD else "tentative" if alpha >= TENTATIVE else "low"

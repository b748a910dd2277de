"""Whether decisions follow the gap: the best single sign that somebody discriminates (METHODS 4.5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from review_queue.measures.facts import numbers
from review_queue.measures.groups import split
from review_queue.measures.overrides import is_override, judged

COLUMNS = ("group", "overridden", "kept", "auc", "low", "high", "high_998", "verdict")
SHOWN_FROM = 5  #: overridden, and kept
FOLLOWS_FROM = 30  #: decisions
FEWER, MORE = 20, 80  #: of the rarer and of the commoner choice, from which "does not follow" may be said
CHANCE, WEAK = 0.5, 0.65  #: no link; the upper limit that must lie below it for "does not follow"
LARGE_GAP = 1.96  #: usual misses
FOLLOWS, DOES_NOT, CANNOT_TELL, NOT_ENOUGH = "follows the gap", "does not follow", "can't tell yet", "not enough data"
Z_95, Z_998 = 1.959964, 3.090232

RUBBER_STAMP, COIN_FLIP, REJECTS_ALL = "rubber-stamp pattern", "noise or coin-flip", "reject-everything pattern"
#: METHODS 4.5: what the rate (-1 low, 0 middle, +1 high, against the expected) and the verdict say together.
GRID = {
    (FOLLOWS, -1): "selective, healthy",
    (FOLLOWS, 0): "healthy",
    (FOLLOWS, 1): "under-trust, but informed",
    (DOES_NOT, -1): RUBBER_STAMP,
    (DOES_NOT, 0): COIN_FLIP,
    (DOES_NOT, 1): REJECTS_ALL,
}


@dataclass(frozen=True, slots=True)
class Slope:
    """How the chance of an override rises with the gap: logit P = α + β·|u|."""

    n: int
    alpha: float
    beta: float
    covariance: tuple[tuple[float, float], tuple[float, float]]  #: of alpha and beta

    def chance(self, distance: float = 3.0) -> tuple[float, float, float]:
        """At a gap of ``distance`` usual misses, the chance of an override with its 95 % interval, 0 to 1."""
        at = np.array([1.0, distance])
        middle = self.alpha + self.beta * distance
        spread = Z_95 * float(np.sqrt(at @ np.array(self.covariance) @ at))
        low, mid, high = 1 / (1 + np.exp(-np.array([middle - spread, middle, middle + spread])))
        return float(mid), float(low), float(high)


def follows_gap(reviews: pd.DataFrame, *, tolerance: float, groups: pd.Series | None = None) -> pd.DataFrame:
    """The chance that an overridden item had the larger gap than one that was kept, by group.

    Args:
        reviews: with ``state``, ``final``, ``ai`` and ``u`` (the gap in usual misses at the decision); items without
            ``u`` do not count.

    Returns:
        ``overridden`` and ``kept`` (counts), ``auc`` (0.5: no link) with its 95 % interval ``low``, ``high`` and the
        upper end of the 99.8 % one, all NaN below 5 overridden and 5 kept; ``verdict``: "follows the gap" from 30
        decisions if ``low`` > 0.5; else "does not follow" if ``high`` < 0.65, with 20 of the rarer choice and 80 of
        the commoner (METHODS says 20 overridden and 80 kept; the other way round the interval is as narrow, and only
        so can it be said of somebody who overrides nearly everything); else "can't tell yet".

    Source: METHODS 4.5; Mann–Whitney as SciPy computes it; interval: ``hanley_mcneil``.
    """
    scaled = _with_distance(reviews, tolerance)
    rows = [_row(name, part) for name, part in split(scaled, groups)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def hanley_mcneil(auc: float, overridden: int, kept: int) -> float:
    """The standard error of an AUC.

    Source: J. A. Hanley and B. J. McNeil (1982), Radiology 143, 29-36, eq. 1.
    """
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (overridden - 1) * (one - auc**2) + (kept - 1) * (two - auc**2)
    return float(np.sqrt(max(spread, 0.0) / (overridden * kept)))


def pattern(verdict: str, side: int) -> str | None:
    """What verdict and rate say together, in the words of METHODS 4.5; None while it cannot be told.

    ``side``: of the group's override rate in the funnel, -1 below the 95 % limits, +1 above, else 0.
    """
    return GRID.get((verdict, side))


def large_gaps_accepted(reviews: pd.DataFrame, *, tolerance: float) -> pd.Series:
    """For each judged item with a gap of 1.96 usual misses or more, whether it was accepted unchanged.

    Reads ``state``, ``final``, ``ai`` and ``u``. Shown from 20 items and concluded from 40 (METHODS 9); works at no
    overrides at all. Feed it to ``shares.shares``.
    """
    scaled = _with_distance(reviews, tolerance)
    return ~scaled.loc[scaled["distance"] >= LARGE_GAP, "made"]


def slope(reviews: pd.DataFrame, *, tolerance: float) -> Slope:
    """The slope of overrides on the gap, with priors α ~ N(0, 10²), β ~ N(0, 2.5²); reads what ``follows_gap`` does.

    The priors keep it finite where the gap separates the choices; without any decision they are all there is. At 20 or
    30 decisions an interval still reaches far: no slope cannot be claimed there.

    Source: METHODS 4.5; the mode by Newton's method, its covariance by Laplace.
    """
    scaled = _with_distance(reviews, tolerance)
    made = scaled["made"].to_numpy(float)
    inputs = np.column_stack([np.ones(len(scaled)), scaled["distance"].to_numpy(float)])
    prior = np.diag([1 / 10.0**2, 1 / 2.5**2])

    def gain(at: np.ndarray) -> float:
        logit = inputs @ at
        return float(made @ logit - np.logaddexp(0, logit).sum() - 0.5 * at @ prior @ at)

    found, hessian = np.zeros(2), prior
    for _ in range(100):
        chance = 0.5 * (1 + np.tanh(0.5 * (inputs @ found)))
        hessian = inputs.T @ (inputs * (chance * (1 - chance))[:, None]) + prior
        step = np.linalg.solve(hessian, inputs.T @ (made - chance) - prior @ found)
        while gain(found + step) < gain(found) and np.abs(step).max() > 1e-9:
            step = step / 2
        found = found + step
        if np.abs(step).max() < 1e-9:
            break
    (aa, ab), (ba, bb) = np.linalg.inv(hessian).tolist()
    return Slope(len(scaled), float(found[0]), float(found[1]), ((aa, ab), (ba, bb)))


def _with_distance(reviews: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    decided = judged(reviews)
    rows = pd.DataFrame({"distance": numbers(decided, "u").abs(), "made": is_override(decided, tolerance=tolerance)})
    return rows[rows["distance"].notna()].astype({"made": bool})


def _row(name: str | None, part: pd.DataFrame) -> dict[str, object]:
    from scipy.stats import mannwhitneyu  # a second that no start should wait for

    overridden, kept = part.loc[part["made"], "distance"], part.loc[~part["made"], "distance"]
    row: dict[str, object] = {"group": name, "overridden": len(overridden), "kept": len(kept)}
    if min(len(overridden), len(kept)) < SHOWN_FROM:
        return {**row, "verdict": NOT_ENOUGH}
    statistic = mannwhitneyu(overridden, kept, method="asymptotic").statistic
    auc = float(statistic) / (len(overridden) * len(kept))
    error = hanley_mcneil(auc, len(overridden), len(kept))
    low, high = max(auc - Z_95 * error, 0.0), min(auc + Z_95 * error, 1.0)
    return {
        **row,
        "auc": auc,
        "low": low,
        "high": high,
        "high_998": min(auc + Z_998 * error, 1.0),
        "verdict": _verdict(len(overridden), len(kept), low, high),
    }


def _verdict(overridden: int, kept: int, low: float, high: float) -> str:
    if overridden + kept >= FOLLOWS_FROM and low > CHANCE:
        return FOLLOWS
    fewer, more = sorted((overridden, kept))
    if fewer >= FEWER and more >= MORE and high < WEAK:
        return DOES_NOT
    return CANNOT_TELL

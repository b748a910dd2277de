"""Whether a share is unusual for its number, given how much shares differ anyway (METHODS 4.3).

The limits are drawn against n and never ranked by: the point of a funnel is to avoid a league table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

FEWEST_GROUPS = 8  #: below, over-dispersion is not worked out
FIXED_PHI = 2.0  #: and this stands for it
COUNTED_FROM = 20  #: decisions from which a group counts towards over-dispersion
WINSORISED = (0.1, 0.9)
LEVELS = {95.0: (0.025, 0.975), 99.8: (0.001, 0.999)}  #: percent inside: the percentiles of its limits
SLACK = 1e-9  #: a share that lies on its limit is not beyond it, however it was rounded

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """By how much groups differ beyond chance."""

    phi: float  #: variance of z, at least 1: chance alone
    is_fixed: bool  #: too few groups to work it out: say so on screen


def overdispersion(z: ArrayLike) -> Spread:
    """The mean of z², winsorised at 10 % and 90 %, at least 1; fixed at 2 for fewer than 8 groups.

    Source: D. J. Spiegelhalter (2005), Statistics in Medicine 24, 1185-1202, section 4.
    """
    known = np.asarray(z, dtype=float)
    known = known[np.isfinite(known)]
    if len(known) < FEWEST_GROUPS:
        return Spread(FIXED_PHI, is_fixed=True)
    low, high = np.quantile(known, WINSORISED)
    return Spread(max(1.0, float(np.mean(np.clip(known, low, high) ** 2))), is_fixed=False)


def binomial_limit(n: ArrayLike, rate: ArrayLike, at: float) -> Floats:
    """The count at the percentile ``at`` (0 to 1) of a binomial, interpolated between whole counts.

    With r the smallest count with F(r) ≥ at: r − (F(r) − at) / P(r). It lies below 0 where even a count of 0 is
    not unusual.

    Source: Spiegelhalter (2005), appendix A.1.1.
    """
    from scipy.stats import binom  # a second that no start should wait for

    tried, share = np.asarray(n, dtype=float), np.asarray(rate, dtype=float)
    count = binom.ppf(at, tried, share)
    limit = count - (binom.cdf(count, tried, share) - at) / binom.pmf(count, tried, share)
    return np.asarray(limit, dtype=float)


def funnel(counts: pd.DataFrame) -> pd.DataFrame:
    """The limits around what is expected of each group, and which groups lie beyond them.

    Args:
        counts: one row a group: ``n``, ``observed`` (of these n), ``expected`` (a count) and its ``variance``
            (Σ p(1 − p)).

    Returns:
        ``counts`` with ``z`` ((O − E) / √variance), ``phi`` and ``is_phi_fixed`` (the same in each row), the limits
        ``low_95``, ``high_95``, ``low_998``, ``high_998`` as shares of n (exact binomial at the group's mean chance,
        drawn out from the expectation by √φ, cut at 0 and 1), ``beyond`` (0, 95.0 or 99.8: the wider limit that is
        passed) and ``side`` (-1 below, +1 above, 0 inside). NaN and 0 where n is 0.
    """
    n = counts["n"].where(counts["n"] > 0).to_numpy(float)
    expected = counts["expected"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (counts["observed"].to_numpy(float) - expected) / np.sqrt(counts["variance"].to_numpy(float))
        share, mean = counts["observed"].to_numpy(float) / n, expected / n
    spread = overdispersion(z[n >= COUNTED_FROM])
    found = counts.assign(z=z, phi=spread.phi, is_phi_fixed=spread.is_fixed, beyond=0.0, side=0)
    for level, ends in LEVELS.items():
        low, high = (_drawn_out(binomial_limit(n, mean, at) / n, mean, spread.phi) for at in ends)
        name = f"{level:g}".replace(".", "")
        found[f"low_{name}"], found[f"high_{name}"] = low, high
        is_below, is_above = share < found[f"low_{name}"] - SLACK, share > found[f"high_{name}"] + SLACK
        found["side"] = np.select([is_below, is_above], [-1, 1], found["side"])
        found["beyond"] = np.where(is_below | is_above, level, found["beyond"])
    return found


def _drawn_out(limit: Floats, mean: Floats, phi: float) -> Floats:
    drawn: Floats = np.clip(mean + (limit - mean) * np.sqrt(phi), 0.0, 1.0)
    return drawn

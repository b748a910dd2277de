"""Whether the AI's intervals hold as many actuals as they promise (METHODS 8.2)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from review_queue.measures.groups import split
from review_queue.measures.overrides import NOT_ENOUGH, wilson
from review_queue.measures.skill import observations
from review_queue.measures.value_added import CANT_TELL

COLUMNS = (
    "group",
    "n",
    "periods",
    "level",
    "inside",
    "low",
    "high",
    "below",
    "above",
    "ratio",
    "p_value",
    "verdict",
)
SHOWN_FROM, CONCLUDED_FROM = 30, 80  #: actuals (METHODS 9)
FEWEST_PERIODS = 8
SIGNIFICANT = 0.05
TOO_NARROW, TOO_WIDE, AS_PROMISED = "too narrow", "too wide", "no sign of a fault"


def kupiec(misses: float, n: float, *, miss: float) -> tuple[float, float]:
    """Whether so many misses are compatible with a nominal share ``miss``, 0 to 1, both excluded.

    Returns:
        The likelihood ratio ``-2 [(n-x) ln(1-p) + x ln p - (n-x) ln(1-x/n) - x ln(x/n)]`` (0 ln 0 is 0) and its
        p-value, of a chi-square with one degree of freedom. NaN without any rows.

    Source: METHODS 8.2, after P. H. Kupiec (1995), Journal of Derivatives 3(2), 73-84.
    """
    from scipy.special import xlogy
    from scipy.stats import chi2

    if not n:
        return float("nan"), float("nan")
    kept, share = n - misses, misses / n
    expected = xlogy(kept, 1 - miss) + xlogy(misses, miss)
    seen = xlogy(kept, 1 - share) + xlogy(misses, share)
    ratio = max(0.0, float(-2 * (expected - seen)))
    return ratio, float(chi2.sf(ratio, 1))


def coverage(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """How many actuals lay inside the AI's interval, by group, beside the share that was promised.

    Args:
        reviews: ``ai_low``, ``ai_high`` (unit) and ``ai_level`` (0 to 1), and what ``skill.observations`` reads; each
            series and period counts once. Lower bounds are no actuals to be covered.

    Returns:
        ``n`` actuals over ``periods``; ``level`` promised and ``inside`` found, 0 to 1, with its Wilson 95 % interval
        ``low`` to ``high``; ``below`` and ``above``, the shares that fell under and over the interval: unequal ones
        are a bias. All are NaN below 30. ``ratio`` and ``p_value`` are Kupiec's. ``verdict`` is "too narrow", "too
        wide" or "no sign of a fault" from 80 actuals in 8 periods, "can't tell yet" below, and "not enough data"
        below 30.

    Actuals of one period hang together: interval and test count ``n`` as so many fewer as the misses vary more between
    periods than independent ones would (the design effect, at least 1).

    Source: METHODS 8.2; the correction after J. N. K. Rao and A. J. Scott (1992), Biometrics 48, 577-585.
    """
    seen = observations(reviews[~reviews["is_lower_bound"].astype(bool)], ["ai", "ai_low", "ai_high"])
    rows = [_row(name, part) for name, part in split(seen, groups)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def level_of(levels: pd.Series) -> float:
    """The nominal level; the mean where the intervals were given at several."""
    known = levels.dropna()
    return float(known.iloc[0] if known.nunique() == 1 else known.mean())


def _row(name: str | None, part: pd.DataFrame) -> dict[str, object]:
    n, periods = len(part), int(part["period"].nunique())
    row: dict[str, object] = {"group": name, "n": n, "periods": periods, "level": level_of(part["ai_level"])}
    if n < SHOWN_FROM:
        return {**row, "verdict": NOT_ENOUGH}
    below, above = part["actual"] < part["ai_low"], part["actual"] > part["ai_high"]
    level, missed = level_of(part["ai_level"]), (below | above)
    inside = 1 - float(missed.mean())
    counted = n / _design_effect(missed, part["period"])
    interval = wilson(pd.Series([inside * counted]), pd.Series([counted])).iloc[0]
    ratio, p_value = kupiec((1 - inside) * counted, counted, miss=1 - level)
    return {
        **row,
        "inside": inside,
        "low": float(interval["low"]),
        "high": float(interval["high"]),
        "below": float(below.mean()),
        "above": float(above.mean()),
        "ratio": ratio,
        "p_value": p_value,
        "verdict": _verdict(n, periods, p_value, inside - level),
    }


def _verdict(n: int, periods: int, p_value: float, surplus: float) -> str:
    if n < CONCLUDED_FROM or periods < FEWEST_PERIODS or np.isnan(p_value):
        return CANT_TELL
    if p_value >= SIGNIFICANT:
        return AS_PROMISED
    return TOO_WIDE if surplus > 0 else TOO_NARROW


def _design_effect(missed: pd.Series, periods: pd.Series) -> float:
    """How many dependent rows are worth one: the variance of the share between periods over the binomial one."""
    by_period = missed.groupby(periods).agg(["sum", "size"])
    n, share, count = len(missed), float(missed.mean()), len(by_period)
    if count < 2 or share in (0.0, 1.0):
        return 1.0
    between = count / (count - 1) * float(((by_period["sum"] - share * by_period["size"]) ** 2).sum())
    return max(1.0, between / (n * share * (1 - share)))

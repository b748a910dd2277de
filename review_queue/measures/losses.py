"""How far forecasts were off, each way of adding it up (METHODS 3.3).

All take series of equal index. ``actual - forecast`` is the error; a bias above 0 is an over-forecast. Different
measures are best for different forecasts, so do not score one forecast on several and choose.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def mae(forecast: pd.Series, actual: pd.Series) -> float:
    """Mean size of the error, in the unit; NaN without rows. For comparing inside one series."""
    return float((actual - forecast).abs().mean())


def wape(forecast: pd.Series, actual: pd.Series, weight: pd.Series) -> float:
    """Weighted absolute error as a share of the weighted actuals; NaN where these add up to 0.

    Least for a forecast of the median, so on skewed demand it favours forecasting too little.
    """
    return quotient((weight * (actual - forecast).abs()).sum(), (weight * actual.abs()).sum())


def bias(forecast: pd.Series, actual: pd.Series, weight: pd.Series) -> float:
    """Weighted over-forecast as a share of the weighted actuals: positive means too high."""
    return quotient((weight * (forecast - actual)).sum(), (weight * actual.abs()).sum())


def rmse(forecast: pd.Series, actual: pd.Series) -> float:
    """Root of the mean squared error, in the unit. Only where cost grows with the square; outliers rule it."""
    return float(np.sqrt(((actual - forecast) ** 2).mean()))


def mape(forecast: pd.Series, actual: pd.Series) -> float:
    """Mean of the error as a share of the actual, 0 is perfect; infinite where an actual of 0 was missed.

    Favours low forecasts: shown to warn that percentages can turn a conclusion round. 0 of 0 counts as 0.
    """
    error = (actual - forecast).abs()
    return float((error / actual.abs()).mask(error == 0, 0.0).mean())


def smape(forecast: pd.Series, actual: pd.Series) -> float:
    """Mean of twice the error over the sizes of both, 0 to 2; 0 over 0 is 0. Not symmetric, whatever its name."""
    error, sizes = (actual - forecast).abs(), actual.abs() + forecast.abs()
    return float((2 * error / sizes).mask(sizes == 0, 0.0).mean())


def naive_mae(history: pd.Series, *, season: int) -> float:
    """Mean of ``|y_t - y_(t-season)|`` over one series' past actuals, oldest first, in the unit.

    NaN for a flat history or one that is no longer than a season: nothing can be scaled by it.
    """
    steps = history.diff(season).abs().mean()
    return float(steps) if steps > 0 else float("nan")


def mase(forecast: pd.Series, actual: pd.Series, *, scale: float) -> float:
    """MAE as a multiple of the seasonal naive forecast's in-sample, ``scale`` as ``naive_mae`` gives it."""
    return quotient(mae(forecast, actual), scale)


def rel_mae(forecast: pd.Series, reference: pd.Series, actual: pd.Series) -> float:
    """MAE over the MAE of ``reference``: below 1 is better than it; NaN where that one never missed."""
    return quotient(mae(forecast, actual), mae(reference, actual))


def pinball(forecast: pd.Series, actual: pd.Series, *, p: float) -> pd.Series:
    """The loss of a forecast of quantile ``p`` (0 to 1) row by row, in the unit, never below 0."""
    return (1 - p) * (forecast - actual).clip(lower=0.0) + p * (actual - forecast).clip(lower=0.0)


def money_loss(forecast: pd.Series, actual: pd.Series, *, under: float, over: float) -> pd.Series:
    """What each row cost: ``under`` (money) per unit forecast too little, ``over`` per unit too much."""
    return under * (actual - forecast).clip(lower=0.0) + over * (forecast - actual).clip(lower=0.0)


def interval_score(low: pd.Series, high: pd.Series, actual: pd.Series, *, level: float) -> pd.Series:
    """The width of each interval and, where it missed, 2/α times by how much, α = 1 - ``level``; in the unit.

    NaN where an interval is upside down.
    """
    missed = (low - actual).clip(lower=0.0) + (actual - high).clip(lower=0.0)
    return (high - low + 2 / (1 - level) * missed).where(high >= low)


def wis(quantiles: pd.DataFrame, actual: pd.Series) -> pd.Series:
    """The weighted interval score of each row, in the unit: of a point forecast alone it is the size of the error.

    ``[½|y - m| + Σ_k (α_k / 2) IS_k] / (K + ½)`` over the K intervals, so that a distribution and a human's single
    number can be compared.

    Args:
        quantiles: columns named by their level (0.05, 0.5, …), with 0.5 and otherwise in pairs around it.

    Raises:
        ValueError: there is no median, or a quantile without its counterpart.

    Source: METHODS 3.3.
    """
    levels = sorted(round(float(level), 10) for level in quantiles.columns)
    pairs = [(level, round(1 - level, 10)) for level in levels if level < 0.5]
    if 0.5 not in levels or len(levels) != 2 * len(pairs) + 1 or not {high for _, high in pairs} <= set(levels):
        raise ValueError(f"The quantiles must be a median and pairs around it, not {levels}.")
    by_level = {round(float(str(level)), 10): quantiles[level] for level in quantiles.columns}
    total = 0.5 * (actual - by_level[0.5]).abs()
    for low, high in pairs:
        total = total + low * interval_score(by_level[low], by_level[high], actual, level=high - low)
    return total / (len(pairs) + 0.5)


def quotient(part: float, whole: float) -> float:
    """``part / whole``; NaN where the whole is 0 or unknown."""
    return float(part / whole) if whole else float("nan")

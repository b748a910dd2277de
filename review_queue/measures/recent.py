"""How far the AI was off, period by period, and whether the last few are worse than those before (METHODS 8.1).

The comparison of the last few with those before is ours: the e-CUSUM compares with the naive forecast, and does not see
an AI that falls from good to as good as naive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from review_queue.measures.losses import bias, wape
from review_queue.measures.resampling import (
    FEWEST_CLUSTERS,
    SEED,
    cluster_sums,
    drawn_totals,
    percentile_interval,
    ratio,
)
from review_queue.measures.skill import observations, period_ends
from review_queue.measures.value_added import CANT_TELL, ENOUGH_ROWS, steps_of

COLUMNS = ("period", "ended", "n", "wape", "low", "high", "bias", "naive_wape", "model_version")
FEWEST_PERIODS = 3  #: that count as now; more where these have too few actuals to say
NOTICED = 1.1  #: a change by a smaller factor is not called one: all series of a period share its luck
WORSE, BETTER, AS_BEFORE = "worse", "better", "no sign of a change"


def by_period(reviews: pd.DataFrame, *, seed: int = SEED) -> pd.DataFrame:
    """Error and bias of the AI in each period that has actuals.

    Args:
        reviews: as ``skill.observations`` takes them, with ``value_per_unit`` and ``model_version``; each series and
            period counts once. Where the workflow has naive forecasts, only rows with one count.

    Returns:
        One row a period, in order: when it ``ended`` (UTC), ``n`` actuals, the AI's ``wape`` with its 95 % interval
        ``low`` to ``high`` (bootstrap over series; NaN below 10) and ``bias``, the ``naive_wape`` on the same rows
        (shares; all NaN below 30 actuals), and the ``model_version`` that made most of its forecasts.
    """
    rows = _rows(reviews)
    rows = rows[rows["period"].notna()]
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    found = [{"period": str(period), **_figures(part)} for period, part in rows.groupby("period", sort=False)]
    table = pd.DataFrame(found).assign(ended=lambda made: period_ends(made["period"]))
    table = table.sort_values("ended", ignore_index=True)
    sizes = _sizes(rows)
    columns = {
        (period, name): sizes[name].where(rows["period"] == period, 0.0)
        for period in table["period"]
        for name in ("ai", "actual")
    }
    totals = drawn_totals(cluster_sums(pd.DataFrame(columns), rows["series"]), seed=seed)
    bounds = [percentile_interval(ratio(totals[:, 2 * i], totals[:, 2 * i + 1])) for i in range(len(table))]
    sure = (table["n"] >= ENOUGH_ROWS) & (table.pop("clusters") >= FEWEST_CLUSTERS)
    table[["low", "high"]] = pd.DataFrame(bounds, index=table.index).where(sure, np.nan).to_numpy()
    return table[list(COLUMNS)]


@dataclass(frozen=True, slots=True)
class Change:
    """The AI's error in the last few periods against all before; NaN where there is too little to say."""

    periods: tuple[str, ...]  #: those that count as now, in order
    n: int  #: actuals in them
    n_before: int
    wape: float  #: now, a share
    low: float  #: its 95 % interval (bootstrap over series)
    high: float
    before: float  #: WAPE before
    bias: float  #: now, a share; above 0 is too high
    naive_wape: float  #: now, on the same rows; NaN where there is no naive forecast
    naive_before: float
    factor: float  #: WAPE now over before, each over the naive forecast's where there is one
    factor_low: float
    factor_high: float
    verdict: str  #: "worse", "better", "no sign of a change" or "can't tell yet"


def change(reviews: pd.DataFrame, *, seed: int = SEED) -> Change | None:
    """Whether the AI misses by more than it used to; measured against the naive forecast, since some times are harder.

    Args:
        reviews: as ``by_period`` takes them.

    Returns:
        The last 3 periods with actuals, or as many as it takes for 30 actuals, against all before. "worse" and
        "better" where the 95 % interval of the factor excludes 1 and the factor is at least 1.1, or at most 1 / 1.1;
        "can't tell yet" below 30 actuals on either side or 10 series in all. None where there is no actual at all.
    """
    rows = _rows(reviews)
    rows = rows[rows["period"].notna()]
    if rows.empty:
        return None
    counts = rows.groupby(["period"]).size()
    counts = counts.iloc[period_ends(counts.index.to_series()).argsort(kind="stable")]
    reached = int((counts[::-1].cumsum() < ENOUGH_ROWS).sum()) + 1
    periods = tuple(str(period) for period in counts.index[-max(FEWEST_PERIODS, reached) :])
    is_now = rows["period"].isin(periods)
    now, before = _figures(rows[is_now]), _figures(rows[~is_now])
    low, high, factor_low, factor_high = _intervals(rows, is_now, seed)
    factor = now["wape"] / before["wape"]
    if _has_naive(rows):
        factor /= now["naive_wape"] / before["naive_wape"]
    return Change(
        periods=periods,
        n=now["n"],
        n_before=before["n"],
        wape=now["wape"],
        low=low,
        high=high,
        before=before["wape"],
        bias=now["bias"],
        naive_wape=now["naive_wape"],
        naive_before=before["naive_wape"],
        factor=factor,
        factor_low=factor_low,
        factor_high=factor_high,
        verdict=_verdict(factor, factor_low, factor_high),
    )


def _rows(reviews: pd.DataFrame) -> pd.DataFrame:
    steps = [step for step in steps_of(reviews) if step in ("naive", "ai")]
    return observations(reviews, steps if "ai" in steps else ["ai"])


def _has_naive(rows: pd.DataFrame) -> bool:
    return len(rows) > 0 and bool(rows["naive"].notna().all())


def _sizes(rows: pd.DataFrame) -> pd.DataFrame:
    weight, actual = rows["value_per_unit"], rows["actual"]
    sizes = {name: weight * (actual - rows[name]).abs() for name in ("ai", "naive")}
    return pd.DataFrame({**sizes, "actual": weight * actual.abs()})


def _figures(part: pd.DataFrame) -> dict[str, Any]:
    versions = part["model_version"].dropna() if "model_version" in part else part["series"].iloc[:0]
    row: dict[str, Any] = {
        "n": len(part),
        "clusters": int(part["series"].nunique()),
        "model_version": str(versions.mode().iloc[0]) if len(versions) else None,
    }
    if len(part) < ENOUGH_ROWS:
        return {**row, "wape": np.nan, "bias": np.nan, "naive_wape": np.nan}
    actual, weight = part["actual"], part["value_per_unit"]
    naive = wape(part["naive"], actual, weight) if _has_naive(part) else np.nan
    return {
        **row,
        "wape": wape(part["ai"], actual, weight),
        "bias": bias(part["ai"], actual, weight),
        "naive_wape": naive,
    }


def _intervals(rows: pd.DataFrame, is_now: pd.Series, seed: int) -> tuple[float, float, float, float]:
    """Of the WAPE now and of the factor; NaN where there is too little."""
    unknown = float("nan")
    if is_now.sum() < ENOUGH_ROWS or rows["series"].nunique() < FEWEST_CLUSTERS:
        return unknown, unknown, unknown, unknown
    sizes = _sizes(rows).fillna(0.0)
    halves = pd.concat([sizes.where(is_now, 0.0), sizes.where(~is_now, 0.0)], axis=1, keys=("now", "before"))
    totals = drawn_totals(cluster_sums(halves, rows["series"]), seed=seed)
    ai, naive, actual, ai_before, naive_before, actual_before = totals.T
    low, high = percentile_interval(ratio(ai, actual))
    if (~is_now).sum() < ENOUGH_ROWS:
        return low, high, unknown, unknown
    scale, scale_before = (naive, naive_before) if _has_naive(rows) else (actual, actual_before)
    return low, high, *percentile_interval(ratio(ratio(ai, scale), ratio(ai_before, scale_before)))


def _verdict(factor: float, low: float, high: float) -> str:
    if np.isnan([factor, low, high]).any():
        return CANT_TELL
    if low > 1 and factor >= NOTICED:
        return WORSE
    return BETTER if high < 1 and factor <= 1 / NOTICED else AS_BEFORE

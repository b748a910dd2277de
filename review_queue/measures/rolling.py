"""The AI's error over the last few periods, as time went on (METHODS 8.1)."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.losses import bias, wape
from review_queue.measures.relative_mae import avg_rel_mae
from review_queue.measures.resampling import (
    FEWEST_CLUSTERS,
    SEED,
    cluster_sums,
    drawn_totals,
    percentile_interval,
    ratio,
)
from review_queue.measures.skill import observations, period_ends
from review_queue.measures.value_added import ENOUGH_ROWS, steps_of

COLUMNS = (
    "period",
    "n",
    "wape",
    "low",
    "high",
    "bias",
    "naive_wape",
    "avg_rel_mae",
    "rel_low",
    "rel_high",
)


def rolling(reviews: pd.DataFrame, *, periods: int, seed: int = SEED) -> pd.DataFrame:
    """Error and bias of the AI over each stretch of so many periods that have actuals.

    Args:
        reviews: as ``skill.observations`` and ``value_added`` take them; each series and period counts once. Where the
            workflow has naive forecasts, only rows with one count.

    Returns:
        One row per last period of a stretch, in order: ``n`` actuals, the AI's ``wape`` with its 95 % interval ``low``
        to ``high`` (bootstrap over series), ``bias`` and ``naive_wape`` (shares), and ``avg_rel_mae`` against the naive
        forecast with its interval ``rel_low`` to ``rel_high``. All are NaN below 30 actuals, intervals also below 10
        series, and what needs a naive forecast where there is none.
    """
    steps = [step for step in steps_of(reviews) if step in ("naive", "ai")]
    if "ai" not in steps:
        return pd.DataFrame(columns=list(COLUMNS))
    known = observations(reviews, steps).assign(manual=float("nan"), final=float("nan"))
    ends = known["period"].iloc[period_ends(known["period"]).argsort(kind="stable")].unique()
    rows = [
        _row(str(last), known[known["period"].isin(ends[place - periods + 1 : place + 1])], seed)
        for place, last in enumerate(ends)
        if place >= periods - 1
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(period: str, part: pd.DataFrame, seed: int) -> dict[str, object]:
    row: dict[str, object] = {"period": period, "n": len(part)}
    if len(part) < ENOUGH_ROWS:
        return row
    actual, weight = part["actual"], part["value_per_unit"]
    row |= {"wape": wape(part["ai"], actual, weight), "bias": bias(part["ai"], actual, weight)}
    if part["series"].nunique() >= FEWEST_CLUSTERS:
        sizes = pd.DataFrame({"error": weight * (actual - part["ai"]).abs(), "actual": weight * actual.abs()})
        totals = drawn_totals(cluster_sums(sizes, part["series"]), seed=seed)
        row["low"], row["high"] = percentile_interval(ratio(totals[:, 0], totals[:, 1]))
    if part["naive"].notna().all():
        relative = avg_rel_mae(part, step="ai", reference="naive", seed=seed).iloc[0]
        row |= {"naive_wape": wape(part["naive"], actual, weight), "avg_rel_mae": relative["avg_rel_mae"]}
        row |= {"rel_low": relative["low"], "rel_high": relative["high"]}
    return row

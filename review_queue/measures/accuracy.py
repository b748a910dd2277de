"""How accurate the AI has been in one place, in the few figures that a reviewer can weigh (METHODS 3.3, 8.1, 9)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from review_queue.measures.value_added import bias, wape

ENOUGH = 5  #: forecasts from which an error is shown
ENOUGH_FOR_COVERAGE = 30


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The AI's record in one place; None where there is too little to say."""

    n: int  #: forecasts that it is worked out from
    mae: float | None = None  #: the typical miss, in the unit
    wape: float | None = None  #: share, 0 is perfect
    bias: float | None = None  #: share, above 0 is too high
    naive_wape: float | None = None  #: of the naive forecast, on the same periods
    ranges: int = 0  #: forecasts that came with a range
    inside: float | None = None  #: share of actuals inside the range
    level: float | None = None  #: share that the range promised


def accuracy(past: pd.DataFrame) -> Accuracy:
    """The record of forecasts whose actual is known; lower bounds are no actuals to be measured by.

    Where enough periods have a naive forecast, only these count, so that both are measured on the same.

    Args:
        past: ``ai``, ``actual``, ``naive``, ``ai_low``, ``ai_high`` in the unit, ``ai_level`` (0 to 1),
            ``value_per_unit`` (money, the weight) and ``is_lower_bound``.
    """
    known = past[~past["is_lower_bound"].astype(bool)].dropna(subset=["ai", "actual"])
    both = known.dropna(subset=["naive"])
    rows = both if len(both) >= ENOUGH else known
    ranges = known.dropna(subset=["ai_low", "ai_high"])
    if len(rows) < ENOUGH:
        return Accuracy(len(rows), ranges=len(ranges))
    actual, weight = rows["actual"], rows["value_per_unit"]
    is_covered = len(ranges) >= ENOUGH_FOR_COVERAGE
    return Accuracy(
        n=len(rows),
        mae=float((actual - rows["ai"]).abs().mean()),
        wape=_known(wape(rows["ai"], actual, weight)),
        bias=_known(bias(rows["ai"], actual, weight)),
        naive_wape=_known(wape(rows["naive"], actual, weight)) if rows is both else None,
        ranges=len(ranges),
        inside=float(ranges["actual"].between(ranges["ai_low"], ranges["ai_high"]).mean()) if is_covered else None,
        level=_known(ranges["ai_level"].mean()) if is_covered else None,
    )


def largest_misses(past: pd.DataFrame, *, count: int = 3) -> pd.DataFrame:
    """The rows where the AI was furthest off, the furthest first, with ``miss`` (actual minus AI) beside them."""
    known = past[~past["is_lower_bound"].astype(bool)].dropna(subset=["ai", "actual"])
    missed = known.assign(miss=known["actual"] - known["ai"])
    return missed.loc[missed["miss"].abs().sort_values(ascending=False, kind="stable").index].head(count)


def _known(value: float) -> float | None:
    return None if pd.isna(value) else float(value)

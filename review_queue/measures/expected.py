"""How often anyone would have overridden the same items (METHODS 4.3)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.measures.facts import UNKNOWN, numbers

SMALLEST_CELL = 20  #: decisions; a smaller cell is merged with its neighbours
DAY_STARTS = (0.0, 1.0, 3.0, 7.0)  #: days left to the deadline at which a bucket begins; before 0 it has passed


def expected_rates(decided: pd.DataFrame, made: pd.Series, *, tiers: pd.Series | None = None) -> pd.Series:
    """The chance of an override of each decision, from all decisions alike, whoever made them.

    Cells are band × tier × days to the deadline, each with the smoothed rate (k + 1) / (n + 5). The decisions in
    cells below 20 are merged: over the days first, then over the tiers, then over the bands; what is still below 20
    has the rate of all decisions. A column that is missing or nowhere known is left out; in others unknown is a
    cell of its own.

    Args:
        decided: as ``overrides.judged`` gives it; reads ``band`` (as it was at the decision) and ``hours_to_deadline``
            (wall clock, negative: overdue), both optional.
        made: whether each was an override, with the same index.
        tiers: the top level of each review's segment; its index holds that of ``decided``.

    Returns:
        Chances, 0 to 1, with the index of ``decided``. They add up to about the number of overrides, not exactly:
        the smoothing draws small cells towards a fifth.

    Source: METHODS 4.3. The buckets of days and the order of merging are ours.
    """
    k, n = made.to_numpy(float), len(made)
    chances = np.full(n, (k.sum() + 1) / (n + 5))
    left = np.ones(n, dtype=bool)
    factors = _factors(decided, tiers)
    for depth in range(len(factors), -1, -1):
        cells = _cells(factors[:depth], n)[left]
        size, hits = np.bincount(cells), np.bincount(cells, weights=k[left])
        is_enough = size[cells] >= SMALLEST_CELL
        rows = np.flatnonzero(left)[is_enough]
        chances[rows] = ((hits + 1) / (size + 5))[cells[is_enough]]
        left[rows] = False
    return pd.Series(chances, index=decided.index)


def _factors(decided: pd.DataFrame, tiers: pd.Series | None) -> list[NDArray[np.intp]]:
    """What the chance may depend on, each as a code per row; the first is merged last."""
    columns = [
        decided.get("band"),
        None if tiers is None else tiers.reindex(decided.index),
        _days(numbers(decided, "hours_to_deadline")),
    ]
    known = [column.astype("object") for column in columns if column is not None and column.notna().any()]
    return [pd.factorize(column.where(column.notna(), UNKNOWN))[0] for column in known]


def _days(hours: pd.Series) -> pd.Series:
    bucket = np.searchsorted(DAY_STARTS, hours.to_numpy() / 24, side="right")
    return pd.Series(bucket, index=hours.index).where(hours.notna())


def _cells(factors: list[NDArray[np.intp]], n: int) -> NDArray[np.intp]:
    """One code per combination of the factors."""
    cells = np.zeros(n, dtype=np.intp)
    for codes in factors:
        cells = np.unique(cells * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    return cells

"""How sure a figure is when rows hang together: the cluster bootstrap (METHODS 3.4).

Reviews of one series resemble each other, so whole series are drawn, with all their rows, and not single rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DRAWS = 2000
SEED = 20250331  #: so that the same reviews always get the same interval
LEVEL = 0.95
FEWEST_CLUSTERS = 10  #: below this the interval cannot be relied on
_AT_ONCE = 100_000  #: drawn clusters worked on at once: so many fit into a processor's cache

Floats = NDArray[np.float64]


def cluster_sums(values: pd.DataFrame, clusters: pd.Series) -> Floats:
    """The columns of ``values`` added up by cluster, shape (clusters, columns), in the order of the clusters' names.

    ``clusters`` has the index of ``values``; rows whose cluster is unknown hang together as one.
    """
    names = clusters.reindex(values.index).astype("object")
    codes, known = pd.factorize(names.where(names.notna(), "").astype(str), sort=True)
    by_column = [np.bincount(codes, weights=values[column], minlength=len(known)) for column in values]
    return np.column_stack(by_column).astype(np.float64)


def drawn_totals(sums: Floats, *, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """Totals over as many clusters as there are, drawn with replacement, shape (draws, columns).

    Args:
        sums: shape (clusters, columns), as ``cluster_sums`` gives them; at least one cluster.
    """
    random = np.random.default_rng(seed)
    count = len(sums)
    at_once = max(1, _AT_ONCE // count)
    found = []
    for start in range(0, draws, at_once):
        size = min(at_once, draws - start)
        drawn = random.integers(count, size=(size, count), dtype=np.int32)
        drawn += count * np.arange(size, dtype=np.int32)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        found.append(times.astype(np.float64) @ sums)
    return np.concatenate(found)


def ratio(tops: Floats, bottoms: Floats) -> Floats:
    """Top over bottom, NaN where the bottom is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottoms != 0, tops / bottoms, np.nan)


def percentile_interval(values: Floats, *, level: float = LEVEL) -> tuple[float, float]:
    """The middle ``level`` of the draws; draws in which the figure is undefined do not count, NaN if all are."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

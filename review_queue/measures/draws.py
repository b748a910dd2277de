"""How sure a figure is: bootstrap draws over clusters, of counts and of Kaplan–Meier medians."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_TIMES = 256  #: distinct times that draws are worked out at; more are put together, as finely as this
_SLACK = 1e-9


def cluster_draws(clusters: int, *, draws: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """How often each cluster is in each sample of as many clusters, with replacement; shape (draws, clusters)."""
    drawn = chance.integers(0, clusters, (draws, clusters)) + clusters * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * clusters).reshape(draws, clusters).astype(float)


def median_draws(
    times: pd.DataFrame, clusters: pd.Series, *, draws: int, chance: np.random.Generator
) -> NDArray[np.float64]:
    """Kaplan–Meier medians of bootstrap samples that take whole clusters with replacement.

    All samples at once: a sample is how often each cluster is in it, so that its deaths and its numbers at risk are
    sums of those of the clusters. With more than 256 distinct times at which reviews end, these are put together into
    as many of equal counts, and a median is then the end of its stretch.

    Args:
        times: ``hours`` and ``finished``, as ``latency.durations`` gives them.
        clusters: what each row belongs to, with the index of ``times``.

    Returns:
        Hours, shape (draws,); infinite where a sample's curve does not get to a half.
    """
    hours, finished = times["hours"].to_numpy(float), times["finished"].to_numpy(bool)
    codes, names = pd.factorize(clusters.reindex(times.index).astype(str), sort=True)
    ends = np.unique(hours[finished])
    if not len(ends):
        return np.full(draws, np.inf)
    grid = np.unique(np.quantile(hours[finished], np.linspace(0, 1, MOST_TIMES + 1)[1:], method="inverted_cdf"))
    grid = ends if len(ends) <= MOST_TIMES else grid
    firsts = ends[np.searchsorted(ends, np.concatenate([[-np.inf], grid[:-1]]), side="right")]
    shape = (len(names), len(grid))
    ended = np.zeros(shape)
    np.add.at(ended, (codes[finished], np.searchsorted(grid, hours[finished], side="left")), 1)
    # At risk where a stretch begins is whoever was watched until then or longer.
    last = np.searchsorted(firsts, hours, side="right") - 1
    watched = np.zeros(shape)
    np.add.at(watched, (codes[last >= 0], last[last >= 0]), 1)
    at_risk = watched[:, ::-1].cumsum(axis=1)[:, ::-1]
    sample = cluster_draws(len(names), draws=draws, chance=chance)
    deaths, exposed = sample @ ended, sample @ at_risk
    waiting = np.cumprod(1 - deaths / np.maximum(exposed, 1), axis=1)
    is_half = waiting <= 0.5 + _SLACK
    return np.where(is_half.any(axis=1), grid[is_half.argmax(axis=1)], np.inf)

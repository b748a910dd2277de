"""Taking the constant lean out of overrides, and weighing AI and human against each other (METHODS 3.6).

Both are fitted on the past only and are shown beside a choice; nothing is applied silently.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from review_queue.measures.damping import CONCLUDED_FROM, SHOWN_FROM
from review_queue.measures.resampling import (
    FEWEST_CLUSTERS,
    SEED,
    Floats,
    cluster_sums,
    drawn_totals,
    percentile_interval,
    ratio,
)
from review_queue.measures.value_added import CANT_TELL

PRIOR_WEIGHT = 10.0  #: reviews that "both equally good" counts as
EQUAL = "equal weights"
MORE_HUMAN, MORE_AI = "more on the human", "more on the AI"
LEAN_COLUMNS = ("direction", "n", "lean", "is_concluded")


def lean(past: pd.DataFrame) -> pd.DataFrame:
    """By how much overrides go too far, by direction: the mean of (adj - gap) in usual misses.

    Args:
        past: ``adj``, ``gap`` and ``s`` (the usual miss at the time, above 0), in any one unit a row.

    Returns:
        A row for ``up`` and one for ``down``: ``n`` overrides and ``lean``, above 0 where final values came out too
        high; NaN below 10. ``is_concluded`` from 20.
    """
    changed = past[past["adj"] != 0]
    excess = (changed["adj"] - changed["gap"]) / changed["s"]
    rows = []
    for direction, part in (("up", excess[changed["adj"] > 0]), ("down", excess[changed["adj"] < 0])):
        value = float(part.mean()) if len(part) >= SHOWN_FROM else float("nan")
        rows.append((direction, len(part), value, len(part) >= CONCLUDED_FROM))
    return pd.DataFrame(rows, columns=list(LEAN_COLUMNS))


def corrected(past: pd.DataFrame, leans: pd.DataFrame) -> pd.Series:
    """The changes without the lean of their direction, in the unit of each row: ``adj - s * lean``.

    Where no lean is known a change stays as it is. What is left goes into ``damping.share_to_keep`` as ``adj``.

    Args:
        past: ``adj`` and ``s``. leans: as ``lean`` gives them, from earlier overrides.
    """
    known = leans.set_index("direction")["lean"].fillna(0.0)
    way = pd.Series(np.where(past["adj"] > 0, "up", "down"), index=past.index)
    return past["adj"] - (past["s"] * way.map(known)).where(past["adj"] != 0, 0.0)


@dataclass(frozen=True, slots=True)
class Combination:
    """How much of a combined forecast is the human's: ``weight * human + (1 - weight) * AI``."""

    n: int  #: reviews that it is worked out from
    clusters: int
    weight: float | None  #: of the human's value, 0 to 1; None below 10 reviews
    low: float | None  #: the 95 % interval of the weight; None below 20 reviews or 10 clusters
    high: float | None
    verdict: str

    @property
    def used(self) -> float:
        """The weight to show: a half, unless history clearly says otherwise."""
        return 0.5 if self.weight is None or self.verdict in (EQUAL, CANT_TELL) else self.weight


def combination(past: pd.DataFrame, *, clusters: pd.Series, seed: int = SEED) -> Combination:
    """Weights in inverse proportion to the mean squared errors, drawn towards equal ones.

    Args:
        past: ``ai``, ``human``, ``actual`` and ``s`` (the usual miss, above 0, by which errors are made comparable), in
            any one unit a row. ``human`` is the manual or the final value. Rows that lack one do not count.
        clusters: what hangs together, with the index of ``past``: usually the series.

    Returns:
        "equal weights" if the interval (cluster bootstrap) includes a half, else which of the two gets more; "can't
        tell yet" below 20 reviews or 10 clusters.

    Source: METHODS 3.6; the shrinking (10 reviews in which both miss alike) is ours, after that of damping.
    """
    known = past[past["s"] > 0].dropna(subset=["ai", "human", "actual", "s"])
    names = clusters.reindex(known.index)
    squares = {who: ((known["actual"] - known[who]) / known["s"]) ** 2 for who in ("ai", "human")}
    sums = cluster_sums(pd.DataFrame({**squares, "n": 1.0}, index=known.index), names)
    count = int(names.nunique())
    weight = float(_weights(sums.sum(axis=0)[None, :])[0]) if len(known) >= SHOWN_FROM else None
    if len(known) < CONCLUDED_FROM or count < FEWEST_CLUSTERS:
        return Combination(len(known), count, weight, None, None, CANT_TELL)
    low, high = percentile_interval(_weights(drawn_totals(sums, seed=seed)))
    return Combination(len(known), count, weight, low, high, _verdict(low, high))


def _weights(totals: Floats) -> Floats:
    """The human's weight for totals of squared errors of AI and human and of rows; a half where neither ever missed."""
    ai, human, n = totals.T
    prior = PRIOR_WEIGHT * (ai + human) / (2 * n)
    return np.nan_to_num(ratio(ai + prior, ai + human + 2 * prior), nan=0.5)


def _verdict(low: float, high: float) -> str:
    if low <= 0.5 <= high:
        return EQUAL
    return MORE_HUMAN if low > 0.5 else MORE_AI

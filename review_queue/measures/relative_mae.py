"""One figure for all series together: by what factor a step's typical miss differs from another's (METHODS 3.3)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from review_queue.measures.groups import split
from review_queue.measures.resampling import (
    FEWEST_CLUSTERS,
    SEED,
    cluster_sums,
    drawn_totals,
    percentile_interval,
    ratio,
)
from review_queue.measures.value_added import ENOUGH_ROWS, matched, steps_of, verdict_of

COLUMNS = ("group", "step", "reference", "n", "segments", "dropped", "avg_rel_mae", "low", "high", "verdict")
FEWEST_ROWS = 3  #: a series with fewer is pooled with its like
LEAST, MOST = 0.01, 100.0  #: the ratio where only one of the two ever missed
_REST = "\x00rest"  #: sorts before every name, and is nobody's


def relative_maes(
    rows: pd.DataFrame, *, step: str, reference: str, segments: pd.Series, parents: pd.Series | None = None
) -> pd.DataFrame:
    """MAE of ``step`` over that of ``reference`` in each segment.

    Args:
        rows: ``step``, ``reference`` and ``actual``, all known, in one unit.
        segments: the name of each row's segment, usually its series.
        parents: the name of what the segment lies in. Segments with fewer than 3 rows are put together by parent, and
            what has fewer still (or no parent) in one rest.

    Returns:
        Indexed by segment: ``n`` rows and ``r``, the ratio: NaN where neither ever missed, 0.01 or 100 where only one
        of them did.
    """
    units = _pooled(segments.reindex(rows.index), parents)
    errors = pd.DataFrame(
        {
            "step": (rows["actual"] - rows[step]).abs(),
            "reference": (rows["actual"] - rows[reference]).abs(),
        }
    )
    by_unit = errors.groupby(units, sort=True)
    means, n = by_unit.mean(), by_unit.size()
    r = means["step"] / means["reference"].where(means["reference"] > 0)
    r = r.mask((means["reference"] == 0) & (means["step"] > 0), MOST).mask(
        (means["step"] == 0) & (means["reference"] > 0), LEAST
    )
    return pd.DataFrame({"n": n, "r": r})


def average(ratios: pd.DataFrame) -> float:
    """The mean of ratios, each counted by its rows: ``exp(Σ n ln r / Σ n)``; NaN where none is known.

    Args:
        ratios: ``n`` and ``r``, as ``relative_maes`` gives them.

    Source: METHODS 3.3, after A. Davydenko and R. Fildes (2013), International Journal of Forecasting 29, 510-522.
    """
    known = ratios.dropna(subset=["r"])
    return float(np.exp((known["n"] * np.log(known["r"])).sum() / known["n"].sum())) if len(known) else float("nan")


def avg_rel_mae(
    reviews: pd.DataFrame,
    *,
    step: str = "final",
    reference: str = "ai",
    groups: pd.Series | None = None,
    segments: pd.Series | None = None,
    parents: pd.Series | None = None,
    seed: int = SEED,
) -> pd.DataFrame:
    """Whether ``step`` missed by less than ``reference`` across series of all sizes: below 1 it did.

    Args:
        reviews: as ``value_added`` takes them; compared on the same rows as there.
        segments: within which errors are compared, with the index of ``reviews``; the series by default.
        parents: of the segments, for pooling those with fewer than 3 reviews.

    Returns:
        By group: ``n`` reviews, ``segments`` with a ratio, ``dropped`` ones where neither ever missed; ``avg_rel_mae``
        (NaN below 30 reviews) with its 95 % interval ``low`` to ``high`` by bootstrap over segments and ``verdict``,
        both unknown below 30 reviews or 10 segments. No rows where the workflow lacks one of the two steps.
    """
    steps = steps_of(reviews)
    if step not in steps or reference not in steps:
        return pd.DataFrame(columns=list(COLUMNS))
    names = reviews["series"] if segments is None else segments
    rows = []
    for name, part in split(matched(reviews, steps), groups):
        ratios = relative_maes(part, step=step, reference=reference, segments=names, parents=parents)
        known = ratios.dropna(subset=["r"])
        value = average(ratios) if len(part) >= ENOUGH_ROWS else float("nan")
        low, high = _interval(known, seed) if len(part) >= ENOUGH_ROWS else (float("nan"), float("nan"))
        verdict = verdict_of(1 - high, 1 - low)  # a ratio below 1 is a gain
        rows.append((name, step, reference, len(part), len(known), len(ratios) - len(known), value, low, high, verdict))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _interval(ratios: pd.DataFrame, seed: int) -> tuple[float, float]:
    if len(ratios) < FEWEST_CLUSTERS:
        return float("nan"), float("nan")
    sums = pd.DataFrame({"logs": ratios["n"] * np.log(ratios["r"]), "n": ratios["n"]})
    totals = drawn_totals(cluster_sums(sums, pd.Series(ratios.index, index=ratios.index)), seed=seed)
    return percentile_interval(np.exp(ratio(totals[:, 0], totals[:, 1])))


def _pooled(segments: pd.Series, parents: pd.Series | None) -> pd.Series:
    """The segment of each row, or what it is pooled in."""
    units = segments.astype("object").where(segments.notna(), _REST).astype(str)
    above = pd.Series(_REST, index=units.index)
    if parents is not None:
        known = parents.reindex(units.index).astype("object")
        above = ("\x00" + known.astype(str)).where(known.notna(), _REST)
    for wider in (above, pd.Series(_REST, index=units.index)):
        units = units.where(units.map(units.value_counts()) >= FEWEST_ROWS, wider)
    return units

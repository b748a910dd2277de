"""Whether each step of the forecast, naive to final, came nearer to what happened (METHODS 3.2 to 3.4)."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from review_queue.measures.groups import split
from review_queue.measures.losses import bias, quotient, wape
from review_queue.measures.resampling import (
    FEWEST_CLUSTERS,
    SEED,
    cluster_sums,
    drawn_totals,
    percentile_interval,
    ratio,
)

__all__ = ["added", "bias", "matched", "matched_share", "steps_of", "value_added", "wape"]

STEPS = ("naive", "ai", "manual", "final")  #: in the order in which they are made
COLUMNS = (
    "group",
    "step",
    "n",
    "mae",
    "wape",
    "bias",
    "fva_points",
    "low",
    "high",
    "verdict",
    "rel_mae",
    "better",
    "ties",
)
ADDED_COLUMNS = ("group", "step", "reference", "n", "clusters", "fva_points", "low", "high", "verdict")
FORCED = "PLAN_LOCKED"  #: the reason code of a final value that the system set when the period closed
ENOUGH_ROWS = 30  #: matched reviews from which value added is shown (METHODS 9)
ADDS, COSTS, CANT_TELL = "adds value", "costs accuracy", "can't tell yet"
_NOTHING = 1e-9  #: percentage points (or a share) that are rounding and no effect


def steps_of(reviews: pd.DataFrame) -> list[str]:
    """The steps that this workflow has at all, in their order."""
    return [step for step in STEPS if reviews[step].notna().any()]


def matched(reviews: pd.DataFrame, steps: list[str]) -> pd.DataFrame:
    """The reviews on which ``steps`` can be compared: all of them and the actual are known.

    Left out besides: withdrawn reviews, final values that the system forced, actuals that are only a lower bound
    where some step lies above it (its error is then unknown), and, where the column ``controllable`` says so, reviews
    in which the forecast itself may have made the actual (METHODS 3.5).
    """
    known = reviews[[*steps, "actual"]].notna().all(axis=1)
    fair = (reviews["state"] != "withdrawn") & (reviews["reason"] != FORCED) & ~is_controllable(reviews)
    above = reviews[steps].gt(reviews["actual"], axis=0).any(axis=1)
    return reviews[known & fair & ~(above & reviews["is_lower_bound"])]


def is_controllable(reviews: pd.DataFrame) -> pd.Series:
    """Whether what the override was made for was in our own hands; false where nobody said so."""
    if "controllable" not in reviews:
        return pd.Series(False, index=reviews.index)
    return reviews["controllable"].eq(True).fillna(False).astype(bool)


def matched_share(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """How many decided reviews the comparison rests on: ``group``, ``decided``, ``matched`` and ``share``, 0 to 1."""
    decided = reviews[reviews["state"] == "decided"]
    compared = matched(decided, steps_of(reviews)).index
    counts = [(name, len(part), int(part.index.isin(compared).sum())) for name, part in split(decided, groups)]
    table = pd.DataFrame(counts, columns=["group", "decided", "matched"])
    return table.assign(share=table["matched"] / table["decided"].where(table["decided"] > 0))


def value_added(
    reviews: pd.DataFrame,
    *,
    groups: pd.Series | None = None,
    clusters: pd.Series | None = None,
    seed: int = SEED,
) -> pd.DataFrame:
    """Error and bias of each step by group, on the same reviews, with the points that each step added.

    Args:
        reviews: with the columns of ``STEPS`` and ``actual`` in the workflow's unit, ``value_per_unit`` (money, the
            weight), ``series``, ``state``, ``reason``, ``is_lower_bound`` and, where it is known, ``controllable``.
        clusters: what hangs together and is drawn as a whole, with the index of ``reviews``; the series by default.

    Returns:
        One row per group and step. ``mae`` is in the unit and unweighted; ``wape`` and ``bias`` are shares, weighted;
        ``fva_points`` is the previous step's WAPE minus this one's, in percentage points, ``low`` to ``high`` its 95 %
        interval (paired cluster bootstrap); ``verdict`` "adds value" or "costs accuracy" where that excludes 0, else
        "can't tell yet". Interval and verdict are unknown for the first step, with fewer than 30 reviews and with
        fewer than 10 clusters. ``rel_mae`` is against the AI's MAE; ``better`` and ``ties`` are shares of rows.

    Source: METHODS 3.4.
    """
    steps = steps_of(reviews)
    names = reviews["series"] if clusters is None else clusters
    rows = [
        row
        for name, part in split(matched(reviews, steps), groups)
        if len(part)
        for row in _rows(name, part, steps, names, seed)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def added(
    reviews: pd.DataFrame,
    *,
    step: str = "final",
    reference: str = "ai",
    groups: pd.Series | None = None,
    clusters: pd.Series | None = None,
    seed: int = SEED,
) -> pd.DataFrame:
    """The points that ``step`` added to any other, by group, on the rows that ``value_added`` compares.

    Args:
        reviews, clusters: as ``value_added`` takes them. ``reference`` "naive" gives the stairstep's "vs naive".

    Returns:
        ``n`` reviews and ``clusters`` behind it; ``fva_points`` (percentage points, NaN below 30 reviews), ``low``,
        ``high`` and ``verdict`` as in ``value_added``. No rows where the workflow lacks one of the two steps.
    """
    steps = steps_of(reviews)
    if step not in steps or reference not in steps:
        return pd.DataFrame(columns=list(ADDED_COLUMNS))
    names = reviews["series"] if clusters is None else clusters
    rows = []
    for name, part in split(matched(reviews, steps), groups):
        enough = len(part) >= ENOUGH_ROWS
        actual, weight = part["actual"], part["value_per_unit"]
        points = 100 * (wape(part[reference], actual, weight) - wape(part[step], actual, weight))
        low, high, verdict = intervals(part, [(reference, step)], names, seed=seed)[0]
        count = names.reindex(part.index).nunique()
        rows.append((name, step, reference, len(part), count, points if enough else float("nan"), low, high, verdict))
    return pd.DataFrame(rows, columns=list(ADDED_COLUMNS))


def intervals(
    part: pd.DataFrame, pairs: list[tuple[str, str]], clusters: pd.Series, *, seed: int = SEED
) -> list[tuple[float, float, str | None]]:
    """For each (reference, step) the 95 % interval of the points added, and the verdict.

    The same draws serve all pairs. NaN and None with fewer than 30 rows or 10 clusters.
    """
    if len(part) < ENOUGH_ROWS or clusters.reindex(part.index).nunique() < FEWEST_CLUSTERS:
        return [(float("nan"), float("nan"), None)] * len(pairs)
    weight, actual = part["value_per_unit"], part["actual"]
    # The difference is taken row by row, so that equal steps come to exactly 0.
    gains = [weight * ((actual - part[before]).abs() - (actual - part[step]).abs()) for before, step in pairs]
    sums = cluster_sums(pd.concat([*gains, weight * actual.abs()], axis=1, keys=range(len(pairs) + 1)), clusters)
    totals = drawn_totals(sums, seed=seed)
    found = [percentile_interval(100 * ratio(totals[:, place], totals[:, -1])) for place in range(len(pairs))]
    return [(low, high, verdict_of(low, high)) for low, high in found]


def verdict_of(low: float, high: float) -> str | None:
    """In words, from the interval of a gain: above 0 is better. None where there is no interval."""
    if pd.isna(low) or pd.isna(high):
        return None
    if low > _NOTHING:
        return ADDS
    return COSTS if high < -_NOTHING else CANT_TELL


def _rows(
    name: str | None, part: pd.DataFrame, steps: list[str], clusters: pd.Series, seed: int
) -> list[dict[str, object]]:
    actual, weight = part["actual"], part["value_per_unit"]
    has_ai = "ai" in steps
    ai_error = (actual - part["ai"]).abs()
    sure = [(float("nan"), float("nan"), None), *intervals(part, list(pairwise(steps)), clusters, seed=seed)]
    rows: list[dict[str, object]] = []
    previous = float("nan")
    for step, (low, high, verdict) in zip(steps, sure, strict=True):
        error = (actual - part[step]).abs()
        share = wape(part[step], actual, weight)
        rows.append(
            {
                "group": name,
                "step": step,
                "n": len(part),
                "mae": error.mean(),
                "wape": share,
                "bias": bias(part[step], actual, weight),
                "fva_points": 100 * (previous - share),
                "low": low,
                "high": high,
                "verdict": verdict,
                "rel_mae": quotient(error.mean(), ai_error.mean()) if has_ai else float("nan"),
                "better": (error < ai_error).mean() if has_ai else float("nan"),
                "ties": (error == ai_error).mean() if has_ai else float("nan"),
            }
        )
        previous = share
    return rows

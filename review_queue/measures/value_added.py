"""Whether each step of the forecast, naive to final, came nearer to what happened (METHODS 3.2 to 3.4)."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.groups import split

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
FORCED = "PLAN_LOCKED"  #: the reason code of a final value that the system set when the period closed


def steps_of(reviews: pd.DataFrame) -> list[str]:
    """The steps that this workflow has at all, in their order."""
    return [step for step in STEPS if reviews[step].notna().any()]


def matched(reviews: pd.DataFrame, steps: list[str]) -> pd.DataFrame:
    """The reviews on which ``steps`` can be compared: all of them and the actual are known.

    Left out besides: withdrawn reviews, final values that the system forced, and actuals that are only a lower bound
    where some step lies above it (its error is then unknown).
    """
    known = reviews[[*steps, "actual"]].notna().all(axis=1)
    fair = (reviews["state"] != "withdrawn") & (reviews["reason"] != FORCED)
    above = reviews[steps].gt(reviews["actual"], axis=0).any(axis=1)
    return reviews[known & fair & ~(above & reviews["is_lower_bound"])]


def wape(forecast: pd.Series, actual: pd.Series, weight: pd.Series) -> float:
    """Weighted absolute error as a share of the weighted actuals; NaN where these add up to 0 (METHODS 3.3)."""
    return _ratio((weight * (actual - forecast).abs()).sum(), (weight * actual.abs()).sum())


def bias(forecast: pd.Series, actual: pd.Series, weight: pd.Series) -> float:
    """Weighted over-forecast as a share of the weighted actuals: positive means too high (METHODS 3.3)."""
    return _ratio((weight * (forecast - actual)).sum(), (weight * actual.abs()).sum())


def value_added(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """Error and bias of each step by group, on the same reviews, with the points that each step added.

    Args:
        reviews: with the columns of ``STEPS`` and ``actual`` in the workflow's unit, ``value_per_unit`` (money, the
            weight), ``state``, ``reason`` and ``is_lower_bound``.

    Returns:
        One row per group and step. ``mae`` is in the unit and unweighted; ``wape`` and ``bias`` are shares, weighted;
        ``fva_points`` is the previous step's WAPE minus this one's, in percentage points; ``rel_mae`` is against the
        AI's MAE; ``better`` and ``ties`` are shares of rows. ``low``, ``high`` and ``verdict`` are not worked out yet.
    """
    steps = steps_of(reviews)
    rows = [
        row for name, part in split(matched(reviews, steps), groups) if len(part) for row in _rows(name, part, steps)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(name: str | None, part: pd.DataFrame, steps: list[str]) -> list[dict[str, object]]:
    actual, weight = part["actual"], part["value_per_unit"]
    ai_error = (actual - part["ai"]).abs()
    rows: list[dict[str, object]] = []
    previous = float("nan")
    for step in steps:
        error = (actual - part[step]).abs()
        share = wape(part[step], actual, weight)
        has_ai = "ai" in steps
        rows.append(
            {
                "group": name,
                "step": step,
                "n": len(part),
                "mae": error.mean(),
                "wape": share,
                "bias": bias(part[step], actual, weight),
                "fva_points": 100 * (previous - share),
                "rel_mae": _ratio(error.mean(), ai_error.mean()) if has_ai else float("nan"),
                "better": (error < ai_error).mean() if has_ai else float("nan"),
                "ties": (error == ai_error).mean() if has_ai else float("nan"),
            }
        )
        previous = share
    return rows


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")

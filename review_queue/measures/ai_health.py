"""Whether the AI is any good: its error beside the naive forecast's, its bias, its interval (METHODS 8.1, 8.2)."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.groups import split
from review_queue.measures.value_added import bias, matched, steps_of, wape

COLUMNS = ("group", "n", "measure", "value", "baseline", "alarm")


def ai_health(reviews: pd.DataFrame, *, groups: pd.Series | None = None) -> pd.DataFrame:
    """The AI's plain figures by group, decided or not, wherever the actual is known.

    Args:
        reviews: with ``ai``, ``naive`` and ``actual``, ``ai_low``, ``ai_high`` and ``ai_level`` (nominal coverage,
            0 to 1), and the further columns that ``value_added`` reads.

    Returns:
        Three rows a group. ``wape`` and ``bias`` with the naive forecast's as baseline, on the reviews that have both
        (baseline NaN for a workflow without any); ``coverage``, the share of actuals inside the AI's
        interval, with its nominal level as baseline. ``alarm`` is not worked out yet.
    """
    if reviews["ai"].isna().all():
        return pd.DataFrame(columns=list(COLUMNS))
    steps = [step for step in steps_of(reviews) if step in ("naive", "ai")]
    rows = [
        row
        for name, part in split(matched(reviews, ["ai"]), groups)
        if len(part)
        for row in (*_errors(name, matched(part, steps)), _coverage(name, part))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _errors(name: str | None, part: pd.DataFrame) -> list[dict[str, object]]:
    actual, weight = part["actual"], part["value_per_unit"]
    return [
        {
            "group": name,
            "n": len(part),
            "measure": measure.__name__,
            "value": measure(part["ai"], actual, weight),
            "baseline": measure(part["naive"], actual, weight) if part["naive"].notna().all() else float("nan"),
        }
        for measure in (wape, bias)
    ]


def _coverage(name: str | None, part: pd.DataFrame) -> dict[str, object]:
    """Lower bounds are no actuals to be covered, whichever side of the interval they lie on."""
    seen = part[~part["is_lower_bound"]].dropna(subset=["ai_low", "ai_high"])
    return {
        "group": name,
        "n": len(seen),
        "measure": "coverage",
        "value": seen["actual"].between(seen["ai_low"], seen["ai_high"]).mean() if len(seen) else float("nan"),
        "baseline": _level(seen["ai_level"].dropna()),
    }


def _level(levels: pd.Series) -> float:
    """The nominal level; the mean where the intervals were given at several."""
    return float(levels.iloc[0] if levels.nunique() == 1 else levels.mean())

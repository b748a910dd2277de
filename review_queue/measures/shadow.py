"""Shadow overrides: values that were decided here and replaced elsewhere (METHODS 8.4).

The most telling number of all: it shows judgement moving to a spreadsheet.
"""

from __future__ import annotations

import pandas as pd

from review_queue.measures.groups import split
from review_queue.measures.latency import ENOUGH
from review_queue.measures.overrides import ENOUGH as SHOWN_FROM
from review_queue.measures.overrides import NOT_ENOUGH, wilson

COLUMNS = ("group", "n", "shadow", "share", "low", "high", "money", "net_money", "state")
ROUNDING = 1e-6  #: share of the value within which a file has only rounded it


def is_shadow(reviews: pd.DataFrame, *, tolerance: float = ROUNDING) -> pd.Series:
    """Whether the value used downstream (``used_value``) differs from the one decided (``final``); False if unknown."""
    return (reviews["used_value"] - reviews["final"]).abs() > tolerance * reviews["final"].abs()


def shadow_overrides(
    reviews: pd.DataFrame, *, groups: pd.Series | None = None, tolerance: float = ROUNDING
) -> pd.DataFrame:
    """How much of what was decided here was replaced before it was used, by group.

    Args:
        reviews: ``state``, ``final`` and ``used_value`` (the unit; NaN: the plan is not imported), ``value_per_unit``.

    Returns:
        ``n`` decided reviews whose used value is known, ``shadow`` among them, ``share`` with its Wilson 95 %
        interval; ``money`` is Σ|used − decided| · value per unit of the shadow ones, ``net_money`` the same with
        signs. Below 20 the share and its interval are NaN and ``state`` is "not enough data", else "enough"; the money
        is NaN where nothing is known.
    """
    known = reviews[(reviews["state"] == "decided") & reviews["final"].notna() & reviews["used_value"].notna()]
    shadow = is_shadow(known, tolerance=tolerance)
    money = ((known["used_value"] - known["final"]) * known["value_per_unit"]).where(shadow, 0.0)
    rows = [
        {
            "group": name,
            "n": len(part),
            "shadow": int(shadow[part.index].sum()),
            "money": money[part.index].abs().sum(min_count=1),
            "net_money": money[part.index].sum(min_count=1),
        }
        for name, part in split(known, groups)
    ]
    table = pd.DataFrame(rows, columns=["group", "n", "shadow", "money", "net_money"])
    shown = table["n"] >= SHOWN_FROM
    table["share"] = (table["shadow"] / table["n"]).where(shown)
    table[["low", "high"]] = wilson(table["shadow"], table["n"].where(shown, 0))
    table["state"] = shown.map({True: ENOUGH, False: NOT_ENOUGH})
    return table[list(COLUMNS)]

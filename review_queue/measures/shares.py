"""What share of each group's items has a mark, beside the others' (METHODS 4.3, 4.5, 4.6)."""

from __future__ import annotations

import pandas as pd

from review_queue.measures.funnel import funnel
from review_queue.measures.groups import split
from review_queue.measures.overrides import wilson


def shares(marks: pd.Series, groups: pd.Series | None = None) -> pd.DataFrame:
    """The share of marked items by group, with its Wilson 95 % interval and its place in the funnel.

    Args:
        marks: True or False for each item that counts; the others are not in it.
        groups: the index holds that of ``marks``.

    Returns:
        ``group``, ``n``, ``observed`` (marked), ``share``, ``low`` and ``high`` (0 to 1; NaN where n is 0), then what
        ``funnel.funnel`` adds, with the share of all items as what is expected.
    """
    rows = pd.DataFrame({"observed": marks.astype(float)})
    usual = rows["observed"].mean() if len(rows) else float("nan")
    counts = [(name, len(part), part["observed"].sum()) for name, part in split(rows, groups)]
    table = pd.DataFrame(counts, columns=["group", "n", "observed"])
    table["share"] = table["observed"] / table["n"].where(table["n"] > 0)
    table[["low", "high"]] = wilson(table["observed"], table["n"])
    table["expected"] = usual * table["n"]
    table["variance"] = usual * (1 - usual) * table["n"]
    return funnel(table)

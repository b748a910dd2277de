"""Overrides: how often people go against the AI, beside what the mix of items lets expect. About work, not people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from streamlit.elements.lib.column_types import ColumnConfig

from review_queue.items import Band
from review_queue.measures.expected import DAY_STARTS
from review_queue.measures.facts import numbers
from review_queue.measures.funnel import FEWEST_GROUPS
from review_queue.measures.overrides import ENOUGH, override_funnel, overrides
from workbench import analytics
from workbench.analytics_parts import count_column, ratio_column, share_column, text_column
from workbench.known_reviews import Reviews

BAND, DEADLINE, REASON = "band", "deadline", "reason"
#: What the page can split by, beside the lane and the levels of segments.
FURTHER = {BAND: "Gap between the forecasts", DEADLINE: "Time left to the deadline", REASON: "Reason"}
BAND_TITLES = {
    Band.AGREE: "agree",
    Band.MINOR: "minor",
    Band.NOTABLE: "notable",
    Band.LARGE: "large",
    Band.EXTREME: "extreme",
    Band.OPPOSITE: "opposite signs",
    Band.ONE_SIDED: "only one forecast",
    Band.NO_SCALE: "no scale yet",
}
DEADLINE_TITLES = ("passed", "under 1 day", "1–3 days", "3–7 days", "from 7 days")
#: Orders that a name does not give.
ORDERS = {BAND: list(BAND_TITLES.values()), DEADLINE: list(DEADLINE_TITLES)}
FEWEST_TO_COMPARE = 2  #: groups in a funnel: one has nobody to be compared with
QUESTIONS = {
    BAND: "Do people go against the AI where the gap is large?",
    DEADLINE: "Does the override rate change before the deadline?",
}

_RATES: Mapping[str, ColumnConfig] = {
    "n": count_column("Decisions"),
    "overrides": count_column("Overrides"),
    "rate": share_column("Rate"),
    "low": share_column("95 % from"),
    "high": share_column("to"),
    "expected": count_column("Expected overrides"),
    "ratio": ratio_column("Observed / expected"),
    "state": text_column("State"),
}
BY_WEEK: Mapping[str, ColumnConfig] = {"group": text_column("Week"), **_RATES}
BY_GROUP: Mapping[str, ColumnConfig] = {"group": text_column("Group"), **_RATES}
BY_STEP: Mapping[str, ColumnConfig] = {name: column for name, column in BY_GROUP.items() if name != "state"}
FUNNEL: Mapping[str, ColumnConfig] = {
    "group": text_column("Group"),
    "n": count_column("Decisions"),
    "observed": count_column("Overrides"),
    "expected": count_column("Expected"),
    "ratio": ratio_column("Observed / expected"),
    "low_95": ratio_column("95 % limits from"),
    "high_95": ratio_column("to"),
    "low_998": ratio_column("99.8 % limits from"),
    "high_998": ratio_column("to "),
}


@dataclass(frozen=True)
class Funnel:
    """Groups around what is expected of each."""

    table: pd.DataFrame  #: as ``override_funnel``, with ``ratio`` and the limits as multiples of what is expected
    phi: float  #: by how much groups differ beyond chance
    is_phi_fixed: bool  #: too few groups to tell


def groups_of(known: Reviews, by: str) -> pd.Series:
    """The groups of a split, ours or the analytics' own."""
    table = known.table
    if by == BAND:
        return table["band"].map(BAND_TITLES)
    if by == DEADLINE:
        return time_left(table)
    return table[REASON] if by == REASON else analytics.groups_for(known, by)


def time_left(table: pd.DataFrame) -> pd.Series:
    """How long before its deadline each decision was made, in the words of ``DEADLINE_TITLES``."""
    days = numbers(table, "hours_to_deadline") / 24
    edges = [-float("inf"), *DAY_STARTS, float("inf")]
    return pd.cut(days, edges, labels=list(DEADLINE_TITLES), right=False).astype("object")


def rates_by(known: Reviews, by: str) -> pd.DataFrame:
    """Override rates by group, in the order of a chart; below 20 decisions only the counts.

    What is expected of a band comes from the deadlines alone, and of a time left from the bands alone: a mix that
    holds the split itself would expect just what is there.
    """
    without = {BAND: "band", DEADLINE: "hours_to_deadline"}.get(by)
    table = known.table.drop(columns=without) if without else known.table
    found = overrides(table, tolerance=known.tolerance, groups=groups_of(known, by))
    found.loc[found["n"] < ENOUGH, ["rate", "low", "high"]] = float("nan")
    if by in ORDERS:
        found = found.sort_values("group", key=lambda names: names.map(ORDERS[by].index, na_action="ignore"))
        return found.drop(columns="state").reset_index(drop=True)  # steps are there to differ
    return found.reset_index(drop=True)


def funnel_by(known: Reviews, by: str) -> Funnel:
    """The funnel of the groups from 20 decisions on."""
    return funnel_of(override_funnel(known.table, tolerance=known.tolerance, groups=groups_of(known, by)))


def funnel_of(counts: pd.DataFrame) -> Funnel:
    """``override_funnel`` as multiples of what is expected, without the groups below 20 decisions."""
    enough = counts[(counts["n"] >= ENOUGH) & (counts["expected"] > 0)]
    mean = enough["expected"] / enough["n"]
    limits = {name: enough[name] / mean for name in ("low_95", "high_95", "low_998", "high_998")}
    table = enough.assign(ratio=enough["observed"] / enough["expected"], **limits).reset_index(drop=True)
    return Funnel(table, float(counts["phi"].max()), bool(counts["is_phi_fixed"].all()))


def usual_rate(everything: Reviews, kept: Reviews) -> float:
    """The rate at which anyone overrides items like those kept, 0 to 1; NaN where all are kept or too few."""
    if len(kept.table) == len(everything.table):
        return float("nan")
    is_kept = pd.Series("other", index=everything.table.index).mask(
        everything.table.index.isin(kept.table.index), "kept"
    )
    found = overrides(everything.table, tolerance=everything.tolerance, groups=is_kept).set_index("group")
    return float(found.loc["kept", "expected"] / found.loc["kept", "n"]) if "kept" in found.index else float("nan")


def answer(row: pd.Series, usual: float) -> str:
    """How often people went against the AI, with its interval, and how often such items let expect it.

    ``usual``: as ``usual_rate``.
    """
    said = analytics.override_answer(row)
    return f"{said} Such items let expect {usual:.1%}." if row["n"] >= ENOUGH and pd.notna(usual) else said


def funnel_note(funnel: Funnel) -> str:
    """How to read the funnel."""
    spread = (
        f"With fewer than {FEWEST_GROUPS} groups their usual spread is not known: twice that of chance is taken."
        if funnel.is_phi_fixed
        else "The limits allow for how much groups differ anyway."
    )
    return (
        f"Expected: by gap and time left, of anyone who decides here. {spread} Outside is a reason to ask, no verdict."
    )

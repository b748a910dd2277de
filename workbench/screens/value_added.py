"""Value added: do our changes make the forecast better? Its sentences and tables."""

from __future__ import annotations

import pandas as pd
from streamlit.elements.lib.column_types import ColumnConfig

from review_queue.measures.damping import OVER, OVERSHOOT, SHORT, WRONG_DIRECTION, damping, in_words
from review_queue.measures.losses import quotient, wape, wis
from review_queue.measures.outcomes import (
    ENOUGH,
    PERFORMATIVE_WARNING,
    SELECTION_WARNING,
    cut_by,
    effectiveness,
    effectiveness_by,
    overridden,
)
from review_queue.measures.overrides import NOT_ENOUGH
from review_queue.measures.relative_mae import avg_rel_mae
from review_queue.measures.resampling import FEWEST_CLUSTERS
from review_queue.measures.value_added import ADDS, COSTS, ENOUGH_ROWS, added, matched, matched_share, steps_of
from review_queue.measures.value_added import value_added as compared
from review_queue.reasons import REASONS
from workbench.analytics import groups_for
from workbench.analytics_parts import count_column, share_column, text_column
from workbench.known_reviews import Reviews
from workbench.parts import amount
from workbench.screens.columns import number_column, points_column

STEPS = {"naive": "Naive", "ai": "AI", "manual": "Manual", "final": "Final"}
OUTCOMES = (SHORT, OVER, OVERSHOOT, WRONG_DIRECTION)  #: in the order in which they are drawn: those that helped first
DIRECTIONS = {"up": "Upward", "down": "Downward"}
#: What overrides are cut by → how the table names it. The chart shows the first three.
CUTS = {
    "all": "All",
    "direction": "Direction",
    "size": "Size",
    "reason class": "Kind of reason",
    "deadline": "Until the deadline",
}
KIND_NAMES = ("cut", "name")
CHARTED = ("All", "Direction", "Size")
_NAMES = {
    "all": "All overrides",
    **DIRECTIONS,
    "smallest quarter": "Smallest quarter",
    "second quarter": "Second quarter",
    "third quarter": "Third quarter",
    "largest quarter": "Largest quarter",
    "I": "Information the AI lacks",
    "C": "Correction of data or model",
    "N": "Not information",
    "late": "Late",
    "under_1d": "Under 1 day",
    "d1_3": "1 to 3 days",
    "d3_6": "3 to 6 days",
    "later": "More than 6 days",
}  #: group of a cut → what people read, in the order in which they read it

HOW_TO_READ = f"""
**WAPE** is the error of all as a share of the actuals, weighted by money. **Points** are percentage points of it; a
verdict is given only where the 95 % interval (bootstrap over series) excludes 0.

**Short**: in the right direction and not too far. **Over, still better**: too far, yet nearer than the AI.
**Overshoot, worse**: so far that the AI was nearer. **Wrong direction**: away from the actual.

{SELECTION_WARNING}

{PERFORMATIVE_WARNING}
"""

_SURE = {"low": number_column("95 % from"), "high": number_column("to"), "verdict": text_column("Verdict")}
STEP_COLUMNS = {
    "title": text_column("Step"),
    "n": count_column("Reviews"),
    "wape": share_column("WAPE"),
    "bias": share_column("Bias"),
    "vs_naive": points_column("Against naive"),
    "fva_points": points_column("Against step before"),
    **_SURE,
    "better": share_column("Nearer than the AI"),
}
GROUP_COLUMNS = {
    "group": text_column("Group"),
    "n": count_column("Reviews"),
    "clusters": count_column("Series"),
    "fva_points": points_column("Final against AI"),
    **_SURE,
}
_ENDS = {
    "n": count_column("Overrides"),
    "hit": share_column("Nearer than the AI"),
    "hit_low": share_column("95 % from"),
    "hit_high": share_column("to"),
}


def kind_columns(unit: str) -> dict[str, ColumnConfig]:
    """The columns of ``by_kind``; ``unit``: of the error removed."""
    return {"cut": text_column("By"), "name": text_column("Overrides"), **_ENDS, **_further(unit)}


def reason_columns(unit: str) -> dict[str, ColumnConfig]:
    """The columns of ``by_reason``; ``unit``: of the error removed."""
    return {
        "name": text_column("Reason"),
        **_ENDS,
        "shrunk_hit": share_column("Drawn to rate of all"),
        **_further(unit),
        "group": text_column("Code"),
    }


def _further(unit: str) -> dict[str, ColumnConfig]:
    return {
        "wrong": share_column("Wrong direction"),
        "overshoot": share_column("Overshoot"),
        "net_error_removed": count_column(f"Error removed ({unit})"),
        "median_ratio": number_column("Median change / gap"),
        "state": text_column("State"),
    }


_ROUNDING = 1e-9
_FIGURES = ("mae", "wape", "bias", "vs_naive", "fva_points", "rel_mae", "better", "ties")


# --- tables --------------------------------------------------------------------------------------------------------


def stairstep(known: Reviews) -> pd.DataFrame:
    """The rows of ``measures.value_added`` with each step's ``title`` and the points it is better ``vs_naive``.

    Below 30 decisions only the counts.
    """
    table = compared(known.table)
    naive = table.set_index("step")["wape"].get("naive", float("nan"))
    against = (100 * (naive - table["wape"])).where(table["step"] != "naive")
    table = table.assign(title=table["step"].map(STEPS), vs_naive=against, verdict=table["verdict"].fillna(""))
    table.loc[table["n"] < ENOUGH_ROWS, [*_FIGURES]] = float("nan")
    return table


def changes(known: Reviews) -> pd.DataFrame:
    """The overrides whose actual is known, with how each ended, as ``measures.outcomes.overridden`` gives them."""
    return overridden(known.table, tolerance=known.tolerance)


def by_kind(past: pd.DataFrame) -> pd.DataFrame:
    """How overrides ended by each of ``CUTS``: its name in ``cut``, the group's in ``name``, and the share of each
    outcome under its label; only counts below 20. ``past``: as ``changes`` gives it."""
    if past.empty:
        return pd.DataFrame(columns=[*KIND_NAMES, *effectiveness(past).columns, *OUTCOMES])
    parts = [_kinds(past, cut).assign(cut=title) for cut, title in CUTS.items()]
    table = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    order = {name: place for place, name in enumerate(_NAMES)}
    place = table["cut"].map({title: number for number, title in enumerate(CUTS.values())}) * 100
    table = table.assign(place=place + table["group"].map(order).fillna(99)).sort_values("place", ignore_index=True)
    return table.assign(name=table["group"].map(_NAMES).fillna("unknown"), state=table["state"].fillna("")).drop(
        columns="place"
    )


def by_reason(past: pd.DataFrame) -> pd.DataFrame:
    """How overrides ended by reason, with its ``name``, those that most often helped first; only counts below 20."""
    names = {code: reason.name for code, reason in REASONS.items()}
    table = effectiveness_by(past, "reason")
    table = table.assign(
        name=table["group"].map(names).fillna(table["group"]).fillna("no reason recorded"),
        state=table["state"].fillna(""),
    )
    return table.sort_values(["shrunk_hit", "name"], ascending=[False, True], ignore_index=True)


def final_against_ai(known: Reviews, by: str) -> pd.DataFrame:
    """The points that final values added to the AI's, by group, with interval and verdict."""
    table = added(known.table, groups=groups_for(known, by))
    return table.assign(verdict=table["verdict"].fillna("not enough data"))


def _kinds(past: pd.DataFrame, cut: str) -> pd.DataFrame:
    groups = pd.Series("all", index=past.index) if cut == "all" else cut_by(past, cut)
    if groups.isna().all():
        return pd.DataFrame()
    table = effectiveness(past, groups=groups)
    shares = pd.crosstab(groups.fillna("\x00"), past["outcome"], normalize="index").reindex(columns=list(OUTCOMES))
    found = shares.reindex(table["group"].fillna("\x00")).fillna(0.0).reset_index(drop=True)
    return table.join(found.where(table["n"] >= ENOUGH.shown))


# --- answers in a sentence -----------------------------------------------------------------------------------------


def answer(known: Reviews) -> str:
    """Whether final values are nearer than the AI's, by how much, and how sure that is; or what is missing to say."""
    table = added(known.table)
    if table.empty:
        return "Can't tell yet: no decision has both an AI and a final value."
    row = table.iloc[0]
    if row["n"] < ENOUGH_ROWS:
        return f"Can't tell yet: {row['n']} of {ENOUGH_ROWS} decisions with an actual."
    rows = matched(known.table, steps_of(known.table))
    final, ai = (wape(rows[step], rows["actual"], rows["value_per_unit"]) for step in ("final", "ai"))
    sizes = f"final values miss by {final:.1%} of the actuals, the AI alone by {ai:.1%}"
    if row["clusters"] < FEWEST_CLUSTERS:
        return f"Can't tell yet, {row['clusters']} of {FEWEST_CLUSTERS} series: {sizes}."
    interval = _interval(row["low"], row["high"])
    if row["verdict"] in (ADDS, COSTS):
        word, way = ("Yes", "better") if row["verdict"] == ADDS else ("No", "worse")
        return f"{word}: {sizes}. That is {points(abs(row['fva_points']))} {way} ({interval})."
    return f"Can't tell yet: {sizes}, {signed(row['fva_points'])} points ({interval})."


def basis(known: Reviews) -> str:
    """What the comparison rests on, and what the single steps say of each other."""
    share = matched_share(known.table).iloc[0]
    if not share["decided"]:
        return "Nothing is decided here."
    steps = " → ".join(STEPS[step] for step in steps_of(known.table))
    return (
        f"Compared on {share['matched']:,} of {share['decided']:,} decisions ({share['share']:.0%}): "
        f"those where {steps} and the actual are all known."
    )


def beside_manual(steps: pd.DataFrame) -> str:
    """What keeping every manual forecast would have come to, beside the final values. ``steps``: ``stairstep``."""
    by_step = steps.set_index("step")
    if "manual" not in by_step.index or pd.isna(by_step.loc["final", "low"]):
        return ""
    row, manual = by_step.loc["final"], by_step.loc["manual", "wape"]
    way = "less" if row["fva_points"] < 0 else "more"
    sure = "" if row["verdict"] in (ADDS, COSTS) else ", which may be chance"
    return (
        f"The manual forecasts alone would have missed by {manual:.1%}, {points(abs(row['fva_points']))} {way} than "
        f"the final values ({_interval(-row['high'], -row['low'])}{sure})."
    )


def across_series(known: Reviews) -> str:
    """What large series cannot hide: the AvgRelMAE; and the AI's credit for its range. Empty where unknown."""
    return " ".join(filter(None, (_every_series_alike(known), _with_its_range(known))))


def direction_answer(past: pd.DataFrame) -> str:
    """How often upward and downward changes came nearer, each with its interval."""
    if len(past) < ENOUGH.shown:
        return f"Which changes help: can't tell yet, {len(past)} of {ENOUGH.shown} overrides with an actual."
    table = effectiveness_by(past, "direction").set_index("group")
    return " ".join(_nearer(DIRECTIONS[way], table.loc[way]) for way in DIRECTIONS if way in table.index)


def damping_answer(past: pd.DataFrame) -> str:
    """How much of an upward and of a downward change history suggests keeping."""
    usable = past.assign(s=past["scale"] if "scale" in past else float("nan"))
    usable = usable[(usable["s"] > 0) & ~usable["is_lower_bound"]]
    said = [
        in_words(damping(usable[usable["direction"] == way]), kind=f"{title} changes", where="here")
        for way, title in DIRECTIONS.items()
    ]
    return " ".join(said)


def reasons_answer(table: pd.DataFrame, past: pd.DataFrame) -> str:
    """Which reasons came nearer clearly more, and clearly less, often than overrides do. ``table``: ``by_reason``."""
    sure = table[table["n"] >= ENOUGH.concluded]
    if sure.empty:
        return f"Which reasons help: can't tell yet, none has {ENOUGH.concluded} overrides with an actual."
    overall = float(past["helped"].mean())
    # A rate of 0 or 1 has an interval that ends there but for rounding.
    more, less = sure[sure["hit_low"] > overall + _ROUNDING], sure[sure["hit_high"] < overall - _ROUNDING].iloc[::-1]
    said = [f"Of all overrides {overall:.0%} came nearer to the actual than the AI."]
    said += [f"Clearly more of those for {_listed(more)}."] if len(more) else []
    said += [f"Clearly fewer of those for {_listed(less)}."] if len(less) else []
    return " ".join(said if len(said) > 1 else [*said, "No reason differs clearly from that."])


def money_unit(known: Reviews) -> str:
    """What weighted errors are counted in: the unit, or money where units have a price."""
    policy = known.workflow.policy
    return policy.unit if known.table["value_per_unit"].eq(1).all() else policy.currency or "money"


def error_removed(known: Reviews, past: pd.DataFrame) -> str:
    """How much error overrides took away in all. Empty below 20."""
    if len(past) < ENOUGH.shown:
        return ""
    total = known.one_in * float(past["removed"].sum())
    did = ("took away" if total >= 0 else "added") + (" about" if known.one_in > 1 else "")
    return f"Together they {did} {amount(float(round(abs(total))), money_unit(known))} of error."


def points(value: float) -> str:
    """Percentage points as people read them."""
    number = f"{value:.{_places(value)}f}"
    return f"{number} point{'' if float(number) == 1 else 's'}"


def signed(value: float, places: int = 1) -> str:
    """A number with its sign."""
    return f"{value:+.{places}f}".replace("-", "−")


def _interval(low: float, high: float) -> str:
    """Both ends alike; with two places where one would round an end to nothing, on which the verdict rests."""
    places = max(_places(low), _places(high))
    return f"95 % interval {signed(low, places)} to {signed(high, places)}"


def _places(value: float) -> int:
    return 1 if abs(value) >= 0.05 or value == 0 else 2


def _every_series_alike(known: Reviews) -> str:
    table = avg_rel_mae(known.table)
    if table.empty or pd.isna(table["low"].iloc[0]):
        return ""
    row = table.iloc[0]
    return (
        f"With every series counted alike, final values miss by {row['avg_rel_mae']:.2f} times as much as the AI "
        f"(95 % interval {row['low']:.2f} to {row['high']:.2f})."
    )


def _with_its_range(known: Reviews) -> str:
    """The weighted interval score of the AI's ranges beside the final values' misses, on the same decisions."""
    steps = steps_of(known.table)
    if "final" not in steps or "ai" not in steps:
        return ""
    rows = matched(known.table, steps).dropna(subset=["ai_low", "ai_high", "ai_level"])
    rows = rows[~rows["is_lower_bound"]]
    if len(rows) < ENOUGH_ROWS:
        return ""
    scores = pd.concat([_scores(part, float(str(level))) for level, part in rows.groupby("ai_level")])
    weight = rows["value_per_unit"]
    scored = quotient((weight * scores).sum(), (weight * rows["actual"].abs()).sum())
    final = wape(rows["final"], rows["actual"], weight)
    return (
        f"Scored together with its range (WIS), the AI misses by {scored:.1%}, "
        f"final values, which are single numbers, by {final:.1%}."
    )


def _scores(part: pd.DataFrame, level: float) -> pd.Series:
    tail = round((1 - level) / 2, 10)
    return wis(pd.DataFrame({tail: part["ai_low"], 0.5: part["ai"], 1 - tail: part["ai_high"]}), part["actual"])


def _nearer(title: str, row: pd.Series) -> str:
    if row["state"] == NOT_ENOUGH:
        return f"{title} changes: can't tell yet, {row['n']} of {ENOUGH.shown}."
    early = f", can't tell yet from {row['n']} of {ENOUGH.concluded}" if row["state"] else ""
    return (
        f"{title} changes came nearer to the actual in {row['hit']:.0%} of cases "
        f"(95 % interval {row['hit_low']:.0%} to {row['hit_high']:.0%}{early})."
    )


def _listed(table: pd.DataFrame) -> str:
    named = [f"{row.name} ({row.hit:.0%})" for row in table[["name", "hit"]].itertuples(index=False)]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"

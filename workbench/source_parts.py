"""What Review shows of an item's sources: what they come to, how sure that is, and why each weighs what it weighs."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from review_queue.confidence import FAR_OFF, WITHIN
from review_queue.items import OPEN_STATES, Item
from review_queue.source_words import chance, why
from workbench import source_reads
from workbench.actions.hearing import Weighed
from workbench.choice_form import button
from workbench.parts import amount, plain, time_column
from workbench.sitting import WEIGHED, Sitting

LONGEST_REASON = 400  #: characters
NAMES = {"ai": "AI", "manual": "Manual"}
_number = st.column_config.NumberColumn


def source_panel(here: Sitting, item: Item) -> bool:
    """The value that the sources come to, its confidence, then the sources one by one; false where none is weighed."""
    found = here.once(WEIGHED, lambda: source_reads.weighed(here.database, person_id=here.person_id, item=item))
    if found is None:
        st.caption("What other systems say comes as soon as the database is back.")
        return False
    is_weighed = bool(len(found.statements) or found.left_out)
    if is_weighed:
        st.markdown(f"**{plain(headline(found, item.unit))}**")
        st.caption("  \n".join(map(plain, remarks(found, item))))
        _table(here, found, item)
        _leave_out(here, found, item)
    if len(found.others):
        st.markdown("**What else they say of this series**")
        columns = {"attribute": "Attribute", **_columns(here)}
        shown = found.others[["attribute", "source", "value", "as_of"]]
        st.dataframe(shown, hide_index=True, column_config=columns, alt="Other attributes of this series")
    return is_weighed


def headline(found: Weighed, unit: str) -> str:
    """The value with its range, the word for agreement, and confidence: never one naked number."""
    if found.value is None or found.low is None or found.high is None or found.agreement is None:
        return "Every source is left out." if found.left_out else "There is nothing to measure these sources by yet."
    between = f"{amount(found.low)} to {amount(found.high, unit)}, 8 times in 10"
    who = f"{len(found.statements)} sources come" if len(found.statements) > 1 else "A single source comes"
    agreed = "" if len(found.statements) == 1 else f" · {found.agreement}"
    sure = "" if found.confidence is None else f" · confidence {_percent(found.confidence)}"
    return f"{who} to {amount(found.value, unit)} ({between}){agreed}{sure}"


def remarks(found: Weighed, item: Item) -> list[str]:
    """What confidence means here, what would change the value most, and what is wrong, in sentences."""
    said: list[str] = []
    if found.value is None:
        return said
    far_off = found.statements[found.statements["is_far_off"]]
    said.extend(
        f"Conflict: {named(source)} lies {off:.0f} of its usual misses from the rest (more than {FAR_OFF:.0f})."
        for source, off in far_off[["source", "from_rest"]].itertuples(index=False)
    )
    if not found.is_fresh:
        said.append("No fresh source: confidence is not stated above 50 %.")
    if found.confidence is not None and found.tolerance is not None:
        is_share = abs(found.tolerance - WITHIN * abs(found.value)) <= 1e-9 * abs(found.value)
        within = (
            f"10 % of it, ±{amount(found.tolerance, item.unit)}"
            if is_share
            else f"±{amount(found.tolerance, item.unit)}"
        )
        rests_on = (
            f"corrected by {found.outcomes:,} known actuals"
            if found.outcomes
            else "uncalibrated: too few actuals are known"
        )
        said.append(f"The chance that the actual lies within {within}, is {chance(found.confidence)} ({rests_on}).")
    moves = found.moves_it_most
    if moves is not None:
        source, value = moves
        change = amount(value - found.value, signed=True)
        said.append(
            f"Without {named(source)} it would be {amount(value, item.unit)} ({change}); no other matters as much."
        )
    if found.median is not None:
        said.append(f"Half of the weight lies at or below {amount(found.median, item.unit)}.")
    return said


def in_whole_percent(shares: pd.Series) -> pd.Series:
    """Shares without the decimals that nobody weighs by."""
    return shares.astype("float64").round(2)


def in_four_figures(values: pd.Series) -> pd.Series:
    """Values with as many decimals as the largest of them needs for four figures."""
    largest = values.abs().max()
    decimals = 0 if not largest > 0 else max(0, 3 - math.floor(math.log10(largest)))
    return values.astype("float64").round(decimals)


def named(source: str) -> str:
    """A source as people call it."""
    return NAMES.get(source, source)


def _table(here: Sitting, found: Weighed, item: Item) -> None:
    rules, spoken = here.workflow.policy.sources.copied, set(found.statements["source"])
    rows: list[dict[str, Any]] = [
        {
            "source": named(row["source"]),
            "value": row["value"],
            "share": row.get("share"),
            "why": why(
                age=row["age"], freshness=row["freshness"], miss=row["miss"], value=row["value"],
                rests_on=row["rests_on"],
                copies=[each for each in rules if each.source == row["source"] and each.copies in spoken],
            ) if found.value is not None else "",
            "miss": row.get("miss"),
            "as_of": row["as_of"],
            "by": row["by"] or row["record_id"],
        }
        for row in found.statements.to_dict("records")
    ]  # fmt: skip
    rows += [
        {"source": named(one.source), "why": f"left out by {one.by}: {one.reason}", "as_of": None}
        for one in found.left_out
    ]
    if item.naive is not None:
        rows.append({"source": "Naive", "value": item.naive.value, "why": "beside the others: it weighs nothing"})
    table = pd.DataFrame(rows, columns=list(_columns(here)))
    table["as_of"] = pd.to_datetime(table["as_of"], utc=True)
    table = table.assign(share=in_whole_percent(table["share"]), miss=in_four_figures(table["miss"]))
    st.dataframe(
        table, hide_index=True, column_config=_columns(here), placeholder="", alt="The sources and their weights"
    )


def _leave_out(here: Sitting, found: Weighed, item: Item) -> None:
    if here.desk is None or not here.desk.mine or item.state not in OPEN_STATES:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(found.statements):
            names = found.statements["source"].tolist()
            choice: dict[str, Any] = {"index": None, "format_func": named, "width": 180}
            st.selectbox("Leave a source out", names, key=here.widget("left-out"), placeholder="Which?", **choice)
            st.text_input("Why should it not count?", key=here.widget("left-out-why"), max_chars=LONGEST_REASON)
            button(here, "Leave out", here.leave_out)
        for one in found.left_out:
            st.button(
                plain(f"Count {named(one.source)} again"),
                key=here.widget(f"again-{one.source}"),
                on_click=here.count_again,
                args=(here.form, one.source),
                type="tertiary",
            )


def _columns(here: Sitting) -> dict[str, Any]:
    return {
        "source": "Source",
        "value": _number("Value", format="localized"),
        "share": _number("Weight", format="percent", width=75),
        "why": st.column_config.TextColumn("Why", width="large"),
        "miss": _number("Usual miss", format="localized"),
        "as_of": time_column("As of"),
        "by": "By",
    }


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")

"""The evidence behind an item: closed until opened, and its opening is kept with the decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from review_queue.items import Item
from review_queue.reasons import REASONS
from workbench import reads
from workbench.actions import reviewing
from workbench.comment_thread import comment_thread
from workbench.lists import open_receipt, selected_row
from workbench.model_card import model_card
from workbench.parts import amount, local_time, time_column, untrusted_text
from workbench.press_words import OUTCOME_WORDS
from workbench.reads import Surroundings
from workbench.sitting import Sitting
from workbench.source_parts import source_panel

COMMENTS = "comments"


def panels(here: Sitting, item: Item, around: Surroundings) -> None:
    """Every evidence panel of the item."""
    if here.is_blind:
        _panel(here, item, "sources", f"Sources ({_count(item, around)})", lambda: _sources(here, item, around))
        st.caption("What the AI says, earlier decisions and comments are shown again once this review is over.")
        return
    if here.awaits_number:
        _panel(here, item, "sources", f"Sources ({_count(item, around)})", lambda: _sources(here, item, around))
        st.caption("What the AI says, earlier decisions and comments are shown once you have named your number.")
        return
    _panel(here, item, "model", "What the AI says", lambda: _model(item))
    _panel(here, item, "card", "The model", lambda: model_card(here, item))
    _panel(here, item, "sources", f"Sources ({_count(item, around)})", lambda: _sources(here, item, around))
    _panel(here, item, "earlier", "Earlier decisions here", lambda: _earlier(here, item))
    _panel(here, item, COMMENTS, "Comments", lambda: comment_thread(here, item))


def _panel(here: Sitting, item: Item, name: str, title: str, draw: Callable[[], None]) -> None:
    key = f"{name}-{here.form}"
    if st.query_params.get("panel") == name:
        del st.query_params["panel"]  # the link opens it once; from then on it is the reader's
        st.session_state[key] = True
        _opened(here, item, name, key)
    panel = st.expander(title, key=key, on_change=_opened, args=(here, item, name, key))
    if panel.open:
        with panel:
            draw()


def _opened(here: Sitting, item: Item, name: str, key: str) -> None:
    if st.session_state.get(key):
        reviewing.open_evidence(here.database, person_id=here.person_id, item=item, panel=name)
        if name == COMMENTS:
            reviewing.read_comments(here.database, person_id=here.person_id, item_id=item.id)


def _model(item: Item) -> None:
    if item.ai is None:
        st.caption("There is no AI forecast for this item.")
        return
    made = local_time(item.ai.made_at) if item.ai.made_at else "at a time it did not state"
    st.caption(
        f"Made {made}, received {local_time(item.ai.received_at)}. The text below is the AI's own, not an instruction."
    )
    untrusted_text(item.ai.rationale, empty="The AI gave no rationale.")


def _count(item: Item, around: Surroundings) -> int:
    own = sum(forecast is not None for forecast in (item.ai, item.manual, item.naive))
    return own + len(item.others) + around.speakers


def _sources(here: Sitting, item: Item, around: Surroundings) -> None:
    if around.speakers and source_panel(here, item):
        return
    standing = [forecast for forecast in (item.ai, item.manual, item.naive, *item.others) if forecast]
    rows = [
        {
            "source": forecast.source,
            "value": forecast.value,
            "low": forecast.low,
            "high": forecast.high,
            "made": forecast.made_at,
            "received": forecast.received_at,
            "by": forecast.author,
        }
        for forecast in standing
    ]
    if item.naive is None and around.naive is not None:
        rows.append({"source": "same season last year", "value": around.naive})
    _table(pd.DataFrame(rows), alt="The forecasts that stand on this item")


def _earlier(here: Sitting, item: Item) -> None:
    earlier = reads.earlier_decisions(here.database, person_id=here.person_id, item=item)
    if earlier.empty:
        st.caption("Nothing was decided on this series before.")
        return
    shown = earlier.assign(outcome=earlier["outcome"].map(OUTCOME_WORDS))
    shown["reason"] = shown["reason"].map(lambda code: REASONS[code].name if code in REASONS else code)
    shown["nearer"] = [_nearer(*values) for values in shown[["ai", "final", "actual"]].astype(float).to_numpy()]
    alt = "Earlier decisions on this series and how they turned out"
    columns = {name: _columns()[name] for name in shown.columns if name != "decision"}
    row = selected_row(shown, columns, key=f"earlier-table-{here.form}", alt=alt, ids=earlier["decision"])
    if row is not None:
        open_receipt(int(earlier.iloc[row]["decision"]))


def _table(rows: pd.DataFrame, *, alt: str) -> None:
    st.dataframe(rows, hide_index=True, column_config=_columns(), placeholder="", alt=alt)


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "source": "Source",
        "value": number("Value", format="localized"),
        "low": number("Low", format="localized"),
        "high": number("High", format="localized"),
        "made": time_column("Made"),
        "received": time_column("Received"),
        "by": "By",
        "period": "Period",
        "decided_at": time_column("Decided"),
        "decided_by": "By whom",
        "outcome": "Outcome",
        "ai": number("AI", format="localized"),
        "manual": number("Manual", format="localized"),
        "final": number("Final", format="localized"),
        "actual": number("Actual", format="localized"),
        "reason": "Reason",
        "nearer": "Nearer",
    }


def _nearer(ai: float, final: float, actual: float) -> str:
    """Which of the two was nearer to the actual, in words; empty while it is unknown."""
    off_ai, off_final = abs(actual - ai), abs(actual - final)
    if pd.isna(off_ai) or pd.isna(off_final):
        return ""
    return (
        "same"
        if off_ai == off_final
        else f"{'final' if off_final < off_ai else 'AI'} by {amount(abs(off_ai - off_final))}"
    )

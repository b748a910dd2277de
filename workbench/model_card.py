"""The model card: what the workflow's owner says of the AI, and what was measured of it where the item lies."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from review_queue.items import Item
from review_queue.measures.accuracy import ENOUGH, ENOUGH_FOR_COVERAGE, Accuracy
from review_queue.measures.damping import HELPED, OVERSHOOT, SHOWN_FROM, WRONG_DIRECTION
from workbench import reads
from workbench.parts import amount, counted, plain, untrusted_text
from workbench.sitting import Sitting

SAID = (
    ("uses", "What it uses"),
    ("good_at", "What it is good at"),
    ("weak_at", "Where it has been wrong"),
    ("override_when", "When to override it"),
)


def model_card(here: Sitting, item: Item) -> None:
    """What the owner says, then what was measured."""
    card = here.once("model card", lambda: reads.model_card(here.database, person_id=here.person_id, item=item))
    _said(here, card)
    if card is None:
        st.caption("What was measured comes as soon as the database is back.")
        return
    segment = item.segments[-1] if item.segments else "All of the workflow"
    st.markdown("**How accurate it is here**")
    measured = pd.DataFrame([_row("This series", card.here, item.unit), _row(segment, card.around, item.unit)])
    st.dataframe(measured, hide_index=True, alt="How accurate the AI was on this series and around it")
    if len(card.largest):
        st.markdown("**Its largest misses here**")
        st.caption("  \n".join(plain(_miss(row, item.unit)) for row in card.largest.itertuples()))
    st.markdown("**How overrides here turned out**")
    lines = (_ended("On this series", card.overrides_here), _ended(f"In {segment}", card.overrides_around))
    st.caption("  \n".join(map(plain, lines)))


def _said(here: Sitting, card: reads.ModelCard | None) -> None:
    words = here.workflow.policy.model_card
    given = [(title, text) for name, title in SAID if (text := getattr(words, name).strip())]
    if not given:
        st.caption("The workflow's owner has not described the model yet.")
        return
    named = f", {card.owner}" if card and card.owner else ""
    st.caption(plain(f"In the words of the workflow's owner{named}."))
    for column, (title, text) in zip(st.columns(len(given)), given, strict=True):
        with column:
            st.markdown(f"**{title}**")
            untrusted_text(text, limit=600)


def _row(where: str, found: Accuracy, unit: str) -> dict[str, str]:
    few = f"not enough yet ({found.n} of {ENOUGH})"
    return {
        "Where": where,
        "Forecasts": f"{found.n:,}",
        "Typical miss": few if found.mae is None else amount(found.mae, unit),
        "Error (WAPE)": _percent(found.wape),
        "Naive forecast's": _percent(found.naive_wape),
        "Bias": "—" if found.bias is None else f"{found.bias:+.1%} ({'too high' if found.bias > 0 else 'too low'})",
        "Inside its range": f"not enough yet ({found.ranges} of {ENOUGH_FOR_COVERAGE})"
        if found.inside is None
        else f"{found.inside:.0%}" + (f", promised {found.level:.0%}" if found.level else ""),
    }


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}"


def _miss(row: object, unit: str) -> str:
    period, ai, actual, miss = (getattr(row, name) for name in ("period", "ai", "actual", "miss"))
    return f"{period}: said {amount(ai)}, came {amount(actual)}, off by {amount(miss, unit, signed=True)}"


def _ended(where: str, by_outcome: dict[str, int]) -> str:
    """How overrides in one place ended; a share only where there are enough for one."""
    n, helped = sum(by_outcome.values()), sum(by_outcome.get(label, 0) for label in HELPED)
    if n < SHOWN_FROM:
        return f"{where}: not enough yet ({n} of {SHOWN_FROM}), {helped} of them helped."
    wrong, over = by_outcome.get(WRONG_DIRECTION, 0), by_outcome.get(OVERSHOOT, 0)
    return (
        f"{where}: {counted(n, 'override')}, {helped} helped ({helped / n:.0%}), {wrong} went the wrong way, "
        f"{over} went so far that they made it worse."
    )

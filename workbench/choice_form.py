"""The inline forms of the Review card: the reason of an override, a date to defer to, a note to somebody else.

Every widget's key names the item and the claim; its start is the draft, and its change is kept as the draft.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import streamlit as st

from review_queue.items import Item, Outcome
from review_queue.reasons import REASONS, advice
from review_queue.rules import is_override
from workbench import keys
from workbench.parts import plain
from workbench.sitting import OUTCOME_WORDS, Sitting

SOURCES = {
    "customer": "Customer",
    "document": "Document",
    "internal": "Internal",
    "observation": "Observation",
    "none": "None",
}
IN_MODEL = {"no": "No", "partly": "Partly", "yes": "Yes", "unknown": "Don't know"}
DIRECTIONS = {"up": "Up", "down": "Down", "timing": "Timing"}


def choice_form(here: Sitting, item: Item) -> None:
    """The inline form of the outcome that was pressed, if it asks for anything."""
    if not isinstance(here.panel, Outcome):
        return
    with st.container(border=True, key=f"panel-{here.form}"):
        if here.panel in (Outcome.ADJUST, Outcome.KEEP_MANUAL):
            _reason(here, item)
        elif here.panel is Outcome.DEFER:
            field(here, "until", st.date_input, "Come back on", value=None, min_value="today")
        else:
            asked = "What do you need?" if here.panel is Outcome.SEND_BACK else "Why does this need somebody else?"
            field(here, "note", st.text_input, asked, live=True, max_chars=2000)
        confirm_buttons(here, f"{OUTCOME_WORDS[here.panel]}: press Save to confirm")


def _reason(here: Sitting, item: Item) -> None:
    ai = item.ai.value if item.ai else None
    final = here.final
    if here.is_blind:
        _blind_reason(here)
        return
    if final is not None and not is_override(final, ai, item.tolerance):
        st.caption(
            "Type your value into *Final* above, then save."
            if final == ai
            else "There is no AI forecast to differ from, so no reason is needed."
            if ai is None
            else "Within the tolerance of the AI's value, so no reason is needed."
        )
        return
    st.markdown("**What do you know that the AI does not?**")
    _code(here)
    direction, effect, until = st.columns(3)
    with direction:
        field(
            here,
            "direction",
            st.segmented_control,
            "Direction",
            options=list(DIRECTIONS),
            format_func=DIRECTIONS.get,
        )
    with effect:
        field(here, "effect_mid", st.number_input, f"Effect ({plain(item.unit)})", value=None, format="%.10g")
    with until:
        field(here, "valid_until", st.date_input, "Valid until", value=None)
    field(here, "text", st.text_input, "Note", live=True, max_chars=2000)
    with st.expander("More about it", key=f"more-{here.form}"):
        _more(here)
    reason = here.reason
    if reason is not None:
        adjustment = final - ai if final is not None and ai is not None else None
        for sentence in advice(reason, adjustment=adjustment, u=item.divergence.u):
            st.caption(f":material/info: {plain(sentence)}")


def _blind_reason(here: Sitting) -> None:
    """What the value rests on; nothing is asked that only makes sense beside the AI's value."""
    st.markdown("**What does your value rest on?**")
    _code(here)
    note, until = st.columns([3, 1])
    with note:
        field(here, "text", st.text_input, "Note", live=True, max_chars=2000)
    with until:
        field(here, "valid_until", st.date_input, "Valid until", value=None)


def _code(here: Sitting) -> None:
    names = {code: reason.name for code, reason in REASONS.items()}
    # Required, so that Ctrl+Enter on a chip, which it takes for a press, does not take the reason away.
    field(here, "code", st.pills, "Reason", options=list(names), format_func=names.__getitem__, required=True)
    chosen = REASONS.get(here.value("code") or "")
    if chosen is not None:
        st.caption(f"{chosen.definition}. Evidence asked: {chosen.evidence}.")


def _more(here: Sitting) -> None:
    field(
        here,
        "secondary",
        st.multiselect,
        "Further reasons",
        options=list(REASONS),
        format_func=lambda code: REASONS[code].name,
        max_selections=2,
    )
    low, high, confidence = st.columns(3)
    with low:
        field(here, "effect_low", st.number_input, "Effect, at least", value=None, format="%.10g")
    with high:
        field(here, "effect_high", st.number_input, "Effect, at most", value=None, format="%.10g")
    with confidence:
        field(
            here,
            "confidence",
            st.segmented_control,
            "How sure",
            options=[50, 70, 90],
            format_func="{} %".format,
        )
    source, reference = st.columns(2)
    with source:
        field(
            here,
            "source_type",
            st.segmented_control,
            "Source",
            options=list(SOURCES),
            format_func=SOURCES.get,
        )
    with reference:
        field(here, "source_ref", st.text_input, "Reference", live=True, max_chars=400)
    since, model, control = st.columns(3)
    with since:
        field(here, "valid_from", st.date_input, "Valid from", value=None)
    with model:
        field(
            here,
            "already_in_model",
            st.segmented_control,
            "Already in the model?",
            options=list(IN_MODEL),
            format_func=IN_MODEL.get,
        )
    with control:
        answers = {True: "Yes", False: "No"}
        field(
            here,
            "controllable",
            st.segmented_control,
            "In our control?",
            options=list(answers),
            format_func=answers.get,
        )


def confirm_buttons(here: Sitting, says: str) -> None:
    """*Save* and *Cancel* below an inline form, and in a few words what *Save* does."""
    with st.container(horizontal=True, vertical_alignment="center"):
        button(here, "Save", here.save, shortcut="Ctrl+Enter", type="primary")
        button(here, "Cancel", here.cancel, shortcut="Esc", type="tertiary")
        st.caption(says)


def field(here: Sitting, name: str, element: Any, label: str, **settings: Any) -> None:
    """One widget of the form: its key names item and claim, its start is the draft, its change is kept."""
    kept = here.value(name)
    if element is st.date_input and kept:
        kept = date.fromisoformat(kept)
    key = start(here, name, kept)
    if "value" in settings and key in st.session_state:
        del settings["value"]
    element(label, key=key, on_change=here.typed, args=(here.form, name), **settings)


def start(here: Sitting, name: str, value: Any) -> str:
    key = here.widget(name)
    if value is not None and (key not in st.session_state or (name == "final" and here.panel is Outcome.KEEP_MANUAL)):
        st.session_state[key] = value
    return key


def button(here: Sitting, name: str, press: Callable[[str], None], **settings: Any) -> None:
    """A button of this form: item and claim stand in its key, and its press says which form it was drawn for."""
    settings["disabled"] = settings.get("disabled", False) or here.doubt is not None
    settings["shortcut"] = keys.live(settings["shortcut"]) if settings.get("shortcut") else None
    st.button(name, key=f"{name}-{here.form}", on_click=press, args=(here.form,), **settings)

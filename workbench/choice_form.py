"""The inline forms of the Review card: the reason of an override, a date to defer to, a note to somebody else.

Every widget's key names the item and the claim; its start is the draft, and its change is kept as the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

import streamlit as st

from review_queue.items import Item, Outcome
from review_queue.measures.damping import AS_GOOD_AS_ALL, in_words
from review_queue.reasons import CONFIDENCES, REASONS, advice
from review_queue.rules import is_override
from workbench import keys, reads
from workbench.final_value import BETWEEN, CHANGE, PERCENT, STEP, shown_as, tidy
from workbench.parts import amount, chip, plain
from workbench.press_words import OUTCOME_WORDS
from workbench.reason_draft import TIMING
from workbench.sitting import Sitting
from workbench.typed import LONGEST_NOTE

SOURCES = {
    "customer": "Customer",
    "document": "Document",
    "internal": "Internal",
    "observation": "Observation",
    "none": "None",
}
IN_MODEL = {"no": "No", "partly": "Partly", "yes": "Yes", "unknown": "Don't know"}
DIRECTIONS = {"up": "Up", "down": "Down", "timing": "Timing"}
#: Elements that call what they start with their default.
CHIPS = (st.pills, st.segmented_control, st.multiselect)


def choice_form(here: Sitting, item: Item) -> None:
    """The inline form of the outcome that was pressed, if it asks for anything."""
    if not isinstance(here.panel, Outcome):
        return
    with st.container(border=True, key=f"panel-{here.form}"):
        if here.panel in (Outcome.ADJUST, Outcome.KEEP_MANUAL):
            _reason(here, item)
        elif here.panel is Outcome.ACCEPT_AI:
            _what_makes_you_sure(here)
        elif here.panel is Outcome.DEFER:
            field(here, "until", st.date_input, "Come back on", value=None, min_value="today")
        else:
            asked = "What do you need?" if here.panel is Outcome.SEND_BACK else "Why does this need somebody else?"
            field(here, "note", st.text_input, asked, live=True, max_chars=LONGEST_NOTE)
        confirm_buttons(here, f"{OUTCOME_WORDS[here.panel]}: press Save to confirm")


def _what_makes_you_sure(here: Sitting) -> None:
    """A word with the AI's value, where its sources leave too much doubt for one press."""
    if here.desk is not None and here.desk.doubt:
        st.caption(plain(here.desk.doubt[:1].upper() + here.desk.doubt[1:]))
    field(here, "note", st.text_input, "What makes you sure of the AI's value?", live=True, max_chars=LONGEST_NOTE)


def _reason(here: Sitting, item: Item) -> None:
    ai = item.ai.value if item.ai else None
    final = here.final
    if here.is_blind:
        _blind_reason(here)
        return
    if here.panel is Outcome.ADJUST:
        _other_ways(here, item)
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
    if ai is not None and final is not None:
        _track_record(here, item, ai=ai, final=final)
    _facts(here, item)
    field(here, "text", st.text_input, "Note", live=True, max_chars=LONGEST_NOTE)
    with st.expander("More about it", key=f"more-{here.form}"):
        _more(here)
    reason = here.reason
    if reason is not None:
        adjustment = final - ai if final is not None and ai is not None else None
        for sentence in advice(reason, adjustment=adjustment, u=item.divergence.u):
            st.caption(f":material/info: {plain(sentence)}")


def _other_ways(here: Sitting, item: Item) -> None:
    """The final value as a change, in percent, and on the way from the AI's to the manual one, all in step with it."""
    if item.ai is None or here.final is None:
        return
    known = {"ai": item.ai.value, "manual": item.manual.value if item.manual else None}
    shown = {way: shown_as(way, here.final, **known) for way in (CHANGE, PERCENT, BETWEEN)}
    elements: dict[str, tuple[Any, str, dict[str, Any]]] = {
        CHANGE: (st.number_input, f"Change ({plain(item.unit)})", {"format": "%.10g"}),
        PERCENT: (st.number_input, "Change in %", {"format": "%.10g"}),
        BETWEEN: (
            st.slider,
            "Between AI and manual",
            {"min_value": 0.0, "max_value": 100.0, "step": float(STEP), "format": "%d %%"},
        ),
    }
    offered = [way for way, value in shown.items() if value is not None]
    widths = [2 if way is BETWEEN else 1 for way in offered]
    for column, way in zip(st.columns(widths), offered, strict=True):
        element, label, settings = elements[way]
        key, value = here.widget(way), shown[way]
        if st.session_state.get(key, value) != value:
            st.session_state[key] = value
        with column:
            element(label, value=value, key=key, on_change=here.said_otherwise, args=(here.form, way), **settings)


def _track_record(here: Sitting, item: Item, *, ai: float, final: float) -> None:
    """How changes like this one turned out, and what that makes of this one."""
    code, direction = here.value("code"), "up" if final > ai else "down"
    if code not in REASONS:
        return
    record = here.once(
        ("track record", code, direction),
        lambda: reads.track_record(here.database, person_id=here.person_id, item=item, code=code, direction=direction),
    )
    if record is None:
        return
    kind = f"{'Upward' if direction == 'up' else 'Downward'} changes for {REASONS[code].name}"
    where = "in all of the workflow" if record.where is None else f"here in {record.where}"
    sentence, keep = in_words(record.found, kind=kind, where=where), record.found.keep
    says = f":material/history: {plain(sentence)}"
    if keep is None or abs(keep - 1) * 100 <= AS_GOOD_AS_ALL:
        st.caption(says)
    elif here.value("damped") == final:
        st.caption(f"{says} *Final* is the damped value now.")
    else:
        words, press = st.columns([4, 1], vertical_alignment="center")
        damped = amount(tidy(ai + keep * (final - ai)), item.unit)
        words.caption(f"{says} {plain(f'Of this change that leaves {damped}.')}")
        with press:
            button(here, "Use the damped value", partial(here.damp, keep=keep))


def _facts(here: Sitting, item: Item) -> None:
    """What is known behind the reason: one line for the effect, one for what it rests on."""
    direction, low, mid, high, until = st.columns([5, 4, 4, 4, 4])
    with direction:
        _choice(here, "direction", "Direction", DIRECTIONS)
    for column, name, label in (
        (low, "effect_low", "Effect, at least"),
        (mid, "effect_mid", f"Effect ({plain(item.unit)})"),
        (high, "effect_high", "Effect, at most"),
    ):
        with column:
            field(here, name, st.number_input, label, value=None, format="%.10g")
    with until:
        field(here, "valid_until", st.date_input, "Valid until", value=None)
    sure, source, model = st.columns([3, 6, 4])
    with sure:
        _choice(here, "confidence", "How sure", {percent: f"{percent} %" for percent in CONFIDENCES})
    with source:
        _choice(here, "source_type", "Source", SOURCES)
    with model:
        _choice(here, "already_in_model", "Already in the model?", IN_MODEL)
    if here.value("code") == TIMING:
        _other_period(here, item)


def _other_period(here: Sitting, item: Item) -> None:
    periods = here.once(
        "other periods", lambda: reads.other_periods(here.database, person_id=here.person_id, item=item)
    )
    period, says = st.columns([5, 16], vertical_alignment="bottom")
    with period:
        field(here, "paired_period", st.selectbox, "Other period", options=periods or [], index=None)
    with says:
        st.caption(
            "The opposite entry will be written into that period on saving."
            if periods
            else "No other period of this series is open, so there is none to write the opposite entry into."
        )


def _blind_reason(here: Sitting) -> None:
    """What the value rests on; nothing is asked that only makes sense beside the AI's value."""
    st.markdown("**What does your value rest on?**")
    _code(here)
    note, until = st.columns([3, 1])
    with note:
        field(here, "text", st.text_input, "Note", live=True, max_chars=LONGEST_NOTE)
    with until:
        field(here, "valid_until", st.date_input, "Valid until", value=None)


def _code(here: Sitting) -> None:
    names = {code: chip(reason.name) for code, reason in REASONS.items()}
    # Required, so that Ctrl+Enter on a chip, which it takes for a press, does not take the reason away.
    field(
        here,
        "code",
        st.pills,
        "Reason",
        options=list(names),
        format_func=names.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    chosen = REASONS.get(here.value("code") or "")
    if chosen is not None:
        st.caption(f"{chosen.definition}. Evidence asked: {chosen.evidence}.")


def _more(here: Sitting) -> None:
    further, control = st.columns([3, 1])
    with further:
        field(
            here,
            "secondary",
            st.multiselect,
            "Further reasons",
            options=list(REASONS),
            format_func=lambda code: REASONS[code].name,
            max_selections=2,
        )
    with control:
        _choice(here, "controllable", "In our control?", {True: "Yes", False: "No"})
    reference, since = st.columns([3, 1])
    with reference:
        field(here, "source_ref", st.text_input, "Reference", live=True, max_chars=400)
    with since:
        field(here, "valid_from", st.date_input, "Valid from", value=None)


def _choice(here: Sitting, name: str, label: str, words: Mapping[Any, str]) -> None:
    """One of a few, all in sight."""
    labels = {value: chip(word) for value, word in words.items()}
    field(here, name, st.segmented_control, label, options=list(labels), format_func=labels.get, wrap=True)


def confirm_buttons(here: Sitting, says: str) -> None:
    """*Save* and *Cancel* below an inline form, and in a few words what *Save* does."""
    with st.container(horizontal=True, vertical_alignment="center"):
        button(here, "Save", here.save, shortcut="Ctrl+Enter", type="primary")
        button(here, "Cancel", here.cancel, shortcut="Esc", type="tertiary")
        st.caption(says)


def field(here: Sitting, name: str, element: Any, label: str, **settings: Any) -> None:
    """One widget of the form: its key names item and claim, it starts as the draft has it, its change is kept there."""
    kept = here.value(name)
    if element is st.date_input and kept:
        kept = date.fromisoformat(kept)
    elif element is st.number_input and kept is not None:
        kept = float(kept)
    if element is st.selectbox:
        settings["index"] = settings["options"].index(kept) if kept in settings["options"] else None
    elif kept is not None:
        # As the widget's own start, on every run: of a value put into the session's state the browser is told once,
        # and when two runs follow each other closely it may draw only the second, and an empty field.
        settings["default" if element in CHIPS else "value"] = kept
    element(label, key=here.widget(name), on_change=here.typed, args=(here.form, name), **settings)


def button(here: Sitting, name: str, press: Callable[[str], None], **settings: Any) -> None:
    """A button of this form: item and claim stand in its key, and its press says which form it was drawn for."""
    settings["disabled"] = settings.get("disabled", False) or here.doubt is not None
    settings["shortcut"] = keys.live(settings["shortcut"]) if settings.get("shortcut") else None
    st.button(name, key=f"{name}-{here.form}", on_click=press, args=(here.form,), **settings)

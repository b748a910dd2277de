"""The inline form of *Skip*: why somebody passes an item by, and what that means for when it comes again."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from review_queue.items import SkipReason
from storage.serving import FOR_GOOD, SKIPPED_FOR
from workbench.choice_form import confirm_buttons, field
from workbench.parts import chip
from workbench.press_words import SKIP_WORDS
from workbench.sitting import Sitting

NOT_AGAIN = "It goes to others, and not to you again."
HOURS = SKIPPED_FOR // timedelta(hours=1)
AGAIN = f"It goes to others, and comes to you again when nothing else waits, or after {HOURS} hours."


def skip_form(here: Sitting) -> None:
    """Why the item is skipped, and *Save*."""
    with st.container(border=True, key=f"skip-{here.form}"):
        field(
            here,
            "skip_reason",
            st.pills,
            "Why do you skip it?",
            options=list(SKIP_WORDS),
            format_func=lambda reason: chip(SKIP_WORDS[reason]),
            required=True,
        )
        field(here, "skip_note", st.text_input, "Note", live=True, max_chars=2000, placeholder=_asked(here))
        reason = here.value("skip_reason")
        confirm_buttons(here, _fate(reason))


def _fate(reason: str | None) -> str:
    """When the item comes again to whoever skips it."""
    if reason is None:
        return "Skip: press Save to confirm"
    return NOT_AGAIN if reason in FOR_GOOD else AGAIN


def _asked(here: Sitting) -> str:
    return "Which reason?" if here.value("skip_reason") == SkipReason.OTHER else "If there is more to say"

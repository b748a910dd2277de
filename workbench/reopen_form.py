"""The inline form of *Reopen*: why a decided item goes back into the queue for another round."""

from __future__ import annotations

import streamlit as st

from workbench.choice_form import confirm_buttons, field
from workbench.sitting import Sitting


def reopen_form(here: Sitting) -> None:
    """Why the item is reopened, and *Save*."""
    with st.container(border=True, key=f"reopen-{here.form}"):
        field(here, "reopen_note", st.text_input, "Why is it reopened?", live=True, max_chars=2000)
        confirm_buttons(here, "The decision stays on record; the item counts as undecided until there is another.")

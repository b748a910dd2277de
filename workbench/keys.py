"""Every key that does something, once: the sheet shows them, and the pages take them from here."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from review_queue.items import Outcome

#: Of each outcome's button on Review.
OUTCOME_KEYS = {
    Outcome.ACCEPT_AI: "a",
    Outcome.KEEP_MANUAL: "m",
    Outcome.ADJUST: "e",
    Outcome.ESCALATE: "x",
    Outcome.DEFER: "d",
    Outcome.SEND_BACK: "b",
}
SKIP, UNDO, SAVE, CANCEL, START, SHEET = "n", "u", "Ctrl+Enter", "Esc", "s", "?"


@dataclass(frozen=True, slots=True)
class Key:
    """One key, what it does, and where."""

    key: str
    does: str
    where: str


KEYS = (
    Key(START, "Start reviewing", "My desk"),
    Key(OUTCOME_KEYS[Outcome.ACCEPT_AI], "Accept AI", "Review"),
    Key(OUTCOME_KEYS[Outcome.KEEP_MANUAL], "Keep manual", "Review"),
    Key(OUTCOME_KEYS[Outcome.ADJUST], "Adjust: type a value of your own", "Review"),
    Key(OUTCOME_KEYS[Outcome.ESCALATE], "Escalate: pass it up, with a note", "Review"),
    Key(OUTCOME_KEYS[Outcome.DEFER], "Defer: put it off to a date", "Review"),
    Key(OUTCOME_KEYS[Outcome.SEND_BACK], "Send back: ask for what is missing", "Review"),
    Key(SKIP, "Skip, or the next item where there is nothing to decide", "Review"),
    Key(UNDO, "Undo your last decision", "Review"),
    Key(SAVE, "Save the form that is open", "Review"),
    Key(CANCEL, "Close the form that is open; what you typed is kept", "Review"),
    Key("Tab, Space, Enter", "Go to the next field, tick, press", "Everywhere"),
    Key("Arrows, Space", "Go through a table, select a row", "Queue and every table"),
    Key("Enter, or a digit", "Change the cell of the table; Esc leaves it as it was", "Reconcile"),
    Key(SHEET, "Show these keys", "Everywhere"),
)


_SHOWN = "keys-shown"  #: set in a session for as long as the sheet lies open


def live(key: str) -> str | None:
    """The key, as a button's shortcut; None while the sheet lies open, or it would press the button behind it."""
    return None if st.session_state.get(_SHOWN) else key


def keys_button() -> None:
    """*Keys*, which opens the sheet. Drawn before the page, whose shortcuts rest meanwhile."""
    st.session_state[_SHOWN] = False  # a whole run that does not draw the sheet shuts it
    if st.button("Keys", icon=":material/keyboard:", key="frame-keys", width="stretch"):
        show_keys()


def show_keys() -> None:
    """Open the sheet of keys; call it before the page is drawn."""
    st.session_state[_SHOWN] = True
    _sheet()


@st.dialog("Keys", on_dismiss="rerun")
def _sheet() -> None:
    st.caption("Letters work while no field is being typed in and no form is open.")
    rows = [(_cap(key.key), key.does, key.where) for key in KEYS]
    st.table(pd.DataFrame(rows, columns=["Key", "What it does", "Where"]), hide_index=True)


def _cap(key: str) -> str:
    return key.upper() if len(key) == 1 else key

"""The sheet of keys names every key that there is, and no key presses what lies behind the sheet."""

from __future__ import annotations

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

from workbench import keys

ROOT = Path(__file__).parents[2]


def test_every_key_of_the_pages_is_on_the_sheet() -> None:
    sheet = {key.key.lower() for key in keys.KEYS}
    written = {
        found.lower()
        for folder in ("pages", "workbench")
        for path in (ROOT / folder).rglob("*.py")
        for found in re.findall(r'(?:shortcut=|_key = |live\()"([^"]+)"', path.read_text(encoding="utf-8"))
    }

    assert written
    assert written | set(keys.OUTCOME_KEYS.values()) <= sheet


def test_no_key_is_given_to_two_things_on_one_page() -> None:
    assert len({(key.key, key.where) for key in keys.KEYS}) == len(keys.KEYS)


def page() -> None:
    import streamlit as st

    from workbench import keys

    keys.keys_button()
    st.text(f"shortcut {keys.live('a')}")


def test_keys_rest_while_the_sheet_lies_open() -> None:
    at = AppTest.from_function(page).run()
    assert at.text[0].value == "shortcut a"

    at.button[0].click().run()
    assert not at.exception
    assert at.text[0].value == "shortcut None"

    assert at.run().text[0].value == "shortcut a"  # as when it is shut

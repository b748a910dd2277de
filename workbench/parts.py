"""Small pieces of screen that several pages share. Foreign text reaches the screen through ``untrusted_text`` only."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import streamlit as st

#: ASCII punctuation, any of which Markdown lets us write literally behind a backslash.
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
#: Where an address would be made a link even so; a word joiner there keeps it text, and cannot be seen.
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)


def untrusted_text(text: str | None, *, empty: str = "—", limit: int = 2000) -> None:
    """Show text that somebody else wrote, exactly and inertly: no Markdown, no links, no images.

    Characters that hide or reorder text are made visible. Longer text than ``limit`` goes behind an expander.
    """
    shown = visible(text or empty)
    if len(shown) <= limit:
        st.text(shown)
        return
    st.text(shown[:limit] + " …")
    with st.expander("All of it"):
        st.text(shown)


def visible(text: str) -> str:
    """``text`` with control, bidirectional and zero-width characters written out as ``⟨U+202E⟩``."""
    return "".join(
        f"⟨U+{ord(char):04X}⟩" if unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs") and char != "\n" else char
        for char in text
    )


def told_apart(names: dict[int, str]) -> dict[int, str]:
    """The names of people by id, with a number behind those that several of them share."""
    seen: dict[str, int] = {}
    for name in names.values():
        seen[name] = seen.get(name, 0) + 1
    return {key: f"{name} ({key})" if seen[name] > 1 else name for key, name in names.items()}


def counted(number: int, thing: str) -> str:
    """So many of a thing: "1 item", "1,200 items"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def left_out(items: tuple[tuple[int, str], ...]) -> None:
    """The items that a press on several did not change, each with the reason in words."""
    if items:
        rows = pd.DataFrame(items, columns=["item", "why"])
        columns = {"item": st.column_config.NumberColumn("Item", width=70, format="%d"), "why": "Why it was left out"}
        st.dataframe(rows, hide_index=True, column_config=columns, alt="Items that were left out, and why")


def amount(value: float | None, unit: str = "", *, signed: bool = False) -> str:
    """A number as people read it: thousands apart, three figures or more, unit behind; — if unknown."""
    if value is None:
        return "—"
    size = abs(value)
    if size >= 1000 or float(value).is_integer():
        places = 0
    elif size >= 1:
        places = 1 if size >= 100 else 2
    else:
        places = 2 - math.floor(math.log10(size))
    digits = f"{size:,.{places}f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    sign = "+" if signed and value > 0 else "−" if value < 0 else ""
    return f"{sign}{digits} {unit}".rstrip()


def plain(text: str) -> str:
    """Our own words with a name or unit in them, for an element that reads Markdown: nothing in it is markup."""
    return _PUNCTUATION.sub(r"\\\1", _ADDRESS.sub("\u2060", visible(text)))


def chip(words: str) -> str:
    """The label of something to choose among others, nothing in it markup, in the colour of text.

    Chosen, it would else be written in the accent, which white is to be read on and is too dark for dark paper.
    """
    return f":gray[{plain(words)}]"


def heading(text: str) -> None:
    """What the page is about now, as a heading, with nothing in it read as markup."""
    st.subheader(plain(text), anchor=False)


def reader_zone() -> str:
    """The reader's time zone by its name, or UTC where the browser gives none that we know."""
    name = st.context.timezone or "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"
    return name


def time_column(title: str) -> Any:
    """A table's column of instants, in the reader's zone."""
    return st.column_config.DatetimeColumn(title, format="D MMM YYYY, HH:mm", timezone=reader_zone())


def local_time(instant: datetime) -> str:
    """An instant in the reader's own zone: the time today, else day and time."""
    zone = ZoneInfo(reader_zone())
    local = instant.astimezone(zone)
    today = datetime.now(zone).date()
    return f"{local:%H:%M}" if local.date() == today else f"{local:%-d %b %Y, %H:%M}"

"""Pages of the queue: the place in serving order where one starts stands in the link, so that it can be shared."""

from __future__ import annotations

import math
from datetime import datetime

import streamlit as st

from review_queue.items import Lane
from workbench.parts import counted
from workbench.reads import Page, Place

PAGE = 200  #: items
AFTER = "after"  #: what the place is called in the link
BETWEEN = "~"
LONGEST_ID = 18  #: digits


def place_in_link() -> Place | None:
    """The place that the link names; None for the beginning, and for what is no place."""
    parts = st.query_params.get(AFTER, "").split(BETWEEN)
    try:
        lane, score, due, number = parts
        due_at = datetime.fromisoformat(due) if due else None
        place = Place(int(lane), float(score), due_at, int(number))
    except ValueError:
        return None
    known = place.lane in tuple(Lane) and math.isfinite(place.score) and 0 < place.id < 10**LONGEST_ID
    return place if known and (due_at is None or due_at.tzinfo is not None) else None


def in_link(place: Place) -> str:
    """A place as the link has it: lane, score, due time and item."""
    due = place.due_at.isoformat() if place.due_at else ""
    return BETWEEN.join((str(place.lane), repr(place.score), due, str(place.id)))


def back_to_first() -> None:
    """Start from the beginning; whenever the filter changes, too."""
    st.query_params.pop(AFTER, None)


def what_is_shown(page: Page, after: Place | None) -> None:
    """Which part of the queue this is, in words. Nothing is counted that is not on the page."""
    shown = len(page.items)
    if page.rest is None and after is None:
        st.caption(f"{counted(shown, 'open item')}, in serving order.", width="stretch")
    elif after is None:
        st.caption(f"The first {counted(shown, 'open item')} that match, in serving order.", width="stretch")
    else:
        last = "the last" if page.rest is None else "the next"
        st.caption(f"Further on, {last} {counted(shown, 'open item')} that match, in serving order.", width="stretch")


def turn_pages(page: Page, after: Place | None) -> None:
    """*Back to the first* and *Next*, where there is somewhere to go."""
    if after is not None:
        st.button("Back to the first", on_click=back_to_first, type="tertiary")
    if page.rest is not None:
        place = in_link(page.rest)
        st.button(f"Next {PAGE}", key=f"next-{place}", on_click=_go_to, args=(place,))


def _go_to(place: str) -> None:
    st.query_params[AFTER] = place

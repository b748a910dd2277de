"""Tables of items and decisions, and the filter above the queue."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from review_queue.items import OPEN_STATES, Band, Lane, State
from review_queue.reasons import REASONS
from review_queue.roles import Principal
from workbench.navigation import PAGES
from workbench.paging import back_to_first
from workbench.parts import time_column
from workbench.press_words import OUTCOME_WORDS
from workbench.reads import COUNTED_TO, Filter, Mention, MyDesk

_number = st.column_config.NumberColumn
#: In the order in which they are shown; the instants among them are the reader's own (``_item_columns``).
ITEM_COLUMNS = {
    "lane": st.column_config.TextColumn("Lane", width=110),
    "series": st.column_config.TextColumn("Series"),
    "period": st.column_config.TextColumn("Period", width=75),
    "segment": st.column_config.TextColumn("Segment"),
    "ai": _number("AI", format="localized"),
    "manual": _number("Manual", format="localized"),
    "gap": _number("Gap", format="localized"),
    "u": _number("× usual miss", format="%.1f"),
    "assigned": st.column_config.TextColumn("Assigned", width=130),
    "due_at": "Due",
    "state": st.column_config.TextColumn("State", width=75),
    "holder": st.column_config.TextColumn("With"),
    "created_at": "Since",
    "why": st.column_config.TextColumn("Why this is next", width="large"),
}
DECISION_COLUMNS = {
    "item": None,
    "series": "Series",
    "period": "Period",
    "outcome": "Outcome",
    "ai": st.column_config.NumberColumn("AI", format="localized"),
    "final": st.column_config.NumberColumn("Final", format="localized"),
    "reason": "Reason",
    "decision": None,
}
MENTION_COLUMNS = {
    "author": "From",
    "body": st.column_config.TextColumn("Comment", width="large"),
    "series": "Series",
    "period": st.column_config.TextColumn("Period", width=75),
}
FIELD_PIXELS = 160
TALL = 12  #: rows, from which a table scrolls inside itself
TALL_PIXELS = 640
GROUPS = {
    "none": "No groups",
    "lane": "Lane",
    "segment": "Segment",
    "band": "Band",
    "state": "State",
    "period": "Period",
}


def item_list(
    title: str, items: pd.DataFrame, *, key: str, empty: str = "", columns: dict[str, str | None] | None = None
) -> None:
    """A table of items; selecting a row opens it in Review. An empty one says ``empty``, or is not there at all.

    ``columns``: other titles for some of its columns; None leaves a column out.
    """
    if title and (empty or not items.empty):
        st.subheader(title)
    if not items.empty:
        _opening(items, key, title or "Open items", columns)
    elif empty:
        st.caption(empty)


@st.fragment
def _opening(items: pd.DataFrame, key: str, alt: str, columns: dict[str, str | None] | None) -> None:
    selected = item_table(items, key=key, alt=alt, columns=columns)
    if selected:
        open_review(selected[0])


def item_table(
    items: pd.DataFrame, *, key: str, alt: str, many: bool = False, columns: dict[str, str | None] | None = None
) -> list[int]:
    """A table of items, and the ids of those that are selected in it.

    Rows are selected by their number. So the key names the items that the table was drawn with, and who draws it does
    so in a fragment, with the items as they were: a number never comes to mean another item.
    """
    named = {"created_at": time_column("Since"), "due_at": time_column("Due")}
    shown_columns = {name: title for name, title in (ITEM_COLUMNS | named | (columns or {})).items() if title}
    key = f"{key}-{hash(tuple(items['id']))}"
    shown = items.assign(state=items["state"].map(_spaced), u=items["u"].round(1) + 0.0)
    st.dataframe(
        shown,
        hide_index=True,
        height=TALL_PIXELS if len(shown) > TALL else "auto",
        column_order=list(shown_columns),
        column_config=shown_columns,
        key=key,
        placeholder="",
        on_select="rerun",
        selection_mode="multi-row" if many else "single-row",
        alt=alt,
    )
    return [int(items.iloc[row]["id"]) for row in st.session_state[key].selection.rows]


def open_review(item_id: int | None = None, *, panel: str | None = None) -> None:
    """Go to Review: to one item, with one of its evidence panels open if wanted, or to whatever is next."""
    wanted = {"item": None if item_id is None else str(item_id), "panel": panel}
    st.switch_page(PAGES / "review.py", query_params={name: value for name, value in wanted.items() if value})


def open_receipt(decision_id: int | None = None) -> None:
    """Go to the receipt of a decision, or to the list of them."""
    wanted = {} if decision_id is None else {"decision": str(decision_id)}
    st.switch_page(PAGES / "receipt.py", query_params=wanted)


def receipt_button(decision_id: int, *, place: str) -> None:
    """*Receipt*, which opens that of a decision; ``place`` tells it from another on the same page."""
    if st.button("Receipt", key=f"receipt-{place}-{decision_id}", type="tertiary"):
        open_receipt(decision_id)


def selected_row(
    rows: pd.DataFrame, columns: dict[str, Any], *, key: str, alt: str, ids: Collection[int]
) -> int | None:
    """A table in which one row can be selected, and the number of that row; ``ids`` say what the rows are of.

    As in ``item_table``, the key names them, so that a number never comes to mean something else.
    """
    key = f"{key}-{hash(tuple(ids))}"
    st.dataframe(
        rows,
        hide_index=True,
        height=TALL_PIXELS if len(rows) > TALL else "auto",
        column_order=[name for name in columns if columns[name] is not None],
        column_config=columns,
        key=key,
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        alt=alt,
    )
    selected = st.session_state[key].selection.rows
    return int(selected[0]) if selected else None


def in_a_sentence(desk: MyDesk) -> str:
    """What is due, what is flagged and what came back."""
    said = (
        (desk.overdue, "overdue"),
        (desk.due_soon, "due within a day"),
        (desk.waiting[Lane.JUDGEMENT], "flagged for judgement"),
        (len(desk.assigned), "assigned to you"),
        (len(desk.came_back), "back from others"),
        (len(desk.mentions), "unread mentions" if len(desk.mentions) != 1 else "unread mention"),
    )
    return " · ".join(f"**{at_most(number)}** {what}" for number, what in said if number)


def due_list(desk: MyDesk) -> None:
    """What is overdue or due within a day, if anything is, the earliest first."""
    more = desk.overdue + desk.due_soon > len(desk.due)
    title = f"Due now, the first {len(desk.due)}" if more else "Due now"
    item_list(title, desk.due, key="due", columns={"holder": None, "lane": None, "assigned": None})


def desk_lists(desk: MyDesk, user: Principal) -> None:
    """What is this person's to look at first, list by list; of the empty ones only that they are."""
    mine = desk.assigned["assigned"] == user.name
    whose = desk.assigned.assign(assigned=desk.assigned["assigned"].mask(mine, ""))
    everywhere: dict[str, str | None] = {"assigned": None}
    lists = (
        ("In your hands", desk.held, everywhere | {"holder": None}),
        ("Assigned to you", whose, {"assigned": None if mine.all() else "In place of"}),
        ("Passed up to you", desk.escalated, everywhere),
        ("Came back", desk.came_back, everywhere),
    )
    for title, items, columns in lists:
        item_list(title, items, key=title, columns=columns)
    empty = [title for title, items, _ in lists if items.empty]
    if empty:
        st.caption(f"Empty now: {' · '.join(empty)}")


def mention_list(title: str, mentions: list[Mention]) -> None:
    """Where the reader was named and has not looked yet; selecting a row opens the item with its comments."""
    if mentions:
        st.subheader(title)
        _mentions(title, mentions)


@st.fragment
def _mentions(title: str, mentions: list[Mention]) -> None:
    rows = pd.DataFrame([asdict(mention) for mention in mentions])
    key = f"mentions-{hash(tuple(rows['item_id']))}"
    st.dataframe(
        rows,
        hide_index=True,
        column_order=["created_at", *MENTION_COLUMNS],
        column_config=MENTION_COLUMNS | {"created_at": time_column("When")},
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt=title,
    )
    selected = st.session_state[key].selection.rows
    if selected:
        open_review(mentions[selected[0]].item_id, panel="comments")


def at_most(number: int) -> str:
    """A number of waiting items as it was counted: "1,000+" from where counting stops."""
    return f"{number:,}+" if number >= COUNTED_TO else f"{number:,}"


def decision_list(title: str, decided: pd.DataFrame) -> None:
    """A table of a person's own decisions; selecting a row opens its receipt."""
    st.subheader(title)
    if decided.empty:
        st.caption("You have not decided anything here yet.")
    else:
        _decisions(title, decided)


@st.fragment
def _decisions(title: str, decided: pd.DataFrame) -> None:
    shown = decided.assign(
        outcome=decided["outcome"].map(OUTCOME_WORDS),
        reason=decided["reason"].map(lambda code: REASONS[code].name if code in REASONS else code),
    )
    columns = DECISION_COLUMNS | {"decided_at": time_column("Decided")}
    row = selected_row(shown, columns, key="own-decisions", alt=title, ids=decided["decision"])
    if row is not None:
        open_receipt(int(decided.iloc[row]["decision"]))


def queue_filter(segments: dict[str, str], *, person_id: int) -> tuple[Filter, str]:
    """The filter row, kept in the link: what to keep, and the column to group by ("none" for no groups)."""
    kept_in_link: dict[str, Any] = {"bind": "query-params", "on_change": back_to_first}
    field: dict[str, Any] = {"width": FIELD_PIXELS} | kept_in_link
    anything = {"placeholder": "Any"} | field
    lane_names = {str(lane.value): lane.title for lane in Lane}
    names = [state.value for state in OPEN_STATES]
    readable = {name: path for path, name in segments.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):  # as many in a row as fit, on a phone two
        kept = st.multiselect("Lane", lane_names, format_func=lane_names.get, key="lane", **anything)
        standing = st.multiselect("State", names, format_func=_spaced, key="state", **anything)
        apart = st.multiselect("Band", [band.value for band in Band], format_func=_spaced, key="band", **anything)
        segment = st.selectbox("Segment", list(readable), index=None, key="segment", **anything)
        part = st.text_input("Search", key="search", type="search", live="300ms", **field)
        groups: dict[str, Any] = {"key": "group", "bind": "query-params", "width": FIELD_PIXELS}
        by = st.selectbox("Group by", list(GROUPS), format_func=GROUPS.get, **groups)
        own = st.toggle("Assigned to me", key="mine", **kept_in_link)
    wanted = Filter(
        lanes=tuple(Lane(int(lane)) for lane in kept),
        states=tuple(State(state) for state in standing),
        bands=tuple(apart),
        segment_path=readable.get(segment) if segment else None,
        search=part or "",
        assigned_to=person_id if own else None,
    )
    return wanted, by


def group_counts(items: pd.DataFrame, by: str) -> None:
    """How many of the items shown fall into each group, and the money that is apart in it."""
    if by == "none" or items.empty:
        return
    groups = items.groupby(by, sort=False).agg(
        items=("id", "size"), flagged=("flagged", "sum"), net_gap=("gap", "sum"), oldest=("created_at", "min")
    )
    columns = {
        by: GROUPS[by],
        "items": "Items",
        "flagged": "Flagged",
        "net_gap": _number("Net gap", format="localized"),
        "oldest": time_column("Oldest"),
    }
    shown = groups.reset_index()
    if by in ("band", "state"):
        shown[by] = shown[by].map(_spaced)
    st.dataframe(shown, hide_index=True, column_config=columns, alt=f"Open items by {GROUPS[by].lower()}")


def _spaced(text: str) -> str:
    return text.replace("_", " ").capitalize()

"""In which stage of review the waiting is done (METHODS 5.3)."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from review_queue.calendars import BusinessCalendar

WAITING, IN_HAND = "waiting to be started", "in hand"
COLUMNS = ("group", "stage", "items", "open", "hours", "share")


def spells_of(reviews: pd.DataFrame) -> pd.DataFrame:
    """The two stages that every review can be seen to go through: until it is started, and from then on.

    Args:
        reviews: ``created_at``, ``started_at``, ``decided_at``, ``withdrawn_at`` (UTC) and ``state``.

    Returns:
        One row per review and stage: ``review`` (its place in the index), ``stage``, ``entered_at``, ``left_at``
        (UTC, NaT: still there). What was withdrawn or locked at an unknown time is left out.
    """
    left = reviews["decided_at"].combine_first(reviews["withdrawn_at"])
    known = left.notna() | ~reviews["state"].isin(("decided", "withdrawn", "locked"))
    started = reviews["started_at"]
    waiting = pd.DataFrame(
        {"stage": WAITING, "entered_at": reviews["created_at"], "left_at": started.combine_first(left)}
    )[known]
    in_hand = pd.DataFrame({"stage": IN_HAND, "entered_at": started, "left_at": left})[known & started.notna()]
    return pd.concat([waiting, in_hand]).rename_axis("review").reset_index()


def bottleneck(
    spells: pd.DataFrame, *, as_of: datetime, calendar: BusinessCalendar | None = None, groups: pd.Series | None = None
) -> pd.DataFrame:
    """The share of all waiting that is done in each stage; what is still there counts up to now.

    Args:
        spells: ``review``, ``stage``, ``entered_at`` and ``left_at`` (UTC, NaT: still there), one row per stay. A stay
            that ends before it begins counts as none.
        calendar: whose business hours count; None is the wall clock.
        groups: of each spell, with the index of ``spells``: a segment, or who the item is assigned to. That is the
            load which somebody was given, no measure of them; show the standardised review rate beside it.

    Returns:
        One row per group and stage, the longest wait first within a group: ``items`` that were there, ``open`` that
        still are, ``hours`` waited and ``share`` of the hours of all groups and stages (0 to 1; NaN without any).

    Source: METHODS 5.3.
    """
    left = spells["left_at"].fillna(pd.Timestamp(as_of))
    if calendar is None:
        hours = (left - spells["entered_at"]).dt.total_seconds() / 3600
    else:
        hours = calendar.hours_between(spells["entered_at"], left)
    names = pd.Series("all", index=spells.index) if groups is None else groups.reindex(spells.index)
    rows = spells.assign(hours=hours.clip(lower=0.0), group=names.astype("object"), open=spells["left_at"].isna())
    found = rows.groupby(["group", "stage"], dropna=False).agg(
        items=("review", "nunique"), open=("open", "sum"), hours=("hours", "sum")
    )
    table = found.reset_index()
    table["group"] = table["group"].astype("object").where(table["group"].notna(), None)
    total = table["hours"].sum()
    table["share"] = table["hours"] / total if total > 0 else float("nan")
    return table.sort_values(["group", "hours", "stage"], ascending=[True, False, True], ignore_index=True)[
        list(COLUMNS)
    ]

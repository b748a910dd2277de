"""What is said of sources that disagree, in words (METHODS 7.3)."""

from __future__ import annotations

import math
from collections.abc import Collection

from review_queue.confidence import STALE, Overlap
from review_queue.measures.source_records import ASSUMED, CLASS

FRESH = 0.5  #: freshness from which a statement is called fresh
NEARLY_ALL, NEARLY_NONE = 0.95, 0.05


def why(
    *, age: float, freshness: float, miss: float, value: float, rests_on: str, copies: Collection[Overlap] = ()
) -> str:
    """Why a source weighs what it weighs: "fresh (1 day) · misses by 8 % · independent".

    Args:
        age: days.
        freshness: 0 to 1.
        miss: its usual miss, in the unit of ``value``.
        rests_on: what the usual miss rests on, as in ``source_records``.
        copies: from whom it copies among those who speak here.
    """
    aged = "fresh" if freshness >= FRESH else "ageing" if freshness >= STALE else "stale"
    by = f"{miss / abs(value):.0%}".replace("%", " %") if value else "an unknown share"
    misses = {CLASS: f"misses by {by} elsewhere", ASSUMED: f"assumed to miss by {by}"}.get(rests_on, f"misses by {by}")
    repeats = " and ".join(f"{each.copies} ({each.share:.0%})".replace("%", " %") for each in copies)
    return f"{aged} ({days(age)}) · {misses} · {f'repeats {repeats}' if repeats else 'independent'}"


def doubt(confidence: float, asked: float) -> str:
    """Why the AI's value is not accepted at one press here."""
    return (
        f"its sources leave {confidence:.0%} confidence, and this workflow accepts the AI's value at one press from "
        f"{asked:.0%} on."
    ).replace("%", " %")


def days(age: float) -> str:
    """An age in days, in words."""
    whole = max(0, math.floor(age))
    return "today" if whole == 0 else f"{whole} day{'' if whole == 1 else 's'}"


def chance(confidence: float) -> str:
    """A confidence as people count: "about 9 in 10"."""
    if confidence >= NEARLY_ALL:
        return "more than 19 in 20"
    if confidence < NEARLY_NONE:
        return "less than 1 in 20"
    return f"about {min(9, max(1, round(confidence * 10)))} in 10"

"""When the AI's number is not shown: it is not there, too uncertain, too old, or somebody is to name theirs first.

What is hidden is taken out of the item before it leaves the action, so that no page can give it away.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.feeds import Fallback
from review_queue.items import OPEN_STATES, Band, Divergence, Item, Stage, Standing
from review_queue.showing import EVERYTHING, AiValues, Showing
from review_queue.workflows import Policy

WHY_NAME_FIRST = ("your number first", "then the AI's is shown")


class Withheld(StrEnum):
    """Why the AI's value is not shown, or not as one of today; what is decided then is marked degraded."""

    ABSENT = "absent"
    TOO_WIDE = "too_wide"
    TOO_OLD = "too_old"
    FEED_OUT = "feed_out"  #: its feed is late or failing
    LAST_VERSION = "last_version"  #: so is it here, and the value that came last is shown, as the policy says
    PAUSED = "paused"  #: the owner paused the AI's values
    ROLLED_BACK = "rolled_back"  #: shown is the value of the earlier model version that the owner went back to
    OTHER_VERSION = "other_version"  #: so is it here, and that version never forecast this item


#: The value is there and not shown.
HIDDEN = (Withheld.TOO_WIDE, Withheld.TOO_OLD, Withheld.FEED_OUT, Withheld.PAUSED, Withheld.OTHER_VERSION)
#: A value is shown, and it is not the one of today.
NOT_OF_TODAY = (Withheld.LAST_VERSION, Withheld.ROLLED_BACK)
#: Where the fallback takes the place of the AI's value.
_REPLACED = (Withheld.FEED_OUT, Withheld.ABSENT, Withheld.PAUSED, Withheld.OTHER_VERSION)


def withheld(
    facts: pd.DataFrame,
    policy: Policy,
    *,
    now: datetime,
    feed_is_out: bool = False,
    showing: Showing = EVERYTHING,
) -> NDArray[np.object_]:
    """Why each item's AI value is withheld: the text of a ``Withheld``, None where it is shown and of today.

    Args:
        facts: one row an item: ``ai``, ``ai_low``, ``ai_high`` (in the unit, NaN where unknown), ``ai_made_at`` (UTC).
            Where rolled back also ``ai_version``, and ``ai_is_newest``: whether no newer AI forecast came.
        policy: for ``withhold_width`` (a share of the value) and ``withhold_after_days``.
        now: UTC.
        feed_is_out: whether the feed is late or failing; then ``fallback`` of the policy counts.
        showing: which values the owner lets people see.
    """
    ai = facts["ai"].astype("float64")
    found = np.full(len(facts), None, dtype=object)
    if feed_is_out:
        shows_last = policy.fallback is Fallback.LAST_VERSION
        found[:] = (Withheld.LAST_VERSION if shows_last else Withheld.FEED_OUT).value
    if policy.withhold_after_days is not None:
        days = (pd.Timestamp(now) - pd.to_datetime(facts["ai_made_at"], utc=True)) / pd.Timedelta(days=1)
        found[(days > policy.withhold_after_days).to_numpy()] = Withheld.TOO_OLD.value
    if policy.withhold_width is not None:
        width = facts["ai_high"].astype("float64") - facts["ai_low"].astype("float64")
        found[(width > policy.withhold_width * ai.abs()).to_numpy()] = Withheld.TOO_WIDE.value
    if showing.only is not None:
        is_shown = pd.isna(found) | (found == Withheld.LAST_VERSION.value)
        found[is_shown & ~facts["ai_is_newest"].to_numpy(dtype=bool)] = Withheld.ROLLED_BACK.value
        found[(facts["ai_version"] != showing.only).to_numpy(dtype=bool)] = Withheld.OTHER_VERSION.value
    if showing.values is AiValues.PAUSED:
        found[:] = Withheld.PAUSED.value
    found[ai.isna().to_numpy()] = Withheld.ABSENT.value
    return found


def because(item: Item, policy: Policy, *, now: datetime) -> str:
    """Why the AI's value of a whole item is withheld, in a sentence; empty where it is not."""
    ai = item.ai
    if item.withheld == Withheld.TOO_WIDE and ai is not None and ai.low is not None and ai.high is not None:
        allowed = f"the {policy.withhold_width or 0:.0%} that this workflow allows"
        if not ai.value:
            return f"The AI's value is withheld: it is 0, and its range is wider than {allowed}."
        share = (ai.high - ai.low) / abs(ai.value)
        return f"The AI's value is withheld: its range is {share:.0%} of it, wider than {allowed}."
    if item.withheld == Withheld.TOO_OLD and ai is not None:
        days = (now - (ai.made_at or ai.received_at)).days
        return f"The AI's value is withheld: it is {days} days old, and {policy.withhold_after_days:g} are allowed."
    if item.withheld == Withheld.FEED_OUT:
        return "The AI's value is not shown: its feed is late or failing." + _instead(item, policy)
    if item.withheld == Withheld.LAST_VERSION:
        return "The AI's feed is late or failing: this is the last value that came."
    if item.withheld == Withheld.PAUSED:
        return "The AI's value is not shown: the workflow's owner paused it." + _instead(item, policy)
    if item.withheld == Withheld.ROLLED_BACK:
        return "The AI's values are rolled back: this is the value of an earlier model version."
    if item.withheld == Withheld.OTHER_VERSION:
        why = "the workflow is rolled back to an earlier model version, which never forecast this item."
        return f"The AI's value is not shown: {why}" + _instead(item, policy)
    return "No AI forecast came for this item." + _instead(item, policy) if item.withheld == Withheld.ABSENT else ""


def stands_in(item: Item, policy: Policy) -> bool:
    """Whether the naive forecast takes the place of the AI's value on this item."""
    return item.withheld in _REPLACED and policy.fallback is Fallback.NAIVE and item.stage is not Stage.SECOND


def _instead(item: Item, policy: Policy) -> str:
    return " The naive forecast stands in." if stands_in(item, policy) else ""


def is_named_first(item: Item) -> bool:
    """Whether whoever decides the item is to name a number of their own before the AI's is shown (METHODS 4.9)."""
    is_open = item.state in OPEN_STATES and item.stage is Stage.FIRST
    return is_open and item.human_first and item.divergence.flagged and item.withheld is None


def without_ai(item: Item) -> Item:
    """The item without the AI's value and all that gives it away."""
    nothing = Divergence(None, None, None, None, None, Band.NO_SCALE, outside_interval=False, flagged=False)
    return replace(item, ai=None, others=(), divergence=nothing)


def as_shown(item: Item, *, has_named: bool) -> Item:
    """The item as somebody sees it.

    Args:
        has_named: whether they have named a number of their own in this round.
    """
    if item.withheld in HIDDEN:
        return without_ai(item)
    if is_named_first(item) and not has_named:
        standing = Standing(item.standing.lane, item.standing.score, WHY_NAME_FIRST)
        return replace(without_ai(item), standing=standing, awaits_number=True)
    return item

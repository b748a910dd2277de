"""Second reviews: which decisions get one, what the second reviewer sees, and what follows (METHODS 4.9).

The second reviewer decides blind: neither the AI's value nor the first decision is shown. Where the two agree, the
second value stands; where they differ, somebody one level up the ladder, who sees both, settles it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from review_queue.items import Item, Stage, Standing, State, Verdict
from review_queue.rules import TOP_LEVEL
from review_queue.withholding import without_ai
from review_queue.workflows import Policy

WHY = ("second review", "decided once, by somebody else")


def follow_up(verdict: Verdict, item: Item, policy: Policy, *, key: str, first_value: float | None) -> Verdict:
    """The verdict with what second reviews make of it: one that does not end the review yet goes back to the queue.

    Args:
        key: the idempotency key of the choice, whose bits draw the random share.
        first_value: in the second stage, the final value of the first.
    """
    if not verdict.outcome.is_final or verdict.final_value is None:
        return verdict
    if item.stage is Stage.FIRST and is_wanted(verdict, item, policy, key=key):
        return replace(verdict, next_state=State.READY, next_stage=Stage.SECOND)
    if item.stage is Stage.SECOND and not agree(verdict.final_value, first_value, policy.tolerance):
        up = min(item.level + 1, TOP_LEVEL)
        return replace(verdict, next_state=State.READY, next_stage=Stage.SETTLING, next_level=up)
    return verdict


def is_wanted(verdict: Verdict, item: Item, policy: Policy, *, key: str) -> bool:
    """Whether a first decision gets a second: by its value in money, or by the draw."""
    above = policy.second_review_above
    money = abs(verdict.final_value or 0.0) * item.value_per_unit
    return (above is not None and money > above) or draw(key) < policy.second_review_share


def draw(key: str) -> float:
    """A number from 0 to 1, evenly spread over random keys, and the same for the same key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def agree(second: float, first: float | None, tolerance: float) -> bool:
    """Whether two final values are the same within ``tolerance``, a share of the larger."""
    return first is not None and abs(second - first) <= tolerance * max(abs(second), abs(first))


def blinded(item: Item) -> Item:
    """The item as a second reviewer sees it: without the AI's value and all that gives it away."""
    if item.stage is not Stage.SECOND:
        return item
    return replace(without_ai(item), standing=Standing(item.standing.lane, item.standing.score, WHY))

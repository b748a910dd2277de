"""Check items: a known-wrong AI value, shown to one person in place of the real one, and then told (METHODS 4.8).

A check lies over a real item and never becomes a decision: the person is told at once, and decides the item itself
with the AI's own value. So nothing of it can reach a total, an export, a webhook or an actual.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pandas as pd

from review_queue.divergence import BAND_STARTS
from review_queue.items import Band, Choice, Divergence, Forecast, Item, Lane, Stage, Standing
from review_queue.priority import gap_words
from review_queue.rules import is_override
from review_queue.second_review import draw
from review_queue.workflows import Policy

#: Usual misses that a planted value lies away from the real one, at least.
FAR_ENOUGH = 3.0
TEN = 10.0


class Flaw(StrEnum):
    """What is wrong with a planted value."""

    UNIT = "unit"
    SIGN = "sign"
    STALE = "stale"
    SEGMENT = "segment"


#: What the reviewer is told, with the planted and the real value between.
TOLD = {
    Flaw.UNIT: "a unit error",
    Flaw.SIGN: "a turned sign",
    Flaw.STALE: "the value of an earlier season",
    Flaw.SEGMENT: "the value of another segment",
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A wrong value in place of the AI's."""

    flaw: Flaw
    value: float  #: in the workflow's unit, as the interval
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """How somebody met a check item."""

    planted: Planted
    true_value: float  #: the AI's own, in the workflow's unit
    is_caught: bool


def is_due(item: Item, *, person_id: int, share: float) -> bool:
    """Whether a check is to be planted on an item that this person takes up: drawn, and possible here.

    Args:
        share: of the items that are taken up, 0 to 1. The draw is the same for the same item, round and person.
    """
    is_plain = item.stage is Stage.FIRST and item.withheld is None and not item.human_first and item.stale_at is None
    if not is_plain or item.ai is None or item.divergence.scale is None:
        return False
    return draw(f"check {item.id} {item.round} {person_id}") < share


def plant(item: Item, *, stale: float | None, elsewhere: float | None) -> Planted | None:
    """A value that is surely wrong, drawn among the flaws that make one here; None where none does.

    Args:
        stale: the AI's value, or what came true, one season earlier.
        elsewhere: the AI's value of the same period in another segment.
    """
    ai, scale = item.ai, item.divergence.scale
    if ai is None or not scale:
        return None
    made = [planted for planted in _flawed(ai, stale, elsewhere) if abs(planted.value - ai.value) >= FAR_ENOUGH * scale]
    return made[int(draw(f"flaw {item.id} {item.round}") * len(made))] if made else None


def _flawed(ai: Forecast, stale: float | None, elsewhere: float | None) -> Sequence[Planted]:
    larger = draw(f"larger {ai.id}") < 0.5
    factor = TEN if larger else 1 / TEN
    made = [
        Planted(Flaw.UNIT, ai.value * factor, _times(ai.low, factor), _times(ai.high, factor)),
        Planted(Flaw.SIGN, -ai.value, _times(ai.high, -1), _times(ai.low, -1)),
    ]
    for flaw, value in ((Flaw.STALE, stale), (Flaw.SEGMENT, elsewhere)):
        if value is not None:
            shift = value - ai.value
            made.append(Planted(flaw, value, _plus(ai.low, shift), _plus(ai.high, shift)))
    return made


def as_planted(item: Item, planted: Planted, policy: Policy) -> Item:
    """The item as it is shown while the check lies over it: all that follows from the AI's value follows from this one.

    Its content hash is another, so that no choice that was made on it can pass for one on the item itself.
    """
    if item.ai is None:
        return item
    shown = replace(item.ai, value=planted.value, low=planted.low, high=planted.high)
    gap = _divergence(item, shown, policy)
    lane = Lane.JUDGEMENT if gap.flagged and item.standing.lane is Lane.ROUTINE else item.standing.lane
    why = (*_why(item, shown, gap, policy), *item.standing.why[2:])
    seen = f"{item.content_hash} {planted.flaw} {planted.value!r}"
    return replace(
        item,
        ai=shown,
        divergence=gap,
        standing=Standing(lane, item.standing.score, why),
        content_hash=hashlib.sha256(seen.encode()).hexdigest(),
    )


def is_caught(choice: Choice, item: Item, final: float | None) -> bool:
    """Whether a choice on a planted item did not let its value through. ``final``: the value it comes to, if any."""
    return not choice.outcome.is_final or (
        final is not None and is_override(final, item.ai.value if item.ai else None, item.tolerance)
    )


def _divergence(item: Item, shown: Forecast, policy: Policy) -> Divergence:
    manual, scale = item.manual.value if item.manual else None, item.divergence.scale
    if manual is None or scale is None:
        return item.divergence
    gap = manual - shown.value
    u, money, is_opposite = gap / scale, gap * item.value_per_unit, manual * shown.value < 0
    band = Band.OPPOSITE if is_opposite else _band(abs(u))
    outside = any(
        (shown.low is not None and manual < shown.low, shown.high is not None and manual > shown.high),
    )
    size = abs(manual) + abs(shown.value)
    flagged = item.divergence.flagged or is_opposite or abs(u) >= policy.flag_at
    return Divergence(gap, money, scale, u, 2 * gap / size if size else 0.0, band, outside, flagged)


def _band(distance: float) -> Band:
    bands = (Band.AGREE, Band.MINOR, Band.NOTABLE, Band.LARGE, Band.EXTREME)
    return bands[sum(distance >= start for start in BAND_STARTS)]


def _why(item: Item, shown: Forecast, gap: Divergence, policy: Policy) -> tuple[str, str]:
    facts = pd.DataFrame(
        {
            "u": [gap.u],
            "gap": [gap.gap],
            "money": [gap.money],
            "value_per_unit": [item.value_per_unit],
            "band": [gap.band.value],
            "has_ai": [True],
            "has_manual": [item.manual is not None],
            "ai": [shown.value],
            "manual": [item.manual.value if item.manual else None],
        }
    )
    return gap_words(facts, policy)[0]


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _plus(value: float | None, shift: float) -> float | None:
    return None if value is None else value + shift

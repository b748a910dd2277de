"""From which gap on items should be flagged, so that people have time for all that is (METHODS 2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from review_queue.items import Band
from review_queue.measures.facts import numbers, texts, truths
from review_queue.measures.latency import SHOWN_FROM, TAIL_CONCLUDED_FROM

WEEKS = 8  #: whose items are counted; below so many weeks of record nothing is said
SPARED = 0.8  #: share of the capacity that flags may take: the rest is for Routine and for busy weeks
STEPS = 100  #: a threshold is told in hundredths of a usual miss


@dataclass(frozen=True, slots=True)
class Threshold:
    """What the threshold flags in a week, and the one that fits the capacity. All counts are of items a week."""

    weeks: float  #: of record, at most ``WEEKS``
    n: int  #: items of those weeks whose gap is measured in usual misses
    capacity: float  #: that people can review
    flag_at: float  #: usual misses; the threshold in force
    flags: float  #: with it
    share: float  #: of what came in, 0 to 1
    fitting: float  #: usual misses; 0: every gap; infinite: none, since ``always`` is too much
    fitting_flags: float
    fitting_share: float
    always: float  #: flagged whatever the threshold: opposite signs, a missing forecast, no scale
    is_bound: bool  #: ``fitting_flags`` is the most that it can be: which smaller gaps are material is not known

    @property
    def is_told(self) -> bool:
        return self.weeks >= WEEKS and self.n >= SHOWN_FROM

    @property
    def has_time(self) -> bool:
        """Whether the threshold in force leaves time enough."""
        return self.flags <= SPARED * self.capacity


def threshold_to_capacity(
    reviews: pd.DataFrame, *, as_of: datetime, capacity: float, flag_at: float, materiality: float | None = None
) -> Threshold:
    """The quantile of ``|u|`` over the last 8 weeks above which no more is flagged than 0.8 × capacity.

    It is told from 20 measured gaps on and concluded from at 100, as METHODS 9 has it for a P85, which such a threshold
    is; and not before 8 weeks of record, since items come in by the month.

    Args:
        reviews: live items with ``created_at`` (UTC), ``u``, ``band`` and ``flagged``, ``ai``, ``manual`` and
            ``value_per_unit``. Those whose flag is unknown, such as past reviews, do not count.
        capacity: items that people can review in a week.
        flag_at: the threshold in force, in usual misses.
        materiality: money from which a gap is flagged. Where it is unknown, an item is as material as its flag says,
            and one below ``flag_at``, where the flag says nothing, is taken for material.

    Source: METHODS 2.2.
    """
    known = reviews[reviews["flagged"].notna()] if "flagged" in reviews else reviews.iloc[:0]
    age = pd.Timestamp(as_of) - known["created_at"]
    watched = age.max() / timedelta(weeks=1) if len(known) else 0.0
    lately = known[age <= timedelta(weeks=WEEKS)]
    distance = numbers(lately, "u").abs()
    is_measured = distance.notna() & (texts(lately, "band") != Band.OPPOSITE)
    sizes = distance[is_measured & _is_material(lately, distance, flag_at, materiality)].to_numpy()
    always = int((truths(lately, "flagged") & ~is_measured).sum())
    fitting = _fitting(sorted(sizes, reverse=True), int(SPARED * capacity * WEEKS) - always)
    flags, fitted = always + int((sizes >= flag_at).sum()), always + int((sizes >= fitting).sum())
    came = max(len(lately), 1)
    return Threshold(
        weeks=min(float(watched), WEEKS),
        n=int(is_measured.sum()),
        capacity=capacity,
        flag_at=flag_at,
        flags=flags / WEEKS,
        share=flags / came,
        fitting=fitting,
        fitting_flags=fitted / WEEKS,
        fitting_share=fitted / came,
        always=always / WEEKS,
        is_bound=materiality is None and fitting < flag_at,
    )


def in_words(found: Threshold) -> str:
    """What the threshold in force asks of people, and what would fit, in two sentences."""
    if found.weeks < WEEKS:
        return f"Threshold: can't tell yet, {found.weeks:.0f} of {WEEKS} weeks of record needed."
    if found.n < SHOWN_FROM:
        return f"Threshold: can't tell yet, {found.n} of {SHOWN_FROM} measured gaps in the last {WEEKS} weeks needed."
    early = "" if found.n >= TAIL_CONCLUDED_FROM else f" To conclude takes {TAIL_CONCLUDED_FROM} measured gaps."
    now = (
        f"At your threshold of {found.flag_at:g} × usual miss {_a_week(found.flags)} are flagged ({found.share:.0%} of "
        f"what came in over the last {WEEKS} weeks), for a capacity of {found.capacity:,.0f}."
    )
    return f"{now} {_fit(found)}{early}"


def _fit(found: Threshold) -> str:
    if math.isinf(found.fitting):
        return (
            f"No threshold would fit: {_a_week(found.always)} are flagged whatever it is, for opposite signs, a "
            "missing forecast or no scale."
        )
    most = "at most " if found.is_bound else ""
    if found.fitting == 0:
        return f"There is time for every gap, {most}{_a_week(found.fitting_flags)}."
    top = f"the top {found.fitting_share:.0%}, from {found.fitting:g} × usual miss on"
    if found.has_time:
        return f"There is time for {top}: {most}{_a_week(found.fitting_flags)}."
    return f"Flagging {top}, would give {_a_week(found.fitting_flags)} and keep a fifth of the time for the rest."


def _a_week(count: float) -> str:
    return f"{count:,.0f} a week" if count >= 10 or count == 0 else f"{count:.1f} a week"


def _is_material(lately: pd.DataFrame, distance: pd.Series, flag_at: float, materiality: float | None) -> pd.Series:
    if materiality is None:
        return truths(lately, "flagged") | (distance < flag_at)
    worth = numbers(lately, "value_per_unit").fillna(1.0)
    return ((numbers(lately, "manual") - numbers(lately, "ai")) * worth).abs() >= materiality


def _fitting(sizes: list[float], room: int) -> float:
    """The least threshold, in hundredths, that at most ``room`` of ``sizes`` (largest first) reach."""
    if room < 0:
        return math.inf
    if room >= len(sizes):
        return 0.0
    # Just above the first that has no room, so that equal gaps fall on the same side.
    return (math.floor(sizes[room] * STEPS) + 1) / STEPS

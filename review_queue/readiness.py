"""The readiness check: what a workflow is asked before people review in it, and what was found.

Somebody must own it. The rest is advice, unless the policy says ``readiness = "strict"``: then all of it must pass
before the owner can open the workflow for review.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from review_queue.measures.threshold import SPARED
from review_queue.workflows import Policy, ReadinessLevel

#: The volume is counted over so many weeks.
WEEKS = 8
#: A usual miss can be told of a series with so many past actuals.
ACTUALS = 8
#: Of the series, how many must have that many.
KNOWN_SHARE = 0.5


class Criterion(StrEnum):
    """What the check is about."""

    OWNERSHIP = "ownership"
    DEFINITION = "definition"
    DATA = "data"
    VOLUME = "volume"
    REVERSIBILITY = "reversibility"
    BASELINE = "baseline"
    MONITORING = "monitoring"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is counted of a workflow for the check."""

    ai_items: int = 0  #: that an AI forecast ever came for
    ai_series: int = 0  #: of them
    known_series: int = 0  #: of those, with at least ``ACTUALS`` past actuals
    past_reviews: int = 0
    naive_items: int = 0  #: that a naive forecast came for
    weeks: float = 0.0  #: since the first item came, at most ``WEEKS``
    flagged: int = 0  #: items of those weeks that are worth a judgement
    reviewers: int = 0  #: people who may review here


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the readiness check asks of a workflow."""

    name: str
    criterion: Criterion
    asked: str  #: the question
    ok: bool
    is_required: bool  #: without it the workflow does not open for review
    sentence: str  #: what is there, or what to do

    @property
    def state(self) -> str:
        return "pass" if self.ok else "fail" if self.is_required else "advice"


def assess(policy: Policy, facts: Facts) -> tuple[Check, ...]:
    """Every check, in the order in which a workflow is set up."""
    is_strict = policy.readiness is ReadinessLevel.STRICT
    found = []
    for name, criterion, asked, look in _CHECKS:
        ok, sentence = look(policy, facts)
        found.append(Check(name, criterion, asked, ok, is_strict or name == "owner", sentence))
    return tuple(found)


def _owner(policy: Policy, facts: Facts) -> tuple[bool, str]:
    return _either(policy.owner is not None, "The owner is named.", "Name an owner in the policy.")


def _deputy(policy: Policy, facts: Facts) -> tuple[bool, str]:
    missing = "Name a deputy, so that alerts reach somebody in holidays."
    return _either(policy.deputy is not None, "The deputy is named.", missing)


def _purpose(policy: Policy, facts: Facts) -> tuple[bool, str]:
    missing = "Write in purpose which decision these forecasts are for."
    return _either(policy.purpose.strip(), f"{policy.purpose.strip()}", missing)


def _materiality(policy: Policy, facts: Facts) -> tuple[bool, str]:
    missing = f"Set materiality, or a gap matters from {policy.materiality_share:.1%} of its parent segment."
    told = "" if policy.materiality is None else f"A gap matters from {policy.materiality:g} {policy.unit}."
    return _either(told, told, missing)


def _scope(policy: Policy, facts: Facts) -> tuple[bool, str]:
    missing = "List in [scope] what the AI was validated for, or any segment is taken."
    if not policy.segments:
        missing = "Name segments, and list in [scope] what the AI was validated for, or any series is taken."
    return _either(policy.scope, "What it covers is listed; anything else is set aside.", missing)


def _forecasts(policy: Policy, facts: Facts) -> tuple[bool, str]:
    here = f"AI forecasts of {_count(facts.ai_items, 'item')} in {facts.ai_series:,} series have come."
    return _either(facts.ai_items, here, "Import forecasts: the AI has said nothing here yet.")


def _history(policy: Policy, facts: Facts) -> tuple[bool, str]:
    share = facts.known_series / facts.ai_series if facts.ai_series else 0.0
    here = f"{facts.known_series:,} of {facts.ai_series:,} series have at least {ACTUALS} past actuals."
    missing = "Import history: a usual miss is worked out from past actuals, and half of the series should have them."
    return _either(share >= KNOWN_SHARE, here, f"{here} {missing}")


def _volume(policy: Policy, facts: Facts) -> tuple[bool, str]:
    if facts.weeks <= 0:
        return False, "Import forecasts: what comes in during a week cannot be counted yet."
    weeks = max(facts.weeks, 1.0)
    needed = facts.flagged / weeks * policy.review_minutes / 60
    asked = f"About {facts.flagged / weeks:.3g} items a week are flagged, {_hours(needed)} of review."
    if facts.reviewers == 0:
        return False, f"{asked} Nobody may review here: give somebody the role."
    if policy.reviewer_hours is None:
        return False, f"{asked} Set reviewer_hours, the hours of a working day that one reviewer has for it."
    there = facts.reviewers * policy.reviewer_hours * len(policy.calendar.weekdays)
    found = f"{asked} {_count(facts.reviewers, 'person')} who may review have {_hours(there)}."
    spared = f"More than {SPARED:.0%} of that is too much: raise flag_at, or ask for more time."
    return _either(needed <= SPARED * there, found, f"{found} {spared}")


def _reversibility(policy: Policy, facts: Facts) -> tuple[bool, str]:
    missing = "Write in reversibility how a wrong decision is undone, until when, or that it cannot be."
    return _either(policy.reversibility.strip(), policy.reversibility.strip(), missing)


def _fallback(policy: Policy, facts: Facts) -> tuple[bool, str]:
    told = ""
    if policy.feed_late_hours is not None:
        told = f"Without an AI forecast for {policy.feed_late_hours:g} hours the fallback counts: {policy.fallback}."
    return _either(told, told, "Set feed_late_hours and fallback, so that nobody waits for an AI that is away.")


def _baseline(policy: Policy, facts: Facts) -> tuple[bool, str]:
    there = []
    if facts.past_reviews:
        there.append(f"{_count(facts.past_reviews, 'past review')} imported")
    if facts.naive_items:
        there.append(f"naive forecasts of {_count(facts.naive_items, 'item')}")
    elif facts.known_series:
        there.append(f"last year's actuals of {facts.known_series:,} series as the naive forecast")
    data = "There is nothing to measure against yet: import past reviews or history."
    if there:
        data = f"To measure against: {', '.join(there)}."
    text = policy.baseline.strip()
    missing = "Write in baseline what the AI and its review are measured against."
    return _either(text and there, f"{text} {data}", data if text else f"{missing} {data}")


def _monitoring(policy: Policy, facts: Facts) -> tuple[bool, str]:
    rule = next((rule for rule in policy.alerts if rule.measure == policy.monitoring), None)
    if rule is None:
        return False, "Name in monitoring one measure of [[alerts]]: what says that the AI no longer works here."
    sides = (("below", rule.below), ("above", rule.above))
    limits = " or ".join(f"{side} {limit:g}" for side, limit in sides if limit is not None)
    return True, f"{rule.measure} is watched; {limits} raises an alert."


_CHECKS: tuple[tuple[str, Criterion, str, Callable[[Policy, Facts], tuple[bool, str]]], ...] = (
    ("owner", Criterion.OWNERSHIP, "Does somebody own it?", _owner),
    ("deputy", Criterion.OWNERSHIP, "Does somebody stand in for the owner?", _deputy),
    ("purpose", Criterion.DEFINITION, "Is it said what the forecasts are for?", _purpose),
    ("materiality", Criterion.DEFINITION, "Is it said which gap matters?", _materiality),
    ("scope", Criterion.DEFINITION, "Is it said what it covers?", _scope),
    ("forecasts", Criterion.DATA, "Does the AI forecast here?", _forecasts),
    ("history", Criterion.DATA, "Is enough of the past known to judge it by?", _history),
    ("volume", Criterion.VOLUME, "Do people have the time for what is flagged?", _volume),
    ("reversibility", Criterion.REVERSIBILITY, "Is it said how a wrong decision is undone?", _reversibility),
    ("fallback", Criterion.REVERSIBILITY, "Can work go on without the AI?", _fallback),
    ("baseline", Criterion.BASELINE, "Is there something to measure it against?", _baseline),
    ("monitoring", Criterion.MONITORING, "Is one measure watched that says whether it still works?", _monitoring),
)


def _either(is_there: object, here: str, missing: str) -> tuple[bool, str]:
    return (True, here) if is_there else (False, missing)


def _count(number: int, thing: str) -> str:
    plural = "people" if thing == "person" else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"


def _hours(hours: float) -> str:
    return f"{hours:.3g} hours"

"""Alerts: a threshold of a workflow's policy, what passes it, and what is said of it. No database, no clock.

An alert is about the work and never about a person. A rate raises one only when its whole interval lies beyond the
limit: what cannot be told yet is no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from review_queue.incidents import Severity

#: Evidence grows without end; beyond this its size says nothing more.
LARGEST_TOLD = 10_000


class Watched(StrEnum):
    """What a threshold can be set on."""

    OVERDUE = "overdue"
    OLDEST_HOURS = "oldest_hours"
    P85_HOURS = "p85_hours"
    OVERRIDE_RATE = "override_rate"
    AI_COVERAGE = "ai_coverage"
    AI_EVIDENCE = "ai_evidence"
    AI_FEED_HOURS = "ai_feed_hours"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a watched measure reads."""

    title: str
    unit: str  #: behind a number; "%" for shares, which are held as 0 to 1
    page: str  #: the file of the screen that shows it, without its ending


KINDS = {
    Watched.OVERDUE: Kind("Items past their deadline", "items", "ageing"),
    Watched.OLDEST_HOURS: Kind("The oldest open item", "h", "ageing"),
    Watched.P85_HOURS: Kind("Time by which 85 in 100 are decided", "h", "ageing"),
    Watched.OVERRIDE_RATE: Kind("The override rate of four weeks", "%", "overrides"),
    Watched.AI_COVERAGE: Kind("Actuals inside the AI's range", "%", "ai_health"),
    Watched.AI_EVIDENCE: Kind("Evidence that the AI does worse than the naive forecast", "", "ai_health"),
    Watched.AI_FEED_HOURS: Kind("Time since the AI's last forecast came", "h", "ai_health"),
}


class AlertRule(BaseModel):
    """A threshold of a workflow: one side or both, and how soon its owner is to answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: Watched
    above: float | None = None
    below: float | None = None
    answer_hours: Annotated[float, Field(gt=0, le=10_000)] = 16  #: business hours from the alert to an explanation
    opens_incident: Severity | None = None  #: how grave; None: a person opens one, or nobody does

    @model_validator(mode="after")
    def _has_a_limit(self) -> AlertRule:
        if self.above is None and self.below is None:
            raise ValueError("an alert needs a limit: above, below, or both")
        if self.above is not None and self.below is not None and self.below >= self.above:
            raise ValueError("below must be less than above")
        return self


@dataclass(frozen=True, slots=True)
class Reading:
    """A watched measure as it is now. Without an interval, both ends are the value."""

    value: float
    low: float
    high: float
    n: int  #: what it was worked out from

    @classmethod
    def of(cls, value: float, n: int) -> Reading:
        """A measure that is counted and has no interval."""
        return cls(value, value, value, n)


def passed(rule: AlertRule, reading: Reading | None) -> float | None:
    """The limit that the reading lies beyond with all of its interval; None while it does not, or cannot be told."""
    if reading is None:
        return None
    if rule.above is not None and reading.low > rule.above:
        return rule.above
    if rule.below is not None and reading.high < rule.below:
        return rule.below
    return None


def sentence(rule: AlertRule, reading: Reading, limit: float) -> str:
    """What is said of a threshold that was passed."""
    kind = KINDS[rule.measure]
    side = "above" if reading.value > limit else "below"
    return f"{kind.title}: {measured(reading, kind)}, {side} the limit of {in_unit(limit, kind)}."


def measured(reading: Reading, kind: Kind) -> str:
    """A reading with its unit, and its interval where it has one."""
    value = in_unit(reading.value, kind)
    if reading.low == reading.high:
        return value
    return f"{value} (95 % interval {in_unit(reading.low, kind)} to {in_unit(reading.high, kind)}, n = {reading.n:,})"


def in_unit(value: float, kind: Kind) -> str:
    """A value of this kind with its unit."""
    if kind.unit == "%":
        return f"{100 * value:.1f} %"
    if not kind.unit and value > LARGEST_TOLD:
        return f"over {LARGEST_TOLD:,}"
    unit = kind.unit.rstrip("s") if f"{value:,.0f}" == "1" else kind.unit
    return f"{value:,.0f} {unit}".rstrip()

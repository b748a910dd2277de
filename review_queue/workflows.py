"""What a workflow is: its policy, as its owner writes it in a TOML file, and whether it may open for review."""

from __future__ import annotations

import re
import tomllib
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from review_queue.alerting import AlertRule, Watched
from review_queue.confidence import ASSUMED_MISS, LARGEST_SHARE, Overlap
from review_queue.errors import WorkflowInvalid
from review_queue.escalation import Step, check_ladder
from review_queue.feeds import Fallback
from review_queue.masking import FieldClass, Tightened, Treatment
from review_queue.roles import Role
from review_queue.small_groups import SMALLEST


class ReadinessLevel(StrEnum):
    """How much of the readiness check must pass before review opens."""

    OWNED = "owned"  #: that somebody owns the workflow; the rest is advice
    STRICT = "strict"  #: all of it, and the owner opens the workflow


class CalendarPolicy(BaseModel):
    """When people work: what business hours are counted by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_hour: Annotated[float, Field(ge=0, lt=24)] = 9
    end_hour: Annotated[float, Field(gt=0, le=24)] = 17
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)  #: Monday is 0
    country: str | None = None  #: ISO code; its public holidays are closed
    subdivision: str | None = None
    closed: tuple[str, ...] = ()  #: further closed days, ISO dates

    @model_validator(mode="after")
    def _in_order(self) -> CalendarPolicy:
        if self.end_hour <= self.start_hour:
            raise ValueError("the working day must end after it starts")
        if not self.weekdays or not set(self.weekdays) <= set(range(7)):
            raise ValueError("weekdays are numbers from 0 (Monday) to 6, at least one")
        return self


class ModelCard(BaseModel):
    """What the workflow's owner says of the AI, beside what the workbench measures of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uses: str = ""  #: the data that it forecasts from
    good_at: str = ""
    weak_at: str = ""  #: where it has been wrong, and what it cannot see
    override_when: str = ""


class OverlapPolicy(BaseModel):
    """One source that repeats part of what another says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Annotated[str, Field(min_length=1)]  #: the one that copies: ``ai``, ``manual``, or a source's name
    copies: Annotated[str, Field(min_length=1)]  #: the one that it copies from
    share: Annotated[float, Field(gt=0, le=1)]  #: how much of it is the same

    @model_validator(mode="after")
    def _of_another(self) -> OverlapPolicy:
        if self.source == self.copies:
            raise ValueError("a source does not copy from itself; name two")
        return self


class SourcesPolicy(BaseModel):
    """How sources that disagree about an item are weighed (METHODS 7)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attribute: Annotated[str, Field(min_length=1, max_length=100)] = (
        "forecast"  #: what is reviewed here, in their words
    )
    half_life_days: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)  #: by source
    assumed_miss: Annotated[float, Field(gt=0, le=1)] = ASSUMED_MISS  #: share of the value, until a record is there
    largest_share: Annotated[float, Field(ge=0.5, le=1)] = LARGEST_SHARE  #: of the weight, of one source beside others
    overlaps: tuple[OverlapPolicy, ...] = ()
    one_key_from: Annotated[float, Field(gt=0, lt=1)] | None = None  #: confidence below which *Accept AI* needs a word

    @property
    def copied(self) -> tuple[Overlap, ...]:
        return tuple(Overlap(each.source, each.copies, each.share) for each in self.overlaps)


class Policy(BaseModel):
    """One version of a workflow's policy. Only ``key``, ``title`` and ``unit`` are required."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, Field(min_length=1, max_length=100)]
    title: Annotated[str, Field(min_length=1, max_length=400)]
    unit: Annotated[str, Field(min_length=1, max_length=100)]
    purpose: str = ""
    timezone: str = "UTC"
    currency: str | None = None  #: forecasts in another currency are set aside
    segments: tuple[str, ...] = ()  #: levels, outermost first
    owner: str | None = None
    deputy: str | None = None
    reversibility: str = ""  #: how a wrong decision is undone, or that it cannot be
    baseline: str = ""  #: what the AI and the review of it are measured against
    monitoring: Watched | None = None  #: the measure, one of ``alerts``, that says whether the AI still works here
    readiness: ReadinessLevel = ReadinessLevel.OWNED
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.01  #: share of the AI's value
    materiality: Annotated[float, Field(gt=0)] | None = None  #: in the unit; None: a share of the parent's AI total
    materiality_share: Annotated[float, Field(gt=0, lt=1)] = 0.005  #: of the parent segment's AI total
    flag_at: Annotated[float, Field(gt=0)] = 1.28  #: usual misses
    sla_hours: Annotated[float, Field(gt=0)] = 16  #: business hours
    lead_hours: Annotated[float, Field(gt=0)] = 40  #: business hours before a deadline in which it presses
    review_minutes: Annotated[float, Field(gt=0)] = 15  #: expected, for one item
    reviewer_hours: Annotated[float, Field(gt=0, le=24)] | None = None  #: a working day, that one reviewer has for it
    audit_share: Annotated[float, Field(ge=0, le=1)] = 0.05  #: of Routine items judged all the same, unmarked
    claim_minutes: Annotated[int, Field(ge=1, le=120)] = 15
    wip_limit: Annotated[int, Field(ge=1, le=50)] = 3  #: items that one person may hold; a further claim gives one back
    assigned_limit: Annotated[int, Field(ge=1)] = 100  #: open items that may be assigned to one person
    batch_cap: Annotated[int, Field(ge=2, le=100)] = 25  #: Routine items confirmed at once
    batch_looks: Annotated[float, Field(gt=0, le=1)] = 0.1  #: share of a batch, at least 2, opened for a real look
    second_review_share: Annotated[float, Field(ge=0, le=1)] = 0  #: of first decisions, drawn at random
    second_review_above: Annotated[float, Field(ge=0)] | None = None  #: final values, in money, beyond this: always
    human_first_share: Annotated[float, Field(ge=0, le=1)] = 0  #: of flagged items: decided human first
    check_share: Annotated[float, Field(ge=0, le=0.2)] = 0  #: of items taken up: a known-wrong AI value first
    #: Whether people's decisions are compared, each seen by the person first; off until the owner turns it on.
    person_level: bool = False
    smallest_group: Annotated[int, Field(ge=2, le=100)] = SMALLEST  #: people of whom figures are shown as of a group
    #: Width of the AI's interval as a share of its value, and age of its value, beyond which it is not shown.
    withhold_width: Annotated[float, Field(gt=0)] | None = None
    withhold_after_days: Annotated[float, Field(gt=0)] | None = None
    feed_late_hours: Annotated[float, Field(gt=0)] | None = None  #: without a new AI forecast; then the feed is late
    fallback: Fallback = Fallback.NONE  #: what stands in for the AI's value while its feed is out
    model_card: ModelCard = ModelCard()
    alerts: tuple[AlertRule, ...] = ()  #: one for a measure
    escalation: tuple[Step, ...] = ()  #: the ladder, in its order; empty: nothing goes up by itself
    sources: SourcesPolicy = SourcesPolicy()
    #: Field class → role → ``masked`` or ``left out``, where that is more than ``masking.TABLE`` hides.
    masking: dict[FieldClass, dict[Role, Literal["masked", "left out"]]] = Field(default_factory=dict)
    undo_seconds: Annotated[int, Field(ge=0, le=3600)] = 60
    calendar: CalendarPolicy = CalendarPolicy()
    scope: dict[str, tuple[str, ...]] = Field(default_factory=dict)  #: level -> the segments covered

    @field_validator("key")
    @classmethod
    def _plain_key(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value):
            raise ValueError("use lower-case letters, digits, - and _, starting with a letter or digit")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)  # kept by its class; listing all the zones would read the disk each time
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a time zone; write it like Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _levels_match(self) -> Policy:
        if len(set(self.segments)) != len(self.segments):
            raise ValueError("segments: a level is named twice")
        if len({rule.measure for rule in self.alerts}) != len(self.alerts):
            raise ValueError("alerts: a measure is named twice; give it both limits at once")
        check_ladder(self.escalation)
        if self.monitoring is not None and self.monitoring not in {rule.measure for rule in self.alerts}:
            raise ValueError(f"monitoring names {self.monitoring}; add [[alerts]] with this measure and its limit")
        unknown = set(self.scope) - set(self.segments)
        if unknown:
            raise ValueError(f"scope names levels that segments does not: {', '.join(sorted(unknown))}")
        return self

    @property
    def tightened(self) -> Tightened:
        return {
            field_class: {role: Treatment.of(word) for role, word in roles.items()}
            for field_class, roles in self.masking.items()
        }

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def missing_for_review(self) -> tuple[str, ...]:
        """What the readiness check still asks for; empty when review may open."""
        return () if self.owner else ("it has no owner",)


def parse_policy(toml: str, *, name: str = "the file") -> Policy:
    """The policy in a workflow file.

    Raises:
        WorkflowInvalid: with every problem named, field by field.
    """
    try:
        fields = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise WorkflowInvalid(f"{name} is not valid TOML: {error}.") from error
    return policy_of(fields, name=name)


def policy_of(fields: dict[str, Any], *, name: str = "the policy") -> Policy:
    """The policy in a mapping, as ``parse_policy`` reads it and the database keeps it."""
    try:
        return Policy.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'file'}: {_in_words(problem['type'], problem['msg'])}"
            for problem in error.errors()
        )
        raise WorkflowInvalid(f"{name} cannot be taken: {problems}.") from error


def _in_words(kind: str, message: str) -> str:
    words = {"extra_forbidden": "there is no such setting", "missing": "it is required"}
    return words.get(kind, message.removeprefix("Value error, "))

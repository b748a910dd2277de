"""The escalation ladder: steps of a workflow's policy, and when each of them acts on an item. No database, no clock.

A step acts on an item once a round: it tells somebody, puts the item before a higher step of review, or gives it to
whoever stands in for the one who is away. No step decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from review_queue.items import Band
from review_queue.roles import REVIEW_LEVEL, Role

if TYPE_CHECKING:
    from review_queue.calendars import BusinessCalendar


class Since(StrEnum):
    """What a step's business hours are counted from."""

    DUE = "due"
    CREATED = "created"
    LAST_STEP = "last_step"  #: since the step before it acted on the item in this round


class When(StrEnum):
    """What else must be so. Of several, all must."""

    OVERDUE = "overdue"
    UNCLAIMED = "unclaimed"  #: nobody has it in hand
    EXTREME = "extreme"  #: the band of its gap
    MONEY = "money"  #: the gap in money, either way, is more than ``money_above``
    EXPIRED = "expired"  #: ``expired_times`` claims ran out, one after another
    RETURNED = "returned"  #: sent back ``returned_times`` times in this round


class Does(StrEnum):
    """What a step does."""

    NOTIFY = "notify"
    RAISE = "raise"  #: to the step of review that ``who`` has
    ASSIGN_DEPUTY = "assign_deputy"  #: what is assigned to somebody who is away goes to whoever stands in


class Did(StrEnum):
    """What came of a step."""

    NOTIFIED = "notified"
    RAISED = "raised"
    ASSIGNED = "assigned"
    NOT_POSSIBLE = "not_possible"  #: nobody stands in who could take it; the workflow's owner is told


#: Roles that a step may tell. A raised item goes to one of those with a level above the ordinary queue.
TOLD = (Role.REVIEWER, Role.DIRECTOR, Role.MANAGER, Role.OWNER)
RAISED_TO = {role: level for role, level in REVIEW_LEVEL.items() if level}


class Step(BaseModel):
    """One step of a ladder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]  #: a step renamed is a new one, and acts again
    who: str = ""  #: a role, or somebody's e-mail address; of ``assign_deputy`` also nobody
    after_hours: Annotated[float, Field(ge=0, le=10_000)] = 0  #: business hours
    since: Since = Since.DUE
    when: tuple[When, ...] = ()
    money_above: Annotated[float, Field(ge=0)] | None = None  #: in money, as gaps are
    expired_times: Annotated[int, Field(ge=1, le=5)] = 5  #: the sixth claim goes up by itself
    returned_times: Annotated[int, Field(ge=1)] = 2
    does: Does = Does.NOTIFY

    @field_validator("when", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Step:
        roles = ", ".join(TOLD)
        if self.role is None and "@" not in self.who and (self.who or self.does is not Does.ASSIGN_DEPUTY):
            raise ValueError(f"who is {self.who!r}; name one of {roles}, or an e-mail address")
        if self.does is Does.RAISE and self.role not in RAISED_TO:
            raise ValueError(f"raise needs who to be {' or '.join(RAISED_TO)}: an item goes up to one of these")
        if (When.MONEY in self.when) != (self.money_above is not None):
            raise ValueError('the condition "money" and money_above go together; give both or neither')
        return self

    @property
    def role(self) -> Role | None:
        """The role that ``who`` names; None where it is an address, or nobody."""
        return next((role for role in TOLD if role == self.who), None)

    @property
    def to_level(self) -> int:
        """The level of review that the step raises an item to."""
        return RAISED_TO[self.role] if self.does is Does.RAISE and self.role else 0


def check_ladder(ladder: Sequence[Step]) -> None:
    """Refuse a ladder whose steps cannot be told apart, or whose first step follows none.

    Raises:
        ValueError: with a sentence that says which step, and what to do.
    """
    names = [step.name for step in ladder]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"escalation: two steps are called {name!r}; give each a name of its own")
    if ladder and ladder[0].since is Since.LAST_STEP:
        raise ValueError(f'escalation: {names[0]!r} is the first step; count it since "due" or "created"')


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ladder goes by on an open item, as it is now."""

    created_at: datetime  #: UTC
    due_at: datetime | None
    band: Band
    money: float | None
    expiries: int  #: claims that ran out one after another, without the last one
    claim_ends_at: datetime | None  #: of an item that somebody claimed, in the past where it ran out; None: nobody did
    returned: int = 0  #: times sent back in this round
    is_with_absent: bool = False  #: assigned to somebody who is away


def acts_at(
    ladder: Sequence[Step], facts: Facts, done: Mapping[str, datetime], *, calendar: BusinessCalendar, now: datetime
) -> Iterator[tuple[Step, datetime]]:
    """When each step will act on an item that stays as it is, at ``now`` (UTC) or later; without those that never will.

    A step that raises or assigns waits until nobody has the item in hand.

    Args:
        done: when steps acted on the item in this round, by name.
    """
    before: datetime | None = None
    for step in ladder:
        if step.name in done:
            before = done[step.name]
            continue
        before = _acts_at(step, facts, before, calendar, now)
        if before is not None:
            yield step, before


def _acts_at(
    step: Step, facts: Facts, before: datetime | None, calendar: BusinessCalendar, now: datetime
) -> datetime | None:
    start = {Since.DUE: facts.due_at, Since.CREATED: facts.created_at, Since.LAST_STEP: before}[step.since]
    if start is None:
        return None
    ripe = calendar.hours_after(start, step.after_hours)
    if ripe is None:
        return None  # after the calendar's last year
    bounds = [now, ripe]
    for bound in (_holds_from(condition, step, facts, now) for condition in step.when):
        if bound is None:
            return None
        bounds.append(bound)
    if step.does is Does.ASSIGN_DEPUTY and not facts.is_with_absent:
        return None
    if step.does is not Does.NOTIFY:
        bounds.append(facts.claim_ends_at or now)
    return max(bounds)


def _holds_from(condition: When, step: Step, facts: Facts, now: datetime) -> datetime | None:
    """From when on the condition holds if nothing else happens; None if it will not."""
    match condition:
        case When.OVERDUE:
            return facts.due_at
        case When.UNCLAIMED:
            return facts.claim_ends_at or now
        case When.EXTREME:
            return now if facts.band is Band.EXTREME else None
        case When.MONEY:
            is_more = facts.money is not None and abs(facts.money) > (step.money_above or 0.0)
            return now if is_more else None
        case When.EXPIRED:
            if facts.expiries >= step.expired_times:
                return now
            return facts.claim_ends_at if facts.expiries + 1 >= step.expired_times else None
        case When.RETURNED:
            return now if facts.returned >= step.returned_times else None


def why(step: Step, *, openly: bool = False) -> str:
    """On what condition a step acts, in words.

    Args:
        openly: with what is asked of the gap. Whoever is yet to name a number, or to decide blind, is not told that.
    """
    told = [_CONDITIONS[each](step) for each in step.when if openly or each not in (When.EXTREME, When.MONEY)]
    return ", ".join([_counted(step), *told])


def _counted(step: Step) -> str:
    words = {Since.DUE: "past its due date", Since.CREATED: "old", Since.LAST_STEP: "after the step before"}
    if not step.after_hours:
        return {**words, Since.CREATED: "from the start"}[step.since]
    return f"{step.after_hours:g} business {'hour' if step.after_hours == 1 else 'hours'} {words[step.since]}"


_CONDITIONS: dict[When, Callable[[Step], str]] = {
    When.OVERDUE: lambda step: "overdue",
    When.UNCLAIMED: lambda step: "in nobody's hands",
    When.EXTREME: lambda step: "an extreme gap",
    When.MONEY: lambda step: f"a gap of more than {step.money_above:,.6g} in money",
    When.EXPIRED: lambda step: f"claimed and left {step.expired_times} times",
    When.RETURNED: lambda step: f"sent back {step.returned_times} times",
}


def what(step: Step) -> str:
    """What a step does, in words."""
    if step.does is Does.RAISE:
        return f"put before a {step.who}"
    whom = f"a {step.who}" if step.role else step.who
    return f"tell {whom}" if step.does is Does.NOTIFY else "give to whoever stands in"


def came_of(did: Did, *, to_level: int, taker: str | None) -> str:
    """What comes of a step, in a few words. ``taker``: who is given the item."""
    if did is Did.RAISED:
        return f"put before a {next((role for role, level in RAISED_TO.items() if level == to_level), Role.REVIEWER)}"
    if did is Did.ASSIGNED:
        return f"given to {taker or 'nobody'}"
    return "told" if did is Did.NOTIFIED else "nobody can take it: the owner is told"

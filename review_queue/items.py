"""The things under review, as frozen values: items, the forecasts on them, claims and decisions.

The states an item moves through (drawn in docs/architecture.md)::

    ready ──claim──▶ claimed ──final outcome──▶ decided ──reopen──▶ ready (round + 1)
      ▲                │ │ │                       └──needs second review──▶ ready for another person ──▶ decided
      │  release,      │ │ └─defer──▶ deferred ──date reached──▶ ready
      └──expire────────┘ └─send_back──▶ sent_back ──new forecast arrives──▶ ready
                         escalate ──▶ ready, one level up the ladder
    any open state ──withdrawn by import──▶ withdrawn          period closed ──▶ locked
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum


class State(StrEnum):
    """Where an item is in its life."""

    READY = "ready"
    CLAIMED = "claimed"
    DEFERRED = "deferred"
    SENT_BACK = "sent_back"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"
    LOCKED = "locked"


OPEN_STATES = (State.READY, State.CLAIMED, State.DEFERRED, State.SENT_BACK)
#: A claim may start from these once the item's ``available_at`` has passed: an expired claim or a
#: deferral whose date is reached needs no sweeper, it simply is available again.
CLAIMABLE_STATES = (State.READY, State.CLAIMED, State.DEFERRED)


class Outcome(StrEnum):
    """What a reviewer chose. The first three are final and carry a value; the others move the item on."""

    ACCEPT_AI = "accept_ai"
    KEEP_MANUAL = "keep_manual"
    ADJUST = "adjust"
    SEND_BACK = "send_back"
    ESCALATE = "escalate"
    DEFER = "defer"

    @property
    def is_final(self) -> bool:
        return self in FINAL_OUTCOMES


FINAL_OUTCOMES = (Outcome.ACCEPT_AI, Outcome.KEEP_MANUAL, Outcome.ADJUST)


class Act(StrEnum):
    """What kind of row a decision is: a choice of its own, or one about an earlier choice."""

    DECIDE = "decide"
    UNDO = "undo"
    OVERTURN = "overturn"


class Band(StrEnum):
    """How far apart the two forecasts are, in usual misses; the last three have no distance."""

    AGREE = "agree"
    MINOR = "minor"
    NOTABLE = "notable"
    LARGE = "large"
    EXTREME = "extreme"
    OPPOSITE = "opposite"  #: opposite signs
    ONE_SIDED = "one_sided"  #: the AI's or the manual forecast is missing
    NO_SCALE = "no_scale"  #: a gap, but nothing to measure it by


class Lane(IntEnum):
    """The queue's three lanes, in the order in which they are served."""

    DUE = 0
    JUDGEMENT = 1
    ROUTINE = 2

    @property
    def title(self) -> str:
        return ("Due", "Needs judgement", "Routine")[self]


class SkipReason(StrEnum):
    """Why somebody passes an item by."""

    NOT_MINE = "not_mine"
    MISSING_FACTS = "missing_facts"
    INTEREST = "interest"
    LATER = "later"
    OTHER = "other"

    @property
    def is_for_good(self) -> bool:
        """Whether an item skipped for this does not come back to the same person in this round."""
        return self in (SkipReason.NOT_MINE, SkipReason.INTEREST)


class Stage(IntEnum):
    """The step of review that an item is at."""

    FIRST = 1
    SECOND = 2  #: by another person, who sees neither the AI's value nor the first decision
    SETTLING = 3  #: the two differ, and somebody one level up settles it


class SourceKind(StrEnum):
    """Who made a forecast."""

    AI = "ai"
    MANUAL = "manual"
    NAIVE = "naive"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Forecast:
    """One number from one source; never edited, only followed by a newer one."""

    id: int
    source: str  #: the source's key: ``ai``, ``manual``, ``naive`` or another system's
    kind: SourceKind
    value: float  #: in the workflow's unit
    received_at: datetime  #: UTC; when it reached the workbench
    low: float | None = None  #: lower end of the interval
    high: float | None = None
    level: float | None = None  #: nominal coverage of the interval, 0 to 1
    model_version: str | None = None
    made_at: datetime | None = None  #: UTC; when its source says that it was made
    author: str | None = None
    note: str | None = None  #: untrusted text
    rationale: str | None = None  #: untrusted text


@dataclass(frozen=True, slots=True)
class Divergence:
    """How the manual forecast differs from the AI's (METHODS 2)."""

    gap: float | None  #: manual minus AI, in the workflow's unit; None when a side is missing
    money: float | None  #: the gap times the value of one unit
    scale: float | None  #: the AI's usual miss ``s`` here, in the workflow's unit
    u: float | None  #: gap / usual miss; None when there is no scale
    symmetric: float | None  #: symmetric share, -2 to 2
    band: Band
    outside_interval: bool
    flagged: bool  #: worth a judgement


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an item stands in the queue, and why, in words."""

    lane: Lane
    score: float  #: 0 to 100; the order inside the lane
    why: tuple[str, ...]  #: the phrases of "why this is next"


@dataclass(frozen=True, slots=True)
class Claim:
    """A reviewer's exclusive, temporary hold on one item."""

    item_id: int
    person_id: int
    fence: int  #: rises with every claim; a decision must carry the item's present one
    claimed_at: datetime  #: UTC
    expires_at: datetime  #: UTC; from this instant the item is available to others


@dataclass(frozen=True, slots=True)
class Item:
    """One series and period put up for review, with the forecasts that stand on it now."""

    id: int
    workflow_id: int
    workflow_key: str
    unit: str
    series_id: int
    series: str
    period: str  #: canonical text of the period
    period_start: date
    segments: tuple[str, ...]  #: names, outermost first
    state: State
    round: int
    level: int  #: steps up the escalation ladder, 0 at first
    stage: Stage
    created_at: datetime  #: UTC
    due_at: datetime | None  #: UTC
    ai: Forecast | None
    manual: Forecast | None
    naive: Forecast | None
    others: tuple[Forecast, ...]
    divergence: Divergence
    standing: Standing
    content_hash: str  #: of everything shown as fact; a decision names the one it saw
    tolerance: float  #: share of the AI's value within which a final value is not an override
    fence: int
    holder_id: int | None = None  #: person with the last claim
    holder_name: str | None = None
    claimed_at: datetime | None = None
    expires_at: datetime | None = None
    deferred_until: datetime | None = None
    not_for: int | None = None  #: person who decided first and may not be the second
    nor_for: int | None = None  #: person who decided second, and otherwise, and may not settle it
    assigned_id: int | None = None  #: person whose item it is to decide
    assigned_name: str | None = None
    value_per_unit: float = 1.0
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a final value differs from the AI's: a code, and what is known behind it (METHODS 6.3)."""

    code: str
    text: str = ""
    direction: str | None = None  #: expected: ``up``, ``down`` or ``timing``
    effect_low: float | None = None  #: in the workflow's unit
    effect_mid: float | None = None
    effect_high: float | None = None
    confidence: int | None = None  #: 50, 70 or 90 percent
    valid_from: date | None = None
    valid_until: date | None = None
    source_type: str | None = None  #: ``customer``, ``document``, ``internal``, ``observation``, ``none``
    source_ref: str = ""
    already_in_model: str | None = None  #: ``no``, ``partly``, ``yes``, ``unknown``
    controllable: bool | None = None
    secondary: tuple[str, ...] = ()  #: up to two further codes
    paired_period: str | None = None  #: of a timing shift: the period that gets the opposite entry


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reviewer asks for, as sent: the form, before any rule has looked at it."""

    item_id: int
    outcome: Outcome
    fence: int  #: of the claim that the form was drawn under
    round: int
    content_hash: str  #: of what was on screen
    idempotency_key: str  #: 128 random bits, minted when the form was drawn
    value: float | None = None  #: for ADJUST: the final value asked for
    reason: Reason | None = None
    note: str = ""  #: for SEND_BACK and ESCALATE: what is asked, of whom
    until: datetime | None = None  #: for DEFER, UTC
    opened_at: datetime | None = None  #: UTC; when the item was first painted for this reviewer
    queue_length: int | None = None  #: open items that the screen named
    mode: str = "ai_first"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A choice that passed the rules: what will be stored as the decision, and where the item goes."""

    outcome: Outcome
    final_value: float | None
    is_override: bool
    next_state: State
    next_level: int
    next_stage: Stage
    available_at: datetime | None = None  #: for DEFER
    reason: Reason | None = None

    @property
    def is_provisional(self) -> bool:
        """Whether a final value was given that does not hold before another person has looked too."""
        return self.outcome.is_final and self.next_state is not State.DECIDED


@dataclass(frozen=True, slots=True)
class Decision:
    """A stored decision: immutable, with who, when, and what was on the screen."""

    id: int
    item_id: int
    round: int
    stage: Stage
    act: Act
    outcome: Outcome | None  #: None for an undo, which leaves no choice standing
    final_value: float | None
    is_override: bool
    reason_code: str | None
    actor_id: int
    actor_name: str
    decided_at: datetime  #: UTC
    supersedes: int | None
    fence: int  #: of the claim that it was made under
    idempotency_key: str
    note: str = ""
    is_provisional: bool = False  #: its value waits for another person's
    replayed: bool = field(default=False, compare=False)  #: the answer to a repeated request

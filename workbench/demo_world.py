"""The simulated sales organisation as numbers and names: who works there, how it behaves, what was planted in it.

Every planted truth is a field here; docs/demo.md says in words where it is and which screen should find it.
Shares are 0 to 1 and sizes are relative to the forecast unless a comment names another unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from review_queue.alerting import AlertRule, Watched
from review_queue.escalation import Does, Since, Step, When
from review_queue.roles import Role
from review_queue.workflows import ModelCard, OverlapPolicy, Policy, SourcesPolicy


class Habit(StrEnum):
    """How a simulated reviewer decides."""

    FINE = "fine"
    IGNORES_GAP = "ignores the gap"
    REJECTS_ALL = "rejects everything"


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One reviewer and the territory that is theirs; they also help out in the rest of its region."""

    name: str
    territory: str
    habit: Habit = Habit.FINE


@dataclass(frozen=True, slots=True)
class Region:
    """A region, its territories, and the director who takes what its reviewers escalate."""

    name: str
    director: str
    territories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a manual forecast leaves the AI's: what people believe, and how much of it comes true.

    The believed effect is ``size`` of the forecast, up with chance ``up``. The actual moves by the believed
    effect times ``true_up`` or ``true_down``: 1 is knowledge that the AI lacks, 0 is noise.
    """

    code: str  #: the reason code that people give for it
    share: float  #: of all items
    up: float
    size: float
    true_up: float
    true_down: float


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of the AI, and the month of the story (1 is the oldest) in which it took over."""

    name: str
    from_month: int


#: Beliefs, by reason code. CUST_COMMIT is the planted reason that helps and PLAN_ALIGN the one that hurts;
#: elsewhere upward beliefs come true less often than downward ones.
CAUSES = (
    Cause("CUST_COMMIT", share=0.070, up=0.94, size=0.20, true_up=1.0, true_down=1.0),
    Cause("CUST_RISK", share=0.045, up=0.05, size=0.18, true_up=0.4, true_down=0.85),
    Cause("DEAL_TIMING", share=0.035, up=0.45, size=0.19, true_up=0.35, true_down=0.85),
    Cause("PROMO", share=0.030, up=0.85, size=0.15, true_up=0.35, true_down=0.75),
    Cause("PRICE", share=0.025, up=0.60, size=0.12, true_up=0.3, true_down=0.8),
    Cause("COMPETITOR", share=0.020, up=0.10, size=0.15, true_up=0.3, true_down=0.8),
    Cause("SUPPLY", share=0.020, up=0.02, size=0.17, true_up=0.3, true_down=0.9),
    Cause("MARKET", share=0.025, up=0.55, size=0.11, true_up=0.1, true_down=0.6),
    Cause("DATA_ERROR", share=0.010, up=0.50, size=0.28, true_up=0.8, true_down=0.9),
    Cause("EXPERIENCE", share=0.045, up=0.60, size=0.11, true_up=0.0, true_down=0.35),
    Cause("PLAN_ALIGN", share=0.065, up=0.98, size=0.16, true_up=0.0, true_down=0.0),
)

REGIONS = (
    Region("North", "Ingrid Solheim", ("Sweden", "Denmark and Norway", "Finland and Baltics")),
    Region("Central", "Matthias Kranz", ("Germany North", "Germany South", "Alps")),
    Region("West", "Hélène Moreau", ("France", "Benelux", "Britain and Ireland")),
    Region("South", "Marta Oliveira", ("Iberia", "Italy", "Greece and Balkans")),
)

REVIEWERS = (
    Reviewer("Anna Bergström", "Sweden"),
    Reviewer("Jonas Dahl", "Denmark and Norway"),
    Reviewer("Mikko Laine", "Finland and Baltics", Habit.IGNORES_GAP),
    Reviewer("Katrin Hansen", "Germany North"),
    Reviewer("Tobias Reuter", "Germany South"),
    Reviewer("Selina Frei", "Alps"),
    Reviewer("Claire Fontaine", "France"),
    Reviewer("Pieter van Loon", "Benelux"),
    Reviewer("Owen Gallagher", "Britain and Ireland"),
    Reviewer("Lucía Prado", "Iberia", Habit.REJECTS_ALL),
    Reviewer("Davide Serra", "Italy"),
    Reviewer("Eleni Markou", "Greece and Balkans"),
)

OWNER, OWNER_EMAIL = "Sofia Lindqvist", "sofia.lindqvist@example.com"
DEPUTY, DEPUTY_EMAIL = "Matthias Kranz", "matthias.kranz@example.com"
MANAGER = "Rafael Engel"

MODEL_VERSIONS = (ModelVersion("tern-2.3", 1), ModelVersion("tern-3.0", 6), ModelVersion("tern-3.1", 11))


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the story is told from, besides the seed and the clock."""

    regions: tuple[Region, ...] = REGIONS
    reviewers: tuple[Reviewer, ...] = REVIEWERS
    causes: tuple[Cause, ...] = CAUSES
    versions: tuple[ModelVersion, ...] = MODEL_VERSIONS
    lines: tuple[str, ...] = ("Sensors", "Drives", "Controls", "Services")

    # how much there is
    series_per_territory: int = 23
    past_months: int = 18  #: monthly review cycles behind the present one
    earlier_months: int = 12  #: of actuals before the first cycle, for the seasonal naive forecast

    # how sales behave: standard deviations of one month, relative
    noise: float = 0.070  #: what nobody can know
    model_error: float = 0.040  #: the AI's own error
    other_people: float = 0.030  #: what a manual forecast adds when its author knows nothing
    earlier_noise: float = 0.09  #: of months before the first cycle
    volatility: float = 0.25  #: spread (of the logarithm) of all these between series
    interval_level: float = 0.80
    interval_width: float = 0.100  #: one standard deviation by the AI's own account
    missing_manual: float = 0.02

    # a review cycle, in working days
    cycle_days: int = 13  #: from opening to deadline
    opened_days_ago: int = 5  #: the present cycle
    wave_shares: tuple[float, ...] = (0.12, 0.14, 0.18, 0.26, 0.30)  #: of items, by day of their arrival
    key_account_share: float = 0.10
    key_account_days: int = 7  #: by which key accounts are due earlier
    daily_rate: float = 0.108  #: chance that a waiting item is decided within a working day
    flagged_rate: float = 1.4  #: times that, for flagged items
    own_share: float = 0.75  #: of a territory's items that its own reviewer takes

    # what happens besides a plain decision: shares of items
    escalated: float = 0.045
    deferred: float = 0.055
    sent_back: float = 0.040
    undone: int = 30  #: decisions taken back within the minute, then made again
    overturned: int = 40  #: decisions that a director corrected later
    lapsed_claims: int = 6  #: open items that somebody claimed and left

    # how a fine reviewer decides: chance of an override = logistic(start + slope · |u|)
    override_start: float = -2.9
    override_slope: float = 2.0
    override_spread: float = 0.15  #: between reviewers, on the same scale

    # planted: a reviewer whose decisions do not follow the gap
    ignorer_rate: float = 0.18  #: overrides, whatever the gap
    ignorer_evidence: float = 0.05  #: chance of looking behind the figures
    # planted: a reviewer who rejects everything
    rejecter_rate: float = 0.94
    rejecter_noise: float = 0.17  #: of the values put in the AI's place when nothing is known
    # planted: an overloaded territory
    bottleneck: str = "Benelux"
    bottleneck_series: int = 54
    bottleneck_pace: float = 0.38  #: times the daily rate
    bottleneck_late: float = 0.80  #: of what is left on the last day there is decided after the deadline
    bottleneck_late_days: tuple[float, float] = (8.0, 22.0)  #: working days
    # planted: the newest model version degrades in this month
    degraded_from: int = 14
    degraded_bias: float = 0.10  #: too high by this much
    degraded_error: float = 0.14  #: and this much more spread
    # planted: approvals in a burst before each deadline
    burst_share: float = 0.93  #: of what is left on the last day, outside the bottleneck
    burst_override: float = 0.25  #: times the usual chance of an override
    burst_seconds: tuple[float, float] = (4.0, 12.0)  #: from one decision to the next
    # planted: a territory whose decided values are replaced before the plan is used
    shadow_territory: str = "Germany South"
    shadow_there: float = 0.30
    shadow_elsewhere: float = 0.02

    # planted: those who do not review as the others do were told so long ago, and others may look closer
    noticed_days_ago: int = 9

    # planted: two more sources. The CRM is what manual forecasts are typed from; the order book knows by itself
    crm_overlap: float = 0.8  #: of a manual forecast's error that the CRM shares
    crm_noise: float = 0.025  #: and its own error beside it
    orders_bias: float = -0.03  #: orders that are not in yet
    orders_noise: float = 0.055
    slip_place: str = "Iberia"  #: where some figures in the CRM are wrong in the present cycle
    slip_share: float = 0.4  #: of the items there
    slip_factor: float = 2.2  #: by so much

    @property
    def cycles(self) -> int:
        """Past cycles and the present one."""
        return self.past_months + 1

    def policy(self) -> Policy:
        """The workflow, as its owner would have written it."""
        return Policy(
            key="sales",
            title="Sales forecast",
            unit="EUR k",
            currency="EUR",
            purpose="Simulated: monthly sales by account and product line, one month ahead.",
            timezone="Europe/Berlin",
            segments=("region", "territory"),
            owner=OWNER_EMAIL,
            deputy=DEPUTY_EMAIL,
            materiality=10.0,
            sla_hours=32,
            review_minutes=6,
            model_card=ModelCard(
                uses="Two years of shipments by account and product line: level, growth and season.",
                good_at="Steady accounts with a year of history behind them.",
                weak_at="It sees no contracts, campaigns, prices or stock-outs, and learns late of lost accounts.",
                override_when="You know of something that has not happened before, with a date and somebody to ask.",
            ),
            person_level=True,
            alerts=(
                AlertRule(measure=Watched.OVERDUE, above=10),
                AlertRule(measure=Watched.AI_EVIDENCE, above=100),
                AlertRule(measure=Watched.OVERRIDE_RATE, below=0.10, above=0.50),
            ),
            escalation=(
                Step(name="remind", who=Role.MANAGER, after_hours=8, when=(When.UNCLAIMED,)),
                Step(name="up", who=Role.DIRECTOR, since=Since.LAST_STEP, after_hours=40, does=Does.RAISE),
            ),
            sources=SourcesPolicy(
                half_life_days={"crm": 14, "orders": 7},
                overlaps=(OverlapPolicy(source="manual", copies="crm", share=self.crm_overlap),),
            ),
            scope={
                "region": tuple(region.name for region in self.regions),
                "territory": tuple(name for region in self.regions for name in region.territories),
            },
        )


# --- names and words -----------------------------------------------------------------------------------------------

STEMS = (
    "Aldermoor", "Arvika", "Bergland", "Birkholm", "Brandtner", "Calvera", "Castelli", "Corvin",
    "Dalgaard", "Delacourt", "Dornbach", "Ekström", "Elverum", "Falkenau", "Ferrante", "Fjordvik",
    "Galvani", "Gentbrug", "Grauholz", "Halvorsen", "Havelund", "Hollberg", "Ivarsson", "Jansma",
    "Kaltbrunn", "Kestrel", "Kivela", "Korinth", "Lagerbäck", "Lindhorst", "Lorcan", "Maasdijk",
    "Marenz", "Mistral", "Montclar", "Nordhaug", "Oberwald", "Oldenkott", "Orsini", "Pallas",
    "Quintero", "Ravenna", "Riemsdijk", "Rothmoor", "Salinas", "Sandvig", "Seewald", "Solberg",
    "Tavira", "Thalmann", "Tornio", "Ulverton", "Valbona", "Verhoeven", "Vesterby", "Wadsworth",
    "Westerlo", "Ystad", "Zandberg", "Zellner",
)  # fmt: skip
TRADES = (
    "Automation", "Dairies", "Energy", "Foods", "Foundries", "Glass", "Logistics", "Machinery", "Marine", "Medical",
    "Mills", "Motors", "Packaging", "Paper", "Pharma", "Plastics", "Ports", "Rail", "Steel", "Water",
)  # fmt: skip
SALESPEOPLE = (
    "E. Nyström", "K. Madsen", "T. Rask", "B. Petersen", "S. Huber", "U. Gasser", "J. Lambert", "D. Peeters",
    "M. Byrne", "R. Campos", "G. Villa", "N. Stavrou",
)  # fmt: skip

#: What people write for a reason; ``{account}``, ``{line}``, ``{amount}``, ``{month}`` and ``{day}`` are filled in.
TEXTS: dict[str, tuple[str, ...]] = {
    "CUST_COMMIT": (
        "{account} confirmed an order of about {amount} EUR k for {month} by phone on {day}; not in the CRM yet.",
        "Purchasing at {account} committed to {amount} EUR k more {line} in {month}, mail of {day}.",
        "Frame contract with {account} signed {day}, first call-off {amount} EUR k in {month}.",
    ),
    "CUST_RISK": (
        "{account} froze its budget on {day}; expect {amount} EUR k less {line} in {month}.",
        "Our champion at {account} left on {day}; the {line} renewal of {amount} EUR k is in doubt.",
    ),
    "DEAL_TIMING": (
        "The {line} delivery to {account} moves between months, {amount} EUR k; agreed on {day}.",
        "{account} shifts its {month} order by four weeks, {amount} EUR k.",
    ),
    "PROMO": (
        "{line} campaign in {month}, {account} takes part: {amount} EUR k by the plan of {day}.",
        "Spring discount for {account} ends on {day}; effect on {month} {amount} EUR k.",
    ),
    "PRICE": (
        "List price of {line} changes in {month}; {account} affected by {amount} EUR k.",
        "Contract price with {account} renegotiated on {day}, {amount} EUR k in {month}.",
    ),
    "COMPETITOR": ("A competitor won a tender at {account} on {day}: {amount} EUR k of {line}.",),
    "SUPPLY": ("{line} is on allocation until {month}; {account} gets {amount} EUR k less.",),
    "MARKET": ("Demand for {line} is changing in the sector of {account}, about {amount} EUR k in {month}.",),
    "DATA_ERROR": ("An invoice of {account} was booked twice on {day}; {amount} EUR k too much or too little.",),
    "MODEL_GAP": (
        "The model runs off for {line} at {account} since the new price list; {amount} EUR k in {month}.",
        "Same pattern as last month: the forecast for {account} does not see the new terms, {amount} EUR k.",
    ),
    "EXPERIENCE": (
        "From experience with {account} in {month}.",
        "My view of {account}; the number looks off by {amount} EUR k.",
    ),
    "PLAN_ALIGN": (
        "Raised by {amount} EUR k to match the {month} target of the territory.",
        "In line with the budget for {account} in {month}.",
    ),
    "OTHER": ("Talked it over in the weekly call; {account} deviates by {amount} EUR k.",),
}
#: The one text of the reviewer who does not look.
IGNORER_TEXT = "Adjusted based on experience."
#: What the reviewer who rejects everything says of their own figures.
REJECTER_COMMENT = (
    "Iberia changed its price lists twice this year, and the AI does not see prices. I correct nearly all it says."
)
NOTES = {
    "escalate": "Above what I can commit for {account}; please decide.",
    "defer": "Waiting for the call with {account}.",
    "send_back": "The manual forecast for {account} does not say what changed. Please add it.",
}

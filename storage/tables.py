"""Every table, once. The migrations build exactly these (a test compares), on SQLite and on PostgreSQL alike.

Rows are added, not edited, wherever history matters. What the code promises, a key or a check here guarantees.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Date,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from review_queue.delivering import DeliveryState
from review_queue.escalation import Did
from review_queue.incidents import Happened, Severity
from review_queue.items import (
    CLAIMABLE_STATES,
    FINAL_OUTCOMES,
    OPEN_STATES,
    Act,
    Band,
    Outcome,
    SkipReason,
    SourceKind,
    State,
)
from review_queue.roles import Role
from review_queue.showing import AiValues
from storage.engine import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = BigInteger().with_variant(Integer, "sqlite")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _id() -> Column[int]:
    return Column("id", BigId, Identity(always=False), primary_key=True)


def _ref(name: str, target: str, *, nullable: bool = False, index: bool = False) -> Column[int]:
    return Column(name, BigId, ForeignKey(f"{target}.id"), nullable=nullable, index=index)


def _at(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, UtcDateTime(), nullable=nullable)


def _one_of(column: str, choices: type[StrEnum] | tuple[StrEnum, ...]) -> CheckConstraint:
    values = ", ".join(f"'{choice.value}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({values})", name=column)


# --- who -----------------------------------------------------------------------------------------------------------

people = Table(
    "people",
    metadata,
    _id(),
    Column("issuer", String(400), nullable=False),  # who vouches for the identity; never the e-mail address
    Column("subject", String(400), nullable=False),
    Column("name", String(400), nullable=False),
    Column("email", String(400)),
    Column("is_simulated", Boolean, nullable=False, server_default=false()),
    _at("created_at"),
    _at("disabled_at", nullable=True),
    _at("sessions_valid_after", nullable=True),  # sign-ins up to here have ended, wherever they were made
    UniqueConstraint("issuer", "subject"),
)

grants = Table(
    "grants",
    metadata,
    _id(),
    _ref("person_id", "people", index=True),
    Column("role", String(40), nullable=False),
    _ref("workflow_id", "workflows", nullable=True),  # null: every workflow
    Column("segment_path", Text),  # null: the whole workflow
    _ref("granted_by", "people", nullable=True),
    _at("granted_at"),
    _at("revoked_at", nullable=True),
    _one_of("role", Role),
)

sign_ins = Table(  # which browser is signed in as whom; the cookie holds the token, we its hash
    "sign_ins",
    metadata,
    _id(),
    Column("token_hash", String(64), nullable=False, unique=True),
    _ref("person_id", "people", index=True),
    _at("created_at"),
    _at("ended_at", nullable=True),
    _at("seen_at", nullable=True),  # about when the browser last did something; the page's own reruns do not count
    _at("vouched_at", nullable=True),  # when the identity provider said who it is; the same word opens no second time
)

logout_tokens = Table(  # what an identity provider ended sessions with; each counts once
    "logout_tokens",
    metadata,
    _id(),
    Column("jti_hash", String(64), nullable=False, unique=True),
    _at("used_at"),
)

role_requests = Table(  # a role that waits for a second administrator's word
    "role_requests",
    metadata,
    _id(),
    _ref("person_id", "people"),
    Column("role", String(40), nullable=False),
    _ref("workflow_id", "workflows", nullable=True),
    _ref("asked_by", "people"),
    _at("asked_at"),
    _ref("answered_by", "people", nullable=True),
    _at("answered_at", nullable=True),
    Column("is_granted", Boolean),
    CheckConstraint("(answered_at IS NULL) = (answered_by IS NULL)", name="answered_by_somebody"),
    CheckConstraint("(answered_at IS NULL) = (is_granted IS NULL)", name="answered_or_not"),
    CheckConstraint("is_granted IS NOT TRUE OR answered_by <> asked_by", name="two_persons"),
    _one_of("role", Role),
)

erasures = Table(  # people of whom nothing is left but a number
    "erasures",
    metadata,
    _id(),
    _ref("person_id", "people"),
    _ref("erased_by", "people"),
    _at("erased_at"),
    Column("reason", Text, nullable=False),
    UniqueConstraint("person_id"),
    CheckConstraint("trim(reason) <> ''", name="has_reason"),
)

# --- programs ------------------------------------------------------------------------------------------------------

api_tokens = Table(  # what a program shows to act by one grant; it is shown once, and only its hash is kept
    "api_tokens",
    metadata,
    _id(),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("hint", String(12), nullable=False),  # its first characters, to know it by
    Column("name", String(100), nullable=False),
    _ref("grant_id", "grants", index=True),  # ends with the grant, and with its person's account
    _ref("workflow_id", "workflows", nullable=True),  # narrower than the grant: in this workflow alone
    Column("may_write", Boolean, nullable=False),
    _ref("created_by", "people"),
    _at("created_at"),
    _at("expires_at"),
    _at("last_used_at", nullable=True),
    _ref("revoked_by", "people", nullable=True),
    _at("revoked_at", nullable=True),
    CheckConstraint("created_at < expires_at", name="in_order"),
    CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
)

api_answers = Table(  # what a program's request was answered under its idempotency key, kept for ever
    "api_answers",
    metadata,
    _id(),
    _ref("person_id", "people"),
    Column("key", String(255), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("answer", Text, nullable=False),  # JSON, to the letter
    _at("answered_at"),
    UniqueConstraint("person_id", "key"),
)

# --- what is under review ------------------------------------------------------------------------------------------

workflows = Table(
    "workflows",
    metadata,
    _id(),
    Column("key", String(100), nullable=False, unique=True),
    Column("title", String(400), nullable=False),
    Column("unit", String(100), nullable=False),
    Column("timezone", String(100), nullable=False),
    Column("is_simulated", Boolean, nullable=False, server_default=false()),
    _at("created_at"),
)

policies = Table(  # a workflow's policy; the newest version is in force
    "policies",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("version", Integer, nullable=False),
    Column("body", Json, nullable=False),
    _ref("author_id", "people", nullable=True),
    _at("created_at"),
    UniqueConstraint("workflow_id", "version"),
)

handovers = Table(  # who owned a workflow and stood in before and since, whichever way it changed
    "handovers",
    metadata,
    _id(),
    _ref("workflow_id", "workflows", index=True),
    Column("policy_version", Integer, nullable=False),  # from which on
    Column("owner_before", String(400)),
    Column("owner", String(400)),
    Column("deputy_before", String(400)),
    Column("deputy", String(400)),
    Column("note", Text, nullable=False),  # empty where the policy's text changed it
    _ref("handed_by", "people"),
    _at("handed_at"),
)

openings = Table(  # a workflow whose policy asks for all of the readiness check passed it then, and was opened
    "openings",
    metadata,
    _id(),
    _ref("workflow_id", "workflows", index=True),
    Column("policy_version", Integer, nullable=False),
    Column("found", Json, nullable=False),  # check -> whether it passed
    _ref("opened_by", "people"),
    _at("opened_at"),
)

segments = Table(
    "segments",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("parent_id", "segments", nullable=True, index=True),
    Column("level", String(100), nullable=False),  # the name of the level: "state"
    Column("depth", SmallInteger, nullable=False),  # 0 is outermost
    Column("name", String(400), nullable=False),
    Column("path", Text, nullable=False),  # names from the outermost, each ended by U+001F; a prefix is a subtree
    UniqueConstraint("workflow_id", "path"),
)

series = Table(
    "series",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("key", String(400), nullable=False),
    _ref("segment_id", "segments", nullable=True, index=True),
    Column("value_per_unit", Float, nullable=False, server_default=text("1")),
    Column("currency", String(10)),
    UniqueConstraint("workflow_id", "key"),
)

cycles = Table(
    "cycles",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("period", String(20), nullable=False),
    Column("period_start", Date, nullable=False),
    _at("opens_at", nullable=True),
    _at("deadline_at", nullable=True),
    _at("locked_at", nullable=True),
    _ref("locked_by", "people", nullable=True),
    UniqueConstraint("workflow_id", "period"),
)

sources = Table(
    "sources",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("key", String(100), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("title", String(400), nullable=False),
    UniqueConstraint("workflow_id", "key"),
    _one_of("kind", SourceKind),
)

model_versions = Table(
    "model_versions",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("name", String(200), nullable=False),
    _at("first_seen_at"),
    UniqueConstraint("workflow_id", "name"),
)

showings = Table(  # which of the AI's values are shown; the newest row of a workflow is in force
    "showings",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("shown", String(20), nullable=False),
    _ref("model_version_id", "model_versions", nullable=True),  # rolled back to
    Column("note", Text, nullable=False),
    _ref("chosen_by", "people"),
    _at("chosen_at"),
    _one_of("shown", AiValues),
    CheckConstraint("(shown = 'rolled_back') = (model_version_id IS NOT NULL)", name="version"),
)
Index("ix_showings_workflow", showings.c.workflow_id, showings.c.id)

items = Table(
    "items",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("series_id", "series", index=True),
    _ref("segment_id", "segments", nullable=True),  # as of the import; the scope of a claim goes by it
    Column("period", String(20), nullable=False),
    Column("period_start", Date, nullable=False),
    Column("horizon", Integer),  # periods ahead; the usual miss is of the same horizon
    _at("created_at"),
    _at("due_at", nullable=True),
    # where it stands
    Column("state", String(20), nullable=False),
    Column("round", Integer, nullable=False, server_default=text("1")),
    Column("level", SmallInteger, nullable=False, server_default=text("0")),  # steps up the escalation ladder
    _at("available_at"),  # a claim may start from here: ready at once, a claim when it ends, a deferral at its date
    _ref("assigned_to", "people", nullable=True),  # theirs to decide, or whoever stands in for them
    Column("stage", SmallInteger, nullable=False, server_default=text("1")),  # of review; 2: a blind second one
    _ref("not_for", "people", nullable=True),  # who decided before and may not be the second
    _ref("nor_for", "people", nullable=True),  # who was the second and may not settle it either
    # the last claim
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    _ref("claimed_by", "people", nullable=True),
    _at("claimed_at", nullable=True),
    _at("expires_at", nullable=True),
    Column(
        "expiries", SmallInteger, nullable=False, server_default=text("0")
    ),  # claims that ran out, one after another
    # what the rules made of the forecasts that stand on it; decisions keep their own copy
    Column("gap", Float),
    Column("money", Float),
    Column("scale", Float),
    Column("u", Float),
    Column("symmetric", Float),
    Column("band", String(20), nullable=False),
    Column("outside_interval", Boolean, nullable=False, server_default=false()),
    Column("flagged", Boolean, nullable=False, server_default=false()),
    Column("lane", SmallInteger, nullable=False),
    Column("score", Float, nullable=False),
    Column("why", Json, nullable=False),  # the phrases of "why this is next"
    Column("audit_sample", Boolean, nullable=False, server_default=false()),  # of Routine, judged all the same
    Column(
        "human_first", Boolean, nullable=False, server_default=false()
    ),  # drawn: name a number before seeing the AI's
    Column("withheld", String(20)),  # why the AI's value is not shown; null: it is
    _at("stale_at", nullable=True),  # brought back then: a number had moved after it was overridden
    # lane and score hold until then, when the clock has moved them on
    Column("placed_until", UtcDateTime(), nullable=False, server_default=text("'1970-01-01 00:00:00.000000'")),
    Column("content_hash", String(64), nullable=False),
    _ref("import_id", "imports", nullable=True),
    UniqueConstraint("workflow_id", "series_id", "period"),
    CheckConstraint(
        "(state <> 'claimed') OR (claimed_by IS NOT NULL AND expires_at IS NOT NULL)", name="claim_is_whole"
    ),
    _one_of("state", State),
    _one_of("band", Band),
)


def _states(*states: State) -> ColumnElement[bool]:
    """The state is one of these, written out: SQLite matches a partial index to a query by its text."""
    return items.c.state.in_([literal_column(f"'{state.value}'") for state in states])


def _index(name: str, *columns: Any, where: ColumnElement[bool], unique: bool = False) -> None:
    Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


#: Which items each partial index holds. A query that repeats the condition can walk the index.
TO_CLAIM = _states(State.READY, State.CLAIMED)
CLAIMABLE = _states(*CLAIMABLE_STATES)
OPEN = _states(*OPEN_STATES)
PUT_OFF = _states(State.DEFERRED)
IN_HAND = _states(State.CLAIMED)
FOR_ANYBODY = items.c.assigned_to.is_(None)
#: The order in which items are served. "Without a date" sorts last in both databases by a column of its own.
SERVING_ORDER = (items.c.lane, items.c.score.desc(), items.c.due_at.is_(None).self_group(), items.c.due_at, items.c.id)

# What a claim walks: one line for the workflow, one for each segment, one for each person.
_index("ix_items_to_claim", items.c.workflow_id, items.c.level, *SERVING_ORDER, where=TO_CLAIM & FOR_ANYBODY)
_index("ix_items_to_claim_here", items.c.segment_id, items.c.level, *SERVING_ORDER, where=TO_CLAIM & FOR_ANYBODY)
_index(
    "ix_items_assigned",
    items.c.assigned_to,
    items.c.workflow_id,
    *SERVING_ORDER,
    where=OPEN & items.c.assigned_to.is_not(None),
)
_index("ix_items_put_off", items.c.workflow_id, items.c.available_at, where=PUT_OFF)
_index("ix_items_in_hand", items.c.claimed_by, where=IN_HAND)
# What a list walks: the whole queue, one segment, one band.
_index("ix_items_open", items.c.workflow_id, *SERVING_ORDER, where=OPEN)
_index("ix_items_open_here", items.c.segment_id, *SERVING_ORDER, where=OPEN)
_index("ix_items_open_band", items.c.workflow_id, items.c.band, *SERVING_ORDER, where=OPEN)
Index("ix_items_period", items.c.workflow_id, items.c.period)
# Which are to be placed again.
_index("ix_items_placed_until", items.c.workflow_id, items.c.placed_until, where=OPEN)
# What a step of the escalation ladder looks for: what has been due, or open, for so long.
_index("ix_items_due", items.c.workflow_id, items.c.due_at, where=OPEN)
_index("ix_items_created", items.c.workflow_id, items.c.created_at, where=OPEN)
#: Claimed and left at least once since somebody last decided something about it: few are.
LEFT = OPEN & (items.c.expiries > literal_column("0"))
_index("ix_items_left", items.c.workflow_id, items.c.expiries, where=LEFT)

forecasts = Table(
    "forecasts",
    metadata,
    _id(),
    _ref("item_id", "items"),
    _ref("source_id", "sources"),
    Column("value", Float, nullable=False),
    Column("low", Float),
    Column("high", Float),
    Column("interval_level", Float),
    Column("quantiles", Json),  # {"0.05": value, …}
    _ref("model_version_id", "model_versions", nullable=True),
    _at("made_at", nullable=True),
    _at("received_at"),
    Column("author", String(400)),
    Column("note", Text),
    Column("rationale", Text),
    Column("content_hash", String(64), nullable=False),
    _ref("import_id", "imports", nullable=True),
    CheckConstraint("low IS NULL OR high IS NULL OR low <= high", name="interval_in_order"),
)
Index("ix_forecasts_item_source", forecasts.c.item_id, forecasts.c.source_id, forecasts.c.id)

actuals = Table(  # realised values, of the past (history) and of what was forecast; the newest row stands
    "actuals",
    metadata,
    _id(),
    _ref("series_id", "series"),
    Column("period", String(20), nullable=False),
    Column("period_start", Date, nullable=False),
    Column("value", Float, nullable=False),
    _at("final_at", nullable=True),
    Column("is_lower_bound", Boolean, nullable=False, server_default=false()),
    _at("received_at"),
    _ref("import_id", "imports", nullable=True),
)
Index("ix_actuals_final_at", actuals.c.final_at)
Index("ix_actuals_series_period", actuals.c.series_id, actuals.c.period_start, actuals.c.id)

used_values = Table(  # what the plan held that was used downstream, whatever was decided here; the newest row stands
    "used_values",
    metadata,
    _id(),
    _ref("series_id", "series"),
    Column("period", String(20), nullable=False),
    Column("period_start", Date, nullable=False),
    Column("value", Float, nullable=False),
    _at("used_at", nullable=True),  # when the plan was used, as the file says
    _at("received_at"),
    _ref("import_id", "imports", nullable=True),
)
Index("ix_used_values_series_period", used_values.c.series_id, used_values.c.period_start, used_values.c.id)
statements = Table(  # what another system says of one attribute of a series, as of a time; the newest one stands
    "statements",
    metadata,
    _id(),
    _ref("series_id", "series"),
    _ref("source_id", "sources"),
    Column("attribute", String(100), nullable=False),
    Column("period", String(20)),  # null: it is not about one period
    Column("period_start", Date),
    Column("value", Float, nullable=False),
    _at("as_of"),
    Column("is_ahead", Boolean, nullable=False),  # before the period began: what came later says little of its record
    Column("record_id", String(400)),  # what the source calls the series
    Column("identity_hash", String(64), nullable=False),  # of series, attribute, period, source, as_of
    _at("received_at"),
    _ref("import_id", "imports", nullable=True),
)
Index(
    "ix_statements_about",
    statements.c.series_id,
    statements.c.attribute,
    statements.c.period_start,
    statements.c.source_id,
    statements.c.as_of,
    statements.c.id,
)
Index("ix_statements_identity", statements.c.identity_hash)

identifiers = Table(  # the crosswalk: what a source calls a series
    "identifiers",
    metadata,
    _id(),
    _ref("source_id", "sources"),
    Column("record_id", String(400), nullable=False),
    _ref("series_id", "series", index=True),
    _at("learnt_at"),
    _ref("import_id", "imports", nullable=True),
    _at("ended_at", nullable=True),
    _ref("ended_by", "people", nullable=True),
)
Index(
    "uq_identifiers_standing",
    identifiers.c.source_id,
    identifiers.c.record_id,
    unique=True,
    sqlite_where=identifiers.c.ended_at.is_(None),
    postgresql_where=identifiers.c.ended_at.is_(None),
)

exclusions = Table(  # a source that somebody left out on an item, or took in again; the newest row stands
    "exclusions",
    metadata,
    _id(),
    _ref("item_id", "items", index=True),
    _ref("source_id", "sources"),
    Column("is_left_out", Boolean, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    _ref("person_id", "people"),
    _at("at"),
    CheckConstraint("NOT is_left_out OR trim(reason) <> ''", name="left_out_has_reason"),
)

source_lessons = Table(  # what outcomes have taught of a workflow's sources; the newest row stands
    "source_lessons",
    metadata,
    _id(),
    _ref("workflow_id", "workflows", index=True),
    Column("body", Json, nullable=False),  # as ``storage.lessons`` reads it
    Column("after_import", BigInteger, nullable=False),  # the newest import then: 0 for none
    Column("policy_version", Integer, nullable=False),
    _at("learnt_at"),
)

past_reviews = Table(  # reviews kept elsewhere before go-live: the baseline; they are never claimed or decided here
    "past_reviews",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("series_id", "series"),
    _ref("segment_id", "segments", nullable=True),
    Column("identity_hash", String(64), nullable=False),  # of series, period, reviewer, created_at
    Column("content_hash", String(64), nullable=False),
    Column("period", String(20)),
    Column("period_start", Date),
    _at("created_at"),
    _at("started_at", nullable=True),
    _at("decided_at", nullable=True),
    _at("due_at", nullable=True),
    _at("withdrawn_at", nullable=True),
    Column("reviewer", String(400)),
    Column("outcome", String(20)),
    Column("ai_forecast", Float),
    Column("human_forecast", Float),
    Column("final_forecast", Float),
    Column("actual", Float),
    Column("reason_code", String(40)),
    Column("note", Text),
    Column("attributes", Json, nullable=False),  # any other column, as text; reports can group by it
    _ref("import_id", "imports", nullable=True),
    UniqueConstraint("workflow_id", "identity_hash"),
)
Index("ix_past_reviews_decided_at", past_reviews.c.workflow_id, past_reviews.c.decided_at)

# --- decisions -----------------------------------------------------------------------------------------------------

decisions = Table(
    "decisions",
    metadata,
    _id(),
    _ref("item_id", "items"),
    Column("round", Integer, nullable=False),
    Column("stage", SmallInteger, nullable=False, server_default=text("1")),  # 2: a second review
    Column("act", String(20), nullable=False),
    Column("outcome", String(20)),  # null for an undo, which leaves no choice standing
    Column("final_value", Float),
    Column("is_override", Boolean, nullable=False, server_default=false()),
    Column("is_provisional", Boolean, nullable=False, server_default=false()),  # waits for another person's value
    Column("reason_code", String(40)),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("supersedes_id", BigId, unique=True),  # a choice is superseded once, so the standing one is the chain's end
    _ref("actor_id", "people", index=True),
    Column("idempotency_key", String(64), nullable=False, unique=True),
    Column("request_hash", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    # the facts as they were on screen
    Column("mode", String(20), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("ai_value", Float),
    Column("ai_low", Float),
    Column("ai_high", Float),
    Column("ai_level", Float),
    Column("model_version", String(200)),
    Column("manual_value", Float),
    Column("naive_value", Float),
    Column("gap", Float),
    Column("money", Float),
    Column("scale", Float),
    Column("u", Float),
    Column("band", String(20), nullable=False),
    Column("flagged", Boolean, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("score", Float, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("owner", String(400)),  # who owned the workflow at that moment
    Column("is_degraded", Boolean, nullable=False, server_default=false()),  # made without the AI's value
    Column("withheld", String(20)),  # why it was not shown
    Column("initial_value", Float),  # what was committed before the AI's value was shown
    Column("knew_more", Boolean),  # whether they said then that they knew something the AI does not
    Column("opposite_of", BigId),  # the decision of a timing shift whose other half this is
    Column("queue_length", Integer),
    Column("hours_to_deadline", Float),
    _at("claimed_at", nullable=True),
    _at("opened_at", nullable=True),
    _at("first_evidence_at", nullable=True),
    _at("decided_at"),
    UniqueConstraint("id", "item_id"),
    ForeignKeyConstraint(
        ["supersedes_id", "item_id"], ["decisions.id", "decisions.item_id"], name="fk_decisions_supersedes_same_item"
    ),
    CheckConstraint("NOT is_override OR reason_code IS NOT NULL", name="override_has_reason"),
    CheckConstraint("(act = 'decide') = (outcome IS NOT NULL) OR act = 'overturn'", name="choice_has_outcome"),
    CheckConstraint(
        "outcome IS NULL OR (outcome IN ('accept_ai', 'keep_manual', 'adjust')) = (final_value IS NOT NULL)",
        name="final_has_value",
    ),
    _one_of("act", Act),
    CheckConstraint(
        "outcome IS NULL OR outcome IN ({})".format(", ".join(f"'{o.value}'" for o in Outcome)), name="outcome"
    ),
)
# At most one choice stands for a round: whoever is second must name the first, and only one can.
Index(
    "uq_decisions_first_of_round",
    decisions.c.item_id,
    decisions.c.round,
    decisions.c.stage,
    unique=True,
    sqlite_where=decisions.c.supersedes_id.is_(None) & decisions.c.outcome.in_(FINAL_OUTCOMES),
    postgresql_where=decisions.c.supersedes_id.is_(None) & decisions.c.outcome.in_(FINAL_OUTCOMES),
)
Index("ix_decisions_item", decisions.c.item_id, decisions.c.id)
_is_opposite = decisions.c.opposite_of.is_not(None)
Index("ix_decisions_opposite_of", decisions.c.opposite_of, sqlite_where=_is_opposite, postgresql_where=_is_opposite)
Index("ix_decisions_decided_at", decisions.c.decided_at)
# A query repeats it with 1 written out: with a bound value SQLite does not take the index.
_index("ix_decisions_later_stage", decisions.c.item_id, where=decisions.c.stage > literal_column("1"))

reasons = Table(
    "reasons",
    metadata,
    _id(),
    _ref("decision_id", "decisions", index=True),
    Column("rank", SmallInteger, nullable=False),  # 0 is the reason; 1 and 2 came beside it
    Column("code", String(40), nullable=False),
    Column("direction", String(10)),
    Column("effect_low", Float),
    Column("effect_mid", Float),
    Column("effect_high", Float),
    Column("confidence", SmallInteger),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("source_type", String(20)),
    Column("source_ref", Text, nullable=False, server_default=text("''")),
    Column("already_in_model", String(10)),
    Column("controllable", Boolean),
    Column("text", Text, nullable=False, server_default=text("''")),
    Column("paired_period", String(20)),  # of a timing shift: the period that gets the opposite entry
    Column("outcome", String(20)),  # what became of it, filled in once it is known
    _ref("outcome_by", "people", nullable=True),
    _at("outcome_at", nullable=True),
    Column("realised_effect", Float),
    UniqueConstraint("decision_id", "rank"),
)

comments = Table(
    "comments",
    metadata,
    _id(),
    _ref("item_id", "items", index=True),
    _ref("author_id", "people"),
    Column("body", Text, nullable=False),
    _at("created_at"),
)

mentions = Table(  # who was named in a comment, and whether they have looked
    "mentions",
    metadata,
    _id(),
    _ref("comment_id", "comments"),
    _ref("person_id", "people"),
    _at("seen_at", nullable=True),
    UniqueConstraint("comment_id", "person_id"),
)
Index("ix_mentions_person", mentions.c.person_id, mentions.c.seen_at)

evidence_views = Table(
    "evidence_views",
    metadata,
    _id(),
    _ref("item_id", "items"),
    _ref("person_id", "people"),
    Column("fence", BigInteger, nullable=False),
    Column("panel", String(40), nullable=False),
    _at("opened_at"),
)
Index("ix_evidence_views_item_person", evidence_views.c.item_id, evidence_views.c.person_id)

drafts = Table(  # a half-written decision: survives a reload, another tab, another replica
    "drafts",
    metadata,
    _id(),
    _ref("item_id", "items"),
    _ref("person_id", "people"),
    Column("round", Integer, nullable=False),
    Column("body", Json, nullable=False),
    _at("saved_at"),
    UniqueConstraint("item_id", "person_id"),
)

commitments = Table(  # a number that a reviewer named before the AI's was shown to them
    "commitments",
    metadata,
    _id(),
    _ref("item_id", "items"),
    _ref("person_id", "people"),
    Column("round", Integer, nullable=False),
    Column("value", Float, nullable=False),
    Column("knew_more", Boolean, nullable=False),
    _at("committed_at"),
    UniqueConstraint("item_id", "person_id", "round"),
)

# --- closing a period ----------------------------------------------------------------------------------------------

submissions = Table(  # that somebody stands by the forecast of a period, in their part of the tree
    "submissions",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("period", String(20), nullable=False),
    Column("segment_path", Text, nullable=False, server_default=text("''")),  # empty: all of the workflow
    Column("totals", Json, nullable=False),  # of that moment: AI, manual, final, items, decided
    Column("note", Text, nullable=False, server_default=text("''")),
    _ref("submitted_by", "people"),
    _at("submitted_at"),
    _ref("withdrawn_by", "people", nullable=True),
    _at("withdrawn_at", nullable=True),
    Column("withdrawal_note", Text, nullable=False, server_default=text("''")),
)
Index("ix_submissions_period", submissions.c.workflow_id, submissions.c.period)

snapshots = Table(  # a period's forecast as it was when the period was locked; never changed afterwards
    "snapshots",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("period", String(20), nullable=False),
    Column("undecided_take", String(20), nullable=False),  # whose value open items went into the plan with
    Column("totals", Json, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    _ref("locked_by", "people"),
    _at("locked_at"),
    UniqueConstraint("workflow_id", "period"),
    CheckConstraint("undecided_take IN ('ai', 'manual')", name="undecided_take"),
)

snapshot_rows = Table(
    "snapshot_rows",
    metadata,
    _id(),
    _ref("snapshot_id", "snapshots"),
    _ref("item_id", "items"),
    Column("state", String(20), nullable=False),  # of the item, the moment before
    Column("ai_value", Float),
    Column("manual_value", Float),
    Column("plan_value", Float),  # null: there was no number at all
    Column("money", Float),  # the plan times the value of one unit
    _ref("decision_id", "decisions", nullable=True),  # null: PLAN_LOCKED, nobody decided
    UniqueConstraint("snapshot_id", "item_id"),
)

# --- who does what -------------------------------------------------------------------------------------------------

assignments = Table(  # who gave an item to whom, and why; the newest one is in items.assigned_to
    "assignments",
    metadata,
    _id(),
    _ref("item_id", "items", index=True),
    _ref("assigned_to", "people", nullable=True),  # null: back to everybody
    _ref("taken_from", "people", nullable=True),
    _ref("assigned_by", "people", nullable=True),  # null: a step of the escalation ladder
    Column("note", Text, nullable=False, server_default=text("''")),
    _at("assigned_at"),
)

skips = Table(  # items given back undecided, and why
    "skips",
    metadata,
    _id(),
    _ref("item_id", "items"),
    _ref("person_id", "people"),
    Column("round", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    _at("skipped_at"),
    _one_of("reason", SkipReason),
    UniqueConstraint("item_id", "fence"),  # a claim is given back once
)
Index("ix_skips_item_person", skips.c.item_id, skips.c.person_id)

absences = Table(  # when somebody is away, and who stands in
    "absences",
    metadata,
    _id(),
    _ref("person_id", "people", index=True),
    _ref("deputy_id", "people", nullable=True),
    _at("from_at"),
    _at("until_at"),
    Column("note", Text, nullable=False, server_default=text("''")),
    _ref("noted_by", "people"),
    _at("noted_at"),
    _at("ended_at", nullable=True),  # called off
    CheckConstraint("from_at < until_at", name="in_order"),
    CheckConstraint("deputy_id IS NULL OR deputy_id <> person_id", name="deputy_is_another"),
)
Index("ix_absences_until", absences.c.until_at)

batches = Table(  # Routine items drawn to be confirmed together
    "batches",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("person_id", "people", index=True),
    _at("drawn_at"),
    _at("confirmed_at", nullable=True),
    Column("note", Text, nullable=False, server_default=text("''")),
)

batch_items = Table(
    "batch_items",
    metadata,
    _id(),
    _ref("batch_id", "batches"),
    _ref("item_id", "items", index=True),
    Column("round", Integer, nullable=False),
    Column("content_hash", String(64), nullable=False),  # of what the preview showed
    Column("idempotency_key", String(64), nullable=False, unique=True),
    Column("to_look_at", Boolean, nullable=False),  # drawn at random, to be opened before the batch is confirmed
    _at("looked_at", nullable=True),
    Column("left_out", Text),  # why it was not decided with the others
    _ref("decision_id", "decisions", nullable=True),
    UniqueConstraint("batch_id", "item_id"),
)

saved_views = Table(  # a screen's filters under a name
    "saved_views",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("person_id", "people"),
    Column("page", String(40), nullable=False),
    Column("name", String(100), nullable=False),
    Column("link", Json, nullable=False),  # the query parameters that it stands for
    Column("is_shared", Boolean, nullable=False, server_default=false()),
    _at("saved_at"),
    UniqueConstraint("workflow_id", "person_id", "page", "name"),
)

notifications = Table(  # what somebody is to hear of, written with the change that it tells
    "notifications",
    metadata,
    _id(),
    _ref("person_id", "people"),
    _ref("workflow_id", "workflows"),
    _ref("item_id", "items", nullable=True),
    Column("kind", String(40), nullable=False),
    Column("sentence", Text, nullable=False),
    _at("created_at"),
    _at("seen_at", nullable=True),
)
Index("ix_notifications_person", notifications.c.person_id, notifications.c.seen_at, notifications.c.id)

preferences = Table(  # how somebody wants to be reminded
    "preferences",
    metadata,
    _id(),
    _ref("person_id", "people"),
    Column("body", Json, nullable=False),
    _at("saved_at"),
    UniqueConstraint("person_id"),
)

digests = Table(  # a day's reminder to one person; the row is there before it is sent, so it is sent once
    "digests",
    metadata,
    _id(),
    _ref("person_id", "people"),
    Column("day", Date, nullable=False),
    Column("address", String(400), nullable=False),
    Column("lines", Integer, nullable=False),
    _at("claimed_at"),
    _at("sent_at", nullable=True),
    Column("failure", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("person_id", "day"),
)

# --- data in and out -----------------------------------------------------------------------------------------------

imports = Table(
    "imports",
    metadata,
    _id(),
    _ref("workflow_id", "workflows", index=True),
    Column("kind", String(20), nullable=False),
    Column("file_name", String(400), nullable=False),
    Column("file_hash", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("set_aside", Integer, nullable=False),
    Column("reasons", Json, nullable=False),  # code -> count
    Column("mapping", Json, nullable=False),  # canonical column -> the file's header
    _ref("person_id", "people"),
    _at("created_at"),
    CheckConstraint("accepted + unchanged + updated + set_aside = rows", name="rows_add_up"),
)

set_aside_rows = Table(
    "set_aside_rows",
    metadata,
    _id(),
    _ref("import_id", "imports", index=True),
    _ref("workflow_id", "workflows"),
    Column("kind", String(20), nullable=False),
    Column("row_number", Integer, nullable=False),  # as a spreadsheet counts: the header is row 1
    Column("column", String(200), nullable=False),
    Column("code", String(40), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("cells", Json, nullable=False),  # canonical column -> text as it stood in the file
    Column("status", String(20), nullable=False, server_default=text("'open'")),
    _ref("resolved_by", "people", nullable=True),
    _at("resolved_at", nullable=True),
    CheckConstraint("status IN ('open', 'fixed', 'dismissed')", name="status"),
)
Index("ix_set_aside_open", set_aside_rows.c.workflow_id, set_aside_rows.c.status)

import_files = Table(  # the shape of a file of forecasts, so that decisions can be written back in it
    "import_files",
    metadata,
    _id(),
    _ref("import_id", "imports"),
    Column("headers", Json, nullable=False),  # as written, in their order
    Column("delimiter", String(1), nullable=False),
    UniqueConstraint("import_id"),
)

import_parts = Table(  # its rows as they were written, some thousands a part
    "import_parts",
    metadata,
    _id(),
    _ref("import_id", "imports"),
    Column("number", Integer, nullable=False),  # from 0, in the order of the file
    Column("body", LargeBinary, nullable=False),  # Parquet: row_number, series, period, and the cells as text
    UniqueConstraint("import_id", "number"),
)

outages = Table(  # from when to when the AI's feed into a workflow was late or failing
    "outages",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("kind", String(20), nullable=False),
    _at("began_at"),
    _at("ended_at", nullable=True),
    CheckConstraint("kind IN ('late', 'failing')", name="kind"),
)
_is_open = outages.c.ended_at.is_(None)
Index("uq_outages_open", outages.c.workflow_id, unique=True, sqlite_where=_is_open, postgresql_where=_is_open)

pulls = Table(  # a query of another database that was due; the row is there before it is asked, so it is asked once
    "pulls",
    metadata,
    _id(),
    Column("source", String(100), nullable=False),  # its name in the settings; what it connects to is kept nowhere here
    _ref("workflow_id", "workflows", index=True),
    Column("kind", String(20), nullable=False),
    Column("slot", BigInteger, nullable=False),  # which of the times at which it is due, counted from 1970
    _at("started_at"),
    _at("ended_at", nullable=True),
    _ref("import_id", "imports", nullable=True),
    Column("failure", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("source", "workflow_id", "slot"),
)

outbox = Table(  # what other systems are to hear of, written with the change that it tells
    "outbox",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("item_id", "items", nullable=True, index=True),
    _ref("decision_id", "decisions", nullable=True),
    Column("topic", String(100), nullable=False),
    Column("payload", Json, nullable=False),
    _at("created_at"),
    _at("routed_at", nullable=True),  # when its deliveries were written, one for each receiver that there was
)
UNROUTED = outbox.c.routed_at.is_(None)
_index("ix_outbox_unrouted", outbox.c.id, where=UNROUTED)

receivers = Table(  # where a workflow's events are sent; never removed
    "receivers",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("url", String(2000), nullable=False),
    _ref("created_by", "people"),
    _at("created_at"),
    _ref("approved_by", "people", nullable=True),
    _at("approved_at", nullable=True),  # events from then on are sent
    _at("hold_until", nullable=True),  # it asked us to wait until then
    _at("paused_at", nullable=True),
    Column("paused_why", Text, nullable=False, server_default=text("''")),
    _at("ended_at", nullable=True),
    CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approved_by_somebody"),
)
Index(
    "uq_receivers_in_use",
    receivers.c.workflow_id,
    receivers.c.url,
    unique=True,
    sqlite_where=receivers.c.ended_at.is_(None),
    postgresql_where=receivers.c.ended_at.is_(None),
)

receiver_keys = Table(  # what a receiver's messages are signed with; two of them while one takes the other's place
    "receiver_keys",
    metadata,
    _id(),
    _ref("receiver_id", "receivers", index=True),
    Column("secret", String(200), nullable=False),
    _ref("created_by", "people"),
    _at("created_at"),
    _at("ends_at", nullable=True),
)

deliveries = Table(  # one event on its way to one receiver
    "deliveries",
    metadata,
    _id(),
    _ref("outbox_id", "outbox"),
    _ref("receiver_id", "receivers"),
    _ref("item_id", "items", nullable=True),  # of the event: an item's events go out in their order
    Column("webhook_id", String(64), nullable=False, unique=True),  # the same in every attempt
    Column("state", String(20), nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),  # since the first, or since a replay
    Column("lease", String(32)),  # the attempt that is under way, or was when its worker died
    _at("due_at"),  # of the next attempt; of one under way: when it is given up for lost
    Column("why", Text, nullable=False, server_default=text("''")),  # what became of the last attempt
    _at("ended_at", nullable=True),  # delivered, dead or skipped
    UniqueConstraint("outbox_id", "receiver_id"),
    CheckConstraint("(state = 'pending') = (ended_at IS NULL)", name="ended_or_not"),
    _one_of("state", DeliveryState),
)
#: Deliveries that are not through: later events of the same item wait behind them.
UNDONE = deliveries.c.state.in_([literal_column("'pending'"), literal_column("'dead'")])
_index(
    "ix_deliveries_due",
    deliveries.c.receiver_id,
    deliveries.c.due_at,
    where=deliveries.c.state == literal_column("'pending'"),
)
_index("ix_deliveries_line", deliveries.c.receiver_id, deliveries.c.item_id, deliveries.c.outbox_id, where=UNDONE)
Index("ix_deliveries_newest", deliveries.c.receiver_id, deliveries.c.state, deliveries.c.id)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    _id(),
    _ref("delivery_id", "deliveries", index=True),
    Column("lease", String(32), nullable=False, unique=True),
    Column("status", SmallInteger),  # of the answer; null: there was none
    Column("answer", Text, nullable=False),  # in words; never what a receiver wrote
    Column("took_ms", Integer, nullable=False),
    _at("attempted_at"),
)

# --- record and watch ----------------------------------------------------------------------------------------------

audit_events = Table(
    "audit_events",
    metadata,
    _id(),
    _at("at"),
    _ref("actor_id", "people", nullable=True),
    Column("action", String(60), nullable=False),
    _ref("workflow_id", "workflows", nullable=True),
    _ref("item_id", "items", nullable=True, index=True),
    _ref("decision_id", "decisions", nullable=True),
    Column("details", Json, nullable=False),
)
Index("ix_audit_events_action", audit_events.c.action, audit_events.c.id)
Index("ix_audit_events_actor", audit_events.c.actor_id, audit_events.c.id)

audit_chain = Table(  # every event's place, without gaps; triggers refuse to change either table
    "audit_chain",
    metadata,
    Column("seq", BigId, primary_key=True, autoincrement=False),
    _ref("event_id", "audit_events"),
    Column("event_hash", String(64), nullable=False),  # of what happened: review_queue.chain
    Column("hash", String(64), nullable=False),  # of the place, that, and the link before
    UniqueConstraint("event_id"),
)

heartbeat = Table(  # one row, written again and again by every server to know that writes are taken
    "heartbeat",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    _at("beat_at"),
    Column("ballast", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

alerts = Table(  # a threshold of the policy that was passed: somebody acknowledges it, explains it, closes it
    "alerts",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("measure", String(100), nullable=False),
    Column("details", Json, nullable=False),  # the sentence, the value and the limit, as they were when it was raised
    Column("owner", String(400)),
    _at("raised_at"),
    _at("due_at", nullable=True),
    _at("acknowledged_at", nullable=True),
    _ref("acknowledged_by", "people", nullable=True),
    Column("explanation", Text, nullable=False, server_default=text("''")),
    _at("explained_at", nullable=True),
    _ref("explained_by", "people", nullable=True),
    _at("closed_at", nullable=True),
    _ref("closed_by", "people", nullable=True),
)
Index(  # one at a time for each measure: what goes on is not raised again
    "uq_alerts_open",
    alerts.c.workflow_id,
    alerts.c.measure,
    unique=True,
    sqlite_where=alerts.c.closed_at.is_(None),
    postgresql_where=alerts.c.closed_at.is_(None),
)

checks = Table(  # a known-wrong AI value shown to one person on an item, once; nothing of it is a decision
    "checks",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("item_id", "items"),
    Column("round", Integer, nullable=False),
    _ref("person_id", "people"),
    Column("flaw", String(20), nullable=False),
    Column("shown_value", Float, nullable=False),
    Column("shown_low", Float),
    Column("shown_high", Float),
    Column("true_value", Float, nullable=False),
    _at("planted_at"),
    _at("opened_at", nullable=True),
    _at("answered_at", nullable=True),
    Column("outcome", String(20)),
    Column("final_value", Float),
    Column("is_caught", Boolean),
    Column("idempotency_key", String(64), unique=True),
    Column("request_hash", String(64)),
    UniqueConstraint("item_id", "round", "person_id"),
    CheckConstraint("(answered_at IS NULL) = (is_caught IS NULL)", name="answered_or_not"),
)
Index("ix_checks_person", checks.c.person_id, checks.c.planted_at)
Index("ix_checks_workflow", checks.c.workflow_id, checks.c.answered_at)

kept_reviews = Table(  # derived: the closed reviews of a week and a stratum of series, as ``storage.reports.rows``
    "kept_reviews",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    Column("week", Date, nullable=False),  # the Monday, in the workflow's zone, of the week in which they ended
    Column("stratum", SmallInteger, nullable=False),
    Column("piece", BigInteger, nullable=False),  # 0; others only while all is being made
    Column("rows", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),  # an Arrow stream
    UniqueConstraint("workflow_id", "week", "stratum", "piece"),
)

kept_until = Table(  # derived: how much of what has come in ``kept_reviews`` hold
    "kept_until",
    metadata,
    Column("workflow_id", BigId, ForeignKey("workflows.id"), primary_key=True, autoincrement=False),
    Column("stamp", BigInteger, nullable=False),  # rises with each change
    Column("layout", String(40), nullable=False),  # of what is kept: with another one all is made anew
    Column("next_item", BigInteger),  # while all is being made: what has an id above is still to come
    Column("next_past", BigInteger),
    Column("is_gathered", Boolean, nullable=False),  # of each week and stratum there is one piece
    Column("tips", Json),  # what has come in up to here is in it
    Column("mark", Json, nullable=False),  # how far the tables had grown at ``mark_at``
    _at("mark_at"),
    _at("as_of"),
    _at("changes_at", nullable=True),  # when the clock alone will change something that is kept
)

review_changes = Table(  # reviews that read differently from now on, where no event of theirs tells so
    "review_changes",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("item_id", "items", nullable=True),
    _ref("past_review_id", "past_reviews", nullable=True),
    _ref("series_id", "series", nullable=True),
)

pulses = Table(  # a reviewer's answer to one question, at most once a month
    "pulses",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("person_id", "people"),
    Column("month", String(7), nullable=False),
    Column("answer", SmallInteger, nullable=False),
    _at("answered_at"),
    UniqueConstraint("workflow_id", "person_id", "month"),
    CheckConstraint("answer BETWEEN 1 AND 5", name="answer"),
)

advance_notices = Table(  # somebody's figures stand out, and they were told: the days in which they alone see it
    "advance_notices",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("person_id", "people"),
    _at("given_at"),
    _at("ended_at", nullable=True),  # the figures no longer stood out; when they do again, a new notice is given
)
Index(  # one at a time, whatever several servers see at once
    "uq_advance_notices_standing",
    advance_notices.c.workflow_id,
    advance_notices.c.person_id,
    unique=True,
    sqlite_where=advance_notices.c.ended_at.is_(None),
    postgresql_where=advance_notices.c.ended_at.is_(None),
)

figure_comments = Table(  # what somebody says of their own figures; the newest stands, an empty one takes it back
    "figure_comments",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("person_id", "people"),
    Column("body", Text, nullable=False),
    _at("written_at"),
)
Index("ix_figure_comments_person", figure_comments.c.workflow_id, figure_comments.c.person_id, figure_comments.c.id)

happenings = Table(  # what else changed, to be read beside before and after
    "happenings",
    metadata,
    _id(),
    _ref("workflow_id", "workflows", index=True),
    Column("day", Date, nullable=False),
    Column("what", String(400), nullable=False),
    _ref("noted_by", "people"),
    _at("noted_at"),
)

incidents = Table(  # something that went wrong, from when it was noticed until somebody says how it ended
    "incidents",
    metadata,
    _id(),
    _ref("workflow_id", "workflows", index=True),
    _ref("alert_id", "alerts", nullable=True),
    Column("title", String(400), nullable=False),
    Column("severity", String(20), nullable=False),
    _ref("owner_id", "people", nullable=True),
    Column("model_version", String(200)),
    _ref("opened_by", "people", nullable=True),  # null: a rule of the policy
    _at("opened_at"),
    _at("closed_at", nullable=True),
    _ref("closed_by", "people", nullable=True),
    Column("closing_note", Text, nullable=False, server_default=text("''")),
    CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed_by_somebody"),
    CheckConstraint("closed_at IS NULL OR trim(closing_note) <> ''", name="closed_with_note"),
    _one_of("severity", Severity),
)
_index(  # an alert has one at a time, whoever opens it
    "uq_incidents_alert", incidents.c.alert_id, where=incidents.c.closed_at.is_(None), unique=True
)

incident_items = Table(
    "incident_items",
    metadata,
    _id(),
    _ref("incident_id", "incidents"),
    _ref("item_id", "items", index=True),
    UniqueConstraint("incident_id", "item_id"),
)

incident_events = Table(  # an incident's timeline
    "incident_events",
    metadata,
    _id(),
    _ref("incident_id", "incidents", index=True),
    Column("kind", String(20), nullable=False),
    _ref("actor_id", "people", nullable=True),
    _ref("item_id", "items", nullable=True),
    Column("body", Text, nullable=False, server_default=text("''")),
    _at("at"),
    _one_of("kind", Happened),
)

escalations = Table(  # a step of the ladder that acted on an item: once a round, whoever looks
    "escalations",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("item_id", "items"),
    Column("round", Integer, nullable=False),
    Column("step", String(40), nullable=False),
    Column("did", String(20), nullable=False),
    Column("why", Text, nullable=False),  # the step's condition in words, as it was then
    Column("from_level", SmallInteger, nullable=False),
    Column("to_level", SmallInteger, nullable=False),
    _ref("assigned_to", "people", nullable=True),
    Column("told", Json, nullable=False),  # ids of people
    Column("policy_version", Integer, nullable=False),
    _at("acted_at"),
    UniqueConstraint("item_id", "round", "step"),
    _one_of("did", Did),
)
Index("ix_escalations_step", escalations.c.workflow_id, escalations.c.step, escalations.c.acted_at)

path_tests = Table(  # that somebody tried whether an AI value can be overridden here, and what each part came to
    "path_tests",
    metadata,
    _id(),
    _ref("workflow_id", "workflows"),
    _ref("person_id", "people"),
    Column("is_passed", Boolean, nullable=False),
    Column("parts", Json, nullable=False),  # list of {name, state, sentence}
    Column("mailed", Boolean, nullable=False),
    _at("tested_at"),
)
Index("ix_path_tests_newest", path_tests.c.workflow_id, path_tests.c.id)

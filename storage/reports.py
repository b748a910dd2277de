"""Every review as one table, as it was known at some instant: what the measures are worked out from.

Live items and the reviews imported from before go-live stand side by side in it, one row each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, OPEN_STATES, Act, Outcome, SourceKind, State
from review_queue.periods import parse_period, seasons_back
from review_queue.roles import Principal, Task
from storage import bulk, used_plans
from storage import people as persons
from storage.tables import (
    actuals,
    audit_events,
    cycles,
    decisions,
    forecasts,
    items,
    model_versions,
    past_reviews,
    people,
    reasons,
    segments,
    series,
    sources,
)
from storage.workflows import Workflow

SEGMENT, ATTRIBUTE = "segment_", "attribute_"  #: what the columns of levels and of imported attributes begin with
TIMES = (
    *("created_at", "started_at", "decided_at", "withdrawn_at", "due_at", "actual_final_at"),
    *("opened_at", "first_evidence_at"),
)
NUMBERS = (
    *("ai", "manual", "naive", "final", "actual", "ai_low", "ai_high", "ai_level", "u", "value_per_unit"),
    *("scale", "initial_value", "hours_to_deadline", "queue_length", "horizon"),
)
TRUTHS = ("flagged", "is_lower_bound", "simulated", "audit_sample", "is_degraded")
TEXTS = (
    *("series", "period", "state", "reviewer", "outcome"),
    *("model_version", "reason", "note", "band", "mode"),
)
#: How a live decision was made, as it was frozen; unknown of past reviews.
HOW_DECIDED = (
    *("mode", "opened_at", "first_evidence_at", "queue_length", "hours_to_deadline"),
    *("initial_value", "knew_more", "scale", "is_degraded"),
)
COLUMNS = (
    "item",
    "series",
    "period",
    *TIMES[:5],
    "state",
    "reviewer",
    "outcome",
    *NUMBERS[:5],
    "actual_final_at",
    *NUMBERS[5:8],
    "model_version",
    "reason",
    "note",
    "u",
    "band",
    "lane",
    "flagged",
    "value_per_unit",
    "is_lower_bound",
    "simulated",
    "audit_sample",
    "horizon",
    *HOW_DECIDED,
)
#: How many seasons back the last known value of the same season is looked for.
SEASONS_BACK = 3
#: Above so many different periods it is quicker to read every actual than to name the ones that are wanted.
MOST_PERIODS_NAMED = 500


class Tips(NamedTuple):
    """The highest id of each table that ``reviews`` reads and that only grows."""

    audit_events: int
    decisions: int
    forecasts: int
    actuals: int
    past_reviews: int


_GROWING = (audit_events, decisions, forecasts, actuals, past_reviews)
#: Acts that change more than the items that they name.
BEYOND_ITEMS = ("import", "period.locked", "demo.loaded")
#: Above so many it is quicker to read everything.
MOST_TOUCHED = 5_000


def reviews(
    session: Session,
    workflow: Workflow,
    as_of: datetime,
    *,
    within: Principal | None = None,
    only: Sequence[int] | None = None,
) -> pd.DataFrame:
    """One row per review that existed at ``as_of`` (UTC): live items, and past reviews kept elsewhere.

    Values are those that were known then. A live decided item shows what was frozen in its decision: the newest
    one of the newest round, if that is final, was not undone and waits for nobody else. An undecided one shows the
    forecasts that stood.
    ``naive`` is the given naive forecast, else the last actual of the same season whose period had ended before the
    review was created. An actual counts from its ``final_at``, else from when it was received; one that follows another
    of the same series and period, from when it was received at the earliest; one that came with a past review, from
    the end of its period. ``started_at`` is the first claim.
    ``lane``, ``u``, ``band`` and ``flagged`` of undecided items are today's, and so is a withdrawal without a date.

    Args:
        within: keep to what this person may see in analytics; None is everything.
        only: keep to live items that are open and to these; None is everything.

    Returns:
        The columns of ``COLUMNS``, then ``segment_<level>`` for each level of the policy and ``attribute_<name>`` for
        each attribute of past reviews, as text. Values are in the workflow's unit, times UTC, unknown is NaN or NaT;
        ``reviewer`` is who decided, else who holds it now; ``item`` is <NA> for past reviews. ``note`` is the text of
        the reason, else of the decision; ``knew_more`` is True, False or None. At the end the columns of
        ``used_plans.COLUMNS``.
    """
    table = _live(session, workflow, as_of, within, only)
    if only is None:
        table = pd.concat([table, _past(session, workflow, as_of, within)], ignore_index=True)
    else:
        table["actual"] = float("nan")  # past reviews may bring theirs
    table = _with_levels(table, workflow.policy.segments)
    table = _with_actuals(session, workflow, table, as_of)
    table = _with_naive(session, workflow, table, as_of)
    table["simulated"] = workflow.is_simulated
    table = used_plans.with_plans(session, workflow, table, as_of)
    further = (SEGMENT, ATTRIBUTE)
    extra = [name for name in table.columns if name.startswith(further) or name in used_plans.COLUMNS]
    return _typed(table[[*COLUMNS, *extra]])


def newest(session: Session) -> Tips:
    """How far the tables that ``reviews`` reads have grown: while it is the same, only the clock can change them."""
    tips = [select(func.coalesce(func.max(table.c.id), 0)).scalar_subquery() for table in _GROWING]
    return Tips(*session.execute(select(*tips)).one())


def touched(session: Session, workflow_id: int, since: Tips, until: Tips) -> list[int] | None:
    """The items that something has happened to between two states of the tables.

    None where more than items can differ, or too many do: then everything is to be read anew.
    """
    if (since.actuals, since.past_reviews) != (until.actuals, until.past_reviews):
        return None
    later = audit_events.c.id > since.audit_events
    beyond_items = select(audit_events.c.id).where(later, audit_events.c.action.in_(BEYOND_ITEMS))
    if session.execute(beyond_items.limit(1)).first() is not None:
        return None
    happened = union(
        select(audit_events.c.item_id).where(later, audit_events.c.item_id.is_not(None)),
        select(decisions.c.item_id).where(decisions.c.id > since.decisions),
        select(forecasts.c.item_id).where(forecasts.c.id > since.forecasts),
    )
    found = list(session.execute(happened.limit(MOST_TOUCHED + 1)).scalars())
    return found if len(found) <= MOST_TOUCHED else None


# --- live items ----------------------------------------------------------------------------------------------------


def _live(
    session: Session, workflow: Workflow, as_of: datetime, within: Principal | None, only: Sequence[int] | None
) -> pd.DataFrame:
    wanted = true() if only is None else or_(items.c.state.in_(OPEN_STATES), bulk.among(session, items.c.id, only))
    effective = _effective_decisions(workflow.id, as_of, wanted)
    table = _frame(session, _live_query(workflow.id, as_of, effective, within, wanted))
    standing = _standing_forecasts(session, workflow.id, as_of, effective, wanted)
    undecided = table["outcome"].isna()
    stood = standing.reindex(table.loc[undecided, "item"])
    for column in standing.columns:
        table.loc[undecided, column] = stood[column].to_numpy()
    return table


def _effective_decisions(workflow_id: int, as_of: datetime, wanted: ColumnElement[bool]) -> CTE:
    """The last word on each item by ``as_of``: the newest row of its newest round, whatever it says."""
    newest = func.row_number().over(
        partition_by=decisions.c.item_id, order_by=(decisions.c.round.desc(), decisions.c.id.desc())
    )
    ranked = (
        select(decisions, newest.label("newest"))
        .join(items, items.c.id == decisions.c.item_id)
        .where(items.c.workflow_id == workflow_id, decisions.c.decided_at <= as_of, wanted)
        .subquery("ranked")
    )
    return select(ranked).where(ranked.c.newest == 1).cte("effective")


def _live_query(
    workflow_id: int, as_of: datetime, effective: CTE, within: Principal | None, wanted: ColumnElement[bool]
) -> Select[Any]:
    decided = and_(
        effective.c.outcome.in_(FINAL_OUTCOMES), not_(effective.c.is_provisional), effective.c.round == items.c.round
    )
    held = and_(items.c.claimed_at <= as_of, items.c.expires_at > as_of, items.c.state == State.CLAIMED)
    state = case(
        (decided, State.DECIDED.value),
        (items.c.state.in_((State.WITHDRAWN, State.LOCKED)), items.c.state),
        (held, State.CLAIMED.value),
        (effective.c.outcome == Outcome.DEFER, State.DEFERRED.value),
        (effective.c.outcome == Outcome.SEND_BACK, State.SENT_BACK.value),
        else_=State.READY.value,
    )
    why = reasons.alias("why")
    actor, holder, claims = people.alias("actor"), people.alias("holder"), _first_claims(workflow_id, as_of, wanted)
    frozen = {
        "decided_at": effective.c.decided_at,
        "outcome": effective.c.outcome,
        "ai": effective.c.ai_value,
        "manual": effective.c.manual_value,
        "naive": effective.c.naive_value,
        "final": effective.c.final_value,
        "ai_low": effective.c.ai_low,
        "ai_high": effective.c.ai_high,
        "ai_level": effective.c.ai_level,
        "model_version": effective.c.model_version,
        "reason": effective.c.reason_code,
        "note": func.coalesce(func.nullif(why.c.text, ""), effective.c.note),
        **{name: effective.c[name] for name in HOW_DECIDED},
    }
    either = {name: (effective.c[name], items.c[name]) for name in ("u", "band", "lane", "flagged")}
    return (
        select(
            items.c.id.label("item"),
            items.c.series_id,
            series.c.key.label("series"),
            series.c.value_per_unit,
            items.c.period,
            segments.c.path,
            items.c.created_at,
            items.c.due_at,
            claims.c.started_at,
            case((items.c.state == State.LOCKED, cycles.c.locked_at)).label("withdrawn_at"),
            state.label("state"),
            case((decided, actor.c.name), (held, holder.c.name)).label("reviewer"),
            *(case((decided, column)).label(name) for name, column in frozen.items()),
            *(case((decided, then), else_=now).label(name) for name, (then, now) in either.items()),
            items.c.audit_sample,
            items.c.horizon,
            null().label("attributes"),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(cycles, and_(cycles.c.workflow_id == items.c.workflow_id, cycles.c.period == items.c.period))
        .outerjoin(effective, effective.c.item_id == items.c.id)
        .outerjoin(actor, actor.c.id == effective.c.actor_id)
        .outerjoin(why, and_(why.c.decision_id == effective.c.id, why.c.rank == 0))
        .outerjoin(holder, holder.c.id == items.c.claimed_by)
        .outerjoin(claims, claims.c.item_id == items.c.id)
        .where(items.c.workflow_id == workflow_id, items.c.created_at <= as_of, wanted)
        .where(*([] if within is None else [persons.scope(within, Task.SEE_ANALYTICS)]))
        .order_by(items.c.id)
    )


def _first_claims(workflow_id: int, as_of: datetime, wanted: ColumnElement[bool]) -> Subquery:
    """When each item was first taken up: from the record of claims, from decisions, and from the item itself."""
    here = and_(items.c.workflow_id == workflow_id, wanted)
    noted = (
        select(items.c.id.label("item_id"), items.c.claimed_at.label("at")).where(here),
        select(decisions.c.item_id, decisions.c.claimed_at).join(items, items.c.id == decisions.c.item_id).where(here),
        select(audit_events.c.item_id, audit_events.c.at)
        .join(items, items.c.id == audit_events.c.item_id)
        .where(here, audit_events.c.action == "item.claimed"),
    )
    claims = noted[0].union_all(*noted[1:]).subquery("claims")
    return (
        select(claims.c.item_id, func.min(claims.c.at).label("started_at"))
        .where(claims.c.at <= as_of)
        .group_by(claims.c.item_id)
        .subquery("first_claims")
    )


def _standing_forecasts(
    session: Session, workflow_id: int, as_of: datetime, effective: CTE, wanted: ColumnElement[bool]
) -> pd.DataFrame:
    """The newest forecast of each kind received by ``as_of``, for undecided items; one row each, indexed by item."""
    newest = func.row_number().over(partition_by=(forecasts.c.item_id, sources.c.kind), order_by=forecasts.c.id.desc())
    undecided = (
        select(items.c.id)
        .outerjoin(effective, and_(effective.c.item_id == items.c.id, effective.c.round == items.c.round))
        .where(items.c.workflow_id == workflow_id, wanted)
        .where(
            or_(
                effective.c.outcome.is_(None),
                effective.c.outcome.not_in(FINAL_OUTCOMES),
                effective.c.is_provisional,
            )
        )
    )
    ranked = (
        select(forecasts, sources.c.kind, newest.label("newest"))
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(forecasts.c.item_id.in_(undecided), forecasts.c.received_at <= as_of)
        .subquery("ranked_forecasts")
    )
    query = (
        select(
            ranked.c.item_id,
            ranked.c.kind,
            ranked.c.value,
            ranked.c.low.label("ai_low"),
            ranked.c.high.label("ai_high"),
            ranked.c.interval_level.label("ai_level"),
            model_versions.c.name.label("model_version"),
        )
        .outerjoin(model_versions, model_versions.c.id == ranked.c.model_version_id)
        .where(ranked.c.newest == 1)
    )
    rows = _frame(session, query)
    by_kind = {kind: rows[rows["kind"] == kind].set_index("item_id") for kind in SourceKind}
    values = {kind.value: by_kind[kind]["value"] for kind in (SourceKind.AI, SourceKind.MANUAL, SourceKind.NAIVE)}
    return pd.DataFrame(
        {
            **values,
            **{name: by_kind[SourceKind.AI][name] for name in ("ai_low", "ai_high", "ai_level", "model_version")},
        }
    )


# --- past reviews --------------------------------------------------------------------------------------------------


def _past(session: Session, workflow: Workflow, as_of: datetime, within: Principal | None) -> pd.DataFrame:
    past = past_reviews.c
    query = (
        select(
            past.series_id,
            series.c.key.label("series"),
            series.c.value_per_unit,
            past.period,
            segments.c.path,
            past.created_at,
            past.started_at,
            past.decided_at,
            past.withdrawn_at,
            past.due_at,
            past.reviewer,
            past.outcome,
            past.ai_forecast.label("ai"),
            past.human_forecast.label("manual"),
            past.final_forecast.label("final"),
            past.actual,
            past.reason_code.label("reason"),
            past.note,
            past.attributes,
        )
        .join(series, series.c.id == past.series_id)
        .outerjoin(segments, segments.c.id == past.segment_id)
        .where(past.workflow_id == workflow.id, past.created_at <= as_of)
        .where(*([] if within is None else [persons.scope(within, Task.SEE_ANALYTICS, on=past_reviews)]))
        .order_by(past.id)
    )
    return _as_known(_frame(session, query), as_of, workflow.policy.zone)


def _as_known(table: pd.DataFrame, as_of: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """Forget what happened after ``as_of``, and say in what state that leaves each past review."""
    for column in ("started_at", "decided_at", "withdrawn_at"):
        times = pd.to_datetime(table[column], utc=True)
        table[column] = times.where(times <= pd.Timestamp(as_of))
    decided = table["decided_at"].notna()
    for column in ("final", "outcome", "reason", "note"):
        table[column] = table[column].where(decided)
    table["state"] = State.READY.value
    table.loc[table["withdrawn_at"].notna(), "state"] = State.WITHDRAWN.value
    table.loc[decided, "state"] = State.DECIDED.value
    ended = _period_ends(table["period"], zone).fillna(table["decided_at"]) <= pd.Timestamp(as_of)
    table["actual"] = table["actual"].where(ended)
    attributes = pd.DataFrame.from_records(
        [found or {} for found in table.pop("attributes")], index=table.index
    ).add_prefix(ATTRIBUTE)
    return table.join(attributes)


# --- what happened, and the naive forecast -------------------------------------------------------------------------


def _with_actuals(session: Session, workflow: Workflow, table: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    known = _known_actuals(session, workflow.id, table["period"].dropna().unique(), as_of)
    standing = known.sort_values("id").drop_duplicates(["series_id", "period"], keep="last")
    found = table[["series_id", "period"]].merge(standing, on=["series_id", "period"], how="left")
    found.index = table.index
    brought = pd.to_numeric(table["actual"])
    table["actual"] = brought.fillna(found["value"])
    table["actual_final_at"] = found["final_at"].where(brought.isna())
    table["is_lower_bound"] = found["is_lower_bound"].eq(True) & brought.isna()
    return table


def _with_naive(session: Session, workflow: Workflow, table: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Fill in the seasonal naive forecast where none was given: the last value of the same season known by then."""
    table["naive"] = pd.to_numeric(table["naive"])
    wanted = table.loc[table["naive"].isna() & table["period"].notna(), ["series_id", "period", "created_at"]]
    seasons = {back: _seasons_back(wanted["period"], back) for back in range(1, SEASONS_BACK + 1)}
    needed = pd.concat([text.dropna() for text in seasons.values()]).unique()
    if not len(needed):
        return table
    known = _known_actuals(session, workflow.id, needed, as_of)
    if known.empty:
        return table
    ended = _period_ends(known["period"], workflow.policy.zone)
    known_at = pd.to_datetime(known["final_at"], utc=True).fillna(ended)
    known["known_at"] = known_at.where(~(known["corrected_at"] > known_at), known["corrected_at"])
    wanted = wanted.rename_axis("review").reset_index()
    for texts in seasons.values():
        season = wanted.assign(period=wanted["review"].map(texts))
        candidate = season.merge(known, on=["series_id", "period"])
        early = candidate["known_at"] <= pd.to_datetime(candidate["created_at"], utc=True)
        newest = candidate[early].sort_values("id").drop_duplicates("review", keep="last")
        table["naive"] = table["naive"].fillna(newest.set_index("review")["value"])
    return table


def _known_actuals(session: Session, workflow_id: int, periods: Iterable[Any], as_of: datetime) -> pd.DataFrame:
    """The actuals that were known at ``as_of`` in each series, among ``periods`` (canonical texts).

    Of one series and period the highest ``id`` is the one that stood; ``corrected_at`` is when one came that follows
    another.
    """
    earlier = actuals.alias("earlier")
    follows = exists().where(
        earlier.c.series_id == actuals.c.series_id,
        earlier.c.period_start == actuals.c.period_start,
        earlier.c.id < actuals.c.id,
    )
    corrected_at = case((follows, actuals.c.received_at))
    final_at = case((or_(~follows, actuals.c.final_at > actuals.c.received_at), actuals.c.final_at))
    query = (
        select(
            actuals.c.id,
            actuals.c.series_id,
            actuals.c.period,
            actuals.c.value,
            actuals.c.final_at,
            actuals.c.is_lower_bound,
            corrected_at.label("corrected_at"),
        )
        .join(series, series.c.id == actuals.c.series_id)
        .where(series.c.workflow_id == workflow_id, func.coalesce(final_at, actuals.c.received_at) <= as_of)
    )
    names = [str(period) for period in periods]
    if len(names) <= MOST_PERIODS_NAMED:
        query = query.where(actuals.c.period.in_(names))
    known = _frame(session, query).astype({"series_id": "int64", "value": float})
    return known.assign(corrected_at=pd.to_datetime(known["corrected_at"], utc=True))


def _period_ends(periods: pd.Series, zone: ZoneInfo) -> pd.Series:
    """The instant at which each period is over, in the workflow's zone."""
    ends = {text: pd.Timestamp(parse_period(text).end, tz=zone) for text in periods.dropna().unique()}
    return pd.to_datetime(periods.map(ends), utc=True)


def _seasons_back(periods: pd.Series, seasons: int) -> pd.Series:
    earlier = {text: _earlier(text, seasons) for text in periods.dropna().unique()}
    return periods.map(earlier)


def _earlier(period: str, seasons: int) -> str | None:
    try:
        return seasons_back(parse_period(period), seasons).text
    except ValueError:  # before the first year of the calendar: there is no such period
        return None


# --- the table -----------------------------------------------------------------------------------------------------


def _frame(session: Session, query: Select[Any] | CompoundSelect[Any]) -> pd.DataFrame:
    answer = session.execute(query)
    names, rows = list(answer.keys()), answer.all()
    # Column by column: pandas takes several times as long over rows.
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pd.DataFrame({name: list(values) for name, values in zip(names, columns, strict=True)})


def _with_levels(table: pd.DataFrame, levels: tuple[str, ...]) -> pd.DataFrame:
    """Split each path into the names of its levels; a level below an item's own segment is unknown."""
    names = {path: path.split("\x1f")[:-1] for path in table["path"].dropna().unique()}
    for depth, level in enumerate(levels):
        known = {path: parts[depth] for path, parts in names.items() if depth < len(parts)}
        table[SEGMENT + level] = table["path"].map(known)
    return table


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """The same types whatever came in, even nothing."""
    for column in TIMES:
        table[column] = pd.to_datetime(table[column], utc=True).dt.as_unit("us")
    for column in NUMBERS:
        table[column] = pd.to_numeric(table[column]).astype(float)
    for column in TRUTHS:
        table[column] = table[column].eq(True)
    for column in (*TEXTS, *(name for name in table.columns if name.startswith((SEGMENT, ATTRIBUTE)))):
        table[column] = table[column].astype("str")
    table["knew_more"] = table["knew_more"].astype("object")
    for column in ("item", "lane"):
        table[column] = table[column].astype("Int64")
    return table


# --- what happened in between --------------------------------------------------------------------------------------

TAKEN_UP = "taken_up"
MOVED_ON = (Outcome.ESCALATE, Outcome.DEFER, Outcome.SEND_BACK)


def stage_events(session: Session, workflow: Workflow, as_of: datetime) -> pd.DataFrame:
    """When items were escalated, put off or sent back, and when they were taken up, of items with whom that happened.

    Returns:
        ``item``, ``at`` (UTC, up to ``as_of``) and ``stage``: an outcome of ``MOVED_ON``, or ``TAKEN_UP``, which an
        undo does too. In the order of their times.
    """
    moved = (
        select(decisions.c.item_id)
        .join(items, items.c.id == decisions.c.item_id)
        .where(items.c.workflow_id == workflow.id, decisions.c.outcome.in_(MOVED_ON), decisions.c.decided_at <= as_of)
    )
    is_move = and_(decisions.c.act == Act.DECIDE, decisions.c.outcome.in_(MOVED_ON))
    at, stage = decisions.c.decided_at, case((is_move, decisions.c.outcome), else_=TAKEN_UP)
    chosen = select(decisions.c.item_id.label("item"), at.label("at"), stage.label("stage")).where(
        decisions.c.item_id.in_(moved), or_(is_move, decisions.c.act == Act.UNDO)
    )
    claimed = select(decisions.c.item_id, decisions.c.claimed_at, literal(TAKEN_UP)).where(
        decisions.c.item_id.in_(moved), decisions.c.claimed_at.is_not(None)
    )
    held = select(items.c.id, items.c.claimed_at, literal(TAKEN_UP)).where(
        items.c.id.in_(moved), items.c.claimed_at.is_not(None)
    )
    table = _frame(session, chosen.union_all(claimed, held)).assign(
        at=lambda rows: pd.to_datetime(rows["at"], utc=True)
    )
    known = table[table["at"] <= pd.Timestamp(as_of)]
    return known.sort_values(["item", "at"], kind="stable", ignore_index=True)

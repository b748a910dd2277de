"""Items and what was decided on them, as it was known at an instant."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import CTE, ColumnElement, Select, Subquery, and_, case, func, not_, null, or_, select
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, Outcome, SourceKind, State
from review_queue.roles import Principal, Task
from storage import bulk
from storage import people as persons
from storage.engine import unindexed
from storage.frames import frame
from storage.growth import Some
from storage.tables import (
    OPEN,
    audit_events,
    cycles,
    decisions,
    forecasts,
    items,
    model_versions,
    reasons,
    segments,
    series,
    sources,
)
from storage.workflows import Workflow

#: How a live decision was made, as it was frozen; unknown of past reviews.
HOW_DECIDED = (
    *("mode", "opened_at", "first_evidence_at", "queue_length", "hours_to_deadline"),
    *("initial_value", "knew_more", "scale", "is_degraded"),
)


def live_rows(
    session: Session, workflow: Workflow, as_of: datetime, within: Principal | None, only: Some | None
) -> pd.DataFrame:
    """The items of ``storage.reports.rows``."""
    here = items.c.workflow_id == workflow.id if only is None else _among(session, workflow.id, only)
    effective = _effective_decisions(as_of, here)
    table = frame(session, _live_query(as_of, effective, within, here))
    standing = _standing_forecasts(session, as_of, effective, here)
    undecided = table["outcome"].isna()
    stood = standing.reindex(table.loc[undecided, "item"])
    for column in standing.columns:
        table.loc[undecided, column] = stood[column].to_numpy()
    return table


def _among(session: Session, workflow_id: int, only: Some) -> ColumnElement[bool]:
    ids = list(only.items)
    if only.and_open:
        # By their ids: of "open, or one of these" the databases look at every item that there is.
        waiting = select(items.c.id).where(items.c.workflow_id == workflow_id, OPEN)
        ids = sorted({*ids, *session.execute(waiting).scalars()})
    return and_(unindexed(items.c.workflow_id) == workflow_id, bulk.among(session, items.c.id, ids))


def _live_query(as_of: datetime, effective: CTE, within: Principal | None, here: ColumnElement[bool]) -> Select[Any]:
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
    claims = _first_claims(as_of, here)
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
            null().label("past"),
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
            null().label("reviewer"),
            case((decided, effective.c.actor_id), (held, items.c.claimed_by)).label("reviewer_id"),
            *(case((decided, column)).label(name) for name, column in frozen.items()),
            *(case((decided, then), else_=now).label(name) for name, (then, now) in either.items()),
            items.c.audit_sample,
            items.c.horizon,
            null().label("actual"),
            null().label("attributes"),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(cycles, and_(cycles.c.workflow_id == items.c.workflow_id, cycles.c.period == items.c.period))
        .outerjoin(effective, effective.c.item_id == items.c.id)
        .outerjoin(why, and_(why.c.decision_id == effective.c.id, why.c.rank == 0))
        .outerjoin(claims, claims.c.item_id == items.c.id)
        .where(here, items.c.created_at <= as_of)
        .where(*([] if within is None else [persons.scope(within, Task.SEE_ANALYTICS)]))
        .order_by(items.c.id)
    )


def _effective_decisions(as_of: datetime, here: ColumnElement[bool]) -> CTE:
    """The last word on each item by ``as_of``: the newest row of its newest round, whatever it says."""
    newest = func.row_number().over(
        partition_by=decisions.c.item_id, order_by=(decisions.c.round.desc(), decisions.c.id.desc())
    )
    ranked = (
        select(decisions, newest.label("newest"))
        .join(items, items.c.id == decisions.c.item_id)
        .where(here, decisions.c.decided_at <= as_of)
        .subquery("ranked")
    )
    return select(ranked).where(ranked.c.newest == 1).cte("effective")


def _first_claims(as_of: datetime, here: ColumnElement[bool]) -> Subquery:
    """When each item was first taken up: from the record of claims, from decisions, and from the item itself."""
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


def _standing_forecasts(session: Session, as_of: datetime, effective: CTE, here: ColumnElement[bool]) -> pd.DataFrame:
    """The newest forecast of each kind received by ``as_of``, for undecided items; one row each, indexed by item."""
    newest = func.row_number().over(partition_by=(forecasts.c.item_id, sources.c.kind), order_by=forecasts.c.id.desc())
    undecided = (
        select(items.c.id)
        .outerjoin(effective, and_(effective.c.item_id == items.c.id, effective.c.round == items.c.round))
        .where(here)
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
    rows = frame(session, query)
    by_kind = {kind: rows[rows["kind"] == kind].set_index("item_id") for kind in SourceKind}
    values = {kind.value: by_kind[kind]["value"] for kind in (SourceKind.AI, SourceKind.MANUAL, SourceKind.NAIVE)}
    return pd.DataFrame(
        {
            **values,
            **{name: by_kind[SourceKind.AI][name] for name in ("ai_low", "ai_high", "ai_level", "model_version")},
        }
    )

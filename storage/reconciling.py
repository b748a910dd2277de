"""A period's items with every number that stands on them, now or as it was known at an earlier moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, OPEN_STATES, SourceKind, Stage, State
from review_queue.periods import before, parse_period
from review_queue.reconciling import planned
from review_queue.roles import Principal, Task
from review_queue.showing import Showing
from review_queue.withholding import HIDDEN, Withheld
from storage import showings
from storage.listing import awaits_number
from storage.people import scope
from storage.tables import (
    actuals,
    audit_events,
    cycles,
    decisions,
    forecasts,
    items,
    model_versions,
    people,
    segments,
    series,
    sources,
)
from storage.workflows import Workflow

#: Events after which what was decided on an item before no longer stands.
REOPENED = ("item.reopened", "item.stale")
_NUMBERS = ("ai", "manual", "final", "last", "value_per_unit", "decision", "u")


@dataclass(frozen=True, slots=True)
class Cycle:
    """One period of a workflow, and whether it is closed."""

    period: str
    deadline_at: datetime | None  #: UTC
    locked_at: datetime | None  #: UTC
    locked_by: str | None
    open_items: int  #: in the whole workflow


def cycles_of(session: Session, workflow_id: int) -> list[Cycle]:
    """The workflow's periods, the newest first."""
    waiting = (
        select(items.c.period, func.count().label("open_items"))
        .where(items.c.workflow_id == workflow_id, items.c.state.in_(OPEN_STATES))
        .group_by(items.c.period)
        .subquery()
    )
    rows = session.execute(
        select(
            cycles.c.period,
            cycles.c.deadline_at,
            cycles.c.locked_at,
            people.c.name,
            func.coalesce(waiting.c.open_items, 0),
        )
        .outerjoin(people, people.c.id == cycles.c.locked_by)
        .outerjoin(waiting, waiting.c.period == cycles.c.period)
        .where(cycles.c.workflow_id == workflow_id)
        .order_by(cycles.c.period_start.desc(), cycles.c.id.desc())
    )
    return [Cycle(*row) for row in rows]


def leaves(session: Session, who: Principal, workflow: Workflow, period: str, *, as_of: datetime) -> pd.DataFrame:
    """The period's items in ``who``'s scope that are not withdrawn, with what was known at ``as_of`` (UTC).

    Returns:
        ``review_queue.reconciling.LEAVES`` and ``series_id, state, stage, holder, assigned, u, content_hash,
        decided_by, decided_at``; state, stage, holder and hash are of now.
    """
    found = _numbers(session, who, workflow, period, as_of=as_of)
    earlier = before(parse_period(period))
    past = planned(_numbers(session, who, workflow, earlier.text, as_of=as_of).assign(last=float("nan")))
    plans = past.drop_duplicates("series_id", keep="last").set_index("series_id")["plan"].astype("float64")
    happened = _actuals(session, workflow, earlier.start.isoformat(), as_of=as_of)
    ids = found["series_id"]
    return found.assign(last=ids.map(happened).astype("float64").fillna(ids.map(plans).astype("float64")))


def _numbers(session: Session, who: Principal, workflow: Workflow, period: str, *, as_of: datetime) -> pd.DataFrame:
    rows = _items(session, who, workflow, period)
    values = _shown(_values(session, workflow, period, as_of=as_of), rows, showings.of(session, workflow.id))
    for kind in (SourceKind.AI, SourceKind.MANUAL):
        of_kind = values[values["kind"] == kind].drop_duplicates("item", keep="last").set_index("item")["value"]
        rows[kind.value] = rows["item"].map(of_kind)
    rows["ai"] = rows["ai"].mask(rows["withheld"].isin(list(HIDDEN)))  # part of no total, and of no plan
    standing = _standing(session, workflow, period, as_of=as_of)
    return rows.merge(standing, how="left", on="item").astype(dict.fromkeys(set(_NUMBERS) - {"last"}, "float64"))


def _shown(values: pd.DataFrame, rows: pd.DataFrame, showing: Showing) -> pd.DataFrame:
    """Without the AI's values of other versions, on the items that show the one that the workflow is rolled back to."""
    earlier = rows.loc[rows["withheld"] == Withheld.ROLLED_BACK.value, "item"]
    is_other = (values["kind"] == SourceKind.AI) & (values["version"] != showing.only)
    return values[~(is_other & values["item"].isin(earlier))]


def _items(session: Session, who: Principal, workflow: Workflow, period: str) -> pd.DataFrame:
    holders, owners = people.alias("holders"), people.alias("owners")
    rows = session.execute(
        select(
            items.c.id,
            items.c.series_id,
            series.c.key,
            func.coalesce(segments.c.path, ""),
            series.c.value_per_unit,
            items.c.state,
            items.c.stage,
            holders.c.name,
            owners.c.name,
            items.c.u,
            items.c.content_hash,
            items.c.withheld,
            awaits_number(who),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(holders, and_(holders.c.id == items.c.claimed_by, items.c.state == State.CLAIMED))
        .outerjoin(owners, owners.c.id == items.c.assigned_to)
        .where(
            items.c.workflow_id == workflow.id,
            items.c.period == period,
            items.c.state != State.WITHDRAWN,
            scope(who, Task.SEE_QUEUE),
        )
        .order_by(segments.c.path, series.c.key)
    ).all()
    columns = ["item", "series_id", "series", "path", "value_per_unit", "state", "stage", "holder", "assigned", "u"]
    found = pd.DataFrame(rows, columns=[*columns, "content_hash", "withheld", "awaits_number"])
    return found.astype({"awaits_number": bool})


def _values(session: Session, workflow: Workflow, period: str, *, as_of: datetime) -> pd.DataFrame:
    rows = session.execute(
        select(forecasts.c.item_id, sources.c.kind, forecasts.c.value, model_versions.c.name)
        .join(items, items.c.id == forecasts.c.item_id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .outerjoin(model_versions, model_versions.c.id == forecasts.c.model_version_id)
        .where(
            items.c.workflow_id == workflow.id,
            items.c.period == period,
            sources.c.kind.in_((SourceKind.AI, SourceKind.MANUAL)),
            forecasts.c.received_at <= as_of,
        )
        .order_by(forecasts.c.id)
    ).all()
    return pd.DataFrame(rows, columns=["item", "kind", "value", "version"]).astype({"value": "float64"})


def _standing(session: Session, workflow: Workflow, period: str, *, as_of: datetime) -> pd.DataFrame:
    """The final decision that stood on each item at ``as_of``, if one did."""
    superseding = decisions.alias("superseding")
    is_superseded = exists().where(superseding.c.supersedes_id == decisions.c.id, superseding.c.decided_at <= as_of)
    is_reopened = exists().where(
        audit_events.c.item_id == decisions.c.item_id,
        audit_events.c.action.in_(REOPENED),
        audit_events.c.at >= decisions.c.decided_at,
        audit_events.c.at <= as_of,
    )
    rows = session.execute(
        select(
            decisions.c.item_id,
            decisions.c.id,
            decisions.c.final_value,
            decisions.c.reason_code,
            decisions.c.is_override,
            decisions.c.opposite_of.is_not(None),
            people.c.name,
            decisions.c.decided_at,
        )
        .join(items, items.c.id == decisions.c.item_id)
        .join(people, people.c.id == decisions.c.actor_id)
        .where(
            items.c.workflow_id == workflow.id,
            items.c.period == period,
            decisions.c.outcome.in_(FINAL_OUTCOMES),
            ~decisions.c.is_provisional,
            decisions.c.decided_at <= as_of,
            ~is_superseded,
            ~is_reopened,
        )
        .order_by(decisions.c.id)
    ).all()
    columns = ["item", "decision", "final", "reason", "is_override", "is_opposite", "decided_by", "decided_at"]
    return pd.DataFrame(rows, columns=columns).drop_duplicates("item", keep="last")


def _actuals(session: Session, workflow: Workflow, start: str, *, as_of: datetime) -> dict[int, float]:
    """What happened in the period that starts on ``start``, by series."""
    rows = session.execute(
        select(actuals.c.series_id, actuals.c.value)
        .join(series, series.c.id == actuals.c.series_id)
        .where(
            series.c.workflow_id == workflow.id,
            actuals.c.period_start == pd.Timestamp(start).date(),
            actuals.c.received_at <= as_of,
        )
        .order_by(actuals.c.id)
    )
    return {row.series_id: row.value for row in rows}  # the newest last


def is_blind(leaves: pd.DataFrame) -> pd.Series:
    """Which leaves somebody is to decide without seeing the AI's value, or before."""
    return leaves["awaits_number"] | (leaves["stage"].eq(Stage.SECOND) & leaves["state"].isin(list(OPEN_STATES)))

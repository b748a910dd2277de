"""Reviews imported from before go-live, in the columns of live ones, as they were known at an instant."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from review_queue.items import State
from review_queue.roles import Principal, Task
from storage import bulk
from storage import people as persons
from storage.frames import frame
from storage.growth import Some
from storage.known_actuals import period_ends
from storage.tables import past_reviews, segments, series
from storage.workflows import Workflow


def past_rows(
    session: Session, workflow: Workflow, as_of: datetime, within: Principal | None, only: Some | None
) -> pd.DataFrame:
    """The past reviews of ``storage.reports.rows``."""
    past = past_reviews.c
    query = (
        select(
            past.id.label("past"),
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
        .where(*([] if only is None else [_among(session, only, as_of)]))
        .where(*([] if within is None else [persons.scope(within, Task.SEE_ANALYTICS, on=past_reviews)]))
        .order_by(past.id)
    )
    return _as_known(frame(session, query), as_of, workflow.policy.zone)


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
    ended = period_ends(table["period"], zone).fillna(table["decided_at"]) <= pd.Timestamp(as_of)
    table["actual"] = table["actual"].where(ended)
    table["attributes"] = [json.dumps(found, sort_keys=True) if found else None for found in table["attributes"]]
    return table


def _among(session: Session, only: Some, as_of: datetime) -> ColumnElement[bool]:
    past = past_reviews.c
    named = bulk.among(session, past.id, only.past)
    is_open = and_(
        or_(past.decided_at.is_(None), past.decided_at > as_of),
        or_(past.withdrawn_at.is_(None), past.withdrawn_at > as_of),
    )
    return or_(is_open, named) if only.and_open else named

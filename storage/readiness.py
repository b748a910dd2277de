"""What the readiness check counts of a workflow, and when one that asks for all of it was opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, distinct, func, insert, select
from sqlalchemy.orm import Session

from review_queue.items import SourceKind
from review_queue.readiness import ACTUALS, WEEKS, Facts
from review_queue.roles import Task
from storage import people
from storage.engine import database_now, database_time
from storage.tables import actuals, forecasts, items, openings, past_reviews, series, sources
from storage.tables import people as people_
from storage.track_record import stands


@dataclass(frozen=True, slots=True)
class Opening:
    """A workflow was opened for review."""

    policy_version: int
    by: str  #: untrusted text
    at: datetime  #: UTC


def facts_of(session: Session, workflow_id: int) -> Facts:
    """What there is to judge the workflow by."""
    now = database_now(session)
    here = items.c.workflow_id == workflow_id
    of_ai = _items_with(workflow_id, SourceKind.AI)
    ai_items, ai_series = session.execute(
        select(func.count(), func.count(distinct(items.c.series_id))).where(here, items.c.id.in_(of_ai))
    ).one()
    is_forecast = actuals.c.series_id.in_(select(items.c.series_id).where(here, items.c.id.in_(of_ai)))
    known = (
        select(actuals.c.series_id)
        .join(series, series.c.id == actuals.c.series_id)
        .where(series.c.workflow_id == workflow_id, is_forecast, stands())
        .group_by(actuals.c.series_id)
        .having(func.count() >= ACTUALS)
    )
    first_at = session.execute(select(func.min(items.c.created_at)).where(here)).scalar_one()
    since = now - timedelta(weeks=WEEKS)
    flagged = select(func.count()).select_from(items).where(here, items.c.flagged, items.c.created_at >= since)
    past = select(func.count()).select_from(past_reviews).where(past_reviews.c.workflow_id == workflow_id)
    naive = _items_with(workflow_id, SourceKind.NAIVE)
    return Facts(
        ai_items=ai_items,
        ai_series=ai_series,
        known_series=_count(session, known),
        past_reviews=session.execute(past).scalar_one(),
        naive_items=_count(session, naive),
        weeks=0.0 if first_at is None else min((now - first_at) / timedelta(weeks=1), float(WEEKS)) or 1e-9,
        flagged=session.execute(flagged).scalar_one(),
        reviewers=len(people.who_may(session, Task.REVIEW, workflow_id)),
    )


def add_opening(session: Session, workflow_id: int, policy_version: int, found: dict[str, bool], *, by: int) -> int:
    """Keep that the workflow was opened, with what was found. Returns its id."""
    row = {"workflow_id": workflow_id, "policy_version": policy_version, "found": found, "opened_by": by}
    added = insert(openings).values(**row, opened_at=database_time()).returning(openings.c.id)
    opening_id: int = session.execute(added).scalar_one()
    return opening_id


def last_opening(session: Session, workflow_id: int) -> Opening | None:
    """When it was opened the last time; None: never."""
    row = session.execute(
        select(openings.c.policy_version, people_.c.name, openings.c.opened_at)
        .join(people_, people_.c.id == openings.c.opened_by)
        .where(openings.c.workflow_id == workflow_id)
        .order_by(openings.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Opening(*row)


def _items_with(workflow_id: int, kind: SourceKind) -> Select[tuple[int]]:
    of_kind = select(sources.c.id).where(sources.c.workflow_id == workflow_id, sources.c.kind == kind)
    return select(forecasts.c.item_id).where(forecasts.c.source_id.in_(of_kind)).distinct()


def _count(session: Session, rows: Select[tuple[int]]) -> int:
    return session.execute(select(func.count()).select_from(rows.subquery())).scalar_one()

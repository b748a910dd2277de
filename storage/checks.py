"""Check items: what was planted before whom, and how they met it. Nothing here touches an item or a decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import Session

from review_queue.checking import Answer, Flaw, Planted
from review_queue.items import Choice, Item, SourceKind
from review_queue.periods import parse_period, seasons_back
from review_queue.roles import Principal, Task
from storage import people
from storage.engine import database_time
from storage.tables import actuals, checks, forecasts, items, sources
from storage.track_record import standing_forecast, stands
from storage.workflows import Workflow

COLUMNS = ("planted_at", "answered_at", "flaw", "outcome", "is_caught")


@dataclass(frozen=True, slots=True)
class Check:
    """One person's check on one round of an item."""

    id: int
    planted: Planted
    true_value: float  #: the AI's own when it was planted, in the workflow's unit
    is_answered: bool


def of(session: Session, item: Item, person_id: int) -> Check | None:
    """The check that was planted for this person in the item's round, if any."""
    row = session.execute(
        select(checks).where(checks.c.item_id == item.id, checks.c.round == item.round, checks.c.person_id == person_id)
    ).one_or_none()
    if row is None:
        return None
    planted = Planted(Flaw(row.flaw), row.shown_value, row.shown_low, row.shown_high)
    return Check(row.id, planted, row.true_value, row.answered_at is not None)


def since(session: Session, person_id: int, start: datetime) -> int:
    """How many were planted for this person since ``start`` (UTC)."""
    query = select(func.count()).where(checks.c.person_id == person_id, checks.c.planted_at >= start)
    return session.execute(query).scalar_one()


def plant(session: Session, item: Item, person_id: int, planted: Planted, *, true_value: float) -> None:
    """Keep what this person is to be shown in place of the AI's value."""
    session.execute(
        insert(checks).values(
            workflow_id=item.workflow_id,
            item_id=item.id,
            round=item.round,
            person_id=person_id,
            flaw=planted.flaw,
            shown_value=planted.value,
            shown_low=planted.low,
            shown_high=planted.high,
            true_value=true_value,
            planted_at=database_time(),
        )
    )


def answer(session: Session, check: Check, choice: Choice, *, final: float | None, caught: bool, request: str) -> None:
    """Keep how the check was met. ``request``: the fingerprint of the choice, for its repetition."""
    session.execute(
        update(checks)
        .where(checks.c.id == check.id)
        .values(
            opened_at=choice.opened_at,
            answered_at=database_time(),
            outcome=choice.outcome,
            final_value=final,
            is_caught=caught,
            idempotency_key=choice.idempotency_key,
            request_hash=request,
        )
    )


def answered_before(session: Session, key: str) -> tuple[Answer, str] | None:
    """The answer that came under this idempotency key, with the fingerprint of its choice."""
    row = session.execute(select(checks).where(checks.c.idempotency_key == key)).one_or_none()
    if row is None:
        return None
    planted = Planted(Flaw(row.flaw), row.shown_value, row.shown_low, row.shown_high)
    return Answer(planted, row.true_value, row.is_caught), row.request_hash


def season_before(session: Session, item: Item) -> float | None:
    """What came true in the item's series one season earlier; None where it is not known."""
    try:
        start = seasons_back(parse_period(item.period)).start
    except ValueError:  # before the first year of the calendar
        return None
    return session.execute(
        select(actuals.c.value).where(actuals.c.series_id == item.series_id, actuals.c.period_start == start, stands())
    ).scalar()


def elsewhere(session: Session, item: Item) -> float | None:
    """The AI's value of the same period in the next item of another segment; None where there is none."""
    here = select(items.c.segment_id).where(items.c.id == item.id).scalar_subquery()
    return session.execute(
        select(forecasts.c.value)
        .select_from(items)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(
            items.c.workflow_id == item.workflow_id,
            items.c.period_start == item.period_start,
            items.c.id > item.id,
            items.c.segment_id != here,
            standing_forecast(SourceKind.AI),
        )
        .order_by(items.c.id)
        .limit(1)
    ).scalar()


def met(session: Session, workflow: Workflow, as_of: datetime, *, within: Principal | None = None) -> pd.DataFrame:
    """The checks that were met by ``as_of`` (UTC), with ``COLUMNS``; whose they were is not told."""
    seen = [] if within is None else [people.scope(within, Task.SEE_ANALYTICS)]
    rows = session.execute(
        select(
            checks.c.planted_at,
            checks.c.answered_at,
            checks.c.flaw,
            checks.c.outcome,
            checks.c.is_caught,
        )
        .join(items, items.c.id == checks.c.item_id)
        .where(and_(checks.c.workflow_id == workflow.id, checks.c.answered_at <= as_of), *seen)
        .order_by(checks.c.id)
    ).all()
    return pd.DataFrame(rows, columns=list(COLUMNS))

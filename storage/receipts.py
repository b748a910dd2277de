"""The receipt of a decision: what was on the screen, who and when, why, and what has happened since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Row, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from review_queue.errors import DecisionNotFound, ItemNotFound, ReceiptSealed
from review_queue.items import OPEN_STATES, Act, Band, Decision, Item, Lane, Outcome, Reason, SourceKind, Stage
from review_queue.roles import Principal, Task
from storage import decisions as decisions_
from storage import notes, one_item, workflows
from storage.engine import database_now
from storage.listing import unless_blind
from storage.notes import Comment
from storage.people import scope
from storage.tables import (
    actuals,
    cycles,
    decisions,
    evidence_views,
    forecasts,
    items,
    people,
    reasons,
    series,
    sources,
)
from storage.tree import path_of
from storage.workflows import Workflow

COLUMNS = ["id", "decided_at", "decided_by", "series", "period", "outcome", "ai", "manual", "final", "reason", "stands"]


@dataclass(frozen=True, slots=True)
class Screen:
    """The facts as they stood in front of whoever decided; values in the workflow's unit."""

    mode: str  #: ``ai_first``, ``human_first`` or ``bulk``
    ai: float | None
    low: float | None  #: lower end of the AI's range
    high: float | None
    level: float | None  #: nominal coverage of the range, 0 to 1
    model_version: str | None
    manual: float | None
    manual_by: str | None  #: who had made it
    manual_made_at: datetime | None  #: UTC; when they had, else when it came in
    naive: float | None
    gap: float | None  #: manual minus AI
    money: float | None
    scale: float | None  #: the AI's usual miss
    u: float | None  #: gap / usual miss
    band: Band
    flagged: bool
    lane: Lane
    score: float
    is_degraded: bool  #: decided while the AI's value could not be shown
    withheld: str | None  #: why it was not shown
    initial_value: float | None  #: named before the AI's value was shown
    knew_more: bool | None  #: whether they said then that they knew something the AI does not
    queue_length: int | None
    hours_to_deadline: float | None  #: negative: overdue
    policy_version: int
    owner: str | None


@dataclass(frozen=True, slots=True)
class Times:
    """When each step was taken, UTC."""

    claimed: datetime | None
    opened: datetime | None
    first_evidence: datetime | None
    decided: datetime


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a reason, as somebody noted later."""

    outcome: str
    by: str | None
    at: datetime | None  #: UTC
    effect: float | None  #: realised, in the unit


@dataclass(frozen=True, slots=True)
class Actual:
    """What came true."""

    value: float
    received_at: datetime  #: UTC
    is_lower_bound: bool


@dataclass(frozen=True, slots=True)
class Newer:
    """A forecast that came in after the decision."""

    kind: SourceKind
    source: str
    value: float
    received_at: datetime  #: UTC


@dataclass(frozen=True, slots=True)
class Receipt:
    """One decision, whole."""

    decision: Decision
    item: Item  #: as it stands now
    screen: Screen
    times: Times
    panels: tuple[tuple[str, datetime], ...]  #: evidence that was opened under this claim, and when
    reason: Reason | None
    became: Became | None
    supersedes: Decision | None
    superseded_by: Decision | None
    actual: Actual | None
    newer: tuple[Newer, ...]
    earlier: tuple[Decision, ...]  #: on the same item, oldest first
    later: tuple[Decision, ...]  #: on the same item, oldest first
    comments: tuple[Comment, ...]  #: left after it
    locked_at: datetime | None  #: when the period was locked, UTC


def get(session: Session, who: Principal, decision_id: int) -> Receipt:
    """The receipt of a decision inside this person's scope.

    Raises:
        DecisionNotFound: there is none, or it is not in this person's scope.
        ReceiptSealed: its item is under a blind second review that this person could give, or could give again.
    """
    row = session.execute(select(decisions).where(decisions.c.id == decision_id)).one_or_none()
    if row is None:
        raise DecisionNotFound(decision_id)
    try:
        item = one_item.get(session, row.item_id, who)
    except ItemNotFound:
        raise DecisionNotFound(decision_id) from None
    every = decisions_.of_item(session, item.id)
    if _is_sealed(session, who, item, every):
        raise ReceiptSealed(decision_id)
    this = next(each for each in every if each.id == decision_id)
    return Receipt(
        decision=this,
        item=item,
        screen=_screen(row, _manual_shown(session, row)),
        times=Times(row.claimed_at, row.opened_at, row.first_evidence_at, row.decided_at),
        panels=_panels(session, this),
        reason=decisions_.reason_of(session, decision_id),
        became=_became(session, decision_id),
        supersedes=next((each for each in every if each.id == this.supersedes), None),
        superseded_by=next((each for each in every if each.supersedes == this.id), None),
        actual=_actual(session, item),
        newer=_newer(session, this),
        earlier=tuple(each for each in every if each.id < this.id),
        later=tuple(each for each in every if each.id > this.id),
        comments=tuple(each for each in notes.comments_on(session, item.id) if each.created_at > this.decided_at),
        locked_at=_locked_at(session, item),
    )


def listed(
    session: Session,
    who: Principal,
    workflow: Workflow,
    *,
    search: str = "",
    outcomes: tuple[Outcome, ...] = (),
    limit: int = 200,
) -> pd.DataFrame:
    """The last choices in this person's scope, the newest first, columns ``COLUMNS``; what is sealed is left out."""
    wanted: list[ColumnElement[bool]] = [items.c.workflow_id == workflow.id, scope(who, Task.SEE_QUEUE)]
    since = database_now(session) - timedelta(seconds=workflow.policy.undo_seconds)
    if search:
        wanted.append(series.c.key.icontains(search, autoescape=True))
    if outcomes:
        wanted.append(decisions.c.outcome.in_(outcomes))
    later = decisions.alias("later")
    rows = session.execute(
        select(
            decisions.c.id,
            decisions.c.decided_at,
            people.c.name,
            series.c.key,
            items.c.period,
            decisions.c.outcome,
            unless_blind(decisions.c.ai_value),
            decisions.c.manual_value,
            decisions.c.final_value,
            decisions.c.reason_code,
            ~exists().where(later.c.supersedes_id == decisions.c.id),
        )
        .join(items, items.c.id == decisions.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .join(people, people.c.id == decisions.c.actor_id)
        .where(decisions.c.act != Act.UNDO, not_(sealed_to(who, since)), *wanted)
        .order_by(decisions.c.id.desc())
        .limit(limit)
    ).all()
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(("ai", "manual", "final"), "float64"))


def sealed_to(who: Principal, since: datetime) -> ColumnElement[bool]:
    """The condition on ``items`` that this person is not to see the decisions on one of them now.

    ``since`` (UTC): a blind review that they gave after that can be undone still.
    """
    return or_(_may_be_second(who), _was_second(who, since))


def _may_be_second(who: Principal) -> ColumnElement[bool]:
    """The condition on ``items`` that one is under a blind review which this person could give."""
    is_open = and_(items.c.stage == Stage.SECOND, items.c.state.in_(OPEN_STATES))
    is_first = or_(
        *(func.coalesce(column, 0) == who.person_id for column in (items.c.not_for, items.c.nor_for)),
    )
    return and_(is_open, scope(who, Task.REVIEW), not_(is_first))


def _was_second(who: Principal, since: datetime) -> ColumnElement[bool]:
    """The condition on ``items`` that this person gave a blind review of one that they could undo still."""
    own = decisions.alias("own")
    return exists().where(
        own.c.item_id == items.c.id,
        own.c.actor_id == who.person_id,
        own.c.stage == Stage.SECOND,
        own.c.decided_at > since,
    )


def _is_sealed(session: Session, who: Principal, item: Item, every: list[Decision]) -> bool:
    """Whether the receipt would show a second reviewer what they are not to see, now or after an undo of theirs."""
    may_review = who.may_at(Task.REVIEW, item.workflow_id, path_of(item.segments))
    was_asked = who.person_id in (item.not_for, item.nor_for)
    if item.stage is Stage.SECOND and item.state in OPEN_STATES:
        return may_review and not was_asked
    own = [each for each in every if each.actor_id == who.person_id and each.stage is Stage.SECOND]
    if not own:
        return False
    seconds = workflows.by_id(session, item.workflow_id).policy.undo_seconds
    return own[-1].act is Act.DECIDE and own[-1].decided_at > database_now(session) - timedelta(seconds=seconds)


def _manual_shown(session: Session, row: Row[Any]) -> tuple[str | None, datetime | None]:
    """Who had made the manual forecast that was shown, and when: the newest of that value that was in by then."""
    found = session.execute(
        select(forecasts.c.author, func.coalesce(forecasts.c.made_at, forecasts.c.received_at))
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(
            forecasts.c.item_id == row.item_id,
            sources.c.kind == SourceKind.MANUAL,
            forecasts.c.value == row.manual_value,
            forecasts.c.received_at <= row.decided_at,
        )
        .order_by(forecasts.c.id.desc())
        .limit(1)
    ).one_or_none()
    return (None, None) if found is None else (found[0], found[1])


def _screen(row: Row[Any], manual: tuple[str | None, datetime | None]) -> Screen:
    return Screen(
        mode=row.mode,
        ai=row.ai_value,
        low=row.ai_low,
        high=row.ai_high,
        level=row.ai_level,
        model_version=row.model_version,
        manual=row.manual_value,
        manual_by=manual[0],
        manual_made_at=manual[1],
        naive=row.naive_value,
        gap=row.gap,
        money=row.money,
        scale=row.scale,
        u=row.u,
        band=Band(row.band),
        flagged=row.flagged,
        lane=Lane(row.lane),
        score=row.score,
        is_degraded=row.is_degraded,
        withheld=row.withheld,
        initial_value=row.initial_value,
        knew_more=row.knew_more,
        queue_length=row.queue_length,
        hours_to_deadline=row.hours_to_deadline,
        policy_version=row.policy_version,
        owner=row.owner,
    )


def _panels(session: Session, this: Decision) -> tuple[tuple[str, datetime], ...]:
    rows = session.execute(
        select(evidence_views.c.panel, evidence_views.c.opened_at)
        .where(
            evidence_views.c.item_id == this.item_id,
            evidence_views.c.person_id == this.actor_id,
            evidence_views.c.fence == this.fence,
            evidence_views.c.opened_at <= this.decided_at,
        )
        .order_by(evidence_views.c.opened_at, evidence_views.c.id)
    )
    return tuple((panel, at) for panel, at in rows)


def _became(session: Session, decision_id: int) -> Became | None:
    row = session.execute(
        select(reasons.c.outcome, people.c.name, reasons.c.outcome_at, reasons.c.realised_effect)
        .outerjoin(people, people.c.id == reasons.c.outcome_by)
        .where(reasons.c.decision_id == decision_id, reasons.c.rank == 0, reasons.c.outcome.is_not(None))
    ).one_or_none()
    return None if row is None else Became(*row)


def _actual(session: Session, item: Item) -> Actual | None:
    row = session.execute(
        select(actuals.c.value, actuals.c.received_at, actuals.c.is_lower_bound)
        .where(actuals.c.series_id == item.series_id, actuals.c.period_start == item.period_start)
        .order_by(actuals.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Actual(*row)


def _newer(session: Session, this: Decision) -> tuple[Newer, ...]:
    rows = session.execute(
        select(sources.c.kind, sources.c.key, forecasts.c.value, forecasts.c.received_at)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(forecasts.c.item_id == this.item_id, forecasts.c.received_at > this.decided_at)
        .order_by(forecasts.c.id)
    )
    return tuple(Newer(SourceKind(kind), key, value, at) for kind, key, value, at in rows)


def _locked_at(session: Session, item: Item) -> datetime | None:
    return session.execute(
        select(cycles.c.locked_at).where(cycles.c.workflow_id == item.workflow_id, cycles.c.period == item.period)
    ).scalar_one_or_none()

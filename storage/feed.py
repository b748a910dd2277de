"""Decisions as programs read them: by id, inside a scope, with what was on the screen and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, null, select
from sqlalchemy.orm import Session

from review_queue.items import Act, Band, Lane, Outcome, Stage
from review_queue.roles import Principal, Task
from storage.people import scope
from storage.receipts import sealed_from
from storage.tables import decisions, items, people, reasons, segments, series, workflows
from storage.tree import names


@dataclass(frozen=True, slots=True)
class Seen:
    """The figures as they stood in front of whoever decided, in the workflow's unit; None: unknown or not shown."""

    ai: float | None
    ai_low: float | None
    ai_high: float | None
    ai_level: float | None  #: nominal coverage of the range, 0 to 1
    model_version: str | None
    manual: float | None
    naive: float | None
    gap: float | None  #: manual minus AI
    usual_miss: float | None
    u: float | None  #: gap / usual miss
    band: Band
    flagged: bool
    lane: Lane


@dataclass(frozen=True, slots=True)
class Why:
    """The reason given with a decision."""

    code: str
    text: str  #: untrusted text
    direction: str | None
    effect_low: float | None  #: in the workflow's unit
    effect_mid: float | None
    effect_high: float | None
    confidence: int | None  #: percent
    valid_from: date | None
    valid_until: date | None


@dataclass(frozen=True, slots=True)
class Told:
    """One decision, with where it belongs."""

    id: int
    workflow: str
    item_id: int
    series: str
    period: str
    segments: tuple[str, ...]  #: outermost first
    round: int
    stage: Stage
    act: Act
    outcome: Outcome | None
    final: float | None  #: in the workflow's unit
    is_override: bool
    is_provisional: bool
    stands: bool  #: nothing superseded it
    supersedes: int | None
    by_id: int
    by_name: str
    decided_at: datetime  #: UTC
    note: str  #: untrusted text
    why: Why | None
    mode: str
    policy_version: int
    seen: Seen


def decisions_following(
    session: Session,
    who: Principal,
    reader: Principal,
    *wanted: ColumnElement[bool],
    unsealed_before: datetime,
    after: int,
    limit: int,
) -> list[Told]:
    """The first decisions past the id ``after`` that ``who`` may take out, by id.

    Args:
        reader: left out is what this person is not to see while a second review is under way that they could give.
        unsealed_before: UTC; their own blind reviews since then can be undone still, so they stay sealed.
    """
    rows = session.execute(
        _whole()
        .where(scope(who, Task.EXPORT), ~sealed_from(reader, unsealed_before), decisions.c.id > after, *wanted)
        .order_by(decisions.c.id)
        .limit(limit)
    )
    return [_told(row) for row in rows]


def is_in(workflow_id: int) -> ColumnElement[bool]:
    return items.c.workflow_id == workflow_id


def is_item(item_id: int) -> ColumnElement[bool]:
    return items.c.id == item_id


def is_decision(decision_id: int) -> ColumnElement[bool]:
    return decisions.c.id == decision_id


def is_decided_since(instant: datetime) -> ColumnElement[bool]:
    return decisions.c.decided_at >= instant


def stands() -> ColumnElement[bool]:
    """Nothing has superseded it, and it is no undo."""
    return and_(~_is_superseded(), decisions.c.act != Act.UNDO)


def is_item_in_state(states: tuple[str, ...]) -> ColumnElement[bool]:
    return items.c.state.in_(states)


def is_item_of_period(period: str) -> ColumnElement[bool]:
    return items.c.period == period


def is_item_of_series(key: str) -> ColumnElement[bool]:
    return items.c.series_id.in_(select(series.c.id).where(series.c.key == key))


def _is_superseded() -> ColumnElement[bool]:
    later = decisions.alias("later")
    return exists().where(later.c.supersedes_id == decisions.c.id)


def _whole() -> Select[Any]:
    is_blind = decisions.c.stage == Stage.SECOND
    hidden = {
        name: case((is_blind, null()), else_=decisions.c[name]).label(f"seen_{name}")
        for name in ("ai_value", "ai_low", "ai_high", "ai_level", "model_version", "gap", "scale", "u")
    }
    why = [reasons.c[name].label(f"why_{name}") for name in _WHY]
    return (
        select(
            decisions,
            *hidden.values(),
            *why,
            workflows.c.key.label("workflow"),
            series.c.key.label("series"),
            items.c.period,
            segments.c.path,
            people.c.name.label("by_name"),
            _is_superseded().label("is_superseded"),
        )
        .join(items, items.c.id == decisions.c.item_id)
        .join(workflows, workflows.c.id == items.c.workflow_id)
        .join(series, series.c.id == items.c.series_id)
        .join(people, people.c.id == decisions.c.actor_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .outerjoin(reasons, and_(reasons.c.decision_id == decisions.c.id, reasons.c.rank == 0))
    )


_WHY = (
    "code",
    "text",
    "direction",
    "effect_low",
    "effect_mid",
    "effect_high",
    "confidence",
    "valid_from",
    "valid_until",
)


def _told(row: Row[Any]) -> Told:
    is_blind = row.stage == Stage.SECOND
    return Told(
        id=row.id,
        workflow=row.workflow,
        item_id=row.item_id,
        series=row.series,
        period=row.period,
        segments=names(row.path),
        round=row.round,
        stage=Stage(row.stage),
        act=Act(row.act),
        outcome=Outcome(row.outcome) if row.outcome else None,
        final=row.final_value,
        is_override=row.is_override,
        is_provisional=row.is_provisional,
        stands=row.act != Act.UNDO and not row.is_superseded,
        supersedes=row.supersedes_id,
        by_id=row.actor_id,
        by_name=row.by_name,
        decided_at=row.decided_at,
        note=row.note,
        why=None if row.why_code is None else Why(*(getattr(row, f"why_{name}") for name in _WHY)),
        mode=row.mode,
        policy_version=row.policy_version,
        seen=Seen(
            ai=row.seen_ai_value,
            ai_low=row.seen_ai_low,
            ai_high=row.seen_ai_high,
            ai_level=row.seen_ai_level,
            model_version=row.seen_model_version,
            manual=row.manual_value,
            naive=row.naive_value,
            gap=row.seen_gap,
            usual_miss=row.seen_scale,
            u=row.seen_u,
            band=Band.NO_SCALE if is_blind else Band(row.band),
            flagged=False if is_blind else row.flagged,
            lane=Lane(row.lane),
        ),
    )

"""Batches of Routine items that are confirmed together, and which of them somebody really looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from review_queue.items import Lane, SourceKind, Stage
from review_queue.roles import Principal
from storage.serving import NOW, Server, at, free_to, not_passed
from storage.tables import (
    FOR_ANYBODY,
    SERVING_ORDER,
    TO_CLAIM,
    batch_items,
    batches,
    forecasts,
    items,
    segments,
    sources,
)
from storage.tree import below


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One item of a batch, as the preview showed it."""

    item_id: int
    round: int
    content_hash: str
    key: str  #: the idempotency key of its own decision
    to_look_at: bool  #: drawn at random, to be opened before the batch is confirmed
    looked_at: datetime | None  #: UTC
    left_out: str | None  #: why it was not decided with the others
    decision_id: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Routine items drawn for one person to confirm together."""

    id: int
    workflow_id: int
    person_id: int
    drawn_at: datetime  #: UTC
    confirmed_at: datetime | None  #: UTC
    items: tuple[BatchItem, ...]

    @property
    def unsettled(self) -> tuple[BatchItem, ...]:
        """Those of which nobody knows yet what becomes of them."""
        return tuple(row for row in self.items if row.decision_id is None and row.left_out is None)

    @property
    def still_to_look_at(self) -> tuple[int, ...]:
        return tuple(row.item_id for row in self.items if row.to_look_at and row.looked_at is None)


def routine(
    session: Session, server: Server, workflow_id: int, *, now: datetime, limit: int, segment_path: str | None = None
) -> list[int]:
    """The first Routine items in serving order that this person could confirm: unflagged, with an AI forecast."""
    inside = select(segments.c.id).where(segments.c.workflow_id == workflow_id, below(segment_path or ""))
    here = [items.c.segment_id.in_(inside)] if segment_path is not None else []
    rows = session.execute(
        select(items.c.id)
        .where(
            items.c.workflow_id == workflow_id,
            items.c.level == 0,
            TO_CLAIM,
            FOR_ANYBODY,
            items.c.lane == Lane.ROUTINE,
            items.c.available_at <= NOW,
            items.c.stage == Stage.FIRST,
            ~items.c.flagged,
            *here,
            free_to(server),
            not_passed(server),
            _has_ai(),
        )
        .order_by(*SERVING_ORDER)
        .limit(limit),
        at(now),
    )
    return list(rows.scalars())


def _has_ai() -> ColumnElement[bool]:
    from_ai = select(forecasts.c.id).join(sources, sources.c.id == forecasts.c.source_id)
    return from_ai.where(forecasts.c.item_id == items.c.id, sources.c.kind == SourceKind.AI).correlate(items).exists()


def add(session: Session, who: Principal, workflow_id: int, drawn: Iterable[BatchItem], *, now: datetime) -> int:
    """Keep a batch. Returns its id."""
    batch_id: int = session.execute(
        insert(batches).values(workflow_id=workflow_id, person_id=who.person_id, drawn_at=now).returning(batches.c.id)
    ).scalar_one()
    session.execute(
        insert(batch_items),
        [
            {
                "batch_id": batch_id,
                "item_id": row.item_id,
                "round": row.round,
                "content_hash": row.content_hash,
                "idempotency_key": row.key,
                "to_look_at": row.to_look_at,
            }
            for row in drawn
        ],
    )
    return batch_id


def get(session: Session, batch_id: int, *, lock: bool = False) -> Batch | None:
    """The batch with its items in the order in which they were drawn; ``lock`` holds it."""
    wanted = select(batches).where(batches.c.id == batch_id)
    head = session.execute(wanted.with_for_update() if lock else wanted).one_or_none()
    if head is None:
        return None
    rows = session.execute(select(batch_items).where(batch_items.c.batch_id == batch_id).order_by(batch_items.c.id))
    found = tuple(
        BatchItem(
            item_id=row.item_id,
            round=row.round,
            content_hash=row.content_hash,
            key=row.idempotency_key,
            to_look_at=row.to_look_at,
            looked_at=row.looked_at,
            left_out=row.left_out,
            decision_id=row.decision_id,
        )
        for row in rows
    )
    return Batch(head.id, head.workflow_id, head.person_id, head.drawn_at, head.confirmed_at, found)


def newest(session: Session, person_id: int, workflow_id: int, *, since: datetime) -> int | None:
    """The id of the batch that this person drew last and has not brought to its end, if after ``since`` (UTC)."""
    is_open = (
        select(batch_items.c.id)
        .where(batch_items.c.batch_id == batches.c.id, batch_items.c.decision_id.is_(None))
        .where(batch_items.c.left_out.is_(None))
        .exists()
    )
    found: int | None = session.execute(
        select(batches.c.id)
        .where(
            batches.c.person_id == person_id,
            batches.c.workflow_id == workflow_id,
            is_open,
            batches.c.drawn_at > since,
        )
        .order_by(batches.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return found


def looked_at(session: Session, batch_id: int, item_id: int, *, now: datetime) -> None:
    """Note the first look at an item of a batch."""
    session.execute(
        update(batch_items)
        .where(batch_items.c.batch_id == batch_id, batch_items.c.item_id == item_id, batch_items.c.looked_at.is_(None))
        .values(looked_at=now)
    )


def settled(session: Session, batch_id: int, item_id: int, *, decision_id: int | None, left_out: str | None) -> None:
    """Note what became of an item of a batch."""
    session.execute(
        update(batch_items)
        .where(batch_items.c.batch_id == batch_id, batch_items.c.item_id == item_id)
        .values(decision_id=decision_id, left_out=left_out)
    )


def confirmed(session: Session, batch_id: int, note: str, *, now: datetime) -> None:
    session.execute(update(batches).where(batches.c.id == batch_id).values(confirmed_at=now, note=note))

"""Overrides that went stale: a number they were made on has moved since, so the item comes back for another look."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import numpy as np
import pandas as pd
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, SourceKind, Stage, State
from review_queue.staleness import Move, Stale, moved
from storage import audit, bulk, placing, showings
from storage.tables import audit_events, decisions, items, series
from storage.workflows import Workflow

EVENT = "item.stale"


def bring_back(session: Session, workflow: Workflow, item_ids: Collection[int], *, now: datetime) -> list[Stale]:
    """Put decided items back whose override was made on a number that has moved past tolerance since.

    The override stays on record; the item is in its next round. Whoever calls places the items again.
    """
    if not item_ids:
        return []
    overridden = _overridden(session, np.unique(np.fromiter(item_ids, dtype=np.int64)))
    if overridden.empty:
        return []
    ids, showing = overridden["item"].to_numpy(dtype=np.int64), showings.of(session, workflow.id)
    standing = placing.standing_on(session, ids, showing)
    moves: dict[int, list[Move]] = {}
    for kind in (SourceKind.AI, SourceKind.MANUAL):
        values = standing[standing["kind"] == kind].drop_duplicates("item_id", keep="last").set_index("item_id")
        present = overridden["item"].map(values["value"]).astype("float64")
        seen = overridden[kind.value]
        which = moved(seen, present, workflow.policy.tolerance)
        for item, was, is_now in zip(overridden["item"][which], seen[which], present[which], strict=True):
            moves.setdefault(int(item), []).append(Move(kind.value, _known(was), _known(is_now)))
    rows = overridden[["item", "decision", "actor", "series", "period"]].to_numpy(dtype=object).tolist()
    found = [
        Stale(item, decision, actor, name, period, tuple(moves[item]))
        for item, decision, actor, name, period in rows
        if item in moves
    ]
    _reopen(session, [stale.item_id for stale in found], now=now)
    _record(session, workflow, found)
    return found


def last(session: Session, item_id: int) -> tuple[Move, ...]:
    """What had moved when the item went stale the last time; empty if it never did."""
    details = session.execute(
        select(audit_events.c.details)
        .where(audit_events.c.item_id == item_id, audit_events.c.action == EVENT)
        .order_by(audit_events.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return () if details is None else tuple(Move(*move) for move in details["moved"])


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _overridden(session: Session, item_ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pd.DataFrame:
    """The overrides that stand on these items, where they are decided."""
    later = decisions.alias("later")
    rows = session.execute(
        select(
            items.c.id,
            decisions.c.id,
            decisions.c.actor_id,
            series.c.key,
            items.c.period,
            decisions.c.ai_value,
            decisions.c.manual_value,
        )
        .join(items, items.c.id == decisions.c.item_id)
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(later, later.c.supersedes_id == decisions.c.id)
        .where(
            bulk.among(session, items.c.id, item_ids),
            items.c.state == State.DECIDED,
            items.c.round == decisions.c.round,
            decisions.c.is_override,
            decisions.c.outcome.in_(FINAL_OUTCOMES),
            ~decisions.c.is_provisional,
            later.c.id.is_(None),
        )
        .order_by(items.c.id)
    ).all()
    columns = ["item", "decision", "actor", "series", "period", "ai", "manual"]
    frame = pd.DataFrame(rows, columns=columns).drop_duplicates("item", keep="last")
    return frame.astype({"ai": "float64", "manual": "float64"})


def _reopen(session: Session, item_ids: list[int], *, now: datetime) -> None:
    if not item_ids:
        return
    which = bulk.among(session, items.c.id, item_ids)
    again = {"state": State.READY, "stage": Stage.FIRST, "not_for": None, "nor_for": None, "round": items.c.round + 1}
    times = {"available_at": now, "placed_until": now, "stale_at": now}
    session.execute(update(items).where(which).values(again | times))


def _record(session: Session, workflow: Workflow, found: list[Stale]) -> None:
    if not found:
        return
    events = [
        {
            "action": EVENT,
            "actor_id": None,
            "workflow_id": workflow.id,
            "item_id": stale.item_id,
            "decision_id": stale.decision_id,
            "details": {"moved": [[move.whose, move.was, move.now] for move in stale.moves]},
        }
        for stale in found
    ]
    audit.record_all(session, events)

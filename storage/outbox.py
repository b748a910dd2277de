"""What other systems are to hear of, written in the transaction of the change that it tells."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert
from sqlalchemy.orm import Session

from review_queue.items import Item, Verdict
from storage.engine import database_time
from storage.tables import outbox


def decision_made(session: Session, item: Item, verdict: Verdict, decision_id: int) -> None:
    """Tell of a final decision."""
    _add(
        session,
        item,
        decision_id,
        "decision.made",
        {
            "series": item.series,
            "period": item.period,
            "round": item.round,
            "outcome": verdict.outcome,
            "final": verdict.final_value,
            "ai": item.ai.value if item.ai else None,
            "override": verdict.is_override,
            "reason": verdict.reason.code if verdict.reason else None,
        },
    )


def decision_overturned(session: Session, item: Item, verdict: Verdict, decision_id: int, overturned_id: int) -> None:
    """Tell that another value stands now for what was decided before."""
    facts = {"outcome": verdict.outcome, "final": verdict.final_value, "override": verdict.is_override}
    reason = verdict.reason.code if verdict.reason else None
    place = {"series": item.series, "period": item.period, "round": item.round}
    _add(
        session,
        item,
        decision_id,
        "decision.overturned",
        {**place, **facts, "ai": item.ai.value if item.ai else None, "reason": reason, "overturned": overturned_id},
    )


def period_locked(
    session: Session, workflow_id: int, snapshot_id: int, period: str, totals: Mapping[str, object]
) -> None:
    """Tell that a period's forecast is closed, and what it came to."""
    event = {"workflow_id": workflow_id, "item_id": None, "decision_id": None, "topic": "period.locked"}
    session.execute(_ADDED, {**event, "payload": {"period": period, "snapshot": snapshot_id, **totals}})


def decision_undone(session: Session, item: Item, decision_id: int, undone_id: int) -> None:
    """Tell that a final decision no longer stands."""
    facts = {"series": item.series, "period": item.period, "round": item.round, "undone": undone_id}
    _add(session, item, decision_id, "decision.undone", facts)


def _add(session: Session, item: Item, decision_id: int, topic: str, payload: dict[str, object]) -> None:
    event = {
        "workflow_id": item.workflow_id,
        "item_id": item.id,
        "decision_id": decision_id,
        "topic": topic,
        "payload": payload,
    }
    session.execute(_ADDED, event)


_ADDED = insert(outbox).values(created_at=database_time())

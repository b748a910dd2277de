"""The record of what happened: written in the transaction of the change that it tells, or the change fails."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from storage.engine import database_time
from storage.tables import audit_events


def record(
    session: Session,
    action: str,
    *,
    actor_id: int | None,
    workflow_id: int | None = None,
    item_id: int | None = None,
    decision_id: int | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Add one audit event. ``details`` holds ids, numbers and codes, never free text."""
    event = {
        "actor_id": actor_id,
        "action": action,
        "workflow_id": workflow_id,
        "item_id": item_id,
        "decision_id": decision_id,
        "details": details or {},
    }
    session.execute(_ADDED, event)


_ADDED = insert(audit_events).values(at=database_time())

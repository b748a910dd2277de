"""Ending sessions: wherever somebody is signed in, at once, with the claims that they hold."""

from __future__ import annotations

from sqlalchemy.orm import Session

from storage import audit, sign_ins
from workbench.actions import releasing


def end_sessions(session: Session, person_id: int, *, actor_id: int | None, because: str) -> int:
    """End every session of a person and give their claims back, in the caller's transaction. How many were open."""
    ended = sign_ins.end_everywhere(session, person_id)
    releasing.release_all(session, person_id, because=because)
    audit.record(
        session,
        "person.signed_out_everywhere",
        actor_id=actor_id,
        details={"person_id": person_id, "sessions": ended, "because": because},
    )
    return ended

"""Giving claims back that nobody works on any more: after a sign-out, and when a server stops. Drafts are kept."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from storage import audit, claims
from storage.claims import Held, Released
from storage.engine import Database, database_now


def release_all(session: Session, person_id: int) -> None:
    """Give back everything that somebody holds who signs out, in the transaction of the sign-out."""
    for released in claims.release_all(session, person_id, now=database_now(session)):
        _record(session, released, actor_id=person_id, because="signed out")


def release_these(database: Database, held: Collection[Held]) -> int:
    """Give back those of these claims that still stand, because the server stops. How many they were.

    This is the last thing that a server does, so it goes past its shut doors.
    """
    with database.writing() as session:
        now, count = database_now(session), 0
        for each in sorted(held, key=lambda claim: claim.item_id):
            for released in claims.release_one(session, each, now=now):
                _record(session, released, actor_id=None, because="server stopped")
                count += 1
        return count


def _record(session: Session, released: Released, *, actor_id: int | None, because: str) -> None:
    audit.record(
        session,
        "item.released",
        actor_id=actor_id,
        workflow_id=released.workflow_id,
        item_id=released.item_id,
        details={"fence": released.fence, "because": because},
    )

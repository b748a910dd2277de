"""Giving claims back that nobody works on any more: after a sign-out, and when a server stops. Drafts are kept."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from review_queue.errors import NotAllowed
from storage import audit, claims, people
from storage.claims import Held, Released
from storage.engine import Database, database_now
from workbench.actions.again import again


def release_all(session: Session, person_id: int, *, because: str = "signed out") -> None:
    """Give back everything that somebody holds who signs out or is disabled, in the transaction of that."""
    for released in claims.release_all(session, person_id, now=database_now(session)):
        _record(session, released, actor_id=person_id, because=because)


def release_out_of_reach(session: Session, person_id: int) -> int:
    """Give back what somebody holds and may not review any more. How many items that were."""
    now = database_now(session)
    try:
        within = people.reach(people.principal(session, person_id))
    except NotAllowed:
        because, lost = "account disabled", claims.release_all(session, person_id, now=now)
    else:
        because, lost = "out of scope", claims.release_beyond(session, person_id, within, now=now)
    for released in lost:
        _record(session, released, actor_id=None, because=because)
    return len(lost)


@again(in_doubt=True)
def free_claims(database: Database) -> int:
    """Give back what people hold who were disabled or lost the role or scope for it. How many items that were.

    The server asks every minute, for whatever took the right away and said nothing: a restored database, an edit by
    hand. Disabling somebody and taking a role back free the claims at once.
    """
    with database.reading() as session:
        holders = claims.holders(session)
        suspects = [person_id for person_id in holders if _holds_too_much(session, person_id)]
    if not suspects:
        return 0
    with database.writing() as session:
        return sum(release_out_of_reach(session, person_id) for person_id in suspects)


def _holds_too_much(session: Session, person_id: int) -> bool:
    try:
        within = people.reach(people.principal(session, person_id))
    except NotAllowed:
        return True
    return claims.holds_beyond(session, person_id, within)


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

"""What a person is told in the app, and that they have seen it."""

from __future__ import annotations

from collections.abc import Collection

from review_queue.roles import Principal
from storage import notifications, people
from storage.engine import Database
from storage.notifications import Unseen
from workbench.actions.again import again


@again(in_doubt=True)
def unseen(database: Database, *, who: Principal) -> Unseen:
    """What this person has not seen yet, the newest first."""
    with database.reading() as session:
        return notifications.unseen(session, who)


@again(in_doubt=True)
def mark_seen(database: Database, *, person_id: int, which: Collection[int] | None = None) -> None:
    """Note that this person has seen these notifications of theirs (ids), or (None) all of them."""
    with database.writing() as session:
        people.principal(session, person_id)
        notifications.seen(session, person_id, which)

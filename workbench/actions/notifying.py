"""What a person is told in the app, and that they have seen it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy.orm import Session

from review_queue.masking import FieldClass
from review_queue.roles import Principal
from storage import notifications, people, workflows
from storage.engine import Database
from storage.notifications import Notification, Unseen
from workbench.actions.again import again
from workbench.actions.seeing import sight


@again(in_doubt=True)
def unseen(database: Database, *, who: Principal) -> Unseen:
    """What this person has not seen yet, the newest first."""
    with database.reading() as session:
        found = notifications.unseen(session, who)
        return replace(found, newest=tuple(_seen(session, who, each) for each in found.newest))


def _seen(session: Session, who: Principal, told: Notification) -> Notification:
    """Its sentence names people and what they wrote, so it is told without them where either is not shown."""
    shown = sight(who, workflows.get(session, told.workflow_key))
    if not (shown.of[FieldClass.PERSON] or shown.of[FieldClass.TEXT]):
        return told
    about = f"of item {told.item_id}" if told.item_id else "here"
    return replace(told, sentence=f"There is news {about}: {told.kind.value.replace('_', ' ')}.")


@again(in_doubt=True)
def mark_seen(database: Database, *, person_id: int, which: Collection[int] | None = None) -> None:
    """Note that this person has seen these notifications of theirs (ids), or (None) all of them."""
    with database.writing() as session:
        people.principal(session, person_id)
        notifications.seen(session, person_id, which)

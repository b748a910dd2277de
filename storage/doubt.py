"""Learning how a doubtful commit ended: by outliving the transaction, never by asking too early."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from review_queue.items import Decision
from storage import decisions, heartbeat
from storage.tables import items


def stored_under(session: Session, key: str, *, item_id: int) -> Decision | None:
    """The decision under an idempotency key; None if there is none and none can come any more.

    Whoever decides or undoes holds the item's row to the end, so having it means that the other has ended. The write
    puts an end to what a half-written COMMIT of SQLite may have left, which a crash would complete.
    """
    session.execute(select(items.c.id).where(items.c.id == item_id).with_for_update())
    heartbeat.beat(session)
    found = decisions.by_key(session, key)
    return found[0] if found else None

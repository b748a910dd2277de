"""Removing what was kept long enough by this installation's rules: on the command line, and daily by the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from review_queue.retention import Kept
from storage import audit, retention
from storage.engine import Database, database_now
from workbench.stopping import doors

EVERY = timedelta(days=1)


def would_remove(database: Database, *, rules: Mapping[Kept, int | None]) -> dict[Kept, int]:
    """How many rows of each kind ``remove_old`` would remove now. ``rules``: days, or None for ever."""
    with database.reading() as session:
        return retention.due(session, rules)


def remove_old(database: Database, *, rules: Mapping[Kept, int | None], actor_id: int | None = None) -> dict[Kept, int]:
    """Remove what was kept long enough; how many rows of each kind.

    Some thousands a transaction, each with its own audit event that counts them, so that nobody waits for long and
    nothing goes without a record. ``actor_id``: who asked for it; None: the server did.
    """
    total: Counter[Kept] = Counter()
    while True:
        doors.check()
        with database.writing() as session:
            removed = retention.remove(session, rules)
            if total and not any(removed.values()):
                break
            counts = {kept.value: count for kept, count in removed.items()}
            audit.record(session, retention.RUN, actor_id=actor_id, details=counts)
        total.update(removed)
        if not any(count == retention.AT_ONCE for count in removed.values()):
            break
    return dict(total)


def remove_old_daily(database: Database, looked: dict[str, datetime], *, rules: Mapping[Kept, int | None]) -> None:
    """The same, unless any server did within a day. ``looked``: when this process will look again."""
    with database.reading() as session:
        now = database_now(session)
        if looked.get("next", now) > now:
            return
        last = retention.last_run(session)
    if last is None or last <= now - EVERY:
        remove_old(database, rules=rules)
        last = now
    looked["next"] = last + EVERY

"""One row that is written again and again, to know whether the database takes writes."""

from __future__ import annotations

from datetime import datetime
from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.engine import Database, database_time, open_database, upsert
from storage.tables import heartbeat

#: Characters that find out whether there is room again: one changed row may fit into what is there already.
BALLAST = 256 * 1024


def own_way_in(database: Database) -> Database:
    """The same database by connections of its own: a pool that is used up is no database that is away."""
    return open_database(database.engine.url, busy_timeout=0.2, lock_timeout=0.2)


def beat(session: Session, *, heavily: bool = False) -> None:
    """Write that we were here; ``heavily``: with something that needs room of its own, until the next beat."""
    fresh = {"beat_at": database_time(), "ballast": token_hex(BALLAST // 2) if heavily else ""}
    session.execute(
        upsert(session, heartbeat).values(id=1, **fresh).on_conflict_do_update(index_elements=["id"], set_=fresh)
    )


def last(session: Session) -> datetime | None:
    """When the last beat was written, UTC; None before the first."""
    return session.execute(select(heartbeat.c.beat_at)).scalar_one_or_none()

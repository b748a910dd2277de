"""What somebody can do who owns the database: past triggers and foreign keys, and leaving both as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, create_engine, delete, event, insert, select, text, update

from review_queue.chain import Event, linked
from storage.engine import Database, sqlite_module
from storage.tables import audit_chain, audit_events

_TRIGGERS = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")


@contextmanager
def unguarded(database: Database) -> Iterator[Connection]:
    """One transaction in which nothing is refused."""
    if database.dialect == "postgresql":
        with database.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
        return
    module = sqlite_module()
    engine = create_engine(database.engine.url, module=module, connect_args={"isolation_level": None})
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        triggers = connection.execute(_TRIGGERS).all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield connection
        for _, statement in triggers:
            connection.exec_driver_sql(statement)
    engine.dispose()


def take_out(connection: Connection, which: ColumnElement[bool]) -> None:
    """Events with their links."""
    gone = list(connection.execute(select(audit_events.c.id).where(which)).scalars())
    connection.execute(delete(audit_chain).where(audit_chain.c.event_id.in_(gone)))
    connection.execute(delete(audit_events).where(audit_events.c.id.in_(gone)))


def chain_anew(connection: Connection) -> None:
    """Compute every link again, in the order of the places that are there; then of ids, for events without one."""
    rows = connection.execute(
        select(audit_events)
        .outerjoin(audit_chain, audit_chain.c.event_id == audit_events.c.id)
        .order_by(audit_chain.c.seq.is_(None), audit_chain.c.seq, audit_events.c.id)
    ).all()
    connection.execute(delete(audit_chain))
    links = linked(Event(**row._mapping).hash for row in rows)
    connection.execute(
        insert(audit_chain),
        [
            {"seq": link.seq, "event_id": row.id, "event_hash": link.event_hash, "hash": link.hash}
            for link, row in zip(links, rows, strict=True)
        ],
    )


def edit(connection: Connection, seq: int, **values: object) -> None:
    """Change the event in this place."""
    its = select(audit_chain.c.event_id).where(audit_chain.c.seq == seq).scalar_subquery()
    connection.execute(update(audit_events).where(audit_events.c.id == its).values(**values))

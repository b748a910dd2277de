from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from review_queue.chain import Walk
from storage import audit, schema
from storage.engine import Database, database_time, open_database, sqlite_module
from storage.tables import audit_chain, audit_events

AWKWARD = {"none": None, "gap": -0.0, "big": 1e22, "id": 2**60, "part": 0.1, "whole": 5.0, "moved": [["ai", 1.5, None]]}


def recorded(database: Database, count: int = 1) -> None:
    with database.writing() as session:
        for number in range(count):
            audit.record(session, "something.done", actor_id=None, details={"number": number, "é": "ü"})


def fail(database: Database) -> None:
    with database.writing() as session:
        audit.record(session, "something.undone", actor_id=None)
        raise RuntimeError("changed its mind")


def walked(database: Database) -> Walk:
    walk = Walk()
    with database.reading() as session:
        for entry in audit.entries(session):
            walk.step(entry)
    return walk


def test_a_chain_is_what_anybody_can_compute_with_json_and_sha256(database: Database) -> None:
    recorded(database, 3)
    with database.writing() as session:
        audit.record(session, "odd.numbers", actor_id=None, details=AWKWARD)

    previous = "0" * 64
    with database.reading() as session:
        rows = session.execute(
            select(audit_events, audit_chain)
            .join(audit_chain, audit_chain.c.event_id == audit_events.c.id)
            .order_by("seq")
        ).all()
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    for row in rows:
        event = {
            name: getattr(row, name) for name in ("action", "actor_id", "decision_id", "id", "item_id", "workflow_id")
        }
        event |= {"at": row.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "details": row.details}
        if row.seq < 4:  # the odd numbers take RFC 8785 to the letter
            assert row.event_hash == _sha256(event)
        previous = _sha256({"seq": row.seq, "previous": previous, "event": row.event_hash})
        assert row.hash == previous


def _sha256(value: dict) -> str:
    whole = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


def test_what_was_recorded_is_whole_also_with_odd_numbers(database: Database) -> None:
    with database.writing() as session:
        audit.record(session, "odd.numbers", actor_id=None, details=AWKWARD)
        audit.record_all(
            session,
            [
                {
                    "action": "odd",
                    "actor_id": None,
                    "workflow_id": None,
                    "item_id": None,
                    "decision_id": None,
                    "details": {"n": n},
                }
                for n in range(20)
            ],
        )

    walk = walked(database)

    assert (walk.size, walk.flaws) == (21, [])


def test_a_transaction_that_fails_leaves_no_gap(database: Database) -> None:
    recorded(database, 2)
    with pytest.raises(RuntimeError, match="changed its mind"):
        fail(database)
    recorded(database, 2)

    with database.reading() as session:
        assert list(session.execute(select(audit_chain.c.seq).order_by("seq")).scalars()) == [1, 2, 3, 4]


def test_writers_at_once_get_one_chain(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(recorded, database, 3) for _ in range(24)]:
            done.result()

    walk = walked(database)

    assert (walk.size, walk.tip.seq, walk.flaws) == (72, 72, [])


def test_a_link_that_cannot_be_written_fails_the_transaction(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("ALTER TABLE audit_chain RENAME TO audit_chain_is_gone"))

    with pytest.raises(DBAPIError):
        recorded(database)

    with database.reading() as session:
        assert session.execute(select(audit_events.c.id)).all() == []


CHANGES = {
    "an event": update(audit_events).values(action="x"),
    "no event": update(audit_events).where(audit_events.c.id == 0).values(action="x"),
    "a link": update(audit_chain).values(hash="x"),
    "events": delete(audit_events),
    "links": delete(audit_chain),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_database_refuses_to_change_what_is_recorded(database: Database, what: str) -> None:
    recorded(database, 2)
    if what == "no event" and database.dialect == "sqlite":
        pytest.skip("SQLite asks row by row, and there is none")

    with pytest.raises(DBAPIError, match="only ever added to"), database.writing() as session:
        session.execute(CHANGES[what])

    assert walked(database).size == 2


REPLACED = {
    "an event": "INSERT OR REPLACE INTO audit_events SELECT id, at, actor_id, 'x', workflow_id, item_id, decision_id,"
    " details FROM audit_events WHERE id = 1",
    "an event by a word": "REPLACE INTO audit_events (id, at, action, details) VALUES (1, '2026-01-01', 'x', '{}')",
    "a link by its place": "INSERT OR REPLACE INTO audit_chain VALUES (2, 99, 'x', 'x')",
    "a link by its event": "INSERT OR REPLACE INTO audit_chain VALUES (99, 1, 'x', 'x')",
    "an event in passing": "INSERT INTO audit_events (id, at, action, details) VALUES (1, '2026-01-01', 'x', '{}')"
    " ON CONFLICT (id) DO UPDATE SET action = excluded.action",
}


@pytest.mark.parametrize("what", REPLACED)
def test_sqlite_refuses_to_put_another_in_the_place_of_what_is_recorded(sqlite_url: str, what: str) -> None:
    database = open_database(sqlite_url)
    recorded(database, 2)
    before = walked(database).tip
    plain = sqlite_module().connect(database.engine.url.database, isolation_level=None)
    plain.execute("PRAGMA foreign_keys = OFF")

    with pytest.raises(sqlite_module().IntegrityError, match="only ever added to"):
        plain.execute(REPLACED[what])

    plain.close()
    assert (walked(database).tip, walked(database).flaws) == (before, [])


@pytest.mark.parametrize("table", ["audit_events", "audit_chain"])
def test_postgresql_refuses_to_empty_the_record(postgresql_database: Database, table: str) -> None:
    recorded(postgresql_database, 2)

    with pytest.raises(DBAPIError, match="only ever added to"), postgresql_database.writing() as session:
        session.execute(text(f"TRUNCATE {table} CASCADE"))

    assert walked(postgresql_database).size == 2


def test_what_was_recorded_before_the_chain_gets_its_places(database: Database) -> None:
    schema.downgrade(database, "0011")
    with database.writing() as session:
        rows = [{"action": "old", "actor_id": None, "details": {"n": number / 3}} for number in range(7)]
        session.execute(insert(audit_events).values(at=database_time()), rows)

    schema.upgrade(database)
    recorded(database)

    walk = walked(database)
    assert (walk.size, walk.flaws) == (8, [])


def test_an_event_past_the_chain_is_a_stranger_until_it_is_sealed(database: Database) -> None:
    recorded(database)
    with database.writing() as session:
        session.execute(insert(audit_events).values(at=database_time(), action="smuggled", details={}))
    with database.reading() as session:
        assert len(audit.strangers(session)) == 1

    with database.writing() as session:
        audit.seal_unsealed(session)

    with database.reading() as session:
        assert audit.strangers(session) == []
    assert walked(database).tip.seq == 2

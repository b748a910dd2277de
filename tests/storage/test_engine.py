from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage import engine
from storage.engine import Database, database_now, database_time, describe, open_database
from storage.tables import people, sign_ins

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_person(**changes: object) -> dict[str, object]:
    return {"issuer": "demo", "subject": "ada", "name": "Ada", "created_at": NOON} | changes


def test_a_write_is_committed_as_a_whole(database: Database) -> None:
    with database.writing() as session:
        session.execute(insert(people).values(a_person()))

    with database.reading() as session:
        assert session.execute(select(people.c.name)).scalar_one() == "Ada"


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(insert(people), [a_person(subject="bo"), a_person(), a_person()])

    with database.reading() as session:
        assert session.execute(select(people)).all() == []


def test_a_savepoint_does_not_commit_a_transaction_that_later_fails(database: Database) -> None:
    """The defect of SQLite's driver in its default mode."""

    def half_way() -> None:
        with database.writing() as session:
            session.execute(insert(people).values(a_person()))
            with session.begin_nested():
                session.execute(insert(people).values(a_person(subject="bo")))
            raise RuntimeError("later")

    with pytest.raises(RuntimeError, match="later"):
        half_way()

    with database.reading() as session:
        assert session.execute(select(people)).all() == []


def test_what_only_reads_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError, match=r"read-?only"), database.reading() as session:
        session.execute(insert(people).values(a_person()))

    with database.writing() as session:
        session.execute(insert(people).values(a_person()))


def test_a_reader_is_not_held_up_by_a_writer(database: Database) -> None:
    with database.writing() as writer:
        writer.execute(insert(people).values(a_person()))

        with database.reading() as reader:
            assert reader.execute(select(people)).all() == []


def test_two_writers_take_turns(database: Database) -> None:
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            with database.writing() as session:
                known = len(session.execute(select(people.c.id)).all())
                session.execute(insert(people).values(a_person(subject=f"{number}-{known}")))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with database.reading() as session:
        assert len(session.execute(select(people.c.id)).all()) == 8


def test_an_instant_comes_back_aware_and_in_utc(database: Database) -> None:
    in_tokyo = datetime(2026, 3, 2, 21, tzinfo=timezone(timedelta(hours=9)))
    with database.writing() as session:
        session.execute(insert(people).values(a_person(created_at=in_tokyo)))

    with database.reading() as session:
        found = session.execute(select(people.c.created_at)).scalar_one()

    assert found == NOON
    assert found.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    naive = NOON.replace(tzinfo=None)

    with pytest.raises(Exception, match="An instant needs a time zone"), database.writing() as session:
        session.execute(insert(people).values(a_person(created_at=naive)))


def test_the_databases_clock_is_an_instant_that_rows_compare_with(database: Database) -> None:
    with database.writing() as session:
        before = database_now(session)
        session.execute(insert(people).values(a_person(created_at=database_time())))
        written = session.execute(select(people.c.created_at)).scalar_one()

        assert before.tzinfo is UTC
        assert before <= written <= database_now(session)
        assert session.execute(select(people.c.id).where(people.c.created_at <= database_time())).one()


def test_a_row_needs_the_row_that_it_refers_to(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as session:
        session.execute(insert(sign_ins), {"token_hash": "x", "person_id": 404, "created_at": NOON})


def test_sqlite_is_opened_for_keeps(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'kept.db'}")

    with database.reading() as session:
        found = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("synchronous", "foreign_keys", "busy_timeout", "journal_mode")
        }

    assert found["synchronous"] == 2, "FULL: what was acknowledged survives a power cut"
    assert found["foreign_keys"] == 1
    assert found["busy_timeout"] == 5000
    assert found["journal_mode"] == engine.sqlite_journal().lower()


@pytest.mark.parametrize(("version", "journal"), [((3, 51, 2), "DELETE"), ((3, 51, 3), "WAL"), ((3, 60, 0), "WAL")])
def test_write_ahead_logging_is_only_used_where_it_is_safe(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], journal: str
) -> None:
    for library in (engine.sqlite_module(), sqlite3):
        monkeypatch.setattr(library, "sqlite_version_info", version)

    assert engine.sqlite_journal() == journal


def test_the_newest_sqlite_at_hand_is_used() -> None:
    assert engine.sqlite_module().sqlite_version_info >= sqlite3.sqlite_version_info


def test_a_postgresql_url_of_any_driver_is_taken() -> None:
    assert open_database("postgresql://ada@db/workbench").engine.dialect.driver == "psycopg"


def test_another_kind_of_database_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="mysql is not supported"):
        open_database("mysql://ada@db/workbench")


def test_the_description_hides_the_password() -> None:
    described = describe(open_database("postgresql://ada:s3cret@db/workbench"))

    assert "s3cret" not in described
    assert "PostgreSQL" in described

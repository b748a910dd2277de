from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text

from storage import engine, schema
from storage.engine import Database, open_database, sqlite_module
from workbench import readiness


def test_all_is_well_on_a_database_of_this_version(database: Database) -> None:
    assert readiness.problems(database, disk_free_percent=0) == []


def test_a_clock_that_is_off_is_said_in_seconds(database: Database) -> None:
    """The database's clock, which every connection has of its own here, is an hour late."""

    @event.listens_for(database.engine, "before_cursor_execute", retval=True)
    def late(connection, cursor, statement, parameters, context, executemany):
        statement = statement.replace("clock_timestamp()", "clock_timestamp() - interval '1 hour'")
        return statement.replace("'now')", "'now', '-1 hour')"), parameters

    (problem,) = readiness.problems(database, disk_free_percent=0)

    assert problem.startswith("this machine's clock is 3600.")
    assert "may be 2 s" in problem


def test_a_full_disk_is_said_with_how_much_is_free(database: Database) -> None:
    (problem, *_) = readiness.problems(database, disk_free_percent=101)

    assert "% of the disk under " in problem
    assert "101 % are needed. Make room there" in problem


def test_an_old_sqlite_is_not_ready_while_somebody_keeps_the_log_that_it_can_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    database = open_database(f"sqlite:///{path}", busy_timeout=0.05)
    schema.upgrade(database)
    database.engine.dispose()
    monkeypatch.setattr(engine, "SAFE_WAL", (99, 0, 0))
    somebody = sqlite_module().connect(path)
    somebody.execute("PRAGMA journal_mode = WAL")
    somebody.execute("SELECT count(*) FROM sqlite_master").fetchall()

    assert readiness.problems(database, disk_free_percent=0) == ["the database does not answer"]

    somebody.close()
    assert readiness.problems(database, disk_free_percent=0) == []
    with database.reading() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar_one() == "delete"

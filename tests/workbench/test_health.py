"""Whether the database takes writes: learned from real databases that stop taking them and begin again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select, text

from storage import heartbeat
from storage.engine import Database, open_database
from storage.tables import heartbeat as heartbeats
from storage.tables import people
from tests.faults import no_room, wire_to
from tests.workbench.test_again import make_read_only
from workbench import health
from workbench.health import Health


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(health, "EVERY", 0.05)
    yield
    health.stop()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        Event().wait(0.02)
    raise AssertionError("It never came to be so.")


def found(database: Database, what: Health) -> Callable[[], bool]:
    return lambda: health.now(database) is what


def beats(database: Database) -> object:
    with database.reading() as session:
        return heartbeat.last(session)


def test_a_database_that_takes_writes_is_well_and_has_one_row_of_beats(database: Database):
    health.watch(database)
    until(lambda: beats(database) is not None)
    first = beats(database)
    until(lambda: beats(database) != first)

    assert health.now(database) is Health.WELL
    with database.reading() as session:
        assert [row.ballast for row in session.execute(select(heartbeats))] == [""]


def test_where_nobody_watches_the_best_is_assumed(database: Database):
    assert health.now(database) is Health.WELL


def test_a_database_made_read_only_is_noticed_and_so_is_its_return(postgresql_url: str):
    database = open_database(postgresql_url)
    health.watch(database)
    until(lambda: beats(database) is not None)

    make_read_only(postgresql_url, "on")
    end_connections(postgresql_url)
    until(found(database, Health.READ_ONLY))
    make_read_only(postgresql_url, "off")
    until(found(database, Health.WELL))

    with database.writing() as session:
        session.execute(text("DELETE FROM sign_ins"))
    database.engine.dispose()


def test_a_database_that_is_away_is_noticed_and_so_is_its_return(postgresql_url: str):
    with wire_to(postgresql_url) as wire:
        database = open_database(wire.url)
        health.watch(database)
        until(lambda: beats(database) is not None)

        wire.is_down = True
        wire.drop()
        until(found(database, Health.AWAY))
        wire.is_down = False
        until(found(database, Health.WELL))
        database.engine.dispose()


def test_a_beat_that_never_ends_counts_as_away(postgresql_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "OVERDUE", 0.1)
    with wire_to(postgresql_url) as wire:
        database = open_database(wire.url)
        health.watch(database)
        until(lambda: beats(database) is not None)

        wire.is_silent = True
        until(found(database, Health.AWAY))
        wire.is_silent = False
        until(found(database, Health.WELL))
        database.engine.dispose()


def test_a_disk_without_room_is_noticed_and_so_is_its_return(sqlite_url: str):
    database = open_database(sqlite_url)
    health.watch(database)
    until(lambda: beats(database) is not None)

    with no_room():
        until(found(database, Health.READ_ONLY))
    until(found(database, Health.WELL))
    database.engine.dispose()


def test_a_refused_write_is_believed_until_there_is_room_for_more_than_a_beat(sqlite_url: str):
    """A changed row may fit where nothing new does."""
    database = open_database(sqlite_url)
    health.watch(database)
    until(lambda: beats(database) is not None)

    with no_room(past=written_to(database) + 100_000):
        health.suspect()
        Event().wait(0.5)  # in which ten beats would have passed

        assert health.now(database) is Health.READ_ONLY
    until(found(database, Health.WELL))
    database.engine.dispose()


def written_to(database: Database) -> int:
    """Bytes of the file that SQLite writes to at a commit."""
    path = Path(database.engine.url.database or "")
    ahead = path.with_name(f"{path.name}-wal")
    return (ahead if ahead.exists() else path).stat().st_size


def test_somebody_else_who_writes_is_no_outage(database: Database):
    health.watch(database)
    until(lambda: beats(database) is not None)

    with database.writing() as session:
        session.execute(select(people))
        if database.dialect == "postgresql":
            session.execute(text("LOCK TABLE heartbeat"))
        Event().wait(0.7)

        assert health.now(database) is Health.WELL


def end_connections(url: str) -> None:
    database = open_database(url)
    with database.reading() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    database.engine.dispose()

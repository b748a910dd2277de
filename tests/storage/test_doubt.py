"""A COMMIT whose answer never came, told from a transaction that certainly failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from storage.engine import CommitInDoubt, Database, open_database
from storage.failures import Failure, failure_of
from storage.tables import people
from tests.faults import Wire, no_room, wire_to
from tests.storage.test_engine import a_person


def add(database: Database, *subjects: str) -> None:
    with database.writing() as session:
        session.execute(insert(people), [a_person(subject=subject) for subject in subjects])


def known(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.execute(select(people.c.subject).order_by(people.c.id)).scalars())


@pytest.fixture
def wire(postgresql_url: str) -> Iterator[Wire]:
    """A wire to an empty PostgreSQL database."""
    with wire_to(postgresql_url) as wire:
        yield wire


@pytest.fixture
def far(wire: Wire) -> Iterator[Database]:
    """The database at the other end of the wire."""
    database = open_database(wire.url)
    yield database
    database.engine.dispose()


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.engine.dispose()


@pytest.mark.parametrize(("cut", "stored"), [("before", ["bo"]), ("after", ["ada", "bo"])])
def test_a_commit_whose_answer_is_lost_is_in_doubt_whether_it_was_carried_out_or_not(far, wire, cut, stored):
    wire.cut = cut

    with pytest.raises(CommitInDoubt):
        add(far, "ada")

    assert wire.cuts == 1
    with far.writing() as session:  # a lock on what it wrote outlives the transaction that nobody hears of any more
        session.connection().exec_driver_sql("LOCK TABLE people")
    add(far, "bo")
    assert known(far) == stored


def test_a_connection_lost_before_the_commit_is_a_certain_failure(far, wire):
    def lose_it_half_way() -> None:
        with far.writing() as session:
            session.execute(insert(people), a_person())
            wire.drop()
            session.execute(select(people.c.id))

    with pytest.raises(OperationalError) as failed:
        lose_it_half_way()

    assert failure_of(failed.value) is Failure.LOST
    assert known(far) == []


def test_a_commit_that_the_database_refuses_is_a_certain_failure(database: Database):
    """A reference that is only looked at in the end."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE late (id INTEGER PRIMARY KEY, other INTEGER REFERENCES late DEFERRABLE INITIALLY DEFERRED)"
        )

    with pytest.raises(IntegrityError) as failed, database.writing() as session:
        session.connection().exec_driver_sql("INSERT INTO late VALUES (1, 404)")

    assert failure_of(failed.value) is Failure.OTHER
    with database.reading() as session:
        assert session.connection().exec_driver_sql("SELECT * FROM late").all() == []


def test_postgresql_does_not_call_stored_what_it_rolled_back(far):
    def pass_a_failure_over() -> None:
        with far.writing() as session:
            session.execute(insert(people), a_person(subject="ada"))
            with suppress(DBAPIError):
                session.execute(insert(people), a_person(subject="ada"))

    with pytest.raises(RuntimeError, match="Nothing was stored"):
        pass_a_failure_over()

    assert known(far) == []


def test_an_io_error_during_commit_is_in_doubt_on_sqlite(sqlite):
    def commit_without_room(full: ExitStack) -> None:
        with sqlite.writing() as session:
            session.execute(insert(people), a_person())
            full.enter_context(no_room())

    with ExitStack() as full, pytest.raises(CommitInDoubt):
        commit_without_room(full)

    add(sqlite, "bo")
    assert known(sqlite) == ["bo"]


def test_a_full_sqlite_certainly_stored_nothing_and_goes_on_when_there_is_room(sqlite):
    def fill() -> None:
        with sqlite.writing() as session:
            pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
            session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            session.execute(insert(people), [a_person(subject=f"{n}" * 300) for n in range(100)])

    with pytest.raises(OperationalError) as failed:
        fill()

    assert failure_of(failed.value) is Failure.AWAY
    sqlite.engine.dispose()  # the limit was the connection's
    add(sqlite, "ada")
    assert known(sqlite) == ["ada"]

"""What errors mean: raised by real databases, not made up."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import DBAPIError

from storage.engine import Database, open_database, sqlite_module
from storage.failures import Failure, failure_of
from storage.tables import people
from tests.storage.test_engine import a_person


def failure(database: Database, *statements: str) -> Failure:
    """What the first of the statements that fails means."""
    with pytest.raises(DBAPIError) as failed:
        _run(database, statements)
    return failure_of(failed.value)


def _run(database: Database, statements: tuple[str, ...]) -> None:
    with database.writing() as session:
        for statement in statements:
            session.execute(text(statement))


@pytest.mark.parametrize(
    ("state", "meaning"),
    [
        ("55P03", Failure.CONFLICT),
        ("40P01", Failure.CONFLICT),
        ("40001", Failure.CONFLICT),
        ("57014", Failure.SLOW),
        ("53100", Failure.AWAY),
        ("53300", Failure.AWAY),
        ("25006", Failure.AWAY),
        ("58030", Failure.AWAY),
        ("57P03", Failure.AWAY),
        ("23505", Failure.OTHER),
        ("42P01", Failure.OTHER),
        ("22P02", Failure.OTHER),
    ],
)
def test_postgresqls_codes_have_their_meaning(postgresql_url: str, state: str, meaning: Failure):
    database = open_database(postgresql_url)

    assert failure(database, f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$") is meaning
    database.engine.dispose()


def test_a_connection_that_the_server_ends_is_lost(postgresql_url: str):
    database = open_database(postgresql_url)

    assert failure(database, "SELECT pg_terminate_backend(pg_backend_pid())") is Failure.LOST
    database.engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/none",
        "postgresql://nobody@nowhere.invalid/none",
        "sqlite:////nowhere/at/all.db",
    ],
)
def test_a_database_that_cannot_be_reached_is_away(url: str):
    assert failure(open_database(url), "SELECT 1") is Failure.AWAY


def test_a_sqlite_that_somebody_else_writes_to_is_a_conflict(sqlite_url: str):
    database = open_database(sqlite_url, busy_timeout=0)
    with closing(sqlite_module().connect(database.engine.url.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        assert failure(database, "SELECT 1") is Failure.CONFLICT


def test_a_sqlite_that_may_only_be_read_is_away(sqlite_url: str):
    database = open_database(sqlite_url)

    assert failure(database, "PRAGMA query_only = ON", "DELETE FROM people") is Failure.AWAY


def test_a_pool_that_is_used_up_is_slow(sqlite_url: str):
    engine = create_engine(sqlite_url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect(), pytest.raises(Exception, match="QueuePool limit") as failed:
        engine.connect()

    assert failure_of(failed.value) is Failure.SLOW


def test_anything_else_is_a_bug():
    assert failure_of(RuntimeError("a bug")) is Failure.OTHER


def test_a_database_made_read_only_takes_no_write_even_on_connections_that_have_read(postgresql_url: str):
    database = open_database(postgresql_url)
    name = database.engine.url.database
    set_default(postgresql_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with database.reading() as session:
        session.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError, match="read-only"), database.writing() as session:
        session.execute(insert(people), a_person())

    # And as soon as it is opened again, so are those who found it shut.
    set_default(postgresql_url, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    with database.writing() as session:
        session.execute(insert(people), a_person())
    database.engine.dispose()


def set_default(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(statement))
    engine.dispose()

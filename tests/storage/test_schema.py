from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from storage import schema
from storage.engine import Database, open_database
from storage.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any table."""
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path / 'bare.db'}")
        yield database
        database.engine.dispose()
        return
    server = request.getfixturevalue("postgresql_server")
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE bare"))
    database = open_database(make_url(server).set(database="bare"))
    yield database
    database.engine.dispose()
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE bare WITH (FORCE)"))
    admin.dispose()


def test_migrations_from_nothing_give_exactly_the_tables_in_code(bare: Database) -> None:
    schema.upgrade(bare)

    with bare.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    assert differences == [], "storage/tables.py changed: run `make migration MESSAGE='what changed'`"


def test_migrations_give_every_key_check_index_and_default_as_code_would(bare: Database) -> None:
    """What Alembic's comparison does not look at: an outcome added to a list in code, say."""
    metadata.create_all(bare.engine)
    in_code = _shape(bare)
    metadata.drop_all(bare.engine)

    schema.upgrade(bare)

    assert len(in_code) > 100
    assert _shape(bare) == in_code


def _shape(database: Database) -> set[str]:
    """Every table, column, constraint and index, in the database's own words."""
    with database.engine.connect() as connection:
        rows = connection.execute(text(SHAPE[database.dialect])).all()
    # In SQLite a row is a table's whole statement, in which the order of columns and constraints does not matter.
    lines = [(table, line.strip(" \t,")) for table, *words in rows for line in re.split(r",\s|\n", " ".join(words))]
    # A table that was rebuilt keeps the quotes around its name.
    return {f"{table} {line}".replace('"', "") for table, line in lines}


SHAPE = {
    "sqlite": "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type <> 'trigger'"
    " AND tbl_name <> 'alembic_version'",
    "postgresql": """
        SELECT table_name, column_name, data_type, is_nullable, coalesce(column_default, ''),
            coalesce(identity_generation, '')
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        UNION ALL
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '', ''
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
        UNION ALL
        SELECT tablename, indexname, indexdef, '', '', ''
        FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'""",
}


def test_a_database_is_empty_until_it_has_a_workflow(database: Database) -> None:
    assert schema.is_empty(database)

    with database.writing() as session:
        session.execute(
            text(
                "INSERT INTO workflows (key, title, unit, timezone, created_at)"
                " VALUES ('retail', 'Retail', 'AUD m', 'UTC', CURRENT_TIMESTAMP)"
            )
        )

    assert not schema.is_empty(database)


def test_an_upgraded_database_is_at_the_head_and_a_bare_one_at_none(bare: Database) -> None:
    assert schema.current(bare) is None

    schema.upgrade(bare)
    schema.upgrade(bare)

    assert schema.current(bare) == schema.head()


def test_replicas_that_start_together_migrate_once(bare: Database) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        replica = open_database(bare.engine.url)
        try:
            schema.upgrade(replica)
        except BaseException as failure:
            failures.append(failure)
        finally:
            replica.engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert schema.current(bare) == schema.head()


def test_a_database_of_a_newer_version_is_refused_in_words(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(schema.SchemaUnknown, match="revision 9999, which this version does not know"):
        schema.upgrade(database)


def test_every_migration_can_be_taken_back(bare: Database) -> None:
    schema.upgrade(bare)

    schema.downgrade(bare, "base")

    assert set(inspect(bare.engine).get_table_names()) <= {"alembic_version"}


def test_foreign_keys_are_on_again_after_a_migration(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'keys.db'}")

    schema.upgrade(database)

    with database.reading() as session:
        assert session.execute(text("PRAGMA foreign_keys")).scalar_one() == 1

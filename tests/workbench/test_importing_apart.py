"""A large import runs in a process of its own, and ends as it would have here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from review_queue.errors import FileRefused
from review_queue.roles import Role
from storage.tables import imports, items
from tests.builders import a_person, a_workflow
from workbench import importing_apart
from workbench.actions import importing

ROWS = 12_000
HEADER = "series,period,ai_forecast,human_forecast\n"
FILE = (HEADER + "".join(f"acme-{row},2026-12,{row}.5,{row + 7}\n" for row in range(ROWS)) + "x,2026-12,?,1\n").encode()


@pytest.fixture(autouse=True)
def _apart(monkeypatch):
    monkeypatch.setattr(importing_apart, "SMALL", 0)


@pytest.fixture
def asked(database):
    workflow = a_workflow(database)
    dora = a_person(database, "Dora", Role.DIRECTOR)
    return {"person_id": dora, "workflow_key": workflow.key, "kind": "forecasts", "name": "new.csv"}


def stored(database, table) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def silent(done: int, total: int) -> None:
    """Nobody listens."""


def test_it_tells_what_it_did_and_how_far_it_was(database, asked):
    rehearsed = importing.import_file(database, content=FILE, dry_run=True, **asked)
    heard = []

    summary = importing_apart.import_file(
        database, content=FILE, progress=lambda done, total: heard.append((done, total)), **asked
    )

    assert replace(summary, batch=None) == rehearsed
    assert (summary.counts.accepted, summary.counts.set_aside, stored(database, items)) == (ROWS, 1, ROWS)
    assert heard == sorted(heard)
    assert heard[-1] > (ROWS, ROWS)


def test_a_refusal_is_in_the_same_words(database, asked):
    with pytest.raises(FileRefused) as here:
        importing.import_file(database, content=b"a,b\n1,2\n", **asked)

    with pytest.raises(importing_apart.ImportRefused) as apart:
        importing_apart.import_file(database, content=b"a,b\n1,2\n", progress=silent, **asked)

    assert str(apart.value) == str(here.value)


def test_whoever_may_not_is_refused_there(database, asked):
    asked["person_id"] = a_person(database, "Rita", Role.REVIEWER)

    with pytest.raises(importing_apart.ImportRefused, match="Rita may not bring data in"):
        importing_apart.import_file(database, content=FILE, progress=silent, **asked)


def test_one_that_is_cancelled_leaves_nothing(database, asked):
    def enough(done: int, total: int) -> None:
        if done:
            raise importing.ImportCancelled

    with pytest.raises(importing.ImportCancelled):
        importing_apart.import_file(database, content=FILE, progress=enough, **asked)

    assert (stored(database, imports), stored(database, items)) == (0, 0)


def test_what_nobody_foresaw_rises(database, asked):
    with pytest.raises(importing_apart.ImportFailed, match="ended with 1"):
        importing_apart.import_file(database, content=FILE, progress=silent, **asked, colour="red")

"""A large import runs in a process of its own, and ends as it would have here."""

from __future__ import annotations

import gc
import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from review_queue.errors import FileRefused
from review_queue.roles import Role
from storage.tables import imports, items
from tests.builders import a_person, a_workflow
from workbench import importing_apart
from workbench.actions import importing

ROWS = 12_000
LARGE = importing_apart.SMALL
HEADER = "series,period,ai_forecast,human_forecast\n"
FILE = (HEADER + "".join(f"acme-{row},2026-12,{row}.5,{row + 7}\n" for row in range(ROWS)) + "x,2026-12,?,1\n").encode()


@pytest.fixture
def asked(database):
    workflow = a_workflow(database)
    dora = a_person(database, "Dora", Role.DIRECTOR)
    return {"person_id": dora, "workflow_key": workflow.key, "kind": "forecasts", "name": "new.csv"}


@pytest.fixture
def packed() -> bytes:
    """Some kilobytes that hold a hundred thousand rows."""
    rows = 100_000
    columns = {"series": ["acme"] * rows, "period": ["2026-12"] * rows, "ai_forecast": [1.5] * rows}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def stored(database, table) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def silent(done: int, total: int) -> None:
    """Nobody listens."""


def test_it_tells_what_it_did_and_how_far_it_was(database, asked):
    rehearsed = importing.import_file(database, content=FILE, dry_run=True, **asked)
    heard = []

    summary = importing_apart.import_file(
        database, content=FILE, size=LARGE, progress=lambda done, total: heard.append((done, total)), **asked
    )

    assert replace(summary, batch=None) == rehearsed
    assert (summary.counts.accepted, summary.counts.set_aside, stored(database, items)) == (ROWS, 1, ROWS)
    assert heard == sorted(heard)
    assert heard[-1] > (ROWS, ROWS)


def test_a_refusal_is_in_the_same_words(database, asked):
    with pytest.raises(FileRefused) as here:
        importing.import_file(database, content=b"a,b\n1,2\n", **asked)

    with pytest.raises(importing_apart.ImportRefused) as apart:
        importing_apart.import_file(database, content=b"a,b\n1,2\n", size=LARGE, progress=silent, **asked)

    assert str(apart.value) == str(here.value)


def test_whoever_may_not_is_refused_there(database, asked):
    asked["person_id"] = a_person(database, "Rita", Role.REVIEWER)

    with pytest.raises(importing_apart.ImportRefused, match="Rita may not bring data in"):
        importing_apart.import_file(database, content=FILE, size=LARGE, progress=silent, **asked)


def test_one_that_is_cancelled_leaves_nothing(database, asked):
    def enough(done: int, total: int) -> None:
        if done:
            raise importing.ImportCancelled

    with pytest.raises(importing.ImportCancelled):
        importing_apart.import_file(database, content=FILE, size=LARGE, progress=enough, **asked)

    assert (stored(database, imports), stored(database, items)) == (0, 0)


def test_what_nobody_foresaw_rises(database, asked):
    with pytest.raises(importing_apart.ImportFailed, match="ended with 1"):
        importing_apart.import_file(database, content=FILE, size=LARGE, progress=silent, **asked, colour="red")


def test_a_small_file_that_holds_a_large_table_is_a_large_one(database, asked, packed):
    asked["name"] = "new.parquet"

    look = importing.guess_mapping(database, content=packed, **asked)

    assert (len(packed) < 100_000, look.size >= importing_apart.SMALL) == (True, True)


def test_what_is_kept_of_a_look_is_its_first_rows_alone(database, asked, packed):
    asked["name"] = "new.parquet"
    gc.collect()
    before = pa.total_allocated_bytes()

    look = importing.guess_mapping(database, content=packed, **asked)
    gc.collect()

    assert len(look.first) == importing.PREVIEWED
    assert pa.total_allocated_bytes() - before < 100_000

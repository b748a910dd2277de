"""Every file of the corpus goes in exactly, or is refused with its place, a code and a sentence; none does harm.

Odd files are read here, where that is quick; hostile ones in the process that they are made for. ``make corpus`` reads
all of them there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import select

from review_queue.errors import FileRefused
from review_queue.roles import Role
from storage.tables import forecasts, items, series, sources
from tests.builders import a_person, a_workflow
from tests.corpus.cases import Aside, Case, In
from tests.corpus.make_corpus import hostile, odd
from workbench.actions import importing
from workbench.foreign.reading import read, read_here
from workbench.foreign.sheets import Sheet

pytestmark = pytest.mark.one_kind

ROOT = Path(__file__).parents[2]
ODD = {case.name: case for case in odd()}
#: What only the import can refuse: it knows which columns are used, and as what.
OF_THE_IMPORT = ("FILE_REFUSED", "UNSUPPORTED_TYPE", "AMBIGUOUS_DECIMAL")
LONGEST = 10.0  #: seconds of computing
LARGEST = 512  #: megabytes that a reading process may take


@cache
def read_once(name: str) -> Sheet | FileRefused:
    case = ODD[name]
    try:
        return read_here(name, case.content, case.choices)
    except FileRefused as refusal:
        return refusal


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_read_or_refused_as_it_must_be(name: str) -> None:
    seen = read_once(name)

    refusal = seen if isinstance(seen, FileRefused) else None
    assert _told(refusal) == _expected_refusal(ODD[name], _told(refusal))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has no limit of memory that holds")
def test_hostile_files_are_read_or_refused_and_none_does_harm(tmp_path: Path) -> None:
    cases = {case.name: case for case in hostile()}
    for case in cases.values():
        (tmp_path / case.name).write_bytes(case.content)

    seen = _run(tmp_path)

    told = {name: (each["refused"], each["row"], each["column"]) for name, each in seen["files"].items()}
    assert told == {name: _expected_refusal(case, told[name]) for name, case in cases.items()}
    assert max(each["computed"] for each in seen["files"].values()) < LONGEST
    assert seen["megabytes"] < LARGEST
    sentences = {name: each["sentence"] for name, each in seen["files"].items() if each["refused"]}
    assert [name for name, said in sentences.items() if name not in said or not said.endswith(".")] == []


@pytest.mark.long
@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_is_the_same_in_a_process_of_its_own(name: str) -> None:
    here = read_once(name)

    try:
        there: Sheet | FileRefused = read(name, ODD[name].content, ODD[name].choices)
    except FileRefused as refusal:
        there = refusal

    assert type(there) is type(here)
    if isinstance(here, Sheet) and isinstance(there, Sheet):
        assert (there.headers, there.doubts, there.facts) == (here.headers, here.doubts, here.facts)
        assert there.cells.equals(here.cells)


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def test_what_is_read_goes_in_exactly(database, dora) -> None:
    stood, must = {}, {}
    shared = a_workflow(database, key="shared")  # by files that leave nothing but rows set aside
    for number, (name, case) in enumerate(ODD.items()):
        sheet = read_once(name)
        if not isinstance(sheet, Sheet):
            continue
        is_alone = any(isinstance(row, In) for row in case.rows)
        workflow = a_workflow(database, key=f"w{number}") if is_alone else shared
        must[name] = case.refused.code if case.refused else _expected(case)
        try:
            summary = importing.import_sheet(
                database,
                person_id=dora,
                workflow_key=workflow.key,
                kind="forecasts",
                name=name,
                content=case.content,
                sheet=sheet,
                choices=case.choices,
            )
        except FileRefused as refusal:
            stood[name] = refusal.code
            continue
        stood[name] = _stored(database, workflow.id), [(each.row, each.column, each.code) for each in summary.aside]
        counts = summary.counts
        assert counts.accepted + counts.unchanged + counts.updated + counts.set_aside == counts.rows

    assert {name: (stood[name], must[name]) for name in must if stood[name] != must[name]} == {}


def _run(folder: Path) -> dict:
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tests.corpus.run", folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    return json.loads(run.stdout)


def _told(refusal: FileRefused | None) -> tuple[str | None, int | None, str | None]:
    return (refusal.code, refusal.row, refusal.column) if refusal else (None, None, None)


def _expected_refusal(case: Case, told: tuple) -> tuple:
    """What must be told; where a case leaves the row or the column open, whatever is told."""
    if case.refused is None or case.refused.code in OF_THE_IMPORT:
        return (None, None, None)
    return (case.refused.code, case.refused.row or told[1], case.refused.column or told[2])


def _expected(case: Case):
    rows = {each.series: (each.period, each.value, each.note) for each in case.rows if isinstance(each, In)}
    return rows, [(each.row, each.column, each.code) for each in case.rows if isinstance(each, Aside)]


def _stored(database, workflow_id: int) -> dict[str, tuple[str, float, str | None]]:
    query = (
        select(series.c.key, items.c.period, forecasts.c.value, forecasts.c.rationale)
        .join(items, items.c.series_id == series.c.id)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(series.c.workflow_id == workflow_id, sources.c.kind == "ai")
    )
    with database.reading() as session:
        return {row.key: (row.period, row.value, row.rationale) for row in session.execute(query)}

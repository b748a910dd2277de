"""Imports on record, and the rows that were set aside."""

from __future__ import annotations

import pytest

from storage import imports
from storage.engine import database_now
from tests.builders import a_workflow, bring_in

HEADER = "series,period,ai_forecast"
FILE = f"{HEADER}\na,2026-12,1\nb,2026-12,x\nc,never,1\n"


@pytest.fixture
def workflow(database):
    return a_workflow(database)


def aside(database, workflow, status=imports.OPEN):
    with database.reading() as session:
        return imports.list_set_aside(session, workflow.id, status=status)


def test_a_row_set_aside_is_kept_as_it_stood_with_what_is_wrong(database, workflow):
    bring_in(database, workflow, FILE)

    first, second = aside(database, workflow)
    assert (first.row_number, first.column, first.code) == (3, "ai_forecast", "NOT_A_NUMBER")
    assert first.cells == {"series": "b", "period": "2026-12", "ai_forecast": "x"}
    assert first.sentence.startswith("ai_forecast “x” is not a number.")
    assert (second.row_number, second.code) == (4, "NOT_A_PERIOD")


def test_the_same_file_again_sets_nothing_aside_twice_even_after_a_fix(database, workflow):
    bring_in(database, workflow, FILE)
    first, second = aside(database, workflow)
    with database.writing() as session:
        person = 1
        imports.resolve(session, [first.id], imports.DISMISSED, person_id=person, now=database_now(session))

    again = bring_in(database, workflow, FILE)

    assert (again.counts.set_aside, again.counts.unchanged) == (2, 1)
    assert aside(database, workflow) == [second]
    assert [row.id for row in aside(database, workflow, imports.DISMISSED)] == [first.id]


def test_a_row_that_a_database_cannot_hold_is_still_kept(database, workflow):
    bring_in(database, workflow, f"{HEADER}\nb\x00ad\U0001f600,2026-12,1\n")

    (row,) = aside(database, workflow)
    assert (row.code, row.cells["series"]) == ("HIDDEN_CHARACTER", "b␀ad\U0001f600")


def test_imports_are_listed_newest_first_with_their_counts(database, workflow):
    bring_in(database, workflow, f"{HEADER}\na,2026-12,1\n")
    bring_in(database, workflow, FILE)

    with database.reading() as session:
        found = imports.listed(session, workflow.id)
    counts = found[["rows", "accepted", "unchanged", "updated", "set_aside"]].values.tolist()
    assert counts == [[3, 0, 1, 0, 2], [1, 1, 0, 0, 0]]
    assert list(found["by"]) == ["Olga", "Olga"]


def test_the_rows_that_are_not_listed_are_counted(database, workflow):
    rows = "".join(f"s{n},2026-12,x\n" for n in range(1003))
    bring_in(database, workflow, f"{HEADER}\n{rows}")

    with database.writing() as session:
        first = imports.list_set_aside(session, workflow.id)
        before = imports.count_set_aside(session, workflow.id)
        imports.resolve(session, [first[0].id], imports.DISMISSED, person_id=1, now=database_now(session))
        after = imports.count_set_aside(session, workflow.id)

    assert (len(first), before, after) == (imports.LISTED, 1003, 1002)


def test_the_last_mapping_is_remembered_by_kind(database, workflow):
    bring_in(database, workflow, "Account,Month,AI\na,2026-12,1\n")
    bring_in(database, workflow, "series,period,actual\na,2026-11,1\n", kind="history")

    with database.reading() as session:
        from review_queue.columns import Kind

        assert imports.last_mapping(session, workflow.id, Kind.FORECASTS) == {
            "series": "Account",
            "period": "Month",
            "ai_forecast": "AI",
        }
        assert imports.last_mapping(session, workflow.id, Kind.REVIEWS) == {}

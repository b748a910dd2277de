"""What other systems say: brought in by file, told apart by who says it of what and when, and read back."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import func, select

from storage import crosswalk, people, statements
from storage.engine import Database
from storage.imports import list_set_aside
from storage.tables import identifiers, series, sources
from storage.tables import statements as table
from tests.builders import a_workflow, bring_in, forecasts
from workbench.actions import importing

HEADER = "series,attribute,source,value,as_of,period,record_id\n"


def rows(*lines: str) -> str:
    return HEADER + "\n".join(lines) + "\n"


def said(database: Database, workflow):
    with database.reading() as session:
        return statements.of_items(session, "forecast", [1])


@pytest.fixture
def workflow(database: Database):
    made = a_workflow(database)
    bring_in(database, made, forecasts(2))
    return made


def test_a_file_of_sources_is_brought_in_and_read_back(database: Database, workflow) -> None:
    done = bring_in(
        database,
        workflow,
        rows(
            "acme-1,forecast,crm,950,2026-11-20T10:00:00Z,2026-12,A-17",
            "acme-1,forecast,orders,990,2026-11-21,2026-12,",
        ),
        kind="sources",
    )

    found = said(database, workflow).set_index("source")

    assert (done.counts.accepted, done.counts.set_aside) == (2, 0)
    assert found["value"].to_dict() == {"crm": 950.0, "orders": 990.0}
    assert found.loc["crm", "as_of"].isoformat() == "2026-11-20T10:00:00+00:00"
    assert found.loc["crm", "record_id"] == "A-17"


def test_the_same_file_twice_changes_nothing(database: Database, workflow) -> None:
    text = rows("acme-1,forecast,crm,950,2026-11-20,2026-12,A-17", "acme-2,headcount,crm,5,2026-11-20,,")
    bring_in(database, workflow, text, kind="sources")

    again = bring_in(database, workflow, text, kind="sources").counts

    assert (again.unchanged, again.accepted, again.updated) == (2, 0, 0)
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(table)).scalar_one() == 2
        assert session.execute(select(func.count()).select_from(identifiers)).scalar_one() == 1


def test_the_newest_statement_of_a_source_stands_whatever_the_order_in_which_they_came(database, workflow) -> None:
    bring_in(database, workflow, rows("acme-1,forecast,crm,950,2026-11-20,2026-12,"), kind="sources")
    bring_in(database, workflow, rows("acme-1,forecast,crm,900,2026-11-02,2026-12,"), kind="sources")

    assert said(database, workflow)["value"].tolist() == [950.0]


def test_a_correction_of_the_same_instant_stands_and_the_first_is_kept(database: Database, workflow) -> None:
    bring_in(database, workflow, rows("acme-1,forecast,crm,950,2026-11-20,2026-12,"), kind="sources")
    done = bring_in(database, workflow, rows("acme-1,forecast,crm,940,2026-11-20,2026-12,"), kind="sources")

    assert done.counts.updated == 1
    assert said(database, workflow)["value"].tolist() == [940.0]
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(table)).scalar_one() == 2


def test_an_identifier_that_was_given_once_will_do_from_then_on(database: Database, workflow) -> None:
    bring_in(database, workflow, rows("acme-1,forecast,crm,950,2026-11-20,2026-12,buyer@acme.example"), kind="sources")

    done = bring_in(database, workflow, rows("buyer@acme.example,forecast,crm,955,2026-11-21,2026-12,"), kind="sources")

    assert done.counts.accepted == 1
    assert said(database, workflow)["value"].tolist() == [955.0]


def test_a_file_teaches_its_own_later_rows(database: Database, workflow) -> None:
    done = bring_in(
        database,
        workflow,
        rows("acme-1,forecast,crm,950,2026-11-20,2026-12,A-17", "A-17,forecast,crm,955,2026-11-21,2026-12,"),
        kind="sources",
    )

    assert done.counts.accepted == 2
    assert said(database, workflow)["value"].tolist() == [955.0]


def test_an_identifier_is_its_sources_alone(database: Database, workflow) -> None:
    bring_in(database, workflow, rows("acme-1,forecast,crm,950,2026-11-20,2026-12,A-17"), kind="sources")

    done = bring_in(database, workflow, rows("A-17,forecast,orders,955,2026-11-21,2026-12,"), kind="sources")

    assert done.counts.reasons == {"UNKNOWN_SERIES": 1}


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("ghost,forecast,crm,1,2026-11-20,2026-12,", "UNKNOWN_SERIES", "neither a series here nor what this source"),
        ("acme-2,forecast,crm,1,2026-11-20,2026-12,A-17", "RECORD_ID_DIFFERS", "stands for “acme-1” here"),
        ("acme-1,forecast,AI,1,2026-11-20,2026-12,", "RESERVED_SOURCE", "what the workbench calls"),
        ("acme-1,forecast,crm,about 1,2026-11-20,2026-12,", "NOT_A_NUMBER", "is not a number"),
        ("acme-1,forecast,crm,,2026-11-20,2026-12,", "MISSING_KEY", "is empty"),
        ("acme-1,forecast,crm,1,,2026-12,", "MISSING_KEY", "is empty"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_set_aside(database, workflow, line: str, code: str, says: str) -> None:
    bring_in(database, workflow, rows("acme-1,forecast,crm,950,2026-11-19,2026-12,A-17"), kind="sources")

    done = bring_in(database, workflow, rows(line), kind="sources")

    assert done.counts.reasons == {code: 1}
    assert says in done.aside[0].sentence


COLLIDES = rows("acme-2,forecast,crm,950,2026-11-19,2026-12,acme-1")


def test_a_name_that_is_ours_and_the_sources_for_another_series_is_set_aside(database: Database, workflow) -> None:
    bring_in(database, workflow, COLLIDES, kind="sources")

    done = bring_in(database, workflow, rows("acme-1,forecast,crm,960,2026-11-20,2026-12,"), kind="sources")

    assert (done.counts.accepted, done.counts.reasons) == (0, {"AMBIGUOUS_SERIES": 1})
    assert done.aside[0].column == "series"
    assert "what this source calls another, “acme-2”. If “acme-2” is meant, write that" in done.aside[0].sentence


def test_such_a_name_is_set_aside_also_before_the_row_that_teaches_it(database: Database, workflow) -> None:
    said_first = "acme-1,forecast,crm,960,2026-11-20,2026-12,"

    done = bring_in(database, workflow, rows(said_first) + COLLIDES.removeprefix(HEADER), kind="sources")

    assert (done.counts.accepted, done.counts.reasons) == (1, {"AMBIGUOUS_SERIES": 1})
    assert done.aside[0].row == 2


@pytest.mark.parametrize(
    ("fix", "meant"),
    [({"series": "acme-2"}, "acme-2"), ({"record_id": "acme-2"}, "acme-1")],
    ids=["the source's", "ours"],
)
def test_such_a_row_goes_in_once_it_says_which_is_meant(database: Database, workflow, fix, meant: str) -> None:
    bring_in(database, workflow, COLLIDES, kind="sources")
    bring_in(database, workflow, rows("acme-1,forecast,crm,960,2026-11-20,2026-12,"), kind="sources")
    with database.reading() as session:
        waiting = list_set_aside(session, workflow.id)[0]
        owner = people.find(session, "test", "owner")

    fixed = importing.retry_rows(database, person_id=owner, fixes={waiting.id: fix})

    assert fixed.counts.accepted == 1
    with database.reading() as session:
        stored = select(series.c.key, table.c.value).join(series, series.c.id == table.c.series_id)
        assert session.execute(stored.order_by(table.c.id)).all()[1:] == [(meant, 960.0)]


def test_the_same_name_from_another_source_is_ours(database: Database, workflow) -> None:
    bring_in(database, workflow, COLLIDES, kind="sources")

    done = bring_in(database, workflow, rows("acme-1,forecast,orders,960,2026-11-20,2026-12,"), kind="sources")

    assert done.counts.accepted == 1


def test_a_row_that_was_set_aside_is_fixed_and_teaches(database: Database, workflow) -> None:
    bring_in(database, workflow, rows("A-17,forecast,crm,950,2026-11-20,2026-12,"), kind="sources")
    with database.reading() as session:
        waiting = list_set_aside(session, workflow.id)[0]
        owner = people.find(session, "test", "owner")

    fixed = importing.retry_rows(
        database, person_id=owner, fixes={waiting.id: {"series": "acme-1", "record_id": "A-17"}}
    )

    assert fixed.counts.accepted == 1
    with database.reading() as session:
        assert [(one.source, one.record_id, one.series) for one in crosswalk.listed(session, workflow.id)] == [
            ("crm", "A-17", "acme-1")
        ]


def test_a_file_without_the_columns_of_a_statement_is_refused(database: Database, workflow) -> None:
    with pytest.raises(Exception, match="A file of sources needs source and as_of"):
        bring_in(database, workflow, "series,attribute,value\nacme-1,forecast,1\n", kind="sources")


def test_a_dry_run_leaves_nothing_behind(database: Database, workflow) -> None:
    with database.reading() as session:
        owner = people.find(session, "test", "owner")

    done = importing.import_file(
        database, person_id=owner, workflow_key=workflow.key, kind="sources", name="s.csv", dry_run=True,
        content=rows("acme-1,forecast,crm,950,2026-11-20,2026-12,A-17").encode(),
    )  # fmt: skip

    assert done.counts.accepted == 1
    assert said(database, workflow).empty
    with database.reading() as session:
        assert crosswalk.count(session, workflow.id) == 0


def test_what_is_said_of_other_attributes_stands_apart(database: Database, workflow) -> None:
    bring_in(
        database, workflow,
        rows("acme-1,forecast,crm,950,2026-11-20,2026-12,", "acme-1,contract value,crm,9000,2026-11-20,,",
             "acme-1,contract value,orders,9500,2026-11-20,2026-12,",
             "acme-1,contract value,crm,1,2026-11-20,2026-11,"),
        kind="sources",
    )  # fmt: skip

    with database.reading() as session:
        found = statements.other_attributes(session, 1, "forecast", date(2026, 12, 1))

    assert found[["attribute", "source", "value"]].to_numpy().tolist() == [
        ["contract value", "crm", 9000.0],
        ["contract value", "orders", 9500.0],
    ]


def test_the_record_is_of_what_was_said_before_the_period_began(database: Database, workflow) -> None:
    bring_in(
        database, workflow,
        rows("acme-1,forecast,crm,900,2026-11-20,2026-12,", "acme-1,forecast,crm,950,2026-11-30,2026-12,",
             "acme-1,forecast,crm,1049,2026-12-31,2026-12,"),
        kind="sources",
    )  # fmt: skip
    bring_in(database, workflow, "series,period,actual\nacme-1,2026-12,1050\n", kind="actuals")

    with database.reading() as session:
        found = statements.past(session, workflow.id, "forecast").set_index("source")

    assert found["value"].to_dict() == {"crm": 950.0, "ai": 1000.0, "manual": 1100.0}
    assert (found["actual"] == 1050).all()
    assert found["ended_at"].iloc[0].isoformat() == "2027-01-01T00:00:00+00:00"


def test_a_period_may_begin_on_a_midnight_that_the_clocks_skip(database: Database) -> None:
    workflow = a_workflow(database, timezone="America/Santiago")
    bring_in(database, workflow, "series,period,ai_forecast\nacme-1,2024-09-08,1\n")

    counts = bring_in(
        database, workflow,
        rows("acme-1,forecast,before,950,2024-09-08T03:59:59Z,2024-09-08,",
             "acme-1,forecast,after,950,2024-09-08T04:00:00Z,2024-09-08,"),
        kind="sources",
    ).counts  # fmt: skip

    assert counts.accepted == 2
    with database.reading() as session:
        of_each = select(sources.c.key, table.c.is_ahead).join(sources, sources.c.id == table.c.source_id)
        assert dict(session.execute(of_each).all()) == {"before": True, "after": False}


def test_what_is_no_full_actual_measures_nobody(database: Database, workflow) -> None:
    bring_in(database, workflow, rows("acme-1,forecast,crm,900,2026-11-20,2026-12,"), kind="sources")
    bring_in(database, workflow, "series,period,actual,is_lower_bound\nacme-1,2026-12,1050,true\n", kind="actuals")

    with database.reading() as session:
        assert statements.past(session, workflow.id, "forecast").empty


def test_statements_are_found_by_the_items_that_they_are_about(database: Database, workflow) -> None:
    bring_in(
        database, workflow,
        rows("acme-1,forecast,crm,950,2026-11-20,2026-12,", "acme-1,forecast,crm,990,2026-11-20,2027-01,"),
        kind="sources",
    )  # fmt: skip

    with database.reading() as session:
        found = statements.of_items(session, "forecast", [1, 2])

    assert found[["item", "series", "value"]].to_numpy().tolist() == [[1, 1, 950.0]]

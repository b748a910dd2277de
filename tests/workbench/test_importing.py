"""Files brought in as people do it: spreadsheets with mistakes, corrections, real data."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

import pytest
import xlsxwriter
from sqlalchemy import func, select

from review_queue.columns import Kind
from review_queue.errors import FileRefused, NotAllowed, WorkflowInvalid
from review_queue.roles import Role
from storage import imports as stored_imports
from storage.engine import database_now
from storage.tables import actuals, audit_events, forecasts, imports, items, metadata, past_reviews, set_aside_rows
from tests import builders
from tests.builders import a_person, a_workflow, bring_in, take
from tests.real_data import SHARED, real_data
from workbench.actions import governing, importing, readying
from workbench.actions.arriving import LEFT_OVER

HEADER = [
    "series",
    "period",
    "created_at",
    "unit",
    "segment_region",
    "ai_forecast",
    "ai_low",
    "ai_high",
    "human_forecast",
]
#: Row number → column, what stands there, the code, what should stand there.
MISTAKES = {
    20: ("ai_forecast", "about 100", "NOT_A_NUMBER", "100"),
    120: ("human_forecast", "NaN", "NOT_FINITE", ""),
    220: ("ai_forecast", "1e400", "NOT_FINITE", "1e4"),
    320: ("series", "", "MISSING_KEY", "account 318"),
    420: ("ai_low", "9999", "INVERTED_INTERVAL", "90"),
    520: ("series", "account 517", "DUPLICATE_KEY", "account 518"),
    620: ("series", "=cmd()", "FORMULA", "account 618"),
    720: ("created_at", "31/02/2018", "NOT_A_DATE", "2018-02-28"),
    820: ("unit", "USD", "UNIT_DIFFERS", "EUR k"),
    920: ("segment_region", "Atlantis", "UNKNOWN_SEGMENT", "North"),
}


@pytest.fixture
def workflow(database):
    return a_workflow(database, segments=["region"], scope={"region": ["North", "South"]}, timezone="Europe/Berlin")


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def a_spreadsheet() -> list[list[object]]:
    """1,000 rows under a header, ten of them wrong."""
    rows = [
        [f"account {n}", "2018-03", "2018-02-01", "EUR k", "North", 100 + n % 7, 90.5, 120, 130 + n % 9]
        for n in range(1000)
    ]
    for row, (column, text, _, _) in MISTAKES.items():
        rows[row - 2][HEADER.index(column)] = text
    return [list(HEADER), *rows]


def as_xlsx(rows: Iterable[Iterable[object]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as workbook:
        sheet = workbook.add_worksheet()
        for row, cells in enumerate(rows):
            sheet.write_row(row, 0, cells)
    return file.getvalue()


def as_csv(rows: Iterable[Iterable[object]]) -> bytes:
    return "\n".join(",".join(map(str, row)) for row in rows).encode()


def bring(database, person_id, content: bytes, *, kind="forecasts", key="sales", name="file.csv", **how):
    return importing.import_file(
        database, person_id=person_id, workflow_key=key, kind=kind, name=name, content=content, **how
    )


def everything(database):
    with database.reading() as session:
        return {table.name: session.execute(select(table)).all() for table in metadata.sorted_tables}


def count(database, table):
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize(("name", "written"), [("file.xlsx", as_xlsx), ("file.csv", as_csv)])
def test_ten_bad_rows_among_a_thousand_are_set_aside_and_go_in_once_they_are_fixed(
    database, workflow, dora, name, written
):
    first = bring(database, dora, written(a_spreadsheet()), name=name)
    waiting = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    fixes = {row.id: {MISTAKES[row.row_number][0]: MISTAKES[row.row_number][3]} for row in waiting}
    retried = importing.retry_rows(database, person_id=dora, fixes=fixes)

    assert (first.counts.rows, first.counts.accepted, first.counts.set_aside) == (1000, 990, 10)
    assert {row.row_number: (row.column, row.code) for row in waiting} == {
        row: (column, code) for row, (column, _, code, _) in MISTAKES.items()
    }
    assert all(row.sentence.startswith(row.column) and row.sentence.endswith(".") for row in waiting)
    assert (retried.counts.accepted, retried.counts.set_aside) == (10, 0)
    assert count(database, items) == 1000
    assert importing.list_set_aside(database, person_id=dora, workflow_key="sales") == []


def test_a_row_that_is_still_wrong_says_what_is_wrong_now(database, workflow, dora):
    bring(database, dora, b"series,period,ai_forecast,segment_region\na,2018-03,x,North\nb,2018-03,y,North\n")
    first, second = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    fixes = {first.id: {"ai_forecast": "1"}, second.id: {"ai_forecast": "2", "period": "soon"}}
    retried = importing.retry_rows(database, person_id=dora, fixes=fixes)

    assert (retried.counts.accepted, retried.counts.set_aside) == (1, 1)
    (left,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    assert (left.id, left.row_number, left.column, left.code) == (second.id, 3, "period", "NOT_A_PERIOD")
    assert left.cells["ai_forecast"] == "2"
    assert "“soon” is not a period" in left.sentence


def test_a_second_value_for_a_key_never_replaces_the_first_by_being_retried_as_it_is(database, workflow, dora):
    bring(database, dora, b"series,period,ai_forecast,segment_region\na,2018-03,1,North\na,2018-03,2,North\n")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    retried = importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_forecast": "2"}})

    assert (retried.counts.updated, retried.counts.set_aside) == (0, 1)
    assert importing.list_set_aside(database, person_id=dora, workflow_key="sales") == [row]


def test_actuals_that_came_too_early_go_in_once_their_series_is_there(database, workflow, dora):
    early = bring(database, dora, b"series,period,actual\na,2018-03,1\n", kind="actuals")
    bring(database, dora, b"series,period,actual\na,2018-02,1\n", kind="history")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    retried = importing.retry_rows(database, person_id=dora, fixes={row.id: {}})

    assert early.counts.reasons == {"UNKNOWN_SERIES": 1}
    assert retried.counts.accepted == 1


def test_a_dismissed_row_is_gone_and_on_record(database, workflow, dora):
    bring(database, dora, b"series,period,ai_forecast,segment_region\na,2018-03,x,North\n")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    assert importing.dismiss_rows(database, person_id=dora, row_ids=[row.id]) == 1

    assert importing.list_set_aside(database, person_id=dora, workflow_key="sales") == []
    with database.reading() as session:
        assert session.execute(select(set_aside_rows.c.status, set_aside_rows.c.resolved_by)).one() == (
            "dismissed",
            dora,
        )
    with pytest.raises(importing.RowsNotOpen, match="no longer set aside"):
        importing.retry_rows(database, person_id=dora, fixes={row.id: {}})


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda d, p, row: importing.dismiss_rows(d, person_id=p, row_ids=[row]),
        lambda d, p, row: importing.retry_rows(d, person_id=p, fixes={row: {"ai_forecast": "7"}}),
        lambda d, p, row: importing.retry_rows(d, person_id=p, fixes={row: {"ai_forecast": "seven"}}),
    ],
    ids=["dismissed", "went in", "changed and still wrong"],
)
def test_of_two_people_who_deal_with_a_row_at_once_the_second_is_told(database, workflow, dora, monkeypatch, meanwhile):
    bring(database, dora, b"series,period,ai_forecast,segment_region\na,2018-03,x,North\nb,2018-03,x,North\n")
    one, two = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    carl, after, real = a_person(database, "Carl", Role.DIRECTOR), [], importing.checked_rows

    def overtaken(*args):
        if not after:
            after.append(None)
            meanwhile(database, carl, one.id)
            after[:] = everything(database).items()
        return real(*args)

    monkeypatch.setattr(importing, "checked_rows", overtaken)
    with pytest.raises(importing.RowsNotOpen, match="somebody has dealt with them"):
        importing.retry_rows(
            database, person_id=dora, fixes={one.id: {"ai_forecast": "5"}, two.id: {"ai_forecast": "5"}}
        )

    assert everything(database) == dict(after)


def test_a_row_that_went_in_meanwhile_is_not_dismissed(database, workflow, dora):
    bring(database, dora, b"series,period,ai_forecast,segment_region\na,2018-03,x,North\n")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_forecast": "5"}})

    with database.writing() as session:
        marked = stored_imports.resolve(
            session, [row.id], stored_imports.DISMISSED, person_id=dora, now=database_now(session)
        )

    assert marked == 0
    with database.reading() as session:
        assert session.execute(select(set_aside_rows.c.status)).scalar_one() == "fixed"


def test_a_dry_run_tells_what_the_import_will_do_and_changes_nothing(database, workflow, dora):
    before = everything(database)

    rehearsed = bring(database, dora, as_csv(a_spreadsheet()), dry_run=True)

    assert everything(database) == before
    performed = bring(database, dora, as_csv(a_spreadsheet()))
    assert rehearsed.batch is None
    assert rehearsed.counts == performed.counts
    assert rehearsed.aside == performed.aside


def test_the_same_file_twice_changes_nothing_but_the_list_of_imports(database, workflow, dora):
    bring(database, dora, as_csv(a_spreadsheet()))
    before = everything(database)

    again = bring(database, dora, as_csv(a_spreadsheet()))

    after = everything(database)
    assert (again.counts.unchanged, again.counts.set_aside) == (990, 10)
    assert {name for name in before if before[name] != after[name]} == {
        "imports",
        "audit_events",
        "audit_chain",
    }


def test_the_order_of_two_files_does_not_matter(database, dora):
    texts = [b"series,period,ai_forecast\na,2018-03,1\nb,2018-03,2\n", b"series,period,ai_forecast\nc,2018-03,3\n"]
    for key, order in (("one", texts), ("two", texts[::-1])):
        a_workflow(database, key=key)
        for text in order:
            bring(database, dora, text, key=key)

    with database.reading() as session:
        rows = session.execute(
            select(items.c.workflow_id, items.c.period, forecasts.c.value, items.c.gap).join(forecasts)
        ).all()
    one, two = ({row[1:] for row in rows if row.workflow_id == workflow_id} for workflow_id in (1, 2))
    assert one == two


def test_a_file_that_cannot_be_read_changes_nothing(database, workflow, dora):
    before = everything(database)

    for content in (b"series,period\na,2018-03\n", b"\xff\xfe\x00", b""):
        with pytest.raises(FileRefused):
            bring(database, dora, content)

    assert everything(database) == before


def test_a_mapping_is_kept_for_the_next_file(database, workflow, dora):
    header = b"who,when,what,segment_region\n"

    bring(
        database,
        dora,
        header + b"a,2018-03,1,North\n",
        mapping={"series": "who", "period": "when", "ai_forecast": "what"},
    )
    again = bring(database, dora, header + b"b,2018-03,1,North\n")

    assert again.counts.accepted == 1
    assert {match.column: match.grounds for match in again.mapping}["series"] == "as last time"


def test_a_column_that_was_not_there_last_time_is_taken_next_time(database, workflow, dora):
    bring(
        database,
        dora,
        b"who,period,ai_forecast,segment_region\na,2018-03,1,North\n",
        mapping={"series": "who", "human_forecast": ""},
    )

    again = bring(database, dora, b"who,period,ai_forecast,human_forecast,segment_region\nb,2018-03,1,2,North\n")

    assert "human_forecast" in {match.column for match in again.mapping}


def test_a_retry_leaves_the_mapping_of_the_last_file(database, workflow, dora):
    header = b"who,when,what,segment_region\n"
    mapping = {"series": "who", "period": "when", "ai_forecast": "what"}
    bring(database, dora, header + b"a,2018-03,x,North\n", mapping=mapping)
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_forecast": "1"}})

    assert bring(database, dora, header + b"b,2018-03,1,North\n").counts.accepted == 1


def test_a_column_that_was_left_out_is_left_out_of_the_next_files(database, workflow, dora):
    header = b"series,period,ai_forecast,human_forecast,segment_region\n"
    bring(database, dora, header + b"a,2018-03,1,2,North\n", mapping={"human_forecast": ""})

    second = bring(database, dora, header + b"b,2018-03,1,2,North\n")
    third = bring(database, dora, header + b"c,2018-03,1,2,North\n")
    look = importing.guess_mapping(
        database, person_id=dora, workflow_key="sales", kind="forecasts", name="a.csv", content=header
    )

    assert second.left_out == third.left_out == ("human_forecast",)
    assert "human_forecast" not in {match.column for match in look.matches}


def test_a_row_with_a_cell_too_many_goes_in_only_once_none_is_left_over(database, workflow, dora):
    bring(database, dora, b"series,period,ai_forecast,human_forecast,segment_region\na,2018-03,1,200,North,South\n")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    surplus = LEFT_OVER + "6"

    as_it_is = importing.retry_rows(database, person_id=dora, fixes={row.id: {}})
    half = importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_forecast": "1200"}})
    (waiting,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    whole = importing.retry_rows(database, person_id=dora, fixes={row.id: {"human_forecast": "", surplus: ""}})

    assert (row.code, row.cells[surplus]) == ("WRONG_NUMBER_OF_CELLS", "South")
    assert (as_it_is.counts.set_aside, half.counts.set_aside) == (1, 1)
    assert (waiting.code, waiting.cells) == (row.code, {**row.cells, "ai_forecast": "1200"})
    assert (whole.counts.accepted, whole.counts.set_aside) == (1, 0)
    with database.reading() as session:
        assert session.execute(select(forecasts.c.value)).scalars().all() == [1200]


def test_a_row_that_is_too_short_needs_a_correction_too(database, workflow, dora):
    bring(database, dora, b"series,period,ai_forecast,segment_region,human_forecast\na,2018-03,1,North\n")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    as_it_is = importing.retry_rows(database, person_id=dora, fixes={row.id: {}})
    corrected = importing.retry_rows(database, person_id=dora, fixes={row.id: {"human_forecast": "2"}})

    assert (as_it_is.counts.set_aside, corrected.counts.accepted) == (1, 1)


def test_cells_left_over_are_no_attributes_of_a_review(database, workflow, dora):
    bring(database, dora, b"series,created_at,mood\na,2018-03-01,good,x\n", kind="reviews")
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    importing.retry_rows(database, person_id=dora, fixes={row.id: {"created_at": "x", LEFT_OVER + "4": ""}})
    (waiting,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    importing.retry_rows(database, person_id=dora, fixes={row.id: {"created_at": "2018-03-01"}})

    assert waiting.cells == {"series": "a", "created_at": "x", "mood": "good"}
    with database.reading() as session:
        assert session.execute(select(past_reviews.c.attributes)).scalars().all() == [{"mood": "good"}]


def test_a_time_that_no_calendar_holds_sets_its_row_aside_and_the_others_go_in(database, dora):
    a_workflow(database, timezone="America/New_York")
    rows = b"a,2018-03,1,9999-12-31T23:59:59\nb,2018-03,1,0001-01-01\nc,0001,1,2018-04-01\nd,2018-03,1,2018-04-01\n"

    summary = bring(database, dora, b"series,period,ai_forecast,due_at\n" + rows)

    assert (summary.counts.accepted, summary.counts.reasons) == (1, {"OUT_OF_RANGE": 3})


def test_the_summary_states_the_zone_and_what_was_left_out(database, workflow, dora):
    content = b"series,period,ai_forecast,segment_region,mood\na,2018-03,1,North,good\n"

    summary = bring(database, dora, content)

    assert "Times without a zone were read in Europe/Berlin." in summary.sentences()
    assert summary.left_out == ("mood",)


def test_progress_rises_to_the_end(database, workflow, dora, monkeypatch):
    monkeypatch.setattr("storage.bulk.CHUNK", 100)
    told: list[tuple[int, int]] = []

    bring(database, dora, as_csv(a_spreadsheet()), progress=lambda done, total: told.append((done, total)))

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) > 20
    assert told[-1][0] == told[-1][1]


def test_only_those_who_may_bring_data_in_do(database, workflow):
    ada = a_person(database, "Ada", Role.REVIEWER, Role.AUDITOR)
    content = b"series,period,ai_forecast,segment_region\na,2018-03,1,North\n"

    for attempt in (
        lambda: bring(database, ada, content),
        lambda: bring(database, ada, content, dry_run=True),
        lambda: importing.guess_mapping(
            database, person_id=ada, workflow_key="sales", kind="forecasts", name="a.csv", content=content
        ),
    ):
        with pytest.raises(NotAllowed, match="may not bring data in"):
            attempt()
    assert importing.list_imports(database, person_id=ada, workflow_key="sales").empty


def test_an_import_is_on_the_audit_record(database, workflow, dora):
    summary = bring(database, dora, as_csv(a_spreadsheet()))

    with database.reading() as session:
        event = session.execute(select(audit_events).where(audit_events.c.action == "import")).one()
    assert (event.actor_id, event.workflow_id) == (dora, workflow.id)
    assert (event.details["batch"], event.details["accepted"], event.details["set_aside"]) == (summary.batch, 990, 10)


def test_an_unknown_workflow_is_refused(database, dora):
    with pytest.raises(WorkflowInvalid, match="no workflow 'ghost'"):
        bring(database, dora, b"series,period,ai_forecast\na,2018-03,1\n", key="ghost")


def test_the_guess_says_why_even_where_a_column_is_missing(database, workflow, dora):
    look = importing.guess_mapping(
        database, person_id=dora, workflow_key="sales", kind="forecasts", name="a.csv", content=b"Account,x\na,1\n"
    )

    assert look.headers == ("Account", "x")
    assert [(match.column, match.header, match.grounds) for match in look.matches] == [
        ("series", "Account", "another name for it")
    ]


@real_data
def test_the_australian_retail_files_come_in_whole_and_twice_is_once(database, dora):
    a_workflow(database, key="retail", segments=["state", "industry"])
    expected = {Kind.HISTORY: 16_076, Kind.FORECASTS: 1_776, Kind.ACTUALS: 1_776}

    for kind, rows in expected.items():
        content = (SHARED / f"au_retail_{kind}.csv").read_bytes()
        first = bring(database, dora, content, kind=kind, key="retail")
        again = bring(database, dora, content, kind=kind, key="retail")
        assert (first.counts.rows, first.counts.accepted) == (rows, rows)
        assert again.counts.unchanged == rows

    assert [count(database, table) for table in (items, forecasts, actuals, imports)] == [1776, 3552, 17852, 6]


@real_data
def test_the_british_reviews_come_in_whole_and_twice_is_once(database, dora):
    a_workflow(database, key="uk", unit="people")
    content = (SHARED / "uk_rt_reviews.csv").read_bytes()

    first = bring(database, dora, content, kind="reviews", key="uk")
    again = bring(database, dora, content, kind="reviews", key="uk")

    assert (first.counts.accepted, again.counts.unchanged) == (648, 648)
    with database.reading() as session:
        rows = session.execute(select(past_reviews)).all()
    assert {row.attributes["target"] for row in rows} == {"cases", "deaths"}
    assert {row.outcome for row in rows} == {None}


def test_a_workflow_file_is_registered_and_checked(database):
    olga = a_person(database, "Olga", Role.OWNER)
    toml = 'key = "retail"\ntitle = "Retail turnover"\nunit = "AUD m"\n'

    added = governing.add_workflow(database, person_id=olga, toml_text=toml)
    before = readying.check_workflow(database, person_id=olga, key="retail")
    governing.add_workflow(database, person_id=olga, toml_text=toml + 'owner = "o@example.com"\n')
    after = readying.check_workflow(database, person_id=olga, key="retail")

    assert (added.policy_version, after.workflow.policy_version) == (1, 2)
    assert (before.is_ready, after.is_ready) == (False, True)
    assert [check.sentence for check in before.checks if check.is_required] == ["Name an owner in the policy."]
    with database.reading() as session:
        actions = session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars().all()
    assert actions == ["workflow_added", "policy_changed", "workflow.handed_over"]


def test_only_those_who_govern_change_a_workflow(database):
    ada = a_person(database, "Ada", Role.REVIEWER)

    with pytest.raises(NotAllowed, match="may not change a workflow"):
        governing.add_workflow(database, person_id=ada, toml_text='key = "a"\ntitle = "A"\nunit = "x"\n')
    with pytest.raises(WorkflowInvalid, match="unit: it is required"):
        governing.add_workflow(database, person_id=ada, toml_text='key = "a"\ntitle = "A"\n')


def a_toml(**changes: object) -> str:
    """The workflow of ``a_workflow`` as a file."""
    fields = {"key": "sales", "title": "Sales", "unit": "EUR k", "owner": "o@example.com", "materiality": 10.0}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in {**fields, **changes}.items())


def a_few_items(count: int) -> str:
    return builders.forecasts(count, ai=1000.0, step=500.0)


def items_by_id(database):
    with database.reading() as session:
        return {row.id: row for row in session.execute(select(items))}


def test_a_changed_policy_is_carried_to_the_open_items(database):
    workflow = a_workflow(database)
    olga = a_person(database, "Olga", Role.OWNER)
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, a_few_items(3))
    held = take(database, ada, workflow).item.id
    before = items_by_id(database)

    governing.add_workflow(database, person_id=olga, toml_text=a_toml(materiality=1e6, unit="EUR m"))

    after = items_by_id(database)
    assert {row.flagged for row in before.values()} == {True}
    assert {row.flagged for row in after.values()} == {False}
    assert all(after[item].content_hash != before[item].content_hash for item in before)
    assert (after[held].state, after[held].fence) == ("claimed", before[held].fence)


def test_a_flag_that_a_policy_lifts_is_lifted_in_somebodys_hands_and_asks_nothing_of_them(database):
    workflow = a_workflow(database)
    olga = a_person(database, "Olga", Role.OWNER)
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, a_few_items(1))
    seen = take(database, ada, workflow).item

    governing.add_workflow(database, person_id=olga, toml_text=a_toml(materiality=1e6))

    after = items_by_id(database)[seen.id]
    assert (seen.divergence.flagged, after.flagged) == (True, False)
    assert after.content_hash == seen.content_hash


def test_the_same_policy_again_leaves_everything_alone(database):
    workflow = a_workflow(database)
    olga = a_person(database, "Olga", Role.OWNER)
    bring_in(database, workflow, a_few_items(2))
    before = everything(database)

    governing.add_workflow(database, person_id=olga, toml_text=a_toml())

    assert everything(database) == before


@pytest.mark.parametrize(
    ("calendar", "sentence"),
    [('country = "XX"', "public holidays of XX are not known"), ('closed = ["foo"]', "'foo', which is not a date")],
)
def test_a_calendar_that_cannot_be_worked_out_is_refused(database, calendar, sentence):
    olga = a_person(database, "Olga", Role.OWNER)
    before = everything(database)

    with pytest.raises(WorkflowInvalid, match=sentence):
        governing.add_workflow(database, person_id=olga, toml_text=f"{a_toml()}\n[calendar]\n{calendar}\n")

    assert everything(database) == before


def test_a_calendar_that_was_let_in_before_does_not_pass_the_check(database):
    a_workflow(database, calendar={"country": "XX"})
    olga = a_person(database, "Olga", Role.OWNER)

    with pytest.raises(WorkflowInvalid, match="public holidays of XX are not known"):
        readying.check_workflow(database, person_id=olga, key="sales")


def test_a_month_written_as_its_first_day_is_the_same_month(database) -> None:
    workflow = a_workflow(database)
    bring_in(database, workflow, "series,period,ai_forecast\nbolt,2026-12,10\n")

    again = bring_in(database, workflow, "series,period,ai_forecast\nbolt,2026-12-01,10\nnut,2026-12-01,7\n")
    came = bring_in(database, workflow, "series,period,actual\nbolt,2026-12-01,11\n", kind="actuals")

    told = again.as_json()
    assert (told["unchanged"], told["accepted"], came.as_json()["accepted"]) == (1, 1, 1)
    with database.reading() as session:
        assert set(session.execute(select(items.c.period)).scalars()) == {"2026-12"}

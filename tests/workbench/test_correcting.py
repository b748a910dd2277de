"""Rows set aside, corrected alike or in a spreadsheet; nothing in them is lost or changed on the way."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest
import xlsxwriter
from sqlalchemy import select
from xlsxwriter.worksheet import Worksheet

from review_queue.columns import Kind
from review_queue.errors import FileRefused, NotAllowed
from review_queue.roles import Role
from storage.tables import forecasts, items, series
from tests.builders import a_person, a_workflow, bring_in
from workbench.actions import correcting, importing
from workbench.actions.arriving import LEFT_OVER
from workbench.foreign.reading import read_here

FILE = "series,period,ai_forecast,ai_rationale\n00123,2026-12,1 200, =x\nNA,2026-12,1 300,é\nb,2026-12,5,,7\n"


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


@pytest.fixture
def waiting(database, dora):
    bring_in(database, a_workflow(database), FILE)
    return importing.list_set_aside(database, person_id=dora, workflow_key="sales")


def values(database) -> dict[str, float]:
    query = select(series.c.key, forecasts.c.value).join(items, items.c.series_id == series.c.id).join(forecasts)
    with database.reading() as session:
        return {row.key: row.value for row in session.execute(query)}


def taken_out(database, dora) -> list[list[str]]:
    content = correcting.take_out(database, person_id=dora, workflow_key="sales", kind=Kind.FORECASTS)
    sheet = read_here("set-aside.xlsx", content)
    return [list(sheet.headers), *(list(cells) for cells in sheet.cells.itertuples(index=False))]


def a_sheet(rows: list[list[str]], then: Callable[[Worksheet], object] = lambda _: None) -> bytes:
    file, saved = io.BytesIO(), io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet()
        for number, cells in enumerate(rows):
            for column, text in enumerate(cells):
                sheet.write_string(number, column, text)
        then(sheet)
    with zipfile.ZipFile(file) as made, zipfile.ZipFile(saved, "w") as worked_out:
        for name in made.namelist():
            worked_out.writestr(name, made.read(name).replace(b' fullCalcOnLoad="1"', b""))
    return saved.getvalue()


def test_many_rows_are_corrected_alike(database, dora, waiting):
    fixes = correcting.alike(waiting[:2], "ai_forecast", find=" ", put="")
    fixes[waiting[0].id]["ai_rationale"] = "x"

    counts = importing.retry_rows(database, person_id=dora, fixes=fixes).counts

    assert (counts.accepted, counts.set_aside) == (2, 0)
    assert values(database) == {"00123": 1200, "NA": 1300}


def test_a_whole_cell_is_put_in_and_rows_that_have_it_are_left_alone(waiting):
    fixes = correcting.alike(waiting, "ai_forecast", find="", put="5")

    assert fixes == {row.id: {"ai_forecast": "5"} for row in waiting[:2]}


def test_rows_go_out_exactly_and_come_back_corrected(database, dora, waiting):
    header, *rows = taken_out(database, dora)
    cells = {name: place for place, name in enumerate(header)}
    assert [row[cells["series"]] for row in rows] == ["00123", "NA", "b"]
    assert rows[0][cells["ai_rationale"]] == waiting[0].cells["ai_rationale"]
    rows[1][cells["ai_forecast"]] = "1300"
    rows[2][cells["cell 5"]] = ""

    counts = correcting.bring_back(database, person_id=dora, name="a.xlsx", content=a_sheet([header, *rows])).counts

    assert (counts.rows, counts.accepted) == (2, 2)
    assert values(database) == {"NA": 1300, "b": 5}
    (left,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    assert left == waiting[0]


def test_a_file_that_nobody_changed_or_that_is_another_one_is_refused(database, dora, waiting):
    content = correcting.take_out(database, person_id=dora, workflow_key="sales", kind=Kind.FORECASTS)

    with pytest.raises(FileRefused, match="holds the rows as they were"):
        correcting.bring_back(database, person_id=dora, name="a.xlsx", content=content)
    with pytest.raises(FileRefused, match="has no column 'set-aside id'"):
        correcting.bring_back(database, person_id=dora, name="a.csv", content=b"series\na\n")


LOST = "=VLOOKUP(1,A:B,2)"


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda sheet, at: sheet.write_formula(*at["series"], LOST, None, "#N/A"), "SPREADSHEET_ERROR", "series is an"),
        (lambda sheet, at: sheet.write_formula(*at["period"], LOST, None, ""), "FORMULA_WITHOUT_RESULT", "period is a"),
        (lambda sheet, at: sheet.write_string(1, 9, "Ask Rita."), "WRONG_NUMBER_OF_CELLS", "it has 10 cells"),
    ],
)
def test_what_an_import_would_not_trust_does_not_come_back(database, dora, waiting, spoil, code, said):
    header, *rows = taken_out(database, dora)
    rows[0][header.index("ai_forecast")] = "1200"
    at = {name: (1, place) for place, name in enumerate(header)}
    content = a_sheet([header, *rows], lambda sheet: spoil(sheet, at))

    with pytest.raises(FileRefused, match=said) as refused:
        correcting.bring_back(database, person_id=dora, name="a.xlsx", content=content)

    assert (refused.value.code, refused.value.row) == (code, 2)
    assert importing.list_set_aside(database, person_id=dora, workflow_key="sales") == waiting


def test_a_formula_beside_the_cells_that_count_keeps_nothing_back(database, dora, waiting):
    header, *rows = taken_out(database, dora)
    rows[1][header.index("ai_forecast")] = "1300"
    place = header.index(correcting.WRONG)

    content = a_sheet([header, *rows], lambda sheet: sheet.write_formula(2, place, "=1/0", None, "#DIV/0!"))
    counts = correcting.bring_back(database, person_id=dora, name="a.xlsx", content=content).counts

    assert (counts.rows, counts.accepted) == (1, 1)


def test_only_those_who_may_bring_data_in_correct_it(database, dora, waiting):
    ada = a_person(database, "Ada", Role.REVIEWER)
    header, *rows = taken_out(database, dora)
    rows[0][header.index("ai_forecast")] = "1"

    with pytest.raises(NotAllowed):
        correcting.take_out(database, person_id=ada, workflow_key="sales", kind=Kind.FORECASTS)
    with pytest.raises(NotAllowed):
        correcting.bring_back(database, person_id=ada, name="a.xlsx", content=a_sheet([header, *rows]))


def test_a_cell_beyond_the_header_has_a_name_in_the_file(database, dora, waiting):
    assert taken_out(database, dora)[0][-1] == "cell 5"
    assert waiting[2].cells[LEFT_OVER + "5"] == "7"


def test_a_doubted_cell_keeps_its_row_back_until_it_holds_another_text(database, dora):
    a_workflow(database)
    content = b'{"series": "a", "period": "2026-12", "ai_forecast": 1, "ai_rationale": ["x"]}\n'
    bring = {"person_id": dora, "workflow_key": "sales", "kind": "forecasts", "name": "a.jsonl", "content": content}
    importing.import_sheet(database, **bring, sheet=read_here("a.jsonl", content))
    (row,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")

    as_it_is = importing.retry_rows(database, person_id=dora, fixes={row.id: {}})
    elsewhere = importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_forecast": "2"}})
    (again,) = importing.list_set_aside(database, person_id=dora, workflow_key="sales")
    put_right = importing.retry_rows(database, person_id=dora, fixes={row.id: {"ai_rationale": "x"}})

    assert (row.code, row.column) == ("NESTED_VALUE", "ai_rationale")
    assert (as_it_is.counts.set_aside, elsewhere.counts.set_aside) == (1, 1)
    assert (again.code, again.cells["ai_forecast"]) == ("NESTED_VALUE", "2")
    assert put_right.counts.accepted == 1
    assert values(database) == {"a": 2}

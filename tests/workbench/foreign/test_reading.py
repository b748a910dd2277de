"""CSV and XLSX as tables of text."""

from __future__ import annotations

import io
from datetime import date, datetime
from itertools import repeat

import pytest
import xlsxwriter

from review_queue.errors import FileRefused
from workbench.foreign import limits
from workbench.foreign.reading import read_here as read_sheet
from workbench.foreign.values import sheet_of_values


def rows(name: str, content: bytes) -> dict[int, list[str]]:
    sheet = read_sheet(name, content)
    return {int(number): list(cells) for number, *cells in sheet.cells.itertuples()}


def an_xlsx(*written: list[object]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"}) as workbook:
        sheet = workbook.add_worksheet()
        for row, cells in enumerate(written):
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    sheet.write_string(row, column, cell)
                elif cell is not None:
                    sheet.write(row, column, cell)
    return file.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_csv_is_read_as_text_whatever_separates_it(delimiter, start):
    text = f'series{delimiter}note\n00123{delimiter}"a{delimiter}""b""\nc"\nNA{delimiter}1e5\n'

    assert rows("a.csv", start + text.encode()) == {2: ["00123", f'a{delimiter}"b"\nc'], 3: ["NA", "1e5"]}


def test_rows_are_numbered_as_a_spreadsheet_counts_them():
    assert rows("a.csv", b"\na,b\n1,2\n\n,\n3,4\n") == {3: ["1", "2"], 6: ["3", "4"]}


def test_a_row_of_another_width_is_noted():
    sheet = read_sheet("a.csv", b"a,b\n1\n1,2\n1,2,\n1,2,3\n")

    assert sheet.misshapen == {2: 1, 5: 3}
    assert sheet.left_over == {5: {3: "3"}}


def test_a_row_that_never_ends_is_kept_in_part():
    sheet = read_sheet("a.csv", b"a\n1" + b",x" * 5000 + b"\n2, ,\n")

    assert sheet.misshapen == {2: 5001}
    assert len(sheet.left_over[2]) == 200


def test_a_spreadsheets_cells_are_exact_text():
    content = an_xlsx(["a", "b", "c", "d", "e"], ["00123", 33.43, 5, True, date(2018, 1, 31)], [None, 0.1, 1e300])

    assert rows("a.xlsx", content) == {
        2: ["00123", "33.43", "5", "true", "2018-01-31"],
        3: ["", "0.1", repr(1e300), "", ""],
    }


def test_a_spreadsheets_time_of_day_is_kept():
    moment = datetime(2018, 1, 31, 13, 5)  # noqa: DTZ001 -- a spreadsheet knows no zones

    assert rows("a.xlsx", an_xlsx(["a"], [moment])) == {2: ["2018-01-31T13:05:00"]}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.csv", b"a,b\n\xff\xfe,2\n", "is not UTF-8 text"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty"),
        ("a.csv", b'a,b\n"1,2\n', "not a readable CSV"),
        ("a.csv", b"a,a\n1,2\n", "more than one column called 'a'"),
        ("a.csv", b"a\x00,b\n1,2\n", "cannot be read"),
        ("a.csv", b"PK\x03\x04 and so on", "not what its name says"),
        ("a.xlsx", b"a,b\n1,2\n", "not what its name says"),
        ("a.xlsx", b"PK\x03\x04 and so on", "not a readable spreadsheet"),
        ("a.xls", b"\xd0\xcf\x11\xe0", "old spreadsheet"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(name, content, sentence):
    with pytest.raises(FileRefused, match=sentence):
        read_sheet(name, content)


def test_rows_that_a_database_gave_have_the_limits_of_a_file(monkeypatch):
    monkeypatch.setattr(limits, "MOST_BYTES", 1 << 20)
    answer = repeat(("acme", "x" * 1000), 2000)

    with pytest.raises(FileRefused, match="source erp holds more than 1 MB of text"):
        sheet_of_values("source erp", ["series", "note"], answer)

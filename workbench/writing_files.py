"""Tables written to a CSV, XLSX, Parquet or JSON Lines file, some thousands of rows at a time.

What a spreadsheet opens is made harmless for it (``review_queue.exporting.inert``); the other two hold exact text.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

import pyarrow as pa
import pyarrow.parquet
import xlsxwriter

from review_queue.decimals import Mark, with_mark
from review_queue.errors import ReviewError
from review_queue.exporting import NUMBER, NUMBER_BY_COMMA, Format, Holds, Out, inert

#: What a worksheet holds: rows, with the header, and characters of a cell.
SHEET_ROWS, LONGEST_CELL = 1_048_576, 32_767
OTHERWISE = "Export to CSV, Parquet or JSON Lines instead."


class ExportRefused(ReviewError):
    """What was asked for cannot be written."""

    code = "EXPORT_REFUSED"


class Writer(Protocol):
    """A file that takes tables one after the other."""

    def write(self, table: pa.Table) -> None:
        """Add the rows of ``table``, whose columns are those of the file."""

    def close(self) -> None:
        """Finish the file; without it there is none that can be read."""


def format_of(path: Path) -> Format:
    """How a file of this name is written.

    Raises:
        ExportRefused: its ending tells none of the formats.
    """
    try:
        return Format(path.suffix.lower().removeprefix("."))
    except ValueError:
        endings = ", ".join(f".{each}" for each in Format)
        raise ExportRefused(f"{path.name} does not say how to write it. End its name with one of {endings}.") from None


def open_writer(
    path: Path,
    how: Format,
    columns: Sequence[Out],
    schema: pa.Schema,
    *,
    delimiter: str = ",",
    mark: Mark = Mark.POINT,
) -> Writer:
    """A file at ``path`` with these columns and no rows yet.

    Args:
        schema: the columns with their Arrow types, as the tables have them.
        delimiter: of a CSV file.
        mark: stands before the decimals of its numbers.
    """
    if how is Format.CSV:
        return _Csv(path, columns, delimiter, mark)
    if how is Format.XLSX:
        return _Xlsx(path, columns)
    return _JsonLines(path, columns) if how is Format.JSON_LINES else _Parquet(path, schema)


class _Csv:
    """UTF-8, marked as such for spreadsheets. Text is quoted, numbers with a point are not, unknown is empty."""

    def __init__(self, path: Path, columns: Sequence[Out], delimiter: str, mark: Mark) -> None:
        self._columns, self._mark = columns, mark
        self._file: TextIO = path.open("w", encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._file, delimiter=delimiter, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        self._rows.writerow([inert(column.name) for column in columns])

    def write(self, table: pa.Table) -> None:
        self._rows.writerows(zip(*_for_spreadsheets(table, self._columns, self._mark), strict=True))

    def close(self) -> None:
        self._file.close()


class _Xlsx:
    """One worksheet, row after row through a file of its own, so memory stays flat. No cell is a formula."""

    def __init__(self, path: Path, columns: Sequence[Out]) -> None:
        self._columns, self._row, self._name = columns, 0, path
        self._book = xlsxwriter.Workbook(path, {"constant_memory": True, "nan_inf_to_errors": False})
        self._sheet = self._book.add_worksheet()
        self._write([inert(column.name) for column in columns])

    def write(self, table: pa.Table) -> None:
        if self._row + len(table) > SHEET_ROWS:
            raise ExportRefused(f"A worksheet holds {SHEET_ROWS - 1:,} rows, and there are more. {OTHERWISE}")
        for row in zip(*_for_spreadsheets(table, self._columns), strict=True):
            self._write(row)

    def _write(self, row: Sequence[Any]) -> None:
        for place, value in enumerate(row):
            if isinstance(value, str) and value:
                if len(value) > LONGEST_CELL:
                    where = f"Row {self._row + 1}, {self._columns[place].name}"
                    raise ExportRefused(f"{where}: the text is longer than a spreadsheet's cell holds. {OTHERWISE}")
                self._sheet.write_string(self._row, place, value)
            elif value not in (None, ""):
                self._sheet.write_number(self._row, place, value)
        self._row += 1

    def close(self) -> None:
        self._book.close()


class _Parquet:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: pa.Table) -> None:
        self._file.write_table(table)

    def close(self) -> None:
        self._file.close()


class _JsonLines:
    """One JSON object a line, UTF-8; unknown is null."""

    def __init__(self, path: Path, columns: Sequence[Out]) -> None:
        self._columns = columns
        self._file: TextIO = path.open("w", encoding="utf-8", newline="\n")

    def write(self, table: pa.Table) -> None:
        names = [column.name for column in self._columns]
        cells = [_cells(table.column(place), column, _json) for place, column in enumerate(self._columns)]
        for row in zip(*cells, strict=True):
            told = dict(zip(names, row, strict=True))
            self._file.write(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()


_Cell = Callable[[Any], Any]


def _for_spreadsheets(table: pa.Table, columns: Sequence[Out], mark: Mark = Mark.POINT) -> list[list[Any]]:
    told = _in_a_spreadsheet if mark is Mark.POINT else _by_comma
    return [_cells(table.column(place), column, told) for place, column in enumerate(columns)]


def _cells(values: pa.ChunkedArray, column: Out, told: Callable[[Holds], _Cell]) -> list[Any]:
    say = told(column.holds)
    return [None if value is None else say(value) for value in values.to_pylist()]


def _in_a_spreadsheet(holds: Holds) -> _Cell:
    return _SPREADSHEET.get(holds, inert)


def _by_comma(holds: Holds) -> _Cell:
    return _BY_COMMA.get(holds) or _in_a_spreadsheet(holds)


def _with_comma(value: float) -> str:
    return with_mark(value, Mark.COMMA)


def _json(holds: Holds) -> _Cell:
    return _JSON.get(holds, _same)


def _same(value: Any) -> Any:
    return value


def _truth(value: Any) -> str:
    return "true" if value else "false"


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _as_came(text: Any) -> str | float | int:
    """A number as a number where it is written as the number alone would be; other text made harmless."""
    if not NUMBER.fullmatch(text):
        return inert(text)
    number = float(text)
    whole = int(number) if number.is_integer() and abs(number) < 2**53 else number
    return whole if text in (repr(whole), repr(number)) else text


def _as_came_by_comma(text: Any) -> str | float | int:
    return text if NUMBER_BY_COMMA.fullmatch(text) and not NUMBER.fullmatch(text) else _as_came(text)


_SPREADSHEET: dict[Holds, _Cell] = {
    Holds.NUMBER: _same,
    Holds.WHOLE: _same,
    Holds.TRUTH: _truth,
    Holds.TIME: _iso,
    Holds.DATE: _iso,
    Holds.AS_CAME: _as_came,
}
_BY_COMMA: dict[Holds, _Cell] = {Holds.NUMBER: _with_comma, Holds.AS_CAME: _as_came_by_comma}
_JSON: dict[Holds, _Cell] = {Holds.TIME: _iso, Holds.DATE: _iso, Holds.JSON: json.loads}

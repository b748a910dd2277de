"""A CSV or XLSX file as a table of text, every cell exactly as it was written: nothing is guessed here."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import pandas as pd
import pyarrow as pa
import python_calamine

from review_queue.errors import FileRefused

MOST_ROWS = 1_000_000
MOST_COLUMNS = 200
MOST_UNPACKED = 1 << 30  #: bytes that a spreadsheet may unpack to
LONGEST_HEADER = 200
_AT_ONCE = 20_000
_ZIP, _OLD_XLS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Sheet:
    """A table of text."""

    headers: tuple[str, ...]  #: as written, without surrounding spaces; a column without one is ``""``
    #: One column a header, by position; the index is the row as a spreadsheet counts it, the header being row 1
    #: when nothing stands above it. Rows without any content are left out.
    cells: pd.DataFrame = field(repr=False)
    misshapen: dict[int, int]  #: row → its number of cells, where it is not the header's
    left_over: dict[int, dict[int, str]]  #: row → place of a cell that no header stands above → its text
    delimiter: str = ","  #: between the cells of a CSV file


def read_sheet(name: str, content: bytes) -> Sheet:
    """The table in a CSV (UTF-8; comma, semicolon or tab) or in the first sheet of an XLSX file.

    Raises:
        FileRefused: it is neither, or is damaged, empty or too large. Says what to do.
    """
    is_spreadsheet = content.startswith(_ZIP)
    if content.startswith(_OLD_XLS):
        raise FileRefused(f"{name} is an old spreadsheet (.xls), or one with a password. Save it as .xlsx or CSV.")
    if is_spreadsheet != name.lower().endswith((".xlsx", ".xlsm")):
        raise FileRefused(f"{name} is not what its name says. Save it again as CSV (UTF-8) or XLSX.")
    try:
        if is_spreadsheet:
            return _sheet(name, _xlsx_rows(name, content))
        text = _text(name, content)
        delimiter = _delimiter(text)
        return _sheet(name, _csv_rows(text, delimiter), delimiter)
    except csv.Error as error:
        raise FileRefused(f"{name} is not a readable CSV file: {error}. Check its quotation marks.") from error


def sheet_of_rows(name: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Sheet:
    """The table of values that came from elsewhere than a file, each as a spreadsheet's cell would be read.

    Args:
        rows: Python values as a database's driver gives them; None is an empty cell.

    Raises:
        FileRefused: a value is bytes, or the columns cannot be read.
    """
    told = chain([list(headers)], ([_told(name, cell) for cell in row] for row in rows))
    return _sheet(name, enumerate(told, start=1))


def _told(name: str, cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bytes | bytearray | memoryview):
        raise FileRefused(f"{name} has a column of bytes. Leave it out, or turn it into text in the query.")
    return format(cell, "f") if isinstance(cell, Decimal) else _written(cell)


def _sheet(name: str, rows: Iterator[tuple[int, Sequence[str]]], delimiter: str = ",") -> Sheet:
    first = next((cells for _, cells in rows if any(map(str.strip, cells))), None)
    if first is None:
        raise FileRefused(f"{name} is empty. It needs a line of column names and rows under it.")
    headers = [cell.strip() for cell in first]
    while headers and not headers[-1]:
        headers.pop()
    _check_headers(name, headers)
    misshapen: dict[int, int] = {}
    left_over: dict[int, dict[int, str]] = {}
    frames = list(_frames(rows, len(headers), misshapen, left_over))
    cells = pd.concat(frames) if frames else pd.DataFrame({i: pd.Series(dtype="str") for i in range(len(headers))})
    if len(cells) > MOST_ROWS:
        raise FileRefused(f"{name} has more than {MOST_ROWS:,} rows. Split it into several files.")
    return Sheet(tuple(headers), cells, misshapen, left_over, delimiter)


def _frames(
    rows: Iterator[tuple[int, Sequence[str]]],
    width: int,
    misshapen: dict[int, int],
    left_over: dict[int, dict[int, str]],
) -> Iterator[pd.DataFrame]:
    filled = ((number, row) for number, row in rows if "".join(row).strip())
    kept = islice(filled, MOST_ROWS + 1)
    while batch := list(islice(kept, _AT_ONCE)):
        shaped = [_shaped(number, row, width, misshapen, left_over) for number, row in batch]
        index = pd.Index([number for number, _ in batch], name="row", dtype="int64")
        columns = [pa.array(cells, type=pa.string()) for cells in zip(*shaped, strict=True)]
        yield pd.DataFrame({place: pd.Series(cells, index=index, dtype="str") for place, cells in enumerate(columns)})


def _shaped(
    number: int,
    row: Sequence[str],
    width: int,
    misshapen: dict[int, int],
    left_over: dict[int, dict[int, str]],
) -> Sequence[str]:
    if len(row) == width:
        return row
    surplus = ((place, text) for place, text in enumerate(row[width:], start=width + 1) if text.strip())
    if kept := dict(islice(surplus, MOST_COLUMNS)):
        left_over[number] = kept
    if kept or len(row) < width:
        misshapen[number] = len(row)
    return (*row[:width], *[""] * (width - len(row)))


def _check_headers(name: str, headers: Sequence[str]) -> None:
    if len(headers) > MOST_COLUMNS:
        raise FileRefused(f"{name} has {len(headers)} columns; at most {MOST_COLUMNS} are read.")
    if any(len(header) > LONGEST_HEADER or not header.isprintable() for header in headers):
        raise FileRefused(f"{name} has a column name that cannot be read. Is its first line one of column names?")
    twice = sorted({header for header in headers if header and headers.count(header) > 1})
    if twice:
        raise FileRefused(f"{name} has more than one column called {twice[0][:60]!r}. Give each its own name.")


def _csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, Sequence[str]]]:
    return enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), start=1)


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(
            f"{name} is not UTF-8 text (byte {error.start + 1:,} cannot be read). Save it as CSV UTF-8, or as XLSX."
        ) from error


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: the one that splits the first line of content into most cells."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")

    def cells(delimiter: str) -> int:
        return len(next(csv.reader([first], delimiter=delimiter), []))

    return max((",", ";", "\t"), key=cells)


def _xlsx_rows(name: str, content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
        if unpacked > MOST_UNPACKED:
            raise FileRefused(f"{name} unpacks to {unpacked >> 20:,} MB, which is too large. Save it as CSV.")
        workbook = python_calamine.load_workbook(io.BytesIO(content))
        rows: Iterable[Sequence[Any]] = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, zipfile.BadZipFile, IndexError) as error:
        raise FileRefused(f"{name} is not a readable spreadsheet: {error}. Save it again, or as CSV.") from error
    return ((number, [_written(cell) for cell in row]) for number, row in enumerate(rows, start=1))


def _written(cell: Any) -> str:
    """A spreadsheet's cell as exact text: 5 and not 5.0, an ISO date, all digits of a number."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)

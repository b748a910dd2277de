"""CSV and its relatives: every cell exactly as it was written."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator
from typing import NoReturn

from workbench.foreign import limits
from workbench.foreign.facts import Choices, Doubt, Fact
from workbench.foreign.sniffing import SAMPLE, find_delimiter, find_encoding, told_by_itself
from workbench.foreign.tables import Opened, Row, check_headers, refuse, shaped, spaced


def open_delimited(data: bytes, choices: Choices) -> Opened:
    """The table in a text file.

    Raises:
        FileRefused: its encoding or delimiter cannot be known, or its quotation marks do not match.
    """
    codec, encoding = find_encoding(data, choices.encoding)
    text = io.TextIOWrapper(io.BytesIO(data), codec, newline="")
    sample = text.read(SAMPLE)
    text.seek(0)
    delimiter, fact = _delimiter(sample, choices, text)
    csv.field_size_limit(limits.LONGEST_CELL)
    rows = _rows(text, delimiter)
    first = next(((number, cells) for number, cells in rows if any(map(str.strip, cells))), None)
    if first is None:
        refuse("EMPTY", "is empty. It needs a line of column names and rows under it.")
    headers = [spaced(cell) for cell in first[1]]
    while not headers[-1]:
        headers.pop()
    check_headers(headers, first[0])
    opened = Opened(headers, iter(()), facts=[encoding, fact])
    opened.batches = shaped(opened, _watched(rows, opened, delimiter))
    return opened


def _delimiter(sample: str, choices: Choices, text: io.TextIOWrapper) -> tuple[str, Fact]:
    said = told_by_itself(sample)
    if said is not None:
        text.readline()  # a spreadsheet does not count this line either
        if choices.delimiter is None:
            return said[0], Fact("delimiter", said[0], "the file's first line says so")
        sample = sample[said[1] :]
    whole_lines = sample[: sample.rfind("\n") + 1] if len(sample) == SAMPLE else sample
    return find_delimiter(whole_lines or sample, choices.delimiter)


def _rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[Row]:
    lines: list[str] = []  # of the row that is being read
    reader = csv.reader(_kept(text, lines), delimiter=delimiter, strict=True)
    for number in itertools.count(1):
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            _refuse_quotes(error, number, "".join(lines), delimiter)
        lines.clear()
        yield number, cells


def _kept(text: Iterator[str], lines: list[str]) -> Iterator[str]:
    for line in text:
        lines.append(line)
        yield line


def _refuse_quotes(error: csv.Error, row: int, written: str, delimiter: str) -> NoReturn:
    if "field larger than" in str(error):
        sentence = (
            f"has a cell of more than {limits.LONGEST_CELL:,} characters: perhaps a quotation mark opens it and none "
            "closes it. Correct it."
        )
        refuse("CELL_TOO_LONG", sentence, row=row, column=str(_column(written, delimiter)))
    refuse(
        "BAD_QUOTES",
        "is not a readable CSV file: a quotation mark is missing, or stands inside a cell without being doubled.",
        row=row,
        column=str(_column(written, delimiter)),
    )


def _column(written: str, delimiter: str) -> int:
    """The cell of a row, from 1, in which its quotation marks go wrong."""
    column, place = 1, 0
    while place < len(written):
        if written[place] != '"':
            end = written.find(delimiter, place)
        else:
            close = place + 1
            while (close := written.find('"', close)) >= 0 and written[close + 1 : close + 2] == '"':
                close += 2
            if close < 0 or written[close + 1 : close + 2] not in (delimiter, "\r", "\n", ""):
                return column
            end = close + 1 if written[close + 1 : close + 2] == delimiter else -1
        if end < 0:
            return column
        column, place = column + 1, end + 1
    return column


def _watched(rows: Iterator[Row], opened: Opened, delimiter: str) -> Iterator[Row]:
    """``rows``; a cell whose lines look like rows is noted, since a lost quotation mark makes one of many."""
    marks = len(opened.headers) - 1
    for number, cells in rows:
        for place, cell in enumerate(cells):
            if "\n" in cell and marks and any(line.count(delimiter) >= marks for line in cell.split("\n")[1:]):
                sentence = (
                    "holds lines that look like rows: a quotation mark is missing or stands where none belongs. "
                    "Correct the file and import it again, or change the cell if it is as it should be."
                )
                opened.doubts.append(Doubt(number, min(place, marks), "ROWS_IN_A_CELL", sentence))
        yield number, cells

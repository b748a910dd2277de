"""Rows of text made into batches of one width, within the limits; what does not fit is noted and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NoReturn

import pyarrow as pa

from review_queue.errors import FileRefused
from workbench.foreign import limits
from workbench.foreign.facts import Doubt, Fact

AT_ONCE = 10_000
ROW = "row"  #: the column of a batch that numbers its rows

Row = tuple[int, Sequence[str]]  #: its number as a spreadsheet counts, and its cells


@dataclass
class Opened:
    """A file on its way in. What ``batches`` finds on the way is in the notes once it has ended."""

    headers: list[str]
    batches: Iterator[pa.RecordBatch] = field(repr=False)  #: text columns ``"0"``, ``"1"``, …, and ``ROW``
    misshapen: dict[int, int] = field(default_factory=dict)
    left_over: dict[int, dict[int, str]] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)


class Budget:
    """Counts what has been read, and says when it is too much."""

    def __init__(self) -> None:
        self._rows = self._cells = self._bytes = 0

    def spend(self, rows: int, cells: int, text: int) -> None:
        """Note so many more rows, cells and bytes of text.

        Raises:
            FileRefused: the file has more than it may have.
        """
        self._rows += rows
        self._cells += cells
        self._bytes += text
        if self._rows > limits.MOST_ROWS:
            refuse("TOO_MANY_ROWS", f"has more than {limits.MOST_ROWS:,} rows. Split it into several files.")
        if self._cells > limits.MOST_CELLS:
            refuse("TOO_MANY_CELLS", f"has more than {limits.MOST_CELLS:,} cells. Leave out columns, or split it.")
        if self._bytes > limits.MOST_BYTES:
            refuse("TOO_LARGE", f"holds more than {limits.MOST_BYTES >> 20} MB of text. Split it into several files.")


def refuse(code: str, sentence: str, *, row: int | None = None, column: str | None = None) -> NoReturn:
    """Raise the refusal of a file; ``sentence`` completes its name, and ends with what to do."""
    raise FileRefused(sentence, code=code, row=row, column=column)


def spaced(header: str) -> str:
    """A header with single spaces: spreadsheets wrap them over lines."""
    return " ".join(header.split())


def check_headers(headers: Sequence[str], row: int = 1) -> None:
    """Refuse headers that are too many, not to be read, or the same."""
    if len(headers) > limits.MOST_COLUMNS:
        refuse("TOO_MANY_COLUMNS", f"has {len(headers)} columns; at most {limits.MOST_COLUMNS} are read.", row=row)
    for place, header in enumerate(headers, start=1):
        if len(header) > limits.LONGEST_HEADER or not header.isprintable():
            sentence = "has a column name that cannot be read. Is its first line one of column names?"
            refuse("UNREADABLE_HEADER", sentence, row=row, column=str(place))
        if header and header in headers[: place - 1]:
            sentence = f"has more than one column called {header[:60]!r}. Give each its own name."
            refuse("DUPLICATE_HEADER", sentence, row=row, column=str(place))


def shaped(opened: Opened, rows: Iterator[Row]) -> Iterator[pa.RecordBatch]:
    """The filled ones of ``rows`` in batches as wide as the header; shorter and longer ones are noted."""
    width = len(opened.headers)
    budget = Budget()
    filled = ((number, cells) for number, cells in rows if "".join(cells).strip())
    while some := list(islice(filled, AT_ONCE)):
        budget.spend(len(some), sum(len(cells) for _, cells in some), 0)
        columns = zip(*(_fitted(opened, number, cells, width) for number, cells in some), strict=True)
        arrays = [pa.array(cells, type=pa.string()) for cells in columns]
        budget.spend(0, 0, sum(array.nbytes for array in arrays) - 4 * width * len(some))
        yield batch(arrays, [number for number, _ in some])


def schema_of(headers: Sequence[str]) -> pa.Schema:
    """What every batch of a file with these headers has."""
    return pa.schema([*((str(place), pa.string()) for place in range(len(headers))), (ROW, pa.int64())])


def batch(arrays: Sequence[pa.Array], numbers: Sequence[int]) -> pa.RecordBatch:
    """One batch of columns of text, whose rows have these numbers."""
    named = {str(place): array for place, array in enumerate(arrays)}
    return pa.record_batch({**named, ROW: pa.array(numbers, type=pa.int64())})


def _fitted(opened: Opened, number: int, cells: Sequence[str], width: int) -> Sequence[str]:
    if len(cells) == width:
        return cells
    surplus = ((place, text) for place, text in enumerate(cells[width:], start=width + 1) if text.strip())
    if kept := dict(islice(surplus, limits.MOST_COLUMNS)):
        opened.left_over[number] = kept
    if kept or len(cells) < width:
        opened.misshapen[number] = len(cells)
    return (*cells[:width], *[""] * (width - len(cells)))

"""Values that came from elsewhere than a file, as a table of text like a file's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa

from review_queue.errors import FileRefused
from workbench.foreign.sheets import Sheet
from workbench.foreign.spreadsheets import written
from workbench.foreign.tables import Budget, Row, check_headers, refuse, spaced


def sheet_of_values(name: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> Sheet:
    """The table of Python values as a database's driver gives them, each as a spreadsheet's cell would be read.

    But for a moment at midnight: in a spreadsheet that is a day, and here a day has a type of its own.

    Args:
        rows: as wide as ``headers``; None is an empty cell. Rows without any content are left out.

    Raises:
        FileRefused: a value is bytes, the columns cannot be read, or there is more than a file may have.
    """
    titles = [spaced(header) for header in headers]
    try:
        check_headers(titles)
        told = ((number, [_told(cell) for cell in row]) for number, row in enumerate(rows, start=2))
        kept = [(number, row) for number, row in _within_limits(told) if any(map(str.strip, row))]
    except FileRefused as refusal:
        raise FileRefused(f"{name} {refusal}", code=refusal.code) from refusal
    index = pd.Index([number for number, _ in kept], name="row", dtype="int64")
    columns = [pa.array([row[place] for _, row in kept], type=pa.string()) for place in range(len(titles))]
    cells = {place: pd.Series(column, index=index, dtype="str") for place, column in enumerate(columns)}
    return Sheet(tuple(titles), pd.DataFrame(cells, index=index), {}, {})


def _within_limits(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows as they come, until there are more than a file may have."""
    budget = Budget()
    for number, cells in rows:
        budget.spend(1, len(cells), sum(map(len, cells)))
        yield number, cells


def _told(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bytes | bytearray | memoryview):
        refuse("UNSUPPORTED_TYPE", "has a column of bytes. Leave it out, or turn it into text in the query.")
    if isinstance(cell, datetime):
        return cell.isoformat()
    return format(cell, "f") if isinstance(cell, Decimal) else written(cell)

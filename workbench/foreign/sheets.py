"""A foreign file as a table of text."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from workbench.foreign.facts import Doubt, Fact
from workbench.foreign.sniffing import DELIMITERS

_OF_A_NOTE = 100  #: bytes, about, of a cell or a row that something is noted of


@dataclass(frozen=True)
class Sheet:
    """A table of text."""

    headers: tuple[str, ...]  #: with single spaces; a column without one is ``""``
    #: One column a header, by position; the index is the row as a spreadsheet counts it, the header being row 1
    #: when nothing stands above it. A line of JSON has its number, a row of Parquet its place from 1. Rows without
    #: any content are left out.
    cells: pd.DataFrame = field(repr=False)
    misshapen: dict[int, int]  #: row → its number of cells, where it is not the header's
    left_over: dict[int, dict[int, str]]  #: row → place of a cell that no header stands above → its text
    doubts: tuple[Doubt, ...] = ()
    closed: dict[str, str] = field(default_factory=dict)  #: header → why its column cannot be read as text
    facts: tuple[Fact, ...] = ()
    sheets: tuple[str, ...] = ()  #: those of a spreadsheet that can be chosen

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes, whatever the file took."""
        noted = sum(map(len, self.left_over.values())) + len(self.misshapen) + len(self.doubts)
        return int(self.cells.memory_usage().sum()) + _OF_A_NOTE * noted

    @property
    def delimiter(self) -> str:
        """What stands between the cells of a text file; of another a comma."""
        signs = {name: sign for sign, name in DELIMITERS.items()}
        return signs.get(self.fact("delimiter") or "", ",")

    def fact(self, name: str) -> str | None:
        """What was found out under that name."""
        return next((fact.value for fact in self.facts if fact.name == name), None)

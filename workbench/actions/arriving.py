"""A file's rows on their way in: its columns matched, its numbers written one way, its doubtful cells noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from review_queue.cells import trimmed
from review_queue.columns import QUANTILE, Cell, Kind, Match, columns_of, match_headers, to_remember
from review_queue.decimals import Mark, find_marks, with_points
from review_queue.errors import FileRefused
from review_queue.rows import Doubted
from workbench.foreign.facts import Choices, Fact
from workbench.foreign.sheets import Sheet

#: How a cell of a row set aside is called that stands beyond the header: this, then its place in the row. No header
#: can be called like it.
LEFT_OVER = "\x1fcell "
#: The same for a cell that was not trusted whatever its text: this, then its column. It holds the text, and its row
#: goes in only once the column holds another.
DOUBTED = "\x1fdoubt "

_NUMBERS = (Cell.NUMBER, Cell.SHARE, Cell.COUNT)
_AMBIGUOUS = "{text} could be read in two ways, as its point or comma stands before decimals or between thousands. "


@dataclass(frozen=True)
class Incoming:
    """Rows on their way in, from a file or from what was set aside."""

    kind: Kind
    name: str
    file_hash: str
    texts: pd.DataFrame  #: canonical column (or attribute) → text
    row_numbers: pd.Series  #: label in ``texts`` → row as a spreadsheet counts it
    mapping: Mapping[str, str]  #: to be remembered; empty where no file told it
    misshapen: Mapping[int, int] = field(default_factory=dict)
    doubts: Sequence[Doubted] = ()
    #: Label → name → text of what is kept with a row and never read: cells beyond the header, and doubts.
    kept: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    #: Rows that stay set aside whatever the checks say, as ``Findings.rows``.
    unresolved: pd.DataFrame | None = None
    facts: tuple[Fact, ...] = ()  #: what was found out about the numbers
    marks: Mapping[int, Mark] = field(default_factory=dict)  #: place in the file of a column of numbers → its sign
    sheet: Sheet | None = None  #: the whole file; None for rows that came in none
    may_move: bool = False  #: whether a row that comes again may stand at another place
    token_id: int | None = None  #: of the program that sent them


def arrive(
    sheet: Sheet,
    *,
    kind: Kind,
    levels: Sequence[str],
    name: str,
    file_hash: str,
    remembered: Mapping[str, str],
    mapping: Mapping[str, str] | None,
    choices: Choices,
) -> tuple[Incoming, tuple[Match, ...]]:
    """The rows of ``sheet`` by canonical columns, and which header fills which.

    Raises:
        FileRefused: a required column is missing or cannot be read, or nothing says how its numbers are written.
    """
    matches = match_headers(sheet.headers, kind, levels, remembered=remembered, given=mapping)
    _check_open(name, sheet, matches)
    places = {match.column: sheet.headers.index(match.header) for match in matches}
    texts = pd.DataFrame({column: sheet.cells[place] for column, place in places.items()}, index=sheet.cells.index)
    texts, ambiguous, marks = _numbers_alike(name, texts, kind, levels, sheet, choices)
    doubts = [*_doubts(sheet, places), *ambiguous]
    kept = {
        row: {f"{LEFT_OVER}{place}": text for place, text in cells.items()} for row, cells in sheet.left_over.items()
    }
    for doubt in doubts:
        kept.setdefault(doubt.row, {})[DOUBTED + doubt.column] = str(texts.at[doubt.row, doubt.column])
    incoming = Incoming(
        kind=kind,
        name=name,
        file_hash=file_hash,
        texts=texts,
        row_numbers=pd.Series(texts.index, index=texts.index),
        mapping=to_remember(matches, sheet.headers, kind, levels, remembered=remembered, given=mapping),
        misshapen=sheet.misshapen,
        doubts=doubts,
        kept=kept,
        facts=_facts(marks, choices),
        marks={places[column]: mark for column, mark in marks.items()},
        sheet=sheet,
    )
    return incoming, matches


def _check_open(name: str, sheet: Sheet, matches: Sequence[Match]) -> None:
    for match in matches:
        if why := sheet.closed.get(match.header):
            raise FileRefused(
                f"{name}: the column {match.header!r} {why}. Leave it out, or write it as text or numbers.",
                code="UNSUPPORTED_TYPE",
                column=match.header,
            )


def _doubts(sheet: Sheet, places: Mapping[str, int]) -> list[Doubted]:
    columns: dict[int, list[str]] = {}
    for column, place in places.items():
        columns.setdefault(place, []).append(column)
    return [
        Doubted(doubt.row, column, doubt.code, doubt.sentence)
        for doubt in sheet.doubts
        for column in columns.get(doubt.place, ())
    ]


def _numbers_alike(
    name: str, texts: pd.DataFrame, kind: Kind, levels: Sequence[str], sheet: Sheet, choices: Choices
) -> tuple[pd.DataFrame, list[Doubted], dict[str, Mark]]:
    """``texts`` with every number written with a point, and the sign of each column of a text file.

    Only in text files can it be another one.
    """
    delimiter = sheet.fact("delimiter")
    of_numbers = {column.name for column in columns_of(kind, levels) if column.cell in _NUMBERS}
    columns = [each for each in texts.columns if each in of_numbers or QUANTILE.fullmatch(each)]
    if delimiter is None or not columns:
        return texts, [], {}
    numbers = texts[columns].apply(trimmed)
    chosen = Mark(choices.decimal) if choices.decimal else None
    try:
        marks = find_marks(numbers, assumed=Mark.POINT if delimiter == "comma" else None, chosen=chosen)
    except FileRefused as refusal:
        sentence = f"{name}, row {refusal.row:,}, {refusal.column}: {refusal}"
        raise FileRefused(sentence, code=refusal.code, row=refusal.row, column=refusal.column) from refusal
    marked = {column: with_points(numbers[column], mark, is_certain=bool(chosen)) for column, mark in marks.items()}
    doubts = [
        Doubted(row, column, "AMBIGUOUS_NUMBER", _AMBIGUOUS + "Write it like 1234.5.")
        for column, each in marked.items()
        for row in numbers.index[each.ambiguous].tolist()
    ]
    return texts.assign(**{column: each.texts for column, each in marked.items()}), doubts, marks


def _facts(marks: Mapping[str, Mark], choices: Choices) -> tuple[Fact, ...]:
    grounds = "as chosen" if choices.decimal else "its numbers make sense with it alone"
    by_comma = ", ".join(column for column, mark in marks.items() if mark is Mark.COMMA)
    return (Fact("decimal", f"comma ({by_comma})", grounds),) if by_comma else ()

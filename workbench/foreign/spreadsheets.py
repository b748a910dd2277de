"""XLSX: each cell as exact text. What the reader of spreadsheets passes over in silence is looked up in the XML:
errors, formulas that nobody worked out, digits that a number loses, zeros that only a format shows."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import chain, islice
from typing import Any, NoReturn
from xml.etree import ElementTree
from xml.parsers import expat

import python_calamine

from workbench.foreign import limits
from workbench.foreign.facts import Choices, Doubt, Fact
from workbench.foreign.tables import Opened, Row, check_headers, refuse, shaped, spaced

_PIECE = 1 << 20
_LARGEST_EXACT = 2**53
_LOOKED_AT = 200  #: rows in which the header is looked for
#: Days before this are one off where the calendar begins in 1900, which holds a 29 February 1900.
_CALENDAR_STARTS = date(1900, 3, 1)

_UNSURE = "is a date or a time that spreadsheets do not agree on. Write it as text, like 1900-03-31."

Cells = dict[int, dict[int, "_Found"]]  #: row → column, both from 0
Range = tuple[tuple[int, int], tuple[int, int]]  #: first and last cell, each row and column from 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A cell of which the XML says more than the reader does."""

    text: str
    code: str = ""  #: why it cannot be trusted; "" where ``text`` is simply what stands there
    sentence: str = ""


@dataclass(frozen=True)
class _Workbook:
    """What a spreadsheet's parts say of the whole."""

    sheet: str  #: the part that holds the sheet
    is_worked_out: bool  #: whether the results of its formulas are there
    padded: dict[str, int] = field(default_factory=dict)  #: style → digits to which it fills up with zeros


def open_spreadsheet(data: bytes, choices: Choices) -> Opened:
    """The table in one sheet of an XLSX file: the one chosen, or the first that is not hidden.

    Raises:
        FileRefused: it is damaged, too large, or has no such sheet.
    """
    _check_size(data)
    try:
        book = python_calamine.load_workbook(io.BytesIO(data))
        name = _chosen(book, choices.sheet)
        sheet = book.get_sheet_by_name(name)
        said = _look_into(data, name)
        found = _found_in(data, said)
    except python_calamine.PasswordError:
        refuse("PASSWORD", "is protected by a password. Save it without one.")
    except (
        python_calamine.CalamineError, python_calamine.XmlError, python_calamine.ZipError, zipfile.BadZipFile,
        zipfile.LargeZipFile, ElementTree.ParseError, expat.ExpatError, KeyError, EOFError, NotImplementedError,
        zlib.error,
    ) as error:  # fmt: skip
        refuse("DAMAGED", f"is not a readable spreadsheet: {str(error)[:120]}. Save it again, or as CSV.")
    names = [each.name for each in book.sheets_metadata if each.typ == python_calamine.SheetTypeEnum.WorkSheet]
    merged = sheet.merged_cell_ranges or []
    rows = _rows(sheet, found)
    start = list(islice(rows, _LOOKED_AT))
    last, headers, above = _header(start, merged)
    check_headers(headers, last)
    below = (row for row in chain(start, rows) if row[0] > last)
    grounds = "as chosen" if choices.sheet else f"the first of {len(names)}" if len(names) > 1 else "the only one"
    opened = Opened(headers, iter(()), facts=[Fact("sheet", name, grounds), *above], sheets=names)
    opened.batches = shaped(opened, _watched(below, opened, found, merged))
    return opened


def _check_size(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        _refuse_damaged(error)
    if unpacked > limits.MOST_SPREADSHEET:
        refuse("TOO_LARGE", f"unpacks to {unpacked >> 20:,} MB, which is too large. Save it as CSV.")


def _refuse_damaged(error: Exception) -> NoReturn:
    refuse("DAMAGED", f"is not a readable spreadsheet: {str(error)[:120]}. Save it again, or as CSV.")


def _chosen(book: Any, wanted: str | None) -> str:
    sheets = [each for each in book.sheets_metadata if each.typ == python_calamine.SheetTypeEnum.WorkSheet]
    if not sheets:
        refuse("EMPTY", "has no sheet of cells. Save the table as a sheet, or as CSV.")
    if wanted is None:
        visible = [each for each in sheets if each.visible == python_calamine.SheetVisibleEnum.Visible]
        return str((visible or sheets)[0].name)
    if wanted not in [each.name for each in sheets]:
        listed = ", ".join(repr(each.name[:60]) for each in sheets[:20])
        refuse("NO_SUCH_SHEET", f"has no sheet {wanted[:60]!r}. Choose one of {listed}.")
    return wanted


def _rows(sheet: Any, found: Cells) -> Iterator[Row]:
    """Every row and every column from the first on, what the XML says in place of what the reader does."""
    left = sheet.start[1] if sheet.start else 0
    empty = [""] * left
    below = range(sheet.end[0] + 1 if sheet.end else 0, max(found, default=-1) + 1)
    for number, cells in chain(enumerate(sheet.iter_rows()), ((number, ()) for number in below)):
        for column, cell in enumerate(cells, start=left):
            if isinstance(cell, date | time) and _is_off(cell):
                found.setdefault(number, {}).setdefault(column, _Found(written(cell), "UNSURE_DATE", _UNSURE))
        texts = [*empty, *map(written, cells)]
        for column, what in found.get(number, {}).items():
            texts += [""] * (column + 1 - len(texts))
            texts[column] = what.text
        yield number + 1, texts


def _is_off(cell: date | time) -> bool:
    """Whether spreadsheets show another day: before March 1900 they count a leap day that never was, and below zero
    and far in the future nothing is a date."""
    if isinstance(cell, time):
        return cell == time()
    return (cell.date() if isinstance(cell, datetime) else cell) < _CALENDAR_STARTS


def written(cell: Any) -> str:
    """A spreadsheet's cell as exact text: 5 and not 5.0, an ISO date, all digits of a number."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _LARGEST_EXACT else repr(cell)
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return str(cell.isoformat()) if hasattr(cell, "isoformat") else str(cell)


# --- its header ----------------------------------------------------------------------------------------------------


def _header(start: list[Row], merged: Sequence[Range]) -> tuple[int, list[str], list[Fact]]:
    """The number of the header's last row, the column names, and what was found out on the way.

    A first cell alone above a row of several is a title. A header with cells that span columns or rows has as many
    rows as these need, and a column is called by all that stands above it.
    """
    filled = [row for row in start if _filled(row)]
    if not filled:
        refuse("EMPTY", "is empty. It needs a line of column names and rows under it.")
    facts = []
    left = min(_filled(row)[0] for row in filled)
    while len(filled) > 1 and _filled(filled[0]) == [left] and any(len(_filled(row)) > 1 for row in filled[1:4]):
        number, cells = filled.pop(0)
        facts.append(Fact("title", cells[left].strip()[:80], f"row {number} has this one cell"))
    top = bottom = filled[0][0]
    for (first, leftmost), (last, rightmost) in merged:
        if first + 1 == top:
            bottom = max(bottom, last + 1 if rightmost == leftmost else last + 2)
    lines = {number: cells for number, cells in start if top <= number <= bottom}
    if len(lines) > 1:
        facts.append(Fact("header", f"rows {top} to {max(lines)}", "some of its cells are merged"))
    return max(lines), _names(lines, merged), facts


def _filled(row: Row) -> list[int]:
    return [place for place, cell in enumerate(row[1]) if cell.strip()]


def _names(lines: dict[int, Sequence[str]], merged: Sequence[Range]) -> list[str]:
    width = max(map(len, lines.values()))
    texts = {number: [*cells, *[""] * (width - len(cells))] for number, cells in lines.items()}
    for (first, left), (_, right) in merged:
        if first + 1 in texts and left < width:
            line = texts[first + 1]
            line[left : right + 1] = [line[left]] * len(line[left : right + 1])
    columns = zip(*(line for _, line in sorted(texts.items())), strict=True)
    names = [spaced(" ".join(dict.fromkeys(column))) for column in columns]
    while names and not names[-1]:
        names.pop()
    return names


# --- its cells -----------------------------------------------------------------------------------------------------


def _watched(rows: Iterator[Row], opened: Opened, found: Cells, merged: Sequence[Range]) -> Iterator[Row]:
    """``rows``; cells that hold no value of their own, or none that can be trusted, are noted."""
    width = len(opened.headers)
    coming = sorted(merged, reverse=True)
    spanning: list[Range] = []
    for number, cells in rows:
        while coming and coming[-1][0][0] < number:
            spanning.append(coming.pop())
        spanning = [each for each in spanning if each[1][0] >= number - 1]
        for place, what in found.get(number - 1, {}).items():
            if what.code:
                opened.doubts.append(Doubt(number, min(place, width - 1), what.code, what.sentence))
        for (first, left), (_, right) in spanning:
            for place in range(left, min(right, width - 1) + 1):
                if (number - 1, place) != (first, left):
                    sentence = "is part of a merged cell, and only its first cell holds the text. Fill it in."
                    opened.doubts.append(Doubt(number, place, "MERGED_CELL", sentence))
        yield number, cells


def _look_into(data: bytes, name: str) -> _Workbook:
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        book = ElementTree.fromstring(packed.read("xl/workbook.xml"))  # noqa: S314 -- limits of time and memory hold
        links = ElementTree.fromstring(packed.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
        targets = {link.get("Id"): link.get("Target", "") for link in links}
        ids = [
            value
            for sheet in book.iterfind(".//{*}sheet")
            if sheet.get("name") == name
            for key, value in sheet.attrib.items()
            if key.endswith("}id")
        ]
        sheet = posixpath.normpath(posixpath.join("/xl", targets[ids[0]])).lstrip("/")
        calculation = book.find(".//{*}calcPr")
        is_worked_out = calculation is None or calculation.get("fullCalcOnLoad") not in ("1", "true")
        styles = packed.read("xl/styles.xml") if "xl/styles.xml" in packed.namelist() else b"<none/>"
    return _Workbook(sheet, is_worked_out, _padded(ElementTree.fromstring(styles)))  # noqa: S314


def _padded(styles: ElementTree.Element) -> dict[str, int]:
    """The styles that fill a number up with zeros, as ``00000`` does, with their digits."""
    formats = {
        each.get("numFmtId"): len(each.get("formatCode", ""))
        for each in styles.iterfind(".//{*}numFmts/{*}numFmt")
        if re.fullmatch("0{2,}", each.get("formatCode", ""))
    }
    used = enumerate(styles.iterfind(".//{*}cellXfs/{*}xf"))
    return {str(style): formats[each.get("numFmtId")] for style, each in used if each.get("numFmtId") in formats}


def _found_in(data: bytes, said: _Workbook) -> Cells:
    """The cells of which the XML says more than the reader does; mostly there are none, which is soon seen."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        with packed.open(said.sheet) as part:
            if not _may_hold_any(part, said):
                return {}
        looking = _Looking(said)
        with packed.open(said.sheet) as part:
            while piece := part.read(_PIECE):
                looking.feed(piece)
    return looking.found


def _may_hold_any(part: Any, said: _Workbook) -> bool:
    """Whether there is a formula, an error, a long number, a number with zeros in front, or any declaration."""
    styles = "".join(rf"|\ss=[\"']{style}[\"']" for style in said.padded)
    wanted = re.compile(rf"<!|<(?:\w+:)?f[\s/>]|\st=[\"']e[\"']|<(?:\w+:)?v[^>]*>\s*-?\d{{16}}{styles}".encode())
    before = b""
    while piece := part.read(_PIECE):
        if wanted.search(before + piece):
            return True
        before = piece[-200:]
    return False


class _Looking:
    """Goes through a sheet's XML cell by cell."""

    def __init__(self, said: _Workbook) -> None:
        self.found: Cells = {}
        self._said = said
        self._row = self._column = -1
        self._kind = self._style = ""
        self._has_formula = False
        self._texts: dict[str, list[str]] = {"v": [], "f": []}
        self._inside = ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = _no_entities

    def feed(self, piece: bytes) -> None:
        self._parser.Parse(piece, False)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            self._row = int(attributes["r"]) - 1 if "r" in attributes else self._row + 1
            self._column = -1
        elif tag == "c":
            place = attributes.get("r")
            self._column = _column_of(place) if place else self._column + 1
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._has_formula = False
            self._texts = {"v": [], "f": []}
        elif tag in ("v", "f"):
            self._inside = tag
            self._has_formula = self._has_formula or tag == "f"

    def _text(self, text: str) -> None:
        if self._inside:
            self._texts[self._inside].append(text)

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag in ("v", "f"):
            self._inside = ""
        elif tag == "c" and (what := self._what()) is not None:
            self.found.setdefault(self._row, {})[self._column] = what

    def _what(self) -> _Found | None:
        value = "".join(self._texts["v"]).strip()
        if self._has_formula and (not self._said.is_worked_out or (not value and self._kind != "str")):
            sentence = (
                "is a formula whose result is not in the file. Open the file in a spreadsheet program and save it, or "
                "put in the result."
            )
            return _Found("=" + "".join(self._texts["f"])[:1000], "FORMULA_WITHOUT_RESULT", sentence)
        if self._kind == "e":
            return _Found(value, "SPREADSHEET_ERROR", f"is an error of the spreadsheet, {value[:20]}. Correct it.")
        if self._kind != "n" or not re.fullmatch(r"-?\d+", value):
            return None
        if (digits := self._said.padded.get(self._style)) and not value.startswith("-"):
            return _Found(value.zfill(digits))
        return _Found(value) if abs(int(value[:400])) >= _LARGEST_EXACT else None


def _column_of(place: str) -> int:
    """The column, from 0, of a cell called like ``AB12``."""
    column = 0
    for letter in place.rstrip("0123456789"):
        column = column * 26 + ord(letter.upper()) - 64
    return column - 1


def _no_entities(*_: object) -> None:
    raise expat.ExpatError("it declares entities")

"""XLSX: merged cells, formulas, errors, dates, formats, and packages that are not what they say."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import xlsxwriter

from tests.corpus.cases import HEADER, Aside, Case, In, Refused
from workbench.foreign.facts import Choices

Draw = Callable[[Any, Any], None]
MONTH = date(2026, 12, 1)
FIXED = (2026, 1, 1, 0, 0, 0)


def drawn(draw: Draw, **options: object) -> bytes:
    """A workbook as ``draw`` makes it in its first sheet; strings stay strings."""
    file = io.BytesIO()
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, {**plain, **options}) as workbook:
        workbook.set_properties({"created": datetime(2026, 1, 1)})
        draw(workbook, workbook.add_worksheet("One"))
    return file.getvalue()


def sheet(*rows: tuple[object, ...], header: tuple[str, ...] = HEADER) -> Draw:
    def draw(workbook: Any, page: Any) -> None:
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        for number, cells in enumerate((header, *rows)):
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    page.write_string(number, column, cell)
                elif isinstance(cell, date):
                    page.write_datetime(number, column, cell, day)
                elif cell is not None:
                    page.write(number, column, cell)

    return draw


def changed(content: bytes, part: str, *replacements: tuple[bytes, bytes]) -> bytes:
    """The package with texts in one part replaced, and its formulas taken as worked out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            data = before.read(info)
            if info.filename == part:
                for old, new in replacements:
                    assert old in data, (part, old)
                    data = data.replace(old, new)
            after.writestr(zipfile.ZipInfo(info.filename, FIXED), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


SHEET, BOOK = "xl/worksheets/sheet1.xml", "xl/workbook.xml"
WORKED_OUT = (b' fullCalcOnLoad="1"', b"")


def _plain() -> bytes:
    return drawn(sheet(("00123", "2026-12", 1.5, "x"), ("NA", MONTH, -2, None), (1e5, "2026-12", 0.1, True)))


def cases() -> Iterator[Case]:
    plain = _plain()
    yield Case("plain.xlsx", plain, (In("00123", 1.5, "x"), In("NA", -2), In("100000", 0.1, "true")))
    yield Case("plain.xlsm", plain, (In("00123", 1.5, "x"), In("NA", -2), In("100000", 0.1, "true")))
    yield Case(
        "dates_1904.xlsx", drawn(sheet(("a", MONTH, 1, None)), date_1904=True), (In("a", 1, None, "2026-12-01"),)
    )
    yield Case(
        "text_odd.xlsx",
        drawn(sheet((" a b ", "2026-12", 1, "two\nlines _x0041_ <b>"))),
        (In("a b", 1, "two\nlines _x0041_ <b>"),),
    )
    yield Case("formula_text.xlsx", drawn(sheet(("=cmd()", "2026-12", 1, None))), (Aside(2, "series", "FORMULA"),))
    yield Case(
        "number_text.xlsx", drawn(sheet(("a", "2026-12", "1,5", None))), (Aside(2, "ai_forecast", "NOT_A_NUMBER"),)
    )
    yield Case(
        "number_date.xlsx", drawn(sheet(("a", "2026-12", MONTH, None))), (Aside(2, "ai_forecast", "NOT_A_NUMBER"),)
    )
    yield from _formulas()
    yield from _formats()
    yield from _headers()
    yield from _sheets(plain)


def _formulas() -> Iterator[Case]:
    def one(workbook: Any, page: Any) -> None:
        sheet(("a", "2026-12", None, "x"), ("b", "2026-12", 5, None))(workbook, page)
        page.write_formula(1, 2, "=B5*2", None, 42)

    aside = (Aside(2, "ai_forecast", "FORMULA_WITHOUT_RESULT"), In("b", 5))
    content = drawn(one)
    yield Case("formula_not_worked_out.xlsx", content, aside)
    known = changed(content, BOOK, WORKED_OUT)
    yield Case("formula_worked_out.xlsx", known, (In("a", 42, "x"), In("b", 5)))
    yield Case("formula_no_result.xlsx", changed(known, SHEET, (b"<v>42</v>", b"")), aside)
    yield Case("formula_empty_result.xlsx", changed(known, SHEET, (b"<v>42</v>", b"<v></v>")), aside)
    shared = changed(known, SHEET, (b"<f>B5*2</f><v>42</v>", b'<f t="shared" si="0"/>'))
    yield Case("formula_shared.xlsx", shared, aside)
    for name, error in (("na", "#N/A"), ("ref", "#REF!"), ("div", "#DIV/0!")):
        wrong = changed(known, SHEET, (b'<c r="C2"><f>B5*2</f><v>42</v>', f'<c r="C2" t="e"><v>{error}</v>'.encode()))
        yield Case(f"error_{name}.xlsx", wrong, (Aside(2, "ai_forecast", "SPREADSHEET_ERROR"), In("b", 5)))
    elsewhere = changed(content, SHEET, (b'r="C2"', b'r="F2"'))
    rows = (Aside(2, "", "WRONG_NUMBER_OF_CELLS"), In("b", 5))
    yield Case("formula_beyond_the_header.xlsx", elsewhere, rows)


def _formats() -> Iterator[Case]:
    def padded(workbook: Any, page: Any) -> None:
        sheet((None, "2026-12", 1, None), (None, "2026-12", 2, None))(workbook, page)
        page.write_number(1, 0, 123, workbook.add_format({"num_format": "00000"}))
        page.write_number(2, 0, 123, workbook.add_format({"num_format": "0.00"}))

    yield Case("format_zeros.xlsx", drawn(padded), (In("00123", 1), In("123", 2)))
    digits = drawn(sheet((7777, "2026-12", 1, None)))
    long = changed(digits, SHEET, (b"<v>7777</v>", b"<v>12345678901234567890</v>"))
    yield Case("digits_many.xlsx", long, (In("12345678901234567890", 1),))

    def serial(value: float, pattern: str) -> bytes:
        def draw(workbook: Any, page: Any) -> None:
            sheet(("a", None, 1, None))(workbook, page)
            page.write_number(1, 1, value, workbook.add_format({"num_format": pattern}))

        return drawn(draw)

    for name, value, pattern, code in (
        ("leap_day_1900", 60, "yyyy-mm-dd", "UNSURE_DATE"), ("before_1900", -5, "yyyy-mm-dd", "UNSURE_DATE"),
        ("zero", 0, "yyyy-mm-dd", "UNSURE_DATE"), ("far", 3e6, "yyyy-mm-dd", "NOT_A_PERIOD"),
        ("time", 0.5, "hh:mm", "NOT_A_PERIOD"), ("duration", 1.5, "[h]:mm", "NOT_A_PERIOD"),
    ):  # fmt: skip
        yield Case(f"date_{name}.xlsx", serial(value, pattern), (Aside(2, "period", code),))


def _headers() -> Iterator[Case]:
    def grouped(workbook: Any, page: Any) -> None:
        page.merge_range(0, 0, 1, 0, "Series")
        page.merge_range(0, 1, 1, 1, "Period")
        page.merge_range(0, 2, 0, 3, "Forecast")
        page.write_row(1, 2, ["AI", "manual"])
        page.write_row(2, 0, ["a", "2026-12", 1, 2])

    def titled(workbook: Any, page: Any) -> None:
        page.merge_range(0, 0, 0, 3, "Forecasts of the month")
        page.write_row(2, 0, HEADER)
        page.write_row(3, 0, ["a", "2026-12", 1, "x"])

    def wrapped(workbook: Any, page: Any) -> None:
        sheet(("a", "2026-12", 1, None), header=("Series", "Period", "AI\nforecast", "AI\nrationale"))(workbook, page)

    def offset(workbook: Any, page: Any) -> None:
        for number, cells in enumerate((HEADER, ("a", "2026-12", 1, "x"))):
            page.write_row(4 + number, 2, cells)

    def merged(workbook: Any, page: Any) -> None:
        sheet(("a", "2026-12", 1, None), ("b", "2026-12", 2, None), ("c", "2026-12", 3, "own"))(workbook, page)
        page.merge_range(1, 3, 2, 3, "for both")

    yield Case("header_grouped.xlsx", drawn(grouped), (In("a", 1),))
    yield Case("header_titled.xlsx", drawn(titled), (In("a", 1, "x"),))
    yield Case("header_wrapped.xlsx", drawn(wrapped), (In("a", 1),))
    yield Case("header_offset.xlsx", drawn(offset), (In("a", 1, "x"),))
    yield Case(
        "cells_merged.xlsx",
        drawn(merged),
        (In("a", 1, "for both"), Aside(3, "ai_rationale", "MERGED_CELL"), In("c", 3, "own")),
    )


def _sheets(plain: bytes) -> Iterator[Case]:
    def two(workbook: Any, page: Any) -> None:
        page.write(0, 0, "nothing here")
        sheet(("a", "2026-12", 1, None))(workbook, workbook.add_worksheet("Two"))
        page.hide()
        workbook.worksheets()[1].activate()

    def chart(workbook: Any, page: Any) -> None:
        sheet(("a", "2026-12", 1, None))(workbook, page)
        workbook.add_chartsheet("Picture").set_chart(workbook.add_chart({"type": "line"}))

    yield Case("sheet_hidden.xlsx", drawn(two), (In("a", 1),))
    yield Case("sheet_chosen.xlsx", drawn(two), (In("a", 1),), choices=Choices(sheet="Two"))
    yield Case("sheet_missing.xlsx", plain, refused=Refused("NO_SUCH_SHEET"), choices=Choices(sheet="Three"))
    yield Case("sheet_empty.xlsx", drawn(lambda workbook, page: None), refused=Refused("EMPTY"))
    yield Case("sheet_header_only.xlsx", drawn(sheet()))
    yield Case(
        "sheet_wide.xlsx",
        drawn(sheet(header=tuple(f"c{n}" for n in range(300)))),
        refused=Refused("TOO_MANY_COLUMNS", 1),
    )


def hostile() -> Iterator[Case]:
    plain = _plain()

    def corner(row: int, column: int) -> Draw:
        def draw(workbook: Any, page: Any) -> None:
            sheet(("a", "2026-12", 1, None))(workbook, page)
            page.write(row, column, "far")

        return draw

    yield Case("corner_far.xlsx", drawn(corner(1_048_575, 16_383)), refused=Refused("TOO_LARGE"))
    yield Case("corner_right.xlsx", drawn(corner(1, 16_383)), (Aside(2, "", "WRONG_NUMBER_OF_CELLS"),))
    yield Case("corner_down.xlsx", drawn(corner(1_000_000, 0)), (In("a", 1), Aside(1_000_001, "period", "MISSING_KEY")))
    yield Case("cut.xlsx", plain[: len(plain) // 2], refused=Refused("DAMAGED"))
    yield Case("garbage.xlsx", b"PK\x03\x04" + bytes(range(256)) * 20, refused=Refused("DAMAGED"))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr(zipfile.ZipInfo("../../outside.txt", FIXED), "x")
    yield Case("other_zip.xlsx", other.getvalue(), refused=Refused("DAMAGED"))
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)
    )
    declared = (b"<worksheet ", bomb + b"]><worksheet "), (b"<v>0.1</v>", b"<v>&j;</v>")
    head = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    yield Case("bomb_entities.xlsx", changed(plain, SHEET, *declared), refused=Refused("DAMAGED"))
    book = changed(plain, BOOK, (head, head + bomb + b"]>"), (b'name="One"', b'name="&j;"'))
    yield Case("bomb_entities_book.xlsx", book, refused=Refused("DAMAGED"))
    directory = plain.index(b"PK\x01\x02")
    declared_size = plain[: directory + 24] + (1 << 30).to_bytes(4, "little") + plain[directory + 28 :]
    yield Case("bomb_declared.xlsx", declared_size, refused=Refused("TOO_LARGE"))
    yield Case("cut_sheet.xlsx", changed(plain, SHEET, (b"</sheetData>", b"")), refused=Refused("DAMAGED"))
    number = changed(plain, SHEET, (b"<v>0.1</v>", b"<v>abc</v>"))
    yield Case("number_no_number.xlsx", number, (In("00123", 1.5, "x"), Aside(4, "ai_forecast", "NOT_A_NUMBER")))

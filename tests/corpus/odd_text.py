"""Text files: encodings, delimiters, decimals, quotation marks, and what only looks like text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from tests.corpus.cases import HEADER, IDS, Aside, Case, In, Refused, goes_in
from workbench.foreign.facts import Choices

LINE = ",".join(HEADER)
ZURICH = f"{LINE}\nZürich,2026-12,1.5,Käse für Österreich\n"


def table(rows: tuple[tuple[str, ...], ...] = IDS, delimiter: str = ",", end: str = "\n") -> str:
    return "".join(delimiter.join(cells) + end for cells in (HEADER, *rows))


def one(value: str, *, series: str = "a", note: str = "", delimiter: str = ",") -> str:
    return f"{delimiter.join(HEADER)}\n{series}{delimiter}2026-12{delimiter}{value}{delimiter}{note}\n"


def cases() -> Iterator[Case]:
    yield from _encodings()
    yield from _shapes()
    yield from _decimals()
    yield from _numbers()
    yield from _ids()
    yield from _quotes()


def _encodings() -> Iterator[Case]:
    zurich = (In("Zürich", 1.5, "Käse für Österreich"),)
    for name, content in (
        ("utf8", ZURICH.encode()),
        ("utf8_bom", codecs.BOM_UTF8 + ZURICH.encode()),
        ("utf16_le_bom", codecs.BOM_UTF16_LE + ZURICH.encode("utf-16-le")),
        ("utf16_be_bom", codecs.BOM_UTF16_BE + ZURICH.encode("utf-16-be")),
        ("utf16_le_bare", ZURICH.encode("utf-16-le")),
        ("utf16_be_bare", ZURICH.encode("utf-16-be")),
        ("utf32_bom", codecs.BOM_UTF32_LE + ZURICH.encode("utf-32-le")),
        ("windows_1252", ZURICH.encode("cp1252")),
    ):
        yield Case(f"encoding_{name}.csv", content, zurich)
    for name, codec, word in (
        ("western_e_grave", "cp1252", "Genève"),
        ("western_tilde", "cp1252", "España"),
        ("polish", "cp1250", "Łódź"),
        ("czech", "cp1250", "Plzeň"),
        ("russian_1251", "cp1251", "Москва"),
        ("russian_koi8", "koi8-r", "Москва"),
        ("russian_as_western", "cp1251", "дно"),
        ("greek", "cp1253", "Αθήνα"),
        ("turkish", "cp1254", "İzmir"),
        ("mac", "mac_roman", "Zürich"),
        ("dos", "cp850", "Zürich"),
        ("japanese", "cp932", "東京"),
        ("chinese", "gb18030", "北京"),
        ("korean", "cp949", "서울"),
        ("ebcdic_digits", "cp500", "Zürich"),
    ):
        content = f"{LINE}\n{word},2026-12,1.5,\n".encode(codec)
        place = (1, "1") if codec == "cp500" else (2, None)
        yield Case(f"encoding_{name}.csv", content, refused=Refused("AMBIGUOUS_ENCODING", *place))
    polish = f"{LINE}\nŁódź,2026-12,1.5,\n".encode("cp1250")
    yield Case(
        "encoding_chosen.csv", polish, (In("Łódź", 1.5),), choices=Choices(encoding="Windows-1250 (Central Europe)")
    )
    yield Case(
        "encoding_chosen_wrong.csv", polish, refused=Refused("UNREADABLE_TEXT", 2, "1"), choices=Choices("", "UTF-8")
    )
    mixed = f"{LINE}\nZürich,2026-12,1.5,\n".encode() + "Genf é,2026-12,2,\n".encode("cp1252")
    yield Case("encoding_mixed.csv", mixed, refused=Refused("MIXED_ENCODING", 3, "1"))
    yield Case(
        "encoding_cut.csv",
        ZURICH.encode()[: ZURICH.encode().index("ä".encode()) + 1],
        refused=Refused("MIXED_ENCODING", 2, "4"),
    )
    yield Case("encoding_utf16_cut.csv", ZURICH.encode("utf-16")[:-1], refused=Refused("UNREADABLE_TEXT"))
    yield Case(
        "encoding_iso2022jp.csv",
        f"{LINE}\n東京,2026-12,1.5,\n".encode("iso2022_jp"),
        refused=Refused("UNREADABLE_TEXT", 2, "1"),
    )
    yield Case("encoding_twice.csv", one("1", note="MÃ¼ller").encode(), (In("a", 1, "MÃ¼ller"),))
    yield Case(
        "encoding_many_scripts.csv",
        one("1", series="Łódź 東京 Москва", note="🙂 عربى").encode(),
        (In("Łódź 東京 Москва", 1, "🙂 عربى"),),
    )


def _shapes() -> Iterator[Case]:
    for name, delimiter in (("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|")):
        yield Case(f"delimiter_{name}.csv", table(delimiter=delimiter).encode(), goes_in())
    for name, end in (("crlf", "\r\n"), ("cr", "\r")):
        yield Case(f"lines_{name}.csv", table(end=end).encode(), goes_in())
    yield Case("lines_no_last.csv", table().rstrip("\n").encode(), goes_in())
    yield Case("lines_blank.csv", f"\n\n{LINE}\n\na,2026-12,1,\n\n,,,\n".encode(), (In("a", 1),))
    yield Case("lines_control_z.csv", (one("1") + "\x1a").encode(), (In("a", 1), Aside(3, "", "WRONG_NUMBER_OF_CELLS")))
    yield Case("trap_sep_line.csv", ("sep=;\n" + table(delimiter=";")).encode(), goes_in())
    yield Case(
        "trap_commas_in_semicolons.csv",
        f"{';'.join(HEADER)}\nDoe, John;2026-12;1,5;a, b, c, d\nRoe, Jo;2026-12;2,25;\n".encode(),
        (In("Doe, John", 1.5, "a, b, c, d"), In("Roe, Jo", 2.25)),
    )
    yield Case("trap_semicolons_in_commas.csv", one("1.5", note="a; b; c; d").encode(), (In("a", 1.5, "a; b; c; d"),))
    yield Case("trap_tabs_in_commas.csv", one("1.5", note="a\tb\tc\td\te").encode(), (In("a", 1.5, "a\tb\tc\td\te"),))
    yield Case(
        "trap_quoted_header.csv",
        b'"series";"period";"ai_forecast";"ai_rationale"\n"a";"2026-12";"1.5";"x;y"\n',
        (In("a", 1.5, "x;y"),),
    )
    yield Case("trap_header_only.csv", f"{LINE}\n".encode())
    yield Case(
        "trap_spaces.csv",
        f"{LINE}\n  a  ,2026-12, 1.5 ,  kept in the middle  \n".encode(),
        (In("a", 1.5, "kept in the middle"),),
    )
    yield Case(
        "trap_header_nbsp.csv", "Series,Period,AI\u00a0forecast,AI  rationale\na,2026-12,1,\n".encode(), (In("a", 1),)
    )
    yield Case(
        "ragged.csv",
        f"{LINE}\na,2026-12\nb,2026-12,1,,5\nc,2026-12,1,,\n".encode(),
        (Aside(2, "", "WRONG_NUMBER_OF_CELLS"), Aside(3, "", "WRONG_NUMBER_OF_CELLS"), In("c", 1)),
    )
    yield Case(
        "title_above.csv", f"Report of today\n\n{LINE}\na,2026-12,1,\n".encode(), refused=Refused("FILE_REFUSED")
    )
    yield Case(
        "header_twice.csv",
        b"series,period,ai_forecast,ai_forecast\na,2026-12,1,2\n",
        refused=Refused("DUPLICATE_HEADER", 1, "4"),
    )
    yield Case(
        "columns_many.csv",
        (",".join([*HEADER, *(f"c{n}" for n in range(300))]) + "\n").encode(),
        refused=Refused("TOO_MANY_COLUMNS", 1),
    )
    yield Case("header_long.csv", b"s" * 5_000 + b",period\na,b\n", refused=Refused("UNREADABLE_HEADER", 1, "1"))
    yield Case("note_long.csv", one("1", note="x" * 40_000).encode(), (Aside(2, "ai_rationale", "TOO_LONG"),))


def _decimals() -> Iterator[Case]:
    def numbers(*values: str, delimiter: str = ";") -> bytes:
        rows = tuple((f"s{place}", "2026-12", value, "") for place, value in enumerate(values))
        return table(rows, delimiter).encode()

    yield Case(
        "decimal_comma.csv",
        numbers("1,5", "1.234,5", "-0,25", "7"),
        (In("s0", 1.5), In("s1", 1234.5), In("s2", -0.25), In("s3", 7)),
    )
    yield Case("decimal_comma_exponent.csv", numbers("1,5e3", "2,25E-1"), (In("s0", 1500), In("s1", 0.225)))
    yield Case("decimal_comma_thousands.csv", numbers("1.234.567", "1.234"), (In("s0", 1234567), In("s1", 1234)))
    yield Case("decimal_comma_three.csv", numbers("1,5", "1,234"), (In("s0", 1.5), In("s1", 1.234)))
    yield Case(
        "decimal_comma_and_three.csv",
        numbers("1,5", "1.234"),
        (In("s0", 1.5), Aside(3, "ai_forecast", "AMBIGUOUS_NUMBER")),
    )
    yield Case("decimal_point_semicolon.csv", numbers("1.5", "1.234"), (In("s0", 1.5), In("s1", 1.234)))
    yield Case("decimal_either.csv", numbers("1.234", "7"), refused=Refused("AMBIGUOUS_DECIMAL", 2, "ai_forecast"))
    yield Case("decimal_either_comma.csv", numbers("1,234"), refused=Refused("AMBIGUOUS_DECIMAL", 2, "ai_forecast"))
    yield Case(
        "decimal_chosen_comma.csv",
        numbers("1.234", "1,5"),
        (In("s0", 1234), In("s1", 1.5)),
        choices=Choices(decimal="comma"),
    )
    yield Case(
        "decimal_chosen_point.csv",
        numbers("1.234", "1,234"),
        (In("s0", 1.234), In("s1", 1234)),
        choices=Choices(decimal="point"),
    )
    yield Case(
        "decimal_both.csv",
        numbers("1,5", "2.5", "1.234"),
        (Aside(2, "ai_forecast", "NOT_A_NUMBER"), In("s1", 2.5), Aside(4, "ai_forecast", "AMBIGUOUS_NUMBER")),
    )
    yield Case("decimal_english.csv", one('"1,234.5"').encode(), (In("a", 1234.5),))
    yield Case("decimal_english_three.csv", one("1.234").encode(), (In("a", 1.234),))
    yield Case("decimal_quoted_comma.csv", one('"1,5"').encode(), (In("a", 1.5),))
    yield Case("decimal_quoted_either.csv", one('"1,234"').encode(), (Aside(2, "ai_forecast", "NOT_A_NUMBER"),))


def _numbers() -> Iterator[Case]:
    refused = {
        "nan": ("NaN", "NOT_FINITE"), "infinity": ("-Infinity", "NOT_FINITE"), "huge": ("1e400", "NOT_FINITE"),
        "excel_na": ("#N/A", "NOT_FINITE"), "text": ("about 5", "NOT_A_NUMBER"), "percent": ("80%", "NOT_A_NUMBER"),
        "money": ("€5", "NOT_A_NUMBER"), "hex": ("0x10", "NOT_A_NUMBER"), "underscore": ("1_000", "NOT_A_NUMBER"),
        "minus_sign": ("−5", "NOT_A_NUMBER"), "two_signs": ("--5", "FORMULA"), "brackets": ("(5)", "NOT_A_NUMBER"),
        "arabic_digits": ("١٢", "NOT_A_NUMBER"), "wide_digits": ("１２", "NOT_A_NUMBER"),
        "superscript": ("5²", "NOT_A_NUMBER"), "formula": ("=1+1", "FORMULA"),
        "many_digits": ("9007199254740993", "TOO_MANY_DIGITS"), "swiss": ("1'234.5", "NOT_A_NUMBER"),
        "none": ("None", "NOT_A_NUMBER"), "null": ("null", "NOT_A_NUMBER"), "true": ("true", "NOT_A_NUMBER"),
        "dash": ("-", "FORMULA"), "empty": ("", "MISSING_FORECAST"),
    }  # fmt: skip
    for name, (text, code) in refused.items():
        yield Case(f"number_{name}.csv", one(text).encode(), (Aside(2, "ai_forecast", code),))
    for name, text in {
        "plus": "+5", "point_first": ".5", "point_last": "5.", "tiny": "5e-324", "large": "1.7976931348623157e308",
        "exact": "0.1", "long": "0.30000000000000004", "integer": "9007199254740992", "zeros": "0005.50",
    }.items():  # fmt: skip
        yield Case(f"number_{name}.csv", one(text).encode(), (In("a", float(text)),))


def _ids() -> Iterator[Case]:
    for name, text in {
        "zeros": "00123", "na": "NA", "nan": "nan", "exponent": "1e5", "null": "null", "inf": "inf", "date": "1/2/2026",
        "long": "12345678901234567890", "spaces": "a  b", "apostrophe": "'00123", "umlaut": "Ä", "emoji": "🙂", "slash": "../../etc/passwd",
        "sql": "x'); DROP TABLE items;--", "markup": "<b>**x**</b>", "percent": "100 %", "hash": "# comment",
    }.items():  # fmt: skip
        yield Case(f"id_{name}.csv", one("1", series=text).encode(), (In(text, 1),))
    for name, (text, code) in {
        "formula": ("=cmd()", "FORMULA"), "plus": ("+x", "FORMULA"), "at": ("@x", "FORMULA"),
        "zero_width": ("a\u200bb", "HIDDEN_CHARACTER"), "right_to_left": ("a\u202eb", "HIDDEN_CHARACTER"),
        "nul": ("a\x00b", "HIDDEN_CHARACTER"), "bell": ("a\x07b", "HIDDEN_CHARACTER"), "bom": ("\ufeffa", "HIDDEN_CHARACTER"),
        "empty": ("", "MISSING_KEY"), "wide_formula": ("＝1", "FORMULA"),
    }.items():  # fmt: skip
        yield Case(f"id_{name}.csv", one("1", series=text).encode(), (Aside(2, "series", code),))
    yield Case("id_composed.csv", one("1", series="Cafe\u0301").encode(), (In("Café", 1),))
    yield Case("id_excel_text.csv", one("1", series='"=""00123"""').encode(), (Aside(2, "series", "FORMULA"),))
    yield Case(
        "id_twice.csv",
        f"{LINE}\na,2026-12,1,\na,2026-12,2,\n".encode(),
        (In("a", 1), Aside(3, "series", "DUPLICATE_KEY")),
    )
    for name, text, code in (
        ("us", "12/31/2026", "NOT_A_PERIOD"), ("german", "31.12.2026", "NOT_A_PERIOD"), ("no_day", "2026-02-30", "NOT_A_PERIOD"),
        ("month_13", "2026-13", "NOT_A_PERIOD"), ("week_53", "2025-W53", "NOT_A_PERIOD"), ("far", "2300-12", "OUT_OF_RANGE"),
        ("serial", "46000", "NOT_A_PERIOD"), ("two_digits", "26-12", "NOT_A_PERIOD"), ("words", "Dec 2026", "NOT_A_PERIOD"),
    ):  # fmt: skip
        yield Case(f"period_{name}.csv", f"{LINE}\na,{text},1,\n".encode(), (Aside(2, "period", code),))
    times = "series,period,ai_forecast,created_at\n"
    for name, text, code in (
        ("nanoseconds", "2026-01-01T00:00:00.123456789", "TOO_FINE"), ("hour_24", "2026-01-01T24:00", "NOT_A_DATE"),
        ("leap_second", "2016-12-31T23:59:60", "NOT_A_DATE"), ("epoch", "1767225600", "NOT_A_DATE"),
        ("far", "9999-12-31", "OUT_OF_RANGE"),
    ):  # fmt: skip
        yield Case(f"time_{name}.csv", f"{times}a,2026-12,1,{text}\n".encode(), (Aside(2, "created_at", code),))


def _quotes() -> Iterator[Case]:
    yield Case(
        "quote_lines.csv",
        one("1", note='"two\nlines ""quoted"", with a comma"').encode(),
        (In("a", 1, 'two\nlines "quoted", with a comma'),),
    )
    yield Case("quote_inches.csv", one("1", series='5" pipe').encode(), (In('5" pipe', 1),))
    yield Case("quote_single.csv", one("1", series="'a'").encode(), (In("'a'", 1),))
    yield Case(
        "quote_open.csv",
        f'{LINE}\na,2026-12,1,"never closed\nb,2026-12,1,x\n'.encode(),
        refused=Refused("BAD_QUOTES", 2, "4"),
    )
    yield Case(
        "quote_inside.csv", f'{LINE}\na,2026-12,1,\nb,2026-12,"1"5,x\n'.encode(), refused=Refused("BAD_QUOTES", 3, "3")
    )
    lost = f'{LINE}\na,2026-12,1,"lost\nb,2026-12,2,x\nc,2026-12,3,"\nd,2026-12,4,y\n'
    yield Case("quote_swallows_rows.csv", lost.encode(), (Aside(2, "ai_rationale", "ROWS_IN_A_CELL"), In("d", 4, "y")))
    yield Case("quote_whole_line.csv", f'"{LINE}"\n"a,2026-12,1,"\n'.encode(), refused=Refused("FILE_REFUSED"))


def hostile() -> Iterator[Case]:
    for name, content, code in (
        ("empty.csv", b"", "EMPTY"), ("blank.csv", b"\n  \n\t\n", "EMPTY"), ("bom_only.csv", codecs.BOM_UTF8, "EMPTY"),
        ("text_only.csv", b"hello world\n", "FILE_REFUSED"), ("html.csv", b"<html><body><table></table></body></html>", "FILE_REFUSED"),
        ("old_spreadsheet.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512, "OLD_SPREADSHEET"),
        ("old_spreadsheet.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512, "OLD_SPREADSHEET"),
        ("zip.csv", b"PK\x03\x04 and so on", "NOT_WHAT_ITS_NAME_SAYS"), ("text.xlsx", table().encode(), "NOT_WHAT_ITS_NAME_SAYS"),
        ("text.parquet", table().encode(), "NOT_WHAT_ITS_NAME_SAYS"), ("text.csv.gz", table().encode(), "NOT_WHAT_ITS_NAME_SAYS"),
        ("program.exe", b"MZ\x90\x00", "UNKNOWN_KIND"), ("no_ending", table().encode(), "UNKNOWN_KIND"),
    ):  # fmt: skip
        yield Case(name, content, refused=Refused(code))
    yield Case(
        "picture.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), refused=Refused("NOT_TEXT", 3, "1")
    )
    yield Case("zeros.csv", b"\x00" * 100_000, refused=Refused("UNREADABLE_HEADER", 1, "1"))
    yield Case("rows_many.csv", b"series\n" + b"a\n" * 1_000_001, refused=Refused("TOO_MANY_ROWS"))
    yield Case("cell_long.csv", one("1", note="x" * 200_000).encode(), refused=Refused("CELL_TOO_LONG", 2, "4"))

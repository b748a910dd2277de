"""JSON Lines, and what only nearly is."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.corpus.cases import Aside, Case, In, Refused


def line(**fields: object) -> str:
    return json.dumps({"series": "a", "period": "2026-12", "ai_forecast": 1, **fields}, ensure_ascii=False) + "\n"


def raw(forecast: str) -> bytes:
    return f'{{"series": "a", "period": "2026-12", "ai_forecast": {forecast}}}\n'.encode()


def cases() -> Iterator[Case]:
    ids = "".join(line(series=text) for text in ("00123", "NA", "1e5"))
    yield Case("ids.jsonl", ids.encode(), (In("00123", 1), In("NA", 1), In("1e5", 1)))
    yield Case("bom.jsonl", b"\xef\xbb\xbf" + line().encode(), (In("a", 1),))
    yield Case("blank_lines.jsonl", ("\n" + line() + "\r\n \n" + line(series="b")).encode(), (In("a", 1), In("b", 1)))
    yield Case("ndjson.ndjson", line().encode(), (In("a", 1),))
    yield Case(
        "columns_come_and_go.jsonl",
        (line() + line(series="b", ai_rationale="x")).encode(),
        (In("a", 1), In("b", 1, "x")),
    )
    yield Case("null.jsonl", line(ai_rationale=None).encode(), (In("a", 1),))
    yield Case("unicode.jsonl", line(series="Łódź 東京").encode(), (In("Łódź 東京", 1),))
    yield Case(
        "escaped.jsonl",
        b'{"series": "\\u0141\\u00f3d\\u017a", "period": "2026-12", "ai_forecast": 1}\n',
        (In("Łódź", 1),),
    )
    yield Case(
        "id_number.jsonl",
        b'{"series": 12345678901234567890, "period": "2026-12", "ai_forecast": 1}\n',
        (In("12345678901234567890", 1),),
    )
    yield Case("number_exact.jsonl", raw("0.1"), (In("a", 0.1),))
    yield Case("number_text.jsonl", raw('"1.5"'), (In("a", 1.5),))
    for name, forecast, code in (
        ("nan", "NaN", "NOT_FINITE"), ("infinity", "-Infinity", "NOT_FINITE"), ("huge", "1e400", "NOT_FINITE"),
        ("digits", "9007199254740993", "TOO_MANY_DIGITS"), ("flag", "true", "NOT_A_NUMBER"),
        ("list", "[1]", "NESTED_VALUE"), ("object", '{"x": [1]}', "NESTED_VALUE"),
        ("comma", '"1,5"', "NOT_A_NUMBER"), ("deep_31", "[" * 31 + "]" * 31, "NESTED_VALUE"),
    ):  # fmt: skip
        yield Case(f"number_{name}.jsonl", raw(forecast), (Aside(1, "ai_forecast", code),))
    twice = b'{"series": "a", "series": "b", "period": "2026-12", "ai_forecast": 1}\n'
    yield Case("name_twice.jsonl", twice, (Aside(1, "series", "DUPLICATE_NAME"),))
    half = b'{"series": "a\\ud800", "period": "2026-12", "ai_forecast": 1}\n'
    yield Case("half_a_character.jsonl", half, (Aside(1, "series", "NOT_TEXT"),))
    yield Case("nul.jsonl", line(series="a\x00b").encode(), (Aside(1, "series", "HIDDEN_CHARACTER"),))
    for name, content, code, row in (
        ("cut", (line() + line())[:-8].encode(), "NOT_JSON", 2), ("list", b'[{"series": "a"}]\n', "NOT_JSON_LINES", 1),
        ("no_object", (line() + "5\n").encode(), "NOT_AN_OBJECT", 2), ("empty", b"", "EMPTY", None),
        ("single_quotes", b"{'series': 'a'}\n", "NOT_JSON", 1), ("comment", b"// x\n" + line().encode(), "NOT_JSON", 1),
        ("trailing_comma", b'{"series": "a",}\n', "NOT_JSON", 1), ("latin", line(series="é").encode("latin-1"), "UNREADABLE_TEXT", 1),
        ("utf16", line().encode("utf-16"), "UNREADABLE_TEXT", 1), ("two_on_a_line", (line().strip() + line()).encode(), "NOT_JSON", 1),
        ("pretty", json.dumps({"series": "a"}, indent=2).encode(), "NOT_JSON", 1),
        ("many_names", json.dumps({f"c{n}": n for n in range(300)}).encode(), "TOO_MANY_COLUMNS", 1),
    ):  # fmt: skip
        column = None if code in ("NOT_JSON", "UNREADABLE_TEXT") else ""
        yield Case(f"{name}.jsonl", content, refused=Refused(code, row, column))


def hostile() -> Iterator[Case]:
    for name, nested in (
        ("33", "[" * 33 + "]" * 33), ("100000", "[" * 100_000 + "]" * 100_000), ("open", "[" * 1_000_000),
        ("objects", '{"a":' * 50_000 + "1" + "}" * 50_000),
    ):  # fmt: skip
        yield Case(f"deep_{name}.jsonl", raw(nested), refused=Refused("TOO_DEEP", 1))
    digits = raw("1" * 100_000)
    yield Case("digits_100000.jsonl", digits, (Aside(1, "ai_forecast", "NOT_FINITE"),))
    yield Case("cell_200000.jsonl", line(ai_rationale="x" * 200_000).encode(), (Aside(1, "ai_rationale", "TOO_LONG"),))

"""JSON Lines: one object a line. Numbers keep the digits that they are written with."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from workbench.foreign import limits
from workbench.foreign.facts import Doubt, Fact
from workbench.foreign.tables import Opened, Row, check_headers, refuse, shaped


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def open_json_lines(data: bytes) -> Opened:
    """The table of the objects in ``data``: one column for each name, in the order in which they come up.

    Raises:
        FileRefused: a line is not UTF-8 text or no JSON object.
    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 1_000))
    headers: dict[str, int] = {}
    for number, fields in _objects(data):
        for name, _ in fields:
            headers.setdefault(name, len(headers))
        if len(headers) > limits.MOST_COLUMNS:
            sentence = f"has more than {limits.MOST_COLUMNS} names; at most so many columns are read."
            refuse("TOO_MANY_COLUMNS", sentence, row=number)
    if not headers:
        refuse("EMPTY", "is empty. It needs one JSON object a line.")
    check_headers(list(headers))
    fact = Fact("format", "JSON Lines", "its lines are JSON objects")
    opened = Opened(list(headers), iter(()), facts=[fact])
    opened.batches = shaped(opened, _rows(data, headers, opened))
    return opened


def _rows(data: bytes, headers: dict[str, int], opened: Opened) -> Iterator[Row]:
    for number, fields in _objects(data):
        cells = [""] * len(headers)
        seen: set[str] = set()
        for name, value in fields:
            place = headers[name]
            if name in seen:
                sentence = "stands twice in this line. Keep one of the two."
                opened.doubts.append(Doubt(number, place, "DUPLICATE_NAME", sentence))
            seen.add(name)
            cells[place] = _text(value, number, place, opened)
        yield number, cells


def _text(value: Any, number: int, place: int, opened: Opened) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value):
            return value
        sentence = "holds half of a character, which is no text. Type it again."
        opened.doubts.append(Doubt(number, place, "NOT_TEXT", sentence))
        return value.encode(errors="replace").decode()
    sentence = "holds a list or an object, where one value belongs. Put in one value."
    opened.doubts.append(Doubt(number, place, "NESTED_VALUE", sentence))
    return json.dumps(_as_dict(value), ensure_ascii=True)[: limits.LONGEST_CELL]


def _as_dict(value: Any) -> Any:
    if isinstance(value, _Fields):
        return {name: _as_dict(each) for name, each in value}
    if isinstance(value, list):
        return [_as_dict(each) for each in value]
    return value


class _Fields(list[tuple[str, Any]]):
    """An object's names and values, as they are written."""


def _objects(data: bytes) -> Iterator[tuple[int, _Fields]]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_Fields, parse_float=_Number, parse_int=_Number, parse_constant=_Number
    )
    for number, line in enumerate(io.BytesIO(data), start=1):
        text = _decoded(line, number)
        if not text.strip():
            continue
        if number == 1 and text.lstrip().startswith("["):
            refuse("NOT_JSON_LINES", "is one list of JSON. Save it as JSON Lines, one object a line.", row=1)
        try:
            value = decoder.decode(text)
        except json.JSONDecodeError as error:
            sentence = f"has a line that is not JSON ({error.msg} at character {error.pos + 1}). Correct it."
            refuse("NOT_JSON", sentence, row=number, column=str(error.pos + 1))
        except RecursionError:
            _refuse_depth(number)
        if not isinstance(value, _Fields):
            refuse("NOT_AN_OBJECT", "has a line that is no JSON object. Each line is one row, in braces.", row=number)
        if any(_is_too_deep(each) for _, each in value):
            _refuse_depth(number)
        yield number, value


def _refuse_depth(number: int) -> NoReturn:
    sentence = f"has a line whose brackets lie more than {limits.DEEPEST} deep. Put one value into each field."
    refuse("TOO_DEEP", sentence, row=number)


def _is_too_deep(value: Any) -> bool:
    level = [value] if isinstance(value, list) else []
    for _ in range(limits.DEEPEST - 1):
        if not level:
            return False
        inner = [each[1] if isinstance(outer, _Fields) else each for outer in level for each in outer]
        level = [each for each in inner if isinstance(each, list)]
    return bool(level)


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        sentence = "is not UTF-8 text, which JSON Lines are. Save it again."
        refuse("UNREADABLE_TEXT", sentence, row=number, column=str(error.start + 1))

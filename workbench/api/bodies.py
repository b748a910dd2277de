"""Reading what a program sends, within limits, and every number to the letter."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from workbench.api.problems import Refused

MOST_BYTES = 10_000_000
DEEPEST = 32
#: Strings as a whole, so that brackets in them do not count; an open one as well, or each quote would look to the end.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


async def json_body(request: Request) -> Any:
    """The request's JSON: numbers as the text that they were sent as, names of an object each once.

    Raises:
        Refused: it is not JSON, or larger or deeper than is read here.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "UNSUPPORTED_CONTENT", "Send JSON as it is, with Content-Type: application/json.")
    return await run_in_threadpool(parsed, await _bytes(request))


def parsed(body: bytes) -> Any:
    """The JSON in ``body``, as ``json_body`` gives it."""
    _check_depth(body)
    try:
        found = json.loads(
            body.decode("utf-8"),
            parse_int=str,
            parse_float=str,
            parse_constant=_no_constant,
            object_pairs_hook=_each_once,
        )
        # A half of a pair of surrogates is no character, and no database keeps one.
        if b"\\u" in body:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise Refused(400, "NOT_JSON", "The body is not UTF-8 text. Send JSON in UTF-8.") from error
    except ValueError as error:
        raise Refused(400, "NOT_JSON", f"The body is not valid JSON: {_shortened(str(error))}.") from error
    return found


async def _bytes(request: Request) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise _too_large()
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> Refused:
    return Refused(
        413,
        "TOO_LARGE",
        f"The body is larger than {MOST_BYTES // 1_000_000} MB. Send the rows in several requests.",
        headers={"Connection": "close"},
    )


def _check_depth(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    depth = 0
    for mark in _BRACKETS.finditer(body):
        first = body[mark.start()]
        depth += 1 if first in b"[{" else -1 if first in b"]}" else 0
        if depth > DEEPEST:
            raise Refused(400, "TOO_DEEP", f"The JSON is nested deeper than {DEEPEST} levels. Send flat rows.")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"an object names {name[:60]!r} twice")
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON; write null for what is unknown")


def _shortened(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in text[:200]).rstrip(".")

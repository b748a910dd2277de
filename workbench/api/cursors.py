"""Where a list goes on: an opaque text, good for the list and the filters that it came from and for no other."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from workbench.api.problems import Refused

_SHAPE = re.compile(r"[A-Za-z0-9_-]{22,40}")
_LIST = 8  #: bytes that stand for the list
LARGEST = 2**63 - 1


def cursor(after: int, asked: Mapping[str, object]) -> str:
    """The cursor of what follows the id ``after`` in the list that was ``asked`` for."""
    return urlsafe_b64encode(_of_list(asked) + after.to_bytes(8)).decode().rstrip("=")


def after(text: str | None, asked: Mapping[str, object]) -> int:
    """The id after which to go on; 0 from the beginning.

    Raises:
        Refused: it is no cursor, or one of another list.
    """
    if text is None:
        return 0
    found = _decoded(text)
    if len(found) != _LIST + 8 or found[:_LIST] != _of_list(asked) or int.from_bytes(found[_LIST:]) > LARGEST:
        raise Refused(
            422,
            "CURSOR_INVALID",
            "This cursor does not belong to this list. Take `next_cursor` from the page before, with the same filters, "
            "or begin without one.",
        )
    return int.from_bytes(found[_LIST:])


def _decoded(text: str) -> bytes:
    if not _SHAPE.fullmatch(text) or len(text) % 4 == 1:
        return b""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _of_list(asked: Mapping[str, object]) -> bytes:
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).digest()[:_LIST]

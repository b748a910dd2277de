"""The script that gives each kind of work on PostgreSQL a role that can do that work and no more."""

from __future__ import annotations

import re
from pathlib import Path

from review_queue.errors import ReviewError

_SCRIPT = Path(__file__).with_name("roles.sql")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


class NameRefused(ReviewError):
    """A name that would have to be quoted."""

    code = "NAME_REFUSED"


def script(*, prefix: str = "workbench", schema: str = "public") -> str:
    """SQL for the roles ``prefix``_app, ``prefix``_analytics and ``prefix``_backup; who runs it is who migrates.

    Raises:
        NameRefused: a name holds more than lower-case letters, digits and underscores.
    """
    for name in (prefix, schema):
        if not _NAME.fullmatch(name):
            raise NameRefused(f"{name!r} holds more than lower-case letters, digits and underscores. Choose another.")
    return _SCRIPT.read_text(encoding="utf-8").replace("{prefix}", prefix).replace("{schema}", schema)

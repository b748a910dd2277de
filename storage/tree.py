"""The tree of segments: each has a path of names from the outermost, so that a subtree is a prefix."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, func

from storage.tables import segments

#: Ends each name in a path; no name may hold it.
SEPARATOR = "\x1f"


def names(path: str | None) -> tuple[str, ...]:
    """The names in a path, outermost first."""
    return tuple(path.split(SEPARATOR)[:-1]) if path else ()


def path_of(names: Iterable[str]) -> str:
    """The path of the segment with these names, outermost first."""
    return "".join(name + SEPARATOR for name in names)


def below(path: str) -> ColumnElement[bool]:
    """The condition on ``segments`` that keeps the one at ``path`` and all below it, to the letter.

    Not LIKE: SQLite's takes "north" for "North", and a scope must not.
    """
    return func.substr(segments.c.path, 1, len(path)) == path

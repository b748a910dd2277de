"""A worker's own log: what it asked for before it asked, and what it was told. Appended, and synced line by line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Log:
    """One file that several lives of one worker append to, one after the other."""

    def __init__(self, path: Path, life: int) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        self._life = life
        os.write(self._file, b"\n")  # whatever the last life left half-written ends here

    def write(self, kind: str, *, sync: bool = True, **fields: Any) -> None:
        line = json.dumps({"kind": kind, "life": self._life, **fields}, separators=(",", ":"), default=str)
        os.write(self._file, line.encode() + b"\n")
        if sync:
            os.fsync(self._file)


def read(path: Path) -> Iterator[Record]:
    """Every whole line; a line that a kill cut short tells nothing, as if it had not been written."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def read_all(folder: Path) -> dict[str, list[Record]]:
    """Log by log, in the order in which each was written."""
    return {path.stem: list(read(path)) for path in sorted(folder.glob("*.log"))}

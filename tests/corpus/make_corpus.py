"""Writes the corpus of hostile and odd files, the same each time: ``python -m tests.corpus.make_corpus FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.corpus import odd_json, odd_parquet, odd_spreadsheets, odd_text, packed
from tests.corpus.cases import Case

PARTS = (odd_text, odd_json, odd_parquet, odd_spreadsheets, packed)


def odd() -> Iterator[Case]:
    """Files as people and programs make them, with what must become of each."""
    for part in PARTS:
        yield from part.cases()


def hostile() -> Iterator[Case]:
    """Files that are damaged, no tables at all, or made to do harm."""
    for part in PARTS:
        yield from part.hostile()


def write(folder: Path) -> int:
    """Write every file into ``folder``; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [*odd(), *hostile()]
    for case in made:
        (folder / case.name).write_bytes(case.content)
    return len(made)


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]))} files written to {sys.argv[1]}.")

"""Reads a corpus, each file in a process of its own, and says what became of it: ``python -m tests.corpus.run``.

This process stays small, since Linux counts what a process took before its program began as its own.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from review_queue.errors import FileRefused
from workbench.foreign.facts import Choices
from workbench.foreign.reading import read


def used() -> float:
    """Seconds that reading processes have computed so far."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def outcomes(folder: Path) -> dict[str, dict[str, object]]:
    """Of each file, ``refused`` (a code, or None), ``row``, ``column``, ``sentence``, ``computed``, ``seconds``."""
    found = {}
    for path in sorted(folder.iterdir()):
        before, start = used(), time.monotonic()
        refusal = None
        try:
            read(path.name, path.read_bytes(), Choices())
        except FileRefused as error:
            refusal = error
        found[path.name] = {
            "refused": refusal and refusal.code,
            "row": refusal and refusal.row,
            "column": refusal and refusal.column,
            "sentence": str(refusal or ""),
            "computed": used() - before,
            "seconds": time.monotonic() - start,
        }
    return found


def main(folder: Path) -> None:
    found = outcomes(folder)
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(json.dumps({"files": found, "megabytes": megabytes}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        from tests.corpus.make_corpus import write  # what it makes must not count as ours

        with tempfile.TemporaryDirectory() as made:
            write(Path(made))
            said = outcomes(Path(made))
        for name, each in said.items():
            print(f"{name:40} {each['refused'] or 'read':24} {each['computed']:5.2f} s  {each['sentence'][:120]}")

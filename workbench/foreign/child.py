"""The process that reads one foreign file, and may die of it: nothing else runs in it, and it can open nothing.

Its argument is JSON: the file's name, the choices, and the descriptors of two files that it inherits. Standard input is
the file's content. On standard output it writes a line for every batch, the rows read so far. The table goes to the
one descriptor as an Arrow stream, what else is to be said to the other as JSON.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import resource
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pyarrow as pa

from review_queue.errors import FileRefused
from workbench.foreign import limits
from workbench.foreign.facts import Choices
from workbench.foreign.opening import open_file
from workbench.foreign.sniffing import ENCODINGS
from workbench.foreign.tables import Opened, schema_of

#: Encodings whose tables are files, to be there before none can be opened: zipfile's and our own.
_CODECS = ("cp437", "latin-1", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32", *ENCODINGS.values())
_STATM = Path("/proc/self/statm")


class _WithoutPandas(MetaPathFinder):
    """Says that there is no pandas: pyarrow would load it, at the cost of half a second, and use nothing of it."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "pandas":
            raise ImportError(fullname)


def main() -> None:
    """Read the file that the arguments name and describe."""
    asked = json.loads(sys.argv[1])
    for codec in _CODECS:
        codecs.lookup(codec)
    sys.meta_path.insert(0, _WithoutPandas())
    pa.array([""])  # looks for pandas
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with open(asked["table"], "wb") as table, open(asked["answer"], "w", encoding="utf-8") as answer:
        data = sys.stdin.buffer.read(limits.MOST_BYTES + 1)
        _shut_in()
        try:
            said = _read(asked["name"], data, Choices(**asked["choices"]), table)
        except FileRefused as refusal:
            place = {"row": refusal.row, "column": refusal.column}
            said = {"refused": str(refusal), "code": refusal.code, **place}
        except (MemoryError, pa.ArrowMemoryError):
            sentence = "needs more memory than a file may take. Split it, or save it as CSV."
            said = {"refused": sentence, "code": "TOO_LARGE"}
        json.dump(said, answer)


def _read(name: str, data: bytes, choices: Choices, table: Any) -> dict[str, Any]:
    opened = open_file(name, data, choices)
    del data
    schema = schema_of(opened.headers)
    rows = 0
    with pa.ipc.new_stream(table, schema) as stream:
        for batch in opened.batches:
            stream.write_batch(batch)
            rows += batch.num_rows
            _still_alive(rows)
    return answer_of(opened)


def answer_of(opened: Opened) -> dict[str, Any]:
    """What is known of a file once its batches have been read, as JSON."""
    return {
        "headers": opened.headers,
        "misshapen": list(opened.misshapen.items()),
        "left_over": [(row, list(cells.items())) for row, cells in opened.left_over.items()],
        "doubts": opened.doubts,
        "closed": opened.closed,
        "facts": opened.facts,
        "sheets": opened.sheets,
    }


def _shut_in() -> None:
    """From here on: so much memory and time, and no file and no connection beyond the ones that are open."""
    with contextlib.suppress(OSError, ValueError):  # elsewhere than on Linux the limit of memory means little
        taken = int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (taken + limits.MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 * limits.MOST_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.STILL, limits.COMPUTING))


def _still_alive(rows: int) -> None:
    """Say so, which fails once nobody listens any more, and ask for more time."""
    print(rows, flush=True)
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (min(used + limits.STILL, limits.COMPUTING), limits.COMPUTING))


if __name__ == "__main__":
    main()

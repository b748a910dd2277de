"""A foreign file read in a process of its own, which is watched and can be ended at any time."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NoReturn

import pandas as pd
import pyarrow as pa

from review_queue.errors import FileRefused
from workbench.foreign import child, limits
from workbench.foreign.facts import Choices, Doubt, Fact
from workbench.foreign.opening import open_file
from workbench.foreign.sheets import Sheet
from workbench.foreign.tables import ROW, schema_of

Heard = Callable[[int], None]  #: told the rows read so far, several times a second; what it raises ends the reading

_ROOT = Path(__file__).parents[2]
_ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT),
    "PYTHONDONTWRITEBYTECODE": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
}
_LISTENED = 0.2  #: seconds between two looks at whether to go on


class ReaderFailed(Exception):
    """The reading process ended in a way that nobody foresaw: a defect of ours."""


def read(name: str, content: bytes, choices: Choices | None = None, *, heard: Heard | None = None) -> Sheet:
    """The table in a file, read in another process: whatever the file does there, nothing happens here.

    Args:
        name: of the file; its ending says what it should be.
        choices: how a person says that it is to be read.
        heard: called while it is read; what it raises ends the other process, and rises.

    Raises:
        FileRefused: it is no file that can be read, is damaged, or asks for too much. Says what to do.
        ReaderFailed: the other process failed by itself.
    """
    with ExitStack() as open_:
        source, table, answer, errors = (open_.enter_context(tempfile.TemporaryFile()) for _ in range(4))
        source.write(content[: limits.MOST_BYTES + 1])
        source.seek(0)
        process = open_.enter_context(_started(name, choices or Choices(), source, table, answer, errors))
        try:
            _listen(process, heard or _nobody)
        except BaseException:
            process.kill()
            raise
        if process.returncode:
            _explain(name, process.returncode, errors)
        answer.seek(0)
        said = json.load(answer)
        if "refused" in said:
            _refuse(name, said["refused"], said["code"], said.get("row"), said.get("column"))
        table.seek(0)
        return _sheet(said, pa.ipc.open_stream(table).read_all())


def read_here(name: str, content: bytes, choices: Choices | None = None) -> Sheet:
    """The same, in this process and without its limits: for files that are our own."""
    try:
        opened = open_file(name, content, choices or Choices())
        batches = list(opened.batches)
    except FileRefused as refusal:
        _refuse(name, str(refusal), refusal.code, refusal.row, refusal.column)
    table = pa.Table.from_batches(batches, schema_of(opened.headers))
    return _sheet(child.answer_of(opened), table)


def _started(
    name: str, choices: Choices, source: IO[bytes], table: IO[bytes], answer: IO[bytes], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    """The other process, which gets nothing of this one's environment: there may be passwords in it."""
    passed = {"table": table.fileno(), "answer": answer.fileno()}
    return subprocess.Popen(  # noqa: S603 -- nothing of the file is in the arguments but its name, inside JSON
        [sys.executable, "-P", "-m", child.__name__, json.dumps({"name": name, "choices": asdict(choices), **passed})],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd="/",
        env=_ENVIRONMENT,
        pass_fds=tuple(passed.values()),
    )


def _listen(process: subprocess.Popen[bytes], heard: Heard) -> None:
    """Until the process ends: tell how far it is, and end it once it takes too long."""
    rows, until = 0, time.monotonic() + limits.WAITING
    assert process.stdout is not None  # noqa: S101 -- it was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(_LISTENED):
                said = os.read(process.stdout.fileno(), 1 << 16)
                if not said:
                    break
                rows = _last_number(said, rows)
            heard(rows)
            if time.monotonic() > until:
                process.kill()
                break
    process.wait()


def _last_number(said: bytes, before: int) -> int:
    whole = said[: said.rfind(b"\n") + 1].split()
    return max(before, *map(int, whole)) if whole else before


def _explain(name: str, status: int, errors: IO[bytes]) -> NoReturn:
    """Why the process ended before it was done."""
    errors.seek(0)
    last_words = errors.read(4000).decode(errors="replace")
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        _refuse(name, "takes too long to read. Split it into several files, or save it as CSV.", "TOO_SLOW")
    if "memory allocation of" in last_words or "MemoryError" in last_words:
        _refuse(name, "needs more memory than a file may take. Split it, or save it as CSV.", "TOO_LARGE")
    if status < 0 or "PanicException" in last_words:
        _refuse(name, "is damaged in a way that stops its reader. Save it again, or as CSV.", "DAMAGED")
    raise ReaderFailed(f"The process that read {name!r} ended with {status}: {last_words}")


def _refuse(name: str, sentence: str, code: str, row: int | None = None, column: str | None = None) -> NoReturn:
    place = ", ".join([*([f"row {row:,}"] if row else []), *([f"column {column}"] if column else [])])
    told = f"{name} {sentence} Look at {place}." if place else f"{name} {sentence}"
    raise FileRefused(told, code=code, row=row, column=column)


def _sheet(said: dict[str, Any], table: pa.Table) -> Sheet:
    """The table as values of ours. What the other process wrote is checked, since a file may have taken it over."""
    headers = [str(header) for header in said["headers"]]
    table.validate(full=True)
    if table.schema != schema_of(headers):
        raise ReaderFailed("The process that read the file gave another table than it said.")
    index = pd.Index(table.column(ROW).to_numpy(), name="row", dtype="int64")
    cells = {
        place: pd.Series(table.column(place).combine_chunks(), index=index, dtype="str")
        for place in range(len(headers))
    }
    return Sheet(
        headers=tuple(headers),
        cells=pd.DataFrame(cells, index=index),
        misshapen=dict(said["misshapen"]),
        left_over={row: dict(cells) for row, cells in said["left_over"]},
        doubts=tuple(Doubt(*doubt) for doubt in said["doubts"]),
        closed=said["closed"],
        facts=tuple(Fact(*fact) for fact in said["facts"]),
        sheets=tuple(said["sheets"]),
    )


def _nobody(rows: int) -> None:
    """Nobody listens."""

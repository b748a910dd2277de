"""An import in a process of its own: the memory and the interpreter that a large table takes stay the reviewers'.

The process is this module, started with what is asked on its standard input. On its standard output it writes a line
for every piece of work done; what came of it goes to a file that it inherits. Ended at any moment it leaves nothing
behind: the import is one transaction.
"""

from __future__ import annotations

import os
import pickle
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from review_queue.errors import ReviewError
from storage.bulk import Progress
from storage.engine import LARGE_CACHE, Database, open_database
from workbench.actions import importing
from workbench.actions.importing import ImportSummary
from workbench.stopping import doors

#: Bytes of a table as it is read below which it is not worth it: starting takes two seconds of computing. What the file
#: takes says little: packed, six hundred thousand rows can lie in 60 kB.
SMALL = 4_000_000
_LISTENED = 0.2  #: seconds between two looks at whether to go on
_ROOT = Path(__file__).parents[1]


class ImportRefused(ReviewError):
    """A refusal in the other process, in its words."""

    code = "IMPORT_REFUSED"


class ImportFailed(Exception):
    """The other process ended in a way that nobody foresaw: a defect of ours, whose words are in the log."""


def import_file(database: Database, *, content: bytes, size: int, progress: Progress, **asked: Any) -> ImportSummary:
    """As ``importing.import_file``, which does it here where the table is small.

    Args:
        size: of the table, as a look into the file found it.

    Raises:
        ImportRefused: what ``importing.import_file`` refuses, and why.
        ImportFailed: the other process failed by itself. Nothing was stored.
    """
    if size < SMALL or database.refusal is not None:
        return importing.import_file(database, content=content, progress=progress, **asked)
    with doors.inside(), tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as answer:
        url = database.engine.url.render_as_string(hide_password=False)
        pickle.dump({"url": url, "asked": {**asked, "content": content}}, source)
        source.seek(0)
        with _started(source, answer) as process:
            try:
                _listen(process, progress)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise ImportFailed(f"The process that imported the file ended with {process.returncode}.")
        answer.seek(0)
        summary, refusal = pickle.load(answer)  # noqa: S301 -- written by a process of ours, from values of ours
    if refusal is not None:
        raise ImportRefused(refusal)
    return summary


def _started(source: IO[bytes], answer: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 -- nothing of the file is in the arguments
        [sys.executable, "-W", "ignore", "-m", __name__, str(answer.fileno())],
        stdin=source,
        stdout=subprocess.PIPE,
        cwd=os.getcwd(),  # SQLite's file may be relative to it
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        pass_fds=(answer.fileno(),),
    )


def _listen(process: subprocess.Popen[bytes], progress: Progress) -> None:
    """Until the process ends: pass on how far it is, and ask whether to go on."""
    done, total, rest = 0, 0, b""
    assert process.stdout is not None  # noqa: S101 -- it was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(_LISTENED):
                said = os.read(process.stdout.fileno(), 1 << 16)
                if not said:
                    break
                *lines, rest = (rest + said).split(b"\n")
                done, total = map(int, lines[-1].split()) if lines else (done, total)
            doors.check()
            progress(done, total)
    process.wait()


def _say(done: int, total: int) -> None:
    print(done, total, flush=True)


def main() -> None:
    """Do what standard input asks for, and write what came of it to the descriptor that the argument names."""
    given = pickle.load(sys.stdin.buffer)  # noqa: S301 -- written by a process of ours
    database = open_database(given["url"], cache=LARGE_CACHE)
    try:
        said = importing.import_file(database, progress=_say, **given["asked"]), None
    except ReviewError as refusal:
        said = None, str(refusal)
    finally:
        database.engine.dispose()
    with open(int(sys.argv[1]), "wb") as answer:
        pickle.dump(said, answer)


if __name__ == "__main__":
    main()

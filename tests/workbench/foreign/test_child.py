"""The process that reads a foreign file: what it cannot do, and that it ends when it must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from review_queue.errors import FileRefused
from workbench.foreign import reading
from workbench.foreign.reading import read

ROOT = Path(__file__).parents[3]
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has no limit of memory that holds")


def shut_in(then: str) -> subprocess.CompletedProcess[str]:
    """A process under the limits of a reader that then does something else."""
    before = "import socket; from workbench.foreign import child, limits; limits.STILL = 1; child._shut_in(); "
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", before + then],
        cwd="/",
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("then", ["open('/etc/passwd')", "socket.socket()", "open('/tmp/x', 'w')"])
def test_it_can_open_no_file_and_no_connection(then):
    assert "Too many open files" in shut_in(then).stderr


@linux
def test_it_cannot_take_more_memory_than_it_may():
    assert "MemoryError" in shut_in("bytearray(500 << 20)").stderr


def test_it_ends_when_it_computes_and_reads_nothing():
    assert shut_in("\nwhile True: pass").returncode == -signal.SIGXCPU


def test_it_gets_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("WORKBENCH_COOKIE_SECRET", "s" * 40)

    assert "WORKBENCH_COOKIE_SECRET" not in reading._ENVIRONMENT
    assert {"PYTHONPATH", "LC_ALL"} < set(reading._ENVIRONMENT)


def test_it_is_ended_when_whoever_asked_has_enough():
    class Enough(Exception):
        """Cancelled."""

    def heard(rows: int) -> None:
        if time.monotonic() > start + 0.3:
            raise Enough

    start = time.monotonic()
    content = b"series,period\n" + b"a,2026-12\n" * 900_000

    with pytest.raises(Enough):
        read("a.csv", content, heard=heard)

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_rows_are_told_while_they_are_read():
    told: list[int] = []

    sheet = read("a.csv", b"series,period\n" + b"a,2026-12\n" * 60_000, heard=told.append)

    assert len(sheet.cells) == 60_000
    assert told == sorted(told)
    assert told[-1] > 0


@pytest.mark.parametrize(
    ("status", "last_words", "code"),
    [
        (-signal.SIGXCPU, b"", "TOO_SLOW"),
        (-signal.SIGABRT, b"memory allocation of 9 bytes failed", "TOO_LARGE"),
        (-signal.SIGSEGV, b"", "DAMAGED"),
        (101, b"pyo3_runtime.PanicException: index out of bounds", "DAMAGED"),
    ],
)
def test_an_end_of_its_own_is_explained(tmp_path, status, last_words, code):
    path = tmp_path / "errors"
    path.write_bytes(last_words)

    with path.open("rb") as errors, pytest.raises(FileRefused) as refused:
        reading._explain("a.xlsx", status, errors)

    assert refused.value.code == code


def test_a_defect_of_ours_is_no_refusal(tmp_path):
    path = tmp_path / "errors"
    path.write_bytes(b"KeyError: 'x'")

    with path.open("rb") as errors, pytest.raises(reading.ReaderFailed, match="KeyError"):
        reading._explain("a.xlsx", 1, errors)

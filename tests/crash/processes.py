"""Forking processes that run one function and leave; killing, pausing and burying them by their id."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def fork(work: Callable[[], None]) -> int:
    """Start ``work`` in a process of its own, and return its id. It exits with 1 if ``work`` raises."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def apart(work: Callable[[], T]) -> T:
    """What ``work`` returns, worked out in a process of its own: the only way to the database for who forks."""
    reader, writer = os.pipe()

    def answer() -> None:
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            pickle.dump(work(), out)

    child = fork(answer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        data = answers.read()
    os.waitpid(child, 0)
    if not data:
        raise RuntimeError("A helping process failed; its traceback is above.")
    return pickle.loads(data)


def send(child: int, signal_: signal.Signals) -> None:
    os.kill(child, signal_)


def ended(child: int) -> int | None:
    """The exit code of a process that has ended (negative: the signal), None while it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return None if pid == 0 else os.waitstatus_to_exitcode(status)


def bury(child: int) -> int:
    """Wait for the end of a process, and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

"""Stopping without cutting anybody off: unready first, then what is under way ends, then claims go back.

SIGTERM does all of that; a second one stops at once. SIGINT, the key of whoever runs it by hand, skips the waiting.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from threading import Timer
from time import monotonic
from types import FrameType
from typing import NoReturn

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ReviewError
from storage.engine import CommitInDoubt, Database
from workbench import held
from workbench.actions import releasing
from workbench.held import Holder
from workbench.stopping import doors

ENDS_WITHIN = 20.0  #: seconds from shutting the doors to the end of the process
FOR_CONNECTIONS = 5  #: of these, seconds that open connections have to close
FOR_CLAIMS = 2.0  #: of these, seconds kept for giving claims back
AT_ONCE = 1.0  #: seconds that work under way has after SIGINT

log = logging.getLogger("workbench")


class GracefulServer(uvicorn.Server):
    """Says that it is not ready for a while before it stops."""

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float) -> None:
        super().__init__(config)
        self.is_in_haste = False
        self.ends_at = float("inf")  #: by the monotonic clock
        self.holders: list[Holder] = []
        self._drain_seconds = drain_seconds
        self._shuts_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGTERM:
            self.is_in_haste = True
            super().handle_exit(sig, frame)
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the second one stops at once
        doors.drain()
        self._shuts_at = monotonic() + self._drain_seconds

    async def on_tick(self, counter: int) -> bool:
        if monotonic() >= self._shuts_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        doors.shut()
        self.ends_at = monotonic() + ENDS_WITHIN
        self.holders = held.holders()  # their sessions end now, and would take them along
        await super().shutdown(sockets)


def finish(server: GracefulServer, database: Database) -> None:
    """Wait for what is under way, then give back what this server's sittings hold. It takes an end in any case."""
    last_resort = Timer(max(server.ends_at - monotonic(), FOR_CLAIMS), os._exit, [1])
    last_resort.daemon = True
    last_resort.start()
    if not doors.are_empty:
        log.info("Waiting for what is under way")
    patience = AT_ONCE if server.is_in_haste else server.ends_at - monotonic() - FOR_CLAIMS
    if not doors.wait_until_empty(max(patience, 0)):
        log.warning("Some work did not end in time; the database undoes it")
    _give_back(server, database)
    database.engine.dispose()


def leave() -> NoReturn:
    """End the process without taking the interpreter apart: that can take a busy machine seconds, and serves nobody."""
    logging.shutdown()
    os._exit(0)


def _give_back(server: GracefulServer, database: Database) -> None:
    claims = [holder.claim for holder in server.holders]
    try:
        count = releasing.release_these(database, [claim for claim in claims if claim is not None])
    except (SQLAlchemyError, CommitInDoubt, ReviewError):
        log.exception("Claims were not given back; they run out by themselves")
    else:
        log.info("%s claims were given back", count)

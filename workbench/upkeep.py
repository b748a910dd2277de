"""What the server does beside answering: it keeps the queue in order as the clock moves on."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ServerStopping
from storage.engine import CommitInDoubt, Database
from storage.placing import Surroundings
from workbench.actions import reviewing

EVERY = 60  #: seconds

log = logging.getLogger("workbench")


async def keep(database: Database) -> None:
    """Keep order until cancelled. A database that is away for a while is tried again."""
    known: dict[int, Surroundings] = {}
    while True:
        try:
            await asyncio.to_thread(reviewing.keep_order, database, known)
        except ServerStopping:
            return
        except (SQLAlchemyError, CommitInDoubt):
            log.exception("The queue could not be put in order; it is tried again in a minute")
        await asyncio.sleep(EVERY)

"""``workbench worker``: everything that goes on without anybody at a screen."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import Annotated

import typer

from storage import durability
from storage.engine import Database, describe
from workbench import logs, upkeep
from workbench.commands.console import open_ready, refusals, require_checkpoints, require_whole
from workbench.relaying import Relay
from workbench.sending import Sender, reach_of
from workbench.settings import settings
from workbench.stopping import doors

log = logging.getLogger("workbench")


def worker(
    once: Annotated[bool, typer.Option("--once", help="Send the webhooks that are due now, then end.")] = False,
) -> None:
    """Send webhooks, order the queue, have ladders act, watch thresholds, remind, until stopped. Any number may run."""
    with refusals():
        database = open_ready()
        durability.require_durable(database)
        require_whole(database)
        if once:
            count = asyncio.run(_once(database))
            typer.echo(f"{count} attempts were made.")
            return
        require_checkpoints()
        logs.start(settings().log_level, settings().log_format)
        log.info("Working on %s", describe(database))
        asyncio.run(_until_stopped(database))
        database.engine.dispose()


async def _once(database: Database) -> int:
    async with Sender(reach_of(settings())) as sender:
        return await Relay(database, sender).run_once()


async def _until_stopped(database: Database) -> None:
    work = asyncio.create_task(upkeep.keep(database, relays=True))

    def stop() -> None:
        doors.shut()
        work.cancel()

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)
    with suppress(asyncio.CancelledError):
        await work

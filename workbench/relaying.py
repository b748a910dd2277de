"""The relay: takes events out of the outbox and sends them, beside any number of others that do the same."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from review_queue.delivering import SCHEDULE, Answer, body_of, headers_of
from storage.deliveries import Parcel
from storage.engine import CommitInDoubt, Database
from workbench.actions import delivering
from workbench.sending import Sender

PAUSE = 1.0  #: seconds between two looks where nothing happens
GRACE = 3.0  #: seconds that attempts under way have to end when the relay stops

log = logging.getLogger("workbench")


class Relay:
    """Sends what is due until it is cancelled. What it has in hand then is finished, or left to others."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        *,
        schedule: Sequence[timedelta] = SCHEDULE,
        lease: timedelta = delivering.LEASE,
        per_receiver: int = delivering.PER_RECEIVER,
        pause: float = PAUSE,
    ) -> None:
        self._database = database
        self._sender = sender
        self._schedule = schedule
        self._lease = lease
        self._per_receiver = per_receiver
        self._pause = pause
        self._under_way: dict[asyncio.Task[Answer], Parcel] = {}
        self._made: list[tuple[Parcel, Answer]] = []  #: attempts whose outcome is not stored yet

    async def run(self) -> None:
        """Send until cancelled. A database that is away for a while is asked again."""
        try:
            while True:
                await self._turn()
                await self._wait()
        finally:
            await self._finish()

    async def run_once(self) -> int:
        """Send everything that is due now, and what becomes due meanwhile; how many attempts that took."""
        count = 0
        try:
            while True:
                await self._turn()
                if not self._under_way:
                    return count
                await self._wait()
                count += len(self._made)
        finally:
            await self._finish()

    async def _turn(self) -> None:
        """Store what became of attempts, and begin new ones."""
        try:
            parcels = await self._take_turn(wants_more=True)
        except (SQLAlchemyError, CommitInDoubt):
            log.exception("The outbox could not be read; it is tried again")
            return
        for parcel in parcels:
            self._under_way[asyncio.create_task(self._attempt(parcel))] = parcel

    async def _take_turn(self, *, wants_more: bool) -> list[Parcel]:
        made = list(self._made)
        busy = Counter(parcel.receiver_id for parcel in self._under_way.values())
        taken = await asyncio.to_thread(
            delivering.take_turn,
            self._database,
            made,
            busy,
            schedule=self._schedule,
            lease=self._lease,
            per_receiver=self._per_receiver,
            wants_more=wants_more,
        )
        del self._made[: len(made)]
        return taken

    async def _attempt(self, parcel: Parcel) -> Answer:
        try:
            body = body_of(parcel.topic, parcel.at, parcel.data)
            headers = headers_of(parcel.webhook_id, datetime.now(UTC), body, parcel.secrets)
            return await self._sender.send(parcel.url, headers, body)
        except Exception:  # a message that breaks us must not stop those to everybody else
            log.exception("An attempt to send delivery %s failed here", parcel.delivery_id)
            return Answer(None, "something went wrong on our side, which the log tells")

    async def _wait(self) -> None:
        """Until an attempt ends, or it is time for another look."""
        if not self._under_way:
            await asyncio.sleep(self._pause)
            return
        done, _ = await asyncio.wait(self._under_way, timeout=self._pause, return_when=asyncio.FIRST_COMPLETED)
        self._gather(done)

    def _gather(self, done: set[asyncio.Task[Answer]]) -> None:
        for task in done:
            self._made.append((self._under_way.pop(task), task.result()))

    async def _finish(self) -> None:
        """Let attempts under way end for a moment, store what became of them, and leave the rest to others."""
        if self._under_way:
            done, late = await asyncio.wait(self._under_way, timeout=GRACE)
            self._gather(done)
            for task in late:
                task.cancel()
        left = list(self._under_way.values())
        if not self._made and not left:
            return
        try:
            await self._take_turn(wants_more=False)
            await asyncio.to_thread(delivering.give_back, self._database, left)
        except (SQLAlchemyError, CommitInDoubt):
            log.exception("What became of the last webhooks could not be stored; they are sent again")

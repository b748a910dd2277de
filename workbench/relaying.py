"""The relay: takes events out of the outbox and sends them, beside any number of others that do the same."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from review_queue.delivering import SCHEDULE, Answer, body_of, headers_of
from review_queue.errors import ReviewError
from storage.deliveries import Parcel
from storage.engine import CommitInDoubt, Database
from storage.failures import Failure, failure_of
from workbench import metrics
from workbench.actions import delivering
from workbench.sending import Sender

PAUSE = 1.0  #: seconds between two looks for what became due
IN_HAND = 8  #: attempts of one worker at one receiver, under way or next
GRACE = 3.0  #: seconds that attempts under way have to end when the relay stops
#: How many attempts at a receiver are under way at once, as a share of what keeps it and the database equally busy.
SHARE = 0.25
OUR_FAULT = Answer(None, "something went wrong on our side, which the log tells")

log = logging.getLogger("workbench")


@dataclass(frozen=True, slots=True)
class _Next:
    """An attempt in hand that has not begun."""

    parcel: Parcel
    until: float  #: by the monotonic clock; later, somebody else may have it in hand before it would end


@dataclass(frozen=True, slots=True)
class _Made:
    """An attempt that was made."""

    parcel: Parcel
    answer: Answer
    at: float  #: by the monotonic clock, when the answer came


class Relay:
    """Sends what is due until it is cancelled. What is under way then may end; the rest is left to others.

    An answer is stored before the next attempt at its receiver begins, so that a killed worker leaves little that was
    taken and is sent again.
    """

    def __init__(
        self,
        database: Database,
        sender: Sender,
        *,
        schedule: Sequence[timedelta] = SCHEDULE,
        lease: timedelta = delivering.LEASE,
        in_hand: int = IN_HAND,
        pause: float = PAUSE,
    ) -> None:
        self._database = database
        self._sender = sender
        self._schedule = schedule
        self._lease = lease
        self._in_hand = in_hand
        self._pause = pause
        self._next: dict[int, deque[_Next]] = defaultdict(deque)  #: by receiver
        self._under_way: dict[asyncio.Task[_Made], Parcel] = {}
        self._since: dict[asyncio.Task[_Made], float] = {}  #: by the monotonic clock
        self._made: list[_Made] = []  #: attempts whose outcome is not stored yet
        self._fed: set[int] = set()  #: receivers for which another look may find something
        self._looked_at = float("-inf")  #: by the monotonic clock
        self._unsure = 0.1  #: seconds from an answer until it is stored, lately; at first, more than it will be
        self._taking: dict[int, float] = {}  #: seconds that each receiver takes to answer, lately

    async def run(self) -> None:
        """Send until cancelled. A database that is away or takes no writes for a while is asked again."""
        try:
            while True:
                if self._database.refusal is None:
                    await self._turn_or_log()
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

    async def _turn_or_log(self) -> None:
        try:
            await self._turn()
        except (SQLAlchemyError, CommitInDoubt, ReviewError):
            log.exception("The outbox could not be read or written; it is tried again")
            await asyncio.sleep(self._pause)
        except Exception:  # nothing that anybody sends us may end the relay, which serves everybody
            log.exception("Webhooks could not be sent; it is tried again", extra=_named())
            await asyncio.sleep(self._pause)

    async def _turn(self) -> None:
        """Store what became of attempts, and begin new ones."""
        await self._keep_answers()
        self._begin()
        if self._wants_more():
            await self._look()
            self._begin()

    async def _keep_answers(self) -> None:
        if not self._made:
            return
        made = list(self._made)
        try:
            await self._keep(*((each.parcel, each.answer) for each in made))
        except Exception as error:  # whatever one answer does to us, the others are kept
            if _will_pass(error):
                raise
            log.exception("Answers of receivers could not be stored together; each is by itself", extra=_named())
            for each in made:
                await self._keep_alone(each)
        del self._made[: len(made)]
        self._fed |= {each.parcel.receiver_id for each in made}  # later events of their items may go now
        now = monotonic()
        self._unsure = _smoothed(self._unsure, sum(now - each.at for each in made) / len(made))

    async def _keep(self, *told: tuple[Parcel, Answer]) -> None:
        await asyncio.to_thread(delivering.keep_answers, self._database, told, schedule=self._schedule)

    async def _keep_alone(self, made: _Made) -> None:
        """Store an answer, or that the attempt failed. If even that cannot be, its lease ends and it is made again."""
        for answer in (made.answer, OUR_FAULT):
            try:
                await self._keep((made.parcel, answer))
                return
            except Exception as error:  # the answers beside it are to be kept
                if _will_pass(error):
                    raise
                delivery_id = made.parcel.delivery_id
                log.exception("The answer to delivery %s could not be stored", delivery_id, extra=_named())

    def _wants_more(self) -> bool:
        is_empty = any(not self._next[receiver_id] for receiver_id in self._fed)
        return is_empty or monotonic() - self._looked_at >= self._pause

    async def _look(self) -> None:
        """Take the next attempts in hand."""
        self._looked_at = monotonic()
        until = self._looked_at + self._lease.total_seconds() / 2
        parcels = await asyncio.to_thread(delivering.take_next, self._database, self._room, lease=self._lease)
        self._fed = {parcel.receiver_id for parcel in parcels}
        for parcel in parcels:
            self._next[parcel.receiver_id].append(_Next(parcel, until))

    def _room(self, receiver_id: int) -> int:
        """How many attempts more at a receiver to take in hand."""
        return max(self._in_hand - len(self._next[receiver_id]) - len(self._busy(receiver_id)), 0)

    def _begin(self) -> None:
        """Begin as many attempts at each receiver as may be under way at once."""
        for receiver_id, line in self._next.items():
            while line and len(self._busy(receiver_id)) < self._at_once(receiver_id):
                each = line.popleft()
                if monotonic() < each.until:
                    task = asyncio.create_task(self._attempt(each.parcel))
                    self._under_way[task], self._since[task] = each.parcel, monotonic()

    def _at_once(self, receiver_id: int) -> int:
        """How many attempts at a receiver may be under way: the longer it takes to answer, the more.

        What it has taken and we have not stored yet is sent again if this worker is killed. On average those are as
        many as are under way, times the share of an attempt's time that its answer waits to be stored.
        """
        oldest = min((self._since[task] for task in self._busy(receiver_id)), default=monotonic())
        taking = max(self._taking.get(receiver_id, 0.0), monotonic() - oldest)
        return max(1, min(int(SHARE * taking / self._unsure), self._in_hand))

    def _busy(self, receiver_id: int) -> list[asyncio.Task[_Made]]:
        return [task for task, parcel in self._under_way.items() if parcel.receiver_id == receiver_id]

    async def _attempt(self, parcel: Parcel) -> _Made:
        answer = await self._answer(parcel)
        return _Made(parcel, answer, monotonic())

    async def _answer(self, parcel: Parcel) -> Answer:
        try:
            body = body_of(parcel.topic, parcel.at, parcel.data)
            headers = headers_of(parcel.webhook_id, datetime.now(UTC), body, parcel.secrets)
            return await self._sender.send(parcel.url, headers, body)
        except Exception:  # a message that breaks us must not stop those to everybody else
            log.exception("An attempt to send delivery %s failed here", parcel.delivery_id, extra=_named())
            return OUR_FAULT

    async def _wait(self) -> None:
        """Until an attempt ends, or it is time for another look."""
        if not self._under_way:
            await asyncio.sleep(self._pause)
            return
        done, _ = await asyncio.wait(self._under_way, timeout=self._pause, return_when=asyncio.FIRST_COMPLETED)
        self._gather(done)

    def _gather(self, done: set[asyncio.Task[_Made]]) -> None:
        for task in done:
            del self._under_way[task], self._since[task]
            made = task.result()
            receiver_id, took = made.parcel.receiver_id, made.answer.took.total_seconds()
            self._taking[receiver_id] = _smoothed(self._taking.get(receiver_id, took), took)
            self._made.append(made)
            metrics.webhook_attempts.labels(str(made.answer.status or "none")).inc()

    async def _finish(self) -> None:
        """Let attempts under way end for a moment, store what became of them, and leave the rest to others."""
        if self._under_way:
            done, late = await asyncio.wait(self._under_way, timeout=GRACE)
            self._gather(done)
            for task in late:
                task.cancel()
        left = [*self._under_way.values(), *(each.parcel for line in self._next.values() for each in line)]
        try:
            await self._keep_answers()
            if left:
                await asyncio.to_thread(delivering.give_back, self._database, left)
        except Exception:  # the relay ends anyway, and with it must end no work beside it
            log.exception("What became of the last webhooks could not be stored; they are sent again", extra=_named())


def _will_pass(error: Exception) -> bool:
    """Whether it is no fault of what was to be stored: a database that is away, busy or refused for a while."""
    return isinstance(error, CommitInDoubt | ReviewError) or failure_of(error) is not Failure.OTHER


def _named() -> dict[str, str]:
    """What tells this error from all others in the log."""
    return {"error_id": secrets.token_hex(4)}


def _smoothed(before: float, now: float) -> float:
    """A mean in which what was lately counts most."""
    return 0.8 * before + 0.2 * now

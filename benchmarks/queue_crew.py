"""Reviewers as replicas would run them: one process each, through the workbench's own actions or bare, in turns."""

from __future__ import annotations

import multiprocessing
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import queue_bare

from review_queue.items import Choice, Outcome
from storage import people, workflows
from storage.engine import Database, open_database
from storage.workflows import Workflow
from workbench.actions import reviewing


@dataclass(frozen=True)
class Turn:
    """What one reviewer does now."""

    is_ours: bool  #: through the actions, else bare
    url: str
    reviewer: str  #: ``whole-3``: as the queue's data name them
    items: int  #: how many to claim and decide


@dataclass(frozen=True)
class Times:
    """What the turn took, in seconds."""

    claims: list[float]
    decides: list[float]
    started: float  #: by the clock that all processes of the machine share
    ended: float


@dataclass(frozen=True)
class Round:
    """The same turn of all reviewers at once."""

    claims: list[float]  #: milliseconds
    decides: list[float]
    per_second: float  #: decisions

    @classmethod
    def of(cls, turns: list[Times]) -> Round:
        claims = [1000 * taken for turn in turns for taken in turn.claims]
        decides = [1000 * taken for turn in turns for taken in turn.decides]
        seconds = max(turn.ended for turn in turns) - min(turn.started for turn in turns)
        return cls(claims, decides, len(decides) / seconds)


def p50(values: list[float]) -> float:
    return statistics.median(values)


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


class Crew:
    """Processes that wait for turns. The first ones work when fewer are asked for."""

    def __init__(self, ends: list[Connection]) -> None:
        self._ends = ends

    def work(self, turns: list[Turn]) -> Round:
        """Let each reviewer take a turn, all beginning together."""
        working = self._ends[: len(turns)]
        for end, turn in zip(working, turns, strict=True):
            end.send(turn)
        for end in working:
            assert end.recv() == "ready"
        for end in working:
            end.send("go")
        done = [end.recv() for end in working]
        broken = [answer for answer in done if isinstance(answer, str)]
        assert not broken, broken[0]
        return Round.of(done)

    def leave(self) -> None:
        """Let go of all databases, so that they can be replaced."""
        for end in self._ends:
            end.send(None)
        for end in self._ends:
            end.recv()


@contextmanager
def crew(size: int) -> Iterator[Crew]:
    processes = multiprocessing.get_context("spawn")
    pairs = [processes.Pipe() for _ in range(size)]
    started = [processes.Process(target=_serve, args=(theirs,), daemon=True) for _, theirs in pairs]
    for process, (_, theirs) in zip(started, pairs, strict=True):
        process.start()
        theirs.close()  # or a reviewer's end would be waited for in vain
    yield Crew([ours for ours, _ in pairs])
    for process in started:
        process.terminate()
        process.join()


def _serve(end: Connection) -> None:
    seats: dict[tuple[str, bool, str], Seat] = {}
    while True:
        turn = end.recv()
        if turn is None:
            for seat in seats.values():
                seat.close()
            seats.clear()
            end.send("left")
            continue
        key = (turn.url, turn.is_ours, turn.reviewer)
        if key not in seats:
            seats[key] = (OurSeat if turn.is_ours else BareSeat)(turn.url, turn.reviewer)
            take(seats[key], WARM_UP)
        end.send("ready")
        end.recv()
        try:
            end.send(take(seats[key], turn.items))
        except Exception as error:  # told to whoever counts, who stops
            end.send(f"{turn}: {error!r}")


#: Items at the start that are not timed: after five times the driver prepares a statement.
WARM_UP = 6


def take(seat: Any, count: int) -> Times:
    """Claim and decide ``count`` items, one after the other."""
    claims, decides = [], []
    started = time.monotonic()
    for _ in range(count):
        before = time.perf_counter()
        claimed = seat.claim()
        between = time.perf_counter()
        seat.decide(claimed)
        claims.append(between - before)
        decides.append(time.perf_counter() - between)
    return Times(claims, decides, started, time.monotonic())


class OurSeat:
    """A reviewer at the workbench's own actions."""

    def __init__(self, url: str, reviewer: str) -> None:
        self._database = open_database(url)
        self._person_id, self._workflow = known(self._database, reviewer)

    def claim(self) -> reviewing.Desk:
        desk = reviewing.take_next(self._database, person_id=self._person_id, workflow=self._workflow)
        assert desk is not None
        return desk

    def decide(self, desk: reviewing.Desk) -> None:
        choice = Choice(
            item_id=desk.item.id,
            outcome=Outcome.ACCEPT_AI,
            fence=desk.item.fence,
            round=desk.item.round,
            content_hash=desk.item.content_hash,
            idempotency_key=secrets.token_hex(16),
            opened_at=desk.opened_at,
        )
        reviewing.submit_decision(self._database, person_id=self._person_id, workflow=self._workflow, choice=choice)

    def close(self) -> None:
        self._database.engine.dispose()


class BareSeat:
    """The same reviewer without the workbench."""

    def __init__(self, url: str, reviewer: str) -> None:
        database = open_database(url)
        self._person_id, _ = known(database, reviewer)
        database.engine.dispose()
        self._bare = queue_bare.connect(url)

    def claim(self) -> tuple[object, ...]:
        return self._bare.claim(self._person_id)

    def decide(self, claimed: tuple[object, ...]) -> None:
        self._bare.decide(self._person_id, claimed)

    def close(self) -> None:
        self._bare.close()


Seat = OurSeat | BareSeat


def known(database: Database, reviewer: str) -> tuple[int, Workflow]:
    """The id of a reviewer by name, and the workflow."""
    with database.reading() as session:
        person_id = people.find(session, "benchmark", reviewer)
        assert person_id is not None
        return person_id, workflows.get(session, "sales")

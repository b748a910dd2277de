"""What goes wrong, and when: kills, pauses and restarts, spread over the run by how far it has come."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.crash.board import Board, Phase
from tests.crash.processes import bury, ended, fork, send

#: How long a kill that is aimed at a commit waits for one, in seconds.
AIM = 2.0
#: How long after the start of a commit it falls at most; until then the answer is held back.
UNANSWERED = 0.04
SHORT = 2.0  #: seconds; a writer waits that long for another


@dataclass(frozen=True)
class Plan:
    """How big a run is, and how much goes wrong in it."""

    decisions: int
    workers: int
    kills: int
    pauses: int
    pause_seconds: float
    restarts: int  #: of PostgreSQL
    moves_time: bool  #: whether claims run out early; without, a pause lasts longer than a claim
    claim_minutes: int = 1


@dataclass
class Chaos:
    """The workers of a run, and what befalls them. Lives in the process that forks them."""

    plan: Plan
    board: Board
    start_worker: Callable[[int], None]  #: what a worker of this slot does
    restart_server: Callable[[], None]
    chance: random.Random
    children: dict[int, int] = field(default_factory=dict)  #: slot -> process
    waking: dict[int, float] = field(default_factory=dict)  #: slot -> when
    killed: int = 0
    paused: int = 0
    restarted: int = 0
    fallen: list[str] = field(default_factory=list)
    back_after: list[float] = field(default_factory=list)  #: seconds from the database being back to a decision
    _restart: int | None = None
    _since: tuple[float, int] | None = None

    def start(self) -> None:
        for slot in range(self.plan.workers):
            self._spawn(slot)

    def step(self) -> None:
        """Do what is due by now."""
        self._tend()
        progress = min(self.board.done / self.plan.decisions, 1.0)
        if self.paused < self.plan.pauses and progress >= 0.8 * (self.paused + 0.5) / self.plan.pauses:
            self._pause()
        if self.restarted < self.plan.restarts and progress >= 0.9 * (self.restarted + 0.7) / self.plan.restarts:
            self._restart_now()
        if self.killed < self.plan.kills and progress >= 0.97 * (self.killed + 0.5) / self.plan.kills:
            self.kill()

    @property
    def over(self) -> bool:
        """Whether everything planned has gone wrong, and been recovered from."""
        plan = self.plan
        done = self.killed >= plan.kills and self.paused >= plan.pauses and self.restarted >= plan.restarts
        return done and not self.waking and self._restart is None and self._since is None

    def wait_for_all(self) -> None:
        """Until every worker has ended of its own accord."""
        for slot, child in self.children.items():
            self._note(slot, bury(child))
        self.children.clear()

    def end(self) -> None:
        """Whatever still runs is killed: the run has failed."""
        for child in self.children.values():
            send(child, signal.SIGKILL)
            bury(child)

    def _spawn(self, slot: int) -> None:
        self.board.life[slot] += 1
        self.board.paused[slot] = self.board.doomed[slot] = 0
        self.children[slot] = fork(lambda: self.start_worker(slot))

    def _tend(self) -> None:
        for slot in [slot for slot, at in self.waking.items() if at <= time.monotonic()]:
            del self.waking[slot]
            self.board.paused[slot] = 0
            send(self.children[slot], signal.SIGCONT)
        for slot, child in list(self.children.items()):
            code = ended(child)
            if code is not None:
                self._note(slot, code)
                self._spawn(slot)
        self._watch_restart()

    def _note(self, slot: int, code: int) -> None:
        if code:
            self.fallen.append(f"worker {slot} fell over with {code}; its traceback is in its output")

    def kill(self, *, spared: int = 0) -> None:
        """Half the kills fall anywhere; the others wait until their worker is in the middle of a commit.

        ``spared``: the first so many slots are left alone.
        """
        awake = [slot for slot in self.children if slot not in self.waking and slot >= spared]
        slot = self.chance.choice(awake)
        if self.killed % 2:
            self._wait_for_commit(slot)
        send(self.children[slot], signal.SIGKILL)
        bury(self.children[slot])
        self.killed += 1
        self._spawn(slot)

    def _wait_for_commit(self, slot: int) -> None:
        """Until that worker commits, and some milliseconds: it dies before, in or after the commit, unanswered."""
        self.board.doomed[slot] = 1
        until = time.monotonic() + AIM
        while time.monotonic() < until:
            if self.board.phase[slot] == Phase.COMMITTING:
                # The kill is to fall at any point of the commit, so it waits for a part of it.
                time.sleep(self.chance.choice((0.0, self.chance.uniform(0.0, UNANSWERED))))
                return
            time.sleep(0.0003)  # between two looks at shared memory, which nothing can wait on; a commit lasts longer

    def _pause(self) -> None:
        """Stop a process that has an item in hand; every third, if not for long, wherever it is.

        A process that is stopped while it writes holds up everybody who shares its SQLite file until it goes on.
        """
        awake = [slot for slot in self.children if slot not in self.waking]
        anywhere = self.paused % 3 == 2 and self.plan.pause_seconds <= SHORT
        hits = [slot for slot in awake if self.board.phase[slot] == Phase.THINKING]
        if not awake or not (hits or anywhere):
            return
        slot = self.chance.choice(awake if anywhere else hits)
        send(self.children[slot], signal.SIGSTOP)
        self.board.paused[slot] = 1
        self.waking[slot] = time.monotonic() + self.plan.pause_seconds
        self.paused += 1

    def _restart_now(self) -> None:
        if self._restart is None and self._since is None:
            self._restart = fork(self.restart_server)
            self.restarted += 1

    def _watch_restart(self) -> None:
        if self._restart is not None and (code := ended(self._restart)) is not None:
            self._restart, self._since = None, (time.monotonic(), self.board.done)
            if code:
                self.fallen.append("the database server did not start again")
        if self._since is not None and self.board.done > self._since[1]:
            self.back_after.append(time.monotonic() - self._since[0])
            self._since = None

"""One crash run: build, break, be quiet, drain, check."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from storage.engine import open_database
from tests.crash.board import Board, Stage
from tests.crash.chaos import Chaos, Plan
from tests.crash.checker import Account, check
from tests.crash.keeper import keep, left, pass_time
from tests.crash.log import Log
from tests.crash.processes import apart, bury, fork
from tests.crash.worker import work
from tests.crash.world import World, build
from tests.invariants import Stored, whatever_waits_can_be_had

#: Every decision beside the final ones means that the item is decided again.
ITEMS_PER_DECISION = 0.85
#: How long a run or its drain may take, in seconds per decision, before something must be stuck.
TOO_LONG = 0.5
QUIET = timedelta(seconds=5)


@dataclass(frozen=True)
class Result:
    """What a run came to, and how long it took."""

    account: Account
    seconds: float  #: of the run itself, until the last planned fault was recovered from
    drained_in: float
    decisions: int  #: acknowledged in the run
    kills: int
    pauses: int
    restarts: int
    back_after: float  #: longest time from the database being back to the next decision, seconds

    @property
    def speed(self) -> float:
        return self.decisions / self.seconds if self.seconds else 0.0


def crash_run(
    url: str,
    folder: Path,
    plan: Plan,
    *,
    seed: int,
    restart_server: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda sentence: None,
    trouble: Callable[[Chaos], bool] | None = None,
    becomes: Callable[[int], None] = lambda slot: None,
) -> Result:
    """Run ``plan`` on an empty database at ``url``; logs go to ``folder``.

    Args:
        trouble: what else goes wrong; called over and over, it tells whether it is over.
        becomes: what a worker's process does first, by its slot.
    """
    people = max(4, plan.workers * 3 // 4)
    count = int(plan.decisions * ITEMS_PER_DECISION)
    world = apart(lambda: build(url, items=count, people_=people, seed=seed, claim_minutes=plan.claim_minutes))
    board = Board(plan.workers)
    board.left = count
    chaos = Chaos(
        plan,
        board,
        start_worker=lambda slot: _into_file(
            folder / f"{slot}.output", lambda: (becomes(slot), work(world, board, folder, slot, seed=seed))
        ),
        restart_server=lambda: _into_file(folder / "server.output", restart_server),
        chance=random.Random(f"chaos {seed}"),
    )
    keeper = fork(lambda: keep(world, board, folder, seed=seed, moves_time=plan.moves_time))
    started = time.monotonic()
    problems = _let_run(chaos, started, plan, trouble)
    seconds, decisions = time.monotonic() - started, board.done
    say(f"  {decisions} decisions in {seconds:.0f} s, {chaos.killed} kills, {chaos.paused} pauses; draining …")
    board.stage = Stage.STOP
    chaos.wait_for_all()
    bury(keeper)
    problems += apart(lambda: _after_quiet_time(world, folder))
    drained = time.monotonic()
    problems += _drain(world, board, folder, chaos, seed=seed)
    drained_in = time.monotonic() - drained
    account = apart(lambda: check(open_database(url), folder, watch_time=True))
    account.violations += [*problems, *chaos.fallen, *(account.bit if plan.kills else [])]
    account.stuck += sum("stuck: " in slip for slip in problems)
    return Result(
        account,
        seconds,
        drained_in,
        decisions,
        chaos.killed,
        chaos.paused,
        chaos.restarted,
        max(chaos.back_after, default=0.0),
    )


def _let_run(chaos: Chaos, started: float, plan: Plan, trouble: Callable[[Chaos], bool] | None) -> list[str]:
    chaos.start()
    patience = 60 + plan.decisions * TOO_LONG + plan.pauses * plan.pause_seconds
    troubled = trouble is not None
    while not (chaos.over and not troubled and chaos.board.done >= plan.decisions):
        if time.monotonic() - started > patience:
            return [f"stuck: only {chaos.board.done} of {plan.decisions} decisions after {patience:.0f} s"]
        if chaos.over and not troubled and chaos.board.left == 0:
            break
        chaos.step()
        if troubled and trouble is not None:
            troubled = not trouble(chaos)
        time.sleep(0.004)  # between two looks at the board, and leaves the processor to the workers
    return []


def _after_quiet_time(world: World, folder: Path) -> list[str]:
    """I6: with nobody at work for the length of a claim and five seconds, everything can be had."""
    database = open_database(world.url)
    pass_time(database, Log(folder / "keeper.log", 0), timedelta(minutes=world.workflow.policy.claim_minutes) + QUIET)
    return whatever_waits_can_be_had(Stored.of(database))


def _drain(world: World, board: Board, folder: Path, chaos: Chaos, *, seed: int) -> list[str]:
    """Decide what is left, undisturbed."""
    board.stage = Stage.DRAIN
    board.left = apart(lambda: left(open_database(world.url)))
    keeper = fork(lambda: keep(world, board, folder, seed=seed + 1, moves_time=False))
    chaos.start()
    until = time.monotonic() + 20 + board.left * TOO_LONG
    while board.left and time.monotonic() < until:
        chaos.step()
        time.sleep(0.02)  # the same, with nothing to aim at
    board.stage = Stage.STOP
    chaos.wait_for_all()
    bury(keeper)
    return []


def _into_file(path: Path, work_: Callable[[], None]) -> None:
    """Do it with everything that is printed appended to a file."""
    output = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    work_()

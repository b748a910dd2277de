"""Who keeps a run going: time passes for claims, and new forecasts come for what was sent back.

Claims last a minute at least. Moving their end back through the database is how the run makes time pass for some of
them; each such claim is logged first, so that the checker can tell it from one that was stolen.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ReviewError
from review_queue.items import State
from storage.engine import Database, database_now, open_database
from storage.tables import items, series
from tests.builders import bring_in
from tests.crash.board import Board, Stage
from tests.crash.log import Log
from tests.crash.world import World, rows

#: Share of the claims that run out at each look, whoever holds them.
RUN_OUT = 0.06
EVERY = 0.25  #: seconds between two looks
IMPORT_EVERY = 1.5  #: seconds between two imports
SECOND = timedelta(seconds=1)


class Keeper:
    """Its own process, beside the workers; nobody kills it."""

    def __init__(self, world: World, board: Board, folder: Path, *, seed: int, moves_time: bool) -> None:
        self.world, self.board, self.moves_time = world, board, moves_time
        self.database = open_database(world.url)
        self.chance = random.Random(f"keeper {seed}")
        self.log = Log(folder / "keeper.log", 0)

    def run(self) -> None:
        imported = 0.0
        while self.board.stage is not Stage.STOP:
            time.sleep(EVERY)  # the pace at which time passes for claims
            try:
                due = time.monotonic() - imported > IMPORT_EVERY
                if self.moves_time and self.board.stage is Stage.RUN:
                    self._let_claims_run_out()
                if due and self.board.stage is Stage.DRAIN:
                    pass_time(self.database, self.log, timedelta(days=1))
                if due:
                    self._bring_new_forecasts()
                    imported = time.monotonic()
                self.board.left = left(self.database)
            except (ReviewError, SQLAlchemyError) as error:  # the database is away or busy: the next look will do
                self.log.write("missed", code=type(error).__name__, sentence=str(error).splitlines()[0][:200])

    def _let_claims_run_out(self) -> None:
        with self.database.reading() as session:
            held = session.execute(
                select(items.c.id, items.c.fence, items.c.claimed_by).where(items.c.state == State.CLAIMED)
            ).all()
        asleep = {self.world.person(slot) for slot, paused in enumerate(self.board.paused) if paused}
        over = [(row.id, row.fence) for row in held if row.claimed_by in asleep or self.chance.random() < RUN_OUT]
        let_run_out(self.database, self.log, over)

    def _bring_new_forecasts(self) -> None:
        """For what was sent back, and (while the run is on) for a few items that somebody may be looking at."""
        with self.database.reading() as session:
            names = select(series.c.key).join(items, items.c.series_id == series.c.id)
            back = session.execute(names.where(items.c.state == State.SENT_BACK).limit(100)).scalars().all()
            open_ = session.execute(names.where(items.c.state == State.CLAIMED)).scalars().all()
        some = self.chance.sample(open_, min(len(open_), 3)) if self.board.stage is Stage.RUN else []
        wanted = {*back, *some}
        if wanted:
            numbers = sorted(int(name.removeprefix("series-")) for name in wanted)
            bring_in(self.database, self.world.workflow, rows((number, self.chance) for number in numbers))


def let_run_out(database: Database, log: Log, claims: Iterable[tuple[int, int]]) -> None:
    """End these claims (item, fence) a second ago, unless they have moved on; logged before it is done."""
    over = list(claims)
    if not over:
        return
    log.write("run out", claims=over)
    with database.writing() as session:
        past = database_now(session) - SECOND
        session.execute(
            update(items)
            .where(items.c.state == State.CLAIMED, tuple_(items.c.id, items.c.fence).in_(over))
            .values(expires_at=past, available_at=past)
        )


def pass_time(database: Database, log: Log, passed: timedelta) -> None:
    """Let ``passed`` go by for every claim and deferral: their ends move back by it."""
    with database.writing() as session:
        waiting = session.execute(
            select(items.c.id, items.c.fence, items.c.state, items.c.available_at)
            .where(items.c.available_at > database_now(session), items.c.state.in_((State.CLAIMED, State.DEFERRED)))
            .with_for_update()
        ).all()
        log.write("run out", claims=[(row.id, row.fence) for row in waiting if row.state == State.CLAIMED])
        for row in waiting:
            earlier = row.available_at - passed
            ends = {"expires_at": earlier} if row.state == State.CLAIMED else {}
            session.execute(update(items).where(items.c.id == row.id).values(available_at=earlier, **ends))


def left(database: Database) -> int:
    """How many items still want a decision."""
    with database.reading() as session:
        return session.execute(
            select(func.count()).select_from(items).where(items.c.state != State.DECIDED)
        ).scalar_one()


def keep(world: World, board: Board, folder: Path, *, seed: int, moves_time: bool) -> None:
    Keeper(world, board, folder, seed=seed, moves_time=moves_time).run()

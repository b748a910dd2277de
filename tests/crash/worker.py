"""One worker: a reviewer's browser and the server process behind it, in a loop, until it is told to stop or killed.

It logs every request before it is sent and every answer after it came. A worker that takes over from one that was
killed first asks again, under the same key, for whatever its predecessor never got an answer to.
"""

from __future__ import annotations

import random
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import ReviewError
from review_queue.items import Act, Outcome
from storage.engine import Database, open_database
from tests.crash import log
from tests.crash.board import Board, Phase, Stage
from tests.crash.client import Client
from tests.crash.requests import Reply, Request, Reviewer, Token, token_of
from tests.crash.world import World
from tests.invariants import Answer
from workbench.actions.reviewing import Desk

#: How often a request without an answer is sent again before the worker gives up; a database may be restarting.
PATIENCE = 200
#: Seconds between a refusal to hand out an item and the next request, as a page takes to be drawn.
A_MOMENT = 0.05
#: How long a worker rests who found nothing, in seconds: longer each time.
SHORTEST_IDLE, LONGEST_IDLE = 0.02, 0.3
#: Refusals after which a person presses again.
NOT_NOW = {"DATABASE_BUSY", "DATABASE_AWAY"}
#: Outcomes as often as they are chosen in a run.
MIX = {
    Outcome.ACCEPT_AI: 44,
    Outcome.KEEP_MANUAL: 14,
    Outcome.ADJUST: 14,
    Outcome.SEND_BACK: 8,
    Outcome.ESCALATE: 8,
    Outcome.DEFER: 12,
}
#: Share of the items that are opened by their address, out of turn.
LINKS = 0.05
FINAL = {Outcome.ACCEPT_AI: 60, Outcome.KEEP_MANUAL: 20, Outcome.ADJUST: 20}
#: What a worker does next, as often as it does it; the rest is to take an item and decide.
HABITS = {
    "decide_late": 5,
    "decide_with_a_colleagues_claim": 2,
    "press_again": 4,
    "press_again_with_other_content": 2,
    "take_back": 4,
    "work": 83,
}


@dataclass
class Worker:
    """A slot's present life."""

    world: World
    board: Board
    folder: Path
    slot: int
    life: int
    chance: random.Random
    thinking: float  #: seconds, on average, between seeing an item and deciding
    database: Database
    reviewer: Reviewer = field(init=False)
    tokens: deque[Token] = field(default_factory=lambda: deque(maxlen=200))
    idle: float = SHORTEST_IDLE
    sent: deque[tuple[Request, int]] = field(default_factory=lambda: deque(maxlen=200))  #: with the decision

    def __post_init__(self) -> None:
        self.reviewer = Reviewer(self.database, self.world.workflow, self.world.person(self.slot))
        self.log = log.Log(self.folder / f"{self.slot}.log", self.life)
        self.client = Client(self.reviewer, self.log)
        self.board.phase[self.slot] = Phase.IDLE

        @event.listens_for(self.database.engine, "commit")
        def committing(connection: object) -> None:
            if self.board.phase[self.slot] == Phase.ASKING:
                self.board.phase[self.slot] = Phase.COMMITTING

        if self.database.dialect == "sqlite":

            @event.listens_for(self.database.engine, "begin")
            def squeeze(connection: Connection) -> None:
                pages = 1 if self.board.squeezed else 2**32 - 2
                connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    # --- the day ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        self._sort_out()
        while (stage := self.board.stage) is not Stage.STOP:
            try:
                self._work() if stage is Stage.DRAIN else getattr(self, f"_{self._habit()}")()
            except ReviewError as refusal:  # no item could be taken: as a page would, say so and go on
                self.log.write("not taken", code=refusal.code, sentence=str(refusal))
                time.sleep(A_MOMENT)  # as a page that says so, and is then pressed again
            except SQLAlchemyError as error:
                self.log.write("not taken", code=type(error).__name__, sentence=str(error).splitlines()[0][:200])
                time.sleep(A_MOMENT)  # the database is away: asked on and on, it would come back no sooner

    def _sort_out(self) -> None:
        """Learn what the predecessors did, and ask for the answers that they never got."""
        open_: dict[str, Request] = {}
        for record in log.read(self.folder / f"{self.slot}.log"):
            if record["kind"] == "claim":
                self.tokens.append(Token(**record["token"]))
            elif record["kind"] == "try":
                open_[record["key"]] = Request.of(record)
            elif record["kind"] == "answer" and record["answer"] != Answer.UNKNOWN:
                request = open_.pop(record["key"], None)
                if request is not None and record["decision"] is not None:
                    self.sent.append((request, record["decision"]))
        for request in open_.values():
            self._until_answered(request)

    def _habit(self) -> str:
        return self.chance.choices(list(HABITS), list(HABITS.values()))[0]

    def _work(self) -> None:
        stray = self.board.stage is Stage.RUN
        desk = self._open_by_link() if stray and self.chance.random() < LINKS else self.reviewer.take()
        if desk is None or not desk.mine:
            self.idle = min(2 * self.idle, LONGEST_IDLE)
            time.sleep(self.idle)  # nothing waits; asked on and on, the claim would be all that the run measures
            return
        self.idle = SHORTEST_IDLE
        token = token_of(desk)
        self.log.write("claim", sync=False, token=asdict(token), person=self.reviewer.person)
        self.tokens.append(token)
        self.board.phase[self.slot] = Phase.THINKING
        whim = self.chance.random() if self.board.stage is Stage.RUN else 1.0
        if whim < 0.03:
            self._give_back(token)
            return
        if whim < 0.07:
            self.reviewer.note_down(desk, {"note": "half a thought"})
        if whim < 0.10:
            self.reviewer.renew(token)
        # A reader thinks: without that no claim would be held while others come.
        time.sleep(self.chance.expovariate(1 / self.thinking) if self.thinking else 0)
        request = self._request(token)
        if whim > 0.96 and self.board.stage is Stage.RUN:
            self._press_twice(request)
        else:
            self._until_answered(request)

    def _open_by_link(self) -> Desk | None:
        """Open some item by its address while another one is in hand, which then waits or runs out."""
        return self.reviewer.open(self.chance.randint(1, self.world.items)) if self.world.items else None

    def _decide_late(self) -> None:
        """A page that was left open: its claim may have run out, been decided or taken over since."""
        if self.tokens:
            self._until_answered(self._request(self.chance.choice(self.tokens)))

    def _decide_with_a_colleagues_claim(self) -> None:
        other = self.chance.randrange(len(self.board.life))
        claims = [record for record in log.read(self.folder / f"{other}.log") if record["kind"] == "claim"]
        if claims:
            self._until_answered(self._request(Token(**claims[-1]["token"])))

    def _press_again(self) -> None:
        if self.sent:
            request, decision = self.chance.choice(self.sent)
            reply = self._until_answered(request)
            if reply.code not in NOT_NOW and (reply.answer is not Answer.REPLAYED or reply.decision != decision):
                self.log.write("broken", sentence=f"{request.key}: decision {decision} was repeated, and got {reply}")

    def _press_again_with_other_content(self) -> None:
        if self.sent:
            request, decision = self.chance.choice(self.sent)
            other = replace(request, note="Something else.", undoes=0 if request.act is Act.UNDO else None)
            if request.act is Act.DECIDE:
                reply = self._until_answered(other)
                if reply.answer is not Answer.REFUSED:
                    self.log.write("broken", sentence=f"{request.key}: {decision} was sent otherwise, and got {reply}")

    def _take_back(self) -> None:
        if self.sent:
            request, decision = self.sent[-1]
            if request.act is Act.DECIDE:
                self._until_answered(Request(self._key(), Act.UNDO, undoes=decision))

    def _give_back(self, token: Token) -> None:
        reply = self.reviewer.give_back(token)
        self.log.write("given back", item=token.item, fence=token.fence, answer=reply.answer)

    # --- sending ---------------------------------------------------------------------------------------------------

    def _request(self, token: Token) -> Request:
        mix = FINAL if self.board.stage is Stage.DRAIN else MIX
        outcome = self.chance.choices(list(mix), list(mix.values()))[0]
        if outcome is Outcome.ESCALATE and token.level >= 2 and self.chance.random() < 0.9:
            outcome = Outcome.ACCEPT_AI
        asked = Request(self._key(), Act.DECIDE, token, outcome)
        if outcome is Outcome.ADJUST:
            return replace(asked, value=(token.ai or 0.0) + self.chance.randint(1, 900) / 4, reason="CUST_RISK")
        if outcome is Outcome.KEEP_MANUAL:
            return replace(asked, reason="CUST_RISK")
        if outcome is Outcome.DEFER:
            until = datetime.fromisoformat(token.seen_at) + timedelta(seconds=self.chance.uniform(2.0, 4.0))
            return replace(asked, until=until.isoformat())
        if outcome in (Outcome.SEND_BACK, Outcome.ESCALATE):
            return replace(asked, note=f"Please look, {self.chance.randint(1, 9)}.")
        return asked

    def _key(self) -> str:
        return f"{self.chance.getrandbits(128):032x}"

    def _until_answered(self, request: Request) -> Reply:
        """Send it, and the same again where no answer comes or the answer is to try again in a moment."""
        for _ in range(PATIENCE):
            reply = self._send(request)
            if reply.answer is not Answer.UNKNOWN and reply.code not in NOT_NOW:
                break
            time.sleep(self.chance.uniform(0.05, 0.2))  # as a person tries again; by chance, or all would at once
        self.board.phase[self.slot] = Phase.IDLE
        if reply.decision is not None and reply.answer is Answer.SAVED:
            self.sent.append((request, reply.decision))
        return reply

    def _press_twice(self, request: Request) -> None:
        with ThreadPoolExecutor(2) as presses:
            replies = list(presses.map(self._send, [request, request]))
        self.board.phase[self.slot] = Phase.IDLE
        if Answer.UNKNOWN in {reply.answer for reply in replies}:
            self._until_answered(request)

    def _send(self, request: Request) -> Reply:
        reply = self.client.send(request, sending=self._sending, answered=self._answered)
        if reply.answer is Answer.SAVED and request.act is Act.DECIDE:
            self.board.acknowledged[self.slot] += 1
        return reply

    def _sending(self) -> None:
        self.board.phase[self.slot] = Phase.ASKING

    def _answered(self) -> None:
        if self.board.doomed[self.slot] and self.board.phase[self.slot] == Phase.COMMITTING:
            time.sleep(0.1)  # the answer is on its way; whoever is to kill this process has time to


def work(world: World, board: Board, folder: Path, slot: int, *, seed: int, thinking: float = 0.005) -> None:
    """Be the worker of a slot, in a freshly forked process."""
    life = int(board.life[slot])
    chance = random.Random(f"{seed} {slot} {life}")
    Worker(world, board, folder, slot, life, chance, thinking, open_database(world.url)).run()

"""A process killed at every single point of an action: between any two statements, at the commit, after the answer.

Random kills find the wide gaps; this finds all of them. At each point a process is killed, the tables are checked as
they were left, and whoever comes next asks again under the same key.
"""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import event

from review_queue.items import Act, Outcome
from storage.engine import open_database
from tests.crash import log as logs
from tests.crash.checker import Account, check
from tests.crash.client import Client
from tests.crash.log import Log
from tests.crash.processes import apart, bury, fork
from tests.crash.requests import Request, Reviewer, token_of
from tests.crash.world import World, build
from tests.invariants import Answer, violations

#: More statements than any action has.
MOST = 60
#: The last point of all: the answer is logged, and the process is killed before it does anything else.
ANSWERED = -1
ASKED = {
    "adjust": Request("", Act.DECIDE, outcome=Outcome.ADJUST, value=777.5, reason="CUST_RISK"),
    "escalate": Request("", Act.DECIDE, outcome=Outcome.ESCALATE, note="Too big for me."),
    "undo": Request("", Act.UNDO),
}


@dataclass(frozen=True)
class Points:
    """What killing at every point came to."""

    kills: int
    account: Account


def kill_at_every_point(url: str, folder: Path) -> Points:
    """Decide and undo on an empty database at ``url``, and be killed at each point of it."""
    world = apart(lambda: build(url, items=3 * MOST, people_=4))
    kills, problems = 0, []
    for name, request in ASKED.items():
        for point in (ANSWERED, *range(1, MOST)):
            died, found = _kill_at(world, folder, f"{name}-{point}", request, point)
            problems += found
            if not died:
                break
            kills += 1
    account = apart(lambda: check(open_database(url), folder, drained=False))
    account.violations += problems
    return Points(kills, account)


def _kill_at(world: World, folder: Path, label: str, request: Request, point: int) -> tuple[bool, list[str]]:
    """Whether the process was killed before it was through, and what is wrong since."""
    person = world.people[2]  # a director: two steps of the ladder lie below them
    child = fork(lambda: _ask_and_die(world, person, folder, label, request, point))
    died = bury(child) == -signal.SIGKILL
    return died, apart(lambda: _look_and_ask_again(world, person, folder, label))


def _ask_and_die(world: World, person: int, folder: Path, label: str, asked: Request, point: int) -> None:
    reviewer = Reviewer(open_database(world.url), world.workflow, person)
    client = Client(reviewer, Log(folder / f"{label}.log", 1))
    desk = reviewer.take()
    assert desk is not None
    fields = {**asked.as_fields(), "key": f"{label}-key"}
    if asked.act is Act.UNDO:
        first = Request(f"{label}-first", Act.DECIDE, token_of(desk), Outcome.ACCEPT_AI)
        fields["undoes"] = client.send(first).decision
    else:
        fields["token"] = asdict(token_of(desk))
    _die_at(reviewer, point)
    client.send(Request.of({"request": fields}))
    if point == ANSWERED:
        os.kill(os.getpid(), signal.SIGKILL)


def _die_at(reviewer: Reviewer, point: int) -> None:
    """Be killed after so many statements, or before so many commits."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(reviewer.database.engine, "after_cursor_execute", count)
    event.listen(reviewer.database.engine, "commit", count)


def _look_and_ask_again(world: World, person: int, folder: Path, label: str) -> list[str]:
    """What is wrong as the kill left it; then the request once more, as the page would."""
    database = open_database(world.url)
    found = [f"{slip} (killed at {label})" for slip in violations(database)]
    tries = [record for record in logs.read(folder / f"{label}.log") if record["kind"] == "try"]
    client = Client(Reviewer(database, world.workflow, person), Log(folder / f"{label}.log", 2))
    request = Request.of(tries[-1])
    reply = client.send(request)
    if reply.decision is None:
        found.append(f"{label}: asked again under its key, it was refused: {reply.sentence}")
    again = client.send(request)
    if again.answer is not Answer.REPLAYED:
        found.append(f"{label}: asked a third time, the answer was {again}")
    return found

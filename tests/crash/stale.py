"""F3 and F9: pages that come back after their claim has run out."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from review_queue.items import Act, Outcome
from storage.engine import open_database
from tests.crash import log as logs
from tests.crash.faults import Line, Setting, fault
from tests.crash.keeper import let_run_out
from tests.crash.log import Log
from tests.crash.processes import apart, bury, fork, send
from tests.crash.requests import Reply, Request, Reviewer, Token, token_of
from tests.crash.storms import CLAIM_SECONDS
from tests.crash.world import World, build
from tests.invariants import Answer, violations

TIMES = 5
DRAFT = {"note": "half a thought", "panel": "adjust"}


@fault("F3")
def a_process_sleeps_through_its_claim(setting: Setting) -> list[Line]:
    return [_sleeper(setting, database) for database in setting.databases]


@fault("F9")
def a_page_comes_back_late(setting: Setting) -> list[Line]:
    return [_late_pages(setting, database) for database in setting.databases]


def _sleeper(setting: Setting, database: str) -> Line:
    url, folder = setting.fresh("F3", database)
    world = apart(lambda: build(url, items=TIMES, people_=2))
    times = 1 if setting.is_whole else TIMES
    problems = [slip for number in range(times) for slip in _sleep_once(world, folder / f"{number}.log", setting)]
    slept = f"{2.5 * CLAIM_SECONDS:.0f} s" if setting.is_whole else "as long as its claim, by the database's clock"
    return Line(
        "F3",
        database,
        "stale decision refused, new owner unaffected, draft kept",
        f"{times} slept {slept}: {'as it should be' if not problems else f'{len(problems)} slips'}",
        not problems,
        problems=tuple(problems),
    )


def _sleep_once(world: World, path: Path, setting: Setting) -> list[str]:
    sleeper = fork(lambda: _take_sleep_decide(world, path))
    os.waitpid(sleeper, os.WUNTRACED)
    token = next(Token(**record["token"]) for record in logs.read(path) if record["kind"] == "claim")
    if setting.is_whole:
        time.sleep(2.5 * CLAIM_SECONDS)  # what F3 asks for: a claim that runs out by the clock while its owner sleeps
    else:
        apart(lambda: _run_out(world, path, token))
    taken = apart(lambda: asdict(_take(world, 1)))
    send(sleeper, signal.SIGCONT)
    bury(sleeper)
    reply = next(record for record in logs.read(path) if record["kind"] == "answer")
    return apart(lambda: _after(world, token, Token(**taken), reply))


def _take_sleep_decide(world: World, path: Path) -> None:
    reviewer, log = Reviewer(open_database(world.url), world.workflow, world.people[0]), Log(path, 1)
    desk = reviewer.take()
    assert desk is not None
    reviewer.note_down(desk, DRAFT)
    log.write("claim", token=asdict(token_of(desk)))
    os.kill(os.getpid(), signal.SIGSTOP)
    reply = reviewer.send(Request(f"late-{path.stem}", Act.DECIDE, token_of(desk), Outcome.ACCEPT_AI))
    log.write("answer", **asdict(reply))


def _after(world: World, token: Token, taken: Token, reply: dict[str, Any]) -> list[str]:
    database = open_database(world.url)
    found = violations(database)
    if taken.item != token.item or taken.fence != token.fence + 1:
        found.append(f"F3: item {token.item} had run out, and {taken} was taken")
    found += _refused_with_draft(
        world, token, Reply(Answer(reply["answer"]), code=reply["code"], sentence=reply["sentence"])
    )
    decided = Reviewer(database, world.workflow, world.people[1]).send(
        Request(f"owner-{token.item}-{taken.fence}", Act.DECIDE, taken, Outcome.ACCEPT_AI)
    )
    if decided.answer is not Answer.SAVED:
        found.append(f"F3: the new owner of item {token.item} was told {decided.sentence}")
    return found


def _refused_with_draft(world: World, token: Token, reply: Reply) -> list[str]:
    """What is wrong if a late decision was not refused with a reason, or its draft is gone."""
    found = []
    if reply.answer is not Answer.REFUSED or reply.code != "CLAIM_NOT_HELD" or "draft is kept" not in reply.sentence:
        found.append(f"a decision on item {token.item}, taken over since, was answered {reply}")
    draft = Reviewer(open_database(world.url), world.workflow, world.people[0]).open(token.item).draft
    if draft != DRAFT:
        found.append(f"the draft on item {token.item} was {DRAFT} and is {draft}")
    return found


def _late_pages(setting: Setting, database: str) -> Line:
    url, folder = setting.fresh("F9", database)
    world = apart(lambda: build(url, items=2 * TIMES, people_=2))
    problems = apart(lambda: _late(world, folder))
    return Line(
        "F9",
        database,
        "taken over: refused with reason and draft; not taken over: accepted",
        f"{TIMES} of each: {'as it should be' if not problems else f'{len(problems)} slips'}",
        not problems,
        problems=tuple(problems),
    )


def _late(world: World, folder: Path) -> list[str]:
    slips = []
    for number in range(2 * TIMES):
        slips += _late_page(world, folder / f"{number}.log", taken_over=number % 2 == 0)
    return slips + violations(open_database(world.url))


def _late_page(world: World, path: Path, *, taken_over: bool) -> list[str]:
    database = open_database(world.url)
    ada, ben = (Reviewer(database, world.workflow, person) for person in world.people)
    desk = ada.take()
    assert desk is not None
    token = token_of(desk)
    ada.note_down(desk, DRAFT)
    let_run_out(database, Log(path, 1), [(token.item, token.fence)])
    taken = _take(world, 1) if taken_over else None
    reply = ada.send(Request(f"late-{path.stem}", Act.DECIDE, token, Outcome.ACCEPT_AI))
    if taken is None:
        return [] if reply.answer is Answer.SAVED else [f"nobody had taken item {token.item} over, and it got {reply}"]
    found = _refused_with_draft(world, token, reply)
    ben.send(Request(f"owner-{path.stem}", Act.DECIDE, taken, Outcome.ACCEPT_AI))
    return found


def _take(world: World, slot: int) -> Token:
    desk = Reviewer(open_database(world.url), world.workflow, world.people[slot]).take()
    assert desk is not None
    return token_of(desk)


def _run_out(world: World, path: Path, token: Token) -> None:
    let_run_out(open_database(world.url), Log(path, 2), [(token.item, token.fence)])

"""F12: the network between the workbench and PostgreSQL drops packets, lets them through one way, delays or loses some.

The packets are really dropped: the reviewers run in a network namespace of their own, joined by a cable to another one
in which a forwarder leads to PostgreSQL's socket. While the far end's hardware address is wrong, nothing that is sent
is received. No acknowledgement comes either, which a proxy that only stops reading would still give. It needs root on
Linux.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy import make_url

from review_queue.errors import ReviewError
from review_queue.items import Act, Outcome
from storage.engine import open_database
from tests.crash.faults import Line, Setting, fault
from tests.crash.processes import apart
from tests.crash.requests import Request, Reviewer, token_of
from tests.crash.world import World, build
from tests.invariants import violations

NEAR, FAR, PORT = "10.213.0.1", "10.213.0.2", 5432
WRONG = "02:00:00:00:00:99"
LATE = 2.0  #: seconds from a question to its answer
REVIEWERS, ITEMS = 4, 1_500
BEFORE, AFTER = 4.0, 15.0  #: seconds of good weather
STATEMENT_TIMEOUT = 30.0  #: as the engine sets it
BACK_WITHIN = 10.0
#: What is done to the cable, and for how many seconds.
WEATHER = ("packets dropped", "answers dropped (half-open)", "2 s late", "5 % of the time away")


@dataclass(frozen=True)
class Told:
    """One request: when it began and ended, by the monotonic clock, and what was answered."""

    began: float
    ended: float
    answer: str


@fault("F12")
def the_network_parts(setting: Setting) -> list[Line]:
    """Each kind of weather on an empty database of its own."""
    if "postgresql" not in setting.databases:
        return []
    seconds = 60.0 if setting.is_whole else 15.0
    return [_line(setting, weather, seconds) for weather in range(len(WEATHER))]


def _line(setting: Setting, weather: int, seconds: float) -> Line:
    target = f"{WEATHER[weather]} for {seconds:.0f} s: no double; an answer within 32 s; back within 10 s"
    if os.geteuid() != 0:
        return Line("F12", "postgresql", target, "not run: it needs root", False)
    url, folder = setting.fresh("F12", "postgresql")
    world = apart(lambda: build(url, items=ITEMS, people_=REVIEWERS, claim_minutes=1, seed=setting.seed))
    told = folder / "told.json"
    asked = json.dumps({"url": url, "weather": weather, "seconds": seconds, "people": world.people, "told": str(told)})
    words = ["unshare", "--net", sys.executable, "-W", "ignore", "-m", "tests.crash.partition", asked]
    subprocess.run(words, check=True, timeout=seconds + 240)
    seen, problems = _judged(json.loads(told.read_text()), weather, seconds)
    problems += apart(lambda: _slips(world))
    setting.say(f"  {WEATHER[weather]}: {seen}{'; NOT OK: ' if problems else ''}{'; '.join(problems[:3])}")
    return Line("F12", "postgresql", target, seen, not problems, problems=tuple(problems))


def _slips(world: World) -> list[str]:
    return violations(open_database(world.url))


def _judged(told: dict[str, list[list[float | str]]], weather: int, seconds: float) -> tuple[str, list[str]]:
    began, healed = float(told["times"][0][0]), float(told["times"][0][1])
    every = [Told(float(a), float(b), str(c)) for a, b, c in told["requests"]]
    slowest = max(each.ended - each.began for each in every)
    saved = [each for each in every if each.answer == "saved"]
    after = min((each.ended for each in saved if each.ended > healed), default=float("inf"))
    during = sum(began <= each.ended <= healed for each in saved)
    refused = sorted({each.answer for each in every if each.answer != "saved"})
    problems = []
    if slowest > STATEMENT_TIMEOUT + 2:
        problems.append(f"a request took {slowest:.1f} s")
    if after - healed > BACK_WITHIN:
        problems.append(f"the first decision after it came {after - healed:.1f} s later")
    if during and weather < 2:
        problems.append(f"{during} decisions were saved while nothing got through: the fault did not bite")
    seen = (
        f"{len(saved)} saved ({during} meanwhile), slowest answer {slowest:.1f} s, back after {after - healed:.1f} s; "
        f"others were told {', '.join(refused) or 'nothing'}"
    )
    return seen, problems


# --- in the namespace -----------------------------------------------------------------------------------------------


def main(asked: dict[str, object]) -> None:
    """Review from behind the cable, and write down what was answered."""
    url = str(asked["url"])
    with _cable() as far:
        forwarder = _forwarder(far, url)
        try:
            behind = make_url(url).set(host=FAR, port=PORT, query={}).render_as_string(hide_password=False)
            _until_there(behind)
            requests, times = _review(behind, asked, far, forwarder)
        finally:
            forwarder.kill()
            forwarder.wait()
    told = {"requests": [[each.began, each.ended, each.answer] for each in requests], "times": [times]}
    Path(str(asked["told"])).write_text(json.dumps(told))


@contextmanager
def _cable() -> Iterator[int]:
    """This namespace joined to a second one; the id of a process in that one."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        time.sleep(0.5)  # until it has unshared
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "near", "type", "veth", "peer", "name", "far")
        _ip("link", "set", "far", "netns", str(holder.pid))
        _ip("addr", "add", f"{NEAR}/30", "dev", "near")
        _ip("link", "set", "near", "up")
        for words in (("addr", "add", f"{FAR}/30", "dev", "far"), ("link", "set", "far", "up")):
            _ip(*words, within=holder.pid)
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()


def _ip(*words: str, within: int | None = None) -> None:
    there = ["nsenter", "--net", "--target", str(within)] if within else []
    subprocess.run([*there, "ip", *words], check=True)


def _drop(far: int | None) -> None:
    """From here nothing arrives there any more; with ``far`` nothing of theirs here."""
    words = ("neigh", "replace", FAR if far is None else NEAR, "lladdr", WRONG, "nud", "permanent", "dev")
    _ip(*words, "near" if far is None else "far", within=far)


def _mend(far: int | None) -> None:
    _ip("neigh", "del", FAR if far is None else NEAR, "dev", "near" if far is None else "far", within=far)


def _weather(kind: int, seconds: float, far: int, forwarder: subprocess.Popen[bytes]) -> None:
    """Bad weather for so long."""
    if kind == 0:
        _drop(None), _drop(far)
        time.sleep(seconds)  # that long the weather lasts
        _mend(None), _mend(far)
    elif kind == 1:
        _drop(far)
        time.sleep(seconds)  # that long the weather lasts
        _mend(far)
    elif kind == 2:
        forwarder.send_signal(signal.SIGUSR1)
        time.sleep(seconds)  # that long the weather lasts
        forwarder.send_signal(signal.SIGUSR1)
    else:
        chance, until = random.Random("weather"), time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(chance.expovariate(1 / 0.95))  # away a twentieth of the time
            _drop(None)
            time.sleep(0.05)  # the rest of that twentieth
            _mend(None)


def _review(
    url: str, asked: dict[str, object], far: int, forwarder: subprocess.Popen[bytes]
) -> tuple[list[Told], list[float]]:
    """What reviewers were answered, and from when to when the weather was bad."""
    database, told, over = open_database(url), list[Told](), threading.Event()
    workflow = _workflow(url)
    crew = [
        threading.Thread(target=_work, args=(Reviewer(database, workflow, person), told, over))
        for person in asked["people"]  # type: ignore[attr-defined]
    ]
    for each in crew:
        each.start()
    time.sleep(BEFORE)  # of good weather
    began = time.monotonic()
    _weather(int(str(asked["weather"])), float(str(asked["seconds"])), far, forwarder)
    healed = time.monotonic()
    time.sleep(AFTER)  # of good weather
    over.set()
    for each in crew:
        each.join(60)
    return told, [began, healed]


def _work(reviewer: Reviewer, told: list[Told], over: threading.Event) -> None:
    unanswered: Request | None = None
    while not over.is_set():
        began = time.monotonic()
        try:
            if unanswered is None:
                desk = reviewer.take()
                if desk is None:
                    return
                unanswered = Request(uuid4().hex, Act.DECIDE, token_of(desk), Outcome.ACCEPT_AI)
                began = time.monotonic()
            reply = reviewer.send(unanswered)
        except ReviewError as refusal:
            told.append(Told(began, time.monotonic(), refusal.code))
        else:
            is_saved = reply.decision is not None
            told.append(Told(began, time.monotonic(), "saved" if is_saved else str(reply.code)))
            if is_saved or reply.code not in ("OUTCOME_UNKNOWN", "DATABASE_AWAY", "DATABASE_BUSY"):
                unanswered = None
        time.sleep(0.05)  # between two looks at another process


def _workflow(url: str):
    from storage import workflows

    with open_database(url).reading() as session:
        return workflows.all(session)[0]


def _until_there(url: str) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection((FAR, PORT), timeout=1):
            return
        time.sleep(0.1)  # between two looks at another process
    raise RuntimeError(f"Nothing listens at {url}.")


def _forwarder(far: int, url: str) -> subprocess.Popen[bytes]:
    """Leads from the far end to PostgreSQL's socket, of which the file system is the same there."""
    query = make_url(url).query
    path = f"{query['host']}/.s.PGSQL.{query.get('port', PORT)}"
    program = str(Path(__file__).with_name("forwarder.py"))
    there = ["nsenter", "--net", "--target", str(far)]
    return subprocess.Popen([*there, sys.executable, "-S", program, FAR, str(PORT), path, str(LATE)])


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # what the product logs of the weather is not news here
    main(json.loads(sys.argv[1]))

"""Reviewers and managers at work for a while, over a deep queue on PostgreSQL, through real servers.

    python benchmarks/soak.py [--minutes 10] [--items 1000000] [--open 50000] [--reviewers 50] [--managers 5]

Each reviewer is a WebSocket session as a browser opens it: it has the page drawn, thinks, presses *Accept AI*, and
waits until the next item is drawn whole. Managers go from one analytics page to the next. Printed are the latencies of
each kind (p50, p95, p99), the memory of each server process and how it grows, and errors: an exception or an error on a
page, a line of level ERROR in a log, a socket that closes. Any error makes it fail, and so does
growth beyond ``--slope`` MiB a minute from the fourth minute on, in a run of six or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import urllib.request
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import websockets
from queue_data import postgresql_queues
from sqlalchemy import URL, make_url

from review_queue.roles import Role
from storage import people
from storage.engine import open_database
from tests.browser.steps import Workbench, serving
from tests.tabs import PATIENCE, Tab, connect
from workbench import auth

ANALYTICS = ("ageing", "overrides", "oversight", "value-added", "ai-health", "adoption", "impact")
SAMPLED_EVERY = 5.0  #: seconds
#: Seconds until what is kept has been kept once: growth before that is no leak, and shorter runs are not judged by it.
WARM_AFTER = 180.0


@dataclass
class Seen:
    """What the sessions saw so far."""

    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  #: kind → seconds
    errors: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)  #: what reviewers were told after a press
    memory: dict[int, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))  #: pid → (s, MiB)


async def review(seen: Seen, url: str, token: str, until: float, think: float, chance: random.Random) -> None:
    """A reviewer's sitting."""
    await asyncio.sleep(chance.uniform(0, min(think, 20)))
    async with connect(url, token) as socket:
        tab = Tab(socket)
        seen.took["open Review"].append(await tab.draw("review"))
        while monotonic() < until:
            _note(seen, tab)
            await asyncio.sleep(chance.uniform(0.6, 2 * think - 0.6))
            if "Accept AI" not in tab.buttons:
                seen.errors[f"no item to review: {', '.join(tab.buttons) or 'no buttons'}"] += 1
                seen.took["open Review again"].append(await tab.draw("review"))
                continue
            seen.took["decide, next item drawn"].append(await tab.draw("review", press="Accept AI"))
            seen.told.update(each for each in tab.told if not each.startswith("Saved"))


async def look(seen: Seen, url: str, token: str, until: float, think: float, chance: random.Random) -> None:
    """A manager's round of the analytics."""
    await asyncio.sleep(chance.uniform(0, min(think, 20)))
    async with connect(url, token) as socket:
        tab = Tab(socket)
        while monotonic() < until:
            page = chance.choice(ANALYTICS)
            seen.took[f"analytics: {page}"].append(await tab.draw(page))
            _note(seen, tab)
            await asyncio.sleep(chance.uniform(0, 2 * think))


def _note(seen: Seen, tab: Tab) -> None:
    for each in tab.said:
        seen.errors[each] += 1


async def at_work(seen: Seen, name: str, work: object) -> None:
    """A session to its end; what ends it early is an error."""
    try:
        await work  # type: ignore[misc]
    except TimeoutError:
        seen.errors[f"{name}: a page took longer than {PATIENCE:.0f} s"] += 1
    except websockets.WebSocketException as error:
        seen.errors[f"{name}: the socket closed: {type(error).__name__}"] += 1


async def weigh(seen: Seen, servers: list[Workbench], until: float) -> None:
    """How much memory each server holds, now and then."""
    began = monotonic()
    while monotonic() < until:
        for server in servers:
            seen.memory[server.process.pid].append((monotonic() - began, memory(server.process.pid)))
        await asyncio.sleep(SAMPLED_EVERY)


def memory(pid: int) -> float:
    """MiB of its own that a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slope(samples: list[tuple[float, float]]) -> float | None:
    """MiB a minute once it was warm, by least squares; None for a run that is too short to tell."""
    warm = [sample for sample in samples if sample[0] >= WARM_AFTER]
    if len(warm) * SAMPLED_EVERY < WARM_AFTER:
        return None
    return 60 * statistics.linear_regression(*zip(*warm, strict=True)).slope


def signed_in(url: str, reviewers: int, managers: int) -> tuple[list[str], list[str]]:
    """Browsers' tokens that are signed in, each as a person of its own."""
    database = open_database(url)
    tokens: dict[Role, list[str]] = {Role.REVIEWER: [], Role.MANAGER: []}
    for role, count in ((Role.REVIEWER, reviewers), (Role.MANAGER, managers)):
        for number in range(count):
            with database.writing() as session:
                name = f"soak {role} {number}"
                person = people.add(session, issuer="benchmark", subject=name, name=name)
                people.grant(session, person, role)
            token = f"soak-{role}-{number:034d}"
            auth.keep(database, token, person)
            tokens[role].append(token)
    database.engine.dispose()
    return tokens[Role.REVIEWER], tokens[Role.MANAGER]


async def soak(wanted: argparse.Namespace, servers: list[Workbench], url: str) -> Seen:
    seen, until = Seen(), monotonic() + 60 * wanted.minutes
    reviewers, managers = signed_in(url, wanted.reviewers, wanted.managers)
    sessions = [(f"reviewer {number}", review, token) for number, token in enumerate(reviewers)]
    sessions += [(f"manager {number}", look, token) for number, token in enumerate(managers)]
    work = []
    for number, (name, act, token) in enumerate(sessions):
        chance, at = random.Random(name), servers[number % len(servers)].url  # noqa: S311 -- no secret
        work.append(at_work(seen, name, act(seen, at, token, until, wanted.think, chance)))
    await asyncio.gather(*work, weigh(seen, servers, until))
    return seen


def told(seen: Seen, wanted: argparse.Namespace, servers: list[Workbench], idle: dict[int, float]) -> list[str]:
    """Print what was seen; what fails."""
    print(f"\n{'':26}{'n':>7}{'p50 s':>9}{'p95 s':>9}{'p99 s':>9}")
    for kind in sorted(kind for kind, taken in seen.took.items() if taken):
        taken = sorted(seen.took[kind])
        cuts = [taken[min(int(len(taken) * share), len(taken) - 1)] for share in (0.5, 0.95, 0.99)]
        print(f"{kind:26}{len(taken):>7}" + "".join(f"{cut:9.2f}" for cut in cuts))
    problems = []
    sessions = (wanted.reviewers + wanted.managers) / len(servers)
    for server in servers:
        pid = server.process.pid
        samples = seen.memory[pid]
        grows, most = slope(samples), max(mib for _, mib in samples)
        print(
            f"server {pid}: {idle[pid]:.0f} MiB before anybody came, {most:.0f} MiB at most, "
            f"{(most - idle[pid]) / sessions:.1f} MiB a session; "
            + ("too short to tell how it grows" if grows is None else f"{grows:+.2f} MiB a minute once it was warm")
        )
        if grows is not None and grows > wanted.slope:
            problems.append(f"server {pid} grows by {grows:.1f} MiB a minute, and {wanted.slope} are allowed")
        bad = Counter(_in_short(line) for line in server.log if '"level": "ERROR"' in line)
        problems += [f"log: {count} × {what}" for what, count in bad.most_common(5)]
        if server.process.poll() is not None:
            problems.append(f"server {pid} ended with {server.process.returncode}")
    problems += [f"{count} × {what}" for what, count in seen.errors.most_common(20)]
    return problems


def _in_short(line: str) -> str:
    """What a line of the log says went wrong, with the last lines of its traceback."""
    entry = json.loads(line)
    return " | ".join([entry["message"], *str(entry.get("traceback", "")).strip().splitlines()[-6:]])


def decided(url: str) -> int:
    from sqlalchemy import func, select

    from storage.tables import decisions

    database = open_database(url)
    with database.reading() as session:
        count = session.execute(select(func.count()).select_from(decisions)).scalar_one()
    database.engine.dispose()
    return int(count)


def main() -> int:
    wanted = _wanted()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{wanted.items:,} items, {wanted.open:,} of them open; "
        f"{wanted.reviewers} reviewers and {wanted.managers} managers on {wanted.servers}"
    )
    print(
        f"servers for {wanted.minutes} min, thinking {wanted.think} s; {os.cpu_count()} cores, load {load}", flush=True
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own under root
        queues = stack.enter_context(postgresql_queues(wanted.keep or folder))
        url = _plain(queues.copy(wanted.open, wanted.items - wanted.open))
        print("The queue is filled.", flush=True)
        servers = [stack.enter_context(serving(url, folder, double_click_ms="500")) for _ in range(wanted.servers)]
        for server in servers:  # the first page takes what is taken once
            urllib.request.urlopen(server.url, timeout=60).read()  # noqa: S310 -- our own address
        idle, before = {server.process.pid: memory(server.process.pid) for server in servers}, decided(url)
        seen = asyncio.run(soak(wanted, servers, url))
        stored, pressed = decided(url) - before, len(seen.took["decide, next item drawn"])
        problems = told(seen, wanted, servers, idle)
        print(f'{pressed} presses, {stored} decisions stored; {seen.told.total()} times told otherwise than "Saved"')
        for what, count in seen.told.most_common(5):
            print(f"  {count} × {what}")
        if stored != pressed:
            problems.append(f"{pressed} presses and {stored} decisions")
    for problem in problems:
        print(f"FAIL  {problem}")
    if not problems:
        print("PASS  no errors, no growth beyond the slope")
    return int(bool(problems))


def _plain(url: str) -> str:
    address: URL = make_url(url)
    return address.render_as_string(hide_password=False)


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=50_000, help="how many of them are open; the others are decided")
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--managers", type=int, default=5)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--think", type=float, default=10, help="seconds from an item to the press, on average")
    parser.add_argument("--slope", type=float, default=4, help="MiB a minute that a server may grow once it is warm")
    parser.add_argument("--keep", type=Path, help="a folder in which the filled queue stays, for the next time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""F17 and F18: bad receivers, and workers that are killed, while events flow.

A receiver is a process that writes down what it gets before it answers; a worker is a process that runs the relay. What
arrived is held against the outbox afterwards.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from standardwebhooks import Webhook, WebhookVerificationError

from review_queue.addresses import Reach
from review_queue.delivering import SCHEDULE, DeliveryState
from review_queue.roles import Role
from storage import people
from storage.engine import Database, open_database
from storage.tables import deliveries, items, receivers
from tests import outgoing
from tests.crash.faults import Line, Setting, fault
from tests.crash.processes import apart, bury, ended, fork, send
from tests.crash.world import World, build
from tests.invariants import deliveries_slip
from tests.outgoing import HERE, Behaviour, Request, Server, answers
from workbench.actions import delivering
from workbench.relaying import Relay
from workbench.sending import Sender

AN_ITEM = 4  #: events, on average
WORKERS = 2
IN_TIME = 5.0  #: seconds that a good receiver waits for 95 in 100 events
AT_ONCE = 20  #: events that are written in one transaction
TOO_LONG = 600.0  #: seconds after which a run is given up
SMALL_SCHEDULE = (timedelta(seconds=0.2),) * 9
SMALL_LEASE = timedelta(seconds=4)
DRAWN = timedelta(seconds=1)  #: how long a slow receiver may keep us: an attempt's whole time in these runs


# --- receivers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Inbox:
    """A receiver in a process of its own."""

    receiver_id: int
    secret: str
    path: Path  #: one line a request, written before it is answered

    def arrived(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines() if line.endswith("}")]

    def count(self) -> int:
        return self.path.read_bytes().count(b"\n") if self.path.exists() else 0


@dataclass
class Keeper:
    """Writes down what comes, then behaves."""

    secret: str
    path: Path
    behave: Behaviour
    _file: Any = field(default=None)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self._file is None:
            self._file = self.path.open("a", buffering=1)
        line = {"id": request.id, "body": request.body.decode(), "at": time.time(), "ok": self._is_right(request)}
        self._file.write(json.dumps(line) + "\n")
        await self.behave(request, writer)

    def _is_right(self, request: Request) -> bool:
        try:
            Webhook(self.secret).verify(request.body, request.headers)
        except WebhookVerificationError:
            return False
        return True


async def good(request: Request, writer: asyncio.StreamWriter) -> None:
    """Works for a few milliseconds, as one that stores something would."""
    await asyncio.sleep(0.005)
    await answers(200)(request, writer)


def now_and_then(bad: Behaviour, share: float) -> Behaviour:
    """Bad in that share of requests, else good."""
    chance = random.Random("now and then")

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await (bad if chance.random() < share else good)(request, writer)

    return behave


def mended_by(file: Path, bad: Behaviour) -> Behaviour:
    """Bad until there is that file, good from then on."""

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await (good if file.exists() else bad)(request, writer)

    return behave


def serve(listening: socket.socket, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
    """Be a receiver until killed."""

    async def forever() -> None:
        server = Server(behave)
        server.got = _Nothing()
        await (await asyncio.start_server(server.handle, sock=listening, ssl=tls)).serve_forever()

    asyncio.run(forever())


class _Nothing(list[Request]):
    """Requests are on the disk already."""

    def append(self, request: Request) -> None:
        pass


# --- workers -------------------------------------------------------------------------------------------------------


def work(
    url: str, *, lease: timedelta, schedule: tuple[timedelta, ...], total: float, reach: Reach, connects: Path
) -> None:
    """Run a relay until killed; where it connects to is written down by Python's own audit hook."""
    file = connects.open("a", buffering=1)

    def hear(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(args[1], tuple):
            file.write(f"{args[1][0]}\n")

    sys.addaudithook(hear)

    async def forever() -> None:
        async with Sender(reach, total=total, resolve=_resolve) as sender:
            relay = Relay(open_database(url), sender, lease=lease, schedule=schedule, pause=0.2)
            await relay.run()

    asyncio.run(forever())


def _resolve(host: str, port: int) -> list[str]:
    """Names of ours; nothing is asked of the network."""
    inside = {"inside.example": ["10.0.0.7"], "metadata.example": ["169.254.169.254"]}
    if host == "rebinding.example":
        return random.choice([["127.0.0.1"], ["10.0.0.7"], ["::1"], ["::ffff:127.0.0.1"]])
    return inside.get(host, [host if host != "localhost" else "127.0.0.1"])


# --- a run ---------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One database, its receivers and its workers."""

    world: World
    folder: Path
    owner: int
    start_worker: Callable[[], None]
    inboxes: dict[str, Inbox] = field(default_factory=dict)
    servers: list[int] = field(default_factory=list)
    workers: list[int] = field(default_factory=list)

    def receiver(self, name: str, behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> Inbox:
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        port = listening.getsockname()[1]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/{name}"
        receiver_id, secret = apart(lambda: _register(self.world.url, self.owner, url))
        inbox = Inbox(receiver_id, secret, self.folder / f"{name}.log")
        self.servers.append(fork(lambda: serve(listening, Keeper(secret, inbox.path, behave), tls)))
        listening.close()
        self.inboxes[name] = inbox
        return inbox

    def work(self) -> None:
        while len(self.workers) < WORKERS:
            self.workers.append(fork(self.start_worker))

    def kill_one(self, chance: random.Random) -> None:
        worker = self.workers.pop(chance.randrange(len(self.workers)))
        send(worker, signal.SIGKILL)
        bury(worker)
        self.work()

    def until(self, holds: Callable[[], bool], *, what: str, every: float = 0.1) -> None:
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > TOO_LONG:
                raise TimeoutError(f"{what} did not come about in {TOO_LONG:.0f} s")
            if any(ended(worker) is not None for worker in self.workers):
                raise RuntimeError("A worker ended by itself; its traceback is above.")
            time.sleep(every)  # between two looks at other processes

    def states(self) -> Counter[tuple[int, str]]:
        return apart(lambda: _states(self.world.url))

    def slips(self) -> list[str]:
        arrived = {
            inbox.receiver_id: [(each["id"], each["body"].encode()) for each in inbox.arrived()]
            for inbox in self.inboxes.values()
        }
        found = apart(lambda: deliveries_slip(open_database(self.world.url), arrived))
        for name, inbox in self.inboxes.items():
            wrong = sum(not each["ok"] for each in inbox.arrived())
            if wrong:
                found.append(f"{name}: the reference library refused {wrong} of {inbox.count()}")
        return found

    def connected(self) -> Counter[str]:
        return Counter((self.folder / "connects").read_text().split())


@contextmanager
def running(setting: Setting, number: str, database: str, *, events: int, **how: Any) -> Iterator[Run]:
    url, folder = setting.fresh(number, database)
    world = apart(lambda: build(url, items=max(events // AN_ITEM, 1), people_=1))
    owner = apart(lambda: _owner(url))
    run = Run(world, folder, owner, partial(work, url, connects=folder / "connects", **how))
    try:
        yield run
    finally:
        for child in (*run.workers, *run.servers):
            with suppress(ProcessLookupError, ChildProcessError):
                send(child, signal.SIGKILL)
                bury(child)


def produce(url: str, events: int, *, seed: int, pause: float, at_once: int = AT_ONCE) -> None:
    """Write so many events, of items at random, a few at a time."""
    database, chance = open_database(url), random.Random(f"events {seed}")
    with database.reading() as session:
        whose = list(session.execute(select(items.c.id)).scalars())
    sending = outgoing.Sending(database, _workflow(database), 0, 0, tuple(whose))
    for start in range(0, events, at_once):
        sending.events(*chance.choices(whose, k=min(at_once, events - start)))
        time.sleep(pause)  # the pace at which events come


def _workflow(database: Database) -> Any:
    from storage import workflows

    with database.reading() as session:
        return workflows.get(session, "sales")


def _owner(url: str) -> int:
    database = open_database(url)
    with database.writing() as session:
        person_id = people.add(session, issuer="test", subject="sender", name="Sender")
        people.grant(session, person_id, Role.OWNER)
    return person_id


def _register(url: str, owner: int, address: str) -> tuple[int, str]:
    made = delivering.register(
        open_database(url), person_id=owner, workflow_key="sales", url=address, reach=HERE, is_operator=True
    )
    return made.receiver.id, made.secret


def _states(url: str) -> Counter[tuple[int, str]]:
    query = select(deliveries.c.receiver_id, deliveries.c.state, func.count()).group_by(
        deliveries.c.receiver_id, deliveries.c.state
    )
    with open_database(url).reading() as session:
        return Counter({(receiver_id, state): count for receiver_id, state, count in session.execute(query)})


# --- F18 -----------------------------------------------------------------------------------------------------------


@fault("F18")
def the_worker_is_killed_while_events_flow(setting: Setting) -> list[Line]:
    return [_killed(setting, database) for database in setting.databases]


def _killed(setting: Setting, database: str) -> Line:
    events, kills = setting.decisions, 100 if setting.is_whole else max(setting.decisions // 100, 4)
    lease = delivering.LEASE if setting.is_whole else SMALL_LEASE
    chance, started = random.Random(f"kills {setting.seed}"), time.monotonic()
    how = {"lease": lease, "schedule": SCHEDULE, "total": 15.0, "reach": HERE}
    with running(setting, "F18", database, events=events, **how) as run:
        inbox = run.receiver("good", good)
        run.work()
        producer = fork(lambda: produce(run.world.url, events, seed=setting.seed, pause=0.02))
        for number in range(kills):
            share = (number + chance.random()) / kills
            run.until(lambda share=share: inbox.count() >= share * events, what="the next kill", every=0.002)
            time.sleep(chance.random() / 10)  # else it would always be killed in the moment after something arrived
            run.kill_one(chance)
        bury(producer)
        delivered = (inbox.receiver_id, DeliveryState.DELIVERED.value)
        run.until(lambda: run.states()[delivered] == events, what="the end", every=0.5)
        seconds = time.monotonic() - started
        slips, arrived = run.slips(), inbox.arrived()
    doubles = len(arrived) - len({each["id"] for each in arrived})
    lost = events - len({each["id"] for each in arrived})
    if doubles >= (events * 0.01 if setting.is_whole else 2 * kills):  # few kills say little of a share
        slips.append(f"F18: {doubles} of {events} came twice")
    if lost:
        slips.append(f"F18: {lost} of {events} were lost")
    seen = f"{events} events, {kills} kills: {lost} lost, {doubles} came twice, {len(slips)} slips; {seconds:.0f} s"
    target = "0 lost, below 1 % twice and under the same id, each item's in order, all verified"
    return Line("F18", database, target, seen, not slips, problems=tuple(slips))


# --- F17 -----------------------------------------------------------------------------------------------------------


@fault("F17")
def receivers_misbehave(setting: Setting) -> list[Line]:
    return [_misbehaving(setting, database) for database in setting.databases]


def _misbehaving(setting: Setting, database: str) -> Line:
    mended = setting.folder / f"mended-{database}"
    bad: dict[str, Behaviour] = {
        "answers-500": mended_by(mended, now_and_then(answers(500), 0.3)),
        "times-out": mended_by(mended, outgoing.says_nothing),
        "redirects": mended_by(mended, answers(302, "location: http://127.0.0.1:1/\r\n")),
        "is-gone": mended_by(mended, answers(410)),
        "asks-for-time": mended_by(mended, now_and_then(answers(429, "retry-after: 1\r\n"), 0.1)),
        "slow-loris": mended_by(mended, outgoing.drips),
        "hangs-up": mended_by(mended, now_and_then(outgoing.hangs_up, 0.3)),
        "ten-megabytes": answers(200, body=b"x" * 10_000_000),
    }
    events = max(setting.decisions // (len(bad) + 2), 20)
    started = time.monotonic()
    reach = Reach(ports=HERE.ports | {_canary_port(setting)}, to_loopback=True)
    how = {"lease": SMALL_LEASE, "schedule": SMALL_SCHEDULE, "total": DRAWN.total_seconds(), "reach": reach}
    with running(setting, "F17", database, events=events, **how) as run:
        healthy = [run.receiver(f"good-{number}", good) for number in range(2)]
        for name, behave in bad.items():
            run.receiver(name, behave)
        canary = run.folder / "canary.log"
        run.servers.append(fork(lambda: serve(_canaries[setting.folder], Keeper("", canary, good))))
        never = apart(lambda: _inside(run.world.url, run.owner, _canary_port(setting)))
        run.work()
        produce_ = fork(lambda: produce(run.world.url, events, seed=setting.seed, pause=0.1, at_once=2))
        run.until(lambda: all(inbox.count() >= events for inbox in healthy), what="the good ones")
        bury(produce_)
        waits = sorted(wait for inbox in healthy for wait in _waits(inbox))
        mended.touch()
        whole = [inbox.receiver_id for inbox in run.inboxes.values()]
        run.until(lambda: _mend(run, whole, events), what="the end", every=1.0)
        slips, states = run.slips(), run.states()
        connected = run.connected()
        seconds = time.monotonic() - started
    late = waits[int(len(waits) * 0.95)]
    lost = sum(events - states[receiver_id, "delivered"] for receiver_id in whole)
    slips += [f"F17: receiver {number} stands at {states}" for number in whole if states[number, "delivered"] != events]
    slips += [f"F17: {number} was delivered to" for number in never if states[number, "delivered"]]
    if late >= IN_TIME:
        slips.append(f"F17: a good receiver waited {late:.1f} s (p95)")
    if set(connected) - {"127.0.0.1"}:
        slips.append(f"F17: a worker connected to {dict(connected)}")
    if canary.exists():
        slips.append("F17: somebody inside was called by another name")
    seen = (
        f"{events} events to {len(whole)} receivers and {len(never)} inside: {lost} lost, 0 sent inside, "
        f"good ones p95 {late:.2f} s; {seconds:.0f} s"
    )
    target = "0 lost, each item's in order, nothing sent inside, good receivers p95 below 5 s"
    return Line("F17", database, target, seen, not slips, problems=tuple(slips))


_canaries: dict[Path, socket.socket] = {}


def _canary_port(setting: Setting) -> int:
    """Of somebody on this machine, who is to be reached by no other name than this machine's."""
    if setting.folder not in _canaries:
        _canaries[setting.folder] = socket.create_server(("127.0.0.1", 0), backlog=512)
    port: int = _canaries[setting.folder].getsockname()[1]
    return port


def _inside(url: str, owner: int, canary: int) -> list[int]:
    """Receivers that lead inside: by a name that does now, and by an address put past the check into the table."""
    database, found = open_database(url), []
    names = [f"https://rebinding.example:{canary}/", "https://inside.example/", "https://metadata.example/"]
    for number, name in enumerate(names):
        made = delivering.register(
            database,
            person_id=owner,
            workflow_key="sales",
            url=name,
            reach=Reach(ports=frozenset({443, canary})),
            is_operator=True,
        )
        found.append(made.receiver.id)
        if number == 1:
            made = delivering.register(
                database,
                person_id=owner,
                workflow_key="sales",
                url="https://elsewhere.example/",
                reach=HERE,
                is_operator=True,
            )
            found.append(made.receiver.id)
            with database.writing() as session:
                address = {"url": "http://10.0.0.7/"}
                session.execute(receivers.update().where(receivers.c.id == made.receiver.id).values(address))
    return found


def _waits(inbox: Inbox) -> list[float]:
    """Seconds from each event to its first arrival."""
    first: dict[str, float] = {}
    for each in inbox.arrived():
        happened = datetime.fromisoformat(json.loads(each["body"])["timestamp"]).timestamp()
        first.setdefault(each["id"], each["at"] - happened)
    return list(first.values())


def _mend(run: Run, whole: list[int], events: int) -> bool:
    """Resume and replay by hand, as somebody would; whether everything is through by now."""
    apart(lambda: _by_hand(run.world.url, run.owner, whole))
    states = run.states()
    return all(states[receiver_id, "delivered"] == events for receiver_id in whole)


def _by_hand(url: str, owner: int, whole: list[int]) -> None:
    database = open_database(url)
    for receiver_id in whole:
        delivering.resume(database, person_id=owner, receiver_id=receiver_id)
        delivering.replay_all(database, person_id=owner, receiver_id=receiver_id)

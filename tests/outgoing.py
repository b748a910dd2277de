"""Webhooks in tests: events in the outbox, receivers that are known, and real HTTP servers that behave or do not."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy import insert, select
from standardwebhooks import Webhook, WebhookVerificationError

from review_queue.addresses import Reach
from review_queue.roles import Role
from storage.engine import Database, database_time
from storage.tables import items, outbox, receiver_keys
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in, forecasts
from workbench.actions import delivering
from workbench.actions.delivering import Registered

__all__ = ["Webhook", "WebhookVerificationError", "receiver_keys"]  # for the tests beside
HERE = Reach(to_loopback=True)


@dataclass(frozen=True)
class Sending:
    """A workflow with items, somebody who owns it and somebody who looks after the installation."""

    database: Database
    workflow: Workflow
    owner: int
    administrator: int
    items: tuple[int, ...]

    @classmethod
    def of(cls, database: Database, *, items_: int = 3) -> Sending:
        workflow = a_workflow(database)
        owner, administrator = a_person(database, "Oona", Role.OWNER), a_person(database, "Adam", Role.ADMINISTRATOR)
        bring_in(database, workflow, forecasts(items_))
        with database.reading() as session:
            found = tuple(session.execute(select(items.c.id).order_by(items.c.id)).scalars())
        return cls(database, workflow, owner, administrator, found)

    def receiver(self, url: str = "http://127.0.0.1:9/", *, approved: bool = True) -> Registered:
        added = delivering.register(
            self.database, person_id=self.owner, workflow_key=self.workflow.key, url=url, reach=HERE
        )
        if approved:
            delivering.approve(self.database, person_id=self.administrator, receiver_id=added.receiver.id)
        return added

    def events(self, *item_ids: int | None, numbers: Iterator[int] | None = None) -> list[int]:
        """An event of each of these items, in this order; the ids in the outbox."""
        made = []
        with self.database.writing() as session:
            for place, item_id in enumerate(item_ids):
                number = next(numbers) if numbers else place
                event = {
                    "workflow_id": self.workflow.id,
                    "item_id": item_id,
                    "topic": "decision.made" if item_id else "period.locked",
                    "payload": {"number": number},
                }
                added = insert(outbox).values(**event, created_at=database_time()).returning(outbox.c.id)
                made.append(session.execute(added).scalar_one())
        return made


# --- receivers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float  #: by the monotonic clock

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["data"]
        return found


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


async def _reply(status: int, headers: str, body: bytes, request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(f"HTTP/1.1 {status} X\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


def answers(status: int, headers: str = "", body: bytes = b"") -> Behaviour:
    """Answer at once; ``headers`` as they go over the wire, each ended by a line break."""
    return partial(_reply, status, headers, body)


async def says_nothing(request: Request, writer: asyncio.StreamWriter) -> None:
    """Take the request, and never answer."""
    await asyncio.sleep(3600)


async def drips(request: Request, writer: asyncio.StreamWriter) -> None:
    """A slow loris: one byte of a header after the other, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def drips_its_body(request: Request, writer: asyncio.StreamWriter) -> None:
    """Say yes, and then never end."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


class Gusher:
    """Say yes, and then send as much as is taken; how much that was."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = threading.Event()

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                self.sent += 65536
        finally:
            self.ended.set()


async def talks_nonsense(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01 no such protocol\r\n\r\n")
    await writer.drain()
    writer.close()


async def hangs_up(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.close()


@dataclass
class Server:
    """A receiver on this machine, and every request that it got."""

    behave: Behaviour
    port: int = 0
    is_encrypted: bool = False
    got: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.is_encrypted else 'http'}://127.0.0.1:{self.port}/hooks"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while not writer.is_closing():
                request = await _read(reader)
                self.got.append(request)
                await self.behave(request, writer)
        writer.close()

    def verified(self, secret: str) -> list[Request]:
        """What came, every request of which the reference library must accept."""
        for request in self.got:
            Webhook(secret).verify(request.body, request.headers)
        return self.got


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split()[1], headers, body, monotonic())


@contextmanager
def receiving(behave: Behaviour, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A real server that behaves like that, on any free port, in a thread of its own."""
    server, loop, ready = Server(behave, is_encrypted=tls is not None), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        with suppress(asyncio.CancelledError):
            await listening.serve_forever()

    task = loop.create_task(serve())
    thread = threading.Thread(target=_run, args=(loop, task), daemon=True)
    thread.start()
    ready.wait()
    yield server
    loop.call_soon_threadsafe(task.cancel)
    thread.join(timeout=10)


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    for left in asyncio.all_tasks(loop):
        left.cancel()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()

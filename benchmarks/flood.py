"""A flood at the doors while somebody works (F24): uploads, strangers' sockets and messages without end.

    python benchmarks/flood.py [--users 20] [--megabytes 200] [--sockets 1000] [--seconds 15]

One server, all from this machine. A reviewer draws Review over and over, `/readyz` is asked five times a second, and
the server's memory is sampled, while others (1) send large files without having signed in, (2) send them signed in,
with their length said and without, (3) send files of the size that is allowed, which the server keeps, (4) open sockets
without a cookie, and with one that nobody was given, (5) sign in and send ten thousand messages a second. Printed is
what was answered, the slowest `/readyz`, what the reviewer waited, and the most memory. It fails if a door gave way, if
`/readyz` took a second or was not 200, if memory passed 1.5 GB, or if the reviewer met an error.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import httpx
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg

from benchmarks.soak import memory
from review_queue.roles import Role
from storage import schema
from storage.engine import open_database
from tests.browser.steps import Workbench, serving
from tests.builders import a_person, a_workflow, bring_in, forecasts
from tests.tabs import Tab, connect
from workbench import auth
from workbench.session import BROWSER_COOKIE
from workbench.sockets import STRANGERS

MEGABYTE = 2**20
MOST_MEMORY = 1500  #: MiB
SLOWEST = 1.0  #: seconds that `/readyz` may take
ALLOWED = 20  #: MiB of a file that is not too large
UPLOAD = "/_stcore/upload_file"
XSRF = "_streamlit_xsrf"


class Watch:
    """What somebody else sees meanwhile."""

    def __init__(self, server: Workbench, token: str) -> None:
        self.server, self.token = server, token
        self.ready: list[float] = []
        self.drawn: list[float] = []
        self.memory: list[float] = []
        self.problems: Counter[str] = Counter()

    async def ask_readiness(self) -> None:
        async with httpx.AsyncClient(base_url=self.server.url, timeout=10) as client:
            while True:
                began = monotonic()
                try:
                    status = (await client.get("/readyz")).status_code
                except httpx.HTTPError as error:
                    status = type(error).__name__
                self.ready.append(monotonic() - began)
                if status != 200:
                    self.problems[f"/readyz: {status}"] += 1
                self.memory.append(memory(self.server.process.pid))
                await asyncio.sleep(0.2)

    async def work(self) -> None:
        async with connect(self.server.url, self.token) as socket:
            tab = Tab(socket)
            while True:
                self.drawn.append(await tab.draw("review"))
                for said in tab.said:
                    self.problems[f"the reviewer saw {said}"] += 1
                await asyncio.sleep(1)


async def upload(server: Workbench, megabytes: int, *, token: str = "", session: str = "none", is_told: bool) -> str:
    """The status of one upload, or what ended it."""
    size = megabytes * MEGABYTE
    cookies = {BROWSER_COOKIE: token} if token else {}
    async with httpx.AsyncClient(base_url=server.url, timeout=60, cookies=cookies) as client:
        await client.get("/_stcore/health")
        headers = {"X-Xsrftoken": client.cookies.get(XSRF, ""), "Content-Type": "multipart/form-data; boundary=b"}
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        if is_told:
            headers["Content-Length"] = str(len(head) + size + len(b"\r\n--b--\r\n"))
        try:
            answer = await client.put(f"{UPLOAD}/{session}/f", content=_body(head, megabytes), headers=headers)
        except httpx.HTTPError as error:  # it hung up in the middle of the file
            return f"hung up ({type(error).__name__})"
        return str(answer.status_code)


async def _body(head: bytes, megabytes: int) -> AsyncIterator[bytes]:
    yield head
    for _ in range(megabytes):
        yield b"x" * MEGABYTE
    yield b"\r\n--b--\r\n"


async def knock(server: Workbench, cookie: str | None, open_ones: AsyncExitStack) -> str:
    """Open a socket and keep it open: ``open``, or the status that refused it."""
    headers = {"Cookie": f"{BROWSER_COOKIE}={cookie}"} if cookie else {}
    try:
        await open_ones.enter_async_context(
            websockets.connect(
                server.url.replace("http", "ws") + "/_stcore/stream",
                additional_headers=headers,
                subprotocols=[websockets.Subprotocol("streamlit")],
                origin=websockets.Origin(server.url),
                open_timeout=60,
            )
        )
    except websockets.InvalidStatus as refused:
        return str(refused.response.status_code)
    return "open"


async def shout(server: Workbench, token: str, until: float, seen: Counter[str]) -> None:
    """Send a thousand messages a second, and come back when shut out."""
    message = BackMsg()
    message.rerun_script.page_name = "review"
    content = message.SerializeToString()
    while monotonic() < until:
        with suppress(websockets.ConnectionClosed):
            async with connect(server.url, token) as socket:
                seen["opened"] += 1
                while monotonic() < until:
                    for _ in range(10):
                        await socket.send(content)
                    seen["sent"] += 10
                    await asyncio.sleep(0.01)  # a thousand a second from each, or this process would hear of nothing
        seen["shut out"] += 1
        await asyncio.sleep(0.05)


async def session_of(server: Workbench, token: str, open_ones: AsyncExitStack) -> str:
    """The id of an open page."""
    socket = await open_ones.enter_async_context(connect(server.url, token))
    tab = Tab(socket)
    await tab.draw("data")
    return tab.session


async def flood(server: Workbench, wanted: argparse.Namespace, tokens: list[str]) -> list[str]:
    watch = Watch(server, tokens[-1])
    problems: list[str] = []
    watching = [asyncio.create_task(watch.ask_readiness()), asyncio.create_task(watch.work())]

    def told(what: str, answers: Counter[str], *, refused: bool = True) -> None:
        print(f"{what}: " + ", ".join(f"{count:,} × {answer}" for answer, count in answers.most_common()), flush=True)
        bad = {answer: count for answer, count in answers.items() if (answer in ("200", "204", "open")) == refused}
        problems.extend(f"{what}: {count} × {answer}" for answer, count in bad.items())

    async def all_of(*uploads: object) -> Counter[str]:
        return Counter(await asyncio.gather(*uploads))  # type: ignore[call-overload]

    async with AsyncExitStack() as open_ones:
        users = tokens[: wanted.users]
        pages = [await session_of(server, token, open_ones) for token in users]
        size = wanted.megabytes
        files = [upload(server, size, is_told=number % 2 == 0) for number in range(wanted.users)]
        told(f"{wanted.users} files of {size} MB, not signed in", await all_of(*files))
        for is_told in (True, False):
            files = [
                upload(server, size, token=token, session=page, is_told=is_told)
                for token, page in zip(users, pages, strict=True)
            ]
            told(
                f"{wanted.users} files of {size} MB, signed in, length {'' if is_told else 'not '}said",
                await all_of(*files),
            )
        files = [
            upload(server, ALLOWED, token=token, session=page, is_told=True)
            for token, page in zip(users, pages, strict=True)
        ]
        told(f"{wanted.users} files of {ALLOWED} MB, signed in", await all_of(*files), refused=False)
    async with AsyncExitStack() as open_ones:
        told(
            f"{wanted.sockets:,} sockets without a cookie",
            await all_of(*(knock(server, None, open_ones) for _ in range(wanted.sockets))),
        )
        strangers = await all_of(
            *(knock(server, f"made-up-{number:035d}", open_ones) for number in range(wanted.sockets))
        )
        print(f"{wanted.sockets:,} sockets with a cookie that nobody was given: {dict(strangers)}", flush=True)
        if strangers["open"] > STRANGERS:
            problems.append(f"{strangers['open']} strangers came in, and {STRANGERS} may from one address")
    seen: Counter[str] = Counter()
    until = monotonic() + wanted.seconds
    await asyncio.gather(*(shout(server, token, until, seen) for token in tokens[:10]))
    print(
        f"10 who shout for {wanted.seconds:.0f} s: {seen['sent']:,} messages sent, shut out {seen['shut out']:,} times"
    )
    for task in watching:
        task.cancel()
    for ended in await asyncio.gather(*watching, return_exceptions=True):
        if isinstance(ended, Exception):
            problems.append(f"whoever worked meanwhile was thrown out: {ended!r}")
    print(
        f"/readyz: {len(watch.ready)} times, {max(watch.ready):.2f} s at most; "
        f"the reviewer drew {len(watch.drawn)} pages, "
        f"{sorted(watch.drawn)[len(watch.drawn) // 2]:.2f} s the middle one, {max(watch.drawn):.2f} s at most; "
        f"memory {max(watch.memory):.0f} MiB at most"
    )
    problems += [f"{count} × {what}" for what, count in watch.problems.items()]
    if max(watch.ready) >= SLOWEST:
        problems.append(f"/readyz took {max(watch.ready):.2f} s")
    if max(watch.memory) > MOST_MEMORY:
        problems.append(f"the server held {max(watch.memory):.0f} MiB")
    return problems


def people_in(url: str, count: int) -> list[str]:
    """Tokens of ``count`` people who have signed in, and something for them to review."""
    database = open_database(url)
    schema.upgrade(database)
    bring_in(database, a_workflow(database), forecasts(40))
    tokens = []
    for number in range(count):
        token = f"flood-{number:037d}"
        auth.keep(database, token, a_person(database, f"Person {number}", Role.DIRECTOR))
        tokens.append(token)
    database.engine.dispose()
    return tokens


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flood-") as folder:
        url = f"sqlite:///{folder}/workbench.db"
        tokens = people_in(url, wanted.users + 11)
        with serving(url, Path(folder)) as server:
            problems = asyncio.run(flood(server, wanted, tokens))
    for problem in problems:
        print(f"FAIL  {problem}")
    if not problems:
        print("PASS  the doors held, and whoever worked went on")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())

"""The gate's watch over sockets: who presses, on a page that was drawn for whom, and how fast.

Streamlit runs what a press asks for before the page asks who is there. So a press on a page that was drawn for
somebody who is no longer signed in draws that page anew, and does nothing else.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from functools import partial
from time import monotonic
from typing import Protocol

from anyio import to_thread
from google.protobuf.message import DecodeError
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit.proto.BackMsg_pb2 import BackMsg

from review_queue.errors import ReviewError
from storage.engine import CommitInDoubt

#: What a page knows its socket by. Only the gate can write it: whatever a browser sends under this name is dropped.
HEADER = "x-workbench-socket"
SECONDS = 10  #: over which messages are counted
MESSAGES = 20 * SECONDS  #: that one socket may send in them
STRANGERS = 100  #: sockets that one address may hold open before anybody has signed in there

LOOKS_EVERY = 10.0  #: seconds between two looks at who is signed in, while a page only refreshes itself

_drawn: dict[str, int | None] = {}  #: whom the page on each open socket was drawn for

log = logging.getLogger("workbench")


def drawn_for(socket: str | None, person_id: int | None) -> None:
    """Note whom the page on this socket was drawn for. Without a gate before it there is nothing to note."""
    if socket in _drawn:
        _drawn[socket] = person_id


class Standing(Protocol):
    """Who is signed in with a browser's token, which is noted as something done if it is ``acting``."""

    def __call__(self, token: str, *, acting: bool) -> int | None: ...


class Sockets:
    """Sockets of those who loaded a page here, within bounds, and presses of those who are signed in still."""

    def __init__(self, app: ASGIApp, *, standing: Standing, cookie: str) -> None:
        self.app = app
        self.standing = standing
        self.cookie = cookie
        self.strangers: Counter[str] = Counter()
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        token = HTTPConnection(scope).cookies.get(self.cookie)
        address = (scope.get("client") or ("", 0))[0]
        if token is None or self.strangers[address] >= STRANGERS:
            await WebSocketClose(code=WS_1008_POLICY_VIOLATION)(scope, receive, send)
            return
        watch = _Watch(self, token, address)
        foreign = [(name, value) for name, value in scope["headers"] if name.lower() != HEADER.encode()]
        try:
            await watch.look(acting=False)
            named = {**scope, "headers": [*foreign, (HEADER.encode(), watch.name.encode())]}
            await self.app(named, watch.receiving(receive, send), send)
        finally:
            watch.end()


class _Watch:
    """One open socket."""

    def __init__(self, gate: Sockets, token: str, address: str) -> None:
        self.gate, self.token, self.address = gate, token, address
        self.name = secrets.token_urlsafe(12)
        self.is_stranger = True
        self.looked_at = 0.0
        gate.strangers[address] += 1
        _drawn[self.name] = None

    def end(self) -> None:
        self._stop_counting()
        _drawn.pop(self.name, None)

    async def look(self, *, acting: bool) -> int | None:
        """Who is signed in here now; while the database is away, whoever it was, and the action asks again."""
        self.looked_at = monotonic()
        try:
            person_id = await to_thread.run_sync(partial(self.gate.standing, self.token, acting=acting))
        except (SQLAlchemyError, CommitInDoubt, ReviewError):
            return _drawn[self.name]
        if person_id is not None:
            self._stop_counting()
        return person_id

    def receiving(self, receive: Receive, send: Send) -> Receive:
        async def checked() -> Message:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            if not self.gate.limiter.hit(RateLimitItemPerSecond(MESSAGES, SECONDS), self.name):
                log.warning("A socket sent more than %d messages in %d s and was closed", MESSAGES, SECONDS)
                reason = f"Too many messages. Try again in {SECONDS} seconds."
                await send({"type": "websocket.close", "code": WS_1008_POLICY_VIOLATION, "reason": reason})
                return {"type": "websocket.disconnect", "code": WS_1008_POLICY_VIOLATION}
            return await self._allowed(message)

        return checked

    async def _allowed(self, message: Message) -> Message:
        asked = _parsed(message.get("bytes"))
        if asked is None or asked.WhichOneof("type") != "rerun_script":
            return message
        was, acting = _drawn[self.name], not asked.rerun_script.is_auto_rerun
        if not acting and (was is None or monotonic() - self.looked_at < LOOKS_EVERY):
            return message
        if await self.look(acting=acting) == was or was is None:
            return message
        asked.rerun_script.ClearField("widget_states")
        asked.rerun_script.ClearField("fragment_id")
        asked.rerun_script.is_auto_rerun = False
        return {**message, "bytes": asked.SerializeToString()}

    def _stop_counting(self) -> None:
        if self.is_stranger:
            self.is_stranger = False
            self.gate.strangers[self.address] -= 1
            if self.gate.strangers[self.address] <= 0:
                del self.gate.strangers[self.address]


def _parsed(content: bytes | None) -> BackMsg | None:
    """What a browser asks for; None if it is nothing that Streamlit would understand, which it says itself."""
    if content is None:
        return None
    asked = BackMsg()
    try:
        asked.ParseFromString(content)
    except DecodeError:
        return None
    return asked

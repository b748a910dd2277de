"""What stands between the network and Streamlit, as plain ASGI: headers, cookies, shut doors; sockets apart."""

from __future__ import annotations

import logging
import re
import secrets
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from http.cookies import SimpleCookie
from math import ceil
from pathlib import Path
from time import time
from urllib.parse import urlsplit

import streamlit
from anyio import to_thread
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench import back_channel, logs, metrics
from workbench.session import BROWSER_COOKIE

CONDITIONS = (b"if-none-match", b"if-modified-since")
WANTED_COOKIE = "workbench_wanted"
THIRTY_DAYS = 30 * 24 * 3600
TEN_MINUTES = 600
REQUEST_ID = "X-Request-Id"
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
#: The query parameter by which the sign-in page learns why one is there again.
SIGN_IN_TOLD = "sign-in"
#: How often one address may be where a sign-in begins and ends, and where the provider ends sessions: of whole teams.
SIGN_INS, LOGOUTS = RateLimitItemPerMinute(20), RateLimitItemPerMinute(120)
RATES = {"/auth/login": SIGN_INS, "/oauth2callback": SIGN_INS, back_channel.PATH: LOGOUTS}


log = logging.getLogger("workbench")


def _inline_scripts() -> str:
    """The hashes of the scripts inside Streamlit's own page, which the policy lets run, and no other."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    found = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in found)


POLICY = "; ".join(
    (
        "default-src 'self'",
        f"script-src 'self' {_inline_scripts()}".strip(),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Within our own pages the address is known, so that one comes back to the page that one wanted.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
TRANSPORT = "max-age=31536000; includeSubDomains"

#: What a browser takes from this host alone, over https.
HOST_ONLY = b"__Host-"
#: How the cookies begin that say who somebody is: the browser's own, and Streamlit's, which may be in parts.
BOUND = (BROWSER_COOKIE.encode(), b"_streamlit_user")

#: Streamlit's own doors that nobody of ours goes through.
SHUT = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
#: Doors for those who have signed in.
GUARDED = ("/_stcore/upload_file", "/media")


class RequestIds:
    """A short id for each request, in its answer and in every line that the log says of it.

    One that a proxy gave is kept, so that its log and ours tell of the same request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        this = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = this
            await send(message)

        before = logs.request_id.set(this)
        try:
            await self.app(scope, receive, with_id)
        finally:
            logs.request_id.reset(before)


class OpenPages:
    """Counts the sockets of pages: there is one for each browser tab that shows the workbench."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        with metrics.active_sessions.track_inprogress():
            await self.app(scope, receive, send)


class SecurityHeaders:
    """The security headers on every answer, errors and files included.

    Over https every cookie is ``Secure``, and those that say who somebody is are bound to this very host by their name:
    the browser knows them as ``__Host-…``, and takes such a one from nobody else. What is behind the gate does not see
    the difference.

    Args:
        always_https: people come over https, whatever the proxy in between says of it.
    """

    def __init__(self, app: ASGIApp, *, always_https: bool = False) -> None:
        self.app = app
        self.always_https = always_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        is_https = self.always_https or scope["scheme"] in ("https", "wss")
        if is_https:
            scope = {**scope, "headers": [_unbound(*header) for header in scope["headers"]]}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
                if is_https:
                    MutableHeaders(scope=message)["Strict-Transport-Security"] = TRANSPORT
                    message["headers"] = [_bound(*header) for header in message["headers"]]
            await send(message)

        await self.app(scope, receive, with_headers)


class BrowserCookie:
    """A random token for each browser, that no script can read: how a sign-in survives a reload."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or BROWSER_COOKIE in HTTPConnection(scope).cookies:
            await self.app(scope, receive, send)
            return
        # A page that the browser still has would be answered without a type, and so without a cookie.
        fresh = [(name, value) for name, value in scope["headers"] if name not in CONDITIONS]

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    token = secrets.token_urlsafe(32)
                    headers.append("Set-Cookie", _cookie(BROWSER_COOKIE, token, seconds=THIRTY_DAYS))
            await send(message)

        await self.app({**scope, "headers": fresh}, receive, with_cookie)


class ShutDoors:
    """404 at the doors that are not in use, 403 at uploads and files for those who have not signed in."""

    def __init__(self, app: ASGIApp, *, is_signed_in: Callable[[str], bool]) -> None:
        self.app = app
        self.is_signed_in = is_signed_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif path.startswith(SHUT):
            await JSONResponse({"error": "not found"}, status_code=404)(scope, receive, send)
        elif path.startswith(GUARDED) and not await self._may_pass(scope):
            await JSONResponse({"error": "sign in first"}, status_code=403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _may_pass(self, scope: Scope) -> bool:
        token = HTTPConnection(scope).cookies.get(BROWSER_COOKIE)
        return token is not None and await to_thread.run_sync(self.is_signed_in, token)


class WayBack:
    """After a sign-in at the identity provider: back to the page that was wanted, and no tokens in the browser.

    Whoever signs in gets another browser's token, and what the one before was signed in as ends (``forget``).
    """

    def __init__(self, app: ASGIApp, *, forget: Callable[[str], None]) -> None:
        self.app = app
        self.forget = forget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path not in ("/auth/login", "/oauth2callback"):
            await self.app(scope, receive, send)
            return
        leaving, request = path == "/auth/login", HTTPConnection(scope)
        wanted = wanted_page(request.headers) if leaving else request.cookies.get(WANTED_COOKIE)

        async def with_way_back(message: Message) -> None:
            if message["type"] == "http.response.start":
                if leaving:
                    _remember(message, wanted)
                    if message["status"] >= HTTPStatus.BAD_REQUEST:
                        _explain(message, "away")
                else:
                    _drop_tokens(message)
                    _lead_back(message, wanted)
                    if _opens_a_session(message):
                        await self._renew(message, request.cookies.get(BROWSER_COOKIE))
                    elif b"state=" in scope.get("query_string", b""):
                        _explain(message, "failed")
            await send(message)

        await self.app(scope, receive, with_way_back)

    async def _renew(self, message: Message, before: str | None) -> None:
        if before:
            await to_thread.run_sync(self.forget, before)
        cookie = _cookie(BROWSER_COOKIE, secrets.token_urlsafe(32), seconds=THIRTY_DAYS)
        MutableHeaders(scope=message).append("Set-Cookie", cookie)


class SignInRate:
    """So many sign-ins or logouts a minute from one address, and then 429, which says when to come back."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        rate = RATES.get(path) if scope["type"] == "http" else None
        address = (scope.get("client") or ("", 0))[0]
        if rate is None or self.limiter.hit(rate, address, path):
            await self.app(scope, receive, send)
            return
        seconds = max(1, ceil(self.limiter.get_window_stats(rate, address, path).reset_time - time()))
        what = "sign-ins" if rate is SIGN_INS else "logouts"
        log.warning("Too many %s from one address", what, extra={"path": path})
        text = f"Too many {what} from this address. Try again in {seconds} seconds."
        refusal = PlainTextResponse(text, status_code=429, headers={"Retry-After": str(seconds)})
        await refusal(scope, receive, send)


def wanted_page(headers: Headers) -> str | None:
    """Path and query of the page of ours that a request came from, if it came from one."""
    came_from = urlsplit(headers.get("referer", ""))
    if came_from.netloc != headers.get("host") or not _is_ours(came_from.path):
        return None
    return f"{came_from.path}?{came_from.query}" if came_from.query else came_from.path


def _explain(message: Message, what: str) -> None:
    """Back to the sign-in page, which says what happened."""
    message["status"] = HTTPStatus.FOUND
    headers = MutableHeaders(scope=message)
    headers["Location"] = f"/?{SIGN_IN_TOLD}={what}"
    headers["Content-Type"] = "text/plain"


def _remember(message: Message, wanted: str | None) -> None:
    if wanted:
        cookie = _cookie(WANTED_COOKIE, wanted, seconds=TEN_MINUTES)
        MutableHeaders(scope=message).append("Set-Cookie", cookie)


def _lead_back(message: Message, wanted: str | None) -> None:
    headers = MutableHeaders(scope=message)
    if wanted and _is_ours(wanted) and headers.get("location") == "/":
        headers["Location"] = wanted
        headers.append("Set-Cookie", _cookie(WANTED_COOKIE, "", seconds=0))


def _is_ours(path: str) -> bool:
    # Two slashes, or a backslash, would name another host.
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()


def _cookie(name: str, value: str, *, seconds: int) -> str:
    cookie = SimpleCookie({name: value})[name]
    cookie["path"], cookie["max-age"], cookie["samesite"] = "/", str(seconds), "Lax"
    cookie["httponly"] = True
    return cookie.OutputString()


def _bound(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header of an answer; a cookie in it ``Secure``, and of this host alone where it says who somebody is."""
    if name.lower() != b"set-cookie":
        return name, value
    if b"; secure" not in value.lower():
        value += b"; Secure"
    return name, HOST_ONLY + value if value.startswith(BOUND) else value


def _unbound(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header of a request; of the cookies that are bound to this host only those that are."""
    if name.lower() != b"cookie":
        return name, value
    kept = []
    for each in value.split(b";"):
        cookie = each.strip()
        if cookie.startswith(HOST_ONLY):
            kept.append(cookie.removeprefix(HOST_ONLY))
        elif not cookie.startswith(BOUND):
            kept.append(cookie)
    return name, b"; ".join(kept)


def _opens_a_session(message: Message) -> bool:
    """Whether an answer gives the browser an identity, and not only takes one away."""
    return any(
        name.lower() == b"set-cookie" and value.startswith(b"_streamlit_user=") and b"Max-Age=0" not in value
        for name, value in message["headers"]
    )


def _drop_tokens(message: Message) -> None:
    """The provider's tokens serve nothing here, so they do not travel."""
    message["headers"] = [
        (name, value)
        for name, value in message["headers"]
        if not (name.lower() == b"set-cookie" and value.startswith(b"_streamlit_user_tokens"))
    ]

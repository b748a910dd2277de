"""Sending one webhook: over HTTPS to a public address that is looked up and held to, once, within limits."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import monotonic
from types import TracebackType

import httpx

from review_queue.addresses import Reach, Target, is_allowed, target_of
from review_queue.delivering import Answer
from review_queue.errors import ReceiverRefused
from workbench.settings import Settings

TOTAL = 15.0  #: seconds for a whole attempt, from the look-up of the name to the answer's headers
CONNECT = 5.0  #: of these, seconds for one address to take the connection
FOR_BODY = 1.0  #: seconds more in which the rest of an answer may come, so that the connection can be used again
LONGEST_ANSWER = 64 * 1024  #: bytes of an answer that are read, and thrown away
ADDRESSES = 3  #: that are tried, of those that a name leads to
LOOK_UPS = 32  #: at once
NAME = "review-workbench"

Resolve = Callable[[str, int], list[str]]


class NotSent(Exception):
    """No request was made; the words say why, as a clause."""


def reach_of(settings: Settings) -> Reach:
    """How far webhooks may go here."""
    return Reach(ports=settings.webhook_ports, to_loopback=settings.webhook_loopback)


def resolve(host: str, port: int) -> list[str]:
    """The addresses that a name leads to, in the order of the system's choice."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Sender:
    """Makes attempts for one process: ``async with Sender(reach) as sender``."""

    def __init__(
        self, reach: Reach, *, total: float = TOTAL, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._reach = reach
        self._total = total
        self._resolve = resolve
        self._tls = tls or httpx.create_ssl_context(trust_env=False)
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="look-up")
        #: One for each receiver's server: a connection is never used for another name than its certificate was for.
        self._clients: dict[tuple[str, int], httpx.AsyncClient] = {}

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._look_ups.shutdown(wait=False, cancel_futures=True)

    async def send(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """One attempt, and what came of it. Whatever a receiver does, this ends in time."""
        started = monotonic()
        status, asked, problem = None, None, ""
        try:
            async with asyncio.timeout(self._total):
                response = await self._answer(target_of(url, self._reach), headers, body)
            status, asked = response.status_code, response.headers.get("retry-after")
            await _use_up(response)
        except TimeoutError:
            problem = f"no answer came within {self._total:g} s"
        except (NotSent, ReceiverRefused) as refusal:
            problem = str(refusal).rstrip(".")
        except httpx.HTTPError as error:
            problem = _in_words(error)
        return Answer(status, problem, asked, timedelta(seconds=monotonic() - started))

    async def _answer(self, target: Target, headers: dict[str, str], body: bytes) -> httpx.Response:
        """The answer's headers, from the first of the target's addresses that takes the connection."""
        addresses = await self._allowed(target)
        for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            try:
                return await self._ask(target, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if not left:
                    raise
        raise NotSent("the name leads nowhere")

    async def _allowed(self, target: Target) -> list[str]:
        """The addresses that the name leads to now, all of which must be where webhooks may go."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._look_ups, self._resolve, target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise NotSent("the name of the server leads nowhere") from error
        if not all(is_allowed(address, target) for address in found):
            raise NotSent("the name of the server leads to an address that is not public, where nothing is sent")
        return found[:ADDRESSES]

    async def _ask(self, target: Target, address: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        url = httpx.URL(target.url)
        client = self._client(target)
        request = client.build_request(
            "POST",
            url.copy_with(host=address),  # the address that was looked at, not the name, which may lead elsewhere next
            content=body,
            headers={**headers, "host": url.netloc.decode(), "user-agent": NAME, "accept-encoding": "identity"},
            extensions={"sni_hostname": target.host},  # which the certificate is held against, too
        )
        return await client.send(request, stream=True)

    def _client(self, target: Target) -> httpx.AsyncClient:
        key = (target.host, target.port)
        if key not in self._clients:
            self._clients[key] = httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(self._total, connect=CONNECT),
                limits=httpx.Limits(keepalive_expiry=CONNECT - 1),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            )
        return self._clients[key]


async def _use_up(response: httpx.Response) -> None:
    """Read what is left of an answer if it is short and comes soon; else let the connection go."""
    size = 0
    try:
        async with asyncio.timeout(FOR_BODY):
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > LONGEST_ANSWER:
                    break
    except (TimeoutError, httpx.HTTPError):
        pass  # the status is known, and is all that counts
    finally:
        await response.aclose()


def _in_words(error: httpx.HTTPError) -> str:
    """What went wrong on the way, without anything that a receiver wrote."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the certificate of the server is not valid for its name"
        if isinstance(cause, ssl.SSLError):
            return "no encrypted connection came about"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectTimeout):
        return f"the server did not take the connection within {CONNECT:g} s"
    if isinstance(error, httpx.ConnectError):
        return "the server did not take the connection"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the server did not answer in HTTP"
    return "the connection broke"

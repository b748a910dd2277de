"""The routes of ``/api/v1``: who asks, how often, what it says; then the operation, in a thread of its own."""

from __future__ import annotations

import logging
import re
import secrets
from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from time import perf_counter

from anyio import to_thread
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from review_queue.errors import ReviewError
from storage.engine import Database
from storage.tokens import PREFIX, Bearer, TokenRefused
from workbench import metrics
from workbench.actions import telling
from workbench.api import asked, bodies, problems
from workbench.api.document import BASE, document
from workbench.api.operations import OPERATIONS, Call, Operation
from workbench.api.problems import Refused
from workbench.api.rates import Rates

IDEMPOTENCY_KEY = "Idempotency-Key"
IMPORTS_AT_ONCE = 2
#: An answer is for whoever showed the token, and holds at that moment.
NOT_KEPT = {"Cache-Control": "no-store"}
_BEARER = re.compile(rf"Bearer +({PREFIX}[A-Za-z0-9_-]{{43}})", re.IGNORECASE)
_KEY = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')

log = logging.getLogger("workbench")


class _Below(Mount):
    """All that is below a path, also where a line ends in it: Starlette's own leaves that to whatever comes after."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app=app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


def interface(database: Callable[[], Database], *, requests_per_minute: int, imports_per_minute: int) -> Mount:
    """The interface, where it belongs among the server's routes.

    Args:
        database: asked at each request.
        requests_per_minute: of one token, in this process.
        imports_per_minute: of those, how many may bring rows in.
    """
    rates = Rates(requests=requests_per_minute, imports=imports_per_minute)
    described = document()
    imports = ThreadPoolExecutor(IMPORTS_AT_ONCE, thread_name_prefix="import")

    def openapi(request: Request) -> Response:
        return Response(described, media_type="application/json")

    def route(operation: Operation) -> Route:
        async def answer(request: Request) -> Response:
            return await _told(request, operation, lambda: _answer(operation, request, database(), rates, imports))

        return Route(operation.path, answer, methods=[operation.method], name=operation.name)

    app = Starlette(
        routes=[Route("/openapi.json", openapi), *(route(operation) for operation in OPERATIONS)],
        exception_handlers={HTTPException: _no_route, Exception: _unforeseen},
    )
    app.router.redirect_slashes = False
    return _Below(BASE, app)


async def _told(request: Request, operation: Operation, answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, of which the log tells a line: what was asked, and with what status that ended."""
    began = perf_counter()
    response = await _said(request, answer)
    facts = {
        "event": operation.name,
        "status": response.status_code,
        "duration_ms": round((perf_counter() - began) * 1000, 1),
    }
    log.info("%s: %s", operation.name, response.status_code, extra=facts)
    return response


async def _said(request: Request, answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, or the refusal as a problem."""
    try:
        response = await answer()
    except Refused as refused:
        response = problems.answer(refused)
    except ReviewError as refusal:
        metrics.refused(refusal)
        response = problems.answer(problems.of(refusal))
    except ClientDisconnect:
        response = Response(status_code=400)  # to nobody
    response.headers.update(NOT_KEPT)
    return response


async def _answer(
    operation: Operation, request: Request, database: Database, rates: Rates, imports: ThreadPoolExecutor
) -> Response:
    bearer = await to_thread.run_sync(_bearer, database, request)
    writes = operation.body is not None
    rates.count(bearer.token_id, is_import=writes)
    query = asked.read(operation.query, request.query_params)
    key = _idempotency_key(request) if writes else ""
    body = await bodies.json_body(request) if writes else None
    call = Call(database, bearer, _path(request), query, body, key)
    if writes:
        within = copy_context()  # the log tells of which request, in that thread too
        found = await get_running_loop().run_in_executor(imports, within.run, operation.handle, call)
    else:
        found = await to_thread.run_sync(operation.handle, call)
    if isinstance(found, BaseModel):
        return Response(found.model_dump_json(), media_type="application/json")
    return found


def _bearer(database: Database, request: Request) -> Bearer:
    shown = request.headers.get("authorization", "")
    if not shown:
        raise problems.unauthorised("TOKEN_MISSING", "Send a token: Authorization: Bearer rwb_….")
    matched = _BEARER.fullmatch(shown)
    if matched is None:  # as nothing that was ever made looks, no database need be asked
        raise TokenRefused
    return telling.bearer_of(database, matched[1])


def _idempotency_key(request: Request) -> str:
    sent = request.headers.get(IDEMPOTENCY_KEY)
    if sent is None:
        raise Refused(
            400,
            "IDEMPOTENCY_KEY_MISSING",
            f"Send {IDEMPOTENCY_KEY} with a fresh random text, and the same one when you repeat the request.",
        )
    matched = _KEY.fullmatch(sent)
    if matched is None:
        raise Refused(
            400, "IDEMPOTENCY_KEY_INVALID", f"{IDEMPOTENCY_KEY} is 1 to 255 visible ASCII characters without spaces."
        )
    return matched[1]


def _path(request: Request) -> Mapping[str, str]:
    return {name: str(value) for name, value in request.path_params.items()}


def _no_route(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        refused = Refused(405, "METHOD_NOT_ALLOWED", "This address takes other methods.", headers=error.headers)
    else:
        refused = nothing_here()
    return problems.answer(refused)


def nothing_here() -> Refused:
    """There is no such address."""
    return Refused(404, "NO_SUCH_ADDRESS", "There is no such address. /api/v1/openapi.json lists those that are.")


def _unforeseen(request: Request, error: Exception) -> Response:
    error_id = secrets.token_hex(4)
    log.error("A request failed", exc_info=error, extra={"error_id": error_id, "path": request.url.path})
    detail = f"Something went wrong (id {error_id}). Repeat the request under the same key to learn how it ended."
    return problems.answer(Refused(500, "UNFORESEEN", detail))

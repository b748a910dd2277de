"""The one process: Streamlit's screens, our own routes and the gate before them, under uvicorn."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit import config
from streamlit.runtime.scriptrunner import get_script_run_ctx

from review_queue.errors import NotAllowed, ReviewError
from storage import schema
from storage.engine import CommitInDoubt, describe
from storage.failures import Failure, failure_of
from workbench import (
    auth,
    back_channel,
    banner,
    gate,
    graceful,
    health,
    logs,
    metrics,
    readiness,
    scraping,
    session,
    sockets,
    upkeep,
)
from workbench.api import application as api
from workbench.api import problems
from workbench.checkpoints import witness_of
from workbench.parts import untrusted_text
from workbench.settings import Settings, secret_text, settings
from workbench.sign_in import PROVIDER

HERE = Path(__file__).parent
SCRIPT = HERE / "app.py"
#: Beside the packages in a checkout, and put there by the wheel too.
STREAMLIT_SETTINGS = HERE.parent / ".streamlit" / "config.toml"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
#: Megabytes that a page may send at once; uvicorn counts bytes.
MEGABYTE = 1_000_000

log = logging.getLogger("workbench")


def run(settings: Settings) -> None:
    """Serve until stopped. The schema must be on the newest version."""
    listener = _listen(settings)
    port = listener.getsockname()[1]
    logs.start(settings.log_level, settings.log_format, session_of=page_session)
    put_in_force(settings, port=port)
    database = session.database()
    log.info(describe(database))
    for warning in settings.warnings():
        log.warning(warning)
    print(f"\n  The review workbench is at http://{_shown(settings.host)}:{port}\n", flush=True)
    if settings.auth == "demo" and schema.is_empty(database):
        print("  It is empty: the sign-in page offers the simulated organisation.\n", flush=True)
    server = graceful.GracefulServer(
        uvicorn.Config(
            application(settings),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            ws="websockets-sansio",
            ws_max_size=config.get_option("server.maxMessageSize") * MEGABYTE,
            timeout_graceful_shutdown=graceful.FOR_CONNECTIONS,
        ),
        drain_seconds=settings.drain_seconds,
    )
    try:
        server.run(sockets=[listener])
    finally:
        graceful.finish(server, database)
    graceful.leave()


def application(settings: Settings) -> st.App:
    """The ASGI app, ready for any server that speaks WebSockets."""
    return st.App(
        SCRIPT,
        secrets=sign_in_secrets(settings),
        lifespan=_lifespan,
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", scraped),
            api.interface(
                session.database,
                requests_per_minute=settings.api_requests_per_minute,
                imports_per_minute=settings.api_imports_per_minute,
            ),
            *back_channel.routes(session.database, settings),
            Route("/api", no_such_route, methods=METHODS),
            Route("/api/{rest:path}", no_such_route, methods=METHODS),
        ],
        middleware=[
            Middleware(gate.RequestIds),
            Middleware(gate.SecurityHeaders, always_https=f"{settings.oidc_redirect_uri}".startswith("https://")),
            Middleware(gate.ShutDoors, is_signed_in=is_signed_in),
            Middleware(sockets.Sockets, standing=standing, cookie=session.BROWSER_COOKIE),
            Middleware(gate.SignInRate),
            Middleware(gate.BrowserCookie),
            Middleware(gate.OpenPages),
            Middleware(gate.WayBack, forget=forget),
        ],
        on_script_error=explain,
        exception_handlers={Exception: answer_error},
    )


def put_in_force(settings: Settings, *, port: int) -> None:
    """Make Streamlit run by ``.streamlit/config.toml`` of ours, whatever folder or environment this starts in."""
    ours = streamlit_settings() | {
        "server.address": settings.host,
        "server.port": port,
        "server.allowedHosts": list(settings.allowed_hosts),
        "server.trustedUserHeaders": {},  # a header must never say who somebody is
    }
    if settings.cookie_secret is not None:
        ours["server.cookieSecret"] = secret_text(settings.cookie_secret)
    config.get_config_options(force_reparse=True, options_from_flags=ours)


def streamlit_settings() -> dict[str, Any]:
    """Our Streamlit settings by their dotted names."""
    return _dotted(tomllib.loads(STREAMLIT_SETTINGS.read_text(encoding="utf-8")))


def _dotted(sections: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in sections.items():
        inside = _dotted(value) if isinstance(value, dict) else {"": value}
        flat |= {f"{name}.{rest}".rstrip("."): value for rest, value in inside.items()}
    return flat


def sign_in_secrets(settings: Settings) -> dict[str, Any]:
    """What ``st.login`` needs to know; nothing in demo mode."""
    if settings.auth == "demo":
        return {}
    return {
        "auth": {
            "redirect_uri": settings.oidc_redirect_uri,
            "cookie_secret": secret_text(settings.cookie_secret),
            PROVIDER: {
                "client_id": settings.oidc_client_id,
                "client_secret": secret_text(settings.oidc_client_secret),
                "server_metadata_url": back_channel.metadata_address(settings),
                "client_kwargs": {"scope": "openid email profile"},
            },
        }
    }


def healthz(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


def readyz(request: Request) -> Response:
    """The process can do its work; where not, ``status`` says why, and ``problems`` all that is in the way."""
    found = readiness.problems(session.database(), disk_free_percent=settings().disk_free_percent)
    if found:
        return JSONResponse({"status": found[0], "problems": found}, status_code=503)
    return JSONResponse({"status": "ready"})


def scraped(request: Request) -> Response:
    """The metrics, to whoever may have them."""
    return scraping.answer(request, settings().metrics_token)


def page_session() -> str:
    """The id of the session whose page is being drawn in this thread, if any."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context is not None else ""


def no_such_route(request: Request) -> Response:
    """Streamlit would answer 200 with a page to any path, which a program would take for success."""
    return problems.answer(api.nothing_here())


def is_signed_in(token: str) -> bool:
    """Whether the browser that holds ``token`` belongs to somebody who may be here."""
    try:
        return auth.person_of_browser(session.database(), session.keyed(token)) is not None
    except NotAllowed:
        return False


def standing(token: str, *, acting: bool) -> int | None:
    """Who is signed in with a browser's token at this moment."""
    return auth.standing(session.database(), session.keyed(token), acting=acting)


def forget(token: str) -> None:
    """End what a browser's token was signed in as: the browser has another one now."""
    with suppress(ReviewError):  # the database is away; without its cookie the token opens nothing
        auth.drop(session.database(), session.keyed(token))


def explain(error: Exception) -> bool:
    """Say what went wrong on the page: a refusal in its own words, anything else by an id that the log knows."""
    if isinstance(error, ReviewError):
        metrics.refused(error)
        st.warning("This was not done, for the reason below.")
        untrusted_text(str(error))
        return True
    if isinstance(error, CommitInDoubt) or failure_of(error) is not Failure.OTHER:
        log.warning("A page could not be drawn: the database did not answer")
        banner.say_away()
        return True
    error_id = secrets.token_hex(4)
    log.error("A page failed", exc_info=error, extra={"error_id": error_id})
    st.error(f"Something went wrong (id {error_id}). Reload the page to see how things stand.")
    return True


def answer_error(request: Request, error: Exception) -> Response:
    """The same for what fails outside a page."""
    error_id = secrets.token_hex(4)
    log.error("A request failed", exc_info=error, extra={"error_id": error_id, "path": request.url.path})
    return PlainTextResponse(f"Something went wrong (id {error_id}).", status_code=500)


@asynccontextmanager
async def _lifespan(app: st.App) -> AsyncIterator[None]:
    logs.adopt("streamlit", "uvicorn")
    health.watch(session.database())
    witness = witness_of(settings())
    scraping.watch(session.database(), witness.folder if witness is not None else None)
    order = asyncio.create_task(upkeep.keep(session.database(), relays=settings().relay))
    yield
    order.cancel()
    with suppress(asyncio.CancelledError):
        await order  # webhooks under way have a moment to end
    health.stop()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.port), family=family, backlog=2048)


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 -- shown, not listened on
        return "localhost"
    return f"[{host}]" if ":" in host else host

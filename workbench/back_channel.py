"""Back-channel logout: the identity provider tells this server, and no browser, that somebody's sessions are over.

Source: OpenID Connect Back-Channel Logout 1.0, sections 2.4 to 2.8.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs

import httpx
from anyio import CapacityLimiter, to_thread
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from review_queue.errors import ReviewError
from storage.engine import Database
from workbench import auth
from workbench.settings import Settings

PATH = "/backchannel-logout"
METADATA = "/.well-known/openid-configuration"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"
#: Signatures that need the provider's private key. Never ``none``, never one by a secret that two know.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
LARGEST = 16_384  #: bytes of a request
OLDEST = 300  #: seconds after which a token is too old, whatever it says of itself
SKEW = int(auth.SKEW.total_seconds())
PATIENCE = 5.0  #: seconds for the provider's keys
UNASKED = 10.0  #: seconds for which a provider that did not answer is not asked again
#: What comes of reading an answer that holds no keys: a page that says "back soon", say.
NO_KEYS = (JoseError, ValueError, LookupError, TypeError, AttributeError)
THREADS = 4  #: in which tokens are looked at: not those of everybody else, as the provider may keep us waiting

log = logging.getLogger("workbench")


class LogoutRefused(Exception):
    """A request that ends no session."""


class ProviderAway(Exception):
    """The identity provider did not answer, or with something else than its keys."""


def routes(database: Callable[[], Database], settings: Settings) -> list[Route]:
    """The route, where there is an identity provider."""
    if settings.auth != "oidc":
        return []
    keys, threads = ProviderKeys(metadata_address(settings)), CapacityLimiter(THREADS)

    async def log_out(request: Request) -> Response:
        try:
            token = await _token_in(request)
            check = partial(checked, token, keys=keys, settings=settings, now=time())
            claims = await to_thread.run_sync(check, limiter=threads)
            await to_thread.run_sync(lambda: _end(database(), claims))
        except LogoutRefused as refusal:
            log.warning("A logout token was refused: %s", refusal)
            return _answer(400, {"error": "invalid_request", "error_description": str(refusal)})
        except (ProviderAway, ReviewError):
            log.warning("A logout could not be done: the identity provider or the database did not answer")
            return _answer(503, {"error": "temporarily_unavailable"})
        return _answer(200, {})

    return [Route(PATH, log_out, methods=["POST"])]


class ProviderKeys:
    """The identity provider's public keys, asked for again when a token names one that is not known.

    Strangers send tokens too: one request asks at a time, and after a failure none does for a while.
    """

    def __init__(self, metadata: str) -> None:
        self.metadata = metadata
        self._lock = Lock()
        self._known: KeySet | None = None
        self._asked_at = -math.inf  #: by the monotonic clock, as is the next
        self._failed_at = -math.inf

    def now(self, *, anew: bool = False) -> KeySet:
        """The keys.

        Raises:
            ProviderAway: they are not known, and cannot be asked for, or could not a moment ago.
        """
        with self._lock:
            if self._known is not None and not (anew and monotonic() - self._asked_at > 60):
                return self._known
            if monotonic() - self._failed_at < UNASKED:
                raise ProviderAway
            try:
                self._known = self._asked()
            except ProviderAway:
                self._failed_at = monotonic()
                raise
            self._asked_at = monotonic()
            return self._known

    def _asked(self) -> KeySet:
        try:
            with httpx.Client(timeout=PATIENCE) as client:
                metadata = client.get(self.metadata).raise_for_status().json()
                return KeySet.import_key_set(client.get(metadata["jwks_uri"]).raise_for_status().json())
        except (httpx.HTTPError, httpx.InvalidURL, *NO_KEYS) as problem:
            raise ProviderAway from problem


def checked(token: str, *, keys: ProviderKeys, settings: Settings, now: float) -> Mapping[str, Any]:
    """The claims of a logout token that our provider made for us just now.

    Raises:
        LogoutRefused: it is anything else.
        ProviderAway: nobody knows.
    """
    header, claims = _opened(token, keys)
    if str(header.get("typ", "")).lower() != TYPE:
        raise LogoutRefused(f"it is no {TYPE}")
    if claims.get("iss") != settings.oidc_issuer:
        raise LogoutRefused("another issuer made it")
    meant_for = claims.get("aud")
    if settings.oidc_client_id not in (meant_for if isinstance(meant_for, list) else [meant_for]):
        raise LogoutRefused("it was made for another application")
    if "nonce" in claims:
        raise LogoutRefused("it has a nonce, so it was made for a sign-in")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise LogoutRefused("it tells of no logout")
    made, ends = claims.get("iat"), claims.get("exp")
    if not _is_time(made) or not _is_time(ends) or not now - OLDEST <= made <= now + SKEW or ends <= now - SKEW:
        raise LogoutRefused("its time is over, or not yet there")
    for name in ("sub", "jti"):
        if not isinstance(claims.get(name), str) or not 0 < len(claims[name]) <= auth.LONGEST:
            raise LogoutRefused(f"it has no {name}")
    return claims


def metadata_address(settings: Settings) -> str:
    """Where the identity provider describes itself."""
    return f"{settings.oidc_issuer}".rstrip("/") + METADATA


def _opened(token: str, keys: ProviderKeys) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    for anew in (False, True):
        known = keys.now(anew=anew)
        try:
            opened = jwt.decode(token, known, registry=registry)
        except (JoseError, ValueError):
            continue
        return opened.header, opened.claims
    raise LogoutRefused("its signature is not that of the identity provider")


def _is_time(claim: object) -> bool:
    return isinstance(claim, int | float) and not isinstance(claim, bool)


async def _token_in(request: Request) -> str:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise LogoutRefused("it is too long")
    tokens = parse_qs(body.decode("ascii", errors="replace")).get("logout_token", [])
    if len(tokens) != 1:
        raise LogoutRefused("it carries no logout_token")
    return tokens[0]


def _end(database: Database, claims: Mapping[str, Any]) -> None:
    try:
        auth.sign_out_by_provider(database, issuer=claims["iss"], subject=claims["sub"], jti=claims["jti"])
    except IntegrityError as again:
        raise LogoutRefused("it was used before") from again


def _answer(status: int, body: Mapping[str, str]) -> Response:
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store"})

"""A sign-in at an identity provider of our own making, which lies: none of its lies gives anybody a right."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.auth_util import encode_provider_token
from streamlit.runtime.secrets import secrets_singleton
from streamlit.web.server.starlette.starlette_auth_routes import create_auth_routes
from streamlit.web.server.starlette.starlette_websocket import (
    _get_signed_cookie_with_chunks,
    _parse_decoded_user_cookie,
)

from review_queue.errors import NotAllowed
from review_queue.roles import Grant, Principal, Role
from storage import people
from storage.engine import Database
from storage.tables import audit_events
from tests.builders import a_workflow, bring_in, forecasts, take
from workbench import auth, back_channel, gate, server
from workbench.session import BROWSER_COOKIE
from workbench.settings import Settings

HERE = "https://review.example.com"
SECRET = "0123456789abcdef" * 2
CLIENT = "workbench"
KEY, STRANGE = RSAKey.generate_key(2048, {"kid": "one"}), RSAKey.generate_key(2048, {"kid": "one"})


@dataclass
class Provider:
    """What the identity provider says; a test changes it before it is asked."""

    url: str = ""
    issuer: str | None = None  #: that its metadata names, where that is not its own
    token: Callable[[dict[str, Any]], str] = field(default=lambda claims: signed(claims))
    changes: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    is_away: bool = False
    says: bytes | None = None  #: in place of its answers
    goes_on: threading.Event = field(default_factory=threading.Event)  #: it keeps whoever asks waiting while not set
    asked: list[str] = field(default_factory=list)

    def claims(self) -> dict[str, Any]:
        now = int(time.time())
        known = {"iss": self.url, "sub": "u-17", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": self.nonce}
        changed = known | {"name": "Noor", "email": "noor@example.com"} | self.changes
        return {name: value for name, value in changed.items() if value is not None}

    def answer(self, path: str) -> object:
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.issuer or self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "end_session_endpoint": f"{self.url}/end",
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False)]}
        return {"access_token": "a", "token_type": "Bearer", "id_token": self.token(self.claims())}


def signed(claims: dict[str, Any], *, key: RSAKey = KEY, **header: str) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"} | header, claims, key)


def unsigned(claims: dict[str, Any]) -> str:
    return f"{_written({'alg': 'none', 'typ': 'logout+jwt'}, claims)}."


def signed_with_the_public_key(claims: dict[str, Any]) -> str:
    """What a library takes that lets the token choose the algorithm: everybody knows this secret."""
    content = _written({"alg": "HS256", "kid": "one", "typ": "logout+jwt"}, claims)
    return f"{content}.{_coded(hmac.digest(KEY.as_pem(private=False), content.encode(), 'sha256'))}"


def _written(*parts: dict[str, Any]) -> str:
    return ".".join(_coded(json.dumps(part).encode()) for part in parts)


def _coded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.fixture
def provider() -> Iterator[Provider]:
    known = Provider()
    known.goes_on.set()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            known.goes_on.wait(10)
            if known.is_away:
                self.connection.close()
                return
            body = known.says or json.dumps(known.answer(urlsplit(self.path).path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 -- the library asks for it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    known.url = f"http://localhost:{listening.server_port}"
    yield known
    listening.shutdown()
    listening.server_close()


def settings_of(provider: Provider, **changes: Any) -> Settings:
    return Settings(
        **{
            "auth": "oidc",
            "oidc_issuer": provider.url,
            "oidc_client_id": CLIENT,
            "oidc_client_secret": SECRET,
            "oidc_redirect_uri": f"{HERE}/oauth2callback",
            "cookie_secret": SECRET,
            **changes,
        }
    )


@dataclass
class Site:
    """The doors of a workbench: Streamlit's own routes of the sign-in behind our gate."""

    database: Database
    provider: Provider
    settings: Settings
    forgotten: list[str]

    def browser(self) -> TestClient:
        server.put_in_force(self.settings, port=8501)
        secrets_singleton.merge_programmatic_secrets(server.sign_in_secrets(self.settings))
        app = Starlette(
            routes=[*create_auth_routes(""), *back_channel.routes(lambda: self.database, self.settings)],
            middleware=[
                Middleware(gate.SecurityHeaders, always_https=True),
                Middleware(gate.SignInRate),
                Middleware(gate.WayBack, forget=self.forgotten.append),
                Middleware(SessionMiddleware, secret_key=server.secret_text(self.settings.cookie_secret)),
            ],
        )
        return TestClient(app, base_url=HERE, follow_redirects=False)

    def sign_in(self, browser: TestClient) -> str:
        """Go there and back; where one ends up."""
        leaving = browser.get("/auth/login", params={"provider": encode_provider_token("oidc")})
        asked = {name: value[0] for name, value in parse_qs(urlsplit(leaving.headers["location"]).query).items()}
        assert asked["code_challenge_method"] == "S256"
        self.provider.nonce = asked["nonce"]
        return str(browser.get("/oauth2callback", params={"code": "c", "state": asked["state"]}).headers["location"])

    def who(self, browser: TestClient) -> Principal | None:
        """Whom a page would take this browser for."""
        cookies = {name.removeprefix("__Host-"): value for name, value in browser.cookies.items()}
        raw = _get_signed_cookie_with_chunks(cookies, "_streamlit_user")
        claims = _parse_decoded_user_cookie(raw, HERE) if raw else {}
        identity = auth.vouched(claims, issuer=self.settings.oidc_issuer, client_id=CLIENT, now=datetime.now(UTC))
        return None if identity is None else auth.person_of_identity(self.database, identity)


@pytest.fixture
def site(database: Database, provider: Provider) -> Iterator[Site]:
    yield Site(database, provider, settings_of(provider), [])
    secrets_singleton.merge_programmatic_secrets({})


def test_an_honest_sign_in_makes_one_somebody_without_a_role(site: Site) -> None:
    browser = site.browser()

    assert site.sign_in(browser) == "/"

    noor = site.who(browser)
    assert noor is not None
    assert (noor.name, noor.grants) == ("Noor", ())
    assert all(name.startswith("__Host-") or name == "_streamlit_session" for name in browser.cookies)
    assert "_streamlit_user_tokens" not in str(list(browser.cookies))


def _id_of(value: object) -> str:
    """The same in every process: not the second at which it was imported, but how far from it."""
    return f"{(value - time.time()) / 3600:+.0f} h" if isinstance(value, int) else str(value)[:20]


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://evil.example.com"},
        {"aud": "another application"},
        {"aud": "another application", "azp": CLIENT},
        {"exp": int(time.time()) - 3600},
        {"nonce": "not that of this browser"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "u" * 401},
        {"iat": int(time.time()) + 3600},
        {"iat": None},
        {"iat": int(time.time()) - 13 * 3600},
    ],
    ids=lambda lie: "-".join(f"{name} {_id_of(value)}" for name, value in lie.items()),
)
def test_a_token_that_is_not_for_here_and_now_makes_one_nobody(site: Site, lie: dict[str, Any]) -> None:
    site.provider.changes = lie
    browser = site.browser()

    site.sign_in(browser)

    assert nobody(site, browser)


@pytest.mark.parametrize(
    "forge",
    [unsigned, signed_with_the_public_key, lambda claims: signed(claims, key=STRANGE), lambda _: "x" * 3_000_000],
    ids=["alg none", "HS256 with the public key", "another key", "huge"],
)
def test_a_token_that_the_provider_did_not_sign_makes_one_nobody(site: Site, forge: Callable[..., str]) -> None:
    site.provider.token = forge
    browser = site.browser()

    assert site.sign_in(browser) == "/?sign-in=failed"

    assert nobody(site, browser)


def test_metadata_and_token_of_another_issuer_make_one_nobody(site: Site) -> None:
    site.provider.issuer = "https://evil.example.com"
    site.provider.changes = {"iss": "https://evil.example.com"}
    browser = site.browser()

    site.sign_in(browser)

    with pytest.raises(NotAllowed, match="another issuer"):
        site.who(browser)


@pytest.mark.parametrize(
    "boast",
    [
        {"role": "admin", "roles": ["administrator"]},
        {"groups": [f"group {number}" for number in range(250)]},
        {"email": "ada@example.com", "email_verified": False},
    ],
    ids=["role", "250 groups", "another's address"],
)
def test_no_claim_gives_a_right(site: Site, boast: dict[str, Any]) -> None:
    with site.database.writing() as session:
        ada = people.add(session, issuer=site.provider.url, subject="ada", name="Ada", email="ada@example.com")
        people.grant(session, ada, Role.ADMINISTRATOR)
    site.provider.changes = boast
    browser = site.browser()

    site.sign_in(browser)

    noor = site.who(browser)
    assert noor is not None
    assert noor.grants == ()
    assert noor.person_id != ada


def nobody(site: Site, browser: TestClient) -> bool:
    try:
        return site.who(browser) is None
    except NotAllowed:
        return True


def test_an_answer_is_taken_once_and_by_the_browser_that_asked(site: Site) -> None:
    mine, theirs = site.browser(), site.browser()
    leaving = mine.get("/auth/login", params={"provider": encode_provider_token("oidc")})
    asked = {name: value[0] for name, value in parse_qs(urlsplit(leaving.headers["location"]).query).items()}
    site.provider.nonce = asked["nonce"]
    answer = {"code": "c", "state": asked["state"]}

    assert theirs.get("/oauth2callback", params=answer).headers["location"] == "/?sign-in=failed"
    assert nobody(site, theirs)
    assert mine.get("/oauth2callback", params=answer).headers["location"] == "/"
    assert mine.get("/oauth2callback", params=answer).headers["location"] == "/?sign-in=failed"


def test_a_sign_in_gives_the_browser_another_token_and_ends_the_one_before(site: Site) -> None:
    browser = site.browser()
    browser.cookies.set(f"__Host-{BROWSER_COOKIE}", "planted by somebody", domain="review.example.com")

    site.sign_in(browser)

    assert site.forgotten == ["planted by somebody"]
    tokens = [cookie.value for cookie in browser.cookies.jar if cookie.name == f"__Host-{BROWSER_COOKIE}"]
    assert tokens[-1] != "planted by somebody"


def test_with_the_provider_away_nobody_signs_in_and_sessions_go_on(site: Site) -> None:
    inside, outside = site.browser(), site.browser()
    site.sign_in(inside)
    site.provider.is_away = True

    answer = outside.get("/auth/login", params={"provider": encode_provider_token("oidc")})

    assert (answer.status_code, answer.headers["location"]) == (302, "/?sign-in=away")
    assert nobody(site, outside)
    assert site.who(inside) is not None


def test_another_cookie_secret_ends_every_session_and_lets_people_sign_in_again(site: Site) -> None:
    before = site.browser()
    site.sign_in(before)
    assert site.who(before) is not None

    site.settings = settings_of(site.provider, cookie_secret="fedcba9876543210" * 2)
    after = site.browser()
    after.cookies = before.cookies

    assert site.who(after) is None
    assert site.sign_in(after) == "/"
    assert site.who(after) is not None


def test_signing_out_ends_the_session_at_the_provider_too(site: Site) -> None:
    browser = site.browser()
    site.sign_in(browser)

    leaving = browser.get("/auth/logout")

    assert leaving.headers["location"].startswith(f"{site.provider.url}/end?")
    assert nobody(site, browser)


def test_one_address_signs_in_twenty_times_a_minute_and_is_told_when_to_come_back(site: Site) -> None:
    browser = site.browser()
    path = "/auth/login"

    statuses = [browser.get(path).status_code for _ in range(21)]

    assert statuses == [302] * 20 + [429]
    refused = browser.get(path)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert f"in {refused.headers['retry-after']} seconds" in refused.text


# --- back-channel logout -------------------------------------------------------------------------------------------

EVENTS = {back_channel.EVENT: {}}


def logout_token(provider: Provider, *, key: RSAKey = KEY, typ: str = "logout+jwt", **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": provider.url, "sub": "u-17", "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "j-1"}
    changed = {name: value for name, value in (claims | {"events": EVENTS} | changes).items() if value is not None}
    return signed(changed, key=key, typ=typ)


def log_out(site: Site, token: str) -> int:
    return site.browser().post(back_channel.PATH, data={"logout_token": token}).status_code


def test_the_provider_ends_somebodys_sessions_and_their_claims_go_back(site: Site) -> None:
    noor = signed_in(site)
    workflow = a_workflow(site.database)
    bring_in(site.database, workflow, forecasts(1))
    take(site.database, noor, workflow)

    assert log_out(site, logout_token(site.provider)) == 200

    assert auth.standing(site.database, "her browser", acting=False) is None
    with site.database.reading() as session:
        actions = list(session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars())
    assert actions[-2:] == ["item.released", "person.signed_out_everywhere"]


def signed_in(site: Site) -> int:
    with site.database.writing() as session:
        noor = people.add(session, issuer=site.provider.url, subject="u-17", name="Noor")
        people.grant(session, noor, Role.REVIEWER)
    auth.keep(site.database, "her browser", noor)
    return noor


@pytest.mark.parametrize(
    "forged",
    [
        {"iss": "https://evil.example.com"},
        {"aud": "another application"},
        {"exp": int(time.time()) - 600},
        {"exp": None},
        {"iat": int(time.time()) - 600},
        {"iat": int(time.time()) + 24 * 3600},
        {"nonce": "n"},
        {"events": None},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"jti": None},
        {"sub": None, "sid": "s-1"},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"key": STRANGE},
    ],
    ids=lambda forged: "-".join(f"{name} {_id_of(value)}" for name, value in forged.items()),
)
def test_a_forged_logout_token_ends_nothing(site: Site, forged: dict[str, Any]) -> None:
    signed_in(site)

    assert log_out(site, logout_token(site.provider, **forged)) == 400

    assert auth.standing(site.database, "her browser", acting=False) is not None


@pytest.mark.parametrize("forge", [unsigned, signed_with_the_public_key], ids=["alg none", "HS256"])
def test_nor_does_one_that_the_provider_did_not_sign(site: Site, forge: Callable[..., str]) -> None:
    signed_in(site)
    now = int(time.time())
    claims = {"iss": site.provider.url, "sub": "u-17", "aud": CLIENT, "iat": now, "exp": now + 120, "jti": "j"}

    assert log_out(site, forge(claims | {"events": EVENTS})) == 400

    assert auth.standing(site.database, "her browser", acting=False) is not None


def test_a_logout_token_counts_once(site: Site) -> None:
    noor = signed_in(site)
    token = logout_token(site.provider)
    assert log_out(site, token) == 200
    auth.keep(site.database, "her next browser", noor)

    assert log_out(site, token) == 400

    assert auth.standing(site.database, "her next browser", acting=False) == noor


@pytest.mark.parametrize("body", [b"", b"logout_token=", b"logout_token=a&logout_token=b", b"x" * 20_000, b"\xff\xfe"])
def test_what_is_no_logout_token_is_refused(site: Site, body: bytes) -> None:
    assert site.browser().post(back_channel.PATH, content=body).status_code == 400


def test_somebody_whom_we_do_not_know_has_nothing_to_end(site: Site) -> None:
    assert log_out(site, logout_token(site.provider, sub="nobody here")) == 200


def test_a_provider_that_is_away_is_not_asked_for_each_token_of_a_stranger(site: Site) -> None:
    site.provider.is_away = True
    door = site.browser()

    answers = [door.post(back_channel.PATH, data={"logout_token": "anything"}) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [503] * 5
    assert len(site.provider.asked) == 1


@pytest.mark.parametrize("page", [b"<html>Back soon</html>", b"[]", b'{"keys": []}', b'{"jwks_uri": 1}'])
def test_a_provider_that_answers_with_a_page_is_away_and_may_tell_again(
    site: Site, page: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(back_channel, "UNASKED", 0.0)
    signed_in(site)
    door, token = site.browser(), {"logout_token": logout_token(site.provider)}
    site.provider.says = page
    assert door.post(back_channel.PATH, data=token).status_code == 503
    site.provider.says = None

    assert door.post(back_channel.PATH, data=token).status_code == 200

    assert auth.standing(site.database, "her browser", acting=False) is None


def test_a_provider_that_keeps_silent_takes_no_threads_from_others(site: Site) -> None:
    site.provider.goes_on.clear()
    app = Starlette(
        routes=[
            *back_channel.routes(lambda: site.database, site.settings),
            Route("/thread", lambda request: PlainTextResponse("here")),
        ]
    )

    async def flood() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            strangers = [
                asyncio.create_task(client.post(back_channel.PATH, data={"logout_token": "anything"}))
                for _ in range(50)
            ]
            while not site.provider.asked:
                await asyncio.sleep(0.01)
            try:
                answer = await asyncio.wait_for(client.get("/thread"), 2)
            finally:
                site.provider.goes_on.set()
                answers = await asyncio.gather(*strangers)
            assert answer.text == "here"
            return [each.status_code for each in answers]

    assert asyncio.run(flood()) == [400] * 50
    assert len(site.provider.asked) == 2  # its description and its keys


def test_one_address_ends_sessions_a_hundred_and_twenty_times_a_minute(site: Site) -> None:
    door = site.browser()

    statuses = [door.post(back_channel.PATH, content=b"").status_code for _ in range(121)]

    assert statuses == [400] * 120 + [429]


def test_in_demo_mode_there_is_no_such_door(database: Database) -> None:
    assert back_channel.routes(lambda: database, Settings()) == []


def test_grants_come_from_our_own_table(site: Site) -> None:
    browser = site.browser()
    site.sign_in(browser)
    noor = site.who(browser)
    assert noor is not None
    with site.database.writing() as session:
        people.grant(session, noor.person_id, Role.MANAGER)

    again = site.who(browser)

    assert again is not None
    assert again.grants == (Grant(Role.MANAGER),)

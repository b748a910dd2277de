from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit import config

from review_queue.roles import Role
from storage.engine import open_database
from workbench import auth, gate, server
from workbench.session import BROWSER_COOKIE
from workbench.settings import Settings, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The whole app, started in another folder than the project's; a process can hold only one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        server.put_in_force(Settings(), port=8501)
        with TestClient(server.application(Settings()), base_url="http://localhost:8501") as opened:
            yield opened


@pytest.fixture
def client(running: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A browser without cookies, before the app on a database of this test's own."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()
    running.cookies.clear()
    yield running
    settings.cache_clear()


def test_health_and_readiness_answer(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_it_is_not_ready_on_another_schema(client: TestClient, database_url: str) -> None:
    with open_database(database_url).writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["status"].startswith("schema 0000, needed ")
    assert client.get("/healthz").status_code == 200


def test_a_socket_is_refused_to_whoever_never_loaded_a_page(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/_stcore/stream"):
        pass

    assert refused.value.code == 1008


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/items", "/_stcore/metrics", "/_stcore/agent/v1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_there_is_a_404(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/", "/review?item=42", "/healthz", "/api/v1", "/media/x", "/_stcore/health", "/auth/login", "/_stcore/metrics"],
)
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers

    for name, value in gate.HEADERS.items():
        assert headers[name] == value
    assert "server" not in headers
    assert "strict-transport-security" not in headers, "that would lock plain http out of this host"


def test_the_policy_lets_nothing_be_loaded_from_elsewhere() -> None:
    rules = dict(rule.split(" ", 1) for rule in gate.POLICY.split("; "))

    assert "unsafe-inline" not in rules["script-src"]
    assert "unsafe-eval" not in rules["script-src"]
    assert rules["img-src"] == "'self' data: blob:"
    assert rules["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*", gate.POLICY)


def test_over_https_cookies_are_secure_and_the_host_is_remembered(client: TestClient) -> None:
    answer = client.get("https://localhost:8501/")

    assert "; Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_each_browser_gets_a_token_of_its_own_that_no_script_can_read(client: TestClient) -> None:
    first = client.get("/").headers["set-cookie"]
    again = client.get("/")
    client.cookies.clear()
    other = client.get("/").headers["set-cookie"]

    assert re.match(rf"{BROWSER_COOKIE}=[\w-]{{43}};", first)
    assert "HttpOnly" in first
    assert "SameSite=Lax" in first
    assert "set-cookie" not in again.headers
    assert first != other


def test_a_browser_that_kept_the_page_but_lost_its_token_gets_another(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    assert client.get("/", headers={"If-None-Match": tag}).status_code == 304
    client.cookies.clear()

    answer = client.get("/", headers={"If-None-Match": tag})

    assert answer.status_code == 200
    assert BROWSER_COOKIE in answer.headers["set-cookie"]


def test_uploads_and_files_are_for_those_who_have_signed_in(client: TestClient, database_url: str) -> None:
    doors = [("PUT", "/_stcore/upload_file/session/file"), ("GET", "/media/abc.csv")]
    refusal = {"error": "sign in first"}
    assert [client.request(*door).json() for door in doors] == [refusal, refusal]
    client.cookies.set(BROWSER_COOKIE, "made up")
    assert [client.request(*door).json() for door in doors] == [refusal, refusal]

    auth.sign_in_as(open_database(database_url), "made up", Role.REVIEWER)

    # Past the gate it is Streamlit's turn, which knows neither the session nor the file.
    for door in doors:
        answer = client.request(*door)
        assert answer.is_client_error
        assert "sign in first" not in answer.text


@pytest.mark.parametrize(
    ("referer", "wanted"),
    [
        ("http://localhost:8501/review?item=42", "/review?item=42"),
        ("http://localhost:8501/", "/"),
        ("http://elsewhere.example/review", None),
        ("http://localhost:8501//elsewhere.example/", None),
        ("http://localhost:8501/\\elsewhere.example", None),
        ("", None),
    ],
)
def test_one_comes_back_to_a_page_of_ours_or_to_the_first(referer: str, wanted: str | None) -> None:
    headers = gate.Headers({"referer": referer, "host": "localhost:8501"})

    assert gate.wanted_page(headers) == wanted


def test_the_settings_of_streamlit_are_in_force_from_any_folder(client: TestClient) -> None:
    ours = server.streamlit_settings()

    assert ours["runner.postScriptGC"] is False
    assert ours["server.disconnectedSessionTTL"] == 28800
    assert {name: config.get_option(name) for name in ours} == ours
    assert config.get_option("server.trustedUserHeaders") == {}


def test_the_settings_hold_against_a_folder_with_others(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(
        '[client]\nshowErrorDetails = "full"\n[server.trustedUserHeaders]\nX-User = "email"\n'
    )
    monkeypatch.chdir(tmp_path)

    server.put_in_force(Settings(database_url=database_url), port=8501)

    assert config.get_option("client.showErrorDetails") == "none"
    assert config.get_option("server.trustedUserHeaders") == {}


def test_the_wheel_carries_the_settings_the_migrations_and_the_pages(tmp_path: Path) -> None:
    subprocess.run(  # noqa: S603 -- our own build
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    carried = {path.relative_to(ROOT).as_posix() for path in (ROOT / "storage" / "migrations").rglob("*.*")}
    carried |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "pages").glob("*.py")}
    assert {name for name in carried if not name.endswith(".pyc")} <= names
    assert ".streamlit/config.toml" in names
    assert not any(name.startswith("tests/") for name in names)


def test_nothing_is_told_to_streamlit_about_sign_in_in_demo_mode() -> None:
    assert server.sign_in_secrets(Settings()) == {}


def test_a_page_that_fails_says_so_by_an_id_that_the_log_knows(caplog: pytest.LogCaptureFixture) -> None:
    from streamlit.testing.v1 import AppTest

    def page() -> None:
        from workbench.server import explain

        explain(ZeroDivisionError("the secret of the sums"))

    shown = AppTest.from_function(page).run()

    (said,) = [message.value for message in shown.error]
    found = re.fullmatch(r"Something went wrong \(id (\w{8})\)\. Reload .*", said)
    assert found
    assert found[1] in [getattr(record, "error_id", None) for record in caplog.records]
    assert "the secret of the sums" not in said


def test_a_refusal_that_a_page_did_not_catch_is_shown_in_its_own_words() -> None:
    from streamlit.testing.v1 import AppTest

    def page() -> None:
        from review_queue.errors import NotAllowed
        from workbench.server import explain

        explain(NotAllowed("![](x) Bo", "take data out"))

    shown = AppTest.from_function(page).run()

    assert [text.value for text in shown.text] == [
        "![](x) Bo may not take data out. Ask an administrator for the role that can."
    ]


#: Every door of the server, and who gets through it. One that is not here was not looked at.
DOORS = {
    "": "anybody: the page itself, its scripts and pictures",
    "/_stcore/health": "anybody: that the process answers",
    "/_stcore/host-config": "anybody: what the page may ask for",
    "/_stcore/bidi-components/{path:path}": "anybody: the scripts of our own elements",
    "/component/{path:path}": "anybody: nothing is registered there",
    "/_stcore/stream": "who loaded a page here; the page asks who it is",
    "/_stcore/upload_file/{session_id}/{file_id}": "who is signed in",
    "/media/{file_id:path}": "who is signed in",
    "/_stcore/metrics": "nobody",
    "/_stcore/agent/interact": "nobody",
    "/_stcore/agent/mcp": "nobody",
    "/_stcore/agent/openapi.json": "nobody",
    "/auth/login": "anybody, twenty times a minute",
    "/auth/logout": "anybody",
    "/oauth2callback": "anybody, twenty times a minute",
    "/healthz": "anybody",
    "/readyz": "anybody",
    "/metrics": "who shows the token of metrics, or comes from this machine with nothing before it",
    "/api": "nobody",
    "/api/v1": "who shows a token",
    "/api/{rest:path}": "nobody",
}


def test_a_page_of_elsewhere_opens_no_socket(client: TestClient) -> None:
    client.cookies.set(BROWSER_COOKIE, "made up")

    for origin in ("https://evil.example.com", "null"):
        headers = {"origin": origin, "host": "localhost:8501"}
        with (
            pytest.raises(WebSocketDisconnect) as refused,
            client.websocket_connect("/_stcore/stream", headers=headers) as socket,
        ):
            socket.receive_bytes()
        assert refused.value.code in (1000, 1008)


def test_over_https_a_browser_is_known_by_a_cookie_of_this_host_alone(client: TestClient, database_url: str) -> None:
    cookie = client.get("https://localhost:8501/").headers["set-cookie"]
    assert cookie.startswith(f"__Host-{BROWSER_COOKIE}=")
    assert all(word in cookie for word in ("Path=/", "HttpOnly", "SameSite=Lax", "Secure"))
    assert "omain=" not in cookie
    auth.sign_in_as(open_database(database_url), "made up", Role.REVIEWER)

    def may_pass(name: str) -> bool:
        answer = client.get("https://localhost:8501/media/x.csv", headers={"cookie": f"{name}=made up"})
        return "sign in first" not in answer.text

    assert may_pass(f"__Host-{BROWSER_COOKIE}")
    assert not may_pass(BROWSER_COOKIE), "another host of the domain could have set that"


def test_every_route_is_known(running: TestClient) -> None:
    found = {route.path for route in running.app._starlette_app.routes}

    assert found == DOORS.keys()

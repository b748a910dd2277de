"""F27: two replicas behind nginx on one PostgreSQL; the one that a reviewer is on is killed.

It runs ``docs/deploy/nginx.conf`` as it stands, with other ports and a certificate made here.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest
from playwright.sync_api import Browser, Page, expect

from storage.tables import audit_events, decisions, drafts, items, reasons
from tests.browser.steps import Workbench, serving, settled
from tests.browser.test_review import bring_in, heading, press, start, stored

pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("nginx") is None, reason="`make replicas` installs nginx"),
]

PATIENCE = 90_000  #: milliseconds; two servers, a proxy and a browser share the machine
CONFIGURATION = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def nginx(folder: Path, replicas: list[str]) -> Iterator[str]:
    """The proxy of the documents before the replicas at these addresses; its own address."""
    port, plain = free_port(), free_port()
    certificate = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", "key", "-out", "crt"]
    subprocess.run([*made, *certificate], cwd=folder, check=True, capture_output=True)
    site = CONFIGURATION.read_text("utf-8")
    here = {
        "127.0.0.1:8501": replicas[0].removeprefix("http://"),
        "127.0.0.1:8502": replicas[1].removeprefix("http://"),
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "review.example.com;": "localhost;",
        "/etc/ssl/review.example.com.crt": f"{folder}/crt",
        "/etc/ssl/review.example.com.key": f"{folder}/key",
    }
    for theirs, ours in here.items():
        assert theirs in site
        site = site.replace(theirs, ours)
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        site += f"{name}_temp_path {folder}/{name};\n"
    whole = f"pid {folder}/pid; error_log {folder}/errors; events {{}} http {{ access_log off;\n{site}}}"
    (folder / "nginx.conf").write_text(whole)
    words = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: _listens(port))
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(holds: Callable[[], bool], seconds: float = PATIENCE / 1000) -> None:
    until = monotonic() + seconds
    while not holds():
        assert monotonic() < until, "it never came about"
        sleep(0.1)


def open_pages(replica: Workbench) -> int:
    """How many pages this replica shows, by its own word."""
    with urllib.request.urlopen(f"{replica.url}/metrics", timeout=10) as answer:  # noqa: S310 -- our own address
        lines = answer.read().decode().splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("workbench_active_sessions "))))


@pytest.fixture
def replicas(postgresql_url: str, tmp_path: Path) -> Iterator[list[Workbench]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving(postgresql_url, tmp_path, double_click_ms="0")) for _ in range(2)]


@pytest.fixture
def proxied(replicas: list[Workbench], tmp_path: Path) -> Iterator[Workbench]:
    """Both replicas as one, at the proxy's address."""
    with nginx(tmp_path, [replica.url for replica in replicas]) as url:
        yield replace(replicas[0], url=url)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield context.new_page()
    context.close()


def test_a_reviewer_whose_replica_is_killed_goes_on_at_the_other(
    proxied: Workbench, replicas: list[Workbench], page: Page
) -> None:
    bring_in(proxied, 3, step=300)
    start(page, proxied)
    press(page, "a")
    expect(page.get_by_text("Saved: Accept AI")).to_be_visible()
    settled(page)
    item = heading(page).text_content() or ""
    press(page, "m")
    page.get_by_role("radio", name="Customer commitment").press("Space")
    page.get_by_role("textbox", name="Note").fill("They sign on Friday.")
    settled(page)
    _until(lambda: any(row.body.get("text") == "They sign on Friday." for row in stored(proxied, drafts)))
    counts = [open_pages(replica) for replica in replicas]
    assert sorted(counts) == [0, 1], "a browser stays on one replica"
    (theirs, other) = replicas if counts[0] else replicas[::-1]
    held = next(row for row in stored(proxied, items) if row.state == "claimed")

    theirs.process.kill()
    theirs.process.wait()
    killed_at = monotonic()

    _until(lambda: open_pages(other) == 1)
    expect(page.get_by_role("textbox", name="Note")).to_have_value("They sign on Friday.")
    settled(page)
    print(f"\nOn the other replica, draft and all, {monotonic() - killed_at:.1f} s after the kill.")
    expect(heading(page)).to_have_text(item)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    again = next(row for row in stored(proxied, items) if row.id == held.id)
    assert (again.state, again.claimed_by, again.fence) == ("claimed", held.claimed_by, held.fence)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved: Keep manual")).to_be_visible()
    assert [row.outcome for row in stored(proxied, decisions)] == ["accept_ai", "keep_manual"]
    assert [row.text for row in stored(proxied, reasons)] == ["They sign on Friday."]
    made = [row.decision_id for row in stored(proxied, audit_events) if row.action == "decision.made"]
    assert made == [row.id for row in stored(proxied, decisions)]


def test_over_the_proxy_https_is_known_and_metrics_are_shut(proxied: Workbench, page: Page) -> None:
    answer = page.goto(proxied.url)

    assert answer is not None
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    (cookie,) = [each for each in page.context.cookies() if each["name"] == "__Host-workbench_browser"]
    assert cookie["secure"]
    assert page.request.get(f"{proxied.url}/metrics").status == 404


@contextmanager
def saying(name: str) -> Iterator[str]:
    """Something in a replica's place that answers with its name; its address."""

    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Says)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.parametrize("cookie", ["__Host-workbench_browser", "workbench_browser"])
def test_browsers_behind_one_address_are_spread_and_each_stays_where_it_is(tmp_path: Path, cookie: str) -> None:
    def lands_on(proxy: str, browser: int) -> str:
        headers = {"Cookie": f"other=1; {cookie}=browser-{browser}; another=2"}
        asked = urllib.request.Request(proxy, headers=headers)  # noqa: S310 -- our own address
        unchecked = ssl._create_unverified_context()  # noqa: S323 -- a certificate made here
        with urllib.request.urlopen(asked, timeout=10, context=unchecked) as answer:  # noqa: S310 -- our own address
            return answer.read().decode()

    with saying("a") as a, saying("b") as b, nginx(tmp_path, [a, b]) as proxy:
        first, second = ([lands_on(proxy, number) for number in range(20)] for _ in range(2))

    assert first == second
    assert 4 <= first.count("a") <= 16

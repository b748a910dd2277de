"""A real Chromium against a real ``workbench serve``, on each kind of database."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.steps import Workbench, serving
from tests.conftest import scratch_database

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds. A page settles in well under one second; a busy machine gets many.
PATIENCE = 30_000


@pytest.fixture
def workbench(database_url: str, tmp_path: Path) -> Iterator[Workbench]:
    """A server on an empty database of its own, in demo mode; once on SQLite, once on PostgreSQL."""
    with serving(database_url, tmp_path) as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_workbench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """One server for a whole module whose tests do not get in each other's way."""
    folder = tmp_path_factory.mktemp("shared")
    with scratch_database(request, folder) as database_url, serving(database_url, folder) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The Chromium of the machine, or the one that Playwright downloaded."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[[], Page]]:
    """Open a page in a browser of its own, with its own cookies; a picture of each is kept if the test fails."""
    contexts: list[BrowserContext] = []

    def open_page() -> Page:
        context = chromium.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        return context.new_page()

    expect.set_options(timeout=PATIENCE)
    yield open_page
    if getattr(request.node, "failed_in_call", False):
        _keep_pictures(request.node.name, contexts)
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[[], Page]) -> Page:
    """One page in one browser."""
    return new_page()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.when == "call":
        item.failed_in_call = report.failed  # type: ignore[attr-defined]
    return report


def _keep_pictures(name: str, contexts: list[BrowserContext]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="workbench-failed-"))
    for number, page in enumerate(page for context in contexts for page in context.pages):
        safe = "".join(letter if letter.isalnum() else "-" for letter in name)
        page.screenshot(path=folder / f"{safe}-{number}.png", full_page=True)
    print(f"\nPictures of the failure: {folder}")

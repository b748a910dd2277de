"""SIGTERM while people work: unready first, what is under way ends well, claims go back (F16)."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, text

from storage.engine import open_database
from storage.tables import audit_events, decisions, imports, items
from tests import builders
from tests.browser.steps import Workbench, serving, settled, sign_in
from tests.browser.test_review import bring_in, press, start, stored

pytestmark = pytest.mark.browser

ENDS_WITHIN = 20  # seconds


@contextmanager
def in_the_way(workbench: Workbench) -> Iterator[None]:
    """Somebody else who writes, so that whoever writes now has to wait."""
    database = open_database(workbench.database_url)
    with database.writing() as session:
        session.execute(select(items.c.id).with_for_update())
        if database.dialect == "postgresql":
            session.execute(text("LOCK TABLE imports"))
        yield
    database.engine.dispose()


def readiness(workbench: Workbench) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{workbench.url}/readyz", timeout=10) as answer:  # noqa: S310 -- our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def stop(workbench: Workbench) -> float:
    """SIGTERM, and the clock's reading then."""
    workbench.process.send_signal(signal.SIGTERM)
    return monotonic()


def ended(workbench: Workbench, since: float) -> float:
    """Seconds until the process was gone, which went well."""
    assert workbench.process.wait(timeout=ENDS_WITHIN + 10) == 0
    return monotonic() - since


def until_it_waits(workbench: Workbench, page: Page) -> None:
    """Wait until nothing but the work under way keeps the server."""
    for _ in range(300):
        if any("Waiting for what is under way" in line for line in workbench.log):
            return
        page.wait_for_timeout(20)
    raise AssertionError("It never waited.")


def releases(workbench: Workbench) -> list[tuple[int, str]]:
    events = [event for event in stored(workbench, audit_events) if event.action == "item.released"]
    return [(event.item_id, event.details["because"]) for event in events]


def test_it_says_that_it_is_not_ready_while_it_still_works_and_then_gives_claims_back(
    database_url: str, tmp_path: Path, page: Page
):
    with serving(database_url, tmp_path, drain_seconds="6") as workbench:
        bring_in(workbench, 3)
        start(page, workbench)
        assert readiness(workbench) == (200, '{"status":"ready"}')

        since = stop(workbench)
        page.wait_for_function("url => fetch(url).then(answer => answer.status === 503)", arg=f"{workbench.url}/readyz")
        assert readiness(workbench) == (503, '{"status":"stopping","problems":["stopping"]}')
        press(page, "a")
        expect(page.get_by_text("Saved: Accept AI")).to_be_visible()

        took = ended(workbench, since)
    print(f"\nended {took:.1f} s after SIGTERM, of which 6 unready")
    assert len(stored(workbench, decisions)) == 1
    assert [row.state for row in stored(workbench, items)] == ["ready", "ready", "decided"]
    assert releases(workbench) == [(2, "server stopped")]


@pytest.mark.long
def test_a_decision_under_way_is_finished_and_told(workbench: Workbench, page: Page):
    bring_in(workbench, 2)
    start(page, workbench)

    with in_the_way(workbench):
        press(page, "a")
        page.wait_for_timeout(500)  # until the press is under way: nothing shows it
        since = stop(workbench)
        until_it_waits(workbench, page)

    print(f"\nended {ended(workbench, since):.1f} s after SIGTERM")
    assert [row.outcome for row in stored(workbench, decisions)] == ["accept_ai"]
    assert {row.state for row in stored(workbench, items)} == {"ready", "decided"}


@pytest.mark.long
def test_an_import_under_way_is_undone_as_a_whole(workbench: Workbench, page: Page):
    database = open_database(workbench.database_url)
    builders.a_workflow(database)
    database.engine.dispose()
    sign_in(page, workbench, "director", "/data")
    file = {"name": "many.csv", "mimeType": "text/csv", "buffer": builders.forecasts(3000).encode()}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_visible()
    settled(page)

    with in_the_way(workbench):
        page.get_by_role("button", name="Import", exact=True).click()
        expect(page.get_by_text("Reading the file")).to_be_visible()
        page.wait_for_timeout(1500)  # until it has read the file and waits to write: nothing shows it
        since = stop(workbench)
        page.wait_for_timeout(500)

    print(f"\nended {ended(workbench, since):.1f} s after SIGTERM")
    assert stored(workbench, items) == []
    assert stored(workbench, imports) == []


def test_a_second_sigterm_stops_at_once(sqlite_url: str, tmp_path: Path):
    with serving(sqlite_url, tmp_path, drain_seconds="60") as workbench:
        stop(workbench)
        while readiness(workbench)[0] == 200:
            pass
        since = stop(workbench)

        assert workbench.process.wait(timeout=2) == -signal.SIGTERM
        assert monotonic() - since < 2


@pytest.mark.long
def test_sigint_does_not_wait(sqlite_url: str, tmp_path: Path):
    with serving(sqlite_url, tmp_path, drain_seconds="60") as workbench:
        workbench.process.send_signal(signal.SIGINT)

        workbench.process.wait(timeout=5)


@pytest.mark.long
def test_signing_out_gives_claims_back(workbench: Workbench, page: Page):
    bring_in(workbench, 1)
    start(page, workbench)
    assert [row.state for row in stored(workbench, items)] == ["claimed"]

    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("button", name="Sign in as reviewer", exact=True)).to_be_visible()
    assert [row.state for row in stored(workbench, items)] == ["ready"]
    assert releases(workbench) == [(1, "signed out")]

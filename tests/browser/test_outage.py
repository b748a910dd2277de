"""When the database takes no writes: said within 5 s on an open page, nothing accepted, over within 10 s (P15, F5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import Page, expect

from storage.tables import decisions, drafts
from tests.browser.steps import Workbench, serving, settled, sign_in
from tests.browser.test_review import bring_in, heading, press, start, stored
from tests.faults import Wire, no_room, restart_postgresql, wire_to
from tests.workbench.test_again import make_read_only
from tests.workbench.test_health import end_connections

pytestmark = pytest.mark.browser

SHOWN_WITHIN, GONE_WITHIN = 5_000, 10_000  # milliseconds


@pytest.fixture
def on_postgresql(postgresql_url: str, tmp_path: Path) -> Iterator[Workbench]:
    with serving(postgresql_url, tmp_path) as running:
        yield running


@pytest.fixture
def wire(postgresql_url: str) -> Iterator[Wire]:
    with wire_to(postgresql_url) as wire:
        yield wire


@pytest.fixture
def at_the_far_end(wire: Wire, tmp_path: Path) -> Iterator[Workbench]:
    """A server whose connections to PostgreSQL can be cut."""
    with serving(wire.url.render_as_string(hide_password=False), tmp_path) as running:
        yield running


def expect_banner(page: Page) -> None:
    began = monotonic()
    expect(page.get_by_text("Read only: ")).to_be_visible(timeout=SHOWN_WITHIN)
    print(f"\nbanner after {monotonic() - began:.2f} s")


def expect_recovery(page: Page) -> None:
    began = monotonic()
    expect(page.get_by_text("Read only: ")).to_have_count(0, timeout=GONE_WITHIN)
    print(f"\nrecovered after {monotonic() - began:.2f} s")


@pytest.mark.long
def test_a_read_only_postgresql_is_said_and_nothing_is_accepted_until_it_is_over(on_postgresql: Workbench, page: Page):
    bring_in(on_postgresql, 2, step=300)
    start(page, on_postgresql)
    item = heading(page).text_content() or ""

    make_read_only(on_postgresql.database_url, "on")
    end_connections(on_postgresql.database_url)
    expect_banner(page)
    press(page, "a")
    expect(page.get_by_text("The database takes no changes at the moment. Nothing was saved")).to_be_visible()
    expect(heading(page)).to_have_text(item)
    settled(page)
    press(page, "m")
    page.get_by_role("textbox", name="Note").fill("Typed in the dark")
    page.get_by_role("textbox", name="Note").blur()
    settled(page)
    assert stored(on_postgresql, decisions) == []

    make_read_only(on_postgresql.database_url, "off")
    expect_recovery(page)
    expect(page.get_by_role("textbox", name="Note")).to_have_value("Typed in the dark")
    settled(page)
    assert stored(on_postgresql, drafts)[0].body["text"] == "Typed in the dark"
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    press(page, "a")
    expect(page.get_by_text("Saved: Accept AI")).to_be_visible()
    assert len(stored(on_postgresql, decisions)) == 1


@pytest.mark.long
def test_a_full_disk_is_said_and_nothing_is_accepted_until_there_is_room(sqlite_url: str, tmp_path: Path, page: Page):
    with serving(sqlite_url, tmp_path) as workbench:
        bring_in(workbench, 2)
        start(page, workbench)
        item = heading(page).text_content() or ""

        with no_room(workbench.process.pid):
            expect_banner(page)
            press(page, "a")
            expect(page.get_by_text("Nothing was saved").or_(page.get_by_text("Checking whether"))).to_be_visible()
            expect(heading(page)).to_have_text(item)
            assert stored(workbench, decisions) == []
        expect_recovery(page)
        settled(page)

        press(page, "a")

        expect(page.get_by_text("Saved: Accept AI")).to_be_visible()
        assert len(stored(workbench, decisions)) == 1


def test_a_database_that_is_away_is_said_and_the_page_stays(at_the_far_end: Workbench, wire: Wire, page: Page):
    bring_in(at_the_far_end, 2, step=300)
    start(page, at_the_far_end)
    settled(page)
    press(page, "m")
    page.get_by_role("textbox", name="Note").fill("Half a reason")
    settled(page)

    wire.is_down = True
    wire.drop()
    expect_banner(page)
    page.get_by_role("textbox", name="Note").fill("A whole reason")
    page.get_by_role("textbox", name="Note").blur()
    expect(page.get_by_text("what you typed is kept")).to_be_visible()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("A whole reason")
    wire.is_down = False
    expect_recovery(page)

    expect(page.get_by_role("textbox", name="Note")).to_have_value("A whole reason")
    settled(page)
    assert stored(at_the_far_end, drafts)[0].body["text"] == "A whole reason"


@pytest.mark.long
def test_a_postgresql_that_is_killed_and_started_again_is_hardly_noticed(on_postgresql: Workbench, page: Page):
    bring_in(on_postgresql, 2)
    start(page, on_postgresql)
    item = heading(page).text_content() or ""

    restart_postgresql(on_postgresql.database_url)
    expect_recovery(page)
    expect(heading(page)).to_have_text(item)
    settled(page)
    press(page, "a")

    expect(page.get_by_text("Saved: Accept AI")).to_be_visible(timeout=GONE_WITHIN)
    assert len(stored(on_postgresql, decisions)) == 1


@pytest.mark.long
def test_a_page_opened_while_the_database_is_away_is_calm_and_comes_back(
    at_the_far_end: Workbench, wire: Wire, page: Page
):
    bring_in(at_the_far_end, 1)
    sign_in(page, at_the_far_end, "reviewer")
    wire.is_down = True
    wire.drop()

    page.goto(f"{at_the_far_end.url}/queue")
    expect(page.get_by_text("The page comes back by itself.")).to_be_visible()
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
    wire.is_down = False

    expect(page.get_by_text("1 open item")).to_be_visible(timeout=GONE_WITHIN)
    expect(page.get_by_text("Read only: ")).to_have_count(0)


@pytest.mark.long
@pytest.mark.parametrize(
    ("cut", "then"),
    [
        ("after", "Saved: Accept AI"),
        ("before", "It was not saved. Choose again"),
    ],
)
def test_a_decision_in_doubt_is_checked_and_then_said(at_the_far_end: Workbench, wire: Wire, page: Page, cut, then):
    bring_in(at_the_far_end, 2)
    start(page, at_the_far_end)

    wire.stays_down_after_cut = True
    wire.cuts_after = b"INSERT INTO decisions"  # the server's own beats commit too
    wire.cut = cut
    press(page, "a")
    expect(page.get_by_text("Checking whether it was saved")).to_be_visible()
    expect(page.get_by_role("button", name="Accept AI")).to_be_disabled()
    wire.is_down = False

    expect(page.get_by_text(then)).to_be_visible(timeout=GONE_WITHIN)
    expect(page.get_by_role("button", name="Accept AI")).to_be_enabled()
    assert wire.cuts == 1
    assert len(stored(at_the_far_end, decisions)) == (cut == "after")
    if cut == "before":
        settled(page)
        press(page, "a")
        expect(page.get_by_text("Saved: Accept AI")).to_be_visible()
        assert len(stored(at_the_far_end, decisions)) == 1

"""Our own element in a real browser: focus, the sheet of keys, another server; and a number that is named first."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from storage.engine import open_database
from storage.tables import decisions, items
from tests import builders
from tests.browser.steps import Workbench, serving, settled, sign_in
from tests.browser.test_review import bring_in, heading, press, start, stored

pytestmark = pytest.mark.browser


@pytest.mark.long
def test_the_focus_goes_where_the_eye_is_and_a_question_mark_shows_the_keys(workbench: Workbench, page: Page):
    bring_in(workbench, 3)
    start(page, workbench)

    press(page, "x")
    expect(page.get_by_role("textbox", name="Why does this need somebody else?")).to_be_focused()
    settled(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox", name="Why does this need somebody else?")).to_have_count(0)
    press(page, "a")
    expect(heading(page)).to_have_text("acme-2 · 2026-12")
    expect(heading(page)).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="acme-2 · 2026-12")).to_have_count(1)
    settled(page)
    page.keyboard.type("?")
    expect(page.get_by_role("dialog").get_by_text("Accept AI")).to_be_visible()
    page.keyboard.type("a")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(stored(workbench, decisions)) == 1


def held_until(workbench: Workbench) -> list[object]:
    return [item.expires_at for item in stored(workbench, items)]


@pytest.mark.long
def test_a_page_that_was_drawn_by_a_server_that_is_gone_works_with_the_next_one(
    database_url: str, tmp_path: Path, page: Page
):
    with serving(database_url, tmp_path) as first:
        bring_in(first, 3)
        start(page, first)
        port, until = str(urlsplit(first.url).port), held_until(first)
        first.process.kill()
        first.process.wait()

    with serving(database_url, tmp_path, port=port) as second:
        expect(page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]")).to_be_visible()
        expect(page.get_by_role("button", name="Accept AI")).to_be_enabled()
        for _ in range(500):  # drawn by this server, the page holds its item for longer
            if held_until(second) != until:
                break
            page.wait_for_timeout(20)
        settled(page)
        press(page, "a")

        expect(page.get_by_text("Saved: Accept AI")).to_be_visible()
        assert len(stored(second, decisions)) == 1


@pytest.mark.long
def test_a_number_is_named_before_the_ais_is_shown(workbench: Workbench, page: Page):
    database = open_database(workbench.database_url)
    workflow = builders.a_workflow(database, human_first_share=1.0)
    builders.bring_in(database, workflow, builders.forecasts(1, step=300))
    database.engine.dispose()
    sign_in(page, workbench, "reviewer", "/review")

    expect(page.get_by_text("Your number first: chance chose this item.")).to_be_visible()
    expect(page.get_by_role("button", name="Accept AI")).to_have_count(0)
    expect(page.get_by_text("1,000")).to_have_count(0)
    number = page.get_by_role("spinbutton", name="Your forecast (EUR k)")
    number.fill("1200")
    number.press("Tab")
    settled(page)
    page.get_by_role("button", name="Show the AI's").click()
    expect(page.get_by_text("You named 1,200 first.")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Accept AI").click()

    expect(page.get_by_text("Saved: Accept AI, 1,000 EUR k")).to_be_visible()
    (row,) = stored(workbench, decisions)
    assert (row.mode, row.initial_value, row.knew_more, row.final_value) == ("human_first", 1200, False, 1000)

"""Every page of the simulated organisation opens, for everybody who may open it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from storage.engine import open_database
from tests.browser.steps import Workbench, settled, sign_in
from workbench import demo

pytestmark = pytest.mark.browser


#: How many pages each role has in its menu.
MENU = {"reviewer": 17, "director": 18, "manager": 16, "workflow owner": 20, "auditor": 17, "administrator": 20}


@pytest.fixture(scope="module")
def organisation(shared_workbench: Workbench) -> Workbench:
    """A server on the simulated organisation."""
    database = open_database(shared_workbench.database_url)
    demo.load(database)
    database.engine.dispose()
    return shared_workbench


#: Opens every page but Review, which has tests enough; what the others see of one is the same page.
ALL_PAGES_OF = "administrator"


@pytest.mark.parametrize(
    "role", [role if role == ALL_PAGES_OF else pytest.param(role, marks=pytest.mark.long) for role in MENU]
)
def test_every_page_in_the_menu_opens_without_a_failure(organisation: Workbench, page: Page, role: str):
    sign_in(page, organisation, role)

    links = page.get_by_test_id("stSidebarNavLink")
    expect(links).to_have_count(MENU[role])

    for link in links.all() if role == ALL_PAGES_OF else links.all()[:1]:
        link.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        settled(page)
        expect(page.get_by_text("Something went wrong")).to_have_count(0)
        expect(page.get_by_text("Demo mode: anyone can sign in as anyone")).to_be_visible()
        if not page.url.endswith("/people"):  # of every workflow
            expect(page.get_by_text("Simulated data")).to_be_visible()


@pytest.mark.long
def test_a_row_of_the_queue_opens_in_review(organisation: Workbench, page: Page):
    sign_in(page, organisation, "reviewer", "/queue")
    table = page.get_by_test_id("stDataFrame").first
    expect(page.locator("table[role=grid] [role=gridcell]").first).to_be_attached()
    settled(page)

    # The table is a canvas, which takes a moment to listen after it is drawn: press until it has heard.
    for _ in range(10):
        table.click(position={"x": 18, "y": 52})
        try:
            page.wait_for_url("**/review?*", timeout=3_000)
            break
        except PlaywrightTimeout:
            continue

    expect(page.get_by_text("AI forecast", exact=True)).to_be_visible()
    assert "item=" in page.url

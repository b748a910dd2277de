"""A director reconciles a period in a real browser, and closes it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from storage.engine import open_database
from tests import builders
from tests.browser.steps import Workbench, settled, sign_in

pytestmark = pytest.mark.browser

ROWS = """series,period,ai_forecast,ai_low,ai_high,human_forecast,segment_region
acme,2026-12,1000,900,1100,1300,North
bolt,2026-12,500,450,550,400,South
"""


def bring_in(workbench: Workbench) -> None:
    database = open_database(workbench.database_url)
    workflow = builders.a_workflow(database, segments=["region"])
    builders.bring_in(database, workflow, ROWS)
    database.engine.dispose()


def type_final(page: Page, row: int, value: str) -> None:
    """Type over *Final* in a row of the items, as one does in a spreadsheet."""
    grid = page.get_by_test_id("stDataFrame").nth(1)
    box = grid.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 31 * (row + 1.5))
    selected = grid.locator("[role=gridcell][aria-selected=true]")
    for _ in range(4):  # a machine presses faster than the grid moves on
        before = selected.get_attribute("id") or ""
        page.keyboard.press("ArrowRight")
        expect(selected).not_to_have_attribute("id", before)
    page.keyboard.press("Enter")
    page.locator("#portal input").fill(value)
    page.keyboard.press("Enter")


@pytest.mark.long
def test_a_period_is_changed_at_the_leaf_submitted_and_locked(workbench: Workbench, page: Page):
    bring_in(workbench)
    sign_in(page, workbench, "director", "/reconcile")
    expect(page.get_by_text("2 items not decided yet")).to_be_visible()
    settled(page)

    type_final(page, 0, "1200")
    expect(page.get_by_text("1 item changed, not saved yet")).to_be_visible()
    effect = page.get_by_test_id("stDataFrame").nth(2).locator("table")
    expect(effect).to_contain_text("1700")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("an override needs a reason")).to_be_visible()
    page.get_by_role("radio", name="Promotion").click()
    expect(page.get_by_text("Evidence asked")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Saved: 1 final value.")).to_be_visible()
    expect(page.get_by_text("+200 vs AI")).to_be_visible()

    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_text("Submitted.")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Lock period", exact=True).click()
    expect(page.get_by_text("1 item nobody has decided.")).to_be_visible()
    page.get_by_text("the manual forecast: the plan comes to 1,600 EUR k").click()
    settled(page)
    page.get_by_role("button", name="Lock 2026-12 for good").click()
    expect(page.get_by_text("2026-12 is locked.")).to_be_visible()
    expect(page.get_by_text("Final 1,600, 1 of 2 items decided.")).to_be_visible()

"""Bringing a spreadsheet in and fixing what was wrong with it, in a real browser, on both databases."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from storage.engine import open_database
from storage.tables import items
from tests import builders
from tests.browser.steps import Workbench, settled, sign_in

pytestmark = pytest.mark.browser

FILE = b"Account,Month,AI forecast\nacme,2026-12,100\nbolt,2026-12,about 90\n"


def test_a_file_goes_in_and_its_bad_row_is_fixed_in_place(page: Page, workbench: Workbench):
    database = open_database(workbench.database_url)
    builders.a_workflow(database)
    sign_in(page, workbench, "director", "/data")

    page.locator("input[type=file]").set_input_files({"name": "new.csv", "mimeType": "text/csv", "buffer": FILE})
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("Nothing was changed: this was a dry run.")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("2 rows: 1 accepted, 0 unchanged, 0 updated, 1 set aside.")).to_be_visible()
    settled(page)
    retry = page.get_by_role("button", name="Retry")
    expect(retry).to_be_disabled()
    _type_into_last_cell(page, "90")
    expect(retry).to_be_enabled()
    retry.click()

    expect(page.get_by_text("Of 1 that you retried, 1 went in.")).to_be_visible()
    expect(page.get_by_text("Nothing is set aside.")).to_be_visible()
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(items)).scalar_one() == 2
    database.engine.dispose()


def _type_into_last_cell(page: Page, text: str) -> None:
    """Into the last column of the first row of the table of rows set aside, as somebody at a keyboard would."""
    table = page.locator("[class*=st-key-data-aside-sales]").get_by_test_id("stDataFrame")
    expect(table.get_by_text("What is wrong")).to_be_attached()
    table.scroll_into_view_if_needed()
    table.click(position={"x": 60, "y": 52})
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    cell = page.locator("#portal").get_by_role("textbox")
    cell.fill(text)
    cell.press("Enter")

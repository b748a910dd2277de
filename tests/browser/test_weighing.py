"""Weighing a gap in a real browser: its scale, the ways to say a final value, on a phone and on dark paper."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from storage.engine import open_database
from storage.tables import reasons
from tests import builders
from tests.browser.conftest import PATIENCE
from tests.browser.steps import Workbench, settled, sign_in
from tests.browser.test_flow import choose
from tests.browser.test_review import stored

pytestmark = pytest.mark.browser

ROWS = "series,period,ai_forecast,ai_low,ai_high,human_forecast\n"
PAST = "".join(f"acme,2026-{month:02d},1000,900,1100,1000\n" for month in range(1, 7))
NOW = "acme,2026-12,1000,900,1100,1400\nacme,2027-01,1000,900,1100,1001\n"
ACTUALS = "series,period,actual\n" + "".join(f"acme,2026-{month:02d},{1000 + 20 * month}\n" for month in range(1, 7))


def bring_in(workbench: Workbench) -> None:
    """Six months that ended, with misses of 20 to 120, and two to come."""
    database = open_database(workbench.database_url)
    workflow = builders.a_workflow(database)
    builders.bring_in(database, workflow, ROWS + PAST + NOW)
    builders.bring_in(database, workflow, ACTUALS, kind="actuals")
    database.engine.dispose()


def start(page: Page, workbench: Workbench) -> None:
    sign_in(page, workbench, "reviewer", "/queue?search=acme")
    page.goto(f"{workbench.url}/review?item=7")
    expect(page.get_by_role("heading", name="acme · 2026-12")).to_be_visible()
    settled(page)


def box(page: Page, name: str) -> Locator:
    return page.get_by_role("spinbutton", name=name, exact=True)


@pytest.mark.long
def test_a_final_value_moves_on_the_scale_and_the_chart_in_whatever_way_it_is_said(workbench: Workbench, page: Page):
    bring_in(workbench)
    start(page, workbench)
    charts = page.get_by_test_id("stVegaLiteChart")
    expect(charts).to_have_count(2)
    scale, chart = charts.first, charts.last
    said = "A gap of .400 EUR k.*Larger than all of the AI’s last 6 misses"
    expect(scale).to_have_attribute("aria-label", re.compile(said))
    expect(box(page, "Final")).to_have_value("1000")

    box(page, "Final").fill("1100")
    box(page, "Final").press("Tab")
    expect(box(page, "Change in %")).to_have_value("10")
    expect(page.get_by_role("slider", name="Between AI and manual")).to_have_value("25")
    settled(page)
    box(page, "Change (EUR k)").fill("200")
    box(page, "Change (EUR k)").press("Tab")

    expect(box(page, "Final")).to_have_value("1200")
    expect(chart).to_have_attribute("aria-label", re.compile("Manual 1,400, Final 1,200"))
    settled(page)
    page.get_by_role("radio", name="Timing shift").click()
    expect(page.get_by_text("The opposite entry will be written into that period on saving.")).to_be_visible()
    settled(page)
    choose(page, "Other period", "2027-01")
    settled(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved: Adjust, 1,200 EUR k")).to_be_visible()
    kept = [(reason.code, reason.paired_period) for reason in stored(workbench, reasons)]
    assert kept == [("DEAL_TIMING", "2027-01"), ("DEAL_TIMING", "2026-12")]


@pytest.mark.long
def test_on_a_phone_the_gap_is_in_sight_at_once_and_both_forecasts_stand_side_by_side(
    workbench: Workbench, chromium: Browser
):
    bring_in(workbench)
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    start(page, workbench)

    gap, ai, manual = (page.get_by_test_id("stMetric").filter(has_text=name) for name in ("Gap", "AI", "Manual"))
    expect(gap).to_be_in_viewport(ratio=1)
    tops = [found.bounding_box()["y"] for found in (gap, ai, manual, page.get_by_role("button", name="Accept AI"))]
    assert tops[0] < tops[1] == tops[2] < tops[3] < 2 * 844
    context.close()


@pytest.mark.long
@pytest.mark.parametrize("paper", ["light", "dark"])
def test_a_chosen_chip_and_a_pressed_button_can_be_read(workbench: Workbench, chromium: Browser, paper: str):
    bring_in(workbench)
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=paper)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    start(page, workbench)
    box(page, "Final").fill("1200")
    box(page, "Final").press("Tab")
    page.get_by_role("radio", name="Promotion").click()
    expect(page.get_by_text("Evidence asked")).to_be_visible()
    page.get_by_role("radio", name="Up", exact=True).click()
    settled(page)

    for name in ("Promotion", "Up", "Save", "Adjust"):
        text = page.get_by_test_id("stMain").get_by_text(name, exact=True).last
        _wait_for(lambda text=text: text.evaluate(CONTRAST) >= 4.5, page)
    context.close()


#: The contrast of a text with everything that is painted under it, as WCAG 2 counts it.
CONTRAST = """element => {
  const parse = colour => {
    const n = colour.match(/[0-9.]+/g).map(Number), scale = colour.startsWith("color(") ? 255 : 1;
    return [n[0] * scale, n[1] * scale, n[2] * scale, n[3] ?? 1];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => {
    const v = c[i] / 255;
    return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const papers = [];
  for (let e = element; e; e = e.parentElement) papers.push(parse(getComputedStyle(e).backgroundColor));
  const paper = papers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  const text = over(parse(getComputedStyle(element).color), paper);
  const [dim, bright] = [light(paper), light(text)].sort((a, b) => a - b);
  return (bright + 0.05) / (dim + 0.05);
}"""


def _wait_for(condition: Callable[[], bool], page: Page) -> None:
    """Wait until it holds: colours change gradually."""
    for _ in range(50):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("It never held.")

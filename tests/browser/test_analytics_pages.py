"""Ageing, Overrides and Oversight in a real browser, on the simulated organisation and on an empty workflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from storage.engine import open_database
from storage.tables import audit_events
from tests.browser.steps import Workbench, serving, settled, sign_in
from tests.conftest import scratch_database
from workbench import analytics, known_reviews, watching
from workbench.commands.console import operator

pytestmark = pytest.mark.browser

EMPTY = 'key = "new"\ntitle = "New"\nunit = "EUR"\nsegments = ["region"]\nowner = "o@example.com"\n'


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def simulated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A server on the simulated organisation, for the whole module: these tests only read."""
    folder = tmp_path_factory.mktemp("simulated")
    with scratch_database(request, folder) as database_url, serving(database_url, folder) as running:
        running.command("demo")
        yield running


def known_to(workbench: Workbench) -> known_reviews.Reviews:
    database = open_database(workbench.database_url)
    reviews = known_reviews.read(database, person_id=operator(database), workflow_key="sales")
    database.engine.dispose()
    return reviews


def charts(page: Page):
    return page.get_by_test_id("stVegaLiteChart")


@pytest.mark.long
def test_ageing_answers_its_question_with_three_charts(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/ageing")

    expect(page.get_by_role("heading", name="Is anything waiting too long?")).to_be_visible()
    waiting = len(analytics.waiting_items(known_to(simulated), "lane"))
    expect(page.get_by_text(f"{waiting} items are open")).to_be_visible()
    expect(charts(page)).to_have_count(3)


@pytest.mark.long
@pytest.mark.parametrize(
    ("view", "said", "drawn"),
    [("Flow", "Not clearing at the current pace|Clear by|The queue is clear", 2), ("Time", "Of all waiting", 2)],
)
def test_the_views_of_ageing_are_in_the_link(
    page: Page, simulated: Workbench, view: str, said: str, drawn: int
) -> None:
    sign_in(page, simulated, "manager", "/ageing")
    page.get_by_role("radio", name=view).click()
    expect(page.get_by_text(re.compile(said))).to_be_visible()

    page.goto(page.url)

    expect(page.get_by_text(re.compile(said))).to_be_visible()
    expect(charts(page)).to_have_count(drawn)


@pytest.mark.long
def test_the_bottleneck_of_the_simulated_organisation_is_named(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/ageing?view=Time&by=Territory")

    expect(page.get_by_text("in Benelux")).to_be_visible()


@pytest.mark.long
def test_adoption_answers_its_question_and_names_what_cannot_be_known(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/adoption")

    expect(page.get_by_role("heading", name="Do people use it, and where do they stop?")).to_be_visible()
    expect(page.get_by_text("The step that loses most is")).to_be_visible()
    expect(page.get_by_text("Shadow overrides: can't tell, no plan has been brought in.")).to_be_visible()
    expect(charts(page)).to_have_count(3)
    expect(charts(page).last.locator("canvas, svg").first).to_be_visible()


@pytest.mark.long
def test_impact_without_a_baseline_says_so_and_shows_now(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/impact?rate=80.0")

    expect(page.get_by_text("No baseline: import past reviews (kind reviews)")).to_be_visible()
    expect(page.get_by_text("EUR a case")).to_be_visible()
    expect(charts(page)).to_have_count(2)


@pytest.mark.long
def test_what_else_changed_is_noted_once_and_stands_on_the_page(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/impact")
    page.get_by_text("Note what else changed").click()
    page.get_by_role("textbox", name="What happened?").fill("A new CRM")
    page.get_by_role("button", name="Note it").click()

    expect(page.get_by_text("Noted. The charts show the day.")).to_be_visible()
    expect(page.get_by_text(re.compile("A new CRM .noted by "))).to_be_visible()


@pytest.mark.long
def test_overrides_answers_its_question_and_names_nobody(page: Page, simulated: Workbench) -> None:
    known = known_to(simulated)
    row = analytics.overrides_overall(known)

    sign_in(page, simulated, "manager", "/overrides")

    expect(page.get_by_text(f"{row['overrides']:,} of {row['n']:,}")).to_be_visible()
    expect(charts(page)).to_have_count(3)
    for table in page.get_by_text("Table: ").all():
        table.click()
    expect(page.get_by_role("button", name="Download CSV")).to_have_count(3)
    settled(page)
    reviewers = set(known.table["reviewer"].dropna())
    shown = page.get_by_test_id("stMain").inner_text()
    assert reviewers
    assert not {name for name in reviewers if name in shown}


@pytest.mark.long
def test_overrides_by_band_tells_reasons_too(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/overrides")
    page.get_by_role("combobox", name="Split by").click()
    page.get_by_role("option", name="Gap between the forecasts", exact=True).click()

    expect(page.get_by_text("Table: overrides by reason")).to_be_visible()
    expect(charts(page)).to_have_count(3)


@pytest.mark.long
def test_oversight_answers_its_question_and_names_nobody_until_a_look_that_is_recorded(
    page: Page, simulated: Workbench
) -> None:
    sign_in(page, simulated, "manager", "/oversight")

    expect(page.get_by_text("Decisions follow the gap, as no rubber stamp does")).to_be_visible()
    expect(page.get_by_text("2 people's decisions are worth a conversation, of 16 people.")).to_be_visible()
    expect(charts(page)).to_have_count(3)
    settled(page)
    main = page.get_by_test_id("stMain")
    reviewers = set(known_to(simulated).table["reviewer"].dropna())
    assert not {name for name in reviewers if name in main.inner_text()}

    page.get_by_role("button", name="Look closer").click()
    expect(page.get_by_text("What may well be behind it")).to_have_count(1)
    settled(page)
    planted = {"Mikko Laine", "Lucía Prado"}
    assert len({name for name in reviewers if name in main.inner_text()}) == 1
    assert {name for name in reviewers if name in main.inner_text()} < planted
    page.get_by_role("button", name="Look closer").click()
    expect(page.get_by_text("What may well be behind it")).to_have_count(2)
    settled(page)
    assert {name for name in reviewers if name in main.inner_text()} == planted
    assert _looks(simulated) == 2


@pytest.mark.long
def test_a_reviewer_is_offered_no_closer_look_at_others(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "reviewer", "/oversight")

    expect(page.get_by_text("2 people's decisions are worth a conversation, of 16 people.")).to_be_visible()
    settled(page)
    expect(page.get_by_role("button", name="Look closer")).to_have_count(0)


def _looks(workbench: Workbench) -> int:
    database = open_database(workbench.database_url)
    with database.reading() as session:
        found = select(func.count()).where(audit_events.c.action == "person.looked_closer")
        number: int = session.execute(found).scalar_one()
    database.engine.dispose()
    return number


@pytest.mark.long
def test_a_filter_survives_in_the_link(page: Page, simulated: Workbench) -> None:
    sign_in(page, simulated, "manager", "/overrides")
    page.get_by_role("combobox", name="Show").click()
    page.get_by_role("option", name="North", exact=True).click()
    known = known_to(simulated)
    north = analytics.overrides_overall(known.only(known.table["segment_region"] == "North"))
    answer = page.get_by_text(f"{north['overrides']:,} of {north['n']:,}")
    expect(answer).to_be_visible()

    page.goto(page.url)

    assert page.url.endswith("/overrides?only=North")
    expect(answer).to_be_visible()


@pytest.mark.long
def test_the_table_behind_a_chart_can_be_taken_away(page: Page, simulated: Workbench, tmp_path: Path) -> None:
    sign_in(page, simulated, "manager", "/ageing")
    page.get_by_text("Table: open items").click()
    page.get_by_test_id("data-grid-canvas").wait_for()  # the button moves down when the table is drawn

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()

    download.value.save_as(tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert download.value.suggested_filename == "open-items.csv"
    assert len(table) == len(analytics.waiting_items(known_to(simulated), "lane"))


@pytest.mark.long
def test_an_empty_workflow_says_what_to_do_on_every_page(page: Page, workbench: Workbench, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(EMPTY)
    workbench.command("workflow", "add", str(file))
    sign_in(page, workbench, "manager")

    for path in ("ageing", "overrides", "oversight", "value-added", "ai-health", "adoption", "impact"):
        page.goto(f"{workbench.url}/{path}")
        expect(page.get_by_text("No forecast has come in yet.")).to_be_visible()
        expect(charts(page)).to_have_count(0)


def test_an_alert_of_the_simulated_organisation_is_explained_and_closed_by_its_owner(
    page: Page, simulated: Workbench
) -> None:
    raised = watching.watch(opened := open_database(simulated.database_url), {})
    opened.engine.dispose()
    assert len(raised) in (0, 2)  # the server may have looked first
    sign_in(page, simulated, "workflow owner", "/alerts")
    cards = page.get_by_test_id("stVerticalBlock").filter(has=page.get_by_role("textbox"))
    overdue = cards.filter(has_text="Items past their deadline").last
    expect(page.get_by_text("Yes: 2 alerts open, 2 alerts without an explanation.")).to_be_visible()

    overdue.get_by_role("textbox").fill("Benelux is short of two people until December.")
    overdue.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("Yes: 2 alerts open, 1 alert without an explanation.")).to_be_visible()
    overdue.get_by_role("button", name="Close").click()

    expect(page.get_by_text("Yes: 1 alert open, 1 alert without an explanation.")).to_be_visible()
    expect(page.get_by_text("Closed (1)")).to_be_visible()

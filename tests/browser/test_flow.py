"""Work that moves between people: assigned, skipped, reviewed twice, confirmed together, taken over, asked about."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from review_queue.items import Stage
from storage.engine import open_database
from storage.tables import absences, decisions, mentions, reasons, skips
from tests import builders
from tests.browser.steps import Workbench, settled, sign_in
from tests.browser.test_review import heading, press, start, stored

pytestmark = pytest.mark.browser


def bring_in(workbench: Workbench, count: int, *, step: float = 100, **policy: object) -> None:
    """A workflow with this policy and ``count`` items, acme-1 and so on."""
    database = open_database(workbench.database_url)
    workflow = builders.a_workflow(database, **policy)
    builders.bring_in(database, workflow, builders.forecasts(count, step=step))
    database.engine.dispose()


def until_heard(act: Callable[[], None], heard: Callable[[], None]) -> None:
    """Do it until the page has heard it: what was drawn a moment ago takes a moment to listen."""
    for _ in range(10):
        act()
        try:
            heard()
        except (AssertionError, PlaywrightTimeout):
            continue
        return
    raise AssertionError("The page never heard it.")


def tick_first_row(page: Page, heard: Callable[[], None]) -> None:
    """Select the first row of the first table, which is a canvas."""
    table = page.get_by_test_id("stDataFrame").first
    expect(page.locator("table[role=grid] [role=gridcell]").first).to_be_attached()
    settled(page)
    until_heard(lambda: table.click(position={"x": 18, "y": 52}), heard)


def pick(page: Page, reason: str) -> None:
    """Choose a reason with the space bar."""
    chip = page.get_by_role("radio", name=reason)
    settled(page)
    until_heard(lambda: chip.press("Space"), lambda: expect(chip).to_be_checked(timeout=5_000))
    settled(page)


def choose(page: Page, label: str, option: str) -> None:
    """Choose from a list of people."""
    box, person = page.get_by_role("combobox", name=label), page.get_by_role("option", name=option).first
    box.scroll_into_view_if_needed()
    until_heard(box.click, lambda: expect(person).to_be_visible(timeout=5_000))
    person.click()


@pytest.mark.long
def test_an_item_that_is_assigned_stands_on_the_desk_of_whose_it_is_with_the_note(
    workbench: Workbench, new_page: Callable[[], Page]
):
    bring_in(workbench, 3)
    reviewer, director = new_page(), new_page()
    sign_in(reviewer, workbench, "reviewer")
    sign_in(director, workbench, "director", "/queue?search=acme-1")

    tick_first_row(director, lambda: expect(director.get_by_text("1 item selected.")).to_be_visible(timeout=3_000))
    choose(director, "Assign to", "Rita (reviewer)")
    director.get_by_role("textbox", name="Note").fill("You know *them*.")
    director.get_by_role("button", name="Assign", exact=True).click()
    expect(director.get_by_text("1 item is Rita (reviewer)'s to decide now.")).to_be_visible()
    reviewer.reload()

    expect(reviewer.get_by_role("heading", name="Assigned to you")).to_be_visible()
    settled(reviewer)
    press(reviewer, "s")
    expect(heading(reviewer)).to_have_text("acme-1 · 2026-12")  # before acme-3, which weighs more
    expect(reviewer.get_by_text("Dario (director) gave you this: You know *them*.")).to_be_visible()


@pytest.mark.long
def test_an_item_is_skipped_by_keyboard_with_a_reason_that_the_next_one_reads(
    workbench: Workbench, new_page: Callable[[], Page]
):
    bring_in(workbench, 2)
    page, colleague = new_page(), new_page()
    start(page, workbench)

    press(page, "n")
    expect(page.get_by_text("Why do you skip it?")).to_be_visible()
    settled(page)
    press(page, "a")  # a letter beside an open form decides nothing
    pick(page, "Facts are missing")
    expect(page.get_by_text("comes to you again when nothing else waits")).to_be_visible()
    page.get_by_role("textbox", name="Note").fill("No contract yet.")
    settled(page)
    page.keyboard.press("Control+Enter")

    expect(page.get_by_text("Skipped: Facts are missing")).to_be_visible()
    expect(heading(page)).to_have_text("acme-1 · 2026-12")
    assert stored(workbench, decisions) == []
    assert [(row.reason, row.note) for row in stored(workbench, skips)] == [("missing_facts", "No contract yet.")]
    start(colleague, workbench, "director")
    expect(colleague.get_by_text("Facts are missing (No contract yet.)")).to_be_visible()


@pytest.mark.long
def test_a_second_review_is_blind_from_beginning_to_end_and_what_differs_is_settled_above(
    workbench: Workbench, new_page: Callable[[], Page]
):
    bring_in(workbench, 1, step=300, second_review_share=1.0)
    first, second, third = new_page(), new_page(), new_page()
    start(first, workbench, "director")
    press(first, "a")
    expect(first.get_by_text("Somebody else reviews it too, before it counts")).to_be_visible()
    expect(first.get_by_text("Nothing waits for you here.")).to_be_visible()

    sign_in(second, workbench, "reviewer", "/review")
    expect(second.get_by_text("Second review: decide without seeing the AI's value or")).to_be_visible()
    expect(second.get_by_test_id("stMain")).to_contain_text("1,300")  # the browser fetches how a figure is drawn
    settled(second)
    shown = second.get_by_test_id("stMain").inner_text()
    assert not [word for word in ("1,000", "AI forecast", "Gap", "Accept AI", "Dario") if word in shown]
    press(second, "m")
    expect(second.get_by_text("What does your value rest on?")).to_be_visible()
    pick(second, "Customer commitment")
    expect(second.get_by_text("Evidence asked")).to_be_visible()
    second.get_by_role("textbox", name="Note").press("Control+Enter")
    expect(second.get_by_text("Saved: Keep manual, 1,300 EUR k")).to_be_visible()

    sign_in(third, workbench, "workflow owner", "/review")
    expect(third.get_by_text("Two people decided this differently. Settle it")).to_be_visible()
    expect(third.get_by_text("Second decision, blind")).to_be_visible()
    settled(third)
    press(third, "a")
    expect(third.get_by_text("Saved: Accept AI, 1,000 EUR k")).to_be_visible()
    rows = stored(workbench, decisions)
    assert [(row.stage, row.final_value, row.is_provisional) for row in rows] == [
        (Stage.FIRST, 1000.0, True),
        (Stage.SECOND, 1300.0, True),
        (Stage.SETTLING, 1000.0, False),
    ]
    assert [row.code for row in stored(workbench, reasons)] == ["CUST_COMMIT"]


@pytest.mark.long
def test_routine_items_are_looked_at_as_chance_says_and_confirmed_together(workbench: Workbench, page: Page):
    bring_in(workbench, 6, step=0.1, audit_share=0.0)
    sign_in(page, workbench, "director", "/queue")
    page.get_by_role("button", name="Confirm Routine items").click()
    expect(page.get_by_text("(0 of 2 opened)")).to_be_visible()
    page.get_by_role("textbox", name="Why can these be confirmed together?").fill("They agree, and nothing is new.")
    page.get_by_role("button", name="Confirm 6 items").click()
    expect(page.get_by_text("first: chance chose them for a real look")).to_be_visible()

    for number in range(2):
        settled(page)
        page.get_by_test_id("stExpander").nth(number).locator("summary").click()
        expect(page.get_by_text(f"({number + 1} of 2 opened)")).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2 * (number + 1))
    page.reload()
    expect(page.get_by_text("(2 of 2 opened)")).to_be_visible()
    settled(page)
    page.get_by_role("textbox", name="Why can these be confirmed together?").fill("They agree, and nothing is new.")
    page.get_by_role("button", name="Confirm 6 items").click()

    expect(page.get_by_text("6 items confirmed, each with the AI's value.")).to_be_visible()
    rows = stored(workbench, decisions)
    assert {(row.outcome, row.mode, row.note) for row in rows} == {
        ("accept_ai", "bulk", "They agree, and nothing is new.")
    }
    assert len({row.item_id for row in rows}) == len(rows) == 6


@pytest.mark.long
def test_an_absence_is_noted_with_its_deputy_and_ended(workbench: Workbench, page: Page):
    bring_in(workbench, 1)
    sign_in(page, workbench, "reviewer")

    page.get_by_text("Note an absence").click()
    expect(page.get_by_text("First day away")).to_be_visible()
    settled(page)
    choose(page, "Who stands in?", "Olga")
    page.get_by_role("button", name="Note it").click()

    expect(page.get_by_text("Noted: away from")).to_be_visible()
    expect(page.get_by_text("Olga stands in")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.get_by_text("Nobody whose work concerns you is noted as away.")).to_be_visible()
    (row,) = stored(workbench, absences)
    assert row.from_at < row.until_at
    assert row.ended_at is not None


@pytest.mark.long
def test_somebody_mentioned_finds_the_comment_from_their_desk_and_it_counts_as_read(
    workbench: Workbench, new_page: Callable[[], Page]
):
    bring_in(workbench, 1)
    reviewer, director = new_page(), new_page()
    sign_in(director, workbench, "director")
    start(reviewer, workbench)
    reviewer.get_by_text("Comments", exact=True).click()
    expect(reviewer.get_by_role("textbox", name="Add a comment")).to_be_visible()
    settled(reviewer)
    reviewer.get_by_role("textbox", name="Add a comment").fill("Is this the *frame* contract?")
    choose(reviewer, "Mention", "Dario (director)")
    reviewer.keyboard.press("Escape")  # the list stays open for the next name
    reviewer.get_by_role("button", name="Comment", exact=True).click()
    expect(reviewer.get_by_text("to Dario (director)")).to_be_visible()

    director.reload()
    expect(director.get_by_role("heading", name="You were mentioned")).to_be_visible()
    tick_first_row(director, lambda: director.wait_for_url("**/review?*", timeout=3_000))

    expect(director.get_by_text("Is this the *frame* contract?")).to_be_visible()
    settled(director)
    assert [row.seen_at is not None for row in stored(workbench, mentions)] == [True]

"""A reviewer's day in a real browser, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from review_queue.items import Outcome
from storage.engine import open_database
from storage.tables import decisions, drafts, evidence_views, reasons
from tests import builders
from tests.browser.steps import Workbench, serving, settled, sign_in

pytestmark = pytest.mark.browser


def bring_in(workbench: Workbench, count: int, *, step: float = 100) -> None:
    """A workflow with ``count`` items: acme-1, acme-2, … each with a wider gap than the one before."""
    database = open_database(workbench.database_url)
    workflow = builders.a_workflow(database)
    builders.bring_in(database, workflow, builders.forecasts(count, step=step))
    database.engine.dispose()


def start(page: Page, workbench: Workbench, role: str = "reviewer") -> None:
    sign_in(page, workbench, role)
    page.get_by_role("button", name="Start reviewing").click()
    expect(page.get_by_role("button", name="Accept AI")).to_be_visible()
    settled(page)


def stored(workbench: Workbench, table) -> list:
    database = open_database(workbench.database_url)
    with database.reading() as session:
        rows = session.execute(select(table).order_by(table.c.id)).all()
    database.engine.dispose()
    return list(rows)


def heading(page: Page):
    return page.get_by_role("heading", level=3).first


def press(page: Page, key: str) -> None:
    """A key as a person would press it, with nothing to type into in focus."""
    page.locator("body").press(key)


def test_ten_items_are_cleared_by_keyboard_alone(workbench: Workbench, page: Page):
    bring_in(workbench, 10)
    sign_in(page, workbench, "reviewer")
    press(page, "s")
    seen = []

    for left in range(10, 0, -1):
        expect(heading(page)).to_have_text(f"acme-{left} · 2026-12")
        seen.append(heading(page).text_content())
        settled(page)
        press(page, "a")

    expect(page.get_by_text("Nothing waits for you here.")).to_be_visible()
    assert len(set(seen)) == 10
    assert [row.outcome for row in stored(workbench, decisions)] == [Outcome.ACCEPT_AI] * 10


@pytest.mark.long
def test_an_override_by_keyboard_asks_for_its_reason_and_keeps_it(workbench: Workbench, page: Page):
    bring_in(workbench, 2, step=300)
    start(page, workbench)

    press(page, "e")
    expect(page.get_by_text("Type your value into Final above")).to_be_visible()
    page.get_by_role("spinbutton", name="Final").fill("1250")
    page.get_by_role("spinbutton", name="Final").press("Tab")
    expect(page.get_by_text("+25.0% against the AI")).to_be_visible()
    expect(page.get_by_text("What do you know that the AI does not?")).to_be_visible()
    page.get_by_role("radio", name="Customer commitment").press("Space")
    expect(page.get_by_text("Evidence asked")).to_be_visible()
    page.get_by_role("textbox", name="Note").fill("They signed on Friday.")
    settled(page)
    page.get_by_role("radio", name="Customer commitment").press("Control+Enter")  # a chip does not swallow it

    expect(page.get_by_text("Saved: Adjust, 1,250 EUR k")).to_be_visible()
    (decision,), (reason,) = stored(workbench, decisions), stored(workbench, reasons)
    assert (decision.outcome, decision.final_value, decision.is_override) == ("adjust", 1250.0, True)
    assert (reason.code, reason.text) == ("CUST_COMMIT", "They signed on Friday.")


@pytest.mark.long
def test_an_override_without_a_reason_is_refused_and_nothing_typed_is_lost(workbench: Workbench, page: Page):
    bring_in(workbench, 1, step=300)
    start(page, workbench)

    press(page, "m")
    expect(page.get_by_text("What do you know that the AI does not?")).to_be_visible()
    page.get_by_role("textbox", name="Note").fill("Half a reason")
    settled(page)
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("an override needs a reason")).to_be_visible()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("Half a reason")
    assert stored(workbench, decisions) == []


@pytest.mark.long
def test_typing_beside_an_open_form_decides_nothing(workbench: Workbench, page: Page):
    bring_in(workbench, 3)
    start(page, workbench)
    item = heading(page).text_content() or ""
    press(page, "x")
    expect(page.get_by_role("textbox", name="Why does this need somebody else?")).to_be_visible()
    settled(page)

    page.keyboard.type("ask dana about this number")
    settled(page)
    page.keyboard.press("Escape")

    expect(page.get_by_role("textbox", name="Why does this need somebody else?")).to_have_count(0)
    expect(heading(page)).to_have_text(item)
    assert stored(workbench, decisions) == []


@pytest.mark.long
def test_what_was_said_when_an_item_was_passed_up_stands_on_it(workbench: Workbench, new_page: Callable[[], Page]):
    bring_in(workbench, 1)
    reviewer, director = new_page(), new_page()
    start(reviewer, workbench)
    press(reviewer, "x")
    reviewer.get_by_role("textbox", name="Why does this need somebody else?").fill("Budget freeze: please decide.")
    settled(reviewer)
    reviewer.get_by_role("button", name="Save").click()
    expect(reviewer.get_by_text("Saved: Escalate")).to_be_visible()

    start(director, workbench, "director")

    expect(director.get_by_text("Budget freeze: please decide.")).to_be_visible()


@pytest.mark.long
def test_undo_puts_the_item_back_in_hand(workbench: Workbench, page: Page):
    bring_in(workbench, 2)
    start(page, workbench)
    first = heading(page).text_content() or ""
    press(page, "a")
    expect(page.get_by_text("Saved: Accept AI")).to_be_visible()
    settled(page)

    press(page, "u")

    expect(page.get_by_text("Undone.")).to_be_visible()
    expect(heading(page)).to_have_text(first)
    assert [row.act for row in stored(workbench, decisions)] == ["decide", "undo"]


def test_a_double_click_is_one_decision(workbench: Workbench, page: Page):
    bring_in(workbench, 3)
    start(page, workbench)

    page.get_by_role("button", name="Accept AI").dblclick()

    expect(heading(page)).to_have_text("acme-2 · 2026-12")
    settled(page)
    assert len(stored(workbench, decisions)) == 1


@pytest.mark.long
def test_two_browsers_press_accept_on_one_item_and_one_decision_is_made(
    workbench: Workbench, new_page: Callable[[], Page]
):
    bring_in(workbench, 1)
    one, two = new_page(), new_page()
    start(one, workbench)
    start(two, workbench)
    expect(heading(two)).to_have_text(heading(one).text_content() or "")

    for page in (one, two):
        page.get_by_role("button", name="Accept AI").click(no_wait_after=True)

    expect(one.get_by_text("Saved: Accept AI").or_(one.get_by_text("already decided by you"))).to_be_visible()
    expect(two.get_by_text("Saved: Accept AI").or_(two.get_by_text("already decided by you"))).to_be_visible()
    told = [page.get_by_text("already decided by you").count() for page in (one, two)]
    assert sorted(told) == [0, 1]
    assert len(stored(workbench, decisions)) == 1


@pytest.mark.long
def test_a_colleague_who_opens_the_same_item_is_told_who_has_it(workbench: Workbench, new_page: Callable[[], Page]):
    bring_in(workbench, 1)
    holder, colleague = new_page(), new_page()
    start(holder, workbench)
    link = holder.url.removeprefix(workbench.url)

    sign_in(colleague, workbench, "director", link)

    expect(colleague.get_by_text("has this item until")).to_be_visible()
    expect(colleague.get_by_role("button", name="Accept AI")).to_have_count(0)


@pytest.mark.long
def test_a_double_click_decides_one_item_and_not_the_next_as_well(sqlite_url: str, tmp_path: Path, page: Page):
    with serving(sqlite_url, tmp_path, double_click_ms="500") as workbench:
        bring_in(workbench, 8)
        start(page, workbench)
        accept = page.get_by_role("button", name="Accept AI")
        for done, gap in enumerate((0, 100, 200, 300, 400), start=1):
            before = heading(page).text_content() or ""
            box = accept.bounding_box()
            assert box is not None
            page.mouse.click(box["x"] + 10, box["y"] + 10)
            page.wait_for_timeout(gap)
            page.mouse.click(box["x"] + 10, box["y"] + 10)
            expect(heading(page)).not_to_have_text(before)
            settled(page)
            page.wait_for_timeout(600)  # as long as the next press is taken for the same
            assert len(stored(workbench, decisions)) == done


def test_a_page_reloaded_in_the_middle_shows_the_same_item_and_the_draft(workbench: Workbench, page: Page):
    bring_in(workbench, 3, step=300)
    start(page, workbench)
    item = heading(page).text_content() or ""
    press(page, "e")
    page.get_by_role("spinbutton", name="Final").fill("1234")
    page.get_by_role("spinbutton", name="Final").press("Tab")
    expect(page.get_by_text("+23.4% against the AI")).to_be_visible()
    page.get_by_role("textbox", name="Note").press_sequentially("They are about to si")
    _until(lambda: stored(workbench, drafts)[0].body.get("text") == "They are about to si", page)

    page.reload()

    expect(heading(page)).to_have_text(item)
    expect(page.get_by_role("spinbutton", name="Final")).to_have_value("1234")
    expect(page.get_by_role("textbox", name="Note")).to_have_value("They are about to si")
    assert stored(workbench, decisions) == []


@pytest.mark.long
def test_escalate_defer_send_back_and_skip_move_the_item_on(workbench: Workbench, page: Page):
    bring_in(workbench, 4)
    start(page, workbench)

    for key, label in (("x", "Why does this need somebody else?"), ("b", "What do you need?")):
        before = heading(page).text_content() or ""
        press(page, key)
        page.get_by_role("textbox", name=label).fill("Which contract is this?")
        settled(page)
        page.get_by_role("button", name="Save").click()
        expect(heading(page)).not_to_have_text(before)
        settled(page)
    before = heading(page).text_content() or ""
    press(page, "n")
    expect(page.get_by_text("Why do you skip it?")).to_be_visible()
    settled(page)
    page.get_by_role("radio", name="Later").click()
    expect(page.get_by_text("comes to you again when nothing else waits")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Save").click()
    expect(heading(page)).not_to_have_text(before)

    rows = stored(workbench, decisions)
    assert [(row.outcome, row.note) for row in rows] == [
        ("escalate", "Which contract is this?"),
        ("send_back", "Which contract is this?"),
    ]


@pytest.mark.long
def test_my_desk_shows_an_item_in_hand_that_has_one_forecast_only(workbench: Workbench, page: Page):
    bring_in(workbench, 1)
    database = open_database(workbench.database_url)
    builders.bring_in(database, builders.a_workflow(database), "series,period,ai_forecast\nlone,2026-12,90000\n")
    database.engine.dispose()
    start(page, workbench)
    expect(page.get_by_text("Nobody has entered one.")).to_be_visible()

    page.get_by_role("link", name="My desk").click()

    expect(page.get_by_text("You have not decided anything here yet.")).to_be_visible()
    expect(page.get_by_text("Something went wrong")).to_have_count(0)


@pytest.mark.long
def test_opening_evidence_is_stored_with_the_decision(workbench: Workbench, page: Page):
    bring_in(workbench, 1)
    start(page, workbench)

    page.get_by_text("What the AI says").click()
    expect(page.get_by_text("The AI gave no rationale.")).to_be_visible()
    settled(page)
    press(page, "a")
    expect(page.get_by_text("Saved: Accept AI")).to_be_visible()

    (view,), (decision,) = stored(workbench, evidence_views), stored(workbench, decisions)
    assert view.panel == "model"
    assert decision.first_evidence_at == view.opened_at


@pytest.mark.long
def test_the_queue_opens_an_item_in_review(workbench: Workbench, page: Page):
    bring_in(workbench, 3)

    sign_in(page, workbench, "reviewer", "/queue?search=acme-2")

    expect(page.get_by_text("1 open item, in serving order.")).to_be_visible()


def _until(condition: Callable[[], bool], page: Page) -> None:
    """Wait for what the database should come to say."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError("The database never came to say it.")

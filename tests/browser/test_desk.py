"""What was decided, what is new, and views of the queue, as people come upon them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from review_queue.reminders import link
from tests.browser.steps import Workbench, settled, sign_in
from tests.browser.test_flow import bring_in, until_heard
from tests.browser.test_review import press, start

pytestmark = pytest.mark.browser


@pytest.mark.long
def test_a_decision_leads_to_its_receipt_from_review_and_from_my_desk(workbench: Workbench, page: Page):
    bring_in(workbench, 2, step=300)
    start(page, workbench)
    press(page, "a")
    expect(page.get_by_text("Saved: Accept AI, 1,000 EUR k")).to_be_visible()
    settled(page)

    page.get_by_role("button", name="Receipt").click()
    expect(page.get_by_role("heading", name="Receipt", level=1)).to_be_visible()
    expect(page.get_by_role("heading", name="acme-2 · 2026-12")).to_be_visible()
    expect(page.get_by_text("Accept AI, 1,000 EUR k.")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="My desk").click()
    expect(page.get_by_role("heading", name="Your last decisions")).to_be_visible()

    expect(page.locator("table[role=grid]")).to_have_count(2)  # what is in one's hands, and what one decided
    settled(page)
    table = page.get_by_test_id("stDataFrame").last
    row = {"x": 18, "y": 52}
    until_heard(lambda: table.click(position=row), lambda: page.wait_for_url("**/receipt?*", timeout=10_000))
    expect(page.get_by_role("heading", name="acme-2 · 2026-12")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Nothing yet: the actual is not known.")).to_be_visible()


@pytest.mark.long
def test_a_timer_of_the_page_just_left_does_not_empty_the_new_one(workbench: Workbench, page: Page):
    timed: list[bytes] = []
    servers: list[WebSocketRoute] = []

    def pass_on(message: str | bytes) -> None:
        if isinstance(message, bytes) and BackMsg.FromString(message).rerun_script.fragment_id:
            timed.append(message)
        servers[-1].send(message)

    def between(socket: WebSocketRoute) -> None:
        servers.append(socket.connect_to_server())
        socket.on_message(pass_on)

    page.route_web_socket("**/_stcore/stream*", between)
    bring_in(workbench, 2, step=300)
    sign_in(page, workbench, "reviewer")
    while not timed:
        page.wait_for_timeout(100)
    late = timed[-1]
    page.get_by_role("button", name="Start reviewing").click()
    expect(page.get_by_role("button", name="Accept AI")).to_be_visible()
    settled(page)

    servers[-1].send(late)
    page.wait_for_timeout(1_000)  # without an answer there is nothing to wait for
    press(page, "a")
    expect(page.get_by_text("Saved: Accept AI, 1,000 EUR k")).to_be_visible()


@pytest.mark.long
def test_a_view_is_chosen_and_its_link_and_that_of_a_reminder_survive_the_sign_in(workbench: Workbench, page: Page):
    bring_in(workbench, 12, step=0.1)
    sign_in(page, workbench, "reviewer", "/queue?search=acme-1")
    expect(page.get_by_text("4 open items")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Save view").click()
    page.get_by_role("textbox", name="Name").fill("All that begin with one")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as All that begin with one.")).to_be_visible()

    page.goto(f"{workbench.url}/queue")
    expect(page.get_by_text("12 open items")).to_be_visible()
    settled(page)
    view = page.get_by_role("option", name="All that begin with one")
    until_heard(page.get_by_role("combobox", name="View").click, lambda: expect(view).to_be_visible(timeout=5_000))
    view.click()
    expect(page.get_by_text("4 open items")).to_be_visible()
    page.wait_for_url("**/queue?*search=acme-1*")
    chosen = urlsplit(page.url)

    page.context.clear_cookies()
    sign_in(page, workbench, "director", f"{chosen.path}?{chosen.query}")
    expect(page.get_by_text("4 open items")).to_be_visible()
    page.context.clear_cookies()
    reminded = urlsplit(link(workbench.url, "queue", "sales", lane="Due"))
    sign_in(page, workbench, "director", f"{reminded.path}?{reminded.query}")
    expect(page.get_by_text("0 open items")).to_be_visible()


@pytest.mark.long
def test_what_is_new_stands_in_the_sidebar_until_it_is_opened(workbench: Workbench, new_page: Callable[[], Page]):
    bring_in(workbench, 1, step=300)
    reviewer, director = new_page(), new_page()
    sign_in(director, workbench, "director")
    start(reviewer, workbench)
    reviewer.get_by_text("Comments", exact=True).click()
    reviewer.get_by_role("textbox", name="Add a comment").fill("@Dario (director), is this right?")
    reviewer.get_by_role("button", name="Comment", exact=True).click()
    expect(reviewer.get_by_text("to Dario (director)")).to_be_visible()

    director.reload()
    director.get_by_role("button", name="Notifications (1)").click()
    expect(director.get_by_text("Rita (reviewer) mentioned you on acme-1 · 2026-12.")).to_be_visible()
    director.get_by_role("button", name="Open", exact=True).click()

    expect(director.get_by_text("Rita (reviewer) has this item until")).to_be_visible()
    expect(director.get_by_role("button", name="Notifications", exact=True)).to_be_visible()

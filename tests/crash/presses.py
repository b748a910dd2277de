"""F7, F8, F10 and F11: what people and machines do to the page itself, in a real browser over a real WebSocket."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from sqlalchemy import func, select

from review_queue.items import Choice, Outcome
from storage import schema
from storage.engine import Database, open_database
from storage.tables import audit_events, decisions, outbox
from storage.workflows import Workflow
from tests import builders
from tests.browser.conftest import FLAGS, PATIENCE
from tests.browser.steps import Workbench, serving, settled, sign_in
from tests.crash.faults import Line, Setting, fault
from tests.crash.processes import apart
from tests.invariants import violations
from workbench.actions import reviewing

GAPS = range(0, 1001, 50)  #: milliseconds between the two clicks of a double click
#: Presses without waiting for anything.
PRESS = "() => [...document.querySelectorAll('button')].find((one) => one.innerText.startsWith('Accept AI')).click()"
#: Sends once more, after a while, what the next press sends: a double click to the byte, whatever was painted by then.
SENDS_TWICE = """
const send = WebSocket.prototype.send;
window.gap = null;
WebSocket.prototype.send = function (data) {
  if (window.gap !== null) {
    const gap = window.gap, copy = data.slice();
    window.gap = null;
    window.sentTwice = new Promise((done) => setTimeout(() => { send.call(this, copy); done(true); }, gap));
  }
  return send.call(this, data);
};
"""


@fault("F7")
def two_tabs_of_one_reviewer(setting: Setting) -> list[Line]:
    return [
        _line(setting, "F7", database, "the second tab is told who decided and when; 1 decision", _two_tabs)
        for database in setting.databases
    ]


@fault("F8")
def double_clicks(setting: Setting) -> list[Line]:
    times = 48 if setting.is_whole else 1
    return [
        _line(
            setting,
            "F8",
            database,
            "exactly 1 decision, 1 audit event, 1 outbox event a double click",
            lambda place: _double_clicks(place, times),
            items=times * len(GAPS) + 1,
        )
        for database in setting.databases
    ]


@fault("F10")
def the_browser_closes_before_the_answer(setting: Setting) -> list[Line]:
    times = 500 if setting.is_whole else 10
    return [
        _line(
            setting,
            "F10",
            database,
            "committed or not, never half; on return the page tells which",
            lambda place: _closings(place, times, setting.seed),
            items=times + 1,
        )
        for database in setting.databases
    ]


@fault("F11")
def the_server_dies_before_it_says_saved(setting: Setting) -> list[Line]:
    times = 20 if setting.is_whole else 2
    return [
        _line(
            setting,
            "F11",
            database,
            "on reconnect the page shows that it was saved; a retry returns the same decision",
            lambda place: _deaths(place, times),
            items=times + 1,
        )
        for database in setting.databases
    ]


@dataclass(frozen=True)
class Place:
    """An empty workbench with some items, and a browser that is signed in nowhere yet."""

    url: str
    folder: Path
    workflow: Workflow
    context: BrowserContext

    @property
    def database(self) -> Database:
        return open_database(self.url)


#: What was done, in words, and what went wrong.
Seen = tuple[str, list[str]]


def _line(
    setting: Setting, number: str, database: str, target: str, work: Callable[[Place], Seen], *, items: int = 3
) -> Line:
    url, folder = setting.fresh(number, database)
    seen, problems = apart(lambda: _at(url, folder, items, work))
    return Line(number, database, target, seen, not problems, problems=tuple(problems))


def _at(url: str, folder: Path, items: int, work: Callable[[Place], Seen]) -> Seen:
    database = open_database(url)
    schema.upgrade(database)
    workflow = builders.a_workflow(database)
    builders.bring_in(database, workflow, builders.forecasts(items))
    with _browser() as context:
        seen, problems = work(Place(url, folder, workflow, context))
    return seen, problems + violations(database)


@contextmanager
def _browser() -> Iterator[BrowserContext]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(PATIENCE)
        yield context
        browser.close()


# --- F7 ------------------------------------------------------------------------------------------------------------


def _two_tabs(place: Place) -> Seen:
    with serving(place.url, place.folder) as workbench:
        first = _start(place, workbench)
        second = place.context.new_page()
        second.goto(first.url)
        _ready(second)
        _accept(first).click()
        expect(first.get_by_text("Saved: Accept AI")).to_be_visible()
        _accept(second).click()
        expect(second.get_by_text("already decided by you at")).to_be_visible()
    return "told, and 1 decision", _counts_other_than(place, 1)


# --- F8 ------------------------------------------------------------------------------------------------------------


def _double_clicks(place: Place, times: int) -> Seen:
    done, problems = 0, []
    with serving(place.url, place.folder) as workbench:
        page = _start(place, workbench, script=SENDS_TWICE)
        for gap in GAPS:
            for _ in range(times):
                item = page.url
                page.evaluate("gap => { window.gap = gap }", gap)
                _accept(page).click()
                page.wait_for_url(lambda url, before=item: url != before)
                page.evaluate("window.sentTwice")
                done += 1
                if page.get_by_text("Saved: Accept AI").count() != 1:
                    problems.append(f"the page does not say once that it was saved, {gap} ms apart")
                _ready(page)
        problems += _counts_other_than(place, done)
    return f"{done} double clicks, 0 to 1,000 ms apart", problems


# --- F10 -----------------------------------------------------------------------------------------------------------


def _closings(place: Place, times: int, seed: int) -> Seen:
    chance, saved, problems = random.Random(seed), 0, []
    with serving(place.url, place.folder) as workbench:
        page = _start(place, workbench)
        for _ in range(times):
            link = page.url
            page.evaluate(PRESS)
            page.wait_for_timeout(chance.uniform(0, 120))
            page.close()
            page = place.context.new_page()
            page.goto(link)
            told = page.get_by_text("Decided by you at")
            expect(told.or_(_accept(page)).first).to_be_visible()
            settled(page)
            is_told = told.count() == 1
            saved += is_told
            if is_told != _is_decided(place, link):
                problems.append(f"the page says {'' if is_told else 'not '}decided, and the database does not agree")
            page.get_by_role("button", name="Next item").click() if is_told else None
            _ready(page)
        problems += _counts_other_than(place, saved)
    return f"{times} closed, {saved} were saved", problems


# --- F11 -----------------------------------------------------------------------------------------------------------


def _deaths(place: Place, times: int) -> Seen:
    problems, unseen, slowest = [], 0, 0.0
    with serving(place.url, place.folder) as workbench:
        port = workbench.url.rsplit(":", 1)[1]
    page = None
    for number in range(times):
        with serving(place.url, place.folder, port=port) as workbench:
            page = page or place.context.new_page()
            _begin(page, workbench) if number == 0 else _next(page, workbench)
            link = page.url
            _accept(page).click(no_wait_after=True)
            _until_decided(place, number + 1)
            workbench.process.kill()
            workbench.process.wait()
            is_unseen = page.url == link and page.get_by_text("Saved: Accept AI").count() == 0
            unseen += is_unseen
        since = monotonic()
        with serving(place.url, place.folder, port=port):
            if is_unseen:
                expect(page.get_by_text("Decided by you at")).to_be_visible()
                slowest = max(slowest, monotonic() - since)
            else:  # it had gone on already
                _ready(page)
        problems += _retry_differs(place)
    if not unseen:
        problems.append("the server never died before it said so: the fault did not bite")
    seen = f"{times} deaths, {unseen} of them before the page said so; told after {slowest:.1f} s at the most"
    return seen, problems + _counts_other_than(place, times)


def _next(page: Page, workbench: Workbench) -> None:
    page.goto(workbench.url + "/review")
    _ready(page)


def _until_decided(place: Place, count: int) -> None:
    database, until = place.database, monotonic() + 30
    while _count(database, decisions) < count:
        if monotonic() > until:
            raise AssertionError("The press decided nothing.")


def _retry_differs(place: Place) -> list[str]:
    """What is wrong if the same request, sent again under its key, is not answered with the same decision."""
    database = place.database
    with database.reading() as session:
        row = session.execute(select(decisions).order_by(decisions.c.id.desc()).limit(1)).one()
    choice = Choice(row.item_id, Outcome.ACCEPT_AI, row.fence, row.round, row.content_hash, row.idempotency_key)
    answer = reviewing.submit_decision(database, person_id=row.actor_id, workflow=place.workflow, choice=choice)
    return [] if answer.id == row.id and answer.replayed else [f"a retry of decision {row.id} gave {answer}"]


# --- the page ------------------------------------------------------------------------------------------------------


def _start(place: Place, workbench: Workbench, *, script: str = "") -> Page:
    page = place.context.new_page()
    if script:
        page.add_init_script(script)
    _begin(page, workbench)
    return page


def _begin(page: Page, workbench: Workbench) -> None:
    sign_in(page, workbench, "reviewer")
    page.get_by_role("button", name="Start reviewing").click()
    _ready(page)


def _ready(page: Page) -> None:
    expect(_accept(page)).to_have_count(1)
    settled(page)
    expect(_accept(page)).to_be_enabled()


def _accept(page: Page):
    return page.get_by_role("button", name="Accept AI")


# --- the database --------------------------------------------------------------------------------------------------


def _counts_other_than(place: Place, expected: int) -> list[str]:
    """Decisions, audit events of decisions and outbox events, where they are not so many."""
    database = place.database
    found = {
        "decisions": _count(database, decisions),
        "audit events": _count(database, audit_events, audit_events.c.action == "decision.made"),
        "outbox events": _count(database, outbox),
    }
    return [f"{count} {what}, not {expected}" for what, count in found.items() if count != expected]


def _is_decided(place: Place, link: str) -> bool:
    item = int(link.split("item=")[1].split("&")[0])
    return _count(place.database, decisions, decisions.c.item_id == item) > 0


def _count(database: Database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

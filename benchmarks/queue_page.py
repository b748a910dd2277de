"""The Queue page at any depth of the queue: the read behind it, and the page in a browser, first rows and each filter.

In the browser a time runs from the click, inside the page, to the frame after the script has run through.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from queue_crew import known
from queue_data import region_path, territory_path

from review_queue.items import Lane, State
from storage.engine import Database, open_database
from tests.browser.steps import serving, settled, sign_in
from workbench import reads
from workbench.reads import Filter

Milliseconds = dict[int, list[float]]  #: by depth
DEEPER = 2.0  #: what we hold ourselves to: the time at the deepest queue, in those of the shallowest

READS = {
    "first rows": Filter(),
    "lane: needs judgement": Filter(lanes=(Lane.JUDGEMENT,)),
    "lane: routine": Filter(lanes=(Lane.ROUTINE,)),
    "band: extreme": Filter(bands=("extreme",)),
    "band: agree": Filter(bands=("agree",)),
    "bands: large, opposite": Filter(bands=("large", "opposite")),
    "segment: a territory": Filter(segment_path=territory_path(42)),
    "segment: a region": Filter(segment_path=region_path(2)),
    "state: deferred": Filter(states=(State.DEFERRED,)),
    "state: sent back": Filter(states=(State.SENT_BACK,)),
    "state: claimed": Filter(states=(State.CLAIMED,)),
    "search: one series": Filter(search="account-000123"),
    "search: a tenth of them": Filter(search="7"),
    "search: nothing": Filter(search="no such series"),
    "lane, band and region": Filter(lanes=(Lane.ROUTINE,), bands=("minor",), segment_path=region_path(1)),
    "territory and search": Filter(segment_path=territory_path(23), search="23"),
}


def time_reads(urls: dict[int, str], reviewer: str, *, runs: int) -> Iterator[tuple[str, Milliseconds]]:
    """Each read at every depth in turn, ``runs`` times after one that is not counted."""
    opened = {size: open_database(url) for size, url in urls.items()}
    for name, wanted in READS.items():
        yield name, _in_turn({size: _read(database, reviewer, wanted) for size, database in opened.items()}, runs)
    yield "My desk", _in_turn({size: _desk(database, reviewer) for size, database in opened.items()}, runs)
    for database in opened.values():
        database.engine.dispose()


def _read(database: Database, reviewer: str, wanted: Filter) -> Callable[[], object]:
    person_id, workflow = known(database, reviewer)
    return lambda: reads.open_items(database, person_id=person_id, workflow_id=workflow.id, wanted=wanted)


def _desk(database: Database, reviewer: str) -> Callable[[], object]:
    person_id, workflow = known(database, reviewer)
    return lambda: reads.my_desk(database, person_id=person_id, workflow_id=workflow.id)


def _in_turn(work: dict[int, Callable[[], object]], runs: int) -> Milliseconds:
    taken: Milliseconds = {size: [] for size in work}
    for run in range(runs + 1):
        for size, once in work.items():
            gc.collect()
            before = time.perf_counter()
            once()
            if run:
                taken[size].append(1000 * (time.perf_counter() - before))
    return taken


# --- in a browser --------------------------------------------------------------------------------------------------

#: Promises the milliseconds from the next click or Enter to the frame after the script has run and all is drawn.
WATCH = """
() => {
  const app = document.querySelector("[data-testid=stApp]");
  window.drawn = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("not drawn after 60 s")), 60000);
    let started = 0, ran = false;
    const begin = (event) => { if (event.type === "click" || event.key === "Enter") started = performance.now(); };
    window.addEventListener("click", begin, true);
    window.addEventListener("keydown", begin, true);
    const watcher = new MutationObserver(() => {
      const state = app.getAttribute("data-test-script-state");
      if (started && state === "running") ran = true;
      if (!ran || state !== "notRunning") return;
      watcher.disconnect();
      clearTimeout(timer);
      window.removeEventListener("click", begin, true);
      window.removeEventListener("keydown", begin, true);
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - started)));
    });
    watcher.observe(app, { attributes: true, attributeFilter: ["data-test-script-state"] });
  });
}
"""


def _pick(label: str, option: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_label(label, exact=True).click()
        page.keyboard.insert_text(option)  # of a long list only what is near is drawn
        choice = page.get_by_role("option", name=option, exact=True)
        choice.wait_for()
        page.evaluate(WATCH)
        choice.click()

    return act


def _search(text: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.get_by_role("searchbox", name="Search").focus()
        page.evaluate(WATCH)
        page.keyboard.insert_text(text)
        page.keyboard.press("Enter")

    return act


ACTS = {
    "lane: routine": _pick("Lane", "Routine"),
    "state: deferred": _pick("State", "Deferred"),
    "band: extreme": _pick("Band", "Extreme"),
    "segment: a territory": _pick("Segment", "Region 2 › Territory 42"),
    "segment: a region": _pick("Segment", "Region 2"),
    "search: one series": _search("account-000123"),
}


def time_pages(urls: dict[int, str], *, runs: int) -> Iterator[tuple[str, Milliseconds]]:
    """The page itself: opened from another page, and then each changed filter, at every depth in turn."""
    taken: dict[str, Milliseconds] = {name: {size: [] for size in urls} for name in ("first rows", *ACTS)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = stack.enter_context(_browser())
        pages = {size: stack.enter_context(_signed_in(browser, url, folder)) for size, url in urls.items()}
        for run in range(runs + 1):
            for name, act in ACTS.items():
                for size, page in pages.items():
                    first, changed = _open_queue(page), _changed(page, act)
                    if run:
                        taken["first rows"][size].append(first)
                        taken[name][size].append(changed)
    yield from taken.items()


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@contextmanager
def _signed_in(browser: Browser, url: str, folder: Path) -> Iterator[Page]:
    with serving(url, folder) as workbench:
        page = browser.new_context(base_url=workbench.url, viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        sign_in(page, workbench, "reviewer")
        yield page


def _open_queue(page: Page) -> float:
    """From My desk, in a fresh session: filters stay as long as a session does."""
    page.goto("/")
    page.get_by_role("heading", name="My desk").wait_for()
    settled(page)
    page.evaluate(WATCH)
    page.get_by_role("link", name="Queue").click()
    taken = _drawn(page)
    page.get_by_test_id("stDataFrame").wait_for()
    return taken


def _changed(page: Page, act: Callable[[Page], None]) -> float:
    act(page)
    return _drawn(page)


def _drawn(page: Page) -> float:
    taken: float = page.evaluate("() => window.drawn")
    settled(page)
    return taken

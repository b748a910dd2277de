"""Pictures of every page, in light and dark, on a desk's screen and on a phone: ``make pictures``.

    python -m tests.browser.pictures FOLDER [PAGE ...]

They show the simulated organisation on a scratch database. What a person does before a picture is taken is a step here.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import func, select

from review_queue.items import State
from storage import schema
from storage.engine import open_database
from storage.tables import items
from tests.browser.steps import Workbench, serving, settled, sign_in
from workbench import demo

SCREENS = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
THEMES = ("light", "dark")
TALLEST = 3200  #: pixels of a page that is longer than the screen


def _nothing(page: Page) -> None:
    """Take it as it comes."""


def _first_item(page: Page) -> None:
    page.get_by_role("button", name="Accept AI").wait_for()


def _adjusted(page: Page) -> None:
    _first_item(page)
    page.get_by_role("button", name="Adjust").click()
    change = page.get_by_role("spinbutton", name="Change in %")
    change.fill("15")
    change.press("Tab")
    page.get_by_text("What do you know that the AI does not?").wait_for()
    page.get_by_role("radio", name="Customer commitment").click()
    page.get_by_text("Evidence asked").wait_for()


def _card(page: Page) -> None:
    _first_item(page)
    page.get_by_text("The model", exact=True).click()


def _receipt(page: Page) -> None:
    page.goto(page.url.split("/receipt")[0] + "/receipt?decision=100")
    page.get_by_role("heading", level=1).wait_for()


def _closer(page: Page) -> None:
    page.get_by_role("button", name="Look closer").click()
    page.get_by_text("What may well be behind it").wait_for()
    page.get_by_text("All twelve figures").click()


def _verified(page: Page) -> None:
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("The record is whole").wait_for()


def _somebody(page: Page) -> None:
    person = page.get_by_role("combobox", name="Person")
    person.fill("Anna Bergström")
    page.get_by_role("option").first.wait_for()
    person.press("Enter")
    page.get_by_text("Give this role").wait_for()
    page.get_by_text("Erase this person").click()
    page.get_by_text("Erase for good").wait_for()


def _receiver_added(page: Page) -> None:
    page.get_by_role("heading", name="Does everything arrive?").wait_for()
    page.get_by_text("Add a receiver").wait_for()
    if page.get_by_text("Nothing is sent anywhere yet").count():
        page.get_by_role("textbox", name="Address").fill("https://planning.example.com/hooks")
        page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("This secret is shown this once").or_(page.get_by_text("waits for approval")).first.wait_for()


def _incident_opened(page: Page) -> None:
    page.get_by_role("heading", name="Is anything wrong?").wait_for()
    if page.get_by_text("No incident is open").count():
        page.get_by_role("textbox", name="What is wrong, in a line").fill("tern-3.1 doubles the values of Benelux")
        page.get_by_role("textbox", name="Model version").fill("tern-3.1")
        page.get_by_role("button", name="Open the incident").click()
    else:
        page.get_by_role("button", name="Open", exact=True).first.click()
    page.get_by_role("heading", name="What happened").wait_for()


def _path_tested(page: Page) -> None:
    page.get_by_role("button", name="Test the override path").click()
    page.get_by_text("Last tested").wait_for()


@dataclass(frozen=True)
class Picture:
    """One page in the state in which it is shown."""

    name: str
    path: str
    role: str = "director"
    before: Callable[[Page], None] = _nothing


#: ``{item}`` is an open item with both forecasts far apart.
PICTURES = (
    Picture("my-desk", "/"),
    Picture("review", "/review?item={item}", before=_first_item),
    Picture("review-adjust", "/review?item={item}", before=_adjusted),
    Picture("review-model", "/review?item={item}", before=_card),
    Picture("queue", "/queue"),
    Picture("reconcile", "/reconcile"),
    Picture("decisions", "/receipt"),
    Picture("receipt", "/receipt", before=_receipt),
    Picture("ageing", "/ageing"),
    Picture("ageing-flow", "/ageing?view=Flow&hours=1.0"),
    Picture("ageing-time", "/ageing?view=Time"),
    Picture("overrides", "/overrides"),
    Picture("value-added", "/value-added"),
    Picture("ai-health", "/ai-health"),
    Picture("overrides-gap", "/overrides?by=Gap+between+the+forecasts"),
    Picture("oversight", "/oversight"),
    Picture("oversight-closer", "/oversight", before=_closer),
    Picture("alerts", "/alerts"),
    Picture("incidents", "/incidents", "manager", _incident_opened),
    Picture("escalation", "/escalation", "director", _path_tested),
    Picture("adoption", "/adoption"),
    Picture("impact", "/impact?rate=80.0"),
    Picture("data", "/data"),
    Picture("sources", "/sources"),
    Picture("workflows", "/workflows", "workflow owner"),
    Picture("deliveries", "/deliveries", "workflow owner", _receiver_added),
    Picture("audit", "/audit", "auditor", _verified),
    Picture("people", "/people", "administrator", _somebody),
)


def main(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [picture for picture in PICTURES if not names or picture.name in names]
    with _organisation() as (workbench, item), sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for picture in wanted:
            for (screen, size), theme in product(SCREENS.items(), THEMES):
                file = folder / f"{picture.name}-{screen}-{theme}.png"
                _take(browser, workbench, replace(picture, path=picture.path.format(item=item)), file, size, theme)
        browser.close()


@contextmanager
def _organisation() -> Iterator[tuple[Workbench, int]]:
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{scratch}/workbench.db"
        database = open_database(url)
        schema.upgrade(database)
        demo.load(database)
        with database.reading() as session:
            apart = select(items.c.id).where(items.c.state == State.READY, items.c.level == 0, items.c.u.is_not(None))
            item = session.execute(apart.order_by(func.abs(items.c.u - 2.2)).limit(1)).scalar_one()
        database.engine.dispose()
        with serving(url, Path(scratch)) as workbench:
            yield workbench, item


def _take(
    browser: Browser, workbench: Workbench, picture: Picture, file: Path, size: dict[str, int], theme: str
) -> None:
    context = browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, workbench, picture.role, picture.path)
    picture.before(page)
    settled(page)
    page.wait_for_load_state("networkidle")
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(max(height, size["height"]), TALLEST)})
    page.wait_for_timeout(600)  # charts are drawn anew at the new size, and say nothing when they are done
    page.screenshot(path=file)
    print(file, flush=True)
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

"""Nothing of ours shuts anybody out: axe looks at every page, and what a keyboard alone must reach is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from storage.engine import open_database
from tests.browser.steps import Workbench, settled, sign_in
from workbench import demo

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/review",
    "/queue",
    "/reconcile",
    "/receipt",
    "/ageing",
    "/overrides",
    "/oversight",
    "/value-added",
    "/ai-health",
    "/adoption",
    "/impact",
    "/alerts",
    "/data",
    "/sources",
    "/workflows",
    "/escalation",
    "/incidents",
)
DARK = ("/review", "/queue", "/reconcile")  # the same elements as elsewhere, in the other colours
#: With every commit those that have elements of their own; the others are put together from the same parts.
SOME = ("/", "/review", "/queue", "/reconcile")
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
#: What axe finds in Streamlit's own elements, which no setting of ours changes.
NOT_OURS = (
    "stDataFrame",  # the hidden table behind a canvas: an empty header of the selection column
    "stToast",
    "stSidebarNav",
    "stMultiSelect",
    "stVegaLite",
)


@pytest.fixture(scope="module")
def organisation(shared_workbench: Workbench) -> Workbench:
    database = open_database(shared_workbench.database_url)
    demo.load(database)
    database.engine.dispose()
    return shared_workbench


def ours(page: Page) -> Iterator[str]:
    """What axe finds that lies in no element of Streamlit's own."""
    found: dict[str, Any] = Axe().run(page, options=WCAG).response
    for violation in found["violations"]:
        for node in violation["nodes"]:
            if not any(name in _around(page, node["target"][0]) for name in NOT_OURS):
                yield f"{violation['id']}: {node['html'][:160]}"


def _around(page: Page, target: str) -> str:
    """The test ids of everything around an element, which name Streamlit's elements."""
    script = """selector => {
      let names = "", element = document.querySelector(selector);
      for (; element; element = element.parentElement) names += " " + (element.getAttribute("data-testid") ?? "");
      return names;
    }"""
    return str(page.evaluate(script, target))


@pytest.mark.parametrize(
    ("theme", "paths"),
    [
        ("light", SOME),
        pytest.param("light", [path for path in PAGES if path not in SOME], marks=pytest.mark.long),
        pytest.param("dark", DARK, marks=pytest.mark.long),
    ],
    ids=["light", "light, the others", "dark"],
)
def test_axe_finds_nothing_of_ours_on_any_page(organisation: Workbench, page: Page, theme: str, paths: Sequence[str]):
    page.emulate_media(color_scheme=theme)
    sign_in(page, organisation, "director")
    found = {}
    for path in paths:
        page.goto(organisation.url + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        settled(page)
        if problems := list(ours(page)):
            found[path] = problems

    assert found == {}

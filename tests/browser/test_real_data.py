"""Real sales, a real model, and a person at the screen: the main job from end to end, in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import Workbench, settled, sign_in
from tests.real_data import SHARED, real_data

pytestmark = [
    pytest.mark.browser,
    real_data,
]

RETAIL = """
key = "retail"
title = "Retail turnover"
unit = "AUD m"
segments = ["state", "industry"]
owner = "owner@example.com"
"""


def bring_in(workbench: Workbench, kind: str, name: str) -> dict[str, object]:
    told: dict[str, object] = json.loads(
        workbench.command("import", kind, str(SHARED / name), "--workflow", "retail", "--json")
    )
    return told


def report(workbench: Workbench, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(workbench.command("report", name, "--workflow", "retail", "--json"))[
        "rows"
    ]
    return rows


@pytest.mark.long
def test_a_person_reviews_real_forecasts_and_the_actuals_say_who_was_nearer(
    workbench: Workbench, page: Page, tmp_path: Path
):
    (tmp_path / "retail.toml").write_text(RETAIL)
    workbench.command("workflow", "add", str(tmp_path / "retail.toml"))
    assert bring_in(workbench, "history", "au_retail_history.csv")["accepted"] == 16_076
    assert bring_in(workbench, "forecasts", "au_retail_forecasts.csv")["accepted"] == 1_776

    sign_in(page, workbench, "reviewer")
    page.get_by_role("button", name="Start reviewing").click()
    for number in ("2500", "2600"):
        expect(page.get_by_text("Nobody has entered one.")).to_be_visible()
        before = page.get_by_role("heading", level=3).first.text_content() or ""
        settled(page)
        page.get_by_role("spinbutton", name="Final").fill(number)
        page.get_by_role("spinbutton", name="Final").press("Tab")
        expect(page.get_by_text("What do you know that the AI does not?")).to_be_visible()
        settled(page)
        page.get_by_role("radio", name="Market shift").click()
        expect(page.get_by_text("Evidence asked")).to_be_visible()
        settled(page)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=3).first).not_to_have_text(before)

    assert bring_in(workbench, "actuals", "au_retail_actuals.csv")["set_aside"] == 0
    health = {row["measure"]: row for row in report(workbench, "ai-health")}
    assert (health["wape"]["n"], health["wape"]["value"], health["wape"]["baseline"]) == (
        1_776,
        pytest.approx(0.03164, abs=5e-6),
        pytest.approx(0.04190, abs=5e-6),
    )
    steps = report(workbench, "value-added")
    assert [(row["step"], row["n"]) for row in steps] == [("naive", 2), ("ai", 2), ("final", 2)]

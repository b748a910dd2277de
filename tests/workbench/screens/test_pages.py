"""The pages on the simulated organisation: they open, and say what was planted in it (docs/demo.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from storage import people, schema
from storage.engine import Database, open_database
from workbench import demo, known_reviews
from workbench.commands.console import operator
from workbench.screens import ai_health, value_added
from workbench.settings import settings

PAGES = Path(__file__).parents[3] / "pages"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Database]]:
    """The simulated organisation, which these tests only read."""
    url = f"sqlite:///{tmp_path_factory.mktemp('screens')}/demo.db"
    database = open_database(url)
    schema.upgrade(database)
    demo.load(database)
    yield url, database
    database.engine.dispose()


@pytest.fixture(scope="module")
def known(simulated: tuple[str, Database]) -> known_reviews.Reviews:
    return known_reviews.read(simulated[1], person_id=operator(simulated[1]), workflow_key="sales")


@pytest.fixture
def opened(simulated: tuple[str, Database], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", simulated[0])
    monkeypatch.setattr("workbench.session.require_user", lambda: people.principal(session, operator(simulated[1])))
    settings.cache_clear()

    def open_page(name: str) -> AppTest:
        return AppTest.from_file(str(PAGES / name), default_timeout=60).run()

    with simulated[1].reading() as session:
        yield open_page
    settings.cache_clear()


def said(at: AppTest) -> str:
    assert not at.exception
    return " ".join(element.value for kind in (at.markdown, at.caption, at.info) for element in kind).replace("\\", "")


def test_value_added_answers_and_warns_and_names_nobody(opened, known):
    at = opened("value_added.py")

    text = said(at)
    assert at.subheader[0].value == "Do our changes make the forecast better?"
    assert value_added.answer(known) in text
    assert "Overrides are chosen, not random" in text
    assert "A forecast can move what happens" in text
    assert len(at.get("vega_lite_chart")) == 3
    assert not {name for name in known.table["reviewer"].dropna().unique() if name in text}


def test_value_added_finds_the_reason_that_helps_and_the_one_that_hurts_and_that_up_is_worse_than_down(known):
    past = value_added.changes(known)
    reasons = value_added.by_reason(past)
    helps, hurts = value_added.reasons_answer(reasons, past).split("Clearly fewer")
    directions = value_added.by_kind(past).set_index("name")

    assert "Customer commitment (" in helps
    assert "Plan alignment (" in hurts
    assert directions.loc["Upward", "hit_high"] < directions.loc["Downward", "hit_low"]


def test_ai_health_finds_the_model_that_degrades(opened, known):
    at = opened("ai_health.py")

    text = said(at)
    assert at.subheader[0].value == "Is the AI still as good as it was?"
    assert ai_health.answer(ai_health.changed(known)) in text
    assert ai_health.answer(ai_health.changed(known)).startswith("No: ")
    assert ", with tern-3.1." in text
    assert "too high in all" in text
    assert "it looks like an AI problem" in text
    assert len(at.get("vega_lite_chart")) == 3


def test_before_month_14_nothing_is_said_against_the_ai(known):
    periods = sorted(known.table["period"].dropna().unique())
    healthy = known.only(known.table["period"].isin(periods[:13]))
    evidence = ai_health.evidence_of(ai_health.path_of(healthy))

    assert ai_health.answer(ai_health.changed(healthy)).startswith("Yes, as far as can be told")
    assert "is below warning and alarm" in ai_health.alarm_answer(evidence, "UTC")


@pytest.mark.parametrize("name", ["value_added.py", "ai_health.py"])
def test_a_time_without_actuals_is_too_early_and_opens(opened, name):
    at = opened(name).selectbox(key="span").set_value("4w").run()

    assert "**Can't tell yet: 0 of 30 " in said(at)
    assert len(at.get("vega_lite_chart")) == 0


@pytest.mark.parametrize("name", ["value_added.py", "ai_health.py"])
def test_a_page_shows_one_lane_or_one_region_alone(opened, name):
    at = opened(name).selectbox(key="only").set_value("North").run()
    lane = opened(name).selectbox(key="by").set_value("lane").run()

    assert "95 % interval" in said(at)
    assert said(at) != said(lane)

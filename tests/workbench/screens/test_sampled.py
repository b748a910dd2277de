"""Pages where there are more reviews than are read at once: they say so, and what they say of all of them is right."""

from __future__ import annotations

import pytest

from review_queue.items import OPEN_STATES
from storage import kept_reviews
from tests.workbench.screens.test_pages import opened, said, simulated  # noqa: F401 -- fixtures
from workbench import analytics, known_reviews
from workbench.commands.console import operator
from workbench.screens import ageing, impact, oversight

PAGES = ("ageing", "overrides", "oversight", "value_added", "ai_health", "adoption", "impact")


@pytest.fixture
def few(simulated, monkeypatch):  # noqa: F811
    """Fewer are read at once than there are."""
    monkeypatch.setattr(kept_reviews, "MOST", 3_000)
    known_reviews.forget(simulated[1])
    yield simulated[1]
    known_reviews.forget(simulated[1])


@pytest.fixture
def both(few):
    """Some series, and all."""
    person = {"person_id": operator(few), "workflow_key": "sales"}
    return known_reviews.read(few, **person), known_reviews.read(few, **person, is_whole=True)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_that_it_shows_some_series(opened, both, name):  # noqa: F811
    some, every = both
    closed = [len(known.table) - len(known.only(known.table["state"].isin(OPEN_STATES)).table) for known in both]

    at = opened(f"{name}.py")

    assert f"Of one in 4 series, drawn by chance: {closed[0]:,} of {closed[1]:,} finished reviews." in said(at)
    assert some.of == closed[1]
    assert len(every.waiting.table) == len(some.waiting.table)


def test_what_waits_is_counted_and_not_drawn(both):
    some, every = both

    assert some.one_in == 4
    assert len(some.table) < len(every.table) / 2
    assert analytics.ageing_answer(some.waiting) == analytics.ageing_answer(every.waiting)
    where = analytics.narrowed(some, "segment_region", "North"), analytics.narrowed(every, "segment_region", "North")
    assert analytics.ageing_answer(where[0].waiting) == analytics.ageing_answer(where[1].waiting)


def test_what_flows_is_worked_out_for_all(both):
    some, every = (ageing.flow_of(known, None) for known in both)

    assert some.past["open"].iloc[-1] == every.past["open"].iloc[-1]  # what waits now
    assert some.found.arrivals == pytest.approx(every.found.arrivals, rel=0.25)
    assert some.found.decisions == pytest.approx(every.found.decisions, rel=0.25)
    assert some.bands.iloc[-1]["arrived"] == pytest.approx(every.bands.iloc[-1]["arrived"], rel=0.25)


def test_decisions_a_week_are_those_of_all(both):
    some, every = both
    weekly = [impact.compared(known, rate=None).set_index("measure").loc["decisions_per_week", "now"] for known in both]

    assert weekly[0] == pytest.approx(weekly[1], rel=0.25)
    assert impact.pace(some)["decisions"].sum() == pytest.approx(impact.pace(every)["decisions"].sum(), rel=0.25)


def test_rates_of_some_series_speak_of_all(both):
    some, every = (analytics.overrides_overall(known) for known in both)

    assert some["low"] - 0.02 <= every["rate"] <= some["high"] + 0.02


def test_bursts_are_looked_for_where_no_decision_between_two_is_left_out(few):
    """Of decisions of some series alone there would be hardly any burst."""
    person = {"person_id": operator(few), "workflow_key": "sales"}
    some, row = (
        known_reviews.read(few, **person, span=span) for span in (known_reviews.ALL_TIME, known_reviews.NEWEST)
    )
    every = known_reviews.read(few, **person, is_whole=True)
    recent = every.only(every.table["decided_at"] >= row.table["decided_at"].min())

    assert row.one_in == 1
    assert oversight.pace(row).split(" of flagged")[0] == oversight.pace(recent).split(" of flagged")[0]
    assert oversight.pace(some) != oversight.pace(every)

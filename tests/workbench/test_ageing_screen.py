"""Ageing: due, flow, clearing, and where the time goes."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from review_queue.measures import stages
from storage.stage_events import TAKEN_UP
from tests.review_queue.measures.made_reviews import NOON, took
from tests.workbench.made_live import known_of
from workbench.screens import ageing, ageing_charts

NONE = pd.DataFrame({"item": pd.Series(dtype="int64"), "at": pd.to_datetime([], utc=True), "stage": []})


def day(number: float):
    return NOON + timedelta(days=number)


def due(days: float, **changes):
    return {**took(5, ended=False), "due_at": day(days), **changes}


def a_year(*, a_day: int = 2, decided: int = 2, **policy):
    """Sixty days on which so many came in and so many of them were decided, two days later."""
    rows = [
        {
            "created_at": day(-number - 3),
            "started_at": day(-number - 1) if place < decided else None,
            "decided_at": day(-number - 1) if place < decided else None,
            "state": "decided" if place < decided else "ready",
            "reviewer": f"r{place}",
            "due_at": day(8),
        }
        for number in range(60)
        for place in range(a_day)
    ]
    return known_of(*rows, **policy)


def test_open_items_are_counted_by_when_they_are_due_in_each_group():
    known = known_of(due(-1), due(2, segment_region="South"), due(30), due(1, state="decided"))

    table = ageing.due_by(known, "segment_region").set_index("group")

    assert table.loc["North", ["late", "later", "open"]].tolist() == [1, 1, 2]
    assert table.loc["South", ["late", "1-2 d", "open"]].tolist() == [0, 1, 1]
    assert ageing.due_answer(known) == "Due: 1 late, 1 in 1–2 d, 1 later."


def test_items_of_no_known_segment_are_due_too():
    assert ageing.due_by(known_of(due(2, segment_region=None)), "segment_region")["group"].tolist() == ["unknown"]


def test_where_nothing_waits_nothing_is_due():
    assert ageing.due_answer(known_of(took(3))) == ""


def test_a_queue_that_grows_says_how_many_more_decisions_it_needs_by_the_last_deadline():
    found = ageing.flow_of(a_year(decided=1), None)

    assert found.answer.startswith("Not clearing at the current pace; needs +")
    assert found.answer.endswith("to clear by 8 April 2025.")


def test_below_twenty_working_days_nobody_can_tell_when_the_queue_is_clear():
    assert ageing.flow_of(known_of(due(3)), None).answer == "Not enough data: 0 of 20 working days."


def test_the_flow_is_counted_from_what_was_open_at_first():
    bands = ageing.flow_of(a_year(), 28).bands

    assert len(bands) == 29
    assert bands["left"].iloc[0] == 0
    assert (bands["arrived"] >= bands["started"]).all()
    assert (bands["started"] >= bands["left"]).all()


def test_the_queue_so_far_ends_where_the_fan_begins():
    found = ageing.flow_of(a_year(decided=1), None)

    assert found.past["open"].iloc[-1] == found.fan["p50"].iloc[0] == 60
    assert found.fan["date"].is_monotonic_increasing


def test_utilisation_is_worked_out_from_stated_hours_and_says_on_what_it_stands():
    known = a_year(review_minutes=30)
    found = ageing.flow_of(known, None).found

    assert "type how many hours" in ageing.utilisation_answer(known, found, hours=None)
    said = ageing.utilisation_answer(known, found, hours=0.25)
    assert said.startswith("Reviewers would need 200 % of their time")
    assert "2 who decided in the last 4 weeks; 30 min an item" in said


def test_the_threshold_is_set_against_the_hours_that_people_have():
    flags = {"flagged": True, "u": 2.0, "band": "large", "ai": 10.0, "manual": 30.0}
    rows = [{**took(24 * number), **flags, "reviewer": f"r{number % 2}"} for number in range(70)]
    known = known_of(*rows, review_minutes=30, materiality=1.0)

    assert ageing.threshold_answer(known, hours=None) == ""
    # Two reviewers, a quarter of an hour a day, half an hour an item: 1 a day. 57 items are no older than 8 weeks.
    said = ageing.threshold_answer(known, hours=0.25)
    assert said.startswith("At your threshold of 1.28 × usual miss 7.1 a week are flagged (100% of what came in ")
    assert "for a capacity of 5. Flagging the top 0%, from 2.01 × usual miss on, would give 0 a week" in said
    assert "There is time for every gap, 7.1 a week." in ageing.threshold_answer(known, hours=1.0)


def test_an_item_that_was_put_off_waited_in_three_stages():
    known = known_of(
        {"created_at": day(-9), "started_at": day(-8), "decided_at": day(-1), "state": "decided", "item": 7},
        {"created_at": day(-2), "state": "ready", "item": 8},
    )
    events = pd.DataFrame(
        {
            "item": [7, 7, 7],
            "at": pd.to_datetime([day(-8), day(-6), day(-2)], utc=True),
            "stage": [TAKEN_UP, "defer", TAKEN_UP],
        }
    )

    stays = ageing.spells(known, events)

    hours = (stays["left_at"].fillna(pd.Timestamp(NOON)) - stays["entered_at"]).dt.total_seconds() / 86400
    spent = hours.groupby([stays["review"], stays["stage"]]).sum()
    assert spent[0].to_dict() == {stages.WAITING: 1, stages.IN_HAND: 3, "put off": 4}
    assert spent[1].to_dict() == {stages.WAITING: 2}


def test_without_events_there_are_the_two_stages_that_every_review_has():
    known = a_year()

    assert ageing.spells(known, NONE).equals(stages.spells_of(known.table))


def test_most_of_the_waiting_is_named_with_its_stage_and_group():
    slow = {**took(240), "segment_region": "West"}
    known = known_of(*[slow] * 15, *[took(24)] * 15)
    shares = ageing.waiting_shares(known, NONE, "segment_region")

    assert ageing.bottleneck_answer(shares, 30).startswith("Of all waiting 100% is before anybody starts, 9")
    assert ageing.bottleneck_answer(shares, 30).endswith(" in West.")
    assert ageing.bottleneck_answer(shares, 19) == "Where the time goes: can't tell yet, 19 of 20 reviews needed."


def test_the_promise_is_kept_by_a_share_with_its_interval_from_twenty_reviews_on():
    known = known_of(*[took(1)] * 15, *[took(400)] * 5)

    assert ageing.attainment_answer(known).startswith(
        "75% are decided within the promised 16 business hours (95 % interval "
    )
    few = known_of(*[took(1)] * 19)
    assert ageing.attainment_answer(few).endswith("can't tell yet, 19 of 20 reviews needed.")


def a_due_chart():
    return ageing_charts.due_heat_map(ageing.due_by(known_of(due(-1), due(2)), "segment_region"))


def a_bands_chart():
    return ageing_charts.flow_bands(ageing.flow_of(a_year(), None))


def a_fan_chart():
    return ageing_charts.backlog_fan(ageing.flow_of(a_year(decided=1), None))


def a_stage_chart():
    return ageing_charts.waiting_bars(ageing.waiting_shares(a_year(), NONE, "segment_region"))


@pytest.mark.parametrize("draw", [a_due_chart, a_bands_chart, a_fan_chart, a_stage_chart])
def test_a_charts_title_is_a_question_and_its_tooltip_has_counts(draw):
    chart = draw().to_dict()
    tips = {tip["title"] for layer in chart["layer"] for tip in layer["encoding"].get("tooltip", [])}

    assert chart["title"]["text"].endswith("?")
    assert tips & {"Open", "Came in", "As likely as not", "Stays"}


def test_the_due_chart_leaves_out_no_deadline_where_all_have_one():
    rows = next(iter(a_due_chart().to_dict()["datasets"].values()))

    assert {row["due"] for row in rows} == {"late", "today", "in 1–2 d", "in 3–5 d", "later"}


def test_a_day_on_which_the_queue_is_clear_is_marked():
    quick = a_year(a_day=4, decided=4)
    table = quick.table.copy()
    table.loc[table["created_at"] < pd.Timestamp(day(-40)), "decided_at"] += pd.Timedelta(days=20)
    table.loc[table.index[-5:], ["decided_at", "state"]] = [pd.NaT, "ready"]
    later = quick.only(pd.Series(True, index=quick.table.index))
    found = ageing.flow_of(type(later)(later.workflow, later.as_of, table), None)

    marked = "clear" in str(ageing_charts.backlog_fan(found).to_dict())

    assert marked == (found.clear_on is not None)
    assert np.isfinite(found.found.p50) == marked

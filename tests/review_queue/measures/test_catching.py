"""Whether bad forecasts were caught, against METHODS 4.8."""

import math

import pandas as pd
import pytest

from review_queue.measures.catching import good_catches, helpful_overrides, missed_catches, team_detection
from tests.review_queue.measures.made_reviews import reviews

ACCEPTED = {"state": "decided", "ai": 100.0, "final": 100.0, "manual": 130.0, "actual": 125.0, "scale": 10.0}
CHANGED = {**ACCEPTED, "final": 120.0}


def test_a_bad_forecast_that_was_accepted_though_the_manual_one_was_nearer_is_missed():
    table = reviews(
        ACCEPTED,
        {**ACCEPTED, "actual": 120.0},  # two usual misses are not beyond two
        {**ACCEPTED, "manual": 150.0},  # as far off
        {**ACCEPTED, "manual": None},
        CHANGED,
        {**ACCEPTED, "actual": None},
        {**ACCEPTED, "scale": None},
        {**ACCEPTED, "is_lower_bound": True},
    )

    assert missed_catches(table, tolerance=0.01).to_dict() == {0: True, 1: False, 2: False, 3: False}


def test_a_good_catch_is_an_override_that_came_nearer_where_the_ai_was_badly_off():
    table = reviews(CHANGED, {**CHANGED, "final": 150.0}, ACCEPTED, {**CHANGED, "actual": 119.0})

    assert good_catches(table, tolerance=0.01).to_dict() == {0: True, 1: False, 2: False}


def test_an_override_helped_if_it_came_nearer():
    table = reviews(CHANGED, {**CHANGED, "final": 150.0}, ACCEPTED, {**CHANGED, "scale": None, "actual": 105.0})

    assert helpful_overrides(table, tolerance=0.01).to_dict() == {0: True, 1: False, 3: False}


def test_without_the_usual_miss_there_are_no_catches_to_speak_of():
    table = reviews(ACCEPTED, CHANGED).drop(columns="scale")

    assert missed_catches(table, tolerance=0.01).empty
    assert good_catches(table, tolerance=0.01).empty


def test_other_money_leaves_catches_as_they_are():
    table = reviews(ACCEPTED, CHANGED, {**ACCEPTED, "actual": 110.0}, {**CHANGED, "final": 150.0})
    money = ["ai", "final", "manual", "actual", "scale"]
    scaled = table.assign(**{name: table[name] * 4 for name in money})

    for catches in (missed_catches, good_catches, helpful_overrides):
        assert catches(table, tolerance=0.01).equals(catches(scaled, tolerance=0.01))


@pytest.mark.parametrize(
    ("n", "verdict"), [(29, "not enough data"), (30, "can't tell yet"), (99, "can't tell yet"), (100, "concluded")]
)
def test_check_items_are_shown_from_thirty_and_concluded_from_a_hundred(n, verdict):
    found = team_detection(pd.Series([True, False, False] * n).head(n))

    assert (found.n, found.verdict, math.isnan(found.rate)) == (n, verdict, n < 30)
    assert n < 30 or found.low < 1 / 3 < found.high

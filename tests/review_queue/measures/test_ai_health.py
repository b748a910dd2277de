"""The AI's plain figures beside the naive forecast's."""

import math

import pandas as pd
import pytest

from review_queue.measures.ai_health import ai_health
from tests.review_queue.measures.made_reviews import reviews

ROW = {"actual": 100, "ai": 90, "naive": 80, "ai_low": 85, "ai_high": 100, "ai_level": 0.8}


def measures(table, **kwargs):
    return ai_health(table, **kwargs).set_index("measure")


def test_error_and_bias_stand_beside_the_naive_forecasts():
    found = measures(reviews(ROW, {**ROW, "ai": 120, "naive": 130}))

    assert found.loc["wape", ["value", "baseline"]].tolist() == pytest.approx([0.15, 0.25])
    assert found.loc["bias", ["value", "baseline"]].tolist() == pytest.approx([0.05, 0.05])
    assert found["n"].tolist() == [2, 2, 2]
    assert found["alarm"].isna().all()


def test_coverage_stands_beside_the_nominal_level_and_its_ends_are_inside():
    found = measures(reviews(ROW, {**ROW, "ai_low": 100.5, "ai_high": 110}, {**ROW, "ai_low": None, "ai_high": None}))

    assert found.loc["coverage", ["n", "value", "baseline"]].tolist() == [2, 0.5, 0.8]


def test_error_is_compared_only_where_both_forecasts_are_known():
    found = measures(reviews(ROW, {**ROW, "ai": 500, "naive": None}))

    assert found.loc["wape", ["n", "value"]].tolist() == [1, 0.1]


def test_without_any_naive_forecast_the_ai_stands_alone():
    found = measures(reviews({**ROW, "naive": None}))

    assert found.loc["wape", "value"] == 0.1
    assert math.isnan(found.loc["wape", "baseline"])


def test_a_lower_bound_covers_nothing():
    found = measures(reviews(ROW, {**ROW, "is_lower_bound": True}))

    assert found.loc["coverage", "n"] == 1


def test_undecided_reviews_count_and_withdrawn_ones_do_not():
    found = measures(reviews(ROW, {**ROW, "state": "withdrawn"}))

    assert found["n"].tolist() == [1, 1, 1]


def test_without_an_ai_or_actuals_there_are_no_rows():
    assert ai_health(reviews()).empty
    assert ai_health(reviews({**ROW, "ai": None})).empty
    assert ai_health(reviews({**ROW, "actual": None})).empty


def test_groups_add_up():
    table = reviews(ROW, ROW, {**ROW, "ai": 70})

    found = ai_health(table, groups=pd.Series(["x", "y", "y"]))

    assert found.loc[found["measure"] == "wape", ["group", "n"]].to_numpy().tolist() == [["x", 1], ["y", 2]]

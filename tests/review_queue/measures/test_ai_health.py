"""The AI's plain figures beside the naive forecast's."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.ai_health import ai_health, shift_health
from review_queue.measures.rolling import rolling
from tests.review_queue.measures.made_history import history, shuffled
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
    missed, none = {**ROW, "ai_low": 100.5, "ai_high": 110}, {**ROW, "ai_low": None, "ai_high": None}
    found = measures(reviews(*[ROW] * 15, *[missed] * 15, none))

    assert found.loc["coverage", ["n", "value", "baseline"]].tolist() == [30, 0.5, 0.8]


def test_below_thirty_intervals_coverage_is_not_shown():
    assert math.isnan(measures(reviews(*[ROW] * 29)).loc["coverage", "value"])


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


ALL = ["wape", "bias", "coverage", "tracking_signal", "skill", "e_cusum", "avg_rel_mae"]


def watched(seed=1, *, naive=10.0, ai=10.0, lean=0.0, width=15.0, series=12, periods=20):
    table = history(np.random.default_rng(seed), series=series, periods=periods, naive=naive, ai=ai)
    table["ai"] += lean
    return table.assign(ai_low=table["ai"] - width, ai_high=table["ai"] + width, ai_level=0.8)


def test_with_enough_actuals_every_figure_has_a_row_and_a_good_ai_raises_no_alarm():
    found = measures(watched(3, ai=6.0, width=9.0))

    assert found.index.tolist() == ALL
    assert found.loc[ALL[2:], "baseline"].tolist() == [0.8, 0.5, 0.0, 100.0, 1.0]
    assert not found.loc[["coverage", "tracking_signal", "e_cusum", "avg_rel_mae"], "alarm"].any()
    assert found.loc[["wape", "bias", "skill"], "alarm"].isna().all()
    assert found.loc["skill", "value"] > 0
    assert found.loc["avg_rel_mae", "value"] == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(
    ("fault", "alarms"),
    [
        ({"ai": 25.0, "width": 40.0}, {"e_cusum", "avg_rel_mae"}),
        ({"width": 4.0}, {"coverage"}),
        ({"width": 60.0}, {"coverage"}),
        ({"naive": 30.0, "lean": 12.0, "width": 24.0}, {"tracking_signal"}),
    ],
)
def test_each_fault_raises_its_own_alarm(fault, alarms):
    found = measures(watched(**fault))

    assert set(found.index[found["alarm"].eq(True)]) == alarms


def test_an_alarm_stays_after_the_ai_has_recovered():
    bad, good = watched(ai=40.0, periods=10), watched(2, ai=1.0, periods=20)
    table = pd.concat([bad, good[good["period"] > bad["period"].max()]], ignore_index=True)

    row = measures(table).loc["e_cusum"]

    assert row["value"] < 100
    assert row["alarm"] is True


def test_little_to_go_by_leaves_out_what_it_is_too_little_for():
    assert measures(watched(series=4, periods=7)).index.tolist() == ALL[:3]
    assert measures(watched(series=3, periods=8)).index.tolist() == ALL[:4]
    few = measures(watched(series=9, periods=7))
    assert few.index.tolist() == ["wape", "bias", "coverage", "skill", "e_cusum", "avg_rel_mae"]
    assert few.loc[["coverage", "avg_rel_mae"], "alarm"].isna().all()


def test_a_human_value_has_no_say_in_the_ais_health():
    table = watched()
    few = table.index < 40

    decided = table.assign(manual=table["ai"].where(few), final=table["actual"].where(few))

    pd.testing.assert_frame_equal(ai_health(decided), ai_health(table))


@pytest.mark.parametrize(("n", "alarm"), [(49, None), (100, None), (300, True)])
def test_a_shift_of_the_gaps_is_seen_without_actuals(n, alarm):
    table = pd.DataFrame({"u": [*np.linspace(-1, 1, 300), *np.linspace(0, 2, n)]})

    row = shift_health(table, pd.Series(table.index < 300)).iloc[0]

    assert (row["group"], row["n"], row["measure"], row["alarm"]) == ("all", n, "psi_u", alarm)
    assert math.isnan(row["value"]) == (n < 50)


def test_each_stretch_of_periods_has_its_error_and_interval():
    table = watched(periods=6)

    found = rolling(table, periods=3)
    last = table[table["period"] >= "2021-04"]

    assert found["period"].tolist() == ["2021-03", "2021-04", "2021-05", "2021-06"]
    assert found["n"].tolist() == [36] * 4
    assert ((found["low"] < found["wape"]) & (found["wape"] < found["high"])).all()
    assert ((found["rel_low"] < found["avg_rel_mae"]) & (found["avg_rel_mae"] < found["rel_high"])).all()
    missed = (last["actual"] - last["ai"]).abs().sum() / last["actual"].abs().sum()
    assert found["wape"].iloc[-1] == pytest.approx(missed)
    pd.testing.assert_frame_equal(found, rolling(shuffled(table), periods=3))


def test_a_stretch_with_too_little_shows_only_its_count():
    found = rolling(watched(series=9, periods=4), periods=3)

    assert found["n"].tolist() == [27, 27]
    assert found.drop(columns=["period", "n"]).isna().all(axis=None)
    assert rolling(watched(series=9, periods=4), periods=4)[["low", "rel_low"]].isna().all(axis=None)
    alone = rolling(watched(periods=3).assign(naive=np.nan), periods=3)
    assert alone[["naive_wape", "avg_rel_mae"]].isna().all(axis=None)
    assert alone["wape"].notna().all()


@given(st.integers(0, 1000), st.sampled_from([0.5, 1024.0]))
@settings(deadline=None, max_examples=15)
def test_neither_order_nor_money_matters_and_groups_add_up(seed, rate):
    table = watched(seed, series=10, periods=8)
    columns = ("actual", "ai", "naive", "ai_low", "ai_high")
    whole = ai_health(table)

    pd.testing.assert_frame_equal(whole, ai_health(shuffled(table)))
    pd.testing.assert_frame_equal(whole, ai_health(table.assign(**{name: table[name] * rate for name in columns})))
    parts = ai_health(table, groups=table["series"] > "s005")
    assert parts.loc[parts["measure"] == "wape", "n"].sum() == whole["n"].iloc[0]

"""Whether intervals hold what they promise, by hand and against the simulations of METHODS 8.2."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2

from review_queue.measures.coverage import coverage, kupiec
from review_queue.measures.overrides import wilson
from tests.review_queue.measures.made_history import history, shuffled


def test_the_ratio_of_kupiec_is_twice_that_of_the_likelihoods():
    ratio, p_value = kupiec(30, 100, miss=0.2)

    assert ratio == pytest.approx(2 * (binom.logpmf(30, 100, 0.3) - binom.logpmf(30, 100, 0.2)))
    assert p_value == pytest.approx(chi2.sf(ratio, 1))


def test_no_miss_and_nothing_but_misses_have_a_ratio_too():
    assert kupiec(0, 50, miss=0.2)[0] == pytest.approx(-100 * math.log(0.8))
    assert kupiec(50, 50, miss=0.2)[0] == pytest.approx(-100 * math.log(0.2))
    assert kupiec(20, 100, miss=0.2) == pytest.approx((0, 1))
    assert np.isnan(kupiec(0, 0, miss=0.2)).all()


@pytest.mark.parametrize(("n", "power"), [(30, 0.49), (50, 0.72), (80, 0.85), (120, 0.96)])
def test_an_interval_that_holds_65_of_100_instead_of_80_is_found_as_often_as_in_the_methods(n, power):
    misses = np.arange(n + 1)
    found = np.array([kupiec(int(count), n, miss=0.2)[1] < 0.05 for count in misses])

    assert binom.pmf(misses, n, 0.35)[found].sum() == pytest.approx(power, abs=0.02)


def ranges(rng, *, inside=0.8, series=10, periods=8, together=0.0):
    """Intervals around 100 that hold the actual so often; ``together``: the share of misses that a period shares."""
    table = history(rng, series=series, periods=periods, ai=1)
    common = pd.Series(table["period"].map(dict(zip(table["period"].unique(), rng.random(periods), strict=True))))
    drawn = common.where(rng.random(len(table)) < together, pd.Series(rng.random(len(table))))
    side = np.where(rng.random(len(table)) < 0.5, 120.0, 80.0)
    actual = np.where(drawn < inside, 100.0, side)
    return table.assign(ai=100.0, ai_low=90.0, ai_high=110.0, ai_level=0.8, actual=actual)


def test_misses_are_counted_by_side_and_the_interval_is_wilsons():
    table = ranges(np.random.default_rng(1), inside=2.0, series=10, periods=10)  # all inside
    table.loc[table["series"] == "s000", "actual"] = 80.0
    table.loc[table["series"] == "s001", "actual"] = 120.0
    table.loc[table["series"] == "s002", "actual"] = 120.0

    row = coverage(table).iloc[0]

    assert (row["n"], row["periods"], row["level"]) == (100, 10, 0.8)
    assert row[["inside", "below", "above"]].tolist() == pytest.approx([0.7, 0.1, 0.2])
    assert row[["low", "high"]].tolist() == pytest.approx(wilson(pd.Series([70]), pd.Series([100])).iloc[0].tolist())
    assert (row["ratio"], row["p_value"]) == pytest.approx(kupiec(30, 100, miss=0.2))
    assert row["verdict"] == "too narrow"


def test_the_ends_of_a_range_are_inside():
    table = ranges(np.random.default_rng(1), inside=2.0)
    table.loc[::2, "actual"] = 90.0
    table.loc[1::2, "actual"] = 110.0

    assert coverage(table)["inside"].tolist() == [1.0]
    assert coverage(table)["verdict"].tolist() == ["too wide"]


@pytest.mark.parametrize(
    ("series", "periods", "inside", "verdict"),
    [
        (29, 1, 0.1, "not enough data"),
        (30, 1, 0.1, "can't tell yet"),
        (13, 6, 0.1, "can't tell yet"),  # 78 actuals
        (40, 7, 0.1, "can't tell yet"),  # 7 periods
        (10, 8, 0.1, "too narrow"),
    ],
)
def test_a_verdict_needs_eighty_actuals_in_eight_periods(series, periods, inside, verdict):
    row = coverage(ranges(np.random.default_rng(1), inside=inside, series=series, periods=periods)).iloc[0]

    assert row["verdict"] == verdict
    assert row[["inside", "low", "below", "ratio"]].isna().tolist() == [verdict == "not enough data"] * 4


def test_lower_bounds_and_further_reviews_of_the_same_actual_do_not_count():
    table = ranges(np.random.default_rng(1))
    table.loc[0, ["actual", "is_lower_bound"]] = [130.0, True]

    assert coverage(pd.concat([table, table], ignore_index=True))["n"].tolist() == [
        79,
    ]


def test_misses_that_come_together_are_no_proof():
    """With half of all misses shared by a period, Kupiec alone sounds a false alarm most of the time."""
    rng = np.random.default_rng(4)
    rows = pd.concat([coverage(ranges(rng, series=30, periods=12, together=0.5)) for _ in range(60)], ignore_index=True)
    plain = [kupiec((1 - row["inside"]) * row["n"], row["n"], miss=0.2)[1] < 0.05 for _, row in rows.iterrows()]

    assert np.mean(plain) > 0.4
    assert (rows["verdict"] != "no sign of a fault").mean() < 0.25


def test_independent_misses_seldom_sound_a_false_alarm():
    rng = np.random.default_rng(5)
    rows = pd.concat([coverage(ranges(rng, series=15, periods=12)) for _ in range(80)])

    assert (rows["verdict"] != "no sign of a fault").mean() < 0.1


@given(st.integers(0, 1000), st.sampled_from([0.5, 1024.0]))
@settings(deadline=None, max_examples=12)
def test_neither_order_nor_money_matters_and_groups_add_up(seed, rate):
    table = ranges(np.random.default_rng(seed), inside=0.7, series=12)
    dearer = table.assign(**{column: table[column] * rate for column in ("actual", "ai", "ai_low", "ai_high")})

    whole = coverage(table)

    pd.testing.assert_frame_equal(whole, coverage(shuffled(table)))
    pd.testing.assert_frame_equal(whole, coverage(dearer))
    assert coverage(table, groups=table["series"] > "s005")["n"].sum() == whole["n"].iloc[0]

"""Each way of adding up errors, by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.losses import (
    bias,
    interval_score,
    mae,
    mape,
    mase,
    money_loss,
    naive_mae,
    pinball,
    rel_mae,
    rmse,
    smape,
    wape,
    wis,
)

ACTUAL = pd.Series([100.0, 80, 0, 120, 60])
AI = pd.Series([90.0, 100, 5, 115, 70])
ONE = pd.Series([1.0] * 5)


def of(*values):
    return pd.Series(values, dtype=float)


def test_the_errors_of_the_methods_by_hand():
    assert mae(AI, ACTUAL) == 10
    assert wape(AI, ACTUAL, ONE) == pytest.approx(50 / 360)
    assert bias(AI, ACTUAL, ONE) == pytest.approx(20 / 360)
    assert rmse(AI, ACTUAL) == pytest.approx(math.sqrt((100 + 400 + 25 + 25 + 100) / 5))


def test_percentages_are_infinite_at_an_actual_of_zero_and_nothing_of_nothing_is_no_error():
    assert mape(AI, ACTUAL) == math.inf
    assert mape(of(90, 0), of(100, 0)) == pytest.approx(0.05)
    assert smape(of(90, 0, 5), of(110, 0, 0)) == pytest.approx((0.2 + 0 + 2) / 3)


def test_the_scaled_error_is_a_multiple_of_the_naive_forecasts():
    scale = naive_mae(of(10, 20, 14, 26), season=2)

    assert scale == 5  # 4 and 6
    assert mase(of(10, 20), of(20, 20), scale=scale) == 1
    assert math.isnan(naive_mae(of(3, 3, 3), season=1))
    assert math.isnan(naive_mae(of(1, 2), season=2))
    assert math.isnan(mase(AI, ACTUAL, scale=math.nan))


def test_the_relative_error_is_unknown_against_one_that_never_missed():
    assert rel_mae(of(9, 12), of(8, 14), of(10, 10)) == 0.5
    assert math.isnan(rel_mae(of(9), of(10), of(10)))


def test_what_an_error_costs_depends_on_its_side():
    assert pinball(of(10, 10), of(14, 6), p=0.9).tolist() == pytest.approx([3.6, 0.4])
    assert money_loss(of(10, 10), of(14, 6), under=5, over=2).tolist() == [20, 8]


def test_an_interval_pays_for_its_width_and_for_what_it_misses():
    score = interval_score(of(80, 80, 80, 90), of(125, 125, 125, 85), of(110, 140, 70, 87), level=0.8)

    assert score.tolist()[:3] == pytest.approx([45, 45 + 10 * 15, 45 + 10 * 10])
    assert math.isnan(score[3])  # it is upside down


@pytest.mark.parametrize(("actual", "score"), [(110, 6.333), (140, 26.333)])
def test_the_weighted_interval_score_of_the_methods_comes_out(actual, score):
    forecast = pd.DataFrame({0.1: [80.0], 0.5: [100.0], 0.9: [125.0]})

    assert wis(forecast, of(actual))[0] == pytest.approx(score, abs=5e-4)


def test_of_a_point_forecast_it_is_the_size_of_the_error():
    assert wis(pd.DataFrame({0.5: [100.0]}), of(140))[0] == 40


@pytest.mark.parametrize("levels", [[0.1, 0.9], [0.1, 0.5], [0.1, 0.5, 0.8]])
def test_quantiles_must_be_a_median_and_pairs_around_it(levels):
    with pytest.raises(ValueError, match="a median and pairs around it"):
        wis(pd.DataFrame({level: [1.0] for level in levels}), of(1))


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6), min_size=1))
@settings(deadline=None, max_examples=12)
def test_it_is_twice_the_mean_pinball_loss_of_its_quantiles(rows):
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    drawn = np.array(rows)
    actual, quantiles = pd.Series(drawn[:, 5]), pd.DataFrame(np.sort(drawn[:, :5], axis=1), columns=levels)

    mean = sum(pinball(quantiles[level], actual, p=level) for level in levels) / len(levels)

    np.testing.assert_allclose(wis(quantiles, actual), 2 * mean, rtol=1e-9, atol=1e-9)


@given(st.lists(st.tuples(st.integers(-500, 500), st.integers(-500, 500)), min_size=1), st.sampled_from([0.5, 1024.0]))
@settings(deadline=None, max_examples=12)
def test_other_money_leaves_shares_and_scales_amounts_whatever_the_order(rows, rate):
    forecast, actual = (pd.Series(values, dtype=float) for values in zip(*rows, strict=True))
    one = pd.Series(1.0, index=actual.index)

    for share in (mape, smape):
        assert share(forecast * rate, actual * rate) == pytest.approx(share(forecast, actual), nan_ok=True)
    for share in (wape, bias):
        assert share(forecast * rate, actual * rate, one) == pytest.approx(share(forecast, actual, one), nan_ok=True)
    for amount in (mae, rmse):
        assert amount(forecast * rate, actual * rate) == pytest.approx(rate * amount(forecast, actual))
        assert amount(forecast[::-1], actual[::-1]) == pytest.approx(amount(forecast, actual))

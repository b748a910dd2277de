"""The few figures of the AI's record, by hand."""

import pandas as pd
import pytest

from review_queue.measures.accuracy import Accuracy, accuracy, largest_misses


def past(rows, **same):
    table = pd.DataFrame(rows, columns=["ai", "actual", "naive"], dtype="float64")
    ordinary = {"ai_low": None, "ai_high": None, "ai_level": None, "value_per_unit": 1.0, "is_lower_bound": False}
    return table.assign(**{**ordinary, **same})


FIVE = [(90, 100, 120), (100, 80, 70), (5, 0, 10), (115, 120, 100), (70, 60, 90)]


def test_the_errors_stand_beside_the_naive_forecasts():
    found = accuracy(past(FIVE))

    assert (found.n, found.mae) == (5, 10.0)  # 10, 20, 5, 5 and 10
    assert found.wape == pytest.approx(50 / 360)
    assert found.naive_wape == pytest.approx(90 / 360)
    assert found.bias == pytest.approx(20 / 360)


def test_below_five_nothing_is_said():
    assert accuracy(past(FIVE[:4])) == Accuracy(4)


def test_a_lower_bound_is_nothing_to_be_measured_by():
    table = past([*FIVE, (1, 999, 1)])
    table.loc[5, "is_lower_bound"] = True

    assert accuracy(table) == accuracy(past(FIVE))
    assert 999 not in largest_misses(table)["actual"].tolist()


def test_with_the_naive_forecast_known_on_five_only_these_count_and_else_it_is_left_out():
    assert accuracy(past([*FIVE, (1, 999, None)])).n == 5
    found = accuracy(past([*FIVE[1:], (10, 20, None)]))
    assert (found.n, found.naive_wape) == (5, None)


def test_money_weighs_the_shares_and_not_the_typical_miss():
    table = past(FIVE)
    table["value_per_unit"] = [3.0, 1, 1, 1, 1]

    assert accuracy(table).wape == pytest.approx((30 + 40) / (300 + 260))
    assert accuracy(table).mae == 10.0


@pytest.mark.parametrize(("n", "inside"), [(29, None), (30, 0.8)])
def test_the_range_is_judged_from_thirty(n, inside):
    rows = [(100, 90 if number % 5 else 140, 100) for number in range(n)]  # every fifth lies outside

    found = accuracy(past(rows, ai_low=90.0, ai_high=110.0, ai_level=0.8))

    assert (found.ranges, found.inside) == (n, inside)
    assert found.level == (None if inside is None else pytest.approx(0.8))


def test_the_largest_misses_come_first_with_their_sign():
    assert largest_misses(past(FIVE), count=2)[["ai", "miss"]].to_numpy().tolist() == [[100, -20], [90, 10]]

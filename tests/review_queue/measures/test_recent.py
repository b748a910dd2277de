"""The AI's error period by period, and now against before."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.losses import wape
from review_queue.measures.recent import AS_BEFORE, BETTER, WORSE, by_period, change
from review_queue.measures.value_added import CANT_TELL
from tests.review_queue.measures.made_reviews import reviews

PERIODS = tuple(f"2024-{month:02}" for month in range(1, 9))
GOOD = (0.1,) * 8


def told(
    misses: tuple[float, ...] = GOOD,
    *,
    naive_misses: tuple[float, ...] = (0.2,) * 8,
    series: int = 40,
    periods: tuple[str, ...] = PERIODS,
) -> pd.DataFrame:
    """Reviews whose AI is off by about so large a share in each period, a little more in some series than in others."""
    random = np.random.default_rng(1)
    rows = [
        {
            "series": f"s{number}",
            "period": period,
            "actual": 100,
            "ai": 100 * (1 + miss * random.uniform(0.8, 1.2)),
            "naive": 100 * (1 - naive * random.uniform(0.8, 1.2)),
            "model_version": "m1" if place < 4 else "m2",
        }
        for place, (period, miss, naive) in enumerate(zip(periods, misses, naive_misses, strict=True))
        for number in range(series)
    ]
    return reviews(*rows)


def test_each_period_has_its_error_its_interval_and_its_model():
    table = told((0.1, 0.2, *GOOD[2:]))

    found = by_period(table)

    second = table[table["period"] == "2024-02"]
    assert found["period"].tolist() == list(PERIODS)
    assert found.loc[1, "wape"] == pytest.approx(wape(second["ai"], second["actual"], second["value_per_unit"]))
    assert (found["low"] < found["wape"]).all()
    assert (found["wape"] < found["high"]).all()
    assert found.loc[1, "bias"] == pytest.approx(found.loc[1, "wape"])  # always too high
    assert found.loc[0, "naive_wape"] == pytest.approx(0.2, abs=0.01)
    assert found["model_version"].tolist() == ["m1"] * 4 + ["m2"] * 4


def test_periods_stand_in_the_order_of_time_and_not_of_their_names():
    weeks = by_period(told((0.1, 0.1), naive_misses=(0.2, 0.2), periods=("2024-W52", "2024-12")))

    assert weeks["period"].tolist() == ["2024-W52", "2024-12"]


def test_below_thirty_actuals_a_period_has_only_its_count():
    found = by_period(told(series=29))

    assert found["n"].tolist() == [29] * 8
    assert found[["wape", "low", "high", "bias", "naive_wape"]].isna().all(axis=None)


def test_below_ten_series_a_period_has_no_interval():
    many, few = told(), told()
    few["series"] = "s" + (few.index % 9).astype(str)
    few = pd.concat([few.assign(period=f"{year}-01") for year in range(2000, 2005)], ignore_index=True)

    assert by_period(many)["low"].notna().all()
    assert by_period(few)["low"].isna().all()


def test_reviews_without_a_period_have_no_place_in_time():
    table = told().assign(period=None)

    assert by_period(table).empty
    assert change(table) is None


def test_an_ai_that_misses_by_more_than_it_did_is_worse():
    found = change(told((*GOOD[:5], 0.2, 0.2, 0.2)))

    assert found is not None
    assert found.periods == PERIODS[5:]
    assert (found.n, found.n_before) == (120, 200)
    assert (found.wape, found.before) == (pytest.approx(0.2, abs=0.01), pytest.approx(0.1, abs=0.01))
    assert found.low < found.wape < found.high
    assert 1 < found.factor_low < found.factor < found.factor_high
    assert found.factor == pytest.approx(2, abs=0.1)
    assert found.verdict == WORSE


def test_one_that_misses_by_half_is_better_and_one_like_before_is_not_called_either():
    better, same = change(told((*GOOD[:5], 0.05, 0.05, 0.05))), change(told())

    assert better is not None
    assert same is not None
    assert (better.verdict, same.verdict) == (BETTER, AS_BEFORE)


def test_a_change_of_less_than_a_tenth_is_none_however_sure():
    found = change(told((*GOOD[:5], 0.107, 0.107, 0.107), series=300))

    assert found is not None
    assert found.factor_low > 1
    assert found.verdict == AS_BEFORE


def test_a_harder_time_is_not_held_against_the_ai():
    harder = (*(0.2,) * 5, 0.4, 0.4, 0.4)
    found = change(told((*GOOD[:5], 0.2, 0.2, 0.2), naive_misses=harder))

    assert found is not None
    assert found.wape == pytest.approx(2 * found.before, abs=0.02)
    assert found.verdict == AS_BEFORE


def test_without_a_naive_forecast_the_error_itself_is_compared():
    table = told((*GOOD[:5], 0.2, 0.2, 0.2)).assign(naive=float("nan"))
    found = change(table)

    assert found is not None
    assert np.isnan(found.naive_wape)
    assert found.factor == pytest.approx(found.wape / found.before)
    assert found.verdict == WORSE


def test_now_reaches_back_until_it_has_thirty_actuals():
    found = change(told(series=8))

    assert found is not None
    assert found.periods == PERIODS[4:]
    assert found.n == 32


@pytest.mark.parametrize(("periods", "series"), [(3, 40), (8, 9), (4, 20)])
def test_too_little_on_either_side_or_too_few_series_cannot_tell(periods, series):
    table = told()
    few = table[table["period"].isin(PERIODS[:periods]) & table["series"].isin([f"s{n}" for n in range(series)])]

    found = change(few)

    assert found is not None
    assert found.verdict == CANT_TELL
    assert np.isnan(astuple(found)[-4:-1]).any()


def test_the_same_reviews_always_get_the_same_interval_in_whatever_order():
    table = told((*GOOD[:5], 0.2, 0.2, 0.2))

    assert change(table) == change(table.sample(frac=1, random_state=3))

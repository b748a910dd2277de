"""The limits of a funnel, against METHODS 4.3."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.funnel import FIXED_PHI, binomial_limit, funnel, overdispersion
from review_queue.measures.shares import shares


@pytest.mark.parametrize(("rate", "at_95", "at_998"), [(0.10, 36, 66), (0.15, 23, 43), (0.20, 17, 31), (0.30, 11, 20)])
def test_no_overrides_at_all_are_below_the_lower_limit_from_so_many_decisions(rate, at_95, at_998):
    n = np.arange(1, 100)

    first = [int(n[binomial_limit(n, rate, at) > 1e-9][0]) for at in (0.025, 0.001)]

    assert first == [at_95, at_998]


def test_the_limit_lies_between_the_counts_around_the_percentile():
    # F(3) = 0.1719 and F(2) = 0.0547 of ten tosses: 3 − (0.1719 − 0.1) / 0.1172.
    assert binomial_limit(10, 0.5, 0.1) == pytest.approx(3 - (176 / 1024 - 0.1) / (120 / 1024))


def test_the_extremes_do_not_count_towards_overdispersion():
    z = [-100.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 100.0]

    assert overdispersion(z).phi == pytest.approx(1.0)
    assert overdispersion([0.1] * 20).phi == 1.0  # never below chance
    assert overdispersion([3.0] * 20).phi == pytest.approx(9.0)


def test_with_fewer_than_eight_groups_two_stands_for_it_and_this_is_said():
    assert overdispersion([5.0] * 7) == overdispersion([])
    assert (overdispersion([5.0] * 7).phi, overdispersion([5.0] * 7).is_fixed) == (FIXED_PHI, True)
    assert not overdispersion([5.0] * 8).is_fixed


def of(observed: list[int], n: int, rate: float = 0.5) -> pd.DataFrame:
    table = pd.DataFrame({"observed": observed})
    return funnel(table.assign(n=n, expected=n * rate, variance=n * rate * (1 - rate)))


def test_a_group_beyond_the_limits_is_told_with_its_side():
    found = of([50] * 8 + [37, 31, 69], 100)  # phi 1.2 draws the limits to about 11 and 17 either side

    assert found["beyond"].tolist() == [0.0] * 8 + [95.0, 99.8, 99.8]
    assert found["side"].tolist() == [0] * 8 + [-1, -1, 1]
    wide, narrow = found.iloc[0][["low_998", "high_998"]], found.iloc[0][["low_95", "high_95"]]
    assert wide["low_998"] < narrow["low_95"] < 0.5 < narrow["high_95"] < wide["high_998"]


def test_overdispersion_draws_the_limits_out_by_its_root():
    fixed = of([50] * 3, 100).iloc[0]
    plain = of([50] * 9, 100).iloc[0]

    assert (fixed["phi"], plain["phi"]) == (2.0, 1.0)
    assert (0.5 - fixed["low_998"]) / (0.5 - plain["low_998"]) == pytest.approx(2**0.5)


def flagged(rates: np.ndarray, n: int, rng: np.random.Generator, *, corrected: bool) -> float:
    made = rng.binomial(n, rates)
    rate = made.mean() / n
    found = funnel(pd.DataFrame({"n": n, "observed": made, "expected": n * rate, "variance": n * rate * (1 - rate)}))
    limit = 3.090232 * (found["phi"] ** 0.5 if corrected else 1.0)
    by_z, by_limits = found["z"].abs() > limit, found["beyond"] == 99.8
    return float(by_limits.mean() if corrected else by_z.mean())


def test_reviewers_who_simply_differ_are_seldom_flagged_once_that_is_corrected():
    # METHODS 4.3: twelve reviewers whose true rates differ by 10 points: 18 % flagged without, 1.7 % with (simulated).
    rng = np.random.default_rng(7)
    rates = np.clip(rng.normal(0.3, 0.1, (60, 12)), 0.02, 0.98)

    naive = np.mean([flagged(row, 90, rng, corrected=False) for row in rates])
    corrected = np.mean([flagged(row, 90, rng, corrected=True) for row in rates])

    assert 0.13 < naive < 0.25
    assert corrected < 0.04


def test_shares_are_counted_by_group_and_compared_with_all():
    marks = pd.Series([True] * 3 + [False] * 27 + [True] * 10, index=range(5, 45))
    groups = pd.Series(["a"] * 35 + [None] * 10)

    found = shares(marks, groups)

    assert found["group"].isna().tolist() == [False, True]
    assert found[["n", "observed"]].to_numpy().tolist() == [[30, 3], [10, 10]]
    assert found.loc[0, ["share", "low", "high"]].astype(float).round(3).tolist() == [0.1, 0.035, 0.256]
    assert found["expected"].tolist() == pytest.approx([30 * 13 / 40, 10 * 13 / 40])


def test_without_items_there_is_no_share():
    row = shares(pd.Series(dtype=bool)).iloc[0]

    assert (row["group"], row["n"], row["beyond"], row["side"]) == ("all", 0, 0.0, 0)
    assert row[["share", "low", "high", "low_95", "high_998"]].isna().all()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1), st.randoms())
@settings(deadline=None, max_examples=12)
def test_groups_add_up_and_order_does_not_matter(made, random):
    table = pd.DataFrame(made, columns=["group", "mark"])
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    parts, whole = shares(table["mark"], table["group"]), shares(table["mark"]).iloc[0]

    assert parts[["n", "observed", "expected"]].sum().tolist() == pytest.approx(
        whole[["n", "observed", "expected"]].astype(float).tolist()
    )
    pd.testing.assert_frame_equal(parts, shares(shuffled["mark"], table["group"]))

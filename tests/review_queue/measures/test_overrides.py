"""How often people go against the AI, against METHODS 4.3."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue import rules
from review_queue.measures.overrides import is_override, overrides, reason_shares, wilson
from tests.review_queue.measures.made_reviews import reviews

EXACT = {"state": "decided", "ai": 100.0, "final": 100.0}
CHANGED = {"state": "decided", "ai": 100.0, "final": 120.0, "reason": "PROMO"}


@pytest.mark.parametrize(("made", "low", "high"), [(3, 3.5, 25.6), (0, 0.0, 11.4)])
def test_the_interval_is_wilsons(made, low, high):
    found = wilson(pd.Series([made]), pd.Series([30]))

    assert (100 * found).round(1).iloc[0].tolist() == [low, high]


def test_the_rate_counts_decisions_that_had_both_values():
    table = reviews(
        *[CHANGED] * 3, *[EXACT] * 27, {**CHANGED, "state": "ready"}, {**CHANGED, "ai": None}, {**EXACT, "final": None}
    )

    row = overrides(table, tolerance=0.01).iloc[0]

    assert (row["group"], row["n"], row["overrides"], row["rate"]) == ("all", 30, 3, 0.1)
    assert (round(row["low"], 3), round(row["high"], 3)) == (0.035, 0.256)
    assert pd.isna(row["state"])
    assert math.isnan(row["expected"])


def test_within_the_tolerance_is_no_override():
    table = reviews(
        {**EXACT, "final": 101.0},
        {**EXACT, "final": 98.9},
        {**EXACT, "ai": -100.0, "final": -101.5},
        {**EXACT, "ai": 0.0, "final": 0.0},
        {**EXACT, "ai": 0.0, "final": 0.1},
    )

    assert is_override(table, tolerance=0.01).tolist() == [False, True, True, False, True]


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.sampled_from([0.0, 0.01, 0.05]))
@settings(deadline=None)
def test_a_report_counts_as_override_exactly_what_the_rules_do(final, ai, tolerance):
    table = reviews({**EXACT, "ai": ai, "final": final})

    assert is_override(table, tolerance=tolerance).tolist() == [rules.is_override(final, ai, tolerance)]


def test_below_twenty_decisions_there_is_not_enough_data():
    assert overrides(reviews(*[CHANGED] * 19), tolerance=0.01).iloc[0]["state"] == "not enough data"
    assert overrides(reviews(*[CHANGED] * 20), tolerance=0.01)["state"].isna().all()


def test_no_decisions_give_no_rate():
    row = overrides(reviews(), tolerance=0.01).iloc[0]

    assert (row["n"], row["overrides"]) == (0, 0)
    assert math.isnan(row["rate"])
    assert math.isnan(row["low"])


def test_reasons_are_shares_of_the_overrides_most_frequent_first():
    table = reviews(
        CHANGED, {**CHANGED, "reason": "PRICE"}, {**CHANGED, "reason": "PRICE"}, {**CHANGED, "reason": None}, EXACT
    )

    shares = reason_shares(table, tolerance=0.01)

    assert shares["reason"].iloc[:2].tolist() == ["PRICE", "PROMO"]
    assert pd.isna(shares["reason"].iloc[2])
    assert shares["overrides"].tolist() == [2, 1, 1]
    assert shares["share"].tolist() == [0.5, 0.25, 0.25]
    assert shares["of"].tolist() == [4, 4, 4]
    assert shares.loc[0, ["low", "high"]].tolist() == pytest.approx([0.1500, 0.8500], abs=5e-5)  # 2 of 4


def test_without_overrides_there_are_no_reasons():
    assert reason_shares(reviews(EXACT), tolerance=0.01).empty


values = st.integers(-500, 500)


@given(
    st.lists(st.tuples(values, values, st.sampled_from(["x", "y", None]))),
    st.sampled_from([0.5, 2.0, 1024.0]),
    st.randoms(),
)
@settings(deadline=None)
def test_rates_stay_when_all_money_is_scaled_and_groups_add_up(made, scale, random):
    table = reviews(*({**EXACT, "ai": ai, "final": final} for ai, final, _ in made))
    scaled = table.assign(ai=table["ai"] * scale, final=table["final"] * scale)
    groups = pd.Series([name for _, _, name in made], dtype="object")
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    whole = overrides(table, tolerance=0.01)
    parts = overrides(table, tolerance=0.01, groups=groups)

    pd.testing.assert_frame_equal(whole, overrides(scaled, tolerance=0.01))
    pd.testing.assert_frame_equal(parts, overrides(shuffled, tolerance=0.01, groups=groups))
    assert parts[["n", "overrides"]].sum().tolist() == whole.loc[0, ["n", "overrides"]].tolist()

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
    assert row["state"] == "in usual range"
    assert row["expected"] == pytest.approx(30 * 4 / 35)  # one cell: (3 + 1) / (30 + 5)
    assert row["ratio"] == pytest.approx(3 / (30 * 4 / 35))


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
    few = overrides(reviews(*[CHANGED] * 19), tolerance=0.01).iloc[0]

    assert few["state"] == "not enough data"
    assert math.isnan(few["expected"])
    assert math.isnan(few["ratio"])
    assert overrides(reviews(*[CHANGED] * 20), tolerance=0.01).iloc[0]["state"] == "in usual range"


def of_groups(*counts: tuple[int, int]) -> tuple[pd.DataFrame, pd.Series]:
    """Groups g00, g01 … with so many overrides among so many decisions."""
    rows, names = [], []
    for number, (made, n) in enumerate(counts):
        rows += [CHANGED] * made + [EXACT] * (n - made)
        names += [f"g{number:02d}"] * n
    return reviews(*rows), pd.Series(names)


@pytest.mark.parametrize(("odd", "state"), [((60, 60), "worth a look"), ((59, 59), "not enough data")])
def test_a_rate_outside_the_limits_is_worth_a_look_from_sixty_decisions(odd, state):
    table, groups = of_groups(*[(20, 100)] * 11, odd)

    found = overrides(table, tolerance=0.01, groups=groups)

    assert found["state"].tolist() == ["in usual range"] * 11 + [state]
    assert found["ratio"].iloc[11] > 3


def test_the_expected_overrides_are_those_of_the_mix():
    easy, hard = {"band": "agree", "hours_to_deadline": 30.0}, {"band": "large", "hours_to_deadline": 30.0}
    table = reviews(
        *[{**EXACT, **easy}] * 95, *[{**CHANGED, **easy}] * 5, *[{**EXACT, **hard}] * 20, *[{**CHANGED, **hard}] * 80
    )
    groups = table["band"].map({"agree": "has easy items", "large": "has hard items"})

    found = overrides(table, tolerance=0.01, groups=groups)

    assert found["expected"].tolist() == pytest.approx([100 * 6 / 105, 100 * 81 / 105])
    assert found["state"].tolist() == ["in usual range"] * 2


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
@settings(deadline=None, max_examples=12)
def test_rates_stay_when_all_money_is_scaled_and_groups_add_up(made, scale, random):
    table = reviews(*({**EXACT, "ai": ai, "final": final} for ai, final, _ in made))
    scaled = table.assign(ai=table["ai"] * scale, final=table["final"] * scale)
    groups = pd.Series([name for _, _, name in made], dtype="object")
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    whole = overrides(table, tolerance=0.01)
    parts = overrides(table, tolerance=0.01, groups=groups)

    pd.testing.assert_frame_equal(whole, overrides(scaled, tolerance=0.01))
    pd.testing.assert_frame_equal(parts, overrides(shuffled, tolerance=0.01, groups=groups))
    whole_chance = parts["n"].sum() and (parts["overrides"].sum() + 1) / (parts["n"].sum() + 5)
    shown = parts[parts["n"] >= 20]
    assert shown["expected"].tolist() == pytest.approx((shown["n"] * whole_chance).tolist())
    assert parts[["n", "overrides"]].sum().tolist() == whole.loc[0, ["n", "overrides"]].tolist()

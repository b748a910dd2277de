"""Which overrides helped, by hand and by properties."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from review_queue.measures.damping import OVER, OVERSHOOT, SHORT, WRONG_DIRECTION
from review_queue.measures.outcomes import (
    QUARTILES,
    cut_by,
    effectiveness,
    effectiveness_by,
    kappa,
    overridden,
    shrunk,
)
from tests.review_queue.measures.made_reviews import reviews

MADE = {"state": "decided", "ai": 100.0, "final": 120.0, "actual": 130.0, "reason": "PROMO"}


def past(*rows):
    return overridden(reviews(*({**MADE, **row} for row in rows)), tolerance=0.01)


def test_each_override_is_measured_from_the_ai():
    found = past({"value_per_unit": 2.0, "scale": 10.0}, {"final": 70.0, "scale": 0.0}).to_dict("records")

    up, down = found
    assert (up["adj"], up["gap"], up["outcome"], up["direction"]) == (20, 30, SHORT, "up")
    assert (up["removed"], up["ratio"], up["size"], up["helped"]) == (40, pytest.approx(2 / 3), 2.0, True)
    assert (down["adj"], down["outcome"], down["direction"], down["removed"]) == (-30, WRONG_DIRECTION, "down", -30)
    assert math.isnan(down["size"])  # no usual miss to measure it by


def test_a_gap_of_nothing_has_no_ratio_and_any_change_was_wrong():
    row = past({"actual": 100.0}).iloc[0]

    assert (row["outcome"], math.isnan(row["ratio"]), row["removed"]) == (WRONG_DIRECTION, True, -20)


@pytest.mark.parametrize(
    "change",
    [
        {"state": "ready"},
        {"state": "withdrawn"},
        {"reason": "PLAN_LOCKED"},
        {"final": 100.5},
        {"actual": None},
        {"ai": None},
        {"actual": 110.0, "is_lower_bound": True},  # short of supply below what was decided
        {"controllable": True},
    ],
)
def test_what_is_no_override_or_proves_nothing_is_left_out(change):
    assert len(past({}, change)) == 1


def test_what_was_in_our_own_control_can_be_shown_apart():
    table = reviews({**MADE, "controllable": True}, {**MADE, "controllable": None}, MADE)

    assert overridden(table, tolerance=0.01, controllable=True).index.tolist() == [0]
    assert overridden(table, tolerance=0.01).index.tolist() == [1, 2]


def test_under_a_lower_bound_the_direction_is_known_and_the_gap_is_not():
    up, down = past({"is_lower_bound": True}, {"is_lower_bound": True, "final": 90.0}).to_dict("records")

    assert (up["outcome"], down["outcome"]) == (SHORT, WRONG_DIRECTION)
    assert (up["removed"], down["removed"]) == (20, -10)
    assert math.isnan(up["ratio"])


ENDINGS = {SHORT: 130.0, OVER: 115.0, OVERSHOOT: 105.0, WRONG_DIRECTION: 90.0}


def ended(**counts):
    names = dict(zip(("short", "over", "overshoot", "wrong"), ENDINGS.values(), strict=True))
    return past(*({"actual": names[name]} for name, count in counts.items() for _ in range(count)))


def test_rates_come_with_wilson_intervals_and_the_error_that_was_removed():
    row = effectiveness(ended(short=2, over=1, overshoot=3, wrong=24)).iloc[0]

    assert (row["n"], row["hit"], row["wrong"], row["overshoot"]) == (30, 0.1, 0.8, 0.1)
    assert [round(100 * row[name], 1) for name in ("hit_low", "hit_high")] == [3.5, 25.6]  # 3 of 30, METHODS 4.3
    assert [round(100 * row[name], 1) for name in ("overshoot_low", "overshoot_high")] == [3.5, 25.6]
    # Short of 30 by 10 instead of 30; over 15 by 5; off by 15 instead of 5; off by 30 instead of 10.
    assert row["net_error_removed"] == 2 * 20 + 1 * 10 - 3 * 10 - 24 * 20
    assert row["median_ratio"] == -2
    assert row["state"] == "can't tell yet"


@pytest.mark.parametrize(("n", "state", "shown"), [(19, "not enough data", False), (20, "can't tell yet", True)])
def test_below_twenty_overrides_nothing_is_shown(n, state, shown):
    row = effectiveness(ended(short=n)).iloc[0]

    assert (row["n"], row["state"]) == (n, state)
    assert row[["hit", "hit_low", "shrunk_hit", "net_error_removed", "median_ratio"]].notna().tolist() == [shown] * 5


def test_from_sixty_overrides_it_can_be_concluded_from():
    assert effectiveness(ended(short=60))["state"].tolist() == [None]


def test_nothing_is_said_of_a_person_below_a_hundred():
    table = pd.concat([ended(short=99).assign(reviewer="Ada"), ended(short=100).assign(reviewer="Bo")])
    table = table.reset_index(drop=True)

    found = effectiveness_by(table, "person")

    assert found["state"].tolist() == ["not enough data", None]
    assert math.isnan(found.loc[0, "hit"])


def test_without_overrides_there_is_one_row_of_nothing():
    row = effectiveness(past({"final": 100.0})).iloc[0]

    assert (row["n"], row["state"]) == (0, "not enough data")


def test_rates_are_drawn_towards_that_of_all_by_twenty_where_the_groups_cannot_tell():
    hits, n = pd.Series([8, 10]), pd.Series([10, 40])

    assert kappa(hits, n) == 20
    assert shrunk(hits, n).tolist() == pytest.approx([(8 + 20 * 0.36) / 30, (10 + 20 * 0.36) / 60])


def test_groups_that_differ_as_chance_would_have_it_are_drawn_by_twenty():
    assert kappa(pd.Series([5, 5, 5]), pd.Series([10, 10, 10])) == 20
    assert kappa(pd.Series([0, 0, 0]), pd.Series([10, 10, 10])) == 20


def test_by_hand_three_groups_of_ten_with_rates_of_two_five_and_eight_tenths():
    # p = ½; S = 10 · (.09 + 0 + .09) = 1.8, over ¼: 7.2; ρ = (7.2 - 2) / (30 - 10 - 2) = .2889; κ = 1/ρ - 1.
    assert kappa(pd.Series([2, 5, 8]), pd.Series([10, 10, 10])) == pytest.approx(18 / 5.2 - 1)


def test_the_weight_of_the_overall_rate_is_found_again():
    rng = np.random.default_rng(1)
    n = pd.Series(rng.integers(5, 80, 3000))
    hits = pd.Series(betabinom.rvs(n, 6, 9, random_state=rng))

    assert kappa(hits, n) == pytest.approx(15, rel=0.1)


def test_the_quarters_of_size_hold_a_quarter_each_and_equal_sizes_share_one():
    table = past(*({"final": 100.0 + 5 * step, "scale": 10.0} for step in range(1, 9)), {"final": 120.0})

    assert cut_by(table, "size").tolist()[:8] == [name for name in QUARTILES for _ in range(2)]
    assert cut_by(table, "size").isna().tolist() == [False] * 8 + [True]
    assert set(cut_by(past(*[{"scale": 10.0}] * 4), "size")) == {QUARTILES[3]}


@pytest.mark.parametrize(
    ("hours", "bucket"),
    [(-0.1, "late"), (0, "under_1d"), (24, "d1_3"), (72, "d3_6"), (144, "later"), (None, None)],
)
def test_a_deadline_bucket_begins_with_its_lower_end(hours, bucket):
    assert cut_by(past({"hours_to_deadline": hours}), "deadline").tolist() == [bucket]


def test_cuts_are_made_from_what_is_known_of_an_override():
    table = past({"reason": "DATA_ERROR", "attribute_horizon": "3", "segment_state": "West", "reviewer": "Ada"})

    cuts = ("direction", "reason", "reason class", "horizon", "segment_state", "person")
    assert [cut_by(table, cut).tolist() for cut in cuts] == [["up"], ["DATA_ERROR"], ["C"], ["3"], ["West"], ["Ada"]]
    assert cut_by(table, "segment_city").isna().all()


sides = st.integers(-60, 60)


@given(st.lists(st.tuples(sides, sides, st.sampled_from(["PROMO", "PRICE"])), max_size=60), st.sampled_from([0.5, 8.0]))
@settings(deadline=None, max_examples=12)
def test_cuts_add_up_whatever_the_order_and_other_money_scales_only_money(made, rate):
    table = reviews(*({**MADE, "final": 100.0 + adj, "actual": 100.0 + gap, "reason": why} for adj, gap, why in made))
    dearer = table.assign(**{column: table[column] * rate for column in ("ai", "final", "actual")})
    found, scaled = (overridden(rows, tolerance=0.01) for rows in (table, dearer))

    whole = effectiveness(found)
    by_reason = effectiveness_by(found, "reason")

    assert by_reason["n"].sum() == whole["n"].iloc[0] == sum(abs(adj) > 1 for adj, *_ in made)
    assert found["removed"].sum() == pytest.approx(scaled["removed"].sum() / rate)
    assert (found["helped"] == (found["removed"] > 0)).all()
    rates = [column for column in whole if column != "net_error_removed"]
    pd.testing.assert_frame_equal(effectiveness(scaled)[rates], whole[rates])
    pd.testing.assert_frame_equal(effectiveness_by(found[::-1], "reason"), by_reason)

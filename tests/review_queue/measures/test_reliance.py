"""The weight of the AI's advice, against METHODS 4.9."""

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.reliance import advice, advice_gap, reliance, weight_of_advice
from tests.review_queue.measures.made_reviews import reviews


def first(initial: float, ai: float, final: float, **changes) -> dict:
    row = {"state": "decided", "mode": "human_first", "initial_value": initial, "ai": ai, "final": final, "scale": 10.0}
    return {**row, **changes}


def weight(initial: float, ai: float, final: float, scale: float = 10.0) -> float:
    return weight_of_advice(*(pd.Series([value]) for value in (initial, ai, final, scale))).iloc[0]


@pytest.mark.parametrize(("final", "expected"), [(120, 0.5), (90, -0.25), (150, 1.25)])
def test_the_weight_is_the_share_of_the_way_to_the_ai(final, expected):
    assert weight(100, 140, final) == expected


def test_advice_within_a_quarter_of_the_usual_miss_has_no_weight():
    assert np.isnan(weight(100, 102.4, 101))
    assert weight(100, 102.5, 101) == 0.4
    assert np.isnan(weight(100, 140, 120, float("nan")))
    assert np.isnan(weight(100, 100, 120, 0.0))


def test_only_human_first_decisions_count():
    table = reviews(
        *[first(100, 140, 110)] * 20, first(100, 140, 140, mode="ai_first"), first(100, 140, 1, state="ready")
    )

    row = advice(table).iloc[0]

    assert (row["n"], row["median"]) == (20, 0.25)


def test_weights_are_clipped_for_the_median_and_those_outside_counted():
    row = advice(reviews(*[first(100, 140, 90)] * 11, *[first(100, 140, 150)] * 9)).iloc[0]

    assert (row["median"], row["away"], row["beyond"]) == (0.0, 0.55, 0.45)


def test_below_twenty_weights_nothing_is_shown():
    row = advice(reviews(*[first(100, 140, 120)] * 19)).iloc[0]

    assert (row["n"], np.isnan(row["median"])) == (19, True)
    assert advice(reviews(first(100, 140, 120)).drop(columns=["mode", "initial_value"])).iloc[0]["n"] == 0


def test_people_who_know_more_should_weigh_the_ai_less():
    rows = [first(100, 140, 130, knew_more=False)] * 15 + [first(100, 140, 110, knew_more=True)] * 15

    found = advice_gap(reviews(*rows, first(100, 140, 100, knew_more=None)))
    few = advice_gap(reviews(*rows[1:]))

    assert (found.n_without, found.n_with, found.difference) == (15, 15, 0.5)
    assert (few.n_without, np.isnan(few.difference)) == (14, True)
    assert advice_gap(reviews(first(100, 140, 130))).n_with == 0


AI_WAS_BETTER = first(100, 140, 135, actual=138.0)  # followed
OWN_WAS_BETTER = first(100, 140, 110, actual=101.0)  # kept


def test_reliance_is_told_apart_by_who_was_right():
    followed_wrongly = {**OWN_WAS_BETTER, "final": 139.0}
    table = reviews(*[AI_WAS_BETTER] * 20, *[OWN_WAS_BETTER] * 15, *[followed_wrongly] * 5)

    row = reliance(table).iloc[0]

    assert (row["ai_better"], row["rair"], row["own_better"], row["rsr"]) == (20, 1.0, 20, 0.75)


def test_about_as_good_is_neither_and_few_are_not_shown():
    even = first(100, 140, 135, actual=121.0)  # nearer to the AI by 2, less than a quarter of the usual miss
    own = first(100, 140, 135, actual=119.0)  # and here to one's own
    bound = {**AI_WAS_BETTER, "is_lower_bound": True}

    row = reliance(reviews(*[AI_WAS_BETTER] * 19, even, own, bound)).iloc[0]

    assert (row["ai_better"], row["own_better"], np.isnan(row["rair"]), np.isnan(row["rsr"])) == (19, 0, True, True)


@pytest.mark.parametrize(("final", "corner"), [(140.0, (0.0, 1.0)), (100.0, (1.0, 0.0))])
def test_always_the_ai_and_always_oneself_are_the_corners(final, corner):
    table = reviews(*[{**AI_WAS_BETTER, "final": final}] * 20, *[{**OWN_WAS_BETTER, "final": final}] * 20)

    assert reliance(table).loc[0, ["rsr", "rair"]].tolist() == list(corner)


def test_neither_order_nor_money_matters_and_groups_add_up():
    rng = np.random.default_rng(6)
    table = reviews(*(first(*row) for row in rng.uniform(50, 150, (300, 3)))).assign(actual=rng.uniform(50, 150, 300))
    groups = pd.Series(rng.choice(["a", "b"], 300))
    money = ["ai", "final", "initial_value", "actual", "scale"]
    scaled = table.assign(**{name: table[name] * 4 for name in money})

    for measure in (advice, reliance):
        found = measure(table, groups=groups)
        pd.testing.assert_frame_equal(found, measure(table.iloc[::-1], groups=groups))
        pd.testing.assert_frame_equal(found, measure(scaled, groups=groups))
    assert advice(table, groups=groups)["n"].sum() == advice(table)["n"].iloc[0]
    parts, whole = reliance(table, groups=groups), reliance(table)
    assert parts[["ai_better", "own_better"]].sum().tolist() == whole.loc[0, ["ai_better", "own_better"]].tolist()

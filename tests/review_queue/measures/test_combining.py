"""A constant lean, and the weights of AI and human, by hand and by simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.combining import combination, corrected, lean
from review_queue.measures.damping import share_to_keep


def changes(rows):
    return pd.DataFrame(rows, columns=["adj", "gap", "s"], dtype="float64")


def test_the_lean_is_the_mean_excess_in_usual_misses_by_direction():
    table = changes([(10, 4, 2), (6, 6, 3)] * 5 + [(-4, 0, 1)] * 9 + [(0, 50, 1)])

    found = lean(table).set_index("direction")

    assert found["n"].to_dict() == {"up": 10, "down": 9}
    assert found.loc["up", "lean"] == pytest.approx(1.5)  # 3 and 0
    assert math.isnan(found.loc["down", "lean"])  # fewer than ten
    assert not found["is_concluded"].any()
    assert lean(pd.concat([table, table]))["is_concluded"].tolist() == [True, False]


def test_a_change_loses_the_lean_of_its_direction_and_what_is_unknown_stays():
    table = changes([(10, 4, 2)] * 10 + [(-4, 0, 1)])

    assert corrected(table, lean(table)).tolist() == [4] * 10 + [-4]
    assert corrected(changes([(0, 1, 1)]), lean(table)).tolist() == [0]


def test_a_change_that_is_right_but_for_its_lean_is_kept_in_full_once_that_is_gone():
    rng = np.random.default_rng(1)
    gap = rng.uniform(5, 10, 200)
    table = changes(np.column_stack([gap + 8, gap, np.full(200, 4.0)]))

    assert share_to_keep(table) < 0.6
    assert share_to_keep(table.assign(adj=corrected(table, lean(table)))) > 0.95


def forecasts(rng, *, ai, human, n=400):
    actual = rng.normal(100, 20, n)
    table = pd.DataFrame({"actual": actual, "s": 10.0})
    return table.assign(ai=actual + rng.normal(0, ai, n), human=actual + rng.normal(0, human, n))


@pytest.mark.parametrize(
    ("ai", "human", "verdict", "weight"),
    [(10, 5, "more on the human", 0.8), (5, 10, "more on the AI", 0.2), (10, 10, "equal weights", 0.5)],
)
def test_weights_follow_the_squared_errors_unless_they_are_as_good_as_equal(ai, human, verdict, weight):
    table = forecasts(np.random.default_rng(3), ai=ai, human=human)

    found = combination(table, clusters=pd.Series(np.arange(400) // 10))

    assert found.verdict == verdict
    assert found.low < found.weight < found.high
    assert found.used == pytest.approx(weight, abs=0.06)


def test_the_weight_by_hand_is_drawn_to_a_half_by_ten_reviews():
    # Squared errors of 4 and 1 a row, 10 rows: 40 and 10; 10 more rows at 2.5 each: 65 of 100.
    table = pd.DataFrame({"actual": 0.0, "ai": 2.0, "human": 1.0, "s": [1.0] * 10})

    found = combination(table, clusters=pd.Series(range(10)))

    assert (found.n, found.clusters, found.weight, found.verdict) == (10, 10, 0.65, "can't tell yet")
    assert found.used == 0.5
    assert combination(table[:9], clusters=pd.Series(range(9))).weight is None


def test_fewer_than_ten_clusters_cannot_tell():
    table = forecasts(np.random.default_rng(3), ai=10, human=1)

    assert combination(table, clusters=pd.Series(np.arange(400) % 9)).verdict == "can't tell yet"
    assert combination(table, clusters=pd.Series(np.arange(400) % 10)).verdict == "more on the human"


def test_where_neither_ever_missed_both_count_alike():
    table = pd.DataFrame({"actual": 1.0, "ai": 1.0, "human": 1.0, "s": [1.0] * 30})

    assert combination(table, clusters=pd.Series(range(30))).verdict == "equal weights"


@given(st.integers(0, 1000), st.floats(0.01, 100))
@settings(deadline=None, max_examples=12)
def test_the_weight_depends_on_neither_order_nor_money(seed, rate):
    table = forecasts(np.random.default_rng(seed), ai=10, human=8, n=60)
    clusters = pd.Series(np.arange(60) // 4)

    found = combination(table, clusters=clusters)

    for other in (combination(table[::-1], clusters=clusters), combination(table * rate, clusters=clusters)):
        assert (other.weight, other.low, other.high) == pytest.approx((found.weight, found.low, found.high))

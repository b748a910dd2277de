"""Standardised review rates, against METHODS 5.2 and a computation by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.standardised import poisson_interval, review_rates

ROWS = st.lists(
    st.tuples(st.integers(1, 500), st.booleans(), st.sampled_from(["a", "b", None]), st.sampled_from("xyz")),
    min_size=1,
    max_size=60,
)


def watched(made) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    table = pd.DataFrame(made, columns=["hours", "finished", "group", "stratum"])
    return table[["hours", "finished"]].astype({"hours": float}), table["group"].astype("object"), table["stratum"]


def rates(made) -> pd.DataFrame:
    times, groups, strata = watched(made)
    return review_rates(times, groups=groups, strata=strata)


def test_the_vector_of_the_methods():
    span = poisson_interval(pd.Series([18]), pd.Series([27.5])).iloc[0]

    assert pytest.approx(0.655, abs=5e-4) == 18 / 27.5
    assert (span["low"], span["high"]) == pytest.approx((0.388, 1.034), abs=5e-4)


def test_nothing_observed_has_zero_as_its_lower_end_and_nothing_expected_has_no_interval():
    span = poisson_interval(pd.Series([0, 3]), pd.Series([2.0, 0.0]))

    assert span.loc[0].tolist() == pytest.approx([0, 3.6889 / 2], abs=1e-4)
    assert span.loc[1].isna().all()


def test_what_is_expected_comes_out_by_hand():
    # Stratum x: 6 decisions in 24 item-days, y: 6 in 12. Group a: 12 + 6 days, b: 12 + 6.
    rows = [(48, True, "a", "x")] * 6 + [(288, False, "b", "x")] + [(24, True, "b", "y")] * 6 + [(144, False, "a", "y")]

    found = rates(rows).set_index("group")

    assert found["item_days"].tolist() == [18, 18]
    assert found["expected"].tolist() == pytest.approx([12 * 6 / 24 + 6 * 6 / 12] * 2)
    assert found["ratio"].tolist() == pytest.approx([1, 1])


def test_an_item_counts_only_the_days_that_it_was_watched():
    times, groups, strata = watched([(48, True, "a", "x")] * 6)

    found = review_rates(times.assign(entered=24.0), groups=groups, strata=strata)

    assert found["item_days"].tolist() == [6]


@pytest.mark.parametrize(
    ("decided", "state"),
    [
        (4, "not enough data"),
        (5, "can't tell yet"),
        (29, "can't tell yet"),
        (30, "slower than the mix explains"),
    ],
)
def test_a_rate_is_shown_from_five_decisions_and_concluded_from_thirty(decided, state):
    slow = [(1000, True, "slow", "x")] * decided
    found = rates(slow + [(10, True, "quick", "x")] * 500).set_index("group")

    assert found.loc["slow", "state"] == state
    assert np.isnan(found.loc["slow", "ratio"]) == (decided < 5)


def test_a_part_that_is_quicker_and_one_as_usual_are_told_apart():
    rows = [(10, True, "quick", "x")] * 60 + [(40, True, "slow", "x")] * 60 + [(16, True, "usual", "x")] * 60

    found = rates(rows).set_index("group")["state"]

    assert found["quick"] == "quicker than the mix explains"
    assert found["slow"] == "slower than the mix explains"
    assert rates([(9, True, "one", "x")] * 40)["state"].tolist() == ["in usual range"]


@given(ROWS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=12)
def test_expected_decisions_add_up_to_those_that_were_made_whatever_the_order(made, random):
    times, groups, strata = watched(made)
    order = random.sample(range(len(made)), len(made))

    found = review_rates(times, groups=groups, strata=strata)

    assert found["expected"].sum() == pytest.approx(times["finished"].sum())
    assert found["n"].sum() == len(made)
    pd.testing.assert_frame_equal(found, review_rates(times.loc[order], groups=groups, strata=strata))

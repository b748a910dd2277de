"""Time to review, against METHODS 5.2, a computation by hand, and lifelines."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from review_queue.measures.latency import Clock, durations, hours_until, latency, survival
from tests.review_queue.measures.made_reviews import NOON, reviews, took

VECTOR = pd.DataFrame({"hours": [1.0, 2, 2, 3, 5, 5, 8], "finished": [True, True, False, True, True, False, False]})


def test_open_reviews_are_part_of_the_curve():
    curve = survival(VECTOR)

    assert curve["hours"].tolist() == [1, 2, 3, 5]
    assert curve["waiting"].tolist() == pytest.approx([0.8571, 0.7143, 0.5357, 0.3571], abs=5e-5)
    assert curve["at_risk"].tolist() == [7, 6, 4, 3]
    assert hours_until(curve, 0.5) == 5


def test_the_interval_of_the_curve_is_the_log_log_one_of_lifelines():
    reference = KaplanMeierFitter().fit(VECTOR["hours"], VECTOR["finished"], alpha=0.05)

    curve = survival(VECTOR)

    expected = reference.confidence_interval_.loc[curve["hours"]]
    assert curve["low"].to_numpy() == pytest.approx(expected.iloc[:, 0].to_numpy(), rel=1e-6)
    assert curve["high"].to_numpy() == pytest.approx(expected.iloc[:, 1].to_numpy(), rel=1e-6)


def test_a_median_and_its_open_reviews_come_out_by_hand():
    # S: 1 h 4/5; 2 h 4/5 · 3/4 = 3/5; 6 h 3/5 · 1/2 = 3/10. One review at 3 h is still open, and one at 30 h.
    table = reviews(took(1), took(2), took(3, ended=False), took(6), took(30, ended=False))

    row = latency(table, as_of=NOON).iloc[0]

    assert (row["group"], row["n"], row["open"]) == ("all", 5, 2)
    assert row["median_hours"] == 6
    assert np.isnan(row["p85_hours"])
    assert np.isnan(row["p90_hours"])
    assert row["finished_median_hours"] == 2
    assert row["finished_p90_hours"] == pytest.approx(5.2)


def test_an_exact_half_is_the_median():
    table = reviews(took(4), took(9, ended=False))

    assert latency(table, as_of=NOON).iloc[0]["median_hours"] == 4


def test_no_time_at_all_counts_as_one_minute():
    table = reviews(took(0), took(0))

    assert latency(table, as_of=NOON).iloc[0]["median_hours"] == pytest.approx(1 / 60)


def test_the_wait_ends_with_the_start_or_else_with_the_decision():
    started = {**took(10), "started_at": NOON - timedelta(hours=7)}
    never_noted = took(5)
    in_hand = {**took(8, ended=False), "started_at": NOON - timedelta(hours=6)}
    table = reviews(started, never_noted, in_hand, took(9, ended=False))

    times = durations(table, as_of=NOON, clock=Clock.WAIT)

    assert times["hours"].tolist() == [3, 5, 2, 9]
    assert times["finished"].tolist() == [True, True, True, False]
    assert times["open"].tolist() == [False, False, False, True]


def test_a_withdrawn_review_is_neither_decided_nor_open():
    withdrawn = {**took(20, ended=False), "state": "withdrawn", "withdrawn_at": NOON - timedelta(hours=16)}
    table = reviews(took(2), took(6), withdrawn)

    times = durations(table, as_of=NOON)
    row = latency(table, as_of=NOON).iloc[0]

    assert times["hours"].tolist() == [2, 6, 4]
    assert (row["n"], row["open"], row["median_hours"]) == (3, 0, 6)


def test_a_withdrawal_at_an_unknown_time_is_left_out():
    table = reviews(took(2), {**took(20, ended=False), "state": "withdrawn"})

    assert latency(table, as_of=NOON).iloc[0]["n"] == 1


def test_nothing_to_review_gives_counts_of_zero_and_no_times():
    row = latency(reviews(), as_of=NOON).iloc[0]

    assert (row["group"], row["n"], row["open"]) == ("all", 0, 0)
    assert np.isnan(row["median_hours"])


def test_reviews_of_an_unknown_group_have_a_row_of_their_own():
    table = reviews(took(1), took(2), took(3))

    rows = latency(table, as_of=NOON, groups=pd.Series(["b", None, "a"]))

    assert rows["group"].iloc[:2].tolist() == ["a", "b"]
    assert pd.isna(rows["group"].iloc[2])
    assert rows["n"].tolist() == [1, 1, 1]


lives = st.lists(st.tuples(st.integers(0, 2000), st.booleans(), st.sampled_from("xyz")), max_size=40)


@given(lives)
@settings(deadline=None)
def test_every_percentile_is_that_of_lifelines(made):
    table = reviews(*(took(hours, ended=ended) for hours, ended, _ in made))

    row = latency(table, as_of=NOON).iloc[0]

    if not made:
        return
    times = [max(hours, 1 / 60) for hours, _, _ in made]
    fitted = KaplanMeierFitter().fit(times, [ended for _, ended, _ in made]).survival_function_["KM_estimate"]
    for column, left in (("median_hours", 0.5), ("p85_hours", 0.15), ("p90_hours", 0.1)):
        there = fitted[fitted <= left + 1e-9]
        expected = there.index[0] if len(there) else np.nan
        assert row[column] == pytest.approx(expected, nan_ok=True)


@given(lives, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_rows_is_irrelevant_and_groups_add_up(made, random):
    table = reviews(*({**took(hours, ended=ended), "segment_s": name} for hours, ended, name in made))
    table = table.reindex(columns=[*reviews().columns, "segment_s"])
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    whole = latency(table, as_of=NOON)
    parts = latency(table, as_of=NOON, groups=table["segment_s"])

    pd.testing.assert_frame_equal(whole, latency(shuffled, as_of=NOON))
    pd.testing.assert_frame_equal(parts, latency(shuffled, as_of=NOON, groups=table["segment_s"]))
    assert parts[["n", "open"]].sum().tolist() == whole.loc[0, ["n", "open"]].tolist()

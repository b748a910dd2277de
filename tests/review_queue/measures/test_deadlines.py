"""What is late and what the promise still allows, by hand."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.deadlines import DUE, attainment, due_buckets, error_budget
from review_queue.measures.latency import survival
from tests.review_queue.measures.made_reviews import NOON, reviews, took


def watched(*made: tuple[float, bool]) -> pd.DataFrame:
    return pd.DataFrame(made, columns=["hours", "finished"])


def test_attainment_counts_open_items_for_as_long_as_they_were_watched():
    # 20 at risk: 8 end at 10 h, 4 are open at 12 h, of the 8 left 4 end at 16 h, on the promise, and 4 later.
    times = watched(*[(10, True)] * 8, *[(12, False)] * 4, *[(16, True)] * 4, *[(20, True)] * 2, *[(30, False)] * 2)

    found = attainment(times, sla_hours=16)

    assert found.share == pytest.approx(1 - 12 / 20 * 4 / 8)
    assert found.late == 4
    assert found.low < found.share < found.high
    assert found.state == "can't tell yet"


def test_nothing_done_in_time_is_an_attainment_of_none():
    found = attainment(watched(*[(20, True)] * 50), sla_hours=16)

    assert (found.share, found.late, found.state) == (0, 50, "enough")


def test_below_twenty_reviews_no_attainment_is_shown():
    found = attainment(watched(*[(20, True)] * 19), sla_hours=16)

    assert (found.n, found.late, found.state) == (19, 19, "not enough data")
    assert np.isnan(found.share)


def test_the_interval_of_attainment_is_that_of_the_curve_turned_over():
    times = watched(*[(float(hours), hours % 3 > 0) for hours in range(1, 61)])
    curve = survival(times)
    last = curve[curve["hours"] <= 16].iloc[-1]

    found = attainment(times, sla_hours=16)

    assert (found.low, found.high) == pytest.approx((1 - last["high"], 1 - last["low"]))


def test_a_burn_rate_of_one_uses_up_the_budget_at_the_end_of_the_window():
    found = error_budget(late=5, arrivals=200, target=0.95, elapsed=0.5)

    assert found.allowed == pytest.approx(10)
    assert found.burn_rate == pytest.approx(1)
    assert error_budget(late=20, arrivals=200, target=0.95, elapsed=0.5).burn_rate == pytest.approx(4)


def test_where_nothing_may_be_late_there_is_no_burn_rate():
    assert np.isnan(error_budget(late=1, arrivals=200, target=1, elapsed=0.5).burn_rate)


@pytest.mark.parametrize(
    ("hours", "bucket"),
    [
        (-0.1, "late"),
        (0, "today"),
        (11.9, "today"),
        (12, "1-2 d"),
        (59.9, "1-2 d"),
        (60, "3-5 d"),
        (131.9, "3-5 d"),
        (132, "later"),
        (None, "no deadline"),
    ],
)
def test_days_until_a_deadline_are_those_of_the_calendar(hours, bucket):
    due = None if hours is None else NOON + timedelta(hours=hours)

    found = due_buckets(reviews({"due_at": due}), as_of=NOON, timezone="UTC").set_index("due")["open"]

    assert found[found > 0].to_dict() == {bucket: 1}


def test_a_day_ends_where_the_workflow_is():
    table = reviews({"due_at": NOON + timedelta(hours=11)})

    found = due_buckets(table, as_of=NOON, timezone="Asia/Tokyo").set_index("due")["open"]

    assert found["1-2 d"] == 1


@given(st.lists(st.tuples(st.none() | st.integers(-200, 400), st.booleans()), max_size=30))
@settings(deadline=None, max_examples=12)
def test_every_open_review_is_in_one_bucket(made):
    rows = [
        {**took(300, ended=ended), "due_at": None if due is None else NOON + timedelta(hours=due)}
        for due, ended in made
    ]

    found = due_buckets(reviews(*rows), as_of=NOON, timezone="UTC")

    assert found["due"].tolist() == list(DUE)
    assert found["open"].sum() == sum(not ended for _, ended in made)

"""How old open reviews are."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.ageing import BUCKETS, ageing
from tests.review_queue.measures.made_reviews import NOON, reviews, took


@pytest.mark.parametrize(
    ("hours", "bucket"),
    [
        (0, "under_1d"),
        (23.99, "under_1d"),
        (24, "d1_3"),
        (72, "d3_7"),
        (168, "d7_14"),
        (336, "d14_30"),
        (720, "over_30d"),
    ],
)
def test_a_bucket_begins_with_its_lower_end(hours, bucket):
    row = ageing(reviews(took(hours, ended=False)), as_of=NOON).iloc[0]

    assert [name for name in BUCKETS if row[name]] == [bucket]


def test_only_what_waits_has_an_age():
    table = reviews(
        took(5, ended=False),
        {**took(50, ended=False), "state": "deferred"},
        took(400),
        {**took(800, ended=False), "state": "withdrawn"},
    )

    row = ageing(table, as_of=NOON).iloc[0]

    assert (row["open"], row["oldest_hours"], row["median_age_hours"]) == (2, 50, 27.5)


def test_overdue_means_that_the_deadline_has_passed():
    table = reviews(
        {"due_at": NOON - timedelta(seconds=1)},
        {"due_at": NOON},
        {"due_at": None},
        {**took(9), "due_at": NOON - timedelta(days=1)},
    )

    assert ageing(table, as_of=NOON).iloc[0]["overdue"] == 1


def test_an_empty_queue_has_no_oldest_item():
    row = ageing(reviews(took(3)), as_of=NOON).iloc[0]

    assert (row["open"], row["overdue"], row["under_1d"]) == (0, 0, 0)
    assert np.isnan(row["oldest_hours"])
    assert np.isnan(row["median_age_hours"])


@given(st.lists(st.tuples(st.integers(0, 1200), st.booleans(), st.sampled_from(["x", "y", None]))), st.randoms())
@settings(deadline=None)
def test_groups_and_buckets_add_up_whatever_the_order(made, random):
    table = reviews(*(took(hours, ended=ended) for hours, ended, _ in made))
    groups = pd.Series([name for _, _, name in made], dtype="object")
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    whole = ageing(table, as_of=NOON)
    parts = ageing(table, as_of=NOON, groups=groups)

    pd.testing.assert_frame_equal(parts, ageing(shuffled, as_of=NOON, groups=groups))
    counts = ["open", "overdue", *BUCKETS]
    assert parts[counts].sum().tolist() == whole.loc[0, counts].tolist()
    assert whole.loc[0, list(BUCKETS)].sum() == whole.loc[0, "open"] == sum(not ended for _, ended, _ in made)

"""How old open reviews are."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.measures.ageing import BUCKETS, ageing, ageing_dots, ageing_lines, heat_map
from review_queue.measures.latency import durations, hours_until, survival
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


def test_the_map_shows_a_zero_where_nothing_waits():
    table = reviews(took(5, ended=False), took(50, ended=False), took(60, ended=False), took(9), took(4, ended=False))

    found = heat_map(table, as_of=NOON, groups=pd.Series(["b", "b", "b", "a", None], dtype="object"))

    assert len(found) == 3 * len(BUCKETS)
    counts = found[found["open"] > 0]
    places = [(None if pd.isna(group) else group, *rest) for group, *rest in counts.itertuples(index=False)]
    assert places == [("b", "under_1d", 1), ("b", "d1_3", 2), (None, "under_1d", 1)]
    assert "a" in found["group"].tolist()


def test_the_lines_count_open_items_too():
    table = reviews(*(took(hours) for hours in range(1, 21)), *[took(90, ended=False)] * 10)

    lines = ageing_lines(table, as_of=NOON).set_index("done")["hours"]

    assert lines[0.5] == hours_until(survival(durations(table, as_of=NOON)), 0.5) == 15
    assert lines[[0.85, 0.95]].isna().all()


def test_a_dot_has_its_stage_its_whole_age_and_the_share_that_ends_sooner():
    done = [took(hours) for hours in range(1, 21)]
    held = {**took(4, ended=False), "state": "claimed", "series": "b", "due_at": NOON - timedelta(hours=1)}
    table = reviews(*done, held, {**took(30, ended=False), "series": "c"})

    dots = ageing_dots(table, as_of=NOON)

    assert dots[["series", "stage", "age_hours", "overdue"]].to_numpy().tolist() == [
        ["c", "ready", 30, False],
        ["b", "claimed", 4, True],
    ]
    assert dots["pace"].tolist() == pytest.approx([1 - waiting_after(table, 30), 4 / 22])


def waiting_after(table: pd.DataFrame, hours: float) -> float:
    curve = survival(durations(table, as_of=NOON))
    return curve.loc[curve["hours"] <= hours, "waiting"].iloc[-1]


def test_few_items_have_no_pace():
    assert ageing_dots(reviews(*[took(3)] * 18, took(4, ended=False)), as_of=NOON)["pace"].isna().all()


def test_a_dot_may_be_of_business_age_and_in_a_stage_of_the_callers():
    office = BusinessCalendar("UTC", 9, 17, (0, 1, 2, 3, 4))

    dots = ageing_dots(reviews(took(24, ended=False)), as_of=NOON, stages=pd.Series(["second"]), calendar=office)

    assert dots[["stage", "age_hours"]].iloc[0].tolist() == ["second", 3]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=12)
def test_a_dot_does_not_dance(names, random):
    table = reviews(*({**took(5, ended=False), "series": name} for name in names))
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    dots = ageing_dots(table, as_of=NOON)

    pd.testing.assert_frame_equal(dots, ageing_dots(shuffled, as_of=NOON))
    assert dots["jitter"].between(-0.5, 0.5).all()
    assert dots["jitter"].nunique() == len(names)
    alone = ageing_dots(table[table["series"] == names[0]], as_of=NOON)
    assert alone["jitter"].iloc[0] == dots.set_index("series")["jitter"][names[0]]

"""Counts by day, by hand; what comes in is what left and what is left."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.measures.flow import STEPS, cumulative_flow, events_of, net_flow, per_day
from tests.review_queue.measures.made_reviews import NOON, reviews

START = NOON - timedelta(days=6)
LIVES = st.lists(
    st.tuples(st.integers(0, 300), st.none() | st.integers(0, 200), st.none() | st.integers(0, 200), st.booleans()),
    max_size=30,
)


def at(day: int, hour: int = 10) -> datetime:
    return datetime(2025, 3, day, hour, tzinfo=UTC)


def drawn(made) -> pd.DataFrame:
    rows = []
    for ago, start, end, is_decided in made:
        created = NOON - timedelta(hours=ago)
        row = {"created_at": created}
        if start is not None and created + timedelta(hours=start) <= NOON:
            row["started_at"] = created + timedelta(hours=start)
        if end is not None and created + timedelta(hours=end) <= NOON:
            row["decided_at" if is_decided else "withdrawn_at"] = created + timedelta(hours=end)
            row["state"] = "decided" if is_decided else "withdrawn"
        rows.append(row)
    return reviews(*rows)


def test_the_counts_of_each_day_come_out_by_hand():
    table = reviews(
        {"created_at": at(20), "decided_at": at(28)},
        {"created_at": at(27), "started_at": at(28), "decided_at": at(30)},
        {"created_at": at(28), "withdrawn_at": at(30)},
        {"created_at": at(30)},
    )

    days = per_day(table, start=at(27), end=at(31), timezone="UTC")
    flow = cumulative_flow(events_of(table), start=at(27), end=at(31), timezone="UTC")

    assert days["arrivals"].tolist() == [1, 1, 0, 1, 0]
    assert days["decisions"].tolist() == [0, 1, 0, 1, 0]
    assert days["withdrawals"].tolist() == [0, 0, 0, 1, 0]
    assert days["open"].tolist() == [2, 2, 2, 1, 1]
    assert flow["arrived"].tolist() == [2, 3, 3, 4, 4]
    assert flow["started"].tolist() == [0, 2, 2, 3, 3]
    assert flow["left"].tolist() == [0, 1, 1, 3, 3]


def test_a_day_is_one_of_the_workflows_zone():
    table = reviews({"created_at": datetime(2025, 3, 27, 23, 30, tzinfo=UTC)})

    days = per_day(table, start=at(27), end=at(28), timezone="Europe/Berlin")

    assert days["arrivals"].tolist() == [0, 1]


def test_what_happens_after_the_end_is_not_known_yet():
    table = reviews({"created_at": at(28, 9), "decided_at": at(28, 15)})

    days = per_day(table, start=at(28), end=at(28, 12), timezone="UTC")

    assert days[["arrivals", "decisions", "open"]].to_numpy().tolist() == [[1, 0, 1]]


def test_weekends_and_closed_days_are_not_worked():
    office = BusinessCalendar("Europe/Berlin", 9, 17, (0, 1, 2, 3, 4), closed=(at(31).date(),))

    days = per_day(reviews(), start=at(28), end=at(31), timezone="Europe/Berlin", calendar=office)

    assert days["working"].tolist() == [True, False, False, False]  # Friday, a weekend, and a closed Monday


def test_net_flow_is_of_four_full_weeks():
    days = pd.DataFrame({"day": pd.date_range("2025-01-01", periods=29), "arrivals": 3, "decisions": [0, *[2] * 28]})

    found = net_flow(days.sample(frac=1, random_state=1))

    assert found["net"].isna().sum() == 27
    assert found["net"].tolist()[-2:] == [3 - 2 * 27 / 28, 1]


@given(LIVES, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=12)
def test_cumulative_flow_never_dips_and_no_band_is_negative(made, random):
    table = drawn(made)
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    flow = cumulative_flow(events_of(table), start=START, end=NOON, timezone="Europe/Berlin")

    pd.testing.assert_frame_equal(
        flow, cumulative_flow(events_of(shuffled), start=START, end=NOON, timezone="Europe/Berlin")
    )
    assert (flow[list(STEPS)].diff().dropna() >= 0).all(axis=None)
    assert (flow["arrived"] >= flow["started"]).all()
    assert (flow["started"] >= flow["left"]).all()


@given(LIVES, st.lists(st.booleans(), min_size=30, max_size=30))
@settings(deadline=None, max_examples=12)
def test_parts_of_the_queue_add_up_and_what_is_open_is_what_came_and_did_not_leave(made, side):
    table = drawn(made)
    is_left = np.array(side[: len(table)], dtype=bool)

    def counts(part):
        return per_day(part, start=START, end=NOON, timezone="UTC").drop(columns=["day", "working"])

    whole = counts(table)

    pd.testing.assert_frame_equal(whole, counts(table[is_left]) + counts(table[~is_left]))
    assert whole["open"].iloc[-1] == (table["decided_at"].isna() & table["withdrawn_at"].isna()).sum()

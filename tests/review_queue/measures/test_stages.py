"""Where the waiting is done, by hand."""

from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.measures.stages import bottleneck, spells_of
from tests.review_queue.measures.made_reviews import NOON, reviews, took

STAYS = st.lists(
    st.tuples(st.integers(0, 200), st.none() | st.integers(0, 200), st.sampled_from("xy"), st.sampled_from("ab")),
    min_size=1,
    max_size=30,
)


def hours_ago(hours: float):
    return NOON - timedelta(hours=hours)


def test_a_review_waits_to_be_started_and_is_then_in_hand():
    table = reviews(
        {**took(10), "started_at": hours_ago(4)},
        {**took(6, ended=False), "started_at": hours_ago(5)},
        took(3, ended=False),
        {**took(8, ended=False), "state": "withdrawn"},
    )

    found = bottleneck(spells_of(table), as_of=NOON).set_index("stage")

    assert found["hours"].to_dict() == {"waiting to be started": 6 + 1 + 3, "in hand": 4 + 5}
    assert found["share"].to_dict() == pytest.approx({"waiting to be started": 10 / 19, "in hand": 9 / 19})
    assert found["open"].to_dict() == {"waiting to be started": 1, "in hand": 1}
    assert found["items"].to_dict() == {"waiting to be started": 3, "in hand": 2}


def test_an_item_that_comes_back_is_one_item_with_two_stays():
    spells = stays([(20, 15, "first", "a"), (9, 5, "first", "a")]).assign(review=1)

    found = bottleneck(spells, as_of=NOON)

    assert found[["items", "hours"]].iloc[0].tolist() == [1, 9]


def test_waiting_may_be_counted_in_business_hours():
    office = BusinessCalendar("UTC", 9, 17, (0, 1, 2, 3, 4))

    found = bottleneck(stays([(24, None, "x", "a")]), as_of=NOON, calendar=office)

    assert found["hours"].tolist() == [3]


def test_without_waiting_there_is_no_share():
    assert bottleneck(stays([(5, 5, "x", "a")]), as_of=NOON)["share"].isna().all()


@given(STAYS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=12)
def test_shares_add_up_to_one_and_groups_to_the_whole_whatever_the_order(made, random):
    spells = stays(made)
    shuffled = spells.loc[random.sample(list(spells.index), len(spells))]

    whole = bottleneck(spells, as_of=NOON)
    parts = bottleneck(spells, as_of=NOON, groups=spells["group"])

    pd.testing.assert_frame_equal(parts, bottleneck(shuffled, as_of=NOON, groups=spells["group"]))
    assert parts.groupby("stage")["hours"].sum().to_dict() == whole.set_index("stage")["hours"].to_dict()
    if whole["hours"].sum():
        assert parts["share"].sum() == pytest.approx(1)


def stays(made) -> pd.DataFrame:
    rows = [
        {
            "review": place,
            "stage": stage,
            "entered_at": hours_ago(ago),
            "left_at": None if to is None else hours_ago(to),
        }
        for place, (ago, to, stage, _) in enumerate(made)
    ]
    table = pd.DataFrame(rows).assign(group=[name for *_, name in made])
    for column in ("entered_at", "left_at"):
        table[column] = pd.to_datetime(table[column], utc=True)
    return table

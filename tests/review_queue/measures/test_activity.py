"""Who still reviews, by hand."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.activity import first_override, retention, staying, until_first_override, weekly_active
from tests.review_queue.measures.made_reviews import NOON, reviews


def decided(reviewer: str, days_ago: float, *, final: float = 100, item: int | None = 1) -> dict:
    at = NOON - timedelta(days=days_ago)
    return {"item": item, "reviewer": reviewer, "decided_at": at, "state": "decided", "ai": 100, "final": final}


def test_a_week_without_decisions_has_nobody_active():
    # NOON is a Monday.
    table = reviews(
        decided("ada", 0), decided("ada", 20), decided("bob", 20), decided("ada", 19), decided("old", 90, item=None)
    )

    found = weekly_active(table, as_of=NOON)

    assert found["week"].tolist() == ["2025-W11", "2025-W12", "2025-W13", "2025-W14"]
    assert found["active"].tolist() == [2, 0, 0, 1]
    assert found["new"].tolist() == [2, 0, 0, 0]


def test_two_weeks_of_silence_are_an_end():
    table = reviews(decided("ada", 40), decided("ada", 14), decided("bob", 40), decided("bob", 13.9), decided("cat", 3))

    found = staying(table, as_of=NOON)

    assert found["finished"].to_dict() == {"ada": True, "bob": False, "cat": False}
    assert found["hours"].tolist() == pytest.approx([26 * 24, 26.1 * 24, 1 / 60])


def test_the_share_still_active_counts_those_who_only_just_began():
    # Ten stop after 10 days, five after 50, in their eighth week, and fifteen began 60 days ago and still review.
    rows = []
    for who in range(30):
        last = 70 if who < 10 else 30 if who < 15 else 0
        rows += [decided(f"r{who:02}", 80 if who < 15 else 60), decided(f"r{who:02}", last)]

    found = retention(reviews(*rows), as_of=NOON).set_index("week")

    assert found["share"].tolist() == pytest.approx([20 / 30, 20 / 30])
    assert found["state"].unique().tolist() == ["can't tell yet"]
    assert found.loc[4, "low"] < 20 / 30 < found.loc[4, "high"]


def test_below_twenty_reviewers_no_share_is_shown():
    found = retention(reviews(*(decided(f"r{who}", 30) for who in range(19))), as_of=NOON)

    assert found["state"].tolist() == ["not enough data"] * 2
    assert found["share"].isna().all()


def test_a_week_that_nobody_has_been_watched_until_is_unknown():
    found = retention(reviews(*(decided(f"r{who}", 1) for who in range(25))), as_of=NOON)

    assert found["share"].isna().all()


def test_the_time_to_a_first_override_counts_who_has_made_none():
    table = reviews(
        decided("ada", 10),
        decided("ada", 8, final=130),
        decided("ada", 4, final=150),
        decided("bob", 10),
        decided("bob", 5),
    )

    found = until_first_override(table, tolerance=0.01)

    assert found["hours"].to_dict() == {"ada": 48, "bob": 120}
    assert found["finished"].to_dict() == {"ada": True, "bob": False}
    assert first_override(table, tolerance=0.01)["state"].tolist() == ["not enough data"]


def test_nobody_active_is_an_empty_table():
    assert weekly_active(reviews({"item": 1}), as_of=NOON).empty
    assert retention(reviews({"item": 1}), as_of=NOON)["n"].tolist() == [0, 0]


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 90), st.sampled_from([100, 140])), max_size=40),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=12)
def test_the_order_of_decisions_does_not_matter_and_everybody_is_new_once(made, random):
    table = reviews(*(decided(who, days, final=final) for who, days, final in made))
    table = table.reindex(columns=[*reviews().columns, "item"])
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    weeks = weekly_active(table, as_of=NOON)

    pd.testing.assert_frame_equal(weeks, weekly_active(shuffled, as_of=NOON))
    pd.testing.assert_frame_equal(staying(table, as_of=NOON), staying(shuffled, as_of=NOON))
    pd.testing.assert_frame_equal(
        until_first_override(table, tolerance=0.01), until_first_override(shuffled, tolerance=0.01)
    )
    assert weeks["new"].sum() == len({who for who, *_ in made})
    assert (weeks["new"] <= weeks["active"]).all()
    assert not np.isnan(staying(table, as_of=NOON)["hours"]).any()

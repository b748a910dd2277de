"""From which gap on people have time for all that is flagged: by hand, and against a search over all thresholds."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_queue.measures.threshold import in_words, threshold_to_capacity
from tests.review_queue.measures.made_reviews import NOON, reviews


def items(*sizes: float | None, flag_at: float = 1.28, **changes: object) -> pd.DataFrame:
    """An item for each gap in usual misses, none older than seven weeks but for one of nine that holds no gap."""
    rows = [
        {
            "created_at": NOON - timedelta(days=place % 49),
            "u": size,
            "band": "minor",
            "flagged": size is not None and abs(size) >= flag_at,
            "ai": 100.0,
            "manual": 100.0 + 10.0 * (size or 0.0),
            **changes,
        }
        for place, size in enumerate(sizes)
    ]
    first = {"created_at": NOON - timedelta(weeks=9), "u": 9.0, "band": "extreme", "flagged": True}
    return reviews(*rows, first)


def found(table: pd.DataFrame, *, capacity: float, **given: float):
    return threshold_to_capacity(table, as_of=NOON, capacity=capacity, **{"flag_at": 1.28, **given})


#: 80 gaps of 0.05, 0.10 … 4.00: 55 of them are 1.28 and more.
EVEN = items(*(round(0.05 * step, 2) for step in range(1, 81)))


def test_a_threshold_that_flags_too_much_is_told_beside_the_one_that_fits():
    threshold = found(EVEN, capacity=5)  # 0.8 × 5 × 8 weeks = 32 of 80: those from 2.45 on

    assert (threshold.flags, threshold.share) == (55 / 8, 55 / 80)
    assert threshold.fitting == 2.41  # 2.40 is the largest that has no room
    assert (threshold.fitting_flags, threshold.fitting_share) == (4.0, 0.4)
    assert in_words(threshold) == (
        "At your threshold of 1.28 × usual miss 6.9 a week are flagged (69% of what came in over the last 8 weeks), "
        "for a capacity of 5. Flagging the top 40%, from 2.41 × usual miss on, would give 4.0 a week and keep a fifth "
        "of the time for the rest. To conclude takes 100 measured gaps."
    )


def test_where_there_is_time_it_says_down_to_which_gap_and_that_this_is_a_bound():
    said = in_words(found(EVEN, capacity=10))  # 64 of 80: those from 0.85 on

    assert "There is time for the top 80%, from 0.81 × usual miss on: at most 8.0 a week." in said


def test_where_everything_fits_there_is_no_threshold_to_choose():
    assert "There is time for every gap, at most 10 a week." in in_words(found(EVEN, capacity=100))


def test_materiality_in_money_says_which_smaller_gaps_count():
    # Gaps of 10 money and more are those of 1 usual miss and more: 61 of 80, which all fit.
    threshold = found(EVEN, capacity=10, materiality=10.0)

    assert (threshold.fitting, threshold.fitting_flags, threshold.is_bound) == (0.0, 61 / 8, False)


def test_a_large_gap_that_was_not_flagged_is_not_material_at_any_threshold():
    table = pd.concat([EVEN, items(*[3.0] * 40, flagged=False)])

    assert found(table, capacity=5).fitting_flags == 4.0
    assert found(table, capacity=5).flags == 55 / 8


def test_what_is_flagged_whatever_the_gap_takes_its_room_first():
    always = items(*[None] * 10, band="one_sided", flagged=True)
    opposite = items(*[0.1] * 6, band="opposite", flagged=True)
    table = pd.concat([EVEN, always.iloc[:-1], opposite.iloc[:-1]])

    threshold = found(table, capacity=5)
    none = in_words(found(table, capacity=2))

    assert (threshold.always, threshold.fitting_flags) == (2.0, 4.0)
    assert "No threshold would fit: 2.0 a week are flagged whatever it is" in none


def test_equal_gaps_fall_on_the_same_side_of_the_threshold():
    table = items(*[2.0] * 40, *[1.0] * 40)

    threshold = found(table, capacity=2)  # room for 12 of the 40

    assert (threshold.fitting, threshold.fitting_flags) == (2.01, 0.0)


def test_below_twenty_measured_gaps_or_eight_weeks_nobody_can_tell():
    few = items(*[2.0] * 19)
    young = items(*[2.0] * 40).iloc[:-1]

    assert in_words(found(few, capacity=5)).startswith("Threshold: can't tell yet, 19 of 20 measured gaps")
    assert in_words(found(young, capacity=5)) == "Threshold: can't tell yet, 6 of 8 weeks of record needed."
    assert in_words(found(reviews(), capacity=5)).startswith("Threshold: can't tell yet, 0 of 8 weeks")


def test_past_reviews_whose_flag_nobody_knows_do_not_count():
    table = pd.concat([EVEN, items(*[2.0] * 30, flagged=None)])

    assert found(table, capacity=5) == found(EVEN, capacity=5)


@given(
    sizes=st.lists(st.floats(0, 6), min_size=1, max_size=60),
    capacity=st.floats(0.5, 12),
)
def test_the_threshold_is_the_least_in_hundredths_that_people_have_time_for(sizes, capacity):
    table = items(*sizes, flag_at=0.0)
    drawn = table["u"].iloc[:-1].to_numpy(float)

    threshold = found(table, capacity=capacity, flag_at=0.0)

    tried = np.arange(0, 701) / 100
    fits = [float(t) for t in tried if (drawn >= t).sum() / 8 <= 0.8 * capacity]
    assert threshold.fitting == pytest.approx(min(fits))

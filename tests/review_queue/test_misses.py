"""Where a gap lies among the AI's past misses, counted by hand."""

import pytest

from review_queue.misses import Misses, beside, comparison, smaller

HERE = [30.0, -5.0, 12.0, -40.0, 8.0, 0.0]  # sizes 0, 5, 8, 12, 30, 40


@pytest.mark.parametrize(("gap", "count"), [(0, 0), (5, 1), (-5.1, 2), (12.5, 4), (-40, 5), (41, 6)])
def test_misses_are_counted_by_size_whichever_way_they_went(gap, count):
    assert smaller(gap, Misses(tuple(HERE), own=6)) == count


def test_a_series_with_five_misses_is_compared_with_its_own_and_the_newest_24_of_them():
    assert beside(HERE[:5], [0.5] * 9, ai=100, pool="West") == Misses(tuple(HERE[:5]), None, 5)
    assert len(beside([1.0] * 30, [], ai=100, pool="West").errors) == 24


def test_a_series_with_fewer_is_compared_with_those_around_it_set_to_the_size_of_its_forecast():
    shares = [0.1, -0.2, 0.05, 0.3, -0.01]

    assert beside(HERE[:4], shares, ai=-200, pool="West") == Misses((20, -40, 10, 60, -2), "West", 4)


@pytest.mark.parametrize(("ai", "shares"), [(0.0, [0.1] * 9), (100.0, [0.1] * 4)])
def test_where_those_around_say_nothing_either_its_own_are_all_there_is(ai, shares):
    assert beside(HERE[:2], shares, ai=ai, pool="West") == Misses((30, -5), None, 2)


@pytest.mark.parametrize(
    ("gap", "misses", "sentence"),
    [
        (9, Misses((), own=0), "The AI has no past misses here yet."),
        (10, Misses(tuple(HERE), own=6), "Larger than 3 of the AI’s last 6 misses here."),
        (-99, Misses(tuple(HERE), own=6), "Larger than all of the AI’s last 6 misses here."),
        (0, Misses(tuple(HERE), own=6), "Larger than none of the AI’s last 6 misses here."),
        (9, Misses((3.0,), own=1), "Larger than 1 of the AI’s 1 miss here; more are not known yet."),
        (
            15,
            Misses((20, -40, 10, 60, -2), "West", 4),
            "Only 4 past misses here. Larger than 2 of the last 5 in West, set to the size of this forecast.",
        ),
        (
            15,
            Misses((20, -40, 10, 60, -2), "West", 0),
            "No past misses here. Larger than 2 of the last 5 in West, set to the size of this forecast.",
        ),
    ],
)
def test_it_is_said_in_a_sentence_which_misses_they_are(gap, misses, sentence):
    assert comparison(gap, misses) == sentence

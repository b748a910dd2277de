"""Bursts, last hours, full queues and long runs, against METHODS 4.6."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from review_queue.measures.batching import (
    chance_of_run,
    in_bursts,
    in_last_tenth,
    load_dependence,
    longest_run,
    runs,
)
from tests.review_queue.measures.made_reviews import NOON, reviews


def at(*seconds: float, **changes) -> list[dict]:
    """Flagged items accepted at these seconds after noon."""
    row = {"state": "decided", "ai": 100.0, "final": 100.0, "flagged": True, "reviewer": "ada"}
    return [{**row, "decided_at": NOON + timedelta(seconds=second), **changes} for second in seconds]


def test_five_decisions_with_less_than_ten_seconds_between_are_a_burst():
    burst, pause = in_bursts(reviews(*at(0, 9, 18, 27, 36, 46))), in_bursts(reviews(*at(0, 9, 18, 27, 37)))

    assert burst.tolist() == [True] * 5 + [False]
    assert not pause.any()


def test_a_burst_is_one_persons():
    assert not in_bursts(reviews(*at(0, 4, 8), *at(1, 5, 9, reviewer="bob"))).any()


def test_items_that_are_not_flagged_belong_to_a_burst_but_do_not_count():
    marks = in_bursts(reviews(*at(0, 2), *at(1, 3, 4, flagged=False)))

    assert marks.to_dict() == {0: True, 1: True}


def test_a_batch_of_five_is_a_burst():
    table = reviews(*at(*range(0, 5000, 1000), batch=7), *at(*range(0, 4000, 1000), batch=8, reviewer="bob"))

    assert in_bursts(table).tolist() == [True] * 5 + [False] * 4


def test_bursts_do_not_depend_on_the_order_of_rows():
    table = reviews(*at(*range(0, 40, 8), 100, 200))

    assert in_bursts(table.iloc[::-1]).sort_index().equals(in_bursts(table))


def test_the_last_tenth_of_the_time_is_counted_back_from_the_deadline():
    created, due = NOON - timedelta(hours=90), NOON + timedelta(hours=10)  # a hundred hours
    row = at(0, created_at=created, due_at=due)[0]
    hour = timedelta(hours=1)
    table = reviews(
        row,  # ten hours left
        {**row, "decided_at": NOON - hour},
        {**row, "decided_at": due + hour},
        {**row, "hours_to_deadline": 50.0},  # as it was noted
        {**row, "due_at": None},
        {**row, "flagged": False},
    )

    assert in_last_tenth(table).to_dict() == {0: True, 1: False, 2: False, 3: False}


def under_load(slope: float, n: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(9)
    queue, distance = rng.integers(0, 60, n), np.abs(rng.normal(0, 1, n))
    accepted = rng.random(n) < expit(1 + slope * queue / 10 - distance)
    return pd.DataFrame(
        {
            "state": "decided",
            "ai": 100.0,
            "final": np.where(accepted, 100.0, 150.0),
            "queue_length": queue,
            "u": distance,
            "decided_at": pd.Timestamp(NOON) - pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
        }
    )


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.3, "rises with the queue"), (0.0, "can't tell yet"), (-0.3, "falls with the queue")]
)
def test_approvals_that_rise_with_the_backlog_are_found(slope, verdict):
    found = load_dependence(under_load(slope), tolerance=0.01)

    assert found.verdict == verdict
    assert found.low < slope < found.high
    assert found.slope == pytest.approx(slope, abs=0.12)


def test_load_needs_two_hundred_decisions_and_something_to_learn_from():
    table = under_load(0.3)

    for poor in (table.head(199), table.assign(final=100.0), table.assign(queue_length=3), table.drop(columns="u")):
        found = load_dependence(poor, tolerance=0.01)
        assert (found.verdict, np.isnan(found.slope)) == ("not enough data", True)


@pytest.mark.parametrize(("share", "length"), [(0.85, 34), (0.90, 47)])
def test_long_runs_of_approvals_happen_by_chance(share, length):
    # METHODS 4.6: of 100 decisions, 5 % of the time (simulated).
    assert chance_of_run(length, [share] * 100) == pytest.approx(0.05, abs=0.012)


def test_the_chance_of_a_run_is_exact():
    # Of the eight outcomes of three tosses, three hold two heads in a row.
    assert chance_of_run(2, [0.5] * 3) == pytest.approx(3 / 8)
    # Two in a row of three, each with a chance of its own: both pairs, less all three counted twice.
    assert chance_of_run(2, [0.9, 0.5, 0.2]) == pytest.approx(0.45 + 0.10 - 0.09)
    assert chance_of_run(4, [0.9] * 3) == 0.0


def test_the_longest_run_is_counted():
    assert [longest_run(one) for one in ([], [0], [1, 1, 0, 1], [0, 1, 1, 1])] == [0, 0, 2, 3]


def test_a_rare_run_is_noted():
    changed = {"final": 150.0}
    mixed = at(*range(0, 60, 2)) + at(*range(1, 60, 2), **changed)
    then_all = at(*range(100, 130))

    plain, rare = (runs(reviews(*rows), tolerance=0.01).iloc[0] for rows in (mixed, mixed + then_all))

    assert (plain["longest"], plain["is_rare"]) == (1, False)
    assert (rare["n"], rare["longest"], rare["is_rare"]) == (90, 30, True)


def test_without_decisions_there_is_no_run():
    row = runs(reviews(), tolerance=0.01).iloc[0]

    assert (row["n"], row["longest"], np.isnan(row["chance"]), row["is_rare"]) == (0, 0, True, False)

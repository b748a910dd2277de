"""Whether the AI has become worse than its baseline, by hand and against the simulations of METHODS 8.1."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.skill import e_cusum, observations, relative_skill, skill_path, tracking_signal
from tests.review_queue.measures.made_history import history, shuffled
from tests.review_queue.measures.made_reviews import NOON, reviews

ROW = {"actual": 100, "ai": 90, "naive": 80}


def test_skill_lies_between_minus_one_and_one_and_is_nothing_where_neither_missed():
    skill = relative_skill(pd.Series([10.0, -5, 0, 3, 0]), pd.Series([-30.0, 0, 4, 3, 0]))

    assert skill.tolist() == [0.5, -1, 1, 0, 0]


def test_evidence_grows_while_the_ai_is_worse_and_never_falls_far():
    evidence = e_cusum(pd.Series([1.0, 1, -1, -1, 0.5]))["evidence"]

    assert evidence.tolist() == pytest.approx([0.75, 0.75, 1.25, 1.5625, 1.5625 * 0.875])


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=300))
@settings(deadline=None, max_examples=12)
def test_the_path_is_that_of_the_recursion(skills):
    expected, level = [], 1.0
    for skill in skills:
        level = max(1.0, level) * (1 - 0.25 * skill)
        expected.append(level)

    found = e_cusum(pd.Series(skills))

    np.testing.assert_allclose(found["evidence"], expected, rtol=1e-9)
    assert found["alarm"].tolist() == (found["evidence"] >= 100).tolist()
    assert found["warning"].tolist() == (found["evidence"] >= 20).tolist()


def test_evidence_stays_a_number_however_long_the_ai_is_worse():
    assert np.isfinite(e_cusum(pd.Series([-1.0] * 5000))["evidence"]).all()


def times_to_alarm(growth, *, column="alarm", good=0, runs=300):
    """After how many of 500 actuals the alarm came, NaN for never; errors are normal, from a seed."""
    rng = np.random.default_rng(8)
    grown = np.concatenate([np.ones(good), np.full(500, growth)])
    found = []
    for _ in range(runs):
        errors = rng.standard_normal((2, len(grown)))
        raised = e_cusum(relative_skill(pd.Series(errors[0] * grown), pd.Series(errors[1])))[column]
        found.append(raised.to_numpy().argmax() + 1 - good if raised.any() else np.nan)
    return np.array(found)


def test_an_ai_as_good_as_its_baseline_hardly_ever_alarms_and_a_better_one_never():
    assert np.isfinite(times_to_alarm(1.0)).mean() == pytest.approx(0.015, abs=0.02)
    assert np.isfinite(times_to_alarm(0.8)).sum() == 0


@pytest.mark.parametrize(
    ("growth", "column", "delay"),
    [(2.0, "alarm", 83), (1.5, "alarm", 152), (2.0, "warning", 54), (1.5, "warning", 98)],
)
def test_the_median_delay_is_that_of_the_methods(growth, column, delay):
    assert np.median(times_to_alarm(growth, column=column)) == pytest.approx(delay, rel=0.1)


def test_an_error_a_quarter_larger_is_mostly_found_within_500():
    found = times_to_alarm(1.25)

    assert np.isfinite(found).mean() == pytest.approx(0.81, abs=0.06)


def test_a_good_past_does_not_delay_the_alarm_much():
    assert np.nanmedian(times_to_alarm(1.6, good=100)) == pytest.approx(120, rel=0.12)


def test_actuals_come_as_they_became_final_or_else_as_their_periods_ended():
    table = reviews(
        {**ROW, "series": "b", "period": "2025-01"},
        {**ROW, "series": "a", "period": "2025-02"},
        {**ROW, "series": "c", "period": "2024-12", "actual_final_at": "2025-02-15T00:00Z"},
        {**ROW, "series": "a", "period": "2025-01"},
    )

    found = observations(table, ["ai"])

    assert list(zip(found["series"], found["period"], strict=True)) == [
        ("a", "2025-01"),
        ("b", "2025-01"),
        ("c", "2024-12"),
        ("a", "2025-02"),
    ]


def test_several_reviews_of_one_actual_count_once_by_the_last():
    later = NOON + pd.Timedelta(hours=1)

    found = observations(reviews({**ROW, "ai": 50, "created_at": later}, ROW, {**ROW, "period": "2025-02"}), ["ai"])

    assert found["ai"].tolist() == [90, 50]


def test_reviews_without_a_period_all_count_when_they_were_created():
    earlier = NOON - pd.Timedelta(days=90)

    found = observations(
        reviews({**ROW, "period": None, "ai": 50}, {**ROW, "period": None, "created_at": earlier}), ["ai"]
    )

    assert found["ai"].tolist() == [90, 50]


def test_the_path_begins_anew_with_the_reviews_that_it_is_given_and_is_empty_without_a_baseline():
    table = history(np.random.default_rng(1), series=5, periods=20, naive=10, ai=40)

    path = skill_path(table)

    assert path["alarm"].any()
    assert path["when"].is_monotonic_increasing
    assert skill_path(table[table["period"] == "2021-01"])["evidence"].iloc[0] < 2
    assert skill_path(table.assign(naive=np.nan)).empty


def test_the_tracking_signal_is_the_smoothed_error_over_its_smoothed_size():
    table = reviews(
        {**ROW, "period": "2025-01", "ai": 110},
        {**ROW, "period": "2025-02", "ai": 80},
        {**ROW, "period": "2025-02", "series": "b", "ai": 110, "value_per_unit": 3.0},
    )

    found = tracking_signal(table)

    assert found["n"].tolist() == [1, 2]
    # Errors 10, then -20 + 30; sizes 10, then 20 + 30.
    assert found["signal"].tolist() == pytest.approx([1.0, (9 + 1) / (9 + 5)])
    assert found["warning"].tolist() == [True, True]


def test_an_ai_that_never_missed_has_no_signal():
    found = tracking_signal(reviews({**ROW, "ai": 100}))

    assert found["signal"].isna().all()
    assert not found["warning"].any()


@given(st.integers(0, 1000), st.sampled_from([0.5, 1024.0]))
@settings(deadline=None, max_examples=12)
def test_neither_order_nor_money_matters(seed, rate):
    table = history(np.random.default_rng(seed), series=4, periods=6, naive=10, ai=10)
    dearer = table.assign(**{column: table[column] * rate for column in ("actual", "ai", "naive")})
    path, signal = skill_path(table), tracking_signal(table)

    for other in (shuffled(table), dearer):
        pd.testing.assert_frame_equal(path, skill_path(other))
        pd.testing.assert_frame_equal(signal, tracking_signal(other))

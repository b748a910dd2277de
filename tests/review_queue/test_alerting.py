"""When a threshold counts as passed, and what is said of it."""

from __future__ import annotations

import pytest

from review_queue.alerting import AlertRule, Reading, Watched, passed, sentence
from review_queue.errors import WorkflowInvalid
from review_queue.workflows import parse_policy

RATE = AlertRule(measure=Watched.OVERRIDE_RATE, below=0.05, above=0.40)
LATE = AlertRule(measure=Watched.OVERDUE, above=10)


@pytest.mark.parametrize(
    ("reading", "limit"),
    [
        (Reading(0.55, 0.45, 0.65, 80), 0.40),
        (Reading(0.45, 0.35, 0.55, 80), None),  # beyond, but not surely
        (Reading(0.01, 0.00, 0.04, 120), 0.05),
        (Reading(0.20, 0.15, 0.25, 120), None),
        (None, None),
    ],
)
def test_a_rate_passes_its_limit_with_all_of_its_interval_or_not_at_all(reading, limit):
    assert passed(RATE, reading) == limit


@pytest.mark.parametrize(("overdue", "limit"), [(10.0, None), (11.0, 10)])
def test_a_count_passes_its_limit_from_the_next_number_on(overdue, limit):
    assert passed(LATE, Reading.of(overdue, 50)) == limit


def test_the_sentence_has_the_figure_its_interval_and_the_limit():
    assert sentence(RATE, Reading(0.55, 0.45, 0.65, 1080), 0.40) == (
        "The override rate of four weeks: 55.0 % (95 % interval 45.0 % to 65.0 %, n = 1,080), "
        "above the limit of 40.0 %."
    )
    assert sentence(LATE, Reading.of(1200.0, 5000), 10) == (
        "Items past their deadline: 1,200 items, above the limit of 10 items."
    )


def test_evidence_beyond_all_doubt_is_not_counted_out():
    rule = AlertRule(measure=Watched.AI_EVIDENCE, above=100)

    assert "naive forecast: over 10,000, above the limit of 100." in sentence(rule, Reading.of(3e11, 4_912), 100)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('[[alerts]]\nmeasure = "overdue"', "an alert needs a limit"),
        ('[[alerts]]\nmeasure = "overdue"\nabove = 1\nbelow = 2', "below must be less than above"),
        ('[[alerts]]\nmeasure = "mood"\nabove = 1', "alerts"),
        ('[[alerts]]\nmeasure = "overdue"\nabove = 1\n[[alerts]]\nmeasure = "overdue"\nbelow = 0', "named twice"),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused_by_name(rules, said):
    with pytest.raises(WorkflowInvalid, match=said):
        parse_policy(f'key = "k"\ntitle = "K"\nunit = "EUR"\n{rules}\n')

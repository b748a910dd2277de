"""The readiness check: what it asks, and when it passes."""

from __future__ import annotations

import pytest

from review_queue.readiness import Criterion, Facts, assess
from review_queue.workflows import policy_of

BARE = {"key": "a", "title": "A", "unit": "EUR"}


NOTHING = Facts()


def check(name: str, facts: Facts = NOTHING, **policy: object):
    return next(each for each in assess(policy_of({**BARE, **policy}), facts) if each.name == name)


def test_every_stated_criterion_is_asked_about():
    assert {each.criterion for each in assess(policy_of(BARE), Facts())} == set(Criterion)


def test_only_an_owner_is_required_unless_the_policy_is_strict():
    ordinary = assess(policy_of(BARE), Facts())
    strict = assess(policy_of({**BARE, "readiness": "strict"}), Facts())

    assert [each.name for each in ordinary if each.state == "fail"] == ["owner"]
    assert {each.state for each in strict} == {"fail"}


@pytest.mark.parametrize(("known", "ok"), [(4, False), (5, True)])
def test_half_of_the_series_have_a_past(known, ok):
    assert check("history", Facts(ai_items=20, ai_series=10, known_series=known)).ok is ok


@pytest.mark.parametrize(
    ("flagged", "ok"),
    # 2 people × 2 h × 5 days = 20 h, of which 16 h may go to flags: 64 items of 15 minutes a week, 512 in eight
    [(512, True), (513, False)],
)
def test_what_is_flagged_in_a_week_fits_four_fifths_of_the_hours_that_people_have(flagged, ok):
    found = check("volume", Facts(weeks=8, flagged=flagged, reviewers=2), reviewer_hours=2)

    assert found.ok is ok
    assert found.sentence.startswith("About 64")
    assert "2 people who may review have 20 hours." in found.sentence


def test_the_volume_cannot_be_told_without_items_people_or_hours():
    assert "cannot be counted yet" in check("volume", reviewer_hours=2).sentence
    assert "Nobody may review here" in check("volume", Facts(weeks=8, flagged=1), reviewer_hours=2).sentence
    assert "Set reviewer_hours" in check("volume", Facts(weeks=8, flagged=1, reviewers=1)).sentence


def test_a_baseline_needs_words_and_data():
    some = Facts(past_reviews=3, naive_items=1)

    assert not check("baseline", some).ok
    assert not check("baseline", baseline="Last year.").ok
    found = check("baseline", some, baseline="Last year.")
    assert (found.ok, found.sentence) == (
        True,
        "Last year. To measure against: 3 past reviews imported, naive forecasts of 1 item.",
    )


def test_the_watched_measure_is_one_of_the_alerts():
    rules = [{"measure": "overdue", "above": 20}]

    assert not check("monitoring", alerts=rules).ok
    assert check("monitoring", alerts=rules, monitoring="overdue").sentence == (
        "overdue is watched; above 20 raises an alert."
    )

"""Time taken and evidence opened, against METHODS 4.6."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.attention import (
    content_floor,
    evidence_opened,
    fast_for_both,
    rapid_thresholds,
    seconds_taken,
    took_time,
)
from tests.review_queue.measures.made_reviews import NOON, reviews


def taken(seconds: float | None, **changes) -> dict:
    """A flagged item that was accepted after so many seconds."""
    opened = None if seconds is None else NOON - timedelta(seconds=seconds)
    row = {"state": "decided", "ai": 100.0, "final": 100.0, "flagged": True, "opened_at": opened, "decided_at": NOON}
    return {**row, "reviewer": "ada", **changes}


def test_a_decision_takes_ten_minutes_at_most_and_no_negative_time():
    found = seconds_taken(reviews(taken(42), taken(4000), taken(None), taken(-5)))

    assert found.iloc[:2].tolist() == [42, 600]
    assert found.iloc[2:].isna().all()


@pytest.mark.parametrize(("typical", "threshold"), [(10, 3), (60, 6), (400, 10)])
def test_rapid_is_below_a_tenth_of_the_median_from_three_seconds_to_ten(typical, threshold):
    assert rapid_thresholds(pd.Series([1.0, typical, 600.0])).tolist() == [threshold] * 3


def test_each_class_of_item_has_its_own_threshold():
    seconds, classes = pd.Series([40.0, 80.0]), pd.Series(["easy", "hard"])

    assert rapid_thresholds(seconds, classes).tolist() == [4, 8]


def test_the_floor_of_the_content_is_a_quarter_of_the_reading_time():
    assert content_floor(238, 10) == 0.25 * (60 + 20)


def test_only_accepts_of_flagged_items_can_be_rapid():
    table = reviews(
        taken(9), taken(10), taken(200), taken(300), taken(None), taken(1, final=150.0), taken(1, flagged=False),
        *[taken(100, final=150.0)] * 3,
    )  # median 100: ten seconds  # fmt: skip

    assert took_time(table, tolerance=0.01).to_dict() == {0: False, 1: True, 2: True, 3: True}


def test_evidence_counts_if_it_was_opened_before_the_decision():
    before, after = NOON - timedelta(seconds=5), NOON + timedelta(seconds=5)
    table = reviews(
        taken(60, first_evidence_at=before),
        taken(60, first_evidence_at=after),
        taken(60, first_evidence_at=None),
        taken(None, first_evidence_at=None),  # nobody noted anything
        taken(60, first_evidence_at=before, flagged=False),
    )

    assert evidence_opened(table).to_dict() == {0: True, 1: False, 2: False}


def test_of_past_reviews_nothing_is_known():
    table = reviews({"state": "decided", "ai": 1.0, "final": 1.0, "reviewer": "ada", "decided_at": NOON})

    assert took_time(table, tolerance=0.01).empty
    assert evidence_opened(table).empty
    assert fast_for_both(table).empty


def team(rng: np.random.Generator, *, people: int = 4, each: int = 60) -> pd.DataFrame:
    """Times that persons (one of them quick), classes and chance explain."""
    person, kind = np.repeat(np.arange(people), each), np.tile(["agree", "large"], people * each // 2)
    log = 4 - 1.0 * (person == 0) + 1.0 * (kind == "large") + rng.normal(0, 0.4, people * each)
    opened = pd.Timestamp(NOON) - pd.to_timedelta(np.exp(log), unit="s")
    names = np.array(["quick", "bob", "cleo", "dan"])[person]
    return pd.DataFrame(
        {"state": "decided", "reviewer": names, "band": kind, "opened_at": opened, "decided_at": pd.Timestamp(NOON)}
    )


def test_a_fast_person_is_told_from_fast_clicks():
    table = team(np.random.default_rng(1))
    clicks = table.index[table["reviewer"] == "bob"][:6]
    table.loc[clicks, "opened_at"] = pd.Timestamp(NOON) - pd.Timedelta(seconds=2)

    marks = fast_for_both(table)

    assert marks[clicks].all()
    assert marks[table["reviewer"] == "quick"].mean() < 0.05
    assert len(marks) == 240


def test_the_effects_of_persons_and_classes_are_those_of_least_squares():
    import statsmodels.formula.api as smf

    table = team(np.random.default_rng(2)).sample(frac=0.7, random_state=1)  # persons and classes unevenly crossed
    seconds = (table["decided_at"] - table["opened_at"]).dt.total_seconds()
    fitted = smf.ols("np.log(seconds) ~ C(reviewer) + C(band)", table.assign(seconds=seconds)).fit()

    assert fast_for_both(table).equals(fitted.resid < -2 * fitted.resid.std(ddof=0))


def test_the_model_needs_twenty_decisions_of_a_person_and_three_people_in_a_class():
    table = team(np.random.default_rng(3))
    few = table.drop(table.index[table["reviewer"] == "dan"][:41])  # 19 are left

    assert set(few.loc[fast_for_both(few).index, "reviewer"]) == {"quick", "bob", "cleo"}
    assert fast_for_both(table[table["reviewer"].isin(["quick", "bob"])]).empty


def test_the_order_of_rows_does_not_matter():
    table = team(np.random.default_rng(4)).assign(flagged=True, ai=1.0, final=1.0)
    shuffled = table.sample(frac=1, random_state=2)

    assert fast_for_both(shuffled).sort_index().equals(fast_for_both(table))
    assert took_time(shuffled, tolerance=0.01).sort_index().equals(took_time(table, tolerance=0.01))

"""What each source got wrong before: nothing counts that was not known when it was asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.reconciled import reconcile, replayed
from review_queue.measures.source_records import (
    ASSUMED,
    CLASS,
    OWN,
    by_source,
    errors_of,
    half_life,
    moving_together,
    records_as_of,
    with_usual_miss,
)
from review_queue.workflows import Policy

NAMED = {"key": "sales", "title": "Sales", "unit": "EUR k"}


def a_policy(**sources: object) -> Policy:
    return Policy.model_validate({**NAMED, "sources": sources})


def past(*rows: tuple[int, str, str, float, float]) -> pd.DataFrame:
    """(series, source, month, value, actual) each; a month is over when the next begins."""
    frame = pd.DataFrame(rows, columns=["series", "source", "period", "value", "actual"])
    start = pd.to_datetime(frame["period"] + "-01", utc=True)
    return frame.assign(
        ended_at=start + pd.DateOffset(months=1), as_of=start - pd.Timedelta(days=3), materiality=np.nan
    )


def asked(series: int, source: str, at: str) -> pd.DataFrame:
    return pd.DataFrame({"series": [series], "source": [source], "at": [pd.Timestamp(at, tz="UTC")]})


def test_an_error_counts_once_its_period_is_over() -> None:
    errors = errors_of(past((1, "crm", "2026-01", 100.0, 110.0), (1, "crm", "2026-02", 100.0, 130.0)))

    before = records_as_of(errors, asked(1, "crm", "2026-01-31"))
    between = records_as_of(errors, asked(1, "crm", "2026-02-01"))
    after = records_as_of(errors, asked(1, "crm", "2026-03-01"))

    assert [each["squares"].iloc[0] for each in (before, between, after)] == [0, 100, 1000]
    assert [each["count"].iloc[0] for each in (before, between, after)] == [0, 1, 2]
    assert before["class_mean_square"].isna().all()
    assert after["class_mean_square"].iloc[0] == pytest.approx((0.01 + 0.09) / 2)


def test_a_source_is_known_here_by_this_series_and_as_a_class_by_all() -> None:
    errors = errors_of(
        past((1, "crm", "2026-01", 100.0, 110.0), (2, "crm", "2026-01", 10.0, 13.0), (1, "ai", "2026-01", 100.0, 190.0))
    )

    found = records_as_of(errors, asked(2, "crm", "2026-06-01")).iloc[0]

    assert (found["squares"], found["count"], found["class_count"]) == (9.0, 1, 2)
    assert found["class_mean_square"] == pytest.approx((0.01 + 0.09) / 2)


def test_the_answers_come_in_the_order_of_the_questions() -> None:
    errors = errors_of(past((1, "crm", "2026-01", 100.0, 110.0), (2, "crm", "2026-01", 100.0, 120.0)))
    both = pd.concat([asked(2, "crm", "2026-06-01"), asked(1, "crm", "2026-05-01")]).set_axis([7, 3])

    found = records_as_of(errors, both)

    assert found["squares"].to_dict() == {7: 400.0, 3: 100.0}


def test_one_slip_of_a_decimal_point_is_not_the_record() -> None:
    errors = errors_of(past((1, "crm", "2026-01", 100.0, 100_000.0), (1, "crm", "2026-02", 0.0, 5.0)))

    assert errors["relative"].tolist() == pytest.approx([1.0, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("count", "class_count", "rests_on"), [(1, 0, OWN), (0, 10, CLASS), (0, 9, ASSUMED), (0, 0, ASSUMED)]
)
def test_it_is_told_what_a_usual_miss_rests_on(count: int, class_count: int, rests_on: str) -> None:
    now = pd.Timestamp("2026-06-11", tz="UTC")
    said = pd.DataFrame(
        {"group": [1], "source": ["crm"], "value": [100.0], "materiality": [np.nan],
         "as_of": [now - pd.Timedelta(days=10)], "at": [now]}
    )  # fmt: skip
    records = pd.DataFrame(
        {"squares": [0.0], "count": [count], "class_mean_square": [np.nan], "class_count": [class_count]}
    )

    found = with_usual_miss(said, records, a_policy(assumed_miss=0.2)).iloc[0]

    assert found["rests_on"] == rests_on
    assert (found["age"], found["half_life"]) == (10.0, 14.0)


def test_half_lives_are_the_methods_unless_the_owner_says_otherwise() -> None:
    policy = a_policy(half_life_days={"crm": 5})

    assert [half_life(name, policy) for name in ("ai", "crm", "Contract", "something else")] == [7, 5, 90, 30]


def test_sources_that_copy_are_seen_to_move_together() -> None:
    rng = np.random.default_rng(5)
    shared = rng.normal(0, 10, 60)
    rows = [
        (series, source, "2026-01", 100.0, 100.0 + own + (shared[series] if source != "orders" else 0))
        for series in range(60)
        for source, own in zip(("crm", "manual", "orders"), rng.normal(0, 3, 3), strict=True)
    ]

    found = moving_together(errors_of(past(*rows))).set_index(["source", "other"])

    assert found.loc[("crm", "manual"), "correlation"] > 0.8
    assert abs(found.loc[("crm", "orders"), "correlation"]) < 0.4
    assert (found["n"] == 60).all()


def test_few_common_periods_tell_nothing_of_overlap() -> None:
    rows = [(n, source, "2026-01", 100.0, 100.0 + n) for n in range(19) for source in ("a", "b")]

    assert moving_together(errors_of(past(*rows)))["correlation"].isna().all()


def test_the_record_of_a_source_has_its_usual_size_and_side() -> None:
    errors = errors_of(
        past((1, "crm", "2026-01", 100.0, 90.0), (1, "crm", "2026-02", 100.0, 70.0), (2, "crm", "2026-01", 50.0, 50.0))
    )

    found = by_source(errors).set_index("source").loc["crm"]

    assert found["n"] == 3
    assert found["typical"] == pytest.approx(0.1)
    assert found["bias"] == pytest.approx(0.4 / 3)
    assert found["mean_square"] == pytest.approx((0.01 + 0.09) / 3)


def test_a_replay_knows_no_more_than_was_known_then() -> None:
    months = [f"2025-{month:02d}" for month in range(1, 9)]
    rows = [(1, source, month, value, 100.0) for month in months for source, value in (("a", 100.0), ("b", 140.0))]
    whole = past(*rows)

    found = replayed(whole, a_policy()).set_index("period")
    cut = replayed(whole[whole["period"] <= "2025-04"], a_policy()).set_index("period")

    # The last statements of April came on 29 March, when January and February were over.
    assert found.loc["2025-04", "value"] == pytest.approx(cut.loc["2025-04", "value"])
    assert found.loc["2025-01", "value"] == pytest.approx(120)
    # The one that is always right comes to weigh more, and the value comes near.
    assert found["value"].is_monotonic_decreasing
    assert found["came_true"].tolist() == (found["value"] <= 100 / 0.9).tolist()


def test_outcomes_correct_what_is_stated_and_stale_sources_stay_at_a_half() -> None:
    now = pd.Timestamp("2026-06-11", tz="UTC")
    said = pd.DataFrame(
        {"group": [1, 2], "source": ["crm", "crm"], "value": [100.0, 100.0], "materiality": [np.nan] * 2,
         "as_of": [now, now - pd.Timedelta(days=60)], "at": [now] * 2}
    )  # fmt: skip
    records = pd.DataFrame(
        {"squares": [0.0] * 2, "count": [100] * 2, "class_mean_square": [0.0] * 2, "class_count": [100] * 2}
    )

    _, groups = reconcile(said, records, a_policy(), curve=((0.1, 0.8), (1.0, 0.9)))

    assert groups["worked_out"].iloc[0] > 0.9
    assert groups["confidence"].tolist() == pytest.approx([0.9, 0.5], abs=0.01)

"""Time to review, against METHODS 5.2, a computation by hand, and lifelines."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.measures.latency import Clock, durations, hours_until, latency, percentiles, survival
from tests.review_queue.measures.made_reviews import NOON, reviews, took

KaplanMeierFitter = pytest.importorskip("lifelines").KaplanMeierFitter

VECTOR = pd.DataFrame({"hours": [1.0, 2, 2, 3, 5, 5, 8], "finished": [True, True, False, True, True, False, False]})


def test_open_reviews_are_part_of_the_curve():
    curve = survival(VECTOR)

    assert curve["hours"].tolist() == [1, 2, 3, 5]
    assert curve["waiting"].tolist() == pytest.approx([0.8571, 0.7143, 0.5357, 0.3571], abs=5e-5)
    assert curve["at_risk"].tolist() == [7, 6, 4, 3]
    assert hours_until(curve, 0.5) == 5


def test_the_interval_of_the_curve_is_the_log_log_one_of_lifelines():
    reference = KaplanMeierFitter().fit(VECTOR["hours"], VECTOR["finished"], alpha=0.05)

    curve = survival(VECTOR)

    expected = reference.confidence_interval_.loc[curve["hours"]]
    assert curve["low"].to_numpy() == pytest.approx(expected.iloc[:, 0].to_numpy(), rel=1e-6)
    assert curve["high"].to_numpy() == pytest.approx(expected.iloc[:, 1].to_numpy(), rel=1e-6)


def test_a_median_and_its_open_reviews_come_out_by_hand():
    # S: 1 h 4/5; 2 h 4/5 · 3/4 = 3/5; 6 h 3/5 · 1/2 = 3/10. One review at 3 h is still open, and one at 30 h.
    table = reviews(took(1), took(2), took(3, ended=False), took(6), took(30, ended=False))

    row = latency(table, as_of=NOON).iloc[0]

    assert (row["group"], row["n"], row["open"]) == ("all", 5, 2)
    assert row["median_hours"] == 6
    assert np.isnan(row["p85_hours"])
    assert np.isnan(row["p90_hours"])
    assert row["finished_median_hours"] == 2
    assert row["finished_p90_hours"] == pytest.approx(5.2)


def test_an_exact_half_is_the_median():
    table = reviews(took(4), took(9, ended=False))

    assert latency(table, as_of=NOON).iloc[0]["median_hours"] == 4


def test_no_time_at_all_counts_as_one_minute():
    table = reviews(took(0), took(0))

    assert latency(table, as_of=NOON).iloc[0]["median_hours"] == pytest.approx(1 / 60)


def test_the_wait_ends_with_the_start_or_else_with_the_decision():
    started = {**took(10), "started_at": NOON - timedelta(hours=7)}
    never_noted = took(5)
    in_hand = {**took(8, ended=False), "started_at": NOON - timedelta(hours=6)}
    table = reviews(started, never_noted, in_hand, took(9, ended=False))

    times = durations(table, as_of=NOON, clock=Clock.WAIT)

    assert times["hours"].tolist() == [3, 5, 2, 9]
    assert times["finished"].tolist() == [True, True, True, False]
    assert times["open"].tolist() == [False, False, False, True]


def test_a_withdrawn_review_is_neither_decided_nor_open():
    withdrawn = {**took(20, ended=False), "state": "withdrawn", "withdrawn_at": NOON - timedelta(hours=16)}
    table = reviews(took(2), took(6), withdrawn)

    times = durations(table, as_of=NOON)
    row = latency(table, as_of=NOON).iloc[0]

    assert times["hours"].tolist() == [2, 6, 4]
    assert (row["n"], row["open"], row["median_hours"]) == (3, 0, 6)


def test_a_withdrawal_at_an_unknown_time_is_left_out():
    table = reviews(took(2), {**took(20, ended=False), "state": "withdrawn"})

    assert latency(table, as_of=NOON).iloc[0]["n"] == 1


def test_nothing_to_review_gives_counts_of_zero_and_no_times():
    row = latency(reviews(), as_of=NOON).iloc[0]

    assert (row["group"], row["n"], row["open"]) == ("all", 0, 0)
    assert np.isnan(row["median_hours"])


def test_reviews_of_an_unknown_group_have_a_row_of_their_own():
    table = reviews(took(1), took(2), took(3))

    rows = latency(table, as_of=NOON, groups=pd.Series(["b", None, "a"]))

    assert rows["group"].iloc[:2].tolist() == ["a", "b"]
    assert pd.isna(rows["group"].iloc[2])
    assert rows["n"].tolist() == [1, 1, 1]


lives = st.lists(st.tuples(st.integers(0, 2000), st.booleans(), st.sampled_from("xyz")), max_size=40)


@given(lives)
@settings(deadline=None)
def test_every_percentile_is_that_of_lifelines(made):
    table = reviews(*(took(hours, ended=ended) for hours, ended, _ in made))

    row = latency(table, as_of=NOON).iloc[0]

    if not made:
        return
    times = [max(hours, 1 / 60) for hours, _, _ in made]
    fitted = KaplanMeierFitter().fit(times, [ended for _, ended, _ in made]).survival_function_["KM_estimate"]
    for column, left in (("median_hours", 0.5), ("p85_hours", 0.15), ("p90_hours", 0.1)):
        there = fitted[fitted <= left + 1e-9]
        expected = there.index[0] if len(there) else np.nan
        assert row[column] == pytest.approx(expected, nan_ok=True)


@given(lives, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_rows_is_irrelevant_and_groups_add_up(made, random):
    table = reviews(*({**took(hours, ended=ended), "segment_s": name} for hours, ended, name in made))
    table = table.reindex(columns=[*reviews().columns, "segment_s"])
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    whole = latency(table, as_of=NOON)
    parts = latency(table, as_of=NOON, groups=table["segment_s"])

    pd.testing.assert_frame_equal(whole, latency(shuffled, as_of=NOON))
    pd.testing.assert_frame_equal(parts, latency(shuffled, as_of=NOON, groups=table["segment_s"]))
    assert parts[["n", "open"]].sum().tolist() == whole.loc[0, ["n", "open"]].tolist()


def test_by_group_and_at_any_date_the_percentiles_are_those_of_lifelines():
    random = np.random.default_rng(3)
    created = [NOON - timedelta(hours=float(hours)) for hours in random.uniform(0, 900, 90)]
    ends = [
        start + timedelta(hours=float(hours)) for start, hours in zip(created, random.exponential(60, 90), strict=True)
    ]
    names = pd.Series(random.choice(["x", "y", "z"], 90))

    for back in (0, 100, 400):
        as_of = NOON - timedelta(hours=back)
        lives = [
            {
                "created_at": start,
                "decided_at": end if end <= as_of else None,
                "state": "decided" if end <= as_of else "ready",
            }
            for start, end in zip(created, ends, strict=True)
        ]
        seen = reviews(*lives)[lambda table, as_of=as_of: table["created_at"] <= pd.Timestamp(as_of)]
        rows = latency(seen, as_of=as_of, groups=names).set_index("group")

        for name, part in seen.groupby(names):
            hours = (part["decided_at"].fillna(pd.Timestamp(as_of)) - part["created_at"]).dt.total_seconds() / 3600
            fitted = KaplanMeierFitter().fit(hours.clip(lower=1 / 60), part["decided_at"].notna())
            expected = [fitted.median_survival_time_, *(fitted.percentile(left) for left in (0.15, 0.1))]
            found = rows.loc[name, ["median_hours", "p85_hours", "p90_hours"]].astype(float)
            assert found.tolist() == pytest.approx([np.nan if np.isinf(x) else x for x in expected], nan_ok=True)


def test_what_was_open_when_watching_began_enters_late_as_in_lifelines():
    random = np.random.default_rng(5)
    hours = random.integers(1, 60, 80).astype(float)
    times = pd.DataFrame({"hours": hours, "finished": random.random(80) < 0.7})
    times["entered"] = np.floor(hours * random.random(80) * 0.9)
    fitted = KaplanMeierFitter().fit(times["hours"], times["finished"], entry=times["entered"])

    curve = survival(times)

    expected = fitted.survival_function_.loc[curve["hours"], "KM_estimate"].to_numpy()
    assert curve["waiting"].to_numpy() == pytest.approx(expected, abs=1e-12)


def test_what_ended_before_anybody_watched_is_left_out_and_the_rest_enters_at_its_age():
    gone = {"created_at": NOON - timedelta(hours=50), "decided_at": NOON - timedelta(hours=20), "state": "decided"}
    table = reviews(gone, took(30), took(15, ended=False), took(4))

    times = durations(table, as_of=NOON, watched_from=NOON - timedelta(hours=20))

    assert times["hours"].tolist() == [30, 15, 4]
    assert times["entered"].tolist() == [10, 0, 0]


def test_business_hours_leave_out_the_night():
    office = BusinessCalendar("UTC", 9, 17, (0, 1, 2, 3, 4))
    table = reviews(took(24), took(2, ended=False))

    times = durations(table, as_of=NOON, calendar=office)

    assert times["hours"].tolist() == [3, 2]  # from noon on Sunday: 9 to 12 on Monday


def test_what_came_and_went_on_a_day_off_before_anybody_watched_is_left_out_too():
    office = BusinessCalendar("UTC", 9, 17, (0, 1, 2, 3, 4))
    on_sunday = {"created_at": NOON - timedelta(hours=24), "decided_at": NOON - timedelta(hours=20), "state": "decided"}

    times = durations(reviews(on_sunday), as_of=NOON, watched_from=NOON - timedelta(hours=18), calendar=office)

    assert times.empty


@pytest.mark.parametrize(
    ("n", "states"),
    [
        (19, ["not enough data", "not enough data"]),
        (20, ["can't tell yet", "can't tell yet"]),
        (50, ["enough", "can't tell yet"]),
        (100, ["enough", "enough"]),
    ],
)
def test_a_median_is_shown_from_twenty_and_concluded_from_fifty_and_a_p85_from_a_hundred(n, states):
    times = durations(reviews(*(took(hours + 1) for hours in range(n))), as_of=NOON)

    found = percentiles(times)

    assert found["state"].tolist() == states
    assert found["hours"].notna().tolist() == [n >= 20] * 2


def test_a_curve_that_does_not_get_there_says_more_than():
    table = reviews(*[took(5)] * 12, *[took(90, ended=False)] * 12)

    found = percentiles(durations(table, as_of=NOON)).set_index("done")

    assert found.loc[0.5, "hours"] == 5
    assert np.isnan(found.loc[0.85, "hours"])
    assert found.loc[0.85, "more_than"] == 90


def test_completed_reviews_alone_would_look_far_too_quick():
    # METHODS 5.2: two in five items are slow, watched for 60 days.
    random = np.random.default_rng(11)
    n = 20_000
    lasts = np.where(random.random(n) < 0.4, random.exponential(24 * 30, n), random.exponential(24 * 2.5, n))
    ages = random.uniform(0, 24 * 60, n)
    is_done = lasts <= ages
    times = pd.DataFrame({"hours": np.minimum(lasts, ages), "finished": is_done})

    found = percentiles(times).set_index("done")["hours"]

    assert found[0.5] == pytest.approx(np.quantile(lasts, 0.5), rel=0.05)
    assert found[0.85] == pytest.approx(np.quantile(lasts, 0.85), rel=0.08)
    assert np.quantile(lasts[is_done], 0.85) < 0.6 * found[0.85]

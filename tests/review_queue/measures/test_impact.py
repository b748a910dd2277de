"""The imported past beside the live reviews, by hand, and planted changes that must be found."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.draws import cluster_draws, median_draws
from review_queue.measures.impact import COLUMNS, Setting, impact, went_live_at
from review_queue.measures.latency import hours_until, latency, survival
from tests.review_queue.measures.made_reviews import NOON, reviews

LIVE = NOON - timedelta(weeks=10)
SETTING = Setting(as_of=NOON, tolerance=0.01, go_live=LIVE, hourly_rate=60, currency="EUR", draws=200)
MEASURES = [
    "median_time_to_decision",
    "decisions_per_week",
    "touch_time",
    "cost_per_case",
    "error",
    "overrides_that_paid",
    "ai_share_used",
]


def review(place: int, *, is_live: bool, hours: float = 48, final: float = 100, **changes) -> dict:
    """One decided review a day on each side; the AI said 100, and it became 110."""
    created = (LIVE if is_live else LIVE - timedelta(weeks=10)) + timedelta(days=place % 60, hours=place // 60)
    decided = created + timedelta(hours=hours)
    return {
        "item": place if is_live else None,
        "series": f"s{place % 15}",
        "created_at": created,
        "started_at": decided - timedelta(minutes=30),
        "decided_at": decided,
        "state": "decided",
        "ai": 100,
        "final": final,
        "actual": 110,
        "reason": "PROMO",
        **changes,
    }


def both(before: dict, now: dict, *, n: int = 60) -> pd.DataFrame:
    rows = [review(place, is_live=False, **before) for place in range(n)]
    return reviews(*rows, *(review(place, is_live=True, **now) for place in range(n)))


def found(table: pd.DataFrame, setting: Setting = SETTING, **further) -> pd.DataFrame:
    return impact(table, setting, **further).set_index("measure")


def test_every_measure_comes_out_by_hand():
    rows = found(both({"hours": 96, "final": 90}, {"hours": 24, "final": 105}))

    assert rows.index.tolist() == MEASURES
    assert rows["baseline"].tolist() == pytest.approx([96, 6, 30, 30, 20, 0, 0])
    assert rows["now"].tolist() == pytest.approx([24, 6, 30, 30, 5, 1, 0])
    assert (rows["change"] == rows["now"] - rows["baseline"]).all()
    assert rows["unit"].tolist() == ["hours", "per week", "minutes", "EUR", "EUR", "share", "share"]
    assert rows.loc["error", ["n_baseline", "n_now"]].tolist() == [60, 60]


def test_the_columns_are_those_of_the_report():
    assert tuple(impact(reviews({"item": 1}), SETTING).columns) == COLUMNS


def test_the_median_is_that_of_the_latency_report_open_reviews_counted():
    table = both({"hours": 96}, {"hours": 24})
    still = table["item"].notna() & (table.index % 3 > 0)
    table.loc[still, "decided_at"] = pd.NaT
    table.loc[still, "state"] = "ready"

    row = found(table).loc["median_time_to_decision"]

    assert row["now"] == pytest.approx(
        latency(table[table["item"].notna()], as_of=NOON)["median_hours"].iloc[0], nan_ok=True
    )
    assert np.isnan(row["change"])
    assert row["n_now"] == 60


def test_without_a_past_only_the_present_is_known():
    table = both({}, {"final": 105})

    rows = found(table[table["item"].notna()])

    assert rows[["baseline", "change", "low", "high"]].isna().all(axis=None)
    assert rows["now"].notna().all()
    assert (rows["n_baseline"] == 0).all()


def test_a_past_review_of_the_time_after_go_live_is_on_neither_side():
    table = both({}, {})
    table["item"] = None

    assert (found(table).loc["error", ["n_baseline", "n_now"]] == [60, 0]).all()


def test_without_a_stated_rate_there_is_no_cost():
    setting = Setting(as_of=NOON, tolerance=0.01, go_live=LIVE, draws=50)

    rows = found(both({}, {}), setting)

    assert np.isnan(rows.loc["cost_per_case", "now"])
    assert rows.loc["touch_time", "now"] == pytest.approx(30)


def test_touch_time_is_what_was_measured_before_what_is_worked_out():
    table = both({}, {})
    table["opened_at"] = table["decided_at"] - pd.Timedelta(minutes=12)
    table["touch_minutes"] = np.where(table["item"].notna(), 5.0, np.nan)

    row = found(table).loc["touch_time"]

    assert (row["baseline"], row["now"]) == pytest.approx((12, 5))


def test_two_sides_that_were_not_timed_alike_are_not_compared():
    table = both({}, {})
    alike = found(table)
    table["opened_at"] = (table["decided_at"] - pd.Timedelta(minutes=12)).where(table["item"].notna())

    rows = found(table).loc[["touch_time", "cost_per_case"]]

    assert alike.loc["touch_time", ["change", "low", "high"]].notna().all()
    assert (rows.loc["touch_time", "baseline"], rows.loc["touch_time", "now"]) == pytest.approx((30, 12))
    assert rows[["change", "low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("n", "known"),
    [
        (19, ["decisions_per_week"]),
        (20, [name for name in MEASURES if name != "error"]),
        (30, MEASURES),
    ],
)
def test_a_measure_is_shown_from_its_minimum(n, known):
    rows = found(both({"final": 90}, {"final": 105}, n=n))

    assert rows.index[rows["change"].notna()].tolist() == known


def test_few_series_are_too_few_for_an_interval():
    rows = found(both({"series": "one"}, {}))

    assert rows["change"].notna().tolist() == [True] * 5 + [False, True]
    assert rows["low"].notna().tolist() == [False, True] + [False] * 5


def test_a_planted_change_is_found_and_where_there_is_none_zero_stays_possible():
    random = np.random.default_rng(8)
    table = both({}, {}, n=300)
    table["actual"] = table["ai"] + random.normal(0, 10, len(table))
    miss = random.normal(0, np.where(table["item"].notna(), 5, 10))
    table["final"] = table["actual"] + miss
    lasts = random.exponential(np.where(table["item"].notna(), 20, 60))
    table["decided_at"] = table["created_at"] + pd.to_timedelta(lasts, unit="h")

    rows = found(table)

    assert rows.loc["error", "high"] < 0
    assert rows.loc["median_time_to_decision", "high"] < 0
    assert rows.loc["ai_share_used", "low"] < 0 < rows.loc["ai_share_used", "high"]
    assert (rows["low"] <= rows["change"]).all()
    assert (rows["change"] <= rows["high"]).all()


def test_where_every_review_missed_by_as_much_the_change_is_certain():
    row = found(both({"final": 90}, {"final": 105}, n=70)).loc["error"]

    assert (row["low"], row["change"], row["high"]) == pytest.approx((-15, -15, -15))


def test_go_live_is_when_the_first_live_review_came():
    assert went_live_at(both({}, {})) == LIVE
    assert went_live_at(reviews({"item": None})) is None


def test_drawn_medians_are_those_of_the_drawn_rows():
    random = np.random.default_rng(6)
    times = pd.DataFrame({"hours": random.integers(1, 90, 120) / 1.0, "finished": random.random(120) < 0.8})
    clusters = pd.Series(random.integers(0, 12, 120))
    drawn = median_draws(times, clusters, draws=20, chance=np.random.default_rng(1))

    names = pd.factorize(clusters.astype(str), sort=True)[1]
    weights = cluster_draws(12, draws=20, chance=np.random.default_rng(1)).astype(int)
    for median, weight in zip(drawn, weights, strict=True):
        rows = np.repeat(times.index, clusters.astype(str).map(dict(zip(names, weight, strict=True))))
        assert median == hours_until(survival(times.loc[rows]), 0.5)


def test_drawn_medians_of_many_different_times_are_near_enough():
    random = np.random.default_rng(6)
    table = pd.DataFrame({"hours": random.exponential(50, 4000), "finished": random.random(4000) < 0.8})

    drawn = median_draws(table, pd.Series(np.arange(4000) % 200), draws=500, chance=random)

    assert np.median(drawn) == pytest.approx(hours_until(survival(table), 0.5), rel=0.01)


LIVES = st.lists(
    st.tuples(st.booleans(), st.integers(1, 200), st.sampled_from([95, 100, 120]), st.sampled_from("xy")),
    min_size=1,
    max_size=60,
)


@given(LIVES, st.floats(0.1, 100), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=15)
def test_order_does_not_matter_groups_add_up_and_other_money_scales_money_alone(made, rate, random):
    rows = [
        review(place, is_live=is_live, hours=hours, final=final)
        for place, (is_live, hours, final, _) in enumerate(made)
    ]
    table, groups = reviews(*rows), pd.Series([name for *_, name in made])
    shuffled = table.loc[random.sample(list(table.index), len(table))]
    setting = Setting(as_of=NOON, tolerance=0.01, go_live=LIVE, hourly_rate=60, draws=20)

    whole, parts = impact(table, setting), impact(table, setting, groups=groups)
    scaled = impact(table.assign(value_per_unit=rate), setting)

    pd.testing.assert_frame_equal(whole, impact(shuffled, setting))
    counted = ["touch_time", "error", "overrides_that_paid", "ai_share_used"]
    sums = parts.groupby("measure")[["n_baseline", "n_now"]].sum().loc[counted]
    assert sums.to_numpy().tolist() == whole.set_index("measure").loc[counted, sums.columns].to_numpy().tolist()
    is_money = whole["measure"] == "error"
    for column in ("baseline", "now", "change", "low", "high"):
        assert scaled.loc[is_money, column].tolist() == pytest.approx(
            (whole.loc[is_money, column] * rate).tolist(), nan_ok=True
        )
    pd.testing.assert_frame_equal(whole[~is_money], scaled[~is_money])

"""Signs of change before any actual is known, against METHODS 8.3."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.shift import disagreement_means, p_chart, psi, psi_limit, shifted, weekly_signs
from tests.review_queue.measures.made_reviews import NOON, reviews


@pytest.mark.parametrize(
    ("n", "m", "limit"), [(50, 500, 0.477), (100, 1000, 0.238), (200, 1000, 0.130), (500, 2000, 0.10)]
)
def test_the_limit_knows_how_many_values_there_are(n, m, limit):
    assert psi_limit(n, m) == pytest.approx(limit, abs=5e-4)


def test_the_index_by_hand():
    reference, current = pd.Series(range(100)), pd.Series([*range(50)] * 2)  # ten in each decile; then twenty or none
    p, q = np.array([20.5 / 105, 0.5 / 105]), 10.5 / 105

    assert psi(reference, current) == pytest.approx(5 * ((p - q) * np.log(p / q)).sum())
    assert psi(reference, reference) == 0


def test_a_value_on_an_edge_belongs_to_the_bin_below():
    reference = pd.Series([0.0] * 60 + [1.0] * 60)

    assert psi(reference, reference.replace(0.0, -5.0)) == 0
    assert psi(reference, reference.replace(1.0, 5.0)) > 0


def test_without_any_change_the_rule_of_thumb_would_be_broken_by_chance_in_37_of_100():
    rng = np.random.default_rng(1)
    found = np.array([psi(pd.Series(rng.normal(size=1000)), pd.Series(rng.normal(size=100))) for _ in range(400)])

    assert (found > 0.10).mean() == pytest.approx(0.37, abs=0.06)
    assert (found > psi_limit(100, 1000)).mean() < 0.03


def test_values_that_are_mostly_one_make_fewer_bins():
    table = pd.DataFrame({"u": [0.0] * 450 + [1.0] * 50})
    before = pd.Series([True] * 225 + [False] * 225 + [True] * 25 + [False] * 25)

    row = shifted(table, before, of="u").iloc[0]

    assert row["psi"] == 0
    assert row["limit"] == 0.10


@pytest.mark.parametrize(
    ("n", "verdict"), [(49, "not enough data"), (50, "can't tell yet"), (199, "can't tell yet"), (200, "shifted")]
)
def test_a_shift_is_shown_from_fifty_and_concluded_from_two_hundred(n, verdict):
    table = pd.DataFrame({"u": [*np.linspace(-1, 1, 300), *np.linspace(0, 2, n), np.nan]})

    row = shifted(table, pd.Series(table.index < 300), of="u").iloc[0]

    assert (row["n"], row["n_reference"], row["verdict"]) == (n, 300, verdict)
    assert math.isnan(row["psi"]) == (n < 50)


def test_the_same_spread_is_no_shift():
    table = pd.DataFrame({"u": np.tile(np.linspace(-1, 1, 300), 2)})

    assert shifted(table, pd.Series(table.index < 300), of="u")["verdict"].tolist() == ["no sign of a shift"]


def weekly(*shares, n=100):
    weeks = [f"2025-W{place:02}" for place in range(1, len(shares) + 1)]
    return pd.DataFrame({"week": weeks, "hits": [round(share * n) for share in shares], "n": n})


def test_two_weeks_in_a_row_outside_three_sigma_raise_an_alarm():
    found = p_chart(weekly(*[0.2] * 9, 0.4, 0.4, 0.2))

    assert found["alarm"].tolist() == [False] * 10 + [True, False]
    assert found["outside"].tolist() == [0] * 9 + [1, 1, 0]
    assert found.loc[9, ["centre", "low", "high"]].tolist() == pytest.approx([0.2, 0.08, 0.32])


def test_one_week_or_two_on_different_sides_raise_none():
    assert not p_chart(weekly(*[0.2] * 9, 0.4, 0.2))["alarm"].any()
    assert not p_chart(weekly(*[0.2] * 9, 0.4, 0.0, 0.2))["alarm"].any()


def test_without_eight_weeks_before_there_are_no_limits():
    found = p_chart(weekly(*[0.2] * 8, 0.9, 0.9))

    assert found["centre"].isna().tolist() == [True] * 9 + [False]
    assert found["outside"].tolist() == [0] * 9 + [1]


def test_a_chart_without_change_hardly_ever_alarms():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"week": range(2000), "hits": rng.binomial(60, 0.25, 2000), "n": 60})

    assert p_chart(table)["alarm"].mean() < 0.001
    pd.testing.assert_frame_equal(p_chart(table), p_chart(table.sample(frac=1, random_state=1)))


def test_the_signs_of_a_week_by_hand():
    row = {"state": "decided", "ai": 100.0, "final": 100.0, "u": -1.0, "flagged": False, "withheld": None}
    made = NOON - pd.Timedelta(hours=10)  # when reviews are created
    table = reviews(
        {**row, "u": 3.0, "flagged": True, "final": 150.0, "reason": "MODEL_GAP", "ai_made_at": made},
        {**row, "final": 80.0, "reason": "PROMO", "ai_made_at": made - pd.Timedelta(hours=6)},
        {**row, "withheld": "paused"},
        {**row, "ai": None, "u": None},
        row,
    ).assign(ai_made_at=lambda rows: pd.to_datetime(rows["ai_made_at"], utc=True))
    weeks = pd.Series(["2025-W13"] * 4 + [None])

    found = weekly_signs(table, weeks, tolerance=0.01).set_index("sign")

    assert found["n"].to_dict() == {
        "flagged": 4, "override_rate": 3, "data_or_model_reasons": 2, "missing": 4, "withheld": 3,
        "median_u": 3, "input_age_hours": 2,
    }  # fmt: skip
    assert found["value"].to_dict() == pytest.approx(
        {
            "flagged": 0.25, "override_rate": 2 / 3, "data_or_model_reasons": 0.5, "missing": 0.25, "withheld": 1 / 3,
            "median_u": 1.0, "input_age_hours": 3.0,
        }
    )  # fmt: skip


def test_signs_add_up_over_weeks_and_what_is_not_recorded_has_none():
    row = {"state": "decided", "ai": 100.0, "final": 100.0, "u": 1.0, "flagged": True}
    table = reviews(*[row] * 6)

    found = weekly_signs(table, pd.Series(["b", "a", "a", "b", "b", "a"]), tolerance=0.01)

    assert found.groupby("sign")["n"].sum()["flagged"] == 6
    assert found.loc[found["sign"] == "flagged", "week"].tolist() == ["a", "b"]
    assert "withheld" not in set(found["sign"])


@pytest.mark.parametrize(
    ("is_rising", "verdict", "word"),
    [
        (True, "adds value", "AI problem"),
        (True, "costs accuracy", "trust problem"),
        (True, "can't tell yet", None),
        (False, "adds value", None),
        (True, None, None),
    ],
)
def test_growing_disagreement_points_to_the_ai_where_overrides_help_and_else_to_trust(is_rising, verdict, word):
    found = disagreement_means(is_rising=is_rising, verdict=verdict)

    assert found is None if word is None else found.startswith(word)


@given(st.integers(0, 1000), st.sampled_from([0.25, 1024.0]))
@settings(deadline=None, max_examples=12)
def test_the_index_depends_on_neither_order_nor_unit(seed, rate):
    rng = np.random.default_rng(seed)
    reference, current = pd.Series(rng.normal(size=120).round(1)), pd.Series(rng.normal(0.3, 1, 80).round(1))

    found = psi(reference, current)

    assert psi(reference[::-1], current[::-1]) == pytest.approx(found)
    assert psi(reference * rate, current * rate) == pytest.approx(found)

"""What each step added, against the vector of METHODS 3.4."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.value_added import added, matched_share, value_added
from tests.review_queue.measures.made_history import history, shuffled
from tests.review_queue.measures.made_reviews import reviews

ACTUAL = [100, 80, 0, 120, 60]
AI = [90, 100, 5, 115, 70]
FINAL = [105, 85, 5, 130, 62]
NAIVE = [120, 70, 10, 100, 90]


def vector(**changes):
    rows = zip(ACTUAL, AI, FINAL, NAIVE, strict=True)
    return reviews(
        *(
            {"state": "decided", "actual": y, "ai": ai, "final": f, "naive": naive, **changes}
            for y, ai, f, naive in rows
        )
    )


def by_step(table, **kwargs):
    return value_added(table, **kwargs).set_index("step")


def test_the_stairstep_of_the_methods_comes_out():
    steps = by_step(vector())

    assert steps.index.tolist() == ["naive", "ai", "final"]
    assert steps["n"].tolist() == [5, 5, 5]
    assert steps["wape"].tolist() == pytest.approx([0.25, 0.1389, 0.075], abs=5e-5)
    assert math.isnan(steps.loc["naive", "fva_points"])
    assert steps.loc["ai", "fva_points"] == pytest.approx(11.11, abs=5e-3)
    assert steps.loc["final", "fva_points"] == pytest.approx(6.39, abs=5e-3)
    assert steps.loc["final", "bias"] == pytest.approx(0.075)


def test_steps_are_compared_with_the_ai_by_mae_and_row_by_row():
    steps = by_step(vector())

    assert steps["mae"].tolist() == [18, 10, 5.4]  # 20+10+10+20+30, 10+20+5+5+10 and 5+5+5+10+2, each over 5
    assert steps["rel_mae"].tolist() == pytest.approx([1.8, 1.0, 0.54])
    assert steps["better"].tolist() == pytest.approx([0.2, 0.0, 0.6])  # nearer: naive in row 2; final in 1, 2 and 5
    assert steps["ties"].tolist() == pytest.approx([0.0, 1.0, 0.2])


def test_from_five_rows_nothing_is_concluded():
    steps = by_step(vector())

    assert steps[["low", "high", "verdict"]].isna().all(axis=None)


def test_a_step_that_the_workflow_has_somewhere_must_be_there_on_every_row():
    table = vector()
    table.loc[0, "manual"] = 101.0

    steps = by_step(table)

    assert steps.index.tolist() == ["naive", "ai", "manual", "final"]
    assert steps["n"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "change",
    [{"state": "withdrawn"}, {"reason": "PLAN_LOCKED"}, {"actual": None}, {"is_lower_bound": True, "actual": 101.0}],
)
def test_rows_that_prove_nothing_are_left_out(change):
    odd = {"state": "decided", "actual": 100, "ai": 90, "final": 105, "naive": 120, **change}
    table = pd.concat([vector(), reviews(odd)], ignore_index=True)

    assert by_step(table)["n"].tolist() == [5, 5, 5]


def test_a_lower_bound_above_every_step_still_counts():
    table = pd.concat(
        [
            vector(),
            reviews({"state": "decided", "actual": 200, "ai": 90, "final": 105, "naive": 120, "is_lower_bound": True}),
        ],
        ignore_index=True,
    )

    assert by_step(table)["n"].tolist() == [6, 6, 6]


def test_money_weighs_the_shares_and_leaves_the_mae():
    table = reviews(
        {"state": "decided", "actual": 100, "ai": 90, "value_per_unit": 9},
        {"state": "decided", "actual": 100, "ai": 130},
    )

    row = by_step(table).loc["ai"]

    assert row["wape"] == pytest.approx((9 * 10 + 30) / 1000)
    assert row["bias"] == pytest.approx((-9 * 10 + 30) / 1000)
    assert row["mae"] == 20


def test_shares_of_nothing_are_unknown():
    table = reviews({"state": "decided", "actual": 0, "ai": 0, "final": 2})

    steps = by_step(table)

    assert steps["wape"].isna().all()
    assert steps["rel_mae"].isna().all()
    assert steps.loc["final", "mae"] == 2


def test_without_an_ai_there_is_nothing_to_be_compared_with():
    steps = by_step(reviews({"state": "decided", "actual": 10, "manual": 9, "final": 11}))

    assert steps.index.tolist() == ["manual", "final"]
    assert steps[["rel_mae", "better", "ties"]].isna().all(axis=None)


def test_no_actuals_give_no_rows():
    assert value_added(vector(actual=None)).empty
    assert value_added(reviews()).empty


amounts = st.integers(0, 500)


@given(
    st.lists(st.tuples(amounts, amounts, amounts, st.sampled_from("xy")), min_size=1),
    st.sampled_from([0.5, 1024.0]),
    st.randoms(),
)
@settings(deadline=None)
def test_scaling_all_money_scales_money_and_leaves_rates(made, scale, random):
    table = reviews(*({"state": "decided", "actual": y, "ai": ai, "final": final} for y, ai, final, _ in made))
    scaled = table.assign(**{column: table[column] * scale for column in ("actual", "ai", "final")})
    shuffled = table.loc[random.sample(list(table.index), len(table))]
    groups = pd.Series([name for *_, name in made])

    before, after = value_added(table), value_added(scaled)
    parts = value_added(table, groups=groups)

    rates = ["n", "wape", "bias", "fva_points", "rel_mae", "better", "ties"]
    pd.testing.assert_frame_equal(before[rates], after[rates])
    pd.testing.assert_series_equal(before["mae"] * scale, after["mae"])
    pd.testing.assert_frame_equal(before, value_added(shuffled))
    assert parts.groupby("step")["n"].sum().to_dict() == before.set_index("step")["n"].to_dict()


def two_steps(rng, *, series=12, periods=4, ai=10.0, final=10.0):
    return history(rng, series=series, periods=periods, ai=ai, final=final)


def test_a_verdict_is_reached_only_where_the_interval_excludes_nothing_added():
    rng = np.random.default_rng(2)
    better, worse, alike = (
        by_step(two_steps(rng, ai=ai, final=final)).loc["final"] for ai, final in ((10, 2), (2, 10), (10, 10))
    )

    assert (better["verdict"], worse["verdict"], alike["verdict"]) == ("adds value", "costs accuracy", "can't tell yet")
    assert 0 < better["low"] < better["fva_points"] < better["high"]
    assert worse["high"] < 0 < alike["high"]


def test_the_first_step_has_nothing_before_it_to_be_judged_by():
    first = by_step(two_steps(np.random.default_rng(2))).loc["ai"]

    assert first[["low", "high", "verdict"]].isna().all()


def test_accepting_everything_adds_exactly_nothing():
    table = two_steps(np.random.default_rng(2)).assign(final=lambda rows: rows["ai"])

    final = by_step(table).loc["final"]

    assert final[["low", "high", "verdict"]].tolist() == [0, 0, "can't tell yet"]


@pytest.mark.parametrize(("series", "periods", "said"), [(9, 4, False), (10, 3, True), (29, 1, False), (30, 1, True)])
def test_below_ten_clusters_or_thirty_rows_there_are_numbers_and_no_verdict(series, periods, said):
    table = two_steps(np.random.default_rng(2), series=series, periods=periods, final=1.0)

    final = by_step(table).loc["final"]

    assert final["fva_points"] > 0
    assert final[["low", "high", "verdict"]].notna().tolist() == [said] * 3


def test_what_hangs_together_is_drawn_together():
    """Six people who look at the same forecast are not six times the evidence."""
    table = two_steps(np.random.default_rng(2))
    sixfold = pd.concat([table] * 6, ignore_index=True)
    once, together, apart = (
        by_step(rows, clusters=clusters).loc["final"]
        for rows, clusters in (
            (table, None),
            (sixfold, None),
            (sixfold, pd.Series(np.arange(len(sixfold)))),
        )
    )

    assert together[["low", "high"]].tolist() == pytest.approx(once[["low", "high"]].tolist())
    assert apart["high"] - apart["low"] < 0.7 * (once["high"] - once["low"])


def test_the_interval_holds_the_truth_about_nineteen_times_in_twenty():
    rng = np.random.default_rng(3)
    found = [by_step(two_steps(rng, series=40)).loc["final"] for _ in range(60)]

    assert 52 <= sum(row["low"] < 0 < row["high"] for row in found) <= 60


def test_any_two_steps_can_be_compared_and_gains_add_up_along_the_stairs():
    table = history(np.random.default_rng(4), series=12, periods=3, naive=20, ai=10, final=8)
    steps = by_step(table)

    row = added(table, reference="naive").iloc[0]

    assert (row["n"], row["clusters"], row["verdict"]) == (36, 12, "adds value")
    assert row["fva_points"] == pytest.approx(steps["fva_points"].sum())
    same = added(table)[["fva_points", "low", "high"]].iloc[0].tolist()
    assert same == pytest.approx(steps.loc["final", ["fva_points", "low", "high"]].tolist())
    assert added(table, step="manual").empty


def test_below_thirty_rows_a_comparison_is_not_shown():
    row = added(two_steps(np.random.default_rng(4), series=29, periods=1)).iloc[0]

    assert row[["fva_points", "low", "high", "verdict"]].isna().all()


def test_what_the_forecast_itself_may_have_made_happen_proves_nothing():
    table = vector().assign(controllable=[True, False, None, False, False])

    assert by_step(table)["n"].tolist() == [4, 4, 4]


def test_it_is_said_on_how_many_of_the_decided_the_comparison_rests():
    table = pd.concat([vector(), vector(actual=None), vector(state="ready")], ignore_index=True)

    found = matched_share(table, groups=pd.Series(["x"] * 5 + ["y"] * 10))

    assert found[["decided", "matched", "share"]].to_numpy().tolist() == [[5, 5, 1], [5, 0, 0]]


@given(
    st.lists(st.tuples(amounts, amounts, amounts, st.integers(0, 15)), min_size=30, max_size=60),
    st.sampled_from([0.5, 1024.0]),
)
@settings(deadline=None, max_examples=12)
def test_interval_and_verdict_depend_on_neither_order_nor_money(made, scale):
    table = two_steps(np.random.default_rng(1), series=len(made), periods=1)
    table[["actual", "ai", "final"]] = np.array([values[:3] for values in made], dtype=float)
    table["series"] = [f"s{values[3]}" for values in made]
    dearer = table.assign(**{column: table[column] * scale for column in ("actual", "ai", "final")})

    found = value_added(table)

    pd.testing.assert_frame_equal(found, value_added(shuffled(table)))
    pd.testing.assert_frame_equal(found.drop(columns="mae"), value_added(dearer).drop(columns="mae"))

"""A period as a whole: the plan, its totals up the tree, and breakdowns that add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.reconciling import LEAVES, Kind, Take, changes, effect, planned, tree, waterfall

NORTH, SOUTH = "North\x1f", "South\x1f"
BERLIN, HAMBURG = NORTH + "Berlin\x1f", NORTH + "Hamburg\x1f"


def leaf(item: int, path: str = BERLIN, **known: object) -> dict[str, object]:
    usual = {"ai": 100.0, "manual": 120.0, "final": np.nan, "last": 90.0, "value_per_unit": 1.0}
    decided = {"decision": np.nan, "reason": None, "is_override": False, "is_opposite": False}
    if not pd.isna(known.get("final", np.nan)):
        decided["decision"] = item * 10
    return {"item": item, "series": f"acme-{item}", "path": path, **usual, **decided, **known}


def leaves(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(LEAVES))


def test_the_plan_is_the_final_value_else_the_ais_else_the_manual_one():
    rows = planned(leaves(leaf(1, final=110.0), leaf(2), leaf(3, ai=np.nan), leaf(4, ai=np.nan, manual=np.nan)))

    assert rows["plan"].tolist()[:3] == [110, 100, 120]
    assert np.isnan(rows["plan"].iloc[3])
    assert rows["kind"].tolist() == [Kind.DIRECT, Kind.CALCULATED, Kind.CALCULATED, Kind.CALCULATED]


def test_what_nobody_decided_may_go_by_the_manual_forecast_instead():
    assert planned(leaves(leaf(1), leaf(2, manual=np.nan)), Take.MANUAL)["plan"].tolist() == [120, 100]


def test_the_other_half_of_a_timing_shift_is_indirect():
    assert planned(leaves(leaf(1, final=80.0, is_opposite=True)))["kind"].tolist() == [Kind.INDIRECT]


def test_offsetting_gaps_vanish_in_the_net_and_not_in_the_gross():
    rows = tree(leaves(leaf(1, manual=150.0), leaf(2, HAMBURG, manual=50.0), leaf(3, SOUTH, manual=100.0)))

    found = rows.set_index("path")
    assert found.loc["", ["net", "gross"]].tolist() == [0, 100]
    assert found.loc[BERLIN, ["net", "gross"]].tolist() == [50, 50]
    assert rows["path"].tolist() == ["", NORTH, BERLIN, HAMBURG, SOUTH]
    assert rows["name"].tolist() == ["Total", "North", "Berlin", "Hamburg", "South"]
    assert rows["depth"].tolist() == [0, 1, 2, 2, 1]


def test_totals_are_in_money_and_the_share_decided_is_of_items():
    rows = tree(leaves(leaf(1, value_per_unit=2.0, final=110.0), leaf(2))).set_index("path")

    assert rows.loc["", ["ai", "manual", "plan", "last", "items", "decided", "share"]].tolist() == [
        *(300, 360, 320, 270),
        *(2, 1, 0.5),
    ]


def test_a_total_of_nothing_known_is_unknown_and_not_nought():
    rows = tree(leaves(leaf(1, last=np.nan)))

    assert rows["last"].isna().all()


def test_an_empty_period_has_one_empty_total():
    rows = tree(leaves())

    assert rows[["path", "items", "decided"]].to_numpy().tolist() == [["", 0, 0]]


def test_the_waterfall_goes_from_the_ais_total_by_reason_to_the_plans():
    steps = waterfall(
        leaves(
            leaf(1, final=130.0, is_override=True, reason="PROMO"),
            leaf(2, final=60.0, is_override=True, reason="CUST_RISK"),
            leaf(3, final=100.5),
            leaf(4, ai=np.nan, final=70.0),
            leaf(5),
        )
    )

    assert steps[["label", "amount", "end", "items"]].to_numpy().tolist() == [
        ["AI", 400.0, 400.0, 4],
        ["Without an AI forecast", 70.0, 470.0, 1],
        ["Customer risk", -40.0, 430.0, 1],
        ["Promotion", 30.0, 460.0, 1],
        ["Within tolerance", 0.5, 460.5, 1],
        ["Final", 460.5, 460.5, 5],
    ]


def test_what_moved_the_plan_is_told_by_category_the_largest_first():
    then = leaves(leaf(1), leaf(2), leaf(3), leaf(4, final=90.0), leaf(6))
    now = leaves(
        leaf(1, final=160.0, is_override=True, reason="PROMO"),
        leaf(2, ai=95.0),
        leaf(3, final=75.0, is_override=True, reason="DEAL_TIMING"),
        leaf(4),
        leaf(5, ai=40.0),
    )

    assert changes(now, then).to_numpy().tolist() == [
        ["Withdrawn items", -100.0, 1],
        ["Promotion", 60.0, 1],
        ["New items", 40.0, 1],
        ["Timing shift", -25.0, 1],
        ["Reopened or undone", 10.0, 1],
        ["AI forecast moved", -5.0, 1],
    ]


def test_a_week_in_which_nothing_moved_has_no_categories():
    assert changes(leaves(leaf(1)), leaves(leaf(1))).empty


def test_the_effect_names_every_total_above_an_edit_and_no_other():
    rows = effect(leaves(leaf(1), leaf(2, HAMBURG), leaf(3, SOUTH)), finals={1: 130.0}, manuals={1: 140.0})

    assert rows[["name", "plan", "plan_after", "manual", "manual_after"]].to_numpy().tolist() == [
        ["Total", 300, 330, 360, 380],
        ["North", 200, 230, 240, 260],
        ["Berlin", 100, 130, 120, 140],
    ]


numbers = st.one_of(st.none(), st.integers(-1000, 1000)).map(lambda n: np.nan if n is None else float(n))


@st.composite
def some_leaves(draw: st.DrawFn) -> pd.DataFrame:
    rows = []
    for item in draw(st.lists(st.integers(1, 30), unique=True, max_size=12)):
        final = draw(numbers)
        override = draw(st.booleans()) and not np.isnan(final)
        rows.append(
            leaf(
                item,
                draw(st.sampled_from([BERLIN, HAMBURG, SOUTH, ""])),
                ai=draw(numbers),
                manual=draw(numbers),
                final=final,
                is_override=override,
                reason=draw(st.sampled_from(["PROMO", "DEAL_TIMING", "OTHER"])) if override else None,
                value_per_unit=float(draw(st.integers(1, 3))),
            )
        )
    return leaves(*rows)


@settings(max_examples=20)
@given(some_leaves())
def test_the_waterfall_always_ends_at_the_plans_total(rows: pd.DataFrame):
    steps = waterfall(rows)

    assert steps["end"].iloc[-1] == pytest.approx(np.nan_to_num(tree(rows)["plan"].iloc[0]))


@settings(max_examples=20)
@given(some_leaves(), some_leaves())
def test_the_categories_always_add_up_to_the_change(now: pd.DataFrame, then: pd.DataFrame):
    total = np.nan_to_num(tree(now)["plan"].iloc[0]) - np.nan_to_num(tree(then)["plan"].iloc[0])

    assert changes(now, then)["amount"].sum() == pytest.approx(total)


@settings(max_examples=20)
@given(some_leaves())
def test_children_add_up_to_their_parent(rows: pd.DataFrame):
    inside = rows[rows["path"] != ""]
    found = tree(inside)
    outermost = found[found["depth"] == 1]

    for column in ("plan", "ai", "gross", "items"):
        assert np.nan_to_num(outermost[column].sum()) == pytest.approx(np.nan_to_num(found[column].iloc[0]))

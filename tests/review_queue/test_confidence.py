"""Sources that disagree: the formulas of METHODS 7.2, by its vector, by hand and by what must hold always."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.confidence import Agreement, Overlap, agreement, class_share, typical_size, usual_miss, weigh


def statements(*rows: tuple[str, float, float, float], half_life: float = 14.0, group: int = 1) -> pd.DataFrame:
    """(source, value, usual miss, age) each."""
    said = pd.DataFrame(rows, columns=["source", "value", "miss", "age"])
    return said.assign(group=group, half_life=half_life, materiality=np.nan)


def the_vector() -> pd.DataFrame:
    said = statements(("crm", 1000.0, 80.0, 1.0), ("contract", 1100.0, 100.0, 7.0), ("rep", 1300.0, 150.0, 20.0))
    return said.assign(half_life=[14.0, 14.0, 30.0])


def test_the_vector_of_the_methods_comes_out() -> None:
    said, groups = weigh(the_vector(), overlaps=[Overlap("rep", "crm", 0.5)])

    assert said["freshness"].round(4).tolist() == [0.9517, 0.7071, 0.6300]
    assert said["share"].round(3).tolist() == [0.625, 0.297, 0.078]
    one = groups.iloc[0]
    assert round(one["value"], 1) == 1053.2
    assert one["i_squared"] == 0
    assert round(one["error"], 1) == 64.8
    assert round(one["confidence"], 3) == 0.896
    assert one["agreement"] == Agreement.AGREE


def test_sources_that_contradict_each_other_widen_the_error() -> None:
    """By hand: equal weights 1/100, x̂ = 1050, Q = 2·50²/100 = 50, I² = 49/50, S = √50."""
    said = statements(("a", 1000.0, 10.0, 0.0), ("b", 1100.0, 10.0, 0.0))

    _, groups = weigh(said)

    one = groups.iloc[0]
    error = math.sqrt(50) / math.sqrt(2 / 100)
    assert one["value"] == pytest.approx(1050)
    assert one["i_squared"] == pytest.approx(0.98)
    assert one["error"] == pytest.approx(error)
    assert one["confidence"] == pytest.approx(2 * NormalDist().cdf(105 / error) - 1)
    assert (one["low"], one["high"]) == pytest.approx((1050 - 1.28 * error, 1050 + 1.28 * error))
    assert one["agreement"] == Agreement.CONFLICT


def test_a_single_source_has_nothing_to_agree_with() -> None:
    said, groups = weigh(statements(("a", 200.0, 10.0, 0.0)))

    one = groups.iloc[0]
    assert (one["agreement"], one["error"], one["i_squared"]) == (Agreement.SINGLE, 10.0, 0.0)
    assert said["share"].tolist() == [1.0]
    assert said["without"].isna().all()
    assert not one["has_conflict"]


def test_an_old_statement_counts_half_after_its_half_life() -> None:
    said, _ = weigh(statements(("a", 100.0, 10.0, 0.0), ("b", 100.0, 10.0, 14.0)))

    assert said["share"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_where_nothing_is_fresh_confidence_stops_at_a_half() -> None:
    sure = statements(("a", 100.0, 1.0, 0.0), ("b", 100.0, 1.0, 0.0))

    _, fresh = weigh(sure)
    _, old = weigh(sure.assign(age=29.0))

    assert fresh["confidence"].iloc[0] > 0.99
    assert fresh["is_fresh"].iloc[0]
    assert old["confidence"].iloc[0] == 0.5
    assert not old["is_fresh"].iloc[0]


def test_no_source_outweighs_all_the_others() -> None:
    said, groups = weigh(statements(("a", 100.0, 1.0, 0.0), ("b", 200.0, 100.0, 0.0), ("c", 400.0, 100.0, 0.0)))

    assert said["share"].tolist() == pytest.approx([0.7, 0.15, 0.15])
    assert groups["value"].iloc[0] == pytest.approx(0.7 * 100 + 0.15 * 200 + 0.15 * 400)


def test_a_source_that_only_repeats_another_weighs_less_where_both_speak() -> None:
    pair = statements(("crm", 100.0, 10.0, 0.0), ("rep", 100.0, 10.0, 0.0))
    alone = statements(("rep", 100.0, 10.0, 0.0), ("ai", 100.0, 10.0, 0.0), group=2)

    said, _ = weigh(pd.concat([pair, alone], ignore_index=True), overlaps=[Overlap("rep", "crm", 0.8)])

    assert said["independence"].tolist() == pytest.approx([1, 1 / 1.8, 1, 1])


def test_a_source_five_usual_misses_from_the_rest_is_in_conflict_and_still_counts() -> None:
    said, groups = weigh(statements(("a", 100.0, 10.0, 0.0), ("b", 102.0, 10.0, 0.0), ("c", 152.0, 10.0, 0.0)))

    assert said["is_far_off"].tolist() == [False, False, True]
    assert said["from_rest"].iloc[2] == pytest.approx(5.1)
    assert said["share"].iloc[2] == pytest.approx(1 / 3)
    assert groups["has_conflict"].tolist() == [True]


def test_near_zero_what_is_material_is_the_tolerance() -> None:
    said = statements(("a", 0.0, 5.0, 0.0)).assign(materiality=10.0)

    _, groups = weigh(said)

    assert groups["tolerance"].iloc[0] == 10.0
    assert groups["confidence"].iloc[0] == pytest.approx(2 * NormalDist().cdf(2) - 1)


def test_at_zero_with_nothing_material_there_is_no_confidence_to_state() -> None:
    _, groups = weigh(statements(("a", 0.0, 5.0, 0.0)))

    assert math.isnan(groups["confidence"].iloc[0])


def test_the_weighted_median_is_told_where_it_says_something_else() -> None:
    apart = statements(("a", 100.0, 10.0, 0.0), ("b", 101.0, 10.0, 0.0), ("c", 160.0, 10.0, 0.0))
    together = statements(("a", 100.0, 10.0, 0.0), ("b", 101.0, 10.0, 0.0), ("c", 103.0, 10.0, 0.0), group=2)

    _, groups = weigh(pd.concat([apart, together], ignore_index=True))

    assert groups["median"].iloc[0] == 101.0
    assert math.isnan(groups["median"].iloc[1])


@pytest.mark.parametrize(
    ("sources", "i_squared", "word"),
    [(1, 0.9, "single source"), (2, 0.24, "agree"), (2, 0.25, "some disagreement"), (3, 0.5, "strong disagreement"),
     (3, 0.75, "strong disagreement"), (3, 0.76, "conflict")],
)  # fmt: skip
def test_agreement_is_a_word(sources: int, i_squared: float, word: str) -> None:
    assert agreement(sources, i_squared) == word


def test_the_usual_miss_moves_from_the_class_to_the_sources_own_errors() -> None:
    """By hand: σ0 = 50; ten errors of 100 make √((10·2500 + 10·10000) / 20)."""
    found = usual_miss(pd.Series([0.0, 10 * 100.0**2]), pd.Series([0, 10]), pd.Series([50.0, 50.0]))

    assert found.tolist() == pytest.approx([50.0, math.sqrt(125_000 / 20)])


def test_a_class_without_errors_misses_by_what_is_assumed() -> None:
    found = class_share(pd.Series([np.nan, 0.04]), pd.Series([0, 30]), 0.1)

    assert found.tolist() == pytest.approx([0.1, math.sqrt((10 * 0.01 + 30 * 0.04) / 40)])


def test_the_size_of_a_group_is_not_that_of_its_most_hopeful_source() -> None:
    said = statements(("a", 100.0, 1.0, 0.0), ("b", 110.0, 1.0, 0.0), ("c", 900.0, 1.0, 0.0))

    assert typical_size(said).tolist() == [110.0] * 3
    assert typical_size(said.assign(value=0.0)).isna().all()
    assert typical_size(said.assign(value=0.0, materiality=5.0)).tolist() == [50.0] * 3


@pytest.mark.parametrize(
    ("change", "what"),
    [({"miss": 0.0}, "usual miss"), ({"source": "a"}, "at most once")],
)
def test_what_cannot_be_weighed_is_refused(change: dict[str, object], what: str) -> None:
    said = statements(("a", 100.0, 1.0, 0.0), ("b", 100.0, 1.0, 0.0)).assign(**change)

    with pytest.raises(ValueError, match=what):
        weigh(said)


SAID = st.lists(
    st.tuples(
        st.floats(-1e6, 1e6).map(lambda value: round(value, 2)),
        st.floats(0.5, 1e4),
        st.floats(0, 400),
        st.floats(1, 100),
    ),
    min_size=1,
    max_size=6,
)


def drawn(rows: list[tuple[float, float, float, float]], group: int = 1) -> pd.DataFrame:
    said = pd.DataFrame(rows, columns=["value", "miss", "age", "half_life"])
    return said.assign(source=[f"s{place}" for place in range(len(rows))], group=group, materiality=np.nan)


@settings(deadline=None, max_examples=60)
@given(SAID)
def test_the_value_lies_among_the_values_and_the_shares_are_all_of_it(rows: list[tuple[float, ...]]) -> None:
    said, groups = weigh(drawn(rows), overlaps=[Overlap("s1", "s0", 0.8)])

    assert said["share"].sum() == pytest.approx(1)
    assert (said["share"] >= 0).all()
    values = [row[0] for row in rows]
    slack = 1e-6 * max(1.0, *map(abs, values))
    assert min(values) - slack <= groups["value"].iloc[0] <= max(values) + slack
    assert 0 <= groups["i_squared"].iloc[0] < 1
    assert groups["confidence"].fillna(0).between(0, 1).all()


@settings(deadline=None, max_examples=40)
@given(SAID, st.floats(0.01, 100), st.randoms())
def test_neither_the_unit_nor_the_order_nor_another_group_changes_it(rows, factor, chance) -> None:
    said = drawn(rows)
    overlaps = [Overlap("s1", "s0", 0.8)]
    shuffled = said.iloc[chance.sample(range(len(said)), len(said))]
    scaled = shuffled.assign(value=shuffled["value"] * factor, miss=shuffled["miss"] * factor)
    beside = pd.concat([drawn([(5.0, 1.0, 0.0, 7.0)] * 3, group=2), scaled], ignore_index=True)

    _, before = weigh(said, overlaps=overlaps)
    _, after = weigh(beside, overlaps=overlaps)

    # Values far smaller than the sum of others lose digits in it.
    slack = 1e-9 * max(1.0, *(abs(row[0]) for row in rows)) * factor
    assert after.loc[1, "value"] == pytest.approx(before.loc[1, "value"] * factor, rel=1e-6, abs=slack * 1e3)
    assert after.loc[1, "error"] == pytest.approx(before.loc[1, "error"] * factor, rel=1e-6)
    assert after.loc[1, "confidence"] == pytest.approx(before.loc[1, "confidence"], rel=1e-4, abs=1e-6, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(SAID.filter(lambda rows: len(rows) > 1), st.integers(0, 5))
def test_the_value_without_one_is_that_of_the_others_alone(rows: list[tuple[float, ...]], place: int) -> None:
    said, place = drawn(rows), place % len(rows)
    overlaps = [Overlap("s1", "s0", 0.8), Overlap("s2", "s1", 0.3)]

    whole, _ = weigh(said, overlaps=overlaps)
    _, others = weigh(said.drop(index=place), overlaps=overlaps)

    assert whole["without"].iloc[place] == pytest.approx(others["value"].iloc[0], rel=1e-9, abs=1e-6)

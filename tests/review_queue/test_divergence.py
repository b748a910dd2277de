"""Divergence: the vector of METHODS 2.2, the table of 2.3, and what must hold for any numbers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from review_queue.divergence import diverge, money_at_stake
from review_queue.items import Band
from review_queue.workflows import Policy

POLICY = Policy(key="k", title="t", unit="EUR")
NAN = math.nan

#: METHODS 2.2: the AI says a million, a person a quarter more.
VECTOR: dict[str, float] = {
    "ai": 1_000_000,
    "ai_low": 880_000,
    "ai_high": 1_130_000,
    "ai_level": 0.8,
    "manual": 1_250_000,
    "value_per_unit": 1,
    "n_hist": 12,
    "mae_hist": 70_000,
    "parent_relative_mae": NAN,
    "typical_actual": NAN,
    "materiality": 25_000,
}
UNMEASURED = {"ai_low": NAN, "ai_high": NAN, "n_hist": 0, "mae_hist": NAN}


def an_item(**changes: float) -> dict[str, float]:
    assert set(changes) <= set(VECTOR)
    return VECTOR | changes


def frame(*items: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(list(items), dtype="float64")


def of(policy: Policy = POLICY, **changes: float) -> pd.Series:
    return diverge(frame(an_item(**changes)), policy).iloc[0]


def test_the_vector_of_methods() -> None:
    found = of()

    assert found.gap == found.money == 250_000
    assert found.scale == pytest.approx(93_456, abs=0.5)
    assert found.u == pytest.approx(2.675, abs=0.0005)
    assert found.symmetric == pytest.approx(0.222, abs=0.0005)
    assert found.outside_interval
    assert found.band == Band.LARGE
    assert found.flagged


# --- the usual miss --------------------------------------------------------------------------------------


def test_without_past_errors_the_interval_is_the_scale() -> None:
    assert of(n_hist=0, mae_hist=NAN).scale == pytest.approx(101_440, abs=10)
    assert of(n_hist=0, mae_hist=70_000).scale == pytest.approx(101_440, abs=10)
    assert of(n_hist=NAN, mae_hist=NAN).scale == pytest.approx(101_440, abs=10)


def test_the_interval_speaks_for_the_side_of_the_manual_forecast() -> None:
    below = of(manual=900_000, n_hist=0)

    assert below.scale == pytest.approx(120_000 / 1.2815516)
    assert below.u == pytest.approx(-100_000 / (120_000 / 1.2815516))


def test_an_interval_is_read_at_its_own_level() -> None:
    assert of(n_hist=0, ai_level=0.95).scale == pytest.approx(130_000 / 1.959964)
    assert of(n_hist=0, ai_level=NAN).scale == of(n_hist=0, ai_level=0.8).scale


def test_without_an_interval_past_errors_are_the_scale() -> None:
    assert of(ai_low=NAN, ai_high=NAN).scale == pytest.approx(1.2533 * 70_000)


def test_without_either_the_parents_relative_error_is_scaled_by_the_ai_value() -> None:
    assert of(**UNMEASURED, parent_relative_mae=0.1).scale == pytest.approx(1.2533 * 0.1 * 1_000_000)
    assert of(**UNMEASURED, ai=-1_000_000, parent_relative_mae=0.1).scale == pytest.approx(125_330)


def test_an_error_of_no_residuals_is_no_history() -> None:
    assert of(**UNMEASURED | {"mae_hist": 70_000}, parent_relative_mae=0.1).scale == pytest.approx(125_330)
    assert of(**UNMEASURED | {"mae_hist": 70_000}).band == Band.NO_SCALE


def test_with_past_errors_the_parent_is_not_asked() -> None:
    assert of(parent_relative_mae=0.5).scale == of().scale


@pytest.mark.parametrize(
    "interval",
    [
        {"ai_low": 1_130_000, "ai_high": 880_000},
        {"ai_low": 1_000_000, "ai_high": 1_000_000},
        {"ai_low": 880_000, "ai_high": 1_000_000},  # no width on the side of the manual forecast
        {"ai_low": 1_100_000, "ai_high": 990_000},
        {"ai_low": 700_000, "ai_high": 900_000},  # the AI's value lies outside of its own interval
        {"ai_level": 1.0},
        {"ai_level": 0.0},
    ],
)
def test_an_interval_that_measures_nothing_falls_back_to_history(interval: dict[str, float]) -> None:
    assert of(**interval).scale == pytest.approx(1.2533 * 70_000)


@pytest.mark.parametrize("interval", [{"ai_low": 2e6, "ai_high": 1e6}, {"ai_low": 1e6, "ai_high": 1e6}])
def test_nothing_is_outside_an_interval_that_is_none(interval: dict[str, float]) -> None:
    assert not of(**interval).outside_interval


def test_one_known_end_of_an_interval_is_used() -> None:
    found = of(ai_low=NAN, n_hist=0)

    assert found.scale == pytest.approx(101_440, abs=10)
    assert found.outside_interval


def test_the_interval_is_a_range_that_includes_its_ends() -> None:
    assert not of(manual=1_130_000).outside_interval
    assert of(manual=1_130_001).outside_interval
    assert of(manual=879_999).outside_interval


def test_a_usual_miss_is_at_least_one_percent_of_the_larger_forecast() -> None:
    assert of(n_hist=24, mae_hist=0, ai_low=NAN, ai_high=NAN).scale == 12_500


def test_a_usual_miss_is_at_least_one_percent_of_the_typical_actual() -> None:
    tiny = {"ai": 1.0, "manual": 2.0, "n_hist": 24, "mae_hist": 0.1, "ai_low": NAN, "ai_high": NAN}

    assert of(**tiny, typical_actual=5_000).scale == 50
    assert of(**tiny, typical_actual=NAN).scale == pytest.approx(0.12533)


# --- bands and flags -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misses", "band"),
    [
        (0.0, Band.AGREE),
        (0.499, Band.AGREE),
        (0.501, Band.MINOR),
        (1.279, Band.MINOR),
        (1.281, Band.NOTABLE),
        (1.959, Band.NOTABLE),
        (1.961, Band.LARGE),
        (3.289, Band.LARGE),
        (3.291, Band.EXTREME),
    ],
)
@pytest.mark.parametrize("side", [1, -1])
def test_bands_follow_the_usual_miss(misses: float, band: Band, side: int) -> None:
    usual = 1.2533 * 70_000

    found = of(manual=1_000_000 + side * misses * usual, ai_low=NAN, ai_high=NAN)

    assert found.u == pytest.approx(side * misses)
    assert found.band == band


def test_a_band_begins_at_its_bound() -> None:
    exact = {"ai": 100.0, "n_hist": 24, "mae_hist": 16 / 1.2533, "ai_low": NAN, "ai_high": NAN}

    assert of(**exact, manual=108.0).u == 0.5
    assert of(**exact, manual=108.0).band == Band.MINOR


@pytest.mark.parametrize(
    ("changes", "flagged"),
    [
        ({"manual": 1_130_000}, True),  # 1.39 usual misses, 130,000
        ({"manual": 1_130_000, "materiality": 130_000}, True),
        ({"manual": 1_130_000, "materiality": 130_001}, False),
        ({"manual": 1_110_000}, False),  # 1.18 usual misses
        ({"manual": 1_110_000, "materiality": 0}, False),
    ],
)
def test_a_flag_needs_both_distance_and_money(changes: dict[str, float], flagged: bool) -> None:
    assert of(**changes).flagged == flagged


def test_the_policy_sets_the_distance_that_is_flagged() -> None:
    strict = POLICY.model_copy(update={"flag_at": 1.0})

    assert of(strict, manual=1_110_000).flagged
    assert of(strict, manual=1_110_000).band == Band.MINOR


def test_materiality_is_compared_with_money() -> None:
    pieces = {"ai": 100.0, "manual": 200.0, "ai_low": 90.0, "ai_high": 110.0, "n_hist": 0.0}

    assert not of(**pieces, value_per_unit=1).flagged
    assert of(**pieces, value_per_unit=250).flagged
    assert of(**pieces, value_per_unit=250).money == 25_000
    assert of(**pieces, value_per_unit=NAN).money == 100


def test_where_materiality_is_unknown_every_gap_is_material() -> None:
    assert of(materiality=NAN).flagged


# --- METHODS 2.3 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("measured", [{}, UNMEASURED])
def test_both_zero_agree(measured: dict[str, float]) -> None:
    found = of(ai=0, manual=0, **measured)

    assert (found.gap, found.money, found.u, found.symmetric) == (0, 0, 0, 0)
    assert found.band == Band.AGREE
    assert not found.flagged


@pytest.mark.parametrize(("manual", "symmetric"), [(5.0, 2.0), (-5.0, -2.0)])
def test_an_ai_value_of_zero_leaves_the_usual_miss_valid(manual: float, symmetric: float) -> None:
    found = of(ai=0, ai_low=-10, ai_high=10, manual=manual, n_hist=0, materiality=1)

    assert found.symmetric == symmetric
    assert found.u == pytest.approx(manual / (10 / 1.2815516))
    assert found.band == Band.MINOR


def test_an_ai_value_of_zero_gives_a_parents_relative_error_nothing_to_scale() -> None:
    assert of(ai=0, **UNMEASURED, parent_relative_mae=0.1).band == Band.NO_SCALE


def test_negative_values_are_measured_like_others() -> None:
    found = of(ai=-1_000_000, ai_low=-1_120_000, ai_high=-870_000, manual=-750_000)

    assert found.gap == 250_000
    assert found.u == pytest.approx(2.675, abs=0.0005)
    assert found.symmetric == pytest.approx(0.2857, abs=0.0001)
    assert found.band == Band.LARGE


def test_opposite_signs_are_a_band_of_their_own_and_flagged_whatever_the_money() -> None:
    found = of(ai=10, ai_low=-100, ai_high=100, manual=-1, n_hist=0)

    assert found.band == Band.OPPOSITE
    assert found.flagged
    assert found.symmetric == -2
    assert found.u == pytest.approx(-11 / (110 / 1.2815516))


@pytest.mark.parametrize(("missing", "present"), [("manual", "ai"), ("ai", "manual")])
@pytest.mark.parametrize(("value", "flagged"), [(25_000, True), (24_999, False), (-25_000, True)])
def test_one_forecast_alone_is_flagged_when_it_is_material(
    missing: str, present: str, value: float, flagged: bool
) -> None:
    found = of(**{missing: NAN, present: value})

    assert found[["gap", "money", "u", "symmetric"]].isna().all()
    assert found.band == Band.ONE_SIDED
    assert found.flagged == flagged
    assert not found.outside_interval


def test_one_forecast_alone_is_weighed_by_the_value_of_its_unit() -> None:
    assert of(manual=NAN, ai=100, value_per_unit=250).flagged
    assert not of(manual=NAN, ai=100, value_per_unit=249).flagged


def test_the_ai_has_a_usual_miss_before_a_manual_forecast_comes_but_none_without_a_value() -> None:
    assert of(manual=NAN, n_hist=0).scale == pytest.approx(125_000 / 1.2815516)
    assert math.isnan(of(ai=NAN).scale)


def test_an_item_without_any_forecast_is_not_flagged() -> None:
    found = of(ai=NAN, manual=NAN)

    assert found.band == Band.ONE_SIDED
    assert not found.flagged


@pytest.mark.parametrize(("materiality", "flagged"), [(250_000, True), (250_001, False)])
def test_without_a_scale_money_alone_decides(materiality: float, flagged: bool) -> None:
    found = of(**UNMEASURED, materiality=materiality)

    assert math.isnan(found.u)
    assert math.isnan(found.scale)
    assert found.band == Band.NO_SCALE
    assert found.flagged == flagged


def test_equal_forecasts_agree_even_without_a_scale() -> None:
    found = of(**UNMEASURED, manual=1_000_000, materiality=NAN)

    assert found.u == 0
    assert found.band == Band.AGREE
    assert not found.flagged


# --- frames ----------------------------------------------------------------------------------------------


def test_the_index_is_kept_and_the_columns_are_those_of_the_contract() -> None:
    facts = frame(an_item(), an_item(manual=NAN)).set_axis([42, 7])

    found = diverge(facts, POLICY)

    assert found.index.tolist() == [42, 7]
    assert found.columns.tolist() == [
        *("gap", "money", "scale", "u", "symmetric", "outside_interval", "band", "flagged"),
    ]
    assert found["flagged"].dtype == found["outside_interval"].dtype == bool


def test_no_items_diverge_nowhere() -> None:
    assert diverge(frame(an_item()).iloc[:0], POLICY).empty


def test_nones_from_a_database_are_unknown() -> None:
    facts = frame(an_item()).astype(object)
    facts.loc[0, "manual"] = None

    assert diverge(facts, POLICY).loc[0, "band"] == Band.ONE_SIDED


def test_money_at_stake_is_the_gap_or_the_forecast_that_is_there() -> None:
    facts = frame(an_item(value_per_unit=2), an_item(ai=NAN), an_item(manual=NAN, ai=-5), an_item(ai=NAN, manual=NAN))

    np.testing.assert_array_equal(money_at_stake(facts), [500_000, 1_250_000, 5, NAN])


# --- properties ------------------------------------------------------------------------------------------

VALUES = st.floats(-1e9, 1e9, allow_subnormal=False).map(lambda value: round(value, 3))
OR_UNKNOWN = st.just(NAN)
SIZES = st.floats(0.001, 1e9)
ITEMS = st.fixed_dictionaries(
    {
        "ai": VALUES | OR_UNKNOWN,
        "ai_low": VALUES | OR_UNKNOWN,
        "ai_high": VALUES | OR_UNKNOWN,
        "ai_level": st.sampled_from([0.5, 0.8, 0.95, NAN]),
        "manual": VALUES | OR_UNKNOWN,
        "value_per_unit": st.sampled_from([1.0, 0.25, 40.0, NAN]),
        "n_hist": st.integers(0, 24).map(float),
        "mae_hist": SIZES | OR_UNKNOWN,
        "parent_relative_mae": st.floats(0.001, 2) | OR_UNKNOWN,
        "typical_actual": SIZES | OR_UNKNOWN,
        "materiality": SIZES | OR_UNKNOWN,
    }
)
FRAMES = st.lists(ITEMS, min_size=1, max_size=8).map(lambda items: frame(*items))
IN_UNITS = ["ai", "ai_low", "ai_high", "manual", "mae_hist", "typical_actual"]


@given(FRAMES, st.integers(-20, 20))
def test_the_size_of_the_unit_does_not_matter(facts: pd.DataFrame, power: int) -> None:
    # A power of two leaves every quotient the same to the last bit.
    scaled = facts.copy()
    scaled[[*IN_UNITS, "materiality"]] *= 2.0**power

    before, after = diverge(facts, POLICY), diverge(scaled, POLICY)

    pd.testing.assert_frame_equal(
        before[["symmetric", "outside_interval", "band", "flagged"]],
        after[["symmetric", "outside_interval", "band", "flagged"]],
    )
    pd.testing.assert_series_equal(before["u"], after["u"])


@given(FRAMES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(facts: pd.DataFrame, random: object) -> None:
    order = list(facts.index)
    random.shuffle(order)  # type: ignore[attr-defined]

    pd.testing.assert_frame_equal(diverge(facts, POLICY).loc[order], diverge(facts.loc[order], POLICY))


@given(ITEMS)
def test_the_mirror_image_of_an_item_has_the_same_band_and_flag(item: dict[str, float]) -> None:
    mirror = item | {
        "ai": -item["ai"],
        "manual": -item["manual"],
        "ai_low": -item["ai_high"],
        "ai_high": -item["ai_low"],
    }
    assume(item["manual"] != item["ai"])

    found, mirrored = diverge(frame(item), POLICY).iloc[0], diverge(frame(mirror), POLICY).iloc[0]

    assert found.band == mirrored.band
    assert found.flagged == mirrored.flagged
    assert found.u == pytest.approx(-mirrored.u, nan_ok=True)


@given(ITEMS)
def test_every_item_is_somewhere(item: dict[str, float]) -> None:
    found = diverge(frame(item), POLICY).iloc[0]

    has_both = not (math.isnan(item["ai"]) or math.isnan(item["manual"]))
    assert (found.band == Band.ONE_SIDED) != has_both
    assert math.isnan(found.gap) != has_both
    if has_both:
        assert -2 <= found.symmetric <= 2
        assert math.isnan(found.u) or found.u * found.gap >= 0
        assert abs(found.u) <= 200.0001 or math.isnan(found.u)
    if found.band in (Band.OPPOSITE, Band.LARGE, Band.EXTREME) and math.isnan(item["materiality"]):
        assert found.flagged

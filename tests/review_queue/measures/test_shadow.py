"""What was decided here and replaced elsewhere, by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.overrides import wilson
from review_queue.measures.shadow import shadow_overrides
from tests.review_queue.measures.made_reviews import reviews


def used(final: float, value: float | None, **changes) -> dict:
    return {"item": 1, "state": "decided", "final": final, "used_value": value, "value_per_unit": 10, **changes}


def table_of(*rows: dict) -> pd.DataFrame:
    return reviews(*rows).astype({"used_value": float})


def test_share_and_money_come_out_by_hand():
    table = table_of(*[used(100, 100)] * 15, *[used(100, 107)] * 3, *[used(100, 98)] * 2, used(100, None))

    row = shadow_overrides(table).iloc[0]

    assert (row["n"], row["shadow"], row["share"]) == (20, 5, 0.25)
    assert (row["money"], row["net_money"]) == (10 * (3 * 7 + 2 * 2), 10 * (3 * 7 - 2 * 2))
    span = wilson(pd.Series([5]), pd.Series([20])).iloc[0]
    assert (row["low"], row["high"]) == (span["low"], span["high"])
    assert row["state"] == "enough"


def test_a_file_that_rounded_a_value_did_not_change_it():
    assert shadow_overrides(table_of(used(1234.56789, 1234.568))).iloc[0]["shadow"] == 0


def test_what_nobody_imported_is_unknown():
    row = shadow_overrides(table_of(used(100, None), {**used(100, 50), "state": "ready"})).iloc[0]

    assert (row["n"], row["shadow"], row["state"]) == (0, 0, "not enough data")
    assert np.isnan([row["share"], row["money"], row["low"]]).all()


def test_below_twenty_there_is_money_but_no_share():
    row = shadow_overrides(table_of(*[used(100, 90)] * 19)).iloc[0]

    assert (row["shadow"], row["money"], row["state"]) == (19, 1900, "not enough data")
    assert np.isnan(row["share"])


VALUES = st.floats(1, 1e6)


@given(
    st.lists(st.tuples(VALUES, st.none() | VALUES, st.sampled_from("ab")), min_size=1, max_size=50),
    st.floats(0.01, 100),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=12)
def test_groups_add_up_order_does_not_matter_and_money_scales(made, rate, random):
    table = table_of(*(used(final, value) for final, value, _ in made))
    groups = pd.Series([name for *_, name in made])
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    whole, parts = shadow_overrides(table).iloc[0], shadow_overrides(table, groups=groups)
    scaled = shadow_overrides(table.assign(value_per_unit=10 * rate)).iloc[0]

    pd.testing.assert_frame_equal(parts, shadow_overrides(shuffled, groups=groups))
    assert parts[["n", "shadow"]].sum().tolist() == whole[["n", "shadow"]].tolist()
    assert parts["money"].sum() == pytest.approx(np.nan_to_num(whole["money"]))
    assert scaled["money"] == pytest.approx(whole["money"] * rate, nan_ok=True)
    assert scaled["share"] == pytest.approx(whole["share"], nan_ok=True)

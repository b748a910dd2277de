"""Whether overrides helped and how much of a change to keep, by hand and worked out a second way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_queue.measures.damping import (
    HELPED,
    OVER,
    OVERSHOOT,
    SHORT,
    WRONG_DIRECTION,
    Damping,
    damping,
    in_words,
    outcomes,
    share_to_keep,
)

SIZES = st.floats(0.5, 1e4)
SIGNS = st.sampled_from([-1.0, 1.0])
ROWS = st.lists(st.tuples(SIZES, SIGNS, SIZES, SIGNS, SIZES), min_size=1, max_size=30)


def past(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["adj", "gap", "s"], dtype="float64")


def drawn(rows) -> pd.DataFrame:
    return past(*((size * way, gap * side, s) for size, way, gap, side, s in rows))


@pytest.mark.parametrize(
    ("adj", "gap", "label"),
    [
        (10, 25, SHORT),
        (-10, -10, SHORT),  # the whole way
        (10, 6, OVER),
        (10, 5, OVERSHOOT),  # twice the gap: as far off as the AI, on the other side
        (-30, -5, OVERSHOOT),
        (10, -4, WRONG_DIRECTION),
        (10, 0, WRONG_DIRECTION),  # the AI was right
        (0, 12, None),
    ],
)
def test_an_override_ends_in_one_of_four_ways(adj, gap, label):
    assert outcomes(past((adj, gap, 1))).tolist() == [label]


@given(ROWS)
def test_an_override_helped_exactly_if_it_came_nearer_to_what_happened(rows):
    table = drawn(rows)
    helped = outcomes(table).isin(HELPED)
    nearer = (table["gap"] - table["adj"]).abs() < table["gap"].abs()
    # Where both are as far off but for rounding, either answer will do.
    is_tie = np.isclose((table["gap"] - table["adj"]).abs(), table["gap"].abs(), rtol=1e-9)

    assert (helped == nearer)[~is_tie].all()


def test_the_share_to_keep_by_hand():
    # Σ w·adj·gap = 2·1 + 4·4/4 = 6; Σ w·adj² = 4 + 16/4 = 8;
    # κ = 10 · mean(4, 4) = 40; λ = (6 + 20) / (8 + 40).
    assert share_to_keep(past((2, 1, 1), (4, 4, 2))) == pytest.approx(26 / 48)


def test_without_history_half_is_kept_and_nothing_is_suggested():
    assert share_to_keep(past()) == 0.5
    assert damping(past()) == Damping(0, 0, None)


@pytest.mark.parametrize(("gap", "share"), [(-100, 0.0), (100, 1.5)])
def test_the_share_is_never_below_none_nor_above_one_and_a_half(gap, share):
    assert share_to_keep(past(*[(1, gap, 1)] * 20)) == share


@given(ROWS)
def test_the_share_is_that_of_least_squares_with_ten_more_rows_at_a_half(rows):
    table = drawn(rows)
    adj, gap = table["adj"] / table["s"], table["gap"] / table["s"]
    typical = np.sqrt((adj**2).mean())
    x = np.concatenate([adj, np.full(10, typical)])[:, None]
    y = np.concatenate([gap, np.full(10, typical / 2)])
    slope = np.linalg.lstsq(x, y, rcond=None)[0][0]

    assert share_to_keep(table) == pytest.approx(float(np.clip(slope, 0, 1.5)), abs=1e-9)


@given(ROWS, st.floats(1e-3, 1e3))
def test_other_money_leaves_the_share_as_it_is(rows, rate):
    table = drawn(rows)

    assert share_to_keep(table * rate) == pytest.approx(share_to_keep(table), rel=1e-9, abs=1e-12)
    # Each row may even come in money of its own.
    rates = pd.Series(np.geomspace(1, rate, len(table)))
    assert share_to_keep(table.mul(rates, axis=0)) == pytest.approx(share_to_keep(table), rel=1e-9, abs=1e-12)


@given(ROWS)
def test_the_order_of_history_does_not_matter(rows):
    assert share_to_keep(drawn(rows[::-1])) == pytest.approx(share_to_keep(drawn(rows)), rel=1e-9, abs=1e-12)


def test_a_share_is_shown_from_ten_and_concluded_from_twenty():
    row = (2, 1, 1)
    few, some, many = (damping(past(*[row] * n)) for n in (9, 10, 20))

    assert few == Damping(9, 0, None)
    assert (some.n, some.keep, some.is_concluded) == (10, pytest.approx(0.5), False)
    assert many.is_concluded
    assert damping(past(*[row] * 9, (0, 1, 1))).n == 9  # nothing was changed there


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Damping(3, 2, None), "Upward changes for Promotion in West: not enough yet (3 of 10)."),
        (
            Damping(12, 5, 0.6),
            "Upward changes for Promotion in West: 12, of which 5 helped; "
            "the little history there is suggests keeping about 60 %.",
        ),
        (
            Damping(24, 5, 0.6),
            "Upward changes for Promotion in West: 24, of which 5 helped; history suggests keeping about 60 %.",
        ),
        (
            Damping(24, 20, 1.3),
            "Upward changes for Promotion in West: 24, of which 20 helped; "
            "history suggests going further, to about 130 %.",
        ),
        (
            Damping(24, 20, 0.96),
            "Upward changes for Promotion in West: 24, of which 20 helped; history suggests keeping all of it.",
        ),
        (
            Damping(24, 0, 0.0),
            "Upward changes for Promotion in West: 24, of which 0 helped; history suggests keeping none of it.",
        ),
    ],
)
def test_it_is_said_in_a_sentence(found, sentence):
    assert in_words(found, kind="Upward changes for Promotion", where="in West") == sentence

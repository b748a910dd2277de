"""Whether stated confidence comes true, and its correction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.calibration import ENOUGH, corrected, fit_curve, reliability


def test_reliability_sets_what_was_stated_beside_what_came_true() -> None:
    stated = pd.Series([0.05, 0.62, 0.68, 0.64, 1.0, np.nan])
    came_true = pd.Series([False, True, False, False, True, True])

    found = reliability(stated, came_true)

    assert found["tenth"].tolist() == [0.0, 0.6, 0.9]
    assert found["n"].tolist() == [1, 3, 1]
    assert found["stated"].round(4).tolist() == [0.05, 0.6467, 1.0]
    assert found["share"].tolist() == pytest.approx([0, 1 / 3, 1])
    # Wilson, 1 of 3, by its formula with z = 1.96: centre (1/3 + z²/6) / (1 + z²/3) and its half width.
    assert found.loc[1, ["low", "high"]].astype(float).tolist() == pytest.approx([0.0615, 0.7923], abs=5e-4)


def test_nothing_is_corrected_by_few_outcomes() -> None:
    few = pd.Series(np.linspace(0.1, 0.9, ENOUGH - 1))

    assert fit_curve(few, few > 0.5) == ()
    assert corrected(few, ()).equals(few)


def test_a_confidence_that_promises_too_much_is_taken_back() -> None:
    rng = np.random.default_rng(3)
    stated = pd.Series(rng.uniform(0.3, 1.0, 4_000))
    came_true = pd.Series(rng.random(4_000) < stated**2)  # 0.9 comes true 81 times in 100

    told = corrected(pd.Series([0.5, 0.7, 0.9]), fit_curve(stated, came_true))

    assert told.tolist() == pytest.approx([0.25, 0.49, 0.81], abs=0.05)


def test_the_curve_pools_neighbours_that_are_out_of_order() -> None:
    """By hand: 100 at 0.2 of which 60 come true, 100 at 0.4 of which 40, 100 at 0.8 of which 90: 0.5, 0.5, 0.9."""
    stated = pd.Series([0.2] * 100 + [0.4] * 100 + [0.8] * 100)
    came_true = pd.Series([True] * 60 + [False] * 40 + [True] * 40 + [False] * 60 + [True] * 90 + [False] * 10)

    curve = fit_curve(stated, came_true)

    assert [tuple(round(part, 9) for part in point) for point in curve] == [(0.3, 0.5), (0.8, 0.9)]
    assert corrected(pd.Series([0.1, 0.55, 0.99, np.nan]), curve).tolist() == pytest.approx(
        [0.5, 0.7, 0.9, np.nan], nan_ok=True
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=ENOUGH, max_size=ENOUGH + 50))
def test_the_curve_rises_and_stays_a_share(rows: list[tuple[float, bool]]) -> None:
    stated, came_true = pd.Series([row[0] for row in rows]), pd.Series([row[1] for row in rows])

    told = corrected(pd.Series(np.linspace(0, 1, 50)), fit_curve(stated, came_true))

    assert told.between(0, 1).all()
    assert (told.diff().dropna() >= -1e-12).all()

"""Agreement of second reviews, against METHODS 4.9 and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.agreement import agreement, direction, krippendorff


def test_alpha_by_hand():
    # 2 of 5 differ; of ten labels 6 are a and 4 are b: D_e = 1 − (30 + 12) / 90 = 48/90.
    assert krippendorff(pd.Series(list("aaabb")), pd.Series(list("aabab"))) == pytest.approx(1 - 0.4 / (48 / 90))


def test_full_agreement_is_one_and_a_single_label_says_nothing():
    assert krippendorff(pd.Series(list("aab")), pd.Series(list("aab"))) == 1.0
    assert np.isnan(krippendorff(pd.Series(list("aaa")), pd.Series(list("aaa"))))


def test_alpha_of_chance_is_about_zero_and_as_noisy_as_the_method_says():
    # METHODS 4.9: standard deviation about .17 at 30 pairs and .09 at 100 (simulated, at agreement above chance).
    rng = np.random.default_rng(4)
    for n, spread in ((30, 0.17), (100, 0.09)):
        first = rng.choice(["accept", "up", "down"], (300, n), p=[0.7, 0.15, 0.15])
        second = rng.choice(["accept", "up", "down"], (300, n), p=[0.7, 0.15, 0.15])
        found = [krippendorff(pd.Series(one), pd.Series(two)) for one, two in zip(first, second, strict=True)]
        assert abs(np.mean(found)) < 0.03
        assert np.std(found) == pytest.approx(spread, abs=0.04)


def test_a_decision_accepts_or_goes_up_or_down():
    final, ai = pd.Series([100.5, 105.0, 95.0, -95.0]), pd.Series([100.0, 100.0, 100.0, -100.0])

    assert direction(final, ai, tolerance=0.01).tolist() == ["accept", "up", "down", "up"]


def pairs(n: int, differ: int) -> pd.DataFrame:
    """Half accepted, half up; the second differs in the first ``differ``."""
    first = np.where(np.arange(n) % 2, 120.0, 100.0)
    second = np.where(np.arange(n) < differ, 220 - first, first)
    return pd.DataFrame({"ai": 100.0, "first": first, "second": second, "scale": 10.0})


@pytest.mark.parametrize(
    ("n", "differ", "verdict"),
    [
        *((29, 0, "not enough data"), (30, 0, "can't tell yet"), (99, 0, "can't tell yet")),
        *((100, 8, "good"), (100, 14, "tentative"), (100, 30, "low")),
    ],
)
def test_pairs_are_shown_from_thirty_and_concluded_from_a_hundred(n, differ, verdict):
    found = agreement(pairs(n, differ), tolerance=0.01)

    assert (found.n, found.verdict, np.isnan(found.alpha)) == (n, verdict, n < 30)


def test_the_difference_is_in_usual_misses():
    found = agreement(pairs(100, 30), tolerance=0.01)

    assert (found.difference, found.same) == (pytest.approx(0.3 * 2), 0.7)
    assert agreement(pairs(30, 0).assign(second=np.nan), tolerance=0.01).n == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40), st.randoms())
@settings(deadline=None, max_examples=12)
def test_neither_order_nor_who_was_first_matters(made, random):
    first, second = (pd.Series(list(one)) for one in zip(*made, strict=True))
    order = random.sample(range(len(made)), len(made))

    expected = pytest.approx(krippendorff(first, second), nan_ok=True)

    assert krippendorff(first.iloc[order], second.iloc[order]) == expected
    assert krippendorff(second, first) == expected

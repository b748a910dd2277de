"""A final value said in other ways, by hand, and there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.final_value import BETWEEN, CHANGE, PERCENT, final_from, shown_as


@pytest.mark.parametrize(
    ("way", "value", "ai", "manual", "final"),
    [
        (CHANGE, -40, 200, None, 160),
        (PERCENT, 15, 200, None, 230),
        (PERCENT, 10, -200, None, -180),  # up is up, below zero too
        (BETWEEN, 0, 200, 300, 200),
        (BETWEEN, 25, 200, 300, 225),
        (BETWEEN, 100, 200, 120, 120),
        (BETWEEN, 50, 200, None, None),
    ],
)
def test_every_way_leads_to_a_final_value(way, value, ai, manual, final):
    assert final_from(way, value, ai=ai, manual=manual) == final


@pytest.mark.parametrize(
    ("way", "final", "ai", "manual", "shown"),
    [
        (CHANGE, 160, 200, None, -40),
        (CHANGE, 0.3, 0.1, None, 0.2),  # and no crumbs of arithmetic
        (PERCENT, 230, 200, None, 15),
        (PERCENT, 5, 0, None, None),
        (BETWEEN, 226, 200, 300, 25),
        (BETWEEN, 500, 200, 300, 100),
        (BETWEEN, 100, 200, 300, 0),
        (BETWEEN, 226, 200, 200, None),
        (BETWEEN, 226, 200, None, None),
    ],
)
def test_a_final_value_is_shown_in_every_way_that_there_is(way, final, ai, manual, shown):
    assert shown_as(way, final, ai=ai, manual=manual) == shown


@given(st.floats(-1e6, 1e6).filter(lambda ai: abs(ai) > 1), st.integers(-200, 200))
def test_a_percentage_that_is_typed_is_the_one_shown(ai, percent):
    assert shown_as(PERCENT, final_from(PERCENT, percent, ai=ai, manual=None), ai=ai, manual=None) == percent

"""What the mix lets expect, by hand."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.expected import expected_rates


def decided(*cells: tuple[dict, int, int]) -> tuple[pd.DataFrame, pd.Series]:
    """Decisions with these columns, so many overridden of so many each."""
    rows = [{**columns, "made": number < made} for columns, made, n in cells for number in range(n)]
    table = pd.DataFrame(rows)
    return table.drop(columns="made"), table["made"]


def test_a_cell_of_twenty_has_its_own_smoothed_rate():
    table, made = decided(({"band": "agree"}, 0, 20), ({"band": "large"}, 15, 30))

    assert expected_rates(table, made).unique().tolist() == pytest.approx([1 / 25, 16 / 35])


def test_cells_below_twenty_are_merged_over_the_days_before_the_tiers():
    soon, later = {"band": "large", "hours_to_deadline": 5.0}, {"band": "large", "hours_to_deadline": 100.0}
    table, made = decided((soon, 4, 10), (later, 8, 10), (soon, 0, 10), (later, 0, 10))
    tiers = pd.Series(["North"] * 20 + ["South"] * 20)

    assert expected_rates(table, made, tiers=tiers).unique().tolist() == pytest.approx([13 / 25, 1 / 25])


def test_what_cannot_be_merged_has_the_rate_of_all():
    table, made = decided(({"band": "agree"}, 0, 95), ({"band": "opposite"}, 5, 5))

    assert expected_rates(table, made).unique().tolist() == pytest.approx([1 / 100, 6 / 105])


@pytest.mark.parametrize("columns", [{}, {"band": None, "hours_to_deadline": float("nan")}])
def test_what_nobody_knows_is_left_out(columns):
    table, made = decided(({**columns, "series": "a"}, 3, 30))

    assert expected_rates(table, made).tolist() == pytest.approx([4 / 35] * 30)


def test_an_unknown_band_is_a_cell_of_its_own():
    table, made = decided(({"band": None}, 20, 20), ({"band": "agree"}, 0, 20))

    assert expected_rates(table, made).unique().tolist() == pytest.approx([21 / 25, 1 / 25])


def test_the_days_to_the_deadline_fall_into_buckets():
    hours = (-1.0, 0.0, 23.9, 24.0, 71.9, 72.0, 168.0)
    made_of = (0, 5, 5, 10, 10, 15, 20)
    table, made = decided(*(({"hours_to_deadline": at}, count, 20) for at, count in zip(hours, made_of, strict=True)))

    found = expected_rates(table, made).groupby(table["hours_to_deadline"]).first()

    assert found.tolist() == pytest.approx([1 / 25, 11 / 45, 11 / 45, 21 / 45, 21 / 45, 16 / 25, 21 / 25])


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans()), min_size=1, max_size=120),
    st.randoms(),
)
@settings(deadline=None, max_examples=12)
def test_the_order_of_decisions_does_not_matter(made_of, random):
    table = pd.DataFrame(made_of, columns=["band", "tier", "made"])
    shuffled = table.loc[random.sample(list(table.index), len(table))]

    first = expected_rates(table[["band"]], table["made"], tiers=table["tier"])
    second = expected_rates(shuffled[["band"]], shuffled["made"], tiers=table["tier"])

    assert second.sort_index().tolist() == pytest.approx(first.tolist())
    assert first.between(0, 1).all()

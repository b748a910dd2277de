from __future__ import annotations

from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.measures.overrides import overrides
from review_queue.small_groups import singles_out

K = 5
reviews = st.lists(
    st.tuples(st.sampled_from([f"p{number}" for number in range(14)]), st.sampled_from("NSEW")), min_size=1, max_size=80
).map(lambda rows: pd.DataFrame(rows, columns=["reviewer", "place"]))


def shown_places(table: pd.DataFrame) -> list[str]:
    return [
        place
        for place in sorted(table["place"].unique())
        if not singles_out(table["reviewer"], table["place"] == place, smallest=K)
    ]


@settings(deadline=None)
@given(reviews)
def test_no_part_that_is_shown_and_no_rest_of_it_is_the_work_of_few(table: pd.DataFrame) -> None:
    """Counted by hand, with sets."""
    for place in shown_places(table):
        part = {row.reviewer for row in table.itertuples() if row.place == place}
        rest = {row.reviewer for row in table.itertuples() if row.place != place}
        assert len(rest) == 0 or (len(part) >= K and len(rest) >= K)


@settings(deadline=None)
@given(reviews)
def test_two_filters_that_are_shown_differ_by_many_people_or_none(table: pd.DataFrame) -> None:
    """The whole and a part differ by the rest; two parts have no review in common, so they differ by both."""
    everything = set(table.index)
    sets = [everything, *(set(table.index[table["place"] == place]) for place in shown_places(table))]
    for one, other in combinations(sets, 2):
        for difference in (one - other, other - one):
            people = table.loc[sorted(difference), "reviewer"].nunique()
            assert people == 0 or people >= K


@pytest.mark.parametrize(
    ("part", "rest", "is_shut"),
    [(5, 5, False), (4, 9, True), (9, 4, True), (1, 0, False), (20, 1, True)],
)
def test_a_part_is_shut_where_it_or_what_it_leaves_out_is_of_few(part: int, rest: int, is_shut: bool) -> None:
    people = pd.Series([f"p{number}" for number in range(part + rest)])

    assert singles_out(people, people.index.to_series() < part, smallest=5) is is_shut


@settings(max_examples=25, deadline=None)
@given(reviews)
def test_the_sum_over_segments_is_the_total(table: pd.DataFrame) -> None:
    """I15: no group is taken out of what is split, so what is shown adds up."""
    count = len(table)
    full = table.assign(
        state="decided",
        ai=100.0,
        final=[100.0 if number % 3 else 150.0 for number in range(count)],
        decided_at=pd.Timestamp("2026-01-05", tz="UTC"),
        band="large",
        hours_to_deadline=5.0,
    )
    by_place = overrides(full, tolerance=0.01, groups=full["place"])
    total = overrides(full, tolerance=0.01, groups=None)

    assert by_place["n"].sum() == total["n"].sum() == count
    assert by_place["overrides"].sum() == total["overrides"].sum() == sum(not number % 3 for number in range(count))

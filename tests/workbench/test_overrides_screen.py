"""Overrides beside what the mix of items lets expect: tables, sentences and the funnel as data."""

from __future__ import annotations

import pandas as pd
import pytest

from review_queue.measures.funnel import binomial_limit
from tests.workbench.made_known import known_of, overridden
from workbench.known_reviews import Reviews
from workbench.screens import overrides
from workbench.screens.overrides_charts import funnel_chart, limits


def two_groups(n: int = 100) -> Reviews:
    """North overrides 10 of 100, South 60 of 100; all large gaps are in the South."""
    north = overridden(10, of=n, segment_state="North", band="agree")
    south = overridden(60, of=n, segment_state="South", band="large")
    return known_of(*north, *south)


def test_a_group_stands_beside_what_its_items_let_expect():
    table = overrides.rates_by(two_groups(), "segment_state").set_index("group")

    assert table["rate"].to_dict() == {"North": 0.1, "South": 0.6}
    assert table["expected"]["North"] == pytest.approx(100 * 11 / 105)
    assert table["ratio"]["South"] == pytest.approx(60 / (100 * 61 / 105))


def test_bands_come_in_their_order_by_the_words_people_read_and_without_a_state():
    known = known_of(
        *overridden(1, of=20, band="large"), *overridden(1, of=20, band="agree"), *overridden(0, of=5, band="minor")
    )

    table = overrides.rates_by(known, overrides.BAND)

    assert table["group"].tolist() == ["agree", "minor", "large"]
    assert table["rate"].isna().tolist() == [False, True, False]
    assert "state" not in table


def test_what_is_expected_of_a_band_does_not_come_from_the_bands():
    known = known_of(*overridden(0, of=50, band="agree"), *overridden(50, of=50, band="large"))

    table = overrides.rates_by(known, overrides.BAND)

    assert table["expected"].tolist() == pytest.approx([50 * 51 / 105] * 2)


@pytest.mark.parametrize(
    ("hours", "words"),
    [(-0.1, "passed"), (0, "under 1 day"), (24, "1–3 days"), (72, "3–7 days"), (168, "from 7 days"), (None, None)],
)
def test_time_left_is_told_in_days(hours, words):
    table = pd.DataFrame({"hours_to_deadline": [hours]})

    (found,) = overrides.time_left(table)

    assert found == words or (words is None and pd.isna(found))


def test_the_answer_tells_what_the_kept_items_let_expect():
    everything = two_groups()
    north = everything.only(everything.table["segment_state"] == "North")
    row = overrides.rates_by(north, "segment_state").iloc[0]

    assert overrides.answer(row, overrides.usual_rate(everything, north)).endswith(
        "10 of 100. Such items let expect 10.5%."
    )


def test_all_items_together_are_their_own_expectation_and_nothing_is_said_of_it():
    everything = two_groups()
    row = overrides.rates_by(everything, "band").iloc[0]

    assert pd.isna(overrides.usual_rate(everything, everything))
    assert "expect" not in overrides.answer(row, overrides.usual_rate(everything, everything))


def test_too_few_decisions_cannot_tell_and_expect_nothing():
    everything = two_groups()
    few = everything.only(everything.table.index < 19)
    row = overrides.rates_by(few, "segment_state").iloc[0]

    assert overrides.answer(row, overrides.usual_rate(everything, few)) == "Can't tell yet: 19 of 20 decisions needed."


def test_nothing_decided_among_those_kept_has_no_usual_rate():
    everything = two_groups()

    assert pd.isna(overrides.usual_rate(everything, everything.only(everything.table["ai"].isna())))


def test_the_funnel_is_in_multiples_of_what_is_expected_and_leaves_small_groups_out():
    known = known_of(*overridden(10, of=100, segment_state="A"), *overridden(5, of=19, segment_state="B"))

    found = overrides.funnel_by(known, "segment_state")

    assert found.table["group"].tolist() == ["A"]
    (row,) = found.table.to_dict("records")
    assert row["ratio"] == pytest.approx(10 / (100 * 16 / 124))
    assert row["low_95"] < 1 < row["high_95"] < row["high_998"]
    assert found.is_phi_fixed
    assert "fewer than 8 groups" in overrides.funnel_note(found)


def test_a_funnel_of_many_groups_allows_for_how_they_differ():
    groups = [overridden(10 + 2 * place, of=100, segment_state=f"group {place}") for place in range(8)]

    found = overrides.funnel_by(known_of(*[row for group in groups for row in group]), "segment_state")

    assert not found.is_phi_fixed
    assert "allow for how much groups differ" in overrides.funnel_note(found)


def test_the_limits_of_the_funnel_are_the_exact_ones_drawn_out_by_the_spread():
    found = overrides.funnel_by(two_groups(), "segment_state")

    drawn = limits(found).iloc[-1]

    mean = found.table["expected"].sum() / 200
    exact = binomial_limit([drawn["n"]], [mean], 0.975)[0] / drawn["n"]
    assert drawn["high_95"] == pytest.approx(1 + (exact - mean) * found.phi**0.5 / mean)


def test_the_funnel_asks_a_question_names_its_axes_and_tells_groups_by_shape():
    chart = funnel_chart(overrides.funnel_by(two_groups(), "segment_state"), "Is any unusual?").to_dict()
    dots = chart["layer"][-1]["encoding"]

    assert chart["title"]["text"] == "Is any unusual?"
    assert (dots["x"]["title"], dots["y"]["title"]) == ("Decisions", "Observed / expected overrides")
    assert dots["y"]["scale"]["domain"][0] == dots["x"]["scale"]["domainMin"] == 0
    assert "color" not in dots
    assert dots["shape"]["scale"]["domain"] == ["inside", "outside 95 %", "outside 99.8 %"]
    assert {tip["title"] for tip in dots["tooltip"]} >= {"Group", "Decisions", "Overrides"}

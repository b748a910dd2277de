"""Impact: used, different, worth it; beside a baseline or alone."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from review_queue.roles import Principal
from storage.happenings import Happening
from tests.review_queue.measures.made_reviews import NOON
from tests.workbench.made_live import known_of
from workbench.screens import impact, impact_charts


def review(days: float, hours: float, *, item: int | None, place: int = 0, **changes):
    created = NOON - timedelta(days=days)
    return {
        "item": item,
        "series": f"s{place % 12}",
        "created_at": created,
        "started_at": created + timedelta(hours=hours - 0.5),
        "decided_at": created + timedelta(hours=hours),
        "state": "decided",
        "reviewer": f"r{place % 3}",
        "ai": 100.0,
        "final": 100.0,
        "actual": 110.0,
        **changes,
    }


def now(count: int = 120, hours: float = 10):
    return [review(1 + place, hours + place % 5, item=place, place=place) for place in range(count)]


def before(count: int = 120, hours: float = 40):
    return [review(130 + place, hours + place % 5, item=None, place=place) for place in range(count)]


def known(*rows, **policy):
    return known_of(*rows, live=False, **policy)


def test_without_a_baseline_the_page_says_what_to_import_and_tells_of_now_alone():
    here = known(*now())
    table = impact.compared(here, rate=60.0)

    assert impact.answer(here, table) == impact.NO_BASELINE
    said = impact.worth_answer(table)
    assert said.startswith("Worth: half are decided within 12 hours; 7.0 decisions a week; 30.0 min of touch time")
    assert "30.0 EUR a case" in said
    assert "10.0 EUR k on average" in said
    assert "before" not in said


def test_a_change_beyond_chance_is_told_with_both_values_and_its_interval():
    here = known(*before(), *now())

    said = impact.answer(here, impact.compared(here, rate=None))

    assert "median time to a decision 12 hours, before 42 hours (95 % interval of the change −30 hours to" in said
    assert "Can't tell yet: " in said
    assert "touch" not in said
    assert "touch time a case;" in impact.worth_answer(impact.compared(here, rate=None))


def test_before_anything_is_reviewed_nothing_can_be_told():
    here = known(*before())
    table = impact.compared(here, rate=None)

    assert impact.answer(here, table) == "Can't tell yet: nothing has been reviewed here."
    assert impact.worth_answer(table) == "Worth: can't tell yet, too few reviews."


def test_a_baseline_that_is_too_small_counts_what_there_is():
    here = known(*before(5), *now())

    assert impact.answer(here, impact.compared(here, rate=None)).startswith("Can't tell yet: 5 of 20 reviews from")


def test_decisions_are_different_by_the_share_of_the_ais_value_which_is_no_target():
    table = impact.compared(known(*before(), *now()), rate=None)

    assert "in 100.0% of 120 decisions the final value is the AI's, before 100.0%" in impact.decisions_answer(table)
    assert "no target" in impact.decisions_answer(table)
    few = impact.compared(known(*now(19)), rate=None)
    assert impact.decisions_answer(few).endswith("can't tell yet, 19 of 20 decisions needed.")


def test_who_uses_it_is_counted_among_those_who_may_and_nobody_is_named():
    people = [Principal(number, f"r{number}", ()) for number in range(5)]

    assert impact.used_answer(known(*now()), people) == (
        "Used: 3 of 5 people who may review decided something in the last 4 weeks."
    )


def test_the_cost_is_unknown_until_a_rate_is_stated():
    here = known(*now())
    table = impact.compared(here, rate=None)

    assert "a case (" not in impact.worth_answer(table)
    assert impact.footnote(here, table).endswith("Cost a case: type what an hour costs.")


def test_money_is_in_the_unit_where_one_of_it_is_worth_one_else_in_the_currency():
    dear = [{**row, "value_per_unit": 2.0} for row in now()]

    assert (impact.money_unit(known(*now())), impact.money_unit(known(*dear))) == ("EUR k", "EUR")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({1: 0, 2: 1, 3: 1, 4: 1, 5: 1}, "Helps: can't tell yet, 4 of 5 answers to the question on My desk."),
        ({1: 0, 2: 1, 3: 0, 4: 2, 5: 2}, "Helps: 80% of 5 people who answered in the last 3 months say 4 or 5 of 5"),
    ],
)
def test_the_pulse_is_told_from_five_answers_on(counts, said):
    assert impact.pulse_answer(counts).startswith(said)


def test_the_pace_is_a_week_in_each_full_month_and_a_quiet_month_is_zero():
    rows = [row for row in now() if not 31 <= (NOON - row["created_at"]).days <= 58]

    table = impact.pace(known(*before(), *rows))

    here = table[table["side"] == impact.NOW].set_index("month")["decisions"]
    assert here.index.max().month == 2  # March is not over
    assert here.min() <= 1
    assert table.groupby("side", sort=False)["decisions"].sum()[impact.BEFORE] <= 120


def test_a_months_median_is_shown_from_twenty_reviews_on():
    table = impact.time_by_month(known(*now(120)))

    assert table["median_days"].notna().tolist() == (table["n"] >= 20).tolist()
    assert table["median_days"].dropna().between(0.4, 0.6).all()


HAPPENED = [Happening(1, date(2025, 2, 1), "A new CRM", "Mia")]


def test_go_live_and_what_else_changed_are_marked_by_number():
    marks = impact.marks(known(*before(), *now()), HAPPENED)

    assert marks["label"].tolist() == ["go-live", "1"]
    assert marks["what"].tolist() == ["Go-live", "A new CRM"]


@pytest.mark.parametrize("rows", [now(), [*before(), *now()]])
def test_charts_over_time_ask_a_question_start_at_zero_and_tell_counts(rows):
    here = known(*rows)
    marks = impact.marks(here, HAPPENED)

    for drawn in (
        impact_charts.pace_chart(impact.pace(here), marks),
        impact_charts.time_chart(impact.time_by_month(here), marks),
    ):
        chart = drawn.to_dict()
        first = chart["layer"][0]["encoding"]
        tips = {tip["title"] for layer in chart["layer"] for tip in layer["encoding"].get("tooltip", [])}
        assert chart["title"]["text"].endswith("?")
        assert first["y"]["scale"]["domainMin"] == 0
        assert tips & {"Decisions in the month", "Reviews"}
        assert "What changed" in tips
        assert (first["color"]["legend"] is None) == (len(rows) == 120)


def test_the_chart_of_changes_leaves_out_what_does_not_compare():
    table = impact.compared(known(*before(), *now()), rate=60.0)
    rows = impact_charts.change_chart(table).to_dict()

    names = {row["title"] for data in rows["datasets"].values() for row in data if "title" in row}

    assert "Median time to a decision" in names
    assert not names & {"Touch time a case", "Cost a case", "Decisions with the AI's value"}

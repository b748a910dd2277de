"""Adoption: where forecasts stop, whether people come, and what cannot be told."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from tests.review_queue.measures.made_reviews import NOON
from tests.workbench.made_live import known_of
from workbench.screens import adoption, adoption_charts


def forecast(days: float, *, opened: bool = True, **changes):
    """One that came in so many days ago, was opened and accepted on the same day."""
    created = NOON - timedelta(days=days)
    at = created + timedelta(hours=2)
    done = {"started_at": at, "opened_at": at, "decided_at": at + timedelta(minutes=5), "state": "decided"}
    ordinary = {"created_at": created, "ai": 100.0, "final": 100.0, "reviewer": f"r{int(days) % 4}"}
    return {**ordinary, **(done if opened else {"final": None, "reviewer": None, "opened_at": None}), **changes}


def weeks(number: int, each: int = 40, **changes):
    return [forecast(7 * week + 2 + place / 100, **changes) for week in range(number) for place in range(each)]


def told(known):
    times = adoption.steps_of(known)
    return adoption.answer(known, times, adoption.cohorts(known, times))


def test_below_thirty_forecasts_nobody_can_tell():
    assert told(known_of(*weeks(1, 29))).startswith("Can't tell yet: 29 of 30 forecasts needed")


def test_the_share_decided_comes_with_its_interval():
    said = told(known_of(*weeks(2)))

    assert said.startswith("100.0% of forecasts get a decision (95 % interval 95.4% to 100.0%)")
    assert said.endswith("No step loses any.")


def test_the_step_that_loses_most_is_named():
    uninformed = weeks(1, 20, final=150.0, reason="EXPERIENCE")

    assert "The step that loses most is “accepted or informed”: 66.7%" in told(known_of(*weeks(1), *uninformed))


def test_steps_that_nothing_is_known_about_are_named_with_the_reason():
    known = known_of(*weeks(1))

    assert adoption.left_out(adoption.steps_of(known)) == (
        "Left out: “unchanged at lock” (no locked plan is known here) and "
        "“used downstream” (no plan has been brought in)."
    )
    assert adoption.shadow_answer(known) == "Shadow overrides: can't tell, no plan has been brought in."


def test_with_a_plan_shadow_overrides_are_counted_from_twenty_decisions():
    used = known_of(*weeks(1, 15, used_value=100.0), *weeks(1, 5, used_value=120.0))
    few = known_of(*weeks(1, 19, used_value=100.0))

    assert adoption.shadow_answer(used).startswith("Shadow overrides: 25.0% of decided values were replaced")
    assert adoption.shadow_answer(few).endswith("19 of 20 decisions with a used value needed.")


def test_shadow_overrides_are_told_by_group():
    north = [*weeks(1, 15, used_value=100.0), *weeks(1, 5, used_value=120.0)]
    west = weeks(1, 20, used_value=100.0, segment_region="West")

    table = adoption.shadow_by(known_of(*north, *west), "segment_region").set_index("group")

    assert table.loc[["North", "West"], "shadow"].tolist() == [5, 0]
    assert table.loc[["North", "West"], "share"].tolist() == [0.25, 0.0]


def test_a_cliff_is_named_with_its_step_and_the_group_that_fell():
    fallen = [
        forecast(7 * week + 2 + place / 100, opened=place % 2 == 0, segment_region="West" if place % 2 else "North")
        for week in range(1, 3)
        for place in range(60)
    ]
    known = known_of(*fallen, *weeks(12)[120:])
    times = adoption.steps_of(known)

    said = adoption.cliff_answer(known, times, "segment_region")

    assert said.startswith("A cliff at “opened”: 50% in ")
    assert "100% in the eight weeks before" in said


def test_without_a_cliff_the_largest_drop_is_told_and_with_too_few_nothing():
    many, few = known_of(*weeks(12)), known_of(*weeks(3, 10))

    assert adoption.cliff_answer(many, adoption.steps_of(many), "lane").startswith("No cliff in 2025-W")
    assert "can't tell yet" in adoption.cliff_answer(few, adoption.steps_of(few), "lane")


def test_decisions_that_are_no_longer_opened_are_quiet_abandonment():
    batch = weeks(3, opened_at=None, started_at=None)
    usual, gone = known_of(*weeks(12)), known_of(*batch, *weeks(12)[120:])

    assert adoption.quiet_answer(usual, adoption.steps_of(usual)).startswith("No quiet abandonment: 100%")
    assert "fewer items are looked at; 0% of" in adoption.quiet_answer(gone, adoption.steps_of(gone))


def test_people_are_counted_and_never_named():
    known = known_of(*weeks(10))

    said = adoption.people_answer(known, adoption.active_by_week(known))

    assert said.startswith("In the last 8 full weeks 1 to 1 people reviewed")
    assert said.endswith("can't tell yet, 4 of 20 reviewers needed.")
    assert "r0" not in said


def test_month_12_is_not_told_before_it_is_over():
    known = known_of(*weeks(20))
    months = adoption.months(known, adoption.steps_of(known))

    assert adoption.months_answer(months) == "Month 12 beside month 1: can't tell yet, month 12 is not over."


def test_a_change_from_month_1_to_month_12_is_told_in_points():
    known = known_of(*weeks(53, 20), *weeks(9, 20, final=150.0, reason="EXPERIENCE"))
    months = adoption.months(known, adoption.steps_of(known))

    assert "“accepted or informed” -" in adoption.months_answer(months)


@pytest.mark.parametrize("name", ["steps", "active", "months"])
def test_a_chart_asks_a_question_and_tells_its_counts(name):
    known = known_of(*weeks(53, 20))
    times = adoption.steps_of(known)
    chart = {
        "steps": lambda: adoption_charts.step_heat_map(adoption.cohorts(known, times)),
        "active": lambda: adoption_charts.active_chart(adoption.active_by_week(known)),
        "months": lambda: adoption_charts.months_chart(adoption.months(known, times)),
    }[name]().to_dict()
    tips = {tip["title"] for layer in chart["layer"] for tip in layer["encoding"].get("tooltip", [])}

    assert chart["title"]["text"].endswith("?")
    assert tips & {"Of", "People who decided something"}


def test_a_week_that_is_not_over_has_no_rate_in_the_chart():
    known = known_of(*weeks(3), forecast(0.2))
    rows = next(
        iter(
            adoption_charts.step_heat_map(adoption.cohorts(known, adoption.steps_of(known)))
            .to_dict()["datasets"]
            .values()
        )
    )

    labels = pd.DataFrame(rows).groupby("of", sort=False)["label"].agg(set)
    assert labels["31 Mar"] == {"…"}
    assert labels["24 Mar"] == {"100"}


def test_no_chart_has_a_field_that_vega_refuses():
    known = known_of(*weeks(53, 20))
    chart = adoption_charts.months_chart(adoption.months(known, adoption.steps_of(known))).to_dict()

    assert not any("then" in row for rows in chart["datasets"].values() for row in rows)

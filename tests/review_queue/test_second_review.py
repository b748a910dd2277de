"""Second reviews: which decisions get one, when two agree, and what a second reviewer sees. No database."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.items import Band, Item, Outcome, Stage, State, Verdict
from review_queue.second_review import WHY, agree, blinded, draw, follow_up, is_wanted
from review_queue.workflows import Policy
from tests.review_queue.test_rules import an_item

POLICY = Policy(key="k", title="t", unit="EUR", tolerance=0.01)
ALWAYS = POLICY.model_copy(update={"second_review_share": 1.0})


def a_verdict(value: float | None = 1000.0, outcome: Outcome = Outcome.ACCEPT_AI, **changes: object) -> Verdict:
    verdict = Verdict(outcome, value, False, State.DECIDED, next_level=0, next_stage=Stage.FIRST)
    return replace(verdict, **changes)


def following(
    item: Item, policy: Policy = ALWAYS, value: float = 1000.0, *, first: float | None = None, key: str = "key"
) -> Verdict:
    verdict = a_verdict(value, next_level=item.level, next_stage=item.stage)
    return follow_up(verdict, item, policy, key=key, first_value=first)


# --- which ---------------------------------------------------------------------------------------------------------


def test_without_a_share_and_a_value_no_decision_gets_a_second_review() -> None:
    assert following(an_item(), POLICY, 1e12) == a_verdict(1e12)


def test_with_a_share_of_one_every_final_decision_does() -> None:
    found = following(an_item())

    assert (found.next_state, found.next_stage, found.next_level) == (State.READY, Stage.SECOND, 0)
    assert found.is_provisional


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_so_many_of_the_decisions_get_one_as_the_policy_says(share: float) -> None:
    policy = POLICY.model_copy(update={"second_review_share": share})

    drawn = [is_wanted(a_verdict(), an_item(), policy, key=f"key-{number}") for number in range(5_000)]

    assert sum(drawn) / 5_000 == pytest.approx(share, abs=0.0 if share in (0, 1) else 0.02)


@pytest.mark.parametrize(
    ("value", "value_per_unit", "wanted"),
    [(5000.0, 1.0, False), (5000.1, 1.0, True), (-5000.1, 1.0, True), (2501.0, 2.0, True), (2500.0, 2.0, False)],
)
def test_a_value_in_money_beyond_the_policys_gets_one(value: float, value_per_unit: float, wanted: bool) -> None:
    policy = POLICY.model_copy(update={"second_review_above": 5000.0})

    assert is_wanted(a_verdict(value), an_item(value_per_unit=value_per_unit), policy, key="key") == wanted


def test_the_draw_is_even_and_the_same_for_the_same_key() -> None:
    drawn = [draw(f"key-{number}") for number in range(20_000)]

    assert drawn == [draw(f"key-{number}") for number in range(20_000)]
    assert all(0 <= number < 1 for number in drawn)
    assert sum(number < 0.05 for number in drawn) / 20_000 == pytest.approx(0.05, abs=0.005)
    # Kolmogorov–Smirnov: beyond 1.63 / √n in one of a hundred even samples.
    steps = [abs(number - rank / 20_000) for rank, number in enumerate(sorted(drawn))]
    assert max(steps) < 1.63 / math.sqrt(20_000)


@pytest.mark.parametrize("outcome", [Outcome.ESCALATE, Outcome.DEFER, Outcome.SEND_BACK])
@pytest.mark.parametrize("stage", Stage)
def test_what_only_moves_an_item_on_gets_no_second_review(outcome: Outcome, stage: Stage) -> None:
    verdict = a_verdict(None, outcome, next_state=State.READY, next_stage=stage)

    assert follow_up(verdict, an_item(stage=stage), ALWAYS, key="key", first_value=1.0) is verdict


# --- agreeing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "first", "same"),
    [
        (1000.0, 1000.0, True),
        (1000.0, 990.0, True),  # one percent of the larger
        (990.0, 1000.0, True),
        (1000.0, 989.9, False),
        (-1000.0, -990.0, True),
        (1.0, -1.0, False),
        (0.0, 0.0, True),
        (0.0, 0.001, False),
        (1000.0, None, False),
    ],
)
def test_two_values_are_the_same_within_the_tolerance(second: float, first: float | None, same: bool) -> None:
    assert agree(second, first, 0.01) == same


@settings(deadline=None)
@given(st.floats(1, 1e12), st.floats(0, 0.6), st.floats(0, 0.5), st.sampled_from([-1, 1]))
def test_it_does_not_matter_who_of_the_two_was_first(one: float, apart: float, tolerance: float, sign: int) -> None:
    one, other = sign * one, sign * one * (1 + apart)

    assert agree(one, other, tolerance) == agree(other, one, tolerance)


def test_where_the_two_agree_the_second_value_stands() -> None:
    found = following(an_item(stage=Stage.SECOND), value=1000.0, first=995.0)

    assert (found.next_state, found.final_value, found.is_provisional) == (State.DECIDED, 1000.0, False)


@pytest.mark.parametrize(("level", "up"), [(0, 1), (1, 2), (2, 2)])
def test_where_the_two_differ_it_is_settled_one_level_up(level: int, up: int) -> None:
    found = following(an_item(stage=Stage.SECOND, level=level), value=1000.0, first=900.0)

    assert (found.next_state, found.next_stage, found.next_level) == (State.READY, Stage.SETTLING, up)
    assert found.is_provisional


def test_what_settles_it_is_final_whatever_the_policy_draws() -> None:
    found = following(an_item(stage=Stage.SETTLING, level=1), value=1.0, first=900.0)

    assert (found.next_state, found.next_stage, found.is_provisional) == (State.DECIDED, Stage.SETTLING, False)


# --- blind ---------------------------------------------------------------------------------------------------------


def test_a_second_reviewer_sees_the_manual_forecast_and_nothing_that_tells_the_ais() -> None:
    item = an_item(stage=Stage.SECOND)

    seen = blinded(item)

    assert (seen.ai, seen.others) == (None, ())
    gap = seen.divergence
    assert [gap.gap, gap.money, gap.scale, gap.u, gap.symmetric] == [None] * 5
    assert (gap.band, gap.outside_interval, gap.flagged) == (Band.NO_SCALE, False, False)
    assert seen.standing.why == WHY
    assert (seen.manual, seen.content_hash, seen.fence) == (item.manual, item.content_hash, item.fence)


@pytest.mark.parametrize("stage", [Stage.FIRST, Stage.SETTLING])
def test_everybody_else_sees_the_whole_item(stage: Stage) -> None:
    item = an_item(stage=stage)

    assert blinded(item) is item

"""What makes a planted value surely wrong, and what is shown in its place (METHODS 4.8)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.checking import FAR_ENOUGH, Flaw, Planted, as_planted, is_caught, is_due, plant
from review_queue.items import Band, Lane, Outcome, Stage
from review_queue.workflows import Policy
from tests.review_queue import made_items
from tests.review_queue.made_items import a_choice

POLICY = Policy(key="k", title="K", unit="EUR k")


def an_item(**changes):
    ordinary = made_items.an_item()
    return replace(ordinary, **{"ai": replace(ordinary.ai, low=900.0, high=1100.0)} | changes)


def drawn(share, *, people=200, **changes):
    return sum(is_due(an_item(**changes), person_id=person, share=share) for person in range(people))


def test_a_check_is_drawn_for_about_the_share_that_is_asked_for():
    assert drawn(0.0) == 0
    assert 5 <= drawn(0.1) <= 40
    assert drawn(1.0) == 200


@pytest.mark.parametrize(
    "changes", [{"ai": None}, {"stage": Stage.SECOND}, {"withheld": "too_old"}, {"human_first": True}]
)
def test_no_check_where_the_ai_value_is_not_shown_as_it_is(changes):
    assert drawn(1.0, **changes) == 0


@settings(max_examples=20)
@given(
    st.integers(1, 10_000),
    st.none() | st.floats(-1e6, 1e6),
    st.none() | st.floats(-1e6, 1e6),
)
def test_a_planted_value_is_always_surely_wrong(item_id, stale, elsewhere):
    item = an_item(id=item_id)

    planted = plant(item, stale=stale, elsewhere=elsewhere)

    assert planted is not None
    assert abs(planted.value - item.ai.value) >= FAR_ENOUGH * item.divergence.scale
    assert planted.low <= planted.value <= planted.high


def test_every_flaw_is_planted_somewhere():
    found = {plant(an_item(id=number), stale=3000.0, elsewhere=90.0).flaw for number in range(100)}

    assert found == set(Flaw)


def test_all_that_follows_from_the_ai_value_follows_from_the_planted_one():
    item = an_item()  # AI 1,000, manual 1,200, usual miss 80

    shown = as_planted(item, Planted(Flaw.UNIT, 100.0, 90.0, 110.0), POLICY)

    gap = shown.divergence
    assert (shown.ai.value, gap.gap, gap.u, gap.band) == (100.0, 1100.0, 13.75, Band.EXTREME)
    assert (gap.outside_interval, gap.flagged, shown.standing.lane) == (True, True, Lane.JUDGEMENT)
    assert shown.standing.why[:2] == ("13.8 × usual miss", "1.1k EUR k at stake")
    assert shown.content_hash != item.content_hash
    assert (shown.manual, shown.id, shown.fence) == (item.manual, item.id, item.fence)


def test_a_turned_sign_is_opposite_to_the_manual_forecast():
    shown = as_planted(an_item(), Planted(Flaw.SIGN, -1000.0, -1100.0, -900.0), POLICY)

    assert shown.divergence.band is Band.OPPOSITE


@pytest.mark.parametrize(
    ("outcome", "final", "caught"),
    [
        (Outcome.ACCEPT_AI, 100.0, False),
        (Outcome.ADJUST, 100.5, False),  # inside the tolerance of 1 %: the wrong value all the same
        (Outcome.ADJUST, 1000.0, True),
        (Outcome.KEEP_MANUAL, 1200.0, True),
        (Outcome.ESCALATE, None, True),
        (Outcome.SEND_BACK, None, True),
    ],
)
def test_a_check_is_caught_by_whatever_does_not_let_its_value_through(outcome, final, caught):
    shown = as_planted(an_item(), Planted(Flaw.UNIT, 100.0, 90.0, 110.0), POLICY)

    assert is_caught(a_choice(outcome), shown, final) is caught

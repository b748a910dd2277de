"""The rules of review, without a database and without a clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from review_queue.errors import ChoiceInvalid, ClaimNotHeld, ItemNotOpen, ReasonRequired, StaleContent, UndoTooLate
from review_queue.items import (
    Act,
    Choice,
    Decision,
    Item,
    Outcome,
    Stage,
    State,
)
from review_queue.rules import check_undo, decide, is_override
from tests.review_queue.made_items import ADA, BECAUSE, BEN, NOON, a_choice, an_item


def decided(item: Item, choice: Choice):
    return decide(item, choice, reviewer_id=ADA, now=NOON)


def test_accepting_the_ai_takes_its_value_and_needs_no_reason():
    verdict = decided(an_item(), a_choice(Outcome.ACCEPT_AI))

    assert (verdict.final_value, verdict.is_override, verdict.next_state) == (1000.0, False, State.DECIDED)


def test_an_override_needs_a_reason():
    with pytest.raises(ReasonRequired, match="Item 7: an override needs a reason"):
        decided(an_item(), a_choice(Outcome.KEEP_MANUAL))


def test_keeping_the_manual_forecast_with_a_reason_is_an_override():
    verdict = decided(an_item(), a_choice(Outcome.KEEP_MANUAL, reason=BECAUSE))

    assert (verdict.final_value, verdict.is_override, verdict.reason) == (1200.0, True, BECAUSE)


@pytest.mark.parametrize(
    ("final", "override"), [(1010.0, False), (1010.1, True), (990.0, False), (989.9, True), (1000.0, False)]
)
def test_an_override_differs_from_the_ai_by_more_than_the_tolerance(final, override):
    assert is_override(final, 1000.0, 0.01) is override


def test_any_value_overrides_an_ai_forecast_of_zero_and_none_overrides_a_missing_one():
    assert is_override(0.1, 0.0, 0.01)
    assert not is_override(0.0, 0.0, 0.01)
    assert not is_override(5.0, None, 0.01)


def test_an_adjustment_inside_the_tolerance_needs_no_reason():
    verdict = decided(an_item(), a_choice(Outcome.ADJUST, value=1005.0))

    assert (verdict.final_value, verdict.is_override) == (1005.0, False)


def test_adjusting_to_the_ais_own_value_is_refused():
    with pytest.raises(ChoiceInvalid, match="that is the AI's value"):
        decided(an_item(), a_choice(Outcome.ADJUST, value=1000.0))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_an_adjustment_needs_a_number(value):
    with pytest.raises(ChoiceInvalid, match="type the final value"):
        decided(an_item(), a_choice(Outcome.ADJUST, value=value, reason=BECAUSE))


@pytest.mark.parametrize(("missing", "outcome"), [("ai", Outcome.ACCEPT_AI), ("manual", Outcome.KEEP_MANUAL)])
def test_a_forecast_that_is_missing_cannot_be_chosen(missing, outcome):
    with pytest.raises(ChoiceInvalid, match="there is no"):
        decided(an_item(**{missing: None}), a_choice(outcome, reason=BECAUSE))


def test_somebody_elses_claim_refuses_and_names_the_holder():
    with pytest.raises(ClaimNotHeld, match="Ben has item 7 now; nothing was saved"):
        decided(an_item(holder_id=BEN, holder_name="Ben"), a_choice(Outcome.ACCEPT_AI))


@pytest.mark.parametrize("changes", [{"fence": 2}, {"fence": 4}, {"round": 2}])
def test_a_choice_made_under_another_claim_is_refused(changes):
    with pytest.raises(ClaimNotHeld):
        decided(an_item(), a_choice(Outcome.ACCEPT_AI, **changes))


def test_an_expired_claim_that_nobody_took_over_still_saves():
    verdict = decided(an_item(expires_at=NOON - timedelta(hours=3)), a_choice(Outcome.ACCEPT_AI))

    assert verdict.next_state is State.DECIDED


def test_a_number_that_changed_since_it_was_seen_is_not_signed():
    with pytest.raises(StaleContent, match="changed while you were looking"):
        decided(an_item(content_hash="newer"), a_choice(Outcome.ACCEPT_AI))


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.LOCKED])
def test_a_withdrawn_or_locked_item_cannot_be_decided(state):
    with pytest.raises(ItemNotOpen, match=state.value):
        decided(an_item(state=state), a_choice(Outcome.ACCEPT_AI))


def test_escalating_moves_an_item_one_step_up_and_asks_why():
    verdict = decided(an_item(), a_choice(Outcome.ESCALATE, note="Above my authority."))

    assert (verdict.next_state, verdict.next_level) == (State.READY, 1)
    with pytest.raises(ChoiceInvalid, match="say why"):
        decided(an_item(), a_choice(Outcome.ESCALATE, note="  "))
    with pytest.raises(ChoiceInvalid, match="nobody above"):
        decided(an_item(level=2), a_choice(Outcome.ESCALATE, note="Too big."))


def test_sending_back_asks_what_is_needed():
    verdict = decided(an_item(), a_choice(Outcome.SEND_BACK, note="Which contract is this?"))

    assert verdict.next_state is State.SENT_BACK
    with pytest.raises(ChoiceInvalid, match="say what you need"):
        decided(an_item(), a_choice(Outcome.SEND_BACK))


def test_deferring_needs_a_date_ahead():
    monday = NOON + timedelta(days=3)

    verdict = decided(an_item(), a_choice(Outcome.DEFER, until=monday))

    assert (verdict.next_state, verdict.available_at) == (State.DEFERRED, monday)
    for until in (None, NOON):
        with pytest.raises(ChoiceInvalid, match="a date ahead"):
            decided(an_item(), a_choice(Outcome.DEFER, until=until))


def a_decision(**changes: object) -> Decision:
    decision = Decision(
        id=5,
        item_id=7,
        round=1,
        stage=Stage.FIRST,
        act=Act.DECIDE,
        outcome=Outcome.ACCEPT_AI,
        final_value=1000.0,
        is_override=False,
        reason_code=None,
        actor_id=ADA,
        actor_name="Ada",
        decided_at=NOON,
        supersedes=None,
        fence=3,
        idempotency_key="k",
    )
    return replace(decision, **changes)


def may_undo(item: Item, *, by: int = ADA, after: timedelta = timedelta(seconds=60)) -> None:
    check_undo(a_decision(), item, reviewer_id=by, now=NOON + after, seconds=60)


def test_a_decision_can_be_undone_for_sixty_seconds_and_not_after():
    item = an_item(state=State.DECIDED)

    may_undo(item)

    with pytest.raises(UndoTooLate, match="for 60 seconds"):
        may_undo(item, after=timedelta(seconds=60.001))


def test_only_its_author_undoes_a_decision_and_only_while_the_item_has_not_moved_on():
    with pytest.raises(UndoTooLate, match="only Ada"):
        may_undo(an_item(state=State.DECIDED), by=BEN)
    with pytest.raises(UndoTooLate, match="taken it up since"):
        may_undo(an_item(state=State.CLAIMED, fence=4))
    with pytest.raises(UndoTooLate, match="it is locked now"):
        may_undo(an_item(state=State.LOCKED))

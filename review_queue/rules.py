"""The rules of review: a choice in, a verdict or a refusal out. No database and no clock: both are passed in."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from review_queue.errors import (
    ChoiceInvalid,
    ClaimNotHeld,
    ItemNotOpen,
    ReasonRequired,
    StaleContent,
    UndoTooLate,
)
from review_queue.items import Choice, Decision, Item, Outcome, Stage, State, Verdict
from review_queue.reasons import check_reason
from review_queue.withholding import HIDDEN

#: The top of the escalation ladder: reviewer, director, workflow owner.
TOP_LEVEL = 2
NOTE_NEEDED = {
    Outcome.SEND_BACK: "say what you need before this can be decided.",
    Outcome.ESCALATE: "say why this needs somebody else.",
}


def decide(item: Item, choice: Choice, *, reviewer_id: int, now: datetime) -> Verdict:
    """Turn a reviewer's choice into a verdict.

    An expired claim that nobody has taken over still counts: the fence decides, not the clock. ``now`` (UTC)
    only tells whether a date to defer to lies ahead.

    Raises:
        ItemNotOpen: the item was withdrawn, locked, or has moved on.
        ClaimNotHeld: somebody else holds the item, or its claim is a newer one than the choice was made under.
        StaleContent: a number changed after the item was shown.
        ChoiceInvalid: the outcome lacks its value, note or date, or cannot be chosen here.
        ReasonRequired: the choice overrides the AI forecast and gives no reason.
    """
    _check_claim(item, choice, reviewer_id)
    if choice.content_hash != item.content_hash:
        raise StaleContent(item.id)
    if choice.outcome.is_final:
        return _final(item, choice)
    if choice.outcome in NOTE_NEEDED and not choice.note.strip():
        raise ChoiceInvalid(item.id, NOTE_NEEDED[choice.outcome])
    if choice.outcome is Outcome.ESCALATE:
        return _escalated(item)
    if choice.outcome is Outcome.DEFER:
        return _deferred(item, choice, now)
    return Verdict(choice.outcome, None, False, State.SENT_BACK, item.level, item.stage)


def final_verdict(item: Item, choice: Choice) -> Verdict:
    """What a final choice on ``item`` comes to, whoever holds it.

    Raises:
        ChoiceInvalid: the outcome lacks its value.
        ReasonRequired: the choice overrides the AI forecast and gives no reason.
    """
    return _final(item, choice)


def is_override(final: float, ai: float | None, tolerance: float) -> bool:
    """Whether ``final`` differs from the AI's value by more than ``tolerance`` (a share of it, 0 to 1)."""
    return ai is not None and abs(final - ai) > tolerance * abs(ai)


def check_undo(decision: Decision, item: Item, *, reviewer_id: int, now: datetime, seconds: int) -> None:
    """Whether ``decision`` may still be undone by ``reviewer_id`` at ``now`` (UTC).

    Raises:
        UndoTooLate: it is somebody else's, older than ``seconds``, or the item has moved on since.
    """
    if decision.actor_id != reviewer_id:
        raise UndoTooLate(item.id, f"only {decision.actor_name} can undo this decision.")
    if now > decision.decided_at + timedelta(seconds=seconds):
        raise UndoTooLate(item.id, f"a decision can be undone for {seconds} seconds. Ask a director to overturn it.")
    if item.state in (State.WITHDRAWN, State.LOCKED):
        raise UndoTooLate(item.id, f"it is {item.state} now, so the decision can no longer be undone.")
    if item.fence != decision.fence or item.round != decision.round:
        raise UndoTooLate(item.id, "somebody has taken it up since. Ask a director to overturn your decision.")


def _check_claim(item: Item, choice: Choice, reviewer_id: int) -> None:
    if item.state in (State.WITHDRAWN, State.LOCKED):
        raise ItemNotOpen(item.id, item.state)
    mine = item.state is State.CLAIMED and item.holder_id == reviewer_id
    if not mine or item.fence != choice.fence or item.round != choice.round:
        other = item.holder_name if item.state is State.CLAIMED and item.holder_id != reviewer_id else None
        raise ClaimNotHeld(item.id, holder=other)


def _final(item: Item, choice: Choice) -> Verdict:
    if item.awaits_number:
        raise ChoiceInvalid(item.id, "name your own number first; the AI's is shown then.")
    value = _final_value(item, choice)
    override = is_override(value, item.ai.value if item.ai else None, item.tolerance)
    # In a blind review everyone gives a reason: asked only of some, it would tell them the AI's value.
    if choice.reason is None and (override or item.stage is Stage.SECOND):
        raise ReasonRequired(item.id, is_blind=item.stage is Stage.SECOND)
    if choice.reason is not None:
        check_reason(item.id, choice.reason)
    return Verdict(choice.outcome, value, override, State.DECIDED, item.level, item.stage, reason=choice.reason)


def _final_value(item: Item, choice: Choice) -> float:
    is_blind = item.stage is Stage.SECOND
    if is_blind and choice.outcome is Outcome.ACCEPT_AI:
        raise ChoiceInvalid(item.id, "a second review is blind. Keep the manual forecast, or type a value of your own.")
    if choice.outcome is Outcome.ADJUST:
        if choice.value is None or not math.isfinite(choice.value):
            raise ChoiceInvalid(item.id, "type the final value first, as a number.")
        if item.ai is not None and choice.value == item.ai.value and not is_blind:
            raise ChoiceInvalid(item.id, "that is the AI's value. Accept it, or type another.")
        return choice.value
    forecast = item.ai if choice.outcome is Outcome.ACCEPT_AI else item.manual
    if forecast is None and choice.outcome is Outcome.ACCEPT_AI and item.withheld in HIDDEN:
        raise ChoiceInvalid(item.id, "the AI's value is withheld here. Keep the manual forecast, or type your own.")
    if forecast is None:
        whose = "AI" if choice.outcome is Outcome.ACCEPT_AI else "manual"
        raise ChoiceInvalid(
            item.id, f"there is no {whose} forecast here. Adjust to a value of your own, or send it back."
        )
    return forecast.value


def _escalated(item: Item) -> Verdict:
    if item.level >= TOP_LEVEL:
        raise ChoiceInvalid(
            item.id, "it already lies with the workflow owner; there is nobody above. Decide or send back."
        )
    return Verdict(Outcome.ESCALATE, None, False, State.READY, item.level + 1, item.stage)


def _deferred(item: Item, choice: Choice, now: datetime) -> Verdict:
    if choice.until is None or choice.until <= now:
        raise ChoiceInvalid(item.id, "choose a date ahead to come back to this.")
    return Verdict(Outcome.DEFER, None, False, State.DEFERRED, item.level, item.stage, available_at=choice.until)

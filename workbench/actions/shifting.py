"""Timing shifts: value that moves to another period, which gets the opposite entry in the same transaction."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from review_queue.errors import ChoiceInvalid, UndoTooLate
from review_queue.items import Act, Choice, Decision, Item, Outcome, Reason, Stage, State, Verdict
from review_queue.roles import Principal, Task
from review_queue.rules import final_verdict
from review_queue.withholding import as_shown
from storage import decisions, notes, one_item, outbox, queue
from storage.decisions import Past
from storage.workflows import Workflow
from workbench.actions.deciding import note, server_of

TIMING = "DEAL_TIMING"


def write_opposite(
    session: Session,
    who: Principal,
    workflow: Workflow,
    item: Item,
    decision: Decision,
    reason: Reason | None,
    *,
    may_overturn: bool = False,
) -> None:
    """Move what a decision on ``item`` added or took away to or from the period that its reason names.

    Nothing happens if the reason is no timing shift, names no period, or the value does not hold yet. The other
    period's number is its decided value, else its AI's, else the manual one.

    Args:
        may_overturn: change the other period's value even if it was decided already.

    Raises:
        ChoiceInvalid: the AI has no value here, or there is no such period, number or open item to shift to.
    """
    if reason is None or reason.code != TIMING or not reason.paired_period or decision.is_provisional:
        return
    if decision.final_value is None or decision.replayed:
        return
    if item.ai is None:
        raise ChoiceInvalid(item.id, "without an AI forecast there is nothing that a shift could be measured from.")
    pair = _pair_of(session, who, item, reason.paired_period)
    key = hashlib.sha256(f"opposite of {decision.idempotency_key}".encode()).hexdigest()[:32]
    past = decisions.past(session, pair, who.person_id, key=key)
    moved = decision.final_value - item.ai.value
    entry = Reason(
        TIMING,
        text=f"The other half of {item.series}, {item.period}: {reason.text}".rstrip(": "),
        direction="timing",
        paired_period=item.period,
    )
    choice = Choice(
        item_id=pair.id,
        outcome=Outcome.ADJUST,
        fence=pair.fence,
        round=pair.round,
        content_hash=pair.content_hash,
        idempotency_key=key,
        value=_number_of(pair, past) - moved,
        reason=entry,
        mode="opposite",
    )
    if pair.state is State.DECIDED:
        if not may_overturn:
            raise ChoiceInvalid(
                item.id, f"{pair.period} is decided already. A director can shift value there on the Reconcile page."
            )
        _overturn(session, who, workflow, pair, choice, past, opposite_of=decision.id)
        return
    _decide(session, who, workflow, pair, choice, opposite_of=decision.id)


def overturn(session: Session, who: Principal, workflow: Workflow, item: Item, choice: Choice, past: Past) -> Decision:
    """Put another value in the place of what was decided on a locked, decided item; the first stays on record."""
    return _overturn(session, who, workflow, item, choice, past, opposite_of=None)


def undo_opposite(session: Session, who: Principal, workflow: Workflow, done: Decision, *, key: str) -> None:
    """Take the other half of an undone timing shift back too.

    Raises:
        UndoTooLate: something else happened to the other half since.
    """
    opposite = decisions.opposite_of(session, done.id)
    if opposite is None:
        return
    pair = one_item.get(session, opposite.item_id, who, Task.REVIEW, lock=True)
    past = decisions.past(session, pair, who.person_id)
    if past.standing is None or past.standing.id != opposite.id or pair.state is not State.DECIDED:
        raise UndoTooLate(done.item_id, f"its other half in {pair.period} has moved on since. Reconcile both instead.")
    now, ttl = past.now, timedelta(minutes=workflow.policy.claim_minutes)
    claim = queue.reclaim(session, who, pair, level=pair.level, stage=opposite.stage, now=now, ttl=ttl)
    again = replace(pair, fence=claim.fence, stage=opposite.stage)
    other_key = hashlib.sha256(f"opposite of {key}".encode()).hexdigest()[:32]
    undo_id = decisions.record_undo(
        session, again, opposite, key=other_key, actor_id=who.person_id, workflow=workflow, now=now
    )
    details = {"undone": opposite.id, "fence": claim.fence}
    note(session, "decision.undone", who, workflow, pair.id, undo_id, details)
    outbox.decision_undone(session, pair, undo_id, opposite.id)
    queue.release(session, who, pair.id, claim.fence, now=now)
    note(session, "item.released", who, workflow, pair.id, details={"fence": claim.fence})


def _pair_of(session: Session, who: Principal, item: Item, period: str) -> Item:
    pair_id = one_item.of_series(session, item.series_id, period)
    if pair_id is None or pair_id == item.id:
        raise ChoiceInvalid(item.id, f"{item.series} has no item in {period} to shift to. Choose another period.")
    pair = one_item.get(session, pair_id, who, Task.REVIEW, lock=True)
    if pair.state in (State.LOCKED, State.WITHDRAWN):
        raise ChoiceInvalid(item.id, f"{period} is {pair.state}, so nothing can be shifted there.")
    if pair.stage is not Stage.FIRST and pair.state is not State.DECIDED:
        raise ChoiceInvalid(item.id, f"{period} is in a second review. Shift value there once that is over.")
    return as_shown(pair, has_named=True)  # a withheld value is nobody's number


def _number_of(pair: Item, past: Past) -> float:
    standing = past.standing
    if standing is not None and standing.final_value is not None and not standing.is_provisional:
        return standing.final_value
    forecast = pair.ai or pair.manual
    if forecast is None:
        raise ChoiceInvalid(pair.id, f"{pair.period} has no number yet, so nothing can be shifted there.")
    return forecast.value


def _decide(
    session: Session, who: Principal, workflow: Workflow, pair: Item, choice: Choice, *, opposite_of: int
) -> None:
    past = decisions.past(session, pair, who.person_id)
    ttl = timedelta(minutes=workflow.policy.claim_minutes)
    claim = queue.take_over(session, server_of(session, who, past.now), pair.id, now=past.now, ttl=ttl)
    if claim is None:
        has_it = f"{pair.holder_name} has" if pair.holder_name else "You cannot take"
        raise ChoiceInvalid(pair.id, f"{has_it} the other half, {pair.period}, so the shift was not saved. Try later.")
    note(session, "item.claimed", who, workflow, pair.id, details={"fence": claim.fence})
    held = one_item.get(session, pair.id, who, Task.REVIEW)
    verdict = final_verdict(held, choice)
    queue.complete(session, who, held, verdict, now=past.now)
    choice = replace(choice, fence=claim.fence)
    decision_id = decisions.record(
        session,
        held,
        choice,
        verdict,
        actor_id=who.person_id,
        workflow=workflow,
        before=past,
        opposite_of=opposite_of,
    )
    details = {"outcome": choice.outcome, "fence": claim.fence, "round": held.round, "stage": held.stage}
    note(session, "decision.made", who, workflow, pair.id, decision_id, details)
    outbox.decision_made(session, held, verdict, decision_id)
    notes.drop_draft(session, pair.id, who.person_id)


def _overturn(
    session: Session,
    who: Principal,
    workflow: Workflow,
    item: Item,
    choice: Choice,
    past: Past,
    *,
    opposite_of: int | None,
) -> Decision:
    assert past.standing is not None  # noqa: S101 -- the item is decided
    verdict: Verdict = final_verdict(item, choice)
    decision_id = decisions.record(
        session,
        item,
        choice,
        verdict,
        actor_id=who.person_id,
        workflow=workflow,
        before=past,
        act=Act.OVERTURN,
        opposite_of=opposite_of,
    )
    details = {"outcome": choice.outcome, "overturned": past.standing.id, "fence": item.fence, "round": item.round}
    note(session, "decision.overturned", who, workflow, item.id, decision_id, details)
    outbox.decision_overturned(session, item, verdict, decision_id, past.standing.id)
    overturned = decisions.by_id(session, decision_id)
    assert overturned is not None  # noqa: S101 -- written a moment ago in this transaction
    return overturned

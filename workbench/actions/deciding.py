"""How a choice becomes a decision, inside a transaction that somebody else owns.

One reviewer's choice and each item of a batch go through here: the rule, the fence, the decision, the audit event and
the outbox event, all or none.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from review_queue import second_review
from review_queue.errors import ClaimNotHeld, ItemAlreadyDecided, KeyReused
from review_queue.items import Act, Choice, Decision, Item, Stage, State
from review_queue.roles import Principal
from review_queue.rules import decide
from storage import absences, audit, decisions, notes, outbox, queue
from storage.engine import database_now
from storage.serving import Server
from storage.workflows import Workflow


def answered_before(session: Session, key: str, fingerprint: str) -> Decision | None:
    """The decision that came under this key before, marked ``replayed``.

    Raises:
        KeyReused: the key came before with another request.
    """
    found = decisions.by_key(session, key)
    if found is None:
        return None
    decision, stored = found
    if stored != fingerprint:
        raise KeyReused(decision.item_id)
    return replace(decision, replayed=True)


def settle(session: Session, who: Principal, workflow: Workflow, item: Item, choice: Choice) -> Decision:
    """Decide a locked item, with everything that belongs to it.

    Raises:
        ItemAlreadyDecided: somebody decided this round already.
        ClaimNotHeld, StaleContent, ReasonRequired, ChoiceInvalid, ItemNotOpen: see ``rules.decide``.
    """
    now = database_now(session)
    last = decisions.standing(session, item.id, item.round)
    if last is not None and _is_settled(item, last, who):
        by = "you" if last.actor_id == who.person_id else last.actor_name
        raise ItemAlreadyDecided(item.id, by=by, at=last.decided_at, decision_id=last.id)
    verdict = decide(item, choice, reviewer_id=who.person_id, now=now)
    first = decisions.last_final(session, item.id, item.round, Stage.FIRST) if item.stage is Stage.SECOND else None
    verdict = second_review.follow_up(
        verdict,
        item,
        workflow.policy,
        key=choice.idempotency_key,
        first_value=first.final_value if first else None,
    )
    if not queue.complete(session, who, item, verdict, now=now):
        raise ClaimNotHeld(item.id, holder=item.holder_name)
    supersedes = decisions.chain_end(session, item.id, item.round) if last is not None else None
    decision_id = decisions.record(
        session, item, choice, verdict, actor_id=who.person_id, workflow=workflow, supersedes=supersedes, now=now
    )
    details = {"outcome": choice.outcome, "fence": item.fence, "round": item.round, "stage": item.stage}
    note(session, "decision.made", who, workflow, item.id, decision_id, details)
    if verdict.outcome.is_final and not verdict.is_provisional:
        outbox.decision_made(session, item, verdict, decision_id)
    notes.drop_draft(session, item.id, who.person_id)
    return stored(session, decision_id)


def server_of(session: Session, who: Principal, now: datetime) -> Server:
    """The person as the queue serves them: with those in whose place they decide today."""
    return Server(who, absences.stood_in_for(session, who.person_id, now=now))


def stored(session: Session, decision_id: int) -> Decision:
    decision = decisions.by_id(session, decision_id)
    assert decision is not None  # noqa: S101 -- written a moment ago in this transaction
    return decision


def note(
    session: Session,
    action: str,
    who: Principal,
    workflow: Workflow,
    item_id: int,
    decision_id: int | None = None,
    details: dict[str, Any] | None = None,
) -> None:
    """Put an act on an item on record."""
    audit.record(
        session,
        action,
        actor_id=who.person_id,
        workflow_id=workflow.id,
        item_id=item_id,
        decision_id=decision_id,
        details=details,
    )


def _is_settled(item: Item, last: Decision, who: Principal) -> bool:
    """Whether there is nothing left to decide, for anybody or for this person."""
    if item.state is State.DECIDED:
        return True
    is_own = last.act is Act.DECIDE and last.is_provisional and last.actor_id == who.person_id
    in_hand = item.state is State.CLAIMED and item.holder_id == who.person_id
    return is_own and not in_hand

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
from review_queue.items import Act, Choice, Decision, Item, Outcome, Stage, State, Verdict
from review_queue.notices import News
from review_queue.roles import Principal
from review_queue.rules import decide
from review_queue.withholding import as_shown, is_named_first
from storage import absences, audit, commitments, decisions, notes, notifications, outbox, queue
from storage.decisions import Past
from storage.serving import Server
from storage.workflows import Workflow
from workbench.actions import hearing

#: Ways of deciding in which a number is named before the AI's is shown; elsewhere totals have given it away.
NAMED_IN = ("ai_first",)


def answered_before(past: Past, fingerprint: str) -> Decision | None:
    """The decision that came under the key before, marked ``replayed``.

    Raises:
        KeyReused: the key came before with another request.
    """
    if past.answered is None:
        return None
    decision, stored = past.answered
    if stored != fingerprint:
        raise KeyReused(decision.item_id)
    return replace(decision, replayed=True)


def settle(session: Session, who: Principal, workflow: Workflow, item: Item, choice: Choice, past: Past) -> Decision:
    """Decide a locked item with that past, and everything that belongs to it.

    Raises:
        ItemAlreadyDecided: somebody decided this round already.
        SourcesInDoubt: the AI's value is accepted without a word where the sources leave too much doubt for that.
        ClaimNotHeld, StaleContent, ReasonRequired, ChoiceInvalid, ItemNotOpen: see ``rules.decide``.
    """
    now, last = past.now, past.standing
    if last is not None and _is_settled(item, last, who):
        by = "you" if last.actor_id == who.person_id else last.actor_name
        raise ItemAlreadyDecided(item.id, by=by, at=last.decided_at, decision_id=last.id)
    named = commitments.of(session, item, who.person_id) if is_named_first(item) else None
    item = as_shown(item, has_named=named is not None or choice.mode not in NAMED_IN)
    verdict = decide(item, choice, reviewer_id=who.person_id, now=now)
    doubt = hearing.check_doubt(session, workflow, item, choice)
    first = past.last_final(Stage.FIRST) if item.stage is Stage.SECOND else None
    verdict = second_review.follow_up(
        verdict,
        item,
        workflow.policy,
        key=choice.idempotency_key,
        first_value=first.final_value if first else None,
    )
    if not queue.complete(session, who, item, verdict, now=now):
        raise ClaimNotHeld(item.id, holder=item.holder_name)
    decision_id = decisions.record(
        session, item, choice, verdict, actor_id=who.person_id, workflow=workflow, before=past, named=named
    )
    details = {"outcome": choice.outcome, "fence": item.fence, "round": item.round, "stage": item.stage}
    if doubt is not None:
        details["doubt"] = doubt
    note(session, "decision.made", who, workflow, item.id, decision_id, details)
    if verdict.outcome.is_final and not verdict.is_provisional:
        outbox.decision_made(session, item, verdict, decision_id)
        _tell_who_escalated(session, who, item, past)
    notes.drop_draft(session, item.id, who.person_id)
    return _as_stored(decision_id, who, item, choice, verdict, past)


def _tell_who_escalated(session: Session, who: Principal, item: Item, past: Past) -> None:
    """Tell those who had passed the item up in this round that it is decided."""
    undone = {each.supersedes for each in past.decisions if each.act is Act.UNDO}
    passed_up = [each for each in past.decisions if each.outcome is Outcome.ESCALATE and each.id not in undone]
    sentence = f"{who.name} decided {item.series} · {item.period}, which you had escalated."
    whose = [each.actor_id for each in passed_up]
    notifications.notify(session, whose, item.workflow_id, News.SETTLED, sentence, item.id, by=who.person_id)


def _as_stored(decision_id: int, who: Principal, item: Item, choice: Choice, verdict: Verdict, past: Past) -> Decision:
    """The decision as it would be read back, which nobody has to wait for."""
    return Decision(
        id=decision_id,
        item_id=item.id,
        round=item.round,
        stage=item.stage,
        act=Act.DECIDE,
        outcome=verdict.outcome,
        final_value=verdict.final_value,
        is_override=verdict.is_override,
        reason_code=verdict.reason.code if verdict.reason else None,
        actor_id=who.person_id,
        actor_name=who.name,
        decided_at=past.now,
        supersedes=past.chain_end,
        fence=choice.fence,
        idempotency_key=choice.idempotency_key,
        note=choice.note.strip(),
        is_provisional=verdict.is_provisional,
    )


def server_of(session: Session, who: Principal, now: datetime) -> Server:
    """The person as the queue serves them: with those in whose place they decide today."""
    return Server(who, absences.stood_in_for(session, who.person_id, now=now))


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

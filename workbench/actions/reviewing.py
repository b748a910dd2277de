"""What a reviewer does: take an item, decide, undo, skip, comment. One transaction each, no Streamlit.

Each action reads the person's grants again inside its transaction: what the page believed does not count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from review_queue.checking import as_planted
from review_queue.errors import ChoiceInvalid, ClaimNotHeld, ItemNotFound, NotReady, UndoTooLate
from review_queue.items import Act, Choice, Claim, Decision, Item, Outcome, Reason, SkipReason, Stage, State
from review_queue.notices import News
from review_queue.roles import Principal, Task
from review_queue.rules import check_undo
from review_queue.second_review import blinded
from review_queue.withholding import as_shown, because, is_named_first, stands_in
from storage import (
    assignments,
    audit,
    checks,
    commitments,
    decisions,
    notes,
    notifications,
    one_item,
    outbox,
    people,
    placing,
    queue,
    workflows,
)
from storage.commitments import Commitment
from storage.decisions import Past
from storage.engine import Database, database_now
from storage.placing import Surroundings
from storage.queue import Hand, PassedUp
from storage.tree import path_of
from storage.workflows import Workflow
from workbench.actions import checking, hearing, shifting
from workbench.actions.again import again
from workbench.actions.deciding import answered_before, note, server_of, settle
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen
from workbench.stopping import doors

#: How many items are put in order in one transaction, so that no click waits long for it.
PLACED_AT_ONCE = 2_000
#: For how long what items are placed against is taken as known: working it out looks at every item.
AROUND_FOR = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies in front of a reviewer: the item, whether it is theirs to decide, and what they had typed."""

    item: Item
    mine: bool
    draft: dict[str, Any]
    opened_at: datetime  #: UTC, by the database's clock
    last: Decision | None = None  #: the newest decision of this round that stands, final or not
    withheld: str = ""  #: why the AI's value is not shown, or not as one of today, in a sentence
    stand_in: float | None = None  #: the naive forecast, where it takes the place of the AI's value
    named: Commitment | None = None  #: the number that they named before the AI's was shown
    is_check: bool = False  #: the AI's value is planted, and what is chosen meets a check item
    is_after_check: bool = False  #: the person met a check on this item before
    doubt: str = ""  #: why the AI's value is not accepted at one press, in a clause


def keep_order(database: Database, known: dict[int, Surroundings]) -> None:
    """Work lanes and scores out again where the clock has moved them on, and wake what was put off until now.

    The server calls this beside its work, so that no reviewer's click waits for it; some items a transaction.

    Args:
        known: what items were placed against the last time, workflow by workflow; kept up to date here.
    """
    with database.reading() as session:
        every = workflows.all(session)
    for workflow in every:
        with database.writing() as session:
            queue.wake(session, workflow.id, now=database_now(session))
        with database.reading() as session:
            around = _around(session, workflow, known.get(workflow.id))
        known[workflow.id] = around
        looked_at = PLACED_AT_ONCE
        while looked_at == PLACED_AT_ONCE:
            doors.check()
            with database.writing() as session:
                looked_at = placing.place_due(
                    session, workflow, around, now=database_now(session), limit=PLACED_AT_ONCE
                )


def _around(session: Session, workflow: Workflow, known: Surroundings | None) -> Surroundings:
    now = database_now(session)
    if known and known.policy_version == workflow.policy_version and now - known.at < AROUND_FOR:
        return known
    return placing.surroundings(session, workflow, now)


@again(in_doubt=True)
def take_next(database: Database, *, person_id: int, workflow: Workflow) -> Desk | None:
    """The item that this person already holds, else the next one claimed for them; None when nothing waits.

    What they skipped a while ago comes again only when there is nothing else.

    Raises:
        NotReady: the workflow is not open for review.
        NotAllowed: the person may not review.
    """
    with database.writing() as session:
        who = _reviewer(session, person_id, workflow)
        return _next(session, who, workflow)


@again(in_doubt=True)
def open_item(database: Database, *, person_id: int, workflow: Workflow, item_id: int) -> Desk:
    """The item in front of this person: claimed for them when it can be, else to read, with who has it.

    Raises:
        ItemNotFound: there is none, or it lies outside the person's scope.
    """
    with database.writing() as session:
        who = people.principal(session, person_id, in_turn=True)
        item = one_item.get(session, item_id, who, lock=True)
        if item.workflow_id != workflow.id:
            raise ItemNotFound(item_id)
        if who.may(Task.REVIEW, item.workflow_id) and not workflow.missing_for_review():
            _claim_this(session, who, workflow, item)
        return _desk(session, who, workflow, item_id)


@again(in_doubt=True)
def submit_decision(database: Database, *, person_id: int, workflow: Workflow, choice: Choice) -> Decision:
    """Store a reviewer's choice: decision, reason, item, audit event and outbox event together, or nothing.

    The same key with the same content answers with the first decision, marked ``replayed``.

    Raises:
        KeyReused: the key came before with other content.
        ItemAlreadyDecided: somebody decided this round already.
        ClaimNotHeld, StaleContent, ReasonRequired, ChoiceInvalid, ItemNotOpen: see ``rules.decide``.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, choice.item_id, who, Task.REVIEW, lock=True)
        past = decisions.past(session, item, person_id, key=choice.idempotency_key)
        fingerprint = decisions.hash_of_choice(person_id, choice)
        repeated = answered_before(past, fingerprint)
        if repeated is not None:
            return repeated
        done = settle(session, who, workflow, item, choice, past)
        shifting.write_opposite(session, who, workflow, item, done, _shift_of(session, choice, past, done))
        return done


@again(in_doubt=True)
def name_number(
    database: Database, *, person_id: int, workflow: Workflow, item_id: int, fence: int, value: float, knew_more: bool
) -> Desk:
    """Commit to a number before the AI's is shown; the item then, whole. It is named once a round.

    Raises:
        ClaimNotHeld: the item is no longer in the person's hands.
        ChoiceInvalid: the value is no number, or another one was named before.
    """
    if not math.isfinite(value):
        raise ChoiceInvalid(item_id, "type your number first.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, item_id, who, Task.REVIEW, lock=True)
        if item.state is not State.CLAIMED or (item.holder_id, item.fence) != (person_id, fence):
            raise ClaimNotHeld(item_id, holder=item.holder_name if item.state is State.CLAIMED else None)
        before = commitments.of(session, item, person_id)
        if before is None and is_named_first(item):
            commitments.add(session, item, person_id, value=value, knew_more=knew_more)
            note(session, "number.named", who, workflow, item_id, details={"value": value, "knew_more": knew_more})
        elif before is not None and before.value != value:
            raise ChoiceInvalid(item_id, f"you named {before.value:,.6g} before you saw the AI's, and that stands.")
        return _desk(session, who, workflow, item_id)


@again(in_doubt=True)
def undo(database: Database, *, person_id: int, workflow: Workflow, decision_id: int, key: str) -> Decision:
    """Take a decision of one's own back within the policy's seconds; the item is in one's hands again, draft and all.

    Raises:
        UndoTooLate: too old, superseded, somebody else's, or the item has moved on.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        done = decisions.by_id(session, decision_id)
        if done is None:
            raise UndoTooLate(0, "there is no such decision.")
        item = one_item.get(session, done.item_id, who, Task.REVIEW, lock=True)
        past = decisions.past(session, item, person_id, key=key)
        repeated = answered_before(past, decisions.request_hash(person_id, {"undo": decision_id}))
        if repeated is not None:
            return repeated
        _check_undo(done, item, who, workflow, past)
        return _undo(session, who, workflow, item, done, key)


@again(in_doubt=True)
def undoable(database: Database, *, person_id: int, workflow: Workflow) -> Decision | None:
    """This person's last decision, while it can still be undone."""
    with database.reading() as session:
        people.principal(session, person_id)
        since = database_now(session) - timedelta(seconds=workflow.policy.undo_seconds)
        return decisions.undoable(session, person_id, workflow.id, since=since)


@again(in_doubt=True)
def skip_item(
    database: Database, *, person_id: int, item_id: int, fence: int, reason: SkipReason, note: str = ""
) -> None:
    """Give an item back to the queue undecided, saying why. The draft is kept; a repetition changes nothing.

    Raises:
        ItemNotFound: there is none, or it lies outside the person's scope.
        ClaimNotHeld: the claim was given back or taken over before, so the reason is not stored.
        ChoiceInvalid: the reason is "other", and the note does not say which.
    """
    if reason is SkipReason.OTHER and not note.strip():
        raise ChoiceInvalid(item_id, "say in a few words why you skip it.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, item_id, who, lock=True)
        if assignments.is_skipped(session, item_id, person_id, fence):
            return
        if not queue.release(session, who, item_id, fence, now=database_now(session)):
            raise ClaimNotHeld(item_id, holder=item.holder_name if item.state is State.CLAIMED else None)
        assignments.skip(session, item, person_id, fence, reason, note.strip())
        audit.record(
            session,
            "item.skipped",
            actor_id=person_id,
            workflow_id=item.workflow_id,
            item_id=item_id,
            details={"fence": fence, "reason": reason},
        )


@again(in_doubt=True)
def renew_claim(database: Database, *, person_id: int, workflow: Workflow, item_id: int, fence: int) -> bool:
    """Keep holding an item while its page is open; false when somebody else has it."""
    with database.writing() as session:
        who = people.principal(session, person_id)
        return queue.renew(session, who, item_id, fence, now=database_now(session), ttl=_ttl(workflow))


@again(in_doubt=True)
def save_draft(database: Database, *, person_id: int, item: Item, body: dict[str, Any]) -> None:
    """Keep what a reviewer has typed so far; it survives a reload, another tab, another replica."""
    with database.writing() as session:
        who = people.principal(session, person_id)
        one_item.get(session, item.id, who, Task.REVIEW)
        notes.save_draft(session, item.id, person_id, item.round, body)


@again(in_doubt=True)
def open_evidence(database: Database, *, person_id: int, item: Item, panel: str) -> None:
    """Note that a reviewer looked behind the figures."""
    with database.writing() as session:
        who = people.principal(session, person_id)
        one_item.get(session, item.id, who)
        notes.evidence_opened(session, item.id, person_id, item.fence, panel)


@again(in_doubt=False)
def comment(
    database: Database, *, person_id: int, item_id: int, body: str, mentioned: Collection[int] = ()
) -> list[str]:
    """Leave a remark on an item for whoever looks at it next; the names of those whom it mentions.

    Mentioned are the people in ``mentioned`` (ids), and whoever is written as @Name, if they may see the item.
    """
    if not body.strip():
        raise ChoiceInvalid(item_id, "write the comment first.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, item_id, who, Task.REVIEW)
        others = [person for person in _who_see(session, item) if person.person_id != person_id]
        named = _named(body, {person.name for person in others})
        told = [person for person in others if person.person_id in mentioned or person.name in named]
        told_ids = [person.person_id for person in told]
        notes.add_comment(session, item_id, person_id, body.strip(), told_ids)
        named_here = f"{who.name} mentioned you on {item.series} · {item.period}."
        notifications.notify(session, told_ids, item.workflow_id, News.MENTIONED, named_here, item_id, by=person_id)
        audit.record(
            session,
            "item.commented",
            actor_id=person_id,
            workflow_id=item.workflow_id,
            item_id=item_id,
            details={"mentioned": told_ids},
        )
        return [person.name for person in told]


@again(in_doubt=True)
def read_comments(database: Database, *, person_id: int, item_id: int) -> None:
    """Note that this person has read what was written on the item, so that mentions there no longer wait."""
    with database.writing() as session:
        one_item.require_visible(session, people.principal(session, person_id), item_id)
        notes.mentions_seen(session, item_id, person_id)
        notifications.mentions_seen(session, person_id, item_id)


@notes_refusals
def mentionable(database: Database, *, person_id: int, item_id: int) -> dict[int, str]:
    """Whom a comment on the item can mention: everybody else who may see it, id → name."""
    with database.reading() as session:
        item = one_item.get(session, item_id, people.principal(session, person_id))
        return {who.person_id: who.name for who in _who_see(session, item) if who.person_id != person_id}


def _who_see(session: Session, item: Item) -> list[Principal]:
    path = path_of(item.segments)
    return [
        who
        for who in people.who_may(session, Task.SEE_QUEUE, item.workflow_id)
        if who.may_at(Task.SEE_QUEUE, item.workflow_id, path)
    ]


def _named(body: str, names: Collection[str]) -> set[str]:
    """Those of the names that stand in the text as @name, as a whole, in small or capital letters.

    Where one name begins another, the longer one that fits is meant.
    """
    if not names:
        return set()
    any_of = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    said = {name.casefold() for name in re.findall(rf"(?<!\w)@({any_of})(?!\w)", body, re.IGNORECASE)}
    return {name for name in names if name.casefold() in said}


def _reviewer(session: Session, person_id: int, workflow: Workflow) -> Principal:
    who = people.principal(session, person_id, in_turn=True)
    who.require(Task.REVIEW, workflow.id)
    missing = workflow.missing_for_review()
    if missing:
        raise NotReady(workflow.title, ", ".join(missing))
    return who


def _next(session: Session, who: Principal, workflow: Workflow) -> Desk | None:
    hand, ttl = queue.in_hand(session, who, workflow.id), _ttl(workflow)
    now, held = hand.now, hand.first
    if held is not None:
        item = one_item.get(session, held.item_id, who, lock=True)
        queue.renew(session, who, held.item_id, item.fence, now=now, ttl=ttl)
        return _desk(session, who, workflow, held.item_id)
    claim, passed_up = queue.claim_next(session, server_of(session, who, now), workflow.id, now=now, ttl=ttl)
    for passed in passed_up:
        _passed_up(session, workflow, passed)
    if claim is None:
        return None
    _claimed(session, who, workflow, claim, hand)
    return _desk(session, who, workflow, claim.item_id)


def _claim_this(session: Session, who: Principal, workflow: Workflow, item: Item) -> None:
    hand = queue.in_hand(session, who, workflow.id)
    now = hand.now
    if item.state is State.CLAIMED and item.holder_id == who.person_id:
        queue.renew(session, who, item.id, item.fence, now=now, ttl=_ttl(workflow))
        return
    claim = queue.claim_this(session, server_of(session, who, now), item.id, now=now, ttl=_ttl(workflow))
    if claim is not None:
        _claimed(session, who, workflow, claim, hand)


def _claimed(session: Session, who: Principal, workflow: Workflow, claim: Claim, hand: Hand) -> None:
    """Put a claim on record, and give back the oldest of what was in hand before, where that makes too many."""
    note(session, "item.claimed", who, workflow, claim.item_id, details={"fence": claim.fence})
    _give_back_surplus(session, who, workflow, hand)
    checking.plant_if_due(session, who, workflow, claim.item_id)


def _give_back_surplus(session: Session, who: Principal, workflow: Workflow, before: Hand) -> None:
    surplus = len(before.held) + 1 - workflow.policy.wip_limit
    for held in before.held[: max(surplus, 0)]:
        if queue.release(session, who, held.item_id, held.fence, now=before.now):
            because = {"because": "too many held"}
            note(session, "item.released", who, workflow, held.item_id, details=because)


def _passed_up(session: Session, workflow: Workflow, item: PassedUp) -> None:
    audit.record(
        session,
        "item.passed_up",
        actor_id=None,
        workflow_id=workflow.id,
        item_id=item.item_id,
        details={"because": "claims ran out", "fence": item.fence, "level": item.level},
    )


def _desk(session: Session, who: Principal, workflow: Workflow, item_id: int) -> Desk:
    item = one_item.get(session, item_id, who)
    past = decisions.past(session, item, who.person_id)
    last = past.standing
    mine = item.state is State.CLAIMED and item.holder_id == who.person_id and who.may(Task.REVIEW, workflow.id)
    is_told = last is not None and last.act is not Act.UNDO and item.stage is not Stage.SECOND
    named = commitments.of(session, item, who.person_id) if is_named_first(item) else None
    shown = as_shown(blinded(item), has_named=named is not None or not who.may(Task.REVIEW, item.workflow_id))
    check = checking.laid_over(session, who, workflow, item) if mine else None
    is_check = check is not None and not check.is_answered
    laid = as_planted(shown, check.planted, workflow.policy) if check is not None and is_check else shown
    desk = Desk(
        item=laid,
        doubt=hearing.doubts(session, workflow, [laid]).get(item_id, "") if mine else "",
        is_check=is_check,
        is_after_check=check is not None and check.is_answered,
        withheld=because(item, workflow.policy, now=past.now) if item.stage is not Stage.SECOND else "",
        stand_in=_stand_in(session, workflow, item),
        named=named,
        mine=mine,
        draft=past.draft,
        opened_at=past.now,
        last=last if is_told else None,
    )
    return as_seen(session, who, workflow, desk)


def _stand_in(session: Session, workflow: Workflow, item: Item) -> float | None:
    if not stands_in(item, workflow.policy):
        return None
    return item.naive.value if item.naive is not None else checks.season_before(session, item)


def _check_undo(done: Decision, item: Item, who: Principal, workflow: Workflow, past: Past) -> None:
    last = past.standing
    if last is None or last.id != done.id or done.act is not Act.DECIDE:
        raise UndoTooLate(item.id, "this decision no longer stands, so there is nothing to undo.")
    check_undo(done, item, reviewer_id=who.person_id, now=past.now, seconds=workflow.policy.undo_seconds)


def _undo(session: Session, who: Principal, workflow: Workflow, item: Item, done: Decision, key: str) -> Decision:
    shifting.undo_opposite(session, who, workflow, done, key=key)
    hand = queue.in_hand(session, who, workflow.id)
    now = hand.now
    went_up = done.outcome is Outcome.ESCALATE or (item.stage is Stage.SETTLING and done.stage is not Stage.SETTLING)
    level, ttl = max(item.level - went_up, 0), _ttl(workflow)
    claim = queue.reclaim(session, who, item, level=level, stage=done.stage, now=now, ttl=ttl)
    undone = replace(item, fence=claim.fence, stage=done.stage)
    undo_id = decisions.record_undo(session, undone, done, key=key, actor_id=who.person_id, workflow=workflow, now=now)
    note(session, "decision.undone", who, workflow, item.id, undo_id, {"undone": done.id, "fence": claim.fence})
    _give_back_surplus(session, who, workflow, hand)
    if done.outcome is not None and done.outcome.is_final and not done.is_provisional:
        outbox.decision_undone(session, item, undo_id, done.id)
    notes.save_draft(session, item.id, who.person_id, item.round, _draft_of(session, workflow, item, done))
    undone_as = decisions.by_id(session, undo_id)
    assert undone_as is not None  # noqa: S101 -- written a moment ago in this transaction
    return undone_as


def _draft_of(session: Session, workflow: Workflow, item: Item, done: Decision) -> dict[str, Any]:
    """The form as it stood when the undone decision was sent, so that nothing has to be typed again."""
    panel = None if done.outcome is Outcome.ACCEPT_AI else done.outcome
    body: dict[str, Any] = {"panel": panel, "final": done.final_value, "note": done.note}
    if item.deferred_until is not None:
        body["until"] = item.deferred_until.astimezone(workflow.policy.zone).date().isoformat()
    reason = decisions.reason_of(session, done.id)
    if reason is None:
        return body
    fields = {**asdict(reason), "secondary": list(reason.secondary)}
    dates = {name: value.isoformat() for name, value in fields.items() if isinstance(value, date)}
    return {**body, **fields, **dates}


def _shift_of(session: Session, choice: Choice, past: Past, done: Decision) -> Reason | None:
    """The reason with the period to shift to: of the choice, or of the first decision that a second one confirms."""
    first = past.last_final(Stage.FIRST) if done.stage is Stage.SECOND else None
    return choice.reason if first is None else decisions.reason_of(session, first.id)


def _ttl(workflow: Workflow) -> timedelta:
    return timedelta(minutes=workflow.policy.claim_minutes)

"""Confirming Routine items together: drawn, previewed, some of them really looked at, then each decided on its own.

A batch saves presses, not looks: it is capped, it has one reason, chance says which of its items must be opened first,
and every item gets a decision, an audit event and a key of its own, in a transaction of its own.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy.orm import Session

from review_queue.errors import (
    BatchRefused,
    ClaimNotHeld,
    ItemAlreadyDecided,
    ItemNotFound,
    ReviewError,
    StaleContent,
)
from review_queue.items import Choice, Decision, Item, Outcome, State
from review_queue.roles import Principal, Task
from storage import audit, batches, decisions, notes, one_item, people, queue
from storage.batches import Batch, BatchItem
from storage.engine import Database, database_now
from storage.workflows import Workflow
from workbench.actions import hearing
from workbench.actions.again import again
from workbench.actions.deciding import note as put_on_record
from workbench.actions.deciding import server_of, settle
from workbench.actions.refusing import notes_refusals

#: How long a drawn batch can be confirmed.
GOOD_FOR = timedelta(hours=1)
FEWEST_LOOKS = 2
KEPT_OUT = "You left it out."


@dataclass(frozen=True, slots=True)
class Preview:
    """A batch as its owner sees it: its items with both forecasts, in the order in which they were drawn."""

    batch: Batch
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What became of a batch."""

    decisions: tuple[Decision, ...]
    left_out: tuple[tuple[int, str], ...]  #: items that were not decided, each with the reason in words


@again(in_doubt=False)
def draw_batch(database: Database, *, person_id: int, workflow: Workflow, segment_path: str | None = None) -> Preview:
    """Draw the next Routine items that could be confirmed together, and which of them must be looked at first.

    Raises:
        BatchRefused: there are none.
        NotAllowed: the person may not confirm in bulk.
    """
    with database.writing() as session:
        who = _confirmer(session, person_id, workflow)
        now = database_now(session)
        ids = batches.routine(
            session,
            server_of(session, who, now),
            workflow.id,
            now=now,
            limit=workflow.policy.batch_cap,
            segment_path=segment_path,
        )
        found = [item for item in (one_item.get(session, item_id, who, Task.CONFIRM) for item_id in ids) if item.ai]
        in_doubt = hearing.doubts(session, workflow, found)
        found = [item for item in found if item.id not in in_doubt]
        if not found:
            raise BatchRefused("No Routine item waits here that could be confirmed. Review the others one by one.")
        looks = _looks(workflow, len(found))
        drawn = set(secrets.SystemRandom().sample([item.id for item in found], looks))
        batch_id = batches.add(session, who, workflow.id, [_row(item, drawn) for item in found], now=now)
        audit.record(
            session,
            "batch.drawn",
            actor_id=person_id,
            workflow_id=workflow.id,
            details={"batch": batch_id, "items": len(found), "to_look_at": sorted(drawn)},
        )
        return Preview(_own(session, who, batch_id), tuple(found))


@notes_refusals
def open_batch(database: Database, *, person_id: int, workflow: Workflow) -> Preview | None:
    """The batch that this person has drawn and not yet confirmed to its end, with the items that it still waits for.

    It survives a reload, another tab, and an end in the middle of its confirmation.
    """
    with database.reading() as session:
        who = _confirmer(session, person_id, workflow)
        since = database_now(session) - GOOD_FOR
        batch_id = batches.newest(session, person_id, workflow.id, since=since)
        if batch_id is None:
            return None
        batch = _own(session, who, batch_id)
        return Preview(batch, tuple(item for row in batch.unsettled if (item := _still_there(session, who, row))))


@again(in_doubt=True)
def look_at(database: Database, *, person_id: int, batch_id: int, item_id: int) -> Item:
    """Open one item of a batch for a real look, and note that it was opened."""
    with database.writing() as session:
        who = people.principal(session, person_id)
        batch = _own(session, who, batch_id)
        item = one_item.get(session, item_id, who, Task.CONFIRM)
        if item_id not in {row.item_id for row in batch.items}:
            raise ItemNotFound(item_id)
        batches.looked_at(session, batch_id, item_id, now=database_now(session))
        notes.evidence_opened(session, item_id, person_id, item.fence, "batch")
        return item


@again(in_doubt=True, in_parts=True)
def confirm_batch(
    database: Database,
    *,
    person_id: int,
    workflow: Workflow,
    batch_id: int,
    note: str,
    leave_out: Collection[int] = (),
) -> Confirmed:
    """Accept the AI's value for the items of a batch, each by itself; asking twice gives the same answer.

    An item that was taken, decided or changed since the preview is left out and says so; the others go on.

    Raises:
        BatchRefused: no reason was given, an item drawn for a look was not opened, or the batch is too old.
    """
    with database.writing() as session:
        who = _confirmer(session, person_id, workflow)
        batch = _own(session, who, batch_id, lock=True)
        _check(batch, note, leave_out, drawn_ago=database_now(session) - batch.drawn_at)
        if batch.confirmed_at is None:
            batches.confirmed(session, batch_id, note.strip(), now=database_now(session))
            kept_out = sorted(set(leave_out) & {row.item_id for row in batch.items})
            for item_id in kept_out:
                batches.settled(session, batch_id, item_id, decision_id=None, left_out=KEPT_OUT)
            audit.record(
                session,
                "batch.confirmed",
                actor_id=person_id,
                workflow_id=workflow.id,
                details={"batch": batch_id, "left_out": kept_out},
            )
    wanted = [row for row in batch.items if row.item_id not in leave_out]
    return _confirmed([(row.item_id, _confirm(database, person_id, workflow, batch, row, note)) for row in wanted])


def _confirmed(results: Sequence[tuple[int, Decision | str]]) -> Confirmed:
    done = tuple(result for _, result in results if isinstance(result, Decision))
    return Confirmed(done, tuple((item_id, result) for item_id, result in results if isinstance(result, str)))


def _confirm(
    database: Database, person_id: int, workflow: Workflow, batch: Batch, row: BatchItem, note: str
) -> Decision | str:
    """The decision on one item, or in words why there is none."""
    if row.left_out is not None:
        return row.left_out
    try:
        with database.writing() as session:
            who = _confirmer(session, person_id, workflow)
            decision = _decide(session, who, workflow, batch, row, note.strip())
            batches.settled(session, batch.id, row.item_id, decision_id=decision.id, left_out=None)
            return decision
    except ReviewError as refusal:
        why = str(refusal)
    with database.writing() as session:
        batches.settled(session, batch.id, row.item_id, decision_id=None, left_out=why)
    return why


def _decide(session: Session, who: Principal, workflow: Workflow, batch: Batch, row: BatchItem, note: str) -> Decision:
    item = one_item.get(session, row.item_id, who, Task.CONFIRM, lock=True)
    past = decisions.past(session, item, who.person_id, key=row.key)
    if past.answered is not None:
        return replace(past.answered[0], replayed=True)
    if item.content_hash != row.content_hash or item.round != row.round:
        raise StaleContent(item.id)
    last, now = past.standing, past.now
    if item.state is State.DECIDED and last is not None:
        raise ItemAlreadyDecided(item.id, by=last.actor_name, at=last.decided_at, decision_id=last.id)
    ttl = timedelta(minutes=workflow.policy.claim_minutes)
    claim = queue.claim_this(session, server_of(session, who, now), item.id, now=now, ttl=ttl)
    if claim is None:
        raise ClaimNotHeld(item.id, holder=item.holder_name)
    put_on_record(session, "item.claimed", who, workflow, item.id, details={"fence": claim.fence, "batch": batch.id})
    held = one_item.get(session, item.id, who, Task.CONFIRM)
    past = decisions.past(session, held, who.person_id, key=row.key)
    return settle(session, who, workflow, held, _choice(row, claim.fence, note), past)


def _choice(row: BatchItem, fence: int, note: str) -> Choice:
    return Choice(
        item_id=row.item_id,
        outcome=Outcome.ACCEPT_AI,
        fence=fence,
        round=row.round,
        content_hash=row.content_hash,
        idempotency_key=row.key,
        note=note,
        opened_at=row.looked_at,
        mode="bulk",
    )


def _check(batch: Batch, note: str, leave_out: Collection[int], *, drawn_ago: timedelta) -> None:
    if not note.strip():
        raise BatchRefused("Say in a sentence why these can be confirmed together.")
    if batch.confirmed_at is None and drawn_ago > GOOD_FOR:
        raise BatchRefused("This batch was drawn over an hour ago. Draw a fresh one.")
    unseen = [item_id for item_id in batch.still_to_look_at if item_id not in leave_out]
    if unseen:
        raise BatchRefused(
            f"Open {', '.join(f'item {item_id}' for item_id in unseen)} first: chance chose them for a real look."
        )


def _confirmer(session: Session, person_id: int, workflow: Workflow) -> Principal:
    who = people.principal(session, person_id)
    who.require(Task.CONFIRM, workflow.id)
    return who


def _own(session: Session, who: Principal, batch_id: int, *, lock: bool = False) -> Batch:
    batch = batches.get(session, batch_id, lock=lock)
    if batch is None or batch.person_id != who.person_id:
        raise BatchRefused("There is no such batch of yours. Draw a fresh one.")
    return batch


def _still_there(session: Session, who: Principal, row: BatchItem) -> Item | None:
    try:
        return one_item.get(session, row.item_id, who, Task.CONFIRM)
    except ItemNotFound:
        return None


def _looks(workflow: Workflow, items: int) -> int:
    return min(items, max(FEWEST_LOOKS, math.ceil(workflow.policy.batch_looks * items)))


def _row(item: Item, drawn: Collection[int]) -> BatchItem:
    return BatchItem(
        item_id=item.id,
        round=item.round,
        content_hash=item.content_hash,
        key=secrets.token_hex(16),
        to_look_at=item.id in drawn,
        looked_at=None,
        left_out=None,
        decision_id=None,
    )

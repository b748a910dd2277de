"""What a director does to close a period: look at it whole, change numbers at the leaf, submit, withdraw, lock."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.errors import (
    ChoiceInvalid,
    ItemAlreadyDecided,
    ItemNotFound,
    ItemNotOpen,
    NotAllowed,
    ReviewError,
    StaleContent,
)
from review_queue.items import OPEN_STATES, Choice, Decision, Item, Outcome, Reason, Stage, State
from review_queue.notices import News
from review_queue.reconciling import Take, changes, planned, tree
from review_queue.roles import Principal, Task
from review_queue.withholding import is_named_first
from storage import (
    audit,
    closing,
    decisions,
    forecasts,
    notifications,
    one_item,
    outbox,
    people,
    queue,
    reconciling,
    workflows,
)
from storage.closing import Snapshot, Submission
from storage.engine import Database, database_now
from storage.reconciling import Cycle
from storage.workflows import Workflow
from workbench.actions import shifting
from workbench.actions.again import again
from workbench.actions.deciding import note, server_of, settle
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen

WEEK = timedelta(days=7)
#: States in which an item's number can be changed here.
CHANGEABLE = (*OPEN_STATES, State.DECIDED)


class ReconcilingRefused(ReviewError):
    """A period that cannot be changed, submitted or locked as asked."""

    code = "RECONCILING_REFUSED"


@dataclass(frozen=True)
class Reconciliation:
    """One period as its director sees it."""

    cycle: Cycle
    leaves: pd.DataFrame  #: as ``storage.reconciling.leaves`` gives them, with ``plan``, ``kind`` and ``is_blind``
    totals: pd.DataFrame  #: as ``review_queue.reconciling.tree`` gives them
    earlier: pd.DataFrame  #: the leaves as they were known seven days before
    submissions: list[Submission]
    snapshot: Snapshot | None
    as_of: datetime  #: UTC; the moment of the lock for a locked period

    def week(self, path: str = "") -> pd.DataFrame:
        """What moved the plan at and below a segment in the last seven days, by category."""
        inside = (each[each["path"].str.startswith(path)] for each in (self.leaves, self.earlier))
        return changes(*inside)


@dataclass(frozen=True, slots=True)
class Edit:
    """One number typed over on the Reconcile screen, and what stood there."""

    item_id: int
    value: float  #: in the workflow's unit
    content_hash: str  #: of what was on screen
    decision_id: int | None = None  #: that stood on screen


@notes_refusals
def periods(database: Database, *, person_id: int, workflow: Workflow) -> list[Cycle]:
    """The workflow's periods, the newest first."""
    with database.reading() as session:
        people.principal(session, person_id).require(Task.SEE_QUEUE, workflow.id)
        return reconciling.cycles_of(session, workflow.id)


@notes_refusals
def look(database: Database, *, person_id: int, workflow: Workflow, period: str) -> Reconciliation:
    """Everything that stands on a period, in the person's scope.

    Raises:
        ReconcilingRefused: the workflow has no such period.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow.id)
        cycle = _cycle(session, workflow, period)
        snapshot = closing.snapshot_of(session, workflow.id, period)
        as_of = cycle.locked_at or database_now(session)
        leaves = reconciling.leaves(session, who, workflow, period, as_of=as_of)
        earlier = reconciling.leaves(session, who, workflow, period, as_of=as_of - WEEK)
        known_then = earlier[earlier[["ai", "manual", "final"]].notna().any(axis=1)]
        take = snapshot.take if snapshot else Take.AI
        found = Reconciliation(
            cycle=cycle,
            leaves=planned(leaves, take).assign(is_blind=reconciling.is_blind(leaves)),
            totals=tree(leaves, take),
            earlier=known_then,
            submissions=closing.submitted(session, workflow.id, period),
            snapshot=snapshot,
            as_of=as_of,
        )
        return as_seen(session, who, workflow, found)


@again(in_doubt=True)
def set_finals(
    database: Database,
    *,
    person_id: int,
    workflow: Workflow,
    edits: Collection[Edit],
    reason: Reason | None,
    key: str,
) -> list[Decision]:
    """Decide items by the values typed at the leaf, all of them or none; what was decided before is overturned.

    Args:
        reason: for all of them; needed if one of them overrides the AI.
        key: of the form; each item's own key is made of it, so asking twice changes nothing more.

    Raises:
        StaleContent: a number on one of them is newer than what was on screen.
        ItemAlreadyDecided: somebody decided one of them meanwhile.
        ReconcilingRefused: one of them is in somebody's hands, in a second review, or in a locked period.
        ReasonRequired, ChoiceInvalid: see ``rules.decide``.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.RECONCILE, workflow.id)
        in_order = sorted(edits, key=lambda edit: edit.item_id)
        return [_set_final(session, who, workflow, edit, reason, key=_key(key, edit)) for edit in in_order]


@again(in_doubt=True)
def set_manuals(
    database: Database, *, person_id: int, workflow: Workflow, edits: Collection[Edit], note: str
) -> list[int]:
    """Put new manual forecasts beside the AI's, all of them or none. Returns the items that came back as stale.

    Raises:
        ReconcilingRefused: no note says why, or one of them cannot be changed now.
        StaleContent: a number on one of them is newer than what was on screen.
    """
    if not note.strip():
        raise ReconcilingRefused("Say in a sentence why the manual forecast changes.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.RECONCILE, workflow.id)
        values: dict[int, float] = {}
        for edit in sorted(edits, key=lambda edit: edit.item_id):
            item = one_item.get(session, edit.item_id, who, Task.RECONCILE, lock=True)
            if item.manual is not None and item.manual.value == edit.value:
                continue  # it is there already: the same request came before
            _check(item, workflow, edit)
            values[item.id] = edit.value
        now = database_now(session)
        stale = forecasts.type_in(session, workflow, values, by=who.name, note=note.strip(), now=now)
        notifications.tell_of_stale(session, workflow.id, stale, by=person_id)
        for item_id, value in values.items():
            audit.record(
                session,
                "forecast.typed",
                actor_id=person_id,
                workflow_id=workflow.id,
                item_id=item_id,
                details={"value": value},
            )
        return [each.item_id for each in stale]


@again(in_doubt=False)
def submit_period(
    database: Database, *, person_id: int, workflow: Workflow, period: str, segment_path: str, note: str = ""
) -> Submission:
    """Stand by the forecast of a period at and below a segment; the totals of this moment are kept with it.

    Raises:
        ReconcilingRefused: the period is locked, or this part of it is submitted already.
        NotAllowed: the segment lies outside the person's scope.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        _require_at(who, workflow, segment_path)
        _hold_open(session, workflow, period)
        standing = closing.submitted(session, workflow.id, period)
        same = next((each for each in standing if each.segment_path == segment_path), None)
        if same is not None:
            raise ReconcilingRefused(f"{same.submitted_by} has submitted this already. Withdraw it first.")
        leaves = reconciling.leaves(session, who, workflow, period, as_of=database_now(session))
        totals = _totals(leaves[leaves["path"].str.startswith(segment_path)])
        submission_id = closing.submit(
            session, workflow.id, period, segment_path, totals=totals, note=note.strip(), by=person_id
        )
        details = {"period": period, "segment": segment_path, "submission": submission_id, **totals}
        audit.record(session, "period.submitted", actor_id=person_id, workflow_id=workflow.id, details=details)
        return closing.submitted(session, workflow.id, period)[0]


@again(in_doubt=False)
def withdraw_submission(
    database: Database, *, person_id: int, workflow: Workflow, period: str, submission_id: int, note: str
) -> None:
    """Take a submission back, saying why.

    Raises:
        ReconcilingRefused: it was taken back already, the period is locked, or no note says why.
        NotAllowed: it is not the person's own, and lies outside their scope.
    """
    if not note.strip():
        raise ReconcilingRefused("Say in a sentence why you withdraw it.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.RECONCILE, workflow.id)
        _hold_open(session, workflow, period)
        known = {each.id: each for each in closing.submitted(session, workflow.id, period)}
        submission = known.get(submission_id)
        if submission is None:
            raise ReconcilingRefused("That submission was withdrawn already. Nothing was changed.")
        _require_at(who, workflow, submission.segment_path)
        closing.withdraw(session, submission_id, note=note.strip(), by=person_id)
        notifications.notify(
            session,
            [submission.submitter_id],
            workflow.id,
            News.SUBMISSION_WITHDRAWN,
            f"{who.name} withdrew your submission of {period}: {note.strip()}",
            by=person_id,
        )
        details = {"period": period, "submission": submission_id}
        audit.record(session, "period.withdrawn", actor_id=person_id, workflow_id=workflow.id, details=details)


@again(in_doubt=False)
def lock_period(
    database: Database, *, person_id: int, workflow: Workflow, period: str, take: Take, open_items: int, note: str = ""
) -> Snapshot:
    """Close a period for good: nothing in it changes any more, and a snapshot keeps its numbers.

    Items that nobody decided go into the plan with the value of ``take``; that is not a decision, and is not
    counted as one.

    Args:
        open_items: how many open items were on screen; another number now means another look first.

    Raises:
        ReconcilingRefused: the period is locked already, or other items are open than were shown.
        NotAllowed: the person may not lock periods of the whole workflow.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.LOCK, workflow.id)
        workflows.lock(session, workflow.id)
        _hold_open(session, workflow, period)
        closing.hold_items(session, workflow.id, period)
        now = database_now(session)
        leaves = planned(reconciling.leaves(session, who, workflow, period, as_of=now), take)
        still_open = int(leaves["state"].isin(list(OPEN_STATES)).sum())
        if still_open != open_items:
            raise ReconcilingRefused(
                f"{still_open:,} items are open now, not {open_items:,} as when you looked. Look again, then lock."
            )
        totals = _totals(leaves, take) | {"open": still_open}
        for holder, names in closing.in_hand(session, workflow.id, period).items():
            had = f"{who.name} locked {period} while you had {names} in hand. It was not decided; your draft is kept."
            notifications.notify(session, [holder], workflow.id, News.LOCKED, had, by=person_id)
        snapshot_id = closing.lock(
            session, workflow.id, period, leaves, take=take, totals=totals, note=note.strip(), by=person_id, now=now
        )
        details = {"period": period, "snapshot": snapshot_id, "take": take, **totals}
        audit.record(session, "period.locked", actor_id=person_id, workflow_id=workflow.id, details=details)
        told = [each.submitter_id for each in closing.submitted(session, workflow.id, period)]
        notifications.notify(
            session, told, workflow.id, News.LOCKED, f"{who.name} locked {period} of {workflow.title}.", by=person_id
        )
        outbox.period_locked(session, workflow.id, snapshot_id, period, totals)
        snapshot = closing.snapshot_of(session, workflow.id, period)
        assert snapshot is not None  # noqa: S101 -- written a moment ago in this transaction
        return snapshot


# --- one item ------------------------------------------------------------------------------------------------------


def _set_final(
    session: Session, who: Principal, workflow: Workflow, edit: Edit, reason: Reason | None, *, key: str
) -> Decision:
    item = one_item.get(session, edit.item_id, who, Task.RECONCILE, lock=True)
    past = decisions.past(session, item, who.person_id, key=key)
    if past.answered is not None:  # the key names the value too, so it was the same request
        return replace(past.answered[0], replayed=True)
    _check(item, workflow, edit)
    choice = _choice(item, edit, reason, key)
    if item.state is State.DECIDED:
        _check_standing(item, edit, past.standing)
        done = shifting.overturn(session, who, workflow, item, choice, past)
        _tell_of_overturn(session, who, item, past.standing, done)
    else:
        done = _decide(session, who, workflow, item, choice)
    shifting.write_opposite(session, who, workflow, item, done, reason, may_overturn=True)
    return done


def _decide(session: Session, who: Principal, workflow: Workflow, item: Item, choice: Choice) -> Decision:
    now, ttl = database_now(session), timedelta(minutes=workflow.policy.claim_minutes)
    claim = queue.take_over(session, server_of(session, who, now), item.id, now=now, ttl=ttl)
    if claim is None:
        whose = f"{item.holder_name} has it in hand" if item.holder_name else "it is not yours to decide"
        raise ReconcilingRefused(f"{item.series} (item {item.id}) cannot be changed now: {whose}. Nothing was saved.")
    note(session, "item.claimed", who, workflow, item.id, details={"fence": claim.fence})
    held = one_item.get(session, item.id, who, Task.RECONCILE)
    past = decisions.past(session, held, who.person_id, key=choice.idempotency_key)
    return settle(session, who, workflow, held, replace(choice, fence=claim.fence), past)


def _tell_of_overturn(session: Session, who: Principal, item: Item, standing: Decision | None, done: Decision) -> None:
    """Tell whoever had decided it that another value stands now."""
    if standing is None:
        return
    values = f"{done.final_value:,.6g} in the place of your {standing.final_value or 0:,.6g}"
    sentence = f"{who.name} set {item.series} · {item.period} to {values}."
    notifications.notify(
        session, [standing.actor_id], item.workflow_id, News.OVERTURNED, sentence, item.id, by=who.person_id
    )


def _choice(item: Item, edit: Edit, reason: Reason | None, key: str) -> Choice:
    return Choice(
        item_id=item.id,
        outcome=_outcome(item, edit.value),
        fence=item.fence,
        round=item.round,
        content_hash=edit.content_hash,
        idempotency_key=key,
        value=edit.value,
        reason=reason,
        mode="reconcile",
    )


def _outcome(item: Item, value: float) -> Outcome:
    if item.ai is not None and value == item.ai.value:
        return Outcome.ACCEPT_AI
    is_manual = item.manual is not None and value == item.manual.value
    return Outcome.KEEP_MANUAL if is_manual else Outcome.ADJUST


def _check(item: Item, workflow: Workflow, edit: Edit) -> None:
    """Raise unless the item is the one that was on screen, and can be changed by hand now."""
    if item.workflow_id != workflow.id:
        raise ItemNotFound(item.id)
    if item.state not in CHANGEABLE:
        raise ItemNotOpen(item.id, item.state)
    if not math.isfinite(edit.value):
        raise ChoiceInvalid(item.id, "type a number.")
    if item.stage is Stage.SECOND and item.state is not State.DECIDED:
        raise ReconcilingRefused(
            f"{item.series} (item {item.id}) is in a second review, which is blind. Change it once that is over."
        )
    if is_named_first(item):
        raise ReconcilingRefused(
            f"{item.series} (item {item.id}) is decided human first: open it in Review, where a number is named before "
            "the AI's is shown."
        )
    if item.content_hash != edit.content_hash:
        raise StaleContent(item.id)


def _check_standing(item: Item, edit: Edit, standing: Decision | None) -> None:
    if standing is not None and standing.id != edit.decision_id:
        raise ItemAlreadyDecided(item.id, by=standing.actor_name, at=standing.decided_at, decision_id=standing.id)


def _key(form: str, edit: Edit) -> str:
    return hashlib.sha256(f"{form}:{edit.item_id}:{edit.value!r}".encode()).hexdigest()[:32]


# --- a period ------------------------------------------------------------------------------------------------------


def _cycle(session: Session, workflow: Workflow, period: str) -> Cycle:
    found = next((each for each in reconciling.cycles_of(session, workflow.id) if each.period == period), None)
    if found is None:
        raise ReconcilingRefused(f"{workflow.title} has no period {period}. Choose one from the list.")
    return found


def _hold_open(session: Session, workflow: Workflow, period: str) -> None:
    """Hold the period, which must not be locked."""
    try:
        locked_at = closing.hold_cycle(session, workflow.id, period)
    except LookupError:
        raise ReconcilingRefused(f"{workflow.title} has no period {period}. Choose one from the list.") from None
    if locked_at is not None:
        raise ReconcilingRefused(f"{period} was locked on {locked_at:%Y-%m-%d %H:%M} UTC. Nothing in it changes now.")


def _require_at(who: Principal, workflow: Workflow, path: str) -> None:
    who.require(Task.RECONCILE, workflow.id)
    if not any(grant.covers(workflow.id, path) for grant in who.grants_for(Task.RECONCILE, workflow.id)):
        raise NotAllowed(who.name, "reconcile that part of the tree")


def _totals(leaves: pd.DataFrame, take: Take = Take.AI) -> dict[str, float | int | None]:
    """The sums of a part of the period, for the record."""
    whole = tree(leaves, take).iloc[0]
    money = {name: None if pd.isna(whole[name]) else float(whole[name]) for name in ("ai", "manual", "plan")}
    return money | {"items": int(whole["items"]), "decided": int(whole["decided"])}

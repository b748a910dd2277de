"""Trying whether a bad AI value can be overridden here, for real, and leaving no decision behind.

An item is claimed and overridden in a transaction that is then taken back. Only what is found, and a word to the
workflow's owner, stay.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from review_queue.items import Choice, Item, Outcome, Reason
from review_queue.masking import FieldClass
from review_queue.notices import News
from review_queue.path_test import Part, PartState
from review_queue.roles import REVIEW_LEVEL, Principal, Task
from review_queue.withholding import is_named_first
from storage import (
    absences,
    audit,
    commitments,
    decisions,
    notifications,
    one_item,
    path_tests,
    people,
    queue,
    workflows,
)
from storage.engine import Database, database_now
from storage.path_tests import PathTest
from storage.tree import names
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.deciding import server_of, settle
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen, sight
from workbench.mailing import MailNotSent, Post, message_to

#: No second test mail goes out within this time, however often somebody presses.
QUIET = timedelta(minutes=10)
TTL = timedelta(minutes=1)  #: of a claim that is taken back at once
LEVELS = {level: role.value for role, level in REVIEW_LEVEL.items()}
PLACES_NAMED = 3


class _TakenBack(Exception):
    """Carries what was found out of a transaction, and takes the transaction back on its way."""

    def __init__(self, part: Part) -> None:
        self.part = part


@notes_refusals
def try_path(
    database: Database, *, person_id: int, workflow: Workflow, post: Post | None = None, sender: str = ""
) -> PathTest:
    """Try every part of the override path as this person, keep what it came to, and tell the workflow's owner.

    Args:
        workflow: its policy is read anew, since this person may have been given it without names.
        post: how mail gets out; None: none does, and word goes out in the app alone.

    Raises:
        NotAllowed: the person is nobody who tests it there.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.RESPOND, workflow.id)
        workflow = workflows.by_id(session, workflow.id)
        parts = list(_looked_up(session, workflow, database_now(session)))
        mailed_at, now = path_tests.mailed_at(session, workflow.id), database_now(session)
    parts.insert(0, _overriding(database, person_id=person_id, workflow=workflow))
    mail, is_mailed = _mail(workflow, who, post, sender=sender, mailed_at=mailed_at, now=now)
    return _keep(database, person_id=person_id, workflow=workflow, parts=(*parts, mail), mailed=is_mailed)


@notes_refusals
def path_tests_of(database: Database, *, person_id: int, workflow: Workflow) -> list[PathTest]:
    """The last tests of the override path, the newest first."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow.id)
        found = as_seen(session, who, workflow, path_tests.newest(session, workflow.id))
        if not sight(who, workflow).of[FieldClass.PERSON]:
            return found
        known = [each.policy for each in workflows.versions(session, workflow.id)]
        addresses = {address for policy in known for address in (policy.owner, policy.deputy) if address}
        return [replace(each, parts=tuple(_unnamed(part, addresses) for part in each.parts)) for each in found]


def _unnamed(part: Part, addresses: Collection[str]) -> Part:
    """A part as it is kept now; earlier versions of the program named the owner and the deputy by their addresses."""
    if part.name not in ("owner", "deputy", "mail"):
        return part
    said, name = part.sentence, "deputy" if part.name == "deputy" else "owner"
    for address in addresses:
        said = re.sub(rf"(?<!\S){re.escape(address)}(?!\w)", f"the {name}", said)
    return replace(part, sentence=said[:1].upper() + said[1:])


# --- the override itself -------------------------------------------------------------------------------------------


@again(in_doubt=True)
def _overriding(database: Database, *, person_id: int, workflow: Workflow) -> Part:
    """Claim an item and override the AI on it, with all that a decision writes; then take it all back."""
    try:
        with database.writing() as session:
            raise _TakenBack(_override(session, people.principal(session, person_id, in_turn=True), workflow))
    except _TakenBack as found:
        return found.part


def _override(session: Session, who: Principal, workflow: Workflow) -> Part:
    name = "override"
    missing = workflow.policy.missing_for_review()
    if missing:
        return Part(name, PartState.FAILED, f"The workflow is not open for review: {missing[0]}. Mend its policy.")
    if not who.may(Task.REVIEW, workflow.id):
        said = "You do not review here, so nothing was overridden. Ask somebody who does to press it too."
        return Part(name, PartState.NOT_TRIED, said)
    item = _in_hand(session, who, workflow)
    if item is None:
        return Part(
            name, PartState.NOT_TRIED, "No item waits for you, so nothing was overridden. Try again when one does."
        )
    try:
        done = settle(
            session, who, workflow, item, _choice(session, item, who), decisions.past(session, item, who.person_id)
        )
    except ReviewError as refusal:
        return Part(name, PartState.FAILED, f"Item {item.id} could be claimed and not overridden: {refusal}")
    stored = decisions.by_id(session, done.id)
    if stored is None or stored.reason_code is None:
        return Part(name, PartState.FAILED, "An override was not stored as it should be. Report this.")
    said = "An item was claimed for you and overridden with a reason, and all of it taken back."
    return Part(name, PartState.OK, said)


def _in_hand(session: Session, who: Principal, workflow: Workflow) -> Item | None:
    """An item in this person's hands: the one that they hold, else the next for them."""
    hand = queue.in_hand(session, who, workflow.id)
    item_id = hand.first.item_id if hand.first else None
    if item_id is None:
        server = server_of(session, who, hand.now)
        claim, _ = queue.claim_next(session, server, workflow.id, now=hand.now, ttl=TTL)
        item_id = claim.item_id if claim else None
    return None if item_id is None else one_item.get(session, item_id, who, Task.REVIEW, lock=True)


def _choice(session: Session, item: Item, who: Principal) -> Choice:
    """An override by a value that no forecast of the item has."""
    known = [each.value for each in (item.ai, item.manual) if each is not None]
    value = 2 * max(map(abs, known), default=0.0) + 1.0
    if is_named_first(item) and commitments.of(session, item, who.person_id) is None:
        commitments.add(session, item, who.person_id, value=value, knew_more=True)
    return Choice(
        item_id=item.id,
        outcome=Outcome.ADJUST,
        fence=item.fence,
        round=item.round,
        content_hash=item.content_hash,
        idempotency_key=uuid4().hex,
        value=value,
        reason=Reason("OTHER", text="A test of the override path, taken back at once."),
        opened_at=database_now(session),
    )


# --- what is looked up ---------------------------------------------------------------------------------------------


def _looked_up(session: Session, workflow: Workflow, now: datetime) -> Iterator[Part]:
    away = {each.person_id: each.deputy_id for each in absences.coming(session, now=now) if each.from_at <= now}
    yield from _reviewers(session, workflow, set(away))
    yield from _owners(session, workflow, away)
    policy = workflow.policy
    if policy.feed_late_hours is None:
        said = "Set feed_late_hours and fallback in the policy, so that nobody waits for an AI that is away."
        yield Part("fallback", PartState.FAILED, said)
    else:
        said = f"After {policy.feed_late_hours:g} hours without an AI forecast the fallback counts: {policy.fallback}."
        yield Part("fallback", PartState.OK, said)


def _reviewers(session: Session, workflow: Workflow, away: set[int]) -> Iterator[Part]:
    """Whether at each level somebody who is there reviews each place in which items are open."""
    present = [who for who in people.who_may(session, Task.REVIEW, workflow.id) if who.person_id not in away]
    paths = path_tests.paths_in_review(session, workflow.id) or [""]
    for level, role in sorted(LEVELS.items()):
        able = {
            path: [who for who in present if who.may_at(Task.REVIEW, workflow.id, path, level=level)] for path in paths
        }
        bare = [path for path, several in able.items() if not several]
        name = f"level {level}: {role}"
        if bare:
            where = _places(bare)
            said = (
                f"Nobody who is there today can decide at this level{where}. Give somebody the role, or end an absence."
            )
            yield Part(name, PartState.FAILED, said)
        else:
            several = {who.person_id for many in able.values() for who in many}
            said = (
                "1 person who is there can decide."
                if len(several) == 1
                else f"{len(several)} people who are there can decide."
            )
            yield Part(name, PartState.OK, said)


def _places(paths: list[str]) -> str:
    """Where, in words; nothing where there are no segments."""
    named = [" / ".join(names(path)) for path in paths if path]
    if not named:
        return ""
    more = len(named) - PLACES_NAMED
    return " in " + ", ".join(named[:PLACES_NAMED]) + (f" and {more} more" if more > 0 else "")


def _owners(session: Session, workflow: Workflow, away: dict[int, int | None]) -> Iterator[Part]:
    for name, email in (("owner", workflow.policy.owner), ("deputy", workflow.policy.deputy)):
        if email is None:
            yield Part(name, PartState.FAILED, f"Name {'an' if name == 'owner' else 'a'} {name} in the policy.")
            continue
        accounts = people.with_email(session, email)
        if not accounts:
            said = (
                f"The {name} has no account here that works. "
                "Have them sign in once, or name somebody else in the policy."
            )
            yield Part(name, PartState.FAILED, said)
        elif all(person in away and away[person] is None for person in accounts):
            said = f"The {name} is away, and nobody stands in. Name somebody for that absence on My desk."
            yield Part(name, PartState.FAILED, said)
        else:
            is_away = all(person in away for person in accounts)
            yield Part(
                name, PartState.OK, f"The {name} {'is away, and somebody stands in' if is_away else 'can be reached'}."
            )


# --- word to the owner ---------------------------------------------------------------------------------------------


def _mail(
    workflow: Workflow, who: Principal, post: Post | None, *, sender: str, mailed_at: datetime | None, now: datetime
) -> tuple[Part, bool]:
    """A test mail to the owner, and whether one went out."""
    name, address = "mail", workflow.policy.owner
    if post is None or address is None:
        return Part(
            name, PartState.NOT_TRIED, "No mail is set up (WORKBENCH_MAIL); word goes out in the app alone."
        ), False
    if mailed_at is not None and now - mailed_at < QUIET:
        said = "A test mail went out less than ten minutes ago, so no other one did."
        return Part(name, PartState.NOT_TRIED, said), False
    text = f"{who.name} tests the override path of {workflow.title}. There is nothing to do.\n"
    try:
        post.send(message_to(sender, "", address, f"Test: {workflow.title}", text))
    except (MailNotSent, ValueError, IndexError) as problem:
        why = str(problem).replace(address, "the owner")
        return Part(name, PartState.FAILED, f"The test mail did not go out: {why}"), False
    return Part(name, PartState.OK, "A test mail went out to the owner."), True


@again(in_doubt=False)
def _keep(database: Database, *, person_id: int, workflow: Workflow, parts: tuple[Part, ...], mailed: bool) -> PathTest:
    """Tell the owner in the app, and keep the test with what that came to."""
    policy = workflow.policy
    with database.writing() as session:
        who = people.principal(session, person_id)
        emails = tuple(filter(None, (policy.owner, policy.deputy)))
        owners = people.owners(session, workflow.id, emails=emails)
        said = f"{workflow.title}: {who.name} tests the override path. There is nothing to do."
        notifications.notify(session, owners, workflow.id, News.PATH_TEST, said, by=None)
        parts = (*parts, _notified(len(owners)))
        path_tests.add(session, workflow.id, person_id, parts, mailed=mailed)
        kept = path_tests.newest(session, workflow.id, limit=1)[0]
        details = {"passed": kept.is_passed, "failed": [part.name for part in parts if part.state is PartState.FAILED]}
        audit.record(session, "path.tested", actor_id=person_id, workflow_id=workflow.id, details=details)
        return as_seen(session, who, workflow, kept)


def _notified(count: int) -> Part:
    if not count:
        said = "Nobody who owns the workflow has an account that works, so nobody was told. Give somebody the role."
        return Part("notification", PartState.FAILED, said)
    many = "1 person" if count == 1 else f"{count} people"
    return Part("notification", PartState.OK, f"{many} who own the workflow or stand in were told in the app.")

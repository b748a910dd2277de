"""What a program may read: workflows, items, decisions and rows set aside, inside its token's grant.

A list goes on from the id of the last row, so it neither repeats nor skips a row that was there when it began. What the
screens hide from the person whose token it is, the token does not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy.orm import Session

from review_queue.errors import (
    DatabaseAway,
    DatabaseBusy,
    OutcomeUnknown,
    RecordBehind,
    ReviewError,
    ServerStopping,
)
from review_queue.items import Item, State
from review_queue.roles import Task
from review_queue.second_review import blinded
from review_queue.withholding import HIDDEN, as_shown, is_named_first
from storage import commitments, feed, imports, one_item, tokens, workflows
from storage.engine import Database, database_now
from storage.feed import Told
from storage.imports import SetAside
from storage.tokens import NOTED_EVERY, Bearer
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.receiving import workflow_within
from workbench.actions.seeing import as_seen

T = TypeVar("T")
SECOND_REVIEW, NUMBER_FIRST = "second_review", "number_first"


class NothingThere(ReviewError):
    """What was asked for is not there, or the token does not reach it; the two are told apart to nobody."""

    code = "NOT_FOUND"

    def __init__(self, thing: str, number: int | None) -> None:
        super().__init__(f"There is no {thing} {number or 'of that name'} that this token reaches.")
        self.number = number


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """One page of a list."""

    rows: list[T]
    next: int | None  #: id after which the rest follows; None when these are the last


@dataclass(frozen=True, slots=True)
class ItemShown:
    """An item as the token's holder may see it."""

    item: Item
    hidden: str | None  #: why the AI's figures are taken out, where they are


@dataclass(frozen=True, slots=True)
class ItemsWanted:
    """What to keep of the items; empty keeps all."""

    states: tuple[State, ...] = ()
    period: str | None = None
    series: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionsWanted:
    """What to keep of the decisions; empty keeps all."""

    since: datetime | None = None  #: UTC; decided then or later
    standing: bool = False  #: only those that nothing superseded


@again(in_doubt=True)
def bearer_of(database: Database, secret: str) -> Bearer:
    """Whoever shows ``secret``; that it was used is noted, to the minute, where the database takes writes.

    Raises:
        TokenRefused: it is no token that works now.
    """
    with database.reading() as session:
        bearer, now = tokens.known(session, secret), database_now(session)
    if bearer.last_used_at is None or bearer.last_used_at <= now - NOTED_EVERY:
        try:
            _note_use(database, bearer.token_id)
        except (DatabaseAway, DatabaseBusy, OutcomeUnknown, RecordBehind, ServerStopping):
            return bearer  # reading goes on without a note
    return bearer


@again(in_doubt=True)
def _note_use(database: Database, token_id: int) -> None:
    with database.writing() as session:
        tokens.note_use(session, token_id)


@again(in_doubt=True)
def list_workflows(database: Database, *, token_id: int, after: int, limit: int) -> Listed[Workflow]:
    """The workflows that the token reaches."""
    with database.reading() as session:
        bearer = tokens.standing(session, token_id)
        return _page(workflows.reachable(session, bearer.who, after=after, limit=limit + 1), limit)


@again(in_doubt=True)
def list_items(
    database: Database, *, token_id: int, workflow_key: str, wanted: ItemsWanted, after: int, limit: int
) -> Listed[ItemShown]:
    """The items of a workflow in the token's scope."""
    with database.reading() as session:
        bearer, workflow = _allowed(session, token_id, workflow_key)
        keep = [feed.is_in(workflow.id)]
        if wanted.states:
            keep.append(feed.is_item_in_state(wanted.states))
        if wanted.period is not None:
            keep.append(feed.is_item_of_period(wanted.period))
        if wanted.series is not None:
            keep.append(feed.is_item_of_series(wanted.series))
        found = one_item.following(session, bearer.who, Task.EXPORT, *keep, after=after, limit=limit + 1)
        page = _page(found, limit)
        return Listed([_shown(session, bearer, item, workflow) for item in page.rows], page.next)


@again(in_doubt=True)
def read_item(database: Database, *, token_id: int, item_id: int) -> ItemShown:
    """One item.

    Raises:
        NothingThere: there is none in the token's scope.
    """
    with database.reading() as session:
        bearer = tokens.standing(session, token_id)
        found = one_item.following(session, bearer.who, Task.EXPORT, feed.is_item(item_id), after=0, limit=1)
        if not found:
            raise NothingThere("item", item_id)
        return _shown(session, bearer, found[0], workflows.by_id(session, found[0].workflow_id))


@again(in_doubt=True)
def list_decisions(
    database: Database, *, token_id: int, workflow_key: str, wanted: DecisionsWanted, after: int, limit: int
) -> Listed[Told]:
    """The decisions of a workflow in the token's scope, the first ones first."""
    with database.reading() as session:
        bearer, workflow = _allowed(session, token_id, workflow_key)
        keep = [feed.is_in(workflow.id)]
        if wanted.since is not None:
            keep.append(feed.is_decided_since(wanted.since))
        if wanted.standing:
            keep.append(feed.stands())
        since = database_now(session) - timedelta(seconds=workflow.policy.undo_seconds)
        found = feed.decisions_following(
            session, bearer.who, bearer.reader, *keep, unsealed_before=since, after=after, limit=limit + 1
        )
        return _page(as_seen(session, bearer.who, workflow, found), limit)


@again(in_doubt=True)
def read_decision(database: Database, *, token_id: int, decision_id: int) -> Told:
    """One decision.

    Raises:
        NothingThere: there is none in the token's scope, or a second review that its holder could give seals it.
    """
    with database.reading() as session:
        bearer = tokens.standing(session, token_id)
        seconds = max((each.policy.undo_seconds for each in workflows.all(session)), default=0)
        found = feed.decisions_following(
            session,
            bearer.who,
            bearer.reader,
            feed.is_decision(decision_id),
            unsealed_before=database_now(session) - timedelta(seconds=seconds),
            after=0,
            limit=1,
        )
        if not found:
            raise NothingThere("decision", decision_id)
        return as_seen(session, bearer.who, workflows.get(session, found[0].workflow), found[0])


@again(in_doubt=True)
def list_set_aside(database: Database, *, token_id: int, workflow_key: str, after: int, limit: int) -> Listed[SetAside]:
    """Rows that imports set aside and that wait for a correction."""
    with database.reading() as session:
        bearer = tokens.standing(session, token_id)
        workflow = workflow_within(session, bearer.who, workflow_key)
        bearer.who.require(Task.IMPORT, workflow.id)
        return _page(imports.list_set_aside(session, workflow.id, after=after, limit=limit + 1), limit)


def _allowed(session: Session, token_id: int, workflow_key: str) -> tuple[Bearer, Workflow]:
    bearer = tokens.standing(session, token_id)
    workflow = workflow_within(session, bearer.who, workflow_key)
    bearer.require(Task.EXPORT, workflow.id)
    return bearer, workflow


def _page(found: list[T], limit: int) -> Listed[T]:
    rows: list[T] = found[:limit]
    last: int | None = getattr(rows[-1], "id", None) if len(found) > limit else None
    return Listed(rows, last)


def _shown(session: Session, bearer: Bearer, item: Item, workflow: Workflow) -> ItemShown:
    """As on the reader's own screens: whoever could review it names their number first, and nobody peeks."""
    asked = is_named_first(item) and bearer.reader.may(Task.REVIEW, item.workflow_id)
    named = not asked or commitments.of(session, item, bearer.reader.person_id) is not None
    shown = as_shown(blinded(item), has_named=named)
    return ItemShown(as_seen(session, bearer.who, workflow, shown), _why_hidden(item, shown))


def _why_hidden(item: Item, shown: Item) -> str | None:
    if shown.awaits_number:
        return NUMBER_FIRST
    if item.ai is None or shown.ai is not None:
        return None
    return item.withheld if item.withheld in HIDDEN else SECOND_REVIEW

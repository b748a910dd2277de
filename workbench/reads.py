"""What the screens show, read inside the person's scope: one function a question, values out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.errors import ItemNotFound
from review_queue.items import Act, Decision, Item, Lane, Outcome, Reason, Stage
from review_queue.measures.accuracy import Accuracy, accuracy, largest_misses
from review_queue.measures.damping import SHOWN_FROM, Damping, damping, outcomes
from review_queue.misses import ENOUGH, Misses, beside
from review_queue.periods import parse_period, seasons_back
from review_queue.reminders import SOON
from review_queue.staleness import Move
from review_queue.withholding import as_shown
from storage import (
    assignments,
    context,
    decisions,
    escalations,
    listing,
    misses,
    model_record,
    notes,
    one_item,
    past_overrides,
    people,
    receipts,
    serving,
    staleness,
    statements,
    workflows,
)
from storage.assignments import Reopening, Skip
from storage.engine import Database, database_now
from storage.escalations import Escalated
from storage.listing import Filter as Filter  # pages know these from here
from storage.listing import Page as Page
from storage.listing import Place as Place
from storage.notes import Comment
from storage.notes import Mention as Mention
from storage.receipts import Receipt as Receipt
from storage.serving import COUNTED_TO as COUNTED_TO
from storage.tree import path_of
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.deciding import server_of
from workbench.actions.seeing import as_seen

__all__ = [
    "COUNTED_TO",
    "Ahead",
    "Filter",
    "Mention",
    "ModelCard",
    "MyDesk",
    "Page",
    "Place",
    "Receipt",
    "Surroundings",
    "TrackRecord",
    "look_ahead",
    "my_desk",
    "open_items",
    "past_decisions",
    "receipt",
    "segment_choices",
    "surroundings",
    "waiting",
    "workflow_of",
]

DUE_SHOWN = 10  #: items that are due, on My desk


@dataclass(frozen=True)
class MyDesk:
    """One person's desk: how much waits, by lane, and what is theirs to look at first."""

    waiting: dict[Lane, int]  #: counted up to ``storage.serving.COUNTED_TO``
    overdue: int  #: of those; counted as far
    due_soon: int  #: of those, from now within a day; counted as far
    due: pd.DataFrame  #: the first of both, the earliest first
    held: pd.DataFrame
    escalated: pd.DataFrame
    came_back: pd.DataFrame
    decided: pd.DataFrame
    assigned: pd.DataFrame  #: to them, and to those in whose place they decide
    mentions: list[Mention]


@dataclass(frozen=True)
class Surroundings:
    """What surrounds an item: its past, the seasonal naive forecast, and what its gap is set beside."""

    history: pd.DataFrame  #: columns ``period_start`` and ``value``, oldest first
    naive: float | None  #: as given, else last year's value of the same season
    misses: Misses | None = None  #: the AI's past misses; None where there is no gap
    speakers: int = 0  #: other systems that have said something of it


@dataclass(frozen=True)
class TrackRecord:
    """How changes like the one in hand turned out."""

    where: str | None  #: the outermost segment that they were made in; None: all of the workflow
    found: Damping


@dataclass(frozen=True)
class ModelCard:
    """What is measured of the AI where an item lies."""

    here: Accuracy  #: on its series
    around: Accuracy  #: on every series of its segment
    largest: pd.DataFrame  #: the AI's largest misses on the series: ``period``, ``ai``, ``actual``, ``miss``
    overrides_here: dict[str, int]  #: label of ``measures.damping.outcomes`` → overrides on the series that ended so
    overrides_around: dict[str, int]  #: the same of the segment
    owner: str | None  #: of the workflow, as this person may see it; untrusted text


@dataclass(frozen=True)
class Look:
    """One person's decision on an item, with the reason they gave."""

    decision: Decision
    reason: Reason | None


@dataclass(frozen=True)
class Story:
    """What others did with an item before it came here."""

    given: tuple[str, str] | None  #: who put it into the name that it is in, and their note (untrusted text)
    skips: tuple[Skip, ...]  #: in this round, the newest first
    reopened: Reopening | None
    stale: tuple[Move, ...]  #: what had moved when an override of it went stale, and it came back
    overridden: Decision | None  #: that override
    to_settle: tuple[Look, ...]  #: the first and the second decision, where they differ and one is to settle it
    passed_up: tuple[Decision, ...]  #: by people in this round, without what was undone, the oldest first
    climbed: tuple[Escalated, ...]  #: what the escalation ladder did in this round, the oldest first


@dataclass(frozen=True)
class Ahead:
    """What the card of the item that comes next is going to need, read while the one before lies open."""

    item: Item  #: as it was then
    around: Surroundings
    story: Story

    def fits(self, item: Item) -> bool:
        """Whether it still holds for the item as it is now."""
        then = self.item
        before = (then.id, then.round, then.stage, then.content_hash, then.assigned_id, then.stale_at)
        return before == (item.id, item.round, item.stage, item.content_hash, item.assigned_id, item.stale_at)


def my_desk(database: Database, *, person_id: int, workflow_id: int) -> MyDesk:
    """What is due, what needs judgement, what waits on this person and what came back to them."""
    with database.reading() as session:
        who, now = people.principal(session, person_id), database_now(session)
        server, soon = server_of(session, who, now), now + SOON
        overdue, due_soon = serving.due(session, server, workflow_id, now=now, soon=soon)
        due = serving.due_first(session, server, workflow_id, now=now, soon=soon, limit=DUE_SHOWN)
        desk = MyDesk(
            waiting=serving.waiting(session, server, workflow_id, now=now),
            overdue=overdue,
            due_soon=due_soon,
            due=listing.these(session, who, workflow_id, due),
            held=listing.held(session, who, workflow_id),
            escalated=listing.escalated(session, who, workflow_id),
            came_back=listing.came_back(session, who, workflow_id, now=now),
            decided=listing.own_decisions(session, who, workflow_id),
            assigned=listing.assigned(session, who, workflow_id, server.served),
            mentions=notes.unseen_mentions(session, who, workflow_id),
        )
        return as_seen(session, who, workflow_id, desk)


@again(in_doubt=True)
def waiting(database: Database, *, person_id: int, workflow_id: int) -> dict[Lane, int]:
    """How much waits for this person now, by lane, counted up to ``storage.serving.COUNTED_TO`` each."""
    with database.reading() as session:
        who, now = people.principal(session, person_id), database_now(session)
        return serving.waiting(session, server_of(session, who, now), workflow_id, now=now)


def open_items(
    database: Database,
    *,
    person_id: int,
    workflow_id: int,
    wanted: Filter,
    limit: int = 200,
    after: Place | None = None,
) -> Page:
    """The first open items in serving order that match, or the first of those after a place in it."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        found = listing.open_items(session, who, workflow_id, wanted, limit=limit, after=after)
        return as_seen(session, who, workflow_id, found)


def segment_choices(database: Database, *, person_id: int, workflow_id: int) -> dict[str, str]:
    """The workflow's segments that this person may see, path → readable name."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        return listing.segment_choices(session, who, workflow_id)


def workflow_of(database: Database, *, person_id: int, item_id: int) -> str | None:
    """The key of the workflow that an item belongs to; None if this person may not see it."""
    with database.reading() as session:
        try:
            return one_item.get(session, item_id, people.principal(session, person_id)).workflow_key
        except ItemNotFound:
            return None


@again(in_doubt=True)
def surroundings(database: Database, *, person_id: int, item: Item) -> Surroundings:
    """What surrounds an item that this person may see, up to the period that is forecast."""
    with database.reading() as session:
        one_item.require_visible(session, people.principal(session, person_id), item.id)
        return _surroundings(session, item)


def _surroundings(session: Session, item: Item) -> Surroundings:
    history = context.history(session, item.series_id)
    history = history[history["period_start"] < pd.Timestamp(item.period_start)]
    naive = item.naive.value if item.naive else _seasonal_naive(history, item.period)
    speakers = statements.speakers(session, item.series_id, item.period_start)
    return Surroundings(history, naive, _misses(session, item), speakers)


@again(in_doubt=True)
def look_ahead(database: Database, *, person_id: int, workflow: Workflow) -> Ahead | None:
    """What surrounds the item that would be served next; None where there is none, or its AI value is not shown as is.

    Nothing is claimed, so somebody else may get the item first.
    """
    with database.reading() as session:
        who, now = people.principal(session, person_id), database_now(session)
        item_id = serving.next_for(session, server_of(session, who, now), workflow.id, now=now)
        item = one_item.get(session, item_id, who) if item_id is not None else None
        if item is None or item.stage is not Stage.FIRST or as_shown(item, has_named=False) is not item:
            return None
        ahead = Ahead(item, _surroundings(session, item), _story(session, item, person_id))
        return as_seen(session, who, workflow, ahead)


def _misses(session: Session, item: Item) -> Misses | None:
    if item.ai is None or item.divergence.gap is None:
        return None
    own = misses.of_series(session, item.id)
    shares = misses.around(session, item.id) if len(own) < ENOUGH else []
    # As the usual miss is pooled: in the segment above the series' own, or in its own where that is outermost.
    pool = item.segments[-2:][0] if item.segments else "this workflow"
    return beside(own, shares, ai=item.ai.value, pool=pool)


@again(in_doubt=True)
def other_periods(database: Database, *, person_id: int, item: Item) -> list[str]:
    """The periods in which the item's series has other open items, the earliest first."""
    with database.reading() as session:
        one_item.require_visible(session, people.principal(session, person_id), item.id)
        return context.other_open_periods(session, item.id)


@again(in_doubt=True)
def track_record(database: Database, *, person_id: int, item: Item, code: str, direction: str) -> TrackRecord:
    """How changes for a reason in a direction turned out: in the item's outermost segment, else in the workflow.

    Counts only, so that they are told whatever part of the tree this person sees.
    """
    with database.reading() as session:
        one_item.require_visible(session, people.principal(session, person_id), item.id)
        past = past_overrides.ended(session, item.workflow_id, code=code)
    past = past[past["direction"] == direction]
    if item.segments:
        found = damping(past[past["path"].str.startswith(path_of(item.segments[:1]))])
        if found.n >= SHOWN_FROM:
            return TrackRecord(item.segments[0], found)
    return TrackRecord(None, damping(past))


@again(in_doubt=True)
def model_card(database: Database, *, person_id: int, item: Item) -> ModelCard:
    """What is measured of the AI on the item's series and in its segment, and whose words stand beside it."""
    with database.reading() as session:
        who, workflow = people.principal(session, person_id), workflows.by_id(session, item.workflow_id)
        one_item.require_visible(session, who, item.id)
        owner = as_seen(session, who, workflow, workflow).policy.owner
        here = model_record.of_series(session, item.series_id)
        around = model_record.of_segment(session, item.series_id)
        ended = past_overrides.ended(session, item.workflow_id)
    here = here[pd.to_datetime(here["period_start"]) < pd.Timestamp(item.period_start)]
    path = path_of(item.segments)
    return ModelCard(
        here=accuracy(here),
        around=accuracy(around),
        largest=largest_misses(here)[["period", "ai", "actual", "miss"]],
        overrides_here=_by_outcome(ended[ended["series_id"] == item.series_id]),
        overrides_around=_by_outcome(ended[ended["path"] == path]),
        owner=owner,
    )


def _by_outcome(past: pd.DataFrame) -> dict[str, int]:
    return {str(label): int(count) for label, count in outcomes(past).value_counts().items()}


@again(in_doubt=True)
def earlier_decisions(database: Database, *, person_id: int, item: Item) -> pd.DataFrame:
    """How earlier decisions on the item's series turned out; columns of ``storage.context.earlier_decisions``."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        one_item.require_visible(session, who, item.id)
        return as_seen(session, who, item.workflow_id, context.earlier_decisions(session, item.series_id))


def receipt(database: Database, *, person_id: int, decision_id: int) -> Receipt:
    """A decision, whole: what was on the screen, who and when, why, and what has happened since.

    Raises:
        DecisionNotFound: there is none, or it lies outside the person's scope.
        ReceiptSealed: its item is under a blind review that this person could give.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        found = receipts.get(session, who, decision_id)
        return as_seen(session, who, found.item.workflow_id, found)


def past_decisions(
    database: Database, *, person_id: int, workflow_id: int, search: str = "", outcomes: tuple[Outcome, ...] = ()
) -> pd.DataFrame:
    """The last choices inside the person's scope, the newest first; columns of ``storage.receipts.listed``."""
    with database.reading() as session:
        who, workflow = people.principal(session, person_id), workflows.by_id(session, workflow_id)
        return as_seen(
            session, who, workflow, receipts.listed(session, who, workflow, search=search, outcomes=outcomes)
        )


@again(in_doubt=True)
def story(database: Database, *, person_id: int, item: Item) -> Story:
    """What others did with an item before it came here; in a blind review without their words, but for whose it is."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        one_item.require_visible(session, who, item.id)
        return as_seen(session, who, item.workflow_id, _story(session, item, person_id))


def _story(session: Session, item: Item, person_id: int) -> Story:
    is_blind = item.stage is Stage.SECOND
    skips = assignments.skips_of(session, item.id, item.round)
    reopened = assignments.last_reopening(session, item.id) if item.round > 1 else None
    shows_ai = not is_blind and not item.awaits_number
    stale = staleness.last(session, item.id) if item.stale_at is not None and shows_ai else ()
    return Story(
        stale=stale,
        overridden=_overridden(session, item) if stale else None,
        given=assignments.last_note(session, item.id) if item.assigned_id is not None else None,
        skips=tuple(replace(skip, note="") if is_blind else skip for skip in skips),
        reopened=replace(reopened, note="") if reopened and is_blind else reopened,
        to_settle=_both_looks(session, item, person_id) if item.stage is Stage.SETTLING else (),
        passed_up=_passed_up(session, item) if item.level and not is_blind else (),
        climbed=tuple(escalations.of_item(session, item.id, item.round)),
    )


def _passed_up(session: Session, item: Item) -> tuple[Decision, ...]:
    every = decisions.of_item(session, item.id)
    undone = {each.supersedes for each in every if each.act is Act.UNDO}
    return tuple(
        each
        for each in every
        if each.outcome is Outcome.ESCALATE and each.round == item.round and each.id not in undone
    )


def _overridden(session: Session, item: Item) -> Decision | None:
    """The last final value of the rounds before."""
    before = (done for done in reversed(decisions.of_item(session, item.id)) if done.round < item.round)
    return next((done for done in before if done.final_value is not None), None)


def _both_looks(session: Session, item: Item, person_id: int) -> tuple[Look, ...]:
    past = decisions.past(session, item, person_id)
    both = (past.last_final(stage) for stage in (Stage.FIRST, Stage.SECOND))
    return tuple(Look(done, decisions.reason_of(session, done.id)) for done in both if done is not None)


@again(in_doubt=True)
def comments(database: Database, *, person_id: int, item: Item) -> list[Comment]:
    """The remarks on an item, oldest first."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        one_item.require_visible(session, who, item.id)
        return as_seen(session, who, item.workflow_id, notes.comments_on(session, item.id))


def _seasonal_naive(history: pd.DataFrame, period: str) -> float | None:
    season_before = pd.Timestamp(seasons_back(parse_period(period)).start)
    known = history.loc[history["period_start"] == season_before, "value"]
    return None if known.empty else float(known.iloc[-1])

"""Who does what: giving items to a person, reopening decided ones, and noting who is away and who stands in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from review_queue.errors import AssignmentRefused, ChoiceInvalid, NotAllowed, ReviewError
from review_queue.items import OPEN_STATES, Item, State
from review_queue.masking import masked
from review_queue.notices import News
from review_queue.roles import Principal, Task
from storage import absences, assignments, audit, decisions, notifications, one_item, people, queue, workflows
from storage.absences import Absence
from storage.engine import Database, database_now
from storage.tree import path_of
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.deciding import note as put_on_record
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import sight

#: How many items are assigned with one press at most.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to whom items can be given."""

    id: int
    name: str
    assigned: int  #: open items in their name
    away_until: datetime | None  #: UTC
    deputy: str | None  #: who gets the items while they are away


@dataclass(frozen=True, slots=True)
class Assigned:
    """What became of a press of *Assign*."""

    to: str | None  #: the name of who has the items now; None: everybody
    item_ids: tuple[int, ...]
    left_out: tuple[tuple[int, str], ...]  #: items that were not given, each with the reason in words
    in_place_of: str | None = None  #: who was asked for but is away


@notes_refusals
def candidates(database: Database, *, person_id: int, workflow: Workflow) -> list[Candidate]:
    """Everybody to whom this person could give items of the workflow."""
    with database.reading() as session:
        asks = people.principal(session, person_id)
        asks.require(Task.ASSIGN, workflow.id)
        now = database_now(session)
        reviewers = people.who_may(session, Task.REVIEW, workflow.id)
        load = assignments.loads(session, workflow.id, [who.person_id for who in reviewers])
        away = {absence.person_id: absence for absence in absences.coming(session, now=now) if absence.from_at <= now}
    found = [
        Candidate(
            id=who.person_id,
            name=who.name,
            assigned=load.get(who.person_id, 0),
            away_until=away[who.person_id].until_at if who.person_id in away else None,
            deputy=away[who.person_id].deputy if who.person_id in away else None,
        )
        for who in reviewers
    ]
    return masked(found, sight(asks, workflow))


@again(in_doubt=False)
def assign_items(
    database: Database, *, person_id: int, workflow: Workflow, item_ids: Sequence[int], to: int | None, note: str = ""
) -> Assigned:
    """Give open items to one person, or (None) back to everybody. Whoever holds one of them no longer does.

    Somebody who is away gets nothing; their deputy gets it in their place.

    Raises:
        AssignmentRefused: this person cannot take them, has too much already, or a note is missing that says why an
            item is taken from somebody. Nothing was changed.
        NotAllowed: the person who asks may not assign.
    """
    if not 0 < len(item_ids) <= AT_ONCE:
        raise AssignmentRefused(f"Choose from 1 to {AT_ONCE} items to assign.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.ASSIGN, workflow.id)
        now = database_now(session)
        asked, taker = taker_of(session, workflow, to, now)
        given: list[Item] = []
        left_out: list[tuple[int, str]] = []
        for item_id in sorted(set(item_ids)):
            try:
                given.append(_assign(session, who, workflow, item_id, taker, note.strip(), now))
            except NotGiven as why:
                left_out.append((item_id, str(why)))
        _check_load(session, workflow, taker)
        in_place_of = asked.name if asked and taker and asked.person_id != taker.person_id else None
        if taker is not None:
            _tell(session, who, workflow, taker, given, in_place_of)
    return Assigned(taker.name if taker else None, tuple(item.id for item in given), tuple(left_out), in_place_of)


class NotGiven(ReviewError):
    """One item of several that stays where it is."""

    code = "NOT_GIVEN"


@again(in_doubt=False)
def reopen_item(database: Database, *, person_id: int, workflow: Workflow, item_id: int, note: str) -> int:
    """Put a decided item back into the queue for another round; the number of that round.

    The decision stays on record; the item counts as undecided until there is another.

    Raises:
        ChoiceInvalid: it is not decided, or the note is missing.
        ItemNotFound, NotAllowed: it is not for this person to reopen.
    """
    if not note.strip():
        raise ChoiceInvalid(item_id, "say why it is reopened.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.REOPEN, workflow.id)
        item = one_item.get(session, item_id, who, Task.REOPEN, lock=True)
        if item.state is not State.DECIDED:
            raise ChoiceInvalid(item_id, "only a decided item can be reopened.")
        round_ = queue.reopen(session, item, now=database_now(session))
        assignments.note_reopening(session, item, by=person_id, note=note.strip())
        stood = decisions.past(session, item, person_id).standing
        opened = f"{who.name} reopened {item.series} · {item.period}, which you had decided."
        whose = [stood.actor_id] if stood is not None else []
        notifications.notify(session, whose, workflow.id, News.REOPENED, opened, item_id, by=person_id)
        put_on_record(session, "item.reopened", who, workflow, item_id, details={"round": round_})
        return round_


@again(in_doubt=False)
def note_absence(
    database: Database,
    *,
    person_id: int,
    whose: int,
    from_at: datetime,
    until_at: datetime,
    deputy_id: int | None = None,
    note: str = "",
) -> int:
    """Note that somebody is away, and who stands in; what is assigned to them is their deputy's meanwhile.

    Everybody notes their own absences; those of others whoever may assign items where they review. Without a deputy
    their items are for anybody. Returns the absence's id.

    Raises:
        AssignmentRefused: the times or the deputy make no sense, or the person is away then already.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        _check_directs(session, who, whose)
        now = database_now(session)
        away = people.principal(session, whose)
        _check_absence(session, away, from_at, until_at, deputy_id, now)
        absence_id = absences.add(
            session,
            person_id=whose,
            from_at=from_at,
            until_at=until_at,
            deputy_id=deputy_id,
            note=note.strip(),
            noted_by=person_id,
        )
        details = {"absence": absence_id, "person_id": whose, "deputy_id": deputy_id}
        times = {"from": from_at.isoformat(), "until": until_at.isoformat()}
        audit.record(session, "absence.noted", actor_id=person_id, details=details | times)
        return absence_id


@again(in_doubt=False)
def end_absence(database: Database, *, person_id: int, absence_id: int) -> None:
    """Call an absence off: the person is back from now on.

    Raises:
        AssignmentRefused: there is none, or it is over.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        absence = absences.get(session, absence_id)
        if absence is not None:
            _check_directs(session, who, absence.person_id)
        if absence is None or not absences.end(session, absence_id, now=database_now(session)):
            raise AssignmentRefused("That absence is over already. Nothing was changed.")
        audit.record(
            session,
            "absence.ended",
            actor_id=person_id,
            details={"absence": absence_id, "person_id": absence.person_id},
        )


@notes_refusals
def list_absences(database: Database, *, person_id: int) -> list[Absence]:
    """Who is away now or soon: oneself, whom one stands in for, and whoever reviews where one may assign items."""
    with database.reading() as session:
        directed = _directed(session, people.principal(session, person_id))
        known = absences.coming(session, now=database_now(session))
        return [
            absence
            for absence in known
            if person_id in (absence.person_id, absence.deputy_id) or absence.person_id in directed
        ]


@notes_refusals
def deputies(database: Database, *, person_id: int) -> dict[int, str]:
    """Who could stand in for this person: everybody else who reviews anything that they review, id → name."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        return {person.person_id: person.name for person in _colleagues(session, who)}


# --- giving items --------------------------------------------------------------------------------------------------


def taker_of(
    session: Session, workflow: Workflow, to: int | None, now: datetime
) -> tuple[Principal | None, Principal | None]:
    """Who was asked for, and who gets the items: the same, or a deputy.

    Raises:
        AssignmentRefused: this person does not review here, or is away and nobody stands in.
    """
    if to is None:
        return None, None
    reviewers = {who.person_id: who for who in people.who_may(session, Task.REVIEW, workflow.id)}
    asked = reviewers.get(to)
    if asked is None:
        raise AssignmentRefused(f"This person does not review in {workflow.title}. Choose somebody who does.")
    absence = absences.away(session, to, now=now)
    if absence is None:
        return asked, asked
    deputy = reviewers.get(absence.deputy_id or 0)
    if deputy is None or absences.away(session, deputy.person_id, now=now) is not None:
        raise AssignmentRefused(
            f"{asked.name} is away until {absence.until_at:%Y-%m-%d}, and nobody stands in. Choose somebody else."
        )
    return asked, deputy


def _assign(
    session: Session,
    who: Principal,
    workflow: Workflow,
    item_id: int,
    taker: Principal | None,
    note: str,
    now: datetime,
) -> Item:
    item = one_item.get(session, item_id, who, Task.ASSIGN, lock=True)
    to = taker.person_id if taker else None
    check_item(session, item, workflow, taker)
    taken = _taken_from(item, to)
    if taken is not None and not note:
        raise AssignmentRefused(f"Item {item_id} is taken from {taken}. Leave a note that says why.")
    assignments.assign(session, item, to, by=who.person_id, note=note, now=now)
    details = {"to": to, "from": item.assigned_id, "fence": item.fence, "state": item.state}
    put_on_record(session, "item.assigned", who, workflow, item_id, details=details)
    return item


def _tell(
    session: Session, who: Principal, workflow: Workflow, taker: Principal, given: list[Item], in_place_of: str | None
) -> None:
    """Tell whoever got the items, once for all of them."""
    if not given:
        return
    what = f"{given[0].series} · {given[0].period}" if len(given) == 1 else f"{len(given):,} items"
    instead = f", in place of {in_place_of}" if in_place_of else ""
    only = given[0].id if len(given) == 1 else None
    sentence = f"{who.name} gave you {what}{instead}."
    notifications.notify(session, [taker.person_id], workflow.id, News.ASSIGNED, sentence, only, by=who.person_id)


def check_item(session: Session, item: Item, workflow: Workflow, taker: Principal | None) -> None:
    """Whether the item can be given to this person.

    Raises:
        NotGiven: with the reason in words.
    """
    if item.workflow_id != workflow.id or item.state not in OPEN_STATES:
        raise NotGiven(f"Item {item.id} is {item.state.replace('_', ' ')}; there is nothing to decide.")
    if item.assigned_id == (taker.person_id if taker else None):
        whose = f"{taker.name}'s" if taker else "everybody's"
        raise NotGiven(f"Item {item.id} is {whose} already.")
    if taker is None:
        return
    if taker.person_id == item.not_for:
        raise NotGiven(f"{taker.name} decided item {item.id} first and cannot be its second reviewer.")
    if taker.person_id == item.nor_for:
        raise NotGiven(f"{taker.name} decided item {item.id} second, and otherwise; somebody else settles it.")
    if not taker.may_at(Task.REVIEW, item.workflow_id, path_of(item.segments), level=item.level):
        raise NotGiven(f"Item {item.id} lies outside of what {taker.name} may review.")
    if assignments.passed_for_good(session, item, taker.person_id) is not None:
        raise NotGiven(f"{taker.name} skipped item {item.id} for good, as not theirs or for a conflict of interest.")


def _taken_from(item: Item, to: int | None) -> str | None:
    """From whom the item is taken: who has it in hand, else in whose name it is."""
    if item.state is State.CLAIMED and item.holder_id != to:
        return item.holder_name
    return item.assigned_name if item.assigned_id not in (None, to) else None


def _check_load(session: Session, workflow: Workflow, taker: Principal | None) -> None:
    if taker is None:
        return
    limit = workflow.policy.assigned_limit
    load = assignments.loads(session, workflow.id, [taker.person_id]).get(taker.person_id, 0)
    if load > limit:
        raise AssignmentRefused(
            f"{taker.name} would have {load:,} items, and {limit:,} is the most. Choose fewer, or somebody else."
        )


# --- absences ------------------------------------------------------------------------------------------------------


def _check_directs(session: Session, who: Principal, whose: int) -> None:
    """Whether ``who`` may say when this person is away."""
    if whose == who.person_id:
        return
    who.require(Task.ASSIGN)
    if whose not in _directed(session, who):
        raise NotAllowed(who.name, "say when people are away who review elsewhere")


def _directed(session: Session, who: Principal) -> set[int]:
    """Everybody who reviews where ``who`` may assign items."""
    here = [workflow.id for workflow in workflows.all(session) if who.may(Task.ASSIGN, workflow.id)]
    return {person.person_id for workflow_id in here for person in people.who_may(session, Task.REVIEW, workflow_id)}


def _check_absence(
    session: Session, away: Principal, from_at: datetime, until_at: datetime, deputy_id: int | None, now: datetime
) -> None:
    if until_at <= from_at or until_at <= now:
        raise AssignmentRefused("The last day lies before the first, or in the past. Choose other days.")
    if deputy_id is not None and deputy_id not in {who.person_id for who in _colleagues(session, away)}:
        raise AssignmentRefused(f"That person cannot stand in for {away.name}. Choose somebody who reviews there too.")
    known = absences.overlapping(session, away.person_id, from_at, until_at)
    if known is not None:
        raise AssignmentRefused(
            f"{away.name} is noted as away from {known.from_at:%Y-%m-%d} to {known.until_at:%Y-%m-%d} already. "
            "End that absence first."
        )


def _colleagues(session: Session, who: Principal) -> Collection[Principal]:
    found = {
        person.person_id: person
        for workflow_id in _workflows_of(session, who)
        for person in people.who_may(session, Task.REVIEW, workflow_id)
    }
    found.pop(who.person_id, None)
    return found.values()


def _workflows_of(session: Session, who: Principal) -> list[int]:
    granted = [grant.workflow_id for grant in who.grants_for(Task.REVIEW)]
    if None in granted:
        return [workflow.id for workflow in workflows.all(session)]
    return sorted({workflow_id for workflow_id in granted if workflow_id is not None})

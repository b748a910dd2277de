"""The escalation ladder at work: what its steps would do, and the clock that has them do it. Nothing here decides.

A rehearsal and the clock ask the same lines (``_planned``) what is to be done, with the same clock and people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from review_queue.calendars import BusinessCalendar
from review_queue.errors import AssignmentRefused, NotAllowed
from review_queue.escalation import Did, Does, Since, Step, acts_at, why
from review_queue.items import State
from review_queue.notices import News
from review_queue.roles import Grant, Principal, Role, Task
from storage import absences, assignments, audit, escalations, notifications, one_item, people, workflows
from storage.engine import Database, database_now
from storage.escalations import Climber, Escalated
from storage.workflows import Workflow
from workbench.actions import assigning
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen
from workbench.stopping import doors

#: Items in one transaction, so that nobody's click waits long for it.
AT_ONCE = 200
#: Items of a step that are looked for at once.
FOUND_AT_ONCE = 5_000
#: How far ahead a rehearsal looks, in business hours.
AHEAD_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a step will do with an item, if nothing else happens to it."""

    item_id: int
    series: str
    period: str
    step: str
    at: datetime  #: UTC
    did: Did
    to_level: int
    taker: str | None
    told: tuple[str, ...]  #: names


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the ladder would do over the present queue, without doing it."""

    now: datetime  #: UTC
    until: datetime  #: UTC
    ladder: tuple[Step, ...]
    acts: tuple[Foreseen, ...]  #: the soonest first
    is_whole: bool  #: false: some step has more than ``FOUND_AT_ONCE`` items

    @property
    def due_now(self) -> tuple[Foreseen, ...]:
        return tuple(act for act in self.acts if act.at <= self.now)


@notes_refusals
def rehearse(
    database: Database, *, person_id: int, workflow: Workflow, now: datetime | None = None, hours: float = AHEAD_HOURS
) -> Rehearsal:
    """What the ladder would do now and in the next business hours with the items in scope. Nothing is changed.

    Args:
        now: UTC; the database's clock unless a test says otherwise.

    Raises:
        NotAllowed: the person neither governs the workflow nor assigns its items.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        if not may_rehearse(who, workflow.id):
            raise NotAllowed(who.name, "try the escalation ladder")
        workflow = workflows.by_id(session, workflow.id)  # what somebody was shown of it may be without names
        now = now or database_now(session)
        until = BusinessCalendar.of(workflow.policy).add_hours(now, hours)
        found, is_whole = _found(session, workflow, now=now, at=until)
        planned = _planned(session, workflow, _Crew.of(session, workflow, now), found, now=now, until=until)
        seen = one_item.visible(session, who, workflow.id, found)
        in_scope = (plan for plan in planned if plan.climber.item_id in seen)
        plans = sorted(in_scope, key=lambda plan: (plan.at, plan.climber.item_id))
        names = people.names_of(session, {person for plan in plans for person in plan.told})
        acts = as_seen(session, who, workflow, tuple(plan.as_foreseen(names) for plan in plans))
    return Rehearsal(now, until, workflow.policy.escalation, acts, is_whole)


def may_rehearse(who: Principal, workflow_id: int) -> bool:
    """Whether this person may see what the ladder would do to which items."""
    return who.may(Task.GOVERN, workflow_id) or who.may(Task.ASSIGN, workflow_id)


def climb(database: Database, *, now: datetime | None = None) -> int:
    """Have every ladder act where one of its steps is breached; on how many items and steps it did.

    The server calls this beside its work. Any number may at once: a step acts on an item once a round. An item that
    somebody else has locked meanwhile is left for the next time.

    Args:
        now: UTC; the database's clock unless a test says otherwise.
    """
    with database.reading() as session:
        ladders = [each for each in workflows.all(session) if each.policy.escalation]
    acted = 0
    for workflow in ladders:
        if not workflow.policy.missing_for_review():
            acted += _climb(database, workflow, now)
    return acted


def _climb(database: Database, workflow: Workflow, now: datetime | None) -> int:
    acted = 0
    while True:
        with database.reading() as session:
            at = now or database_now(session)
            found, is_whole = _found(session, workflow, now=at, at=at)
        before = acted
        for start in range(0, len(found), AT_ONCE):
            doors.check()
            acted += _act(database, workflow, found[start : start + AT_ONCE], now=at)
        if is_whole or acted == before:
            return acted


@notes_refusals
def last_acts(database: Database, *, person_id: int, workflow: Workflow, limit: int = 50) -> list[Escalated]:
    """What the ladder did last with the items in scope, the newest first.

    Raises:
        NotAllowed: the person neither governs the workflow nor assigns its items.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        if not may_rehearse(who, workflow.id):
            raise NotAllowed(who.name, "see what the escalation ladder did")
        found = escalations.newest(session, workflow.id, people.scope(who, Task.SEE_QUEUE), limit=limit)
        return as_seen(session, who, workflow, found)


# --- what is to be done --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """One step for one item."""

    climber: Climber  #: as it is once the steps before this one have acted
    step: Step
    at: datetime
    did: Did
    to_level: int
    told: tuple[int, ...]  #: whoever must act now
    taker: Principal | None = None
    obstacle: str = ""  #: why it cannot be given to anybody

    def as_foreseen(self, names: Mapping[int, str]) -> Foreseen:
        of = self.climber
        told = tuple(names[person] for person in self.told if person in names)
        taker = self.taker.name if self.taker else None
        return Foreseen(of.item_id, of.series, of.period, self.step.name, self.at, self.did, self.to_level, taker, told)


@dataclass
class _Crew:
    """Who can be told and given something, as it is now."""

    workflow: Workflow
    now: datetime
    everyone: list[Principal]
    owners: list[int]
    deputies: dict[int, int | None]  #: whoever is away → who stands in
    addressed: dict[str, list[int]]  #: by e-mail address
    load: dict[int, int] = field(default_factory=dict)  #: items assigned, with those that are about to be

    @classmethod
    def of(cls, session: Session, workflow: Workflow, now: datetime) -> _Crew:
        policy = workflow.policy
        emails = tuple(filter(None, (policy.owner, policy.deputy)))
        away = {each.person_id: each.deputy_id for each in absences.coming(session, now=now) if each.from_at <= now}
        return cls(
            workflow,
            now,
            people.who_may(session, Task.SEE_QUEUE, workflow.id),
            people.owners(session, workflow.id, emails=emails),
            away,
            {step.who: people.with_email(session, step.who) for step in policy.escalation if "@" in step.who},
        )

    def whom(self, step: Step, path: str) -> tuple[int, ...]:
        """Whom a step tells of an item in this segment; the workflow's owners where there is nobody else."""
        if step.role is None:
            named = self.addressed.get(step.who, [])
        elif step.role is Role.OWNER:
            named = self.owners
        else:
            named = [who.person_id for who in self.everyone if _has(who, step.role, self.workflow.id, path)]
        stand_ins = [self.deputies.get(person) for person in named]
        return tuple(sorted({*named, *filter(None, stand_ins)} or self.owners))


def _has(who: Principal, role: Role, workflow_id: int, path: str) -> bool:
    return any(grant.role is role and grant.covers(workflow_id, path) for grant in who.grants)


def _found(session: Session, workflow: Workflow, *, now: datetime, at: datetime) -> tuple[list[int], bool]:
    """Items on which some step may act by ``at``, and whether these are all."""
    calendar, ladder = BusinessCalendar.of(workflow.policy), workflow.policy.escalation
    found: set[int] = set()
    is_whole = True
    for place, step in enumerate(ladder):
        before = ladder[place - 1] if step.since is Since.LAST_STEP else None
        cutoff = calendar.hours_ago(at, step.after_hours)
        ids = escalations.candidates(
            session, workflow.id, step, before, now=now, at=at, cutoff=cutoff, limit=FOUND_AT_ONCE
        )
        is_whole &= len(ids) < FOUND_AT_ONCE
        found.update(ids)
    return sorted(found), is_whole


def _planned(
    session: Session,
    workflow: Workflow,
    crew: _Crew,
    item_ids: Collection[int],
    *,
    now: datetime,
    until: datetime,
    lock: bool = False,
) -> Iterator[_Plan]:
    """What is to be done with these items by ``until``: item by item, for each in the order in which the steps act."""
    calendar, ladder = BusinessCalendar.of(workflow.policy), workflow.policy.escalation
    climbers = escalations.climbers(session, item_ids, now=now, lock=lock)
    acted = escalations.done(session, [each.item_id for each in climbers])
    for climber in climbers:
        before = acted.get(climber.item_id, {})
        steps = acts_at(ladder, climber.facts, before, calendar=calendar, now=now)
        standing = climber
        for step, at in sorted(steps, key=lambda each: each[1]):
            if at > until or (step.does is Does.ASSIGN_DEPUTY and standing.assigned_id is None):
                continue
            plan = _plan(session, crew, standing, step, at)
            standing = _afterwards(standing, plan)
            yield plan


def _plan(session: Session, crew: _Crew, climber: Climber, step: Step, at: datetime) -> _Plan:
    told = crew.whom(step, climber.path)
    if step.does is Does.ASSIGN_DEPUTY:
        return _giving(session, crew, climber, step, at)
    if step.to_level > climber.level:
        return _Plan(climber, step, at, Did.RAISED, step.to_level, told)
    return _Plan(climber, step, at, Did.NOTIFIED, climber.level, told)


def _giving(session: Session, crew: _Crew, climber: Climber, step: Step, at: datetime) -> _Plan:
    workflow = crew.workflow
    try:
        _, taker = assigning.taker_of(session, workflow, climber.assigned_id, crew.now)
        assert taker is not None  # noqa: S101 -- the item is assigned to somebody
        item = one_item.get(session, climber.item_id, _anybody(workflow))
        assigning.check_item(session, item, workflow, taker)
        if taker.person_id not in crew.load:
            load = assignments.loads(session, workflow.id, [taker.person_id])
            crew.load[taker.person_id] = load.get(taker.person_id, 0)
        if crew.load[taker.person_id] >= workflow.policy.assigned_limit:
            raise AssignmentRefused(
                f"{taker.name} has {crew.load[taker.person_id]:,} items already, which is the most."
            )
    except (AssignmentRefused, assigning.NotGiven) as refusal:
        told = tuple(crew.owners)
        return _Plan(climber, step, at, Did.NOT_POSSIBLE, climber.level, told, obstacle=str(refusal))
    crew.load[taker.person_id] += 1
    told = tuple(sorted({taker.person_id, *(crew.whom(step, climber.path) if step.who else ())}))
    return _Plan(climber, step, at, Did.ASSIGNED, climber.level, told, taker)


def _afterwards(climber: Climber, plan: _Plan) -> Climber:
    """The item once the plan is carried out, for the steps that follow."""
    if plan.did is Did.RAISED:
        return replace(climber, level=plan.to_level, state=_put_down(climber), holder_id=None, assigned_id=None)
    if plan.did is Did.ASSIGNED and plan.taker is not None:
        return replace(climber, state=_put_down(climber), holder_id=None, assigned_id=plan.taker.person_id)
    return climber


def _put_down(climber: Climber) -> State:
    return State.READY if climber.state is State.CLAIMED else climber.state


def _anybody(workflow: Workflow) -> Principal:
    """Somebody who may see every item of the workflow: the clock acts for nobody."""
    return Principal(0, assignments.LADDER, (Grant(Role.OWNER, workflow.id),))


# --- doing it ------------------------------------------------------------------------------------------------------


@again(in_doubt=True)
def _act(database: Database, workflow: Workflow, item_ids: list[int], *, now: datetime) -> int:
    """Have the steps that are breached act on these items, in one transaction; how many acts that were."""
    news: dict[tuple[str, Did, str, tuple[int, ...]], list[_Plan]] = {}
    acted = 0
    with database.writing() as session:
        crew = _Crew.of(session, workflow, now)
        for plan in _planned(session, workflow, crew, item_ids, now=now, until=now, lock=True):
            if _carry_out(session, workflow, plan, now):
                acted += 1
                news.setdefault((plan.step.name, plan.did, plan.obstacle, _hears(plan)), []).append(plan)
        for (_, _, _, whom), plans in news.items():
            only = plans[0].climber.item_id if len(plans) == 1 else None
            notifications.notify(session, whom, workflow.id, News.ESCALATED, _said(workflow, plans), only, by=None)
    return acted


def _carry_out(session: Session, workflow: Workflow, plan: _Plan, now: datetime) -> bool:
    climber = plan.climber
    is_first = escalations.add(
        session,
        climber,
        plan.step.name,
        workflow_id=workflow.id,
        did=plan.did,
        why=why(plan.step),
        to_level=plan.to_level,
        assigned_to=plan.taker.person_id if plan.taker else None,
        told=plan.told,
        policy_version=workflow.policy_version,
        now=now,
    )
    if not is_first:
        return False
    details = {"step": plan.step.name, "round": climber.round, "told": list(plan.told)}
    action = f"item.{plan.did}"
    if plan.did is Did.RAISED:
        escalations.raise_item(session, climber, plan.to_level, now=now)
        details |= {"from": climber.level, "level": plan.to_level, "fence": climber.fence + 1}
    elif plan.did is Did.ASSIGNED and plan.taker is not None:
        item = one_item.get(session, climber.item_id, _anybody(workflow))
        assignments.assign(session, item, plan.taker.person_id, by=None, note=f"{why(plan.step)}.", now=now)
        details |= {"to": plan.taker.person_id, "from": climber.assigned_id, "fence": item.fence, "state": item.state}
    else:
        action = "item.escalated"
        details |= {"did": plan.did}
    audit.record(session, action, actor_id=None, workflow_id=workflow.id, item_id=climber.item_id, details=details)
    return True


def _hears(plan: _Plan) -> tuple[int, ...]:
    """Whoever must act, and whoever had it."""
    had = filter(None, (plan.climber.holder_id, plan.climber.assigned_id))
    return tuple(sorted({*plan.told, *had}))


def _said(workflow: Workflow, plans: list[_Plan]) -> str:
    """One sentence for all that a step did alike. Nothing of the numbers: some who read it are yet to name theirs."""
    plan, number = plans[0], len(plans)
    one = f"{plan.climber.series} · {plan.climber.period}"
    which = one if number == 1 else f"{workflow.title}: {number:,} items"
    it, waits, lies, them = ("It", "waits", "lies", "it") if number == 1 else ("They", "wait", "lie", "them")
    taker = plan.taker.name if plan.taker else "nobody"
    then = {
        Did.NOTIFIED: f"{it} {waits} for a decision.",
        Did.RAISED: f"{it} {lies} before a {plan.step.who} now.",
        Did.ASSIGNED: f"{taker} has {them} now.",
        Did.NOT_POSSIBLE: f"Nobody could be given {them}: {plan.obstacle}",
    }[plan.did]
    return f"{which}, {why(plan.step)}. {then}"

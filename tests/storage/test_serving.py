"""Who is served what, and in which order: against a plain sort of all items, for whatever stands in the queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from review_queue.items import Band, Lane, SkipReason, State
from review_queue.roles import REVIEW_LEVEL, Role, Task
from storage import people, queue, serving
from storage.engine import database_now
from storage.tables import absences, grants, items, segments, series, skips
from storage.tables import people as everybody
from tests.builders import a_person, a_workflow, bring_in, forecasts, take
from workbench import reads
from workbench.actions import reviewing
from workbench.actions.deciding import server_of

TTL = timedelta(minutes=15)
ADA, BEN, CID, GUS = "Ada", "Ben", "Cid", "Gus"
#: A tree two levels deep; ``None`` is the workflow itself, outside of every segment.
PATHS = (None, "N\x1f", "N\x1fx\x1f", "N\x1fy\x1f", "S\x1f")
HERE, ELSEWHERE, EVERYWHERE = "here", "elsewhere", "everywhere"
SOON = [timedelta(hours=hours) for hours in (-2, 1, 1)]
LATELY, LONG_AGO = timedelta(hours=1), timedelta(hours=9)
ON, PAST, COMING, ENDED = "on", "past", "coming", "ended"


@dataclass(frozen=True)
class Waiting:
    """An item as the test lays it into the queue."""

    lane: Lane = Lane.ROUTINE
    score: float = 0.0
    due: timedelta | None = None  #: from now
    level: int = 0
    path: str | None = None
    state: State = State.READY
    free_in: timedelta = timedelta(0)  #: from now
    assigned: str | None = None
    not_for: str | None = None
    nor_for: str | None = None
    skipped: tuple[str, SkipReason, timedelta, int] | None = None  #: by whom, why, how long ago, in which round
    is_elsewhere: bool = False  #: in another workflow


@dataclass(frozen=True)
class Away:
    """An absence."""

    who: str
    deputy: str | None
    when: str = ON


@dataclass(frozen=True)
class Held:
    """A grant of Ada's."""

    role: Role = Role.REVIEWER
    where: str = EVERYWHERE
    path: str | None = None


def mostly(usual, *others):
    """Three times in four the usual: so many conditions meet here that else hardly an item would be free."""
    return st.sampled_from([usual] * 3 * len(others) + list(others))


WAITING = st.builds(
    Waiting,
    lane=st.sampled_from([Lane.JUDGEMENT, Lane.ROUTINE, Lane.ROUTINE]),
    score=st.sampled_from([12.5, 12.5, 99.0]),
    due=st.sampled_from([None, *SOON]),
    level=mostly(0, 1, 2),
    path=st.sampled_from(PATHS),
    state=mostly(State.READY, State.CLAIMED, State.DEFERRED, State.SENT_BACK, State.DECIDED),
    free_in=mostly(timedelta(0), -LATELY, LATELY),
    assigned=mostly(None, ADA, ADA, BEN, CID, GUS),
    not_for=mostly(None, ADA, BEN),
    nor_for=mostly(None, ADA, BEN),
    skipped=mostly(
        None,
        *((ADA, reason, ago, 1) for reason in (SkipReason.NOT_MINE, SkipReason.LATER) for ago in (LATELY, LONG_AGO)),
        (ADA, SkipReason.INTEREST, LONG_AGO, 2),
        (BEN, SkipReason.INTEREST, LATELY, 1),
    ),
    is_elsewhere=mostly(False, True),
)
AWAY = st.builds(
    Away,
    who=st.sampled_from([BEN, CID, ADA]),
    deputy=st.sampled_from([None, ADA, BEN, CID, GUS]),
    when=mostly(ON, PAST, COMING, ENDED),
).filter(lambda away: away.who != away.deputy)
HELD = st.builds(
    Held,
    role=st.sampled_from([Role.REVIEWER, Role.REVIEWER, Role.DIRECTOR, Role.OWNER, Role.MANAGER]),
    where=mostly(HERE, EVERYWHERE, ELSEWHERE),
    path=st.sampled_from(["N\x1f", None, "N\x1fx\x1f", "S\x1f"]),
)
REVIEWS_HERE = st.builds(
    Held,
    role=st.sampled_from([Role.REVIEWER, Role.DIRECTOR]),
    where=st.sampled_from([HERE, EVERYWHERE]),
    path=st.sampled_from([None, None, "N\x1f", "N\x1fx\x1f"]),
)


@dataclass(frozen=True)
class House:
    """Two workflows with the same tree, and people: Ada is served, Gus reviews nothing any more."""

    here: int
    ids: dict[str, int]
    segment_ids: dict[str | None, int | None]
    series_ids: dict[bool, int]  #: elsewhere?
    workflow_ids: dict[bool, int]


@pytest.fixture
def house(database):
    workflow, other = a_workflow(database), a_workflow(database, key="other")
    roles = {ADA: [], BEN: [Role.REVIEWER], CID: [Role.REVIEWER], GUS: [Role.MANAGER]}
    ids = {name: a_person(database, name, *held) for name, held in roles.items()}
    with database.writing() as session:
        made: dict[str | None, int | None] = {None: None}
        for path in PATHS[1:]:
            names = path.split("\x1f")[:-1]
            made[path] = session.execute(
                insert(segments)
                .values(
                    workflow_id=workflow.id,
                    parent_id=made[path[:2]] if len(names) > 1 else None,
                    level="region" if len(names) == 1 else "area",
                    depth=len(names) - 1,
                    name=names[-1],
                    path=path,
                )
                .returning(segments.c.id)
            ).scalar_one()
        keys = {False: workflow.id, True: other.id}
        series_ids = {
            elsewhere: session.execute(
                insert(series).values(workflow_id=workflow_id, key="acme").returning(series.c.id)
            ).scalar_one()
            for elsewhere, workflow_id in keys.items()
        }
    return House(workflow.id, ids, made, series_ids, keys)


@example(
    queue_=[Waiting(assigned=BEN), Waiting(assigned=GUS), Waiting(state=State.DEFERRED, assigned=ADA), Waiting()],
    aways=[Away(BEN, None)],
    held=[Held()],
)
@example(
    queue_=[Waiting(level=1, path="N\x1fx\x1f"), Waiting(level=1, path="S\x1f", score=99.0), Waiting(score=12.5)],
    aways=[],
    held=[Held(path=None), Held(Role.DIRECTOR, HERE, "N\x1f"), Held(Role.OWNER, ELSEWHERE)],
)
@example(  # two who are away and stand in for each other, and two who are back
    queue_=[Waiting(assigned=BEN), Waiting(assigned=CID)],
    aways=[Away(BEN, CID), Away(CID, BEN)],
    held=[Held()],
)
@example(
    queue_=[Waiting(assigned=BEN), Waiting(assigned=CID)],
    aways=[Away(BEN, ADA, ENDED), Away(CID, None, PAST)],
    held=[Held()],
)
@example(  # two roles in one segment: the higher one reaches further, whichever was given last
    queue_=[Waiting(level=1, path="N\x1f"), Waiting(path="N\x1f"), Waiting(level=1, path="S\x1f")],
    aways=[],
    held=[Held(Role.DIRECTOR, HERE, "N\x1f"), Held(Role.REVIEWER, HERE, "N\x1f")],
)
@example(  # the first in each segment, level by level, and one's own before it
    queue_=[
        *(Waiting(level=1, path=path, score=score) for path in PATHS[1:] for score in (12.5, 99.0)),
        Waiting(assigned=ADA, path="S\x1f"),
        Waiting(score=99.0, due=SOON[1]),
        Waiting(score=99.0, due=SOON[0]),
        Waiting(score=99.0),
    ],
    aways=[],
    held=[Held(Role.REVIEWER), Held(Role.DIRECTOR, HERE, "S\x1f"), Held(Role.DIRECTOR, EVERYWHERE, "N\x1fx\x1f")],
)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    queue_=st.lists(WAITING, min_size=6, max_size=18),
    aways=st.lists(AWAY, max_size=3, unique_by=lambda away: away.who),
    held=st.tuples(REVIEWS_HERE, HELD, HELD).map(list) | st.tuples(REVIEWS_HERE).map(list) | st.tuples(HELD).map(list),
)
def test_items_are_served_in_the_order_of_a_plain_sort(database, house, queue_, aways, held):
    with Session(database.engine, autoflush=False) as session, session.begin() as transaction:
        now = database_now(session)
        _lay_out(session, house, queue_, aways, held, now)
        who = people.principal(session, house.ids[ADA])
        server = server_of(session, who, now)

        counted = sum(serving.waiting(session, server, house.here, now=now).values())
        served = []
        while (claim := _claim_next(session, server, house, now)) is not None:
            served.append(claim.item_id)

        transaction.rollback()
    assert served == _sorted(queue_, aways, held)
    assert counted == len(served)


def _claim_next(session, server, house, now):
    claim, passed_up = queue.claim_next(session, server, house.here, now=now, ttl=TTL)
    assert passed_up == []
    return claim


def _lay_out(session, house, queue_, aways, held, now):
    """Item ``id`` n is the n-th, counted from 1."""
    for number, waiting in enumerate(queue_, start=1):
        values = {
            "id": number,
            "workflow_id": house.workflow_ids[waiting.is_elsewhere],
            "series_id": house.series_ids[waiting.is_elsewhere],
            "segment_id": None if waiting.is_elsewhere else house.segment_ids[waiting.path],
            "period": str(number),
            "period_start": now.date(),
            "created_at": now,
            "due_at": None if waiting.due is None else now + waiting.due,
            "state": waiting.state,
            "level": waiting.level,
            "available_at": now + waiting.free_in,
            "assigned_to": house.ids.get(waiting.assigned),
            "not_for": house.ids.get(waiting.not_for),
            "nor_for": house.ids.get(waiting.nor_for),
            "band": Band.AGREE,
            "lane": waiting.lane,
            "score": waiting.score,
            "why": [],
            "content_hash": "",
        }
        if waiting.state is State.CLAIMED:
            values |= {"claimed_by": house.ids[CID], "expires_at": now + waiting.free_in}
        session.execute(insert(items).values(**values))
        if waiting.skipped:
            name, reason, ago, round_ = waiting.skipped
            session.execute(
                insert(skips).values(
                    item_id=number,
                    person_id=house.ids[name],
                    round=round_,
                    fence=0,
                    reason=reason,
                    skipped_at=now - ago,
                )
            )
    for away in aways:
        starts, ends = {PAST: (-9, -1), COMING: (1, 9)}.get(away.when, (-1, 9))
        session.execute(
            insert(absences).values(
                person_id=house.ids[away.who],
                deputy_id=house.ids.get(away.deputy),
                from_at=now + timedelta(hours=starts),
                until_at=now + timedelta(hours=ends),
                noted_by=house.ids[ADA],
                noted_at=now,
                ended_at=now if away.when == ENDED else None,
            )
        )
    where = {EVERYWHERE: None, HERE: house.workflow_ids[False], ELSEWHERE: house.workflow_ids[True]}
    for grant in held:
        people.grant(session, house.ids[ADA], grant.role, workflow_id=where[grant.where], segment_path=grant.path)


def _sorted(queue_, aways, held):
    """What Ada is to be served, in order, told by looking at every item."""
    away = {found.who: found for found in aways if found.when == ON}
    reviewing_ = {BEN, CID} | ({ADA} if any(grant.role in REVIEW_LEVEL for grant in held) else set())
    in_place_of = {ADA}
    for name in (BEN, CID, GUS):
        if name not in reviewing_:
            in_place_of.add(name)
        elif name in away:
            deputy = away[name].deputy
            if deputy == ADA or deputy is None or deputy in away or deputy not in reviewing_:
                in_place_of.add(name)

    def is_free(waiting):
        covers = any(
            grant.role in REVIEW_LEVEL
            and grant.where != ELSEWHERE
            and waiting.level <= REVIEW_LEVEL[grant.role]
            and (grant.path is None or (waiting.path or "").startswith(grant.path))
            for grant in held
        )
        return (
            covers
            and not waiting.is_elsewhere
            and waiting.state in (State.READY, State.CLAIMED, State.DEFERRED)
            and waiting.free_in <= timedelta(0)
            and waiting.assigned in (None, *in_place_of)
            and ADA not in (waiting.not_for, waiting.nor_for)
        )

    def passed(waiting):
        """0: not, or long ago; 1: comes last; 2: comes no more."""
        if waiting.skipped is None or waiting.skipped[0] != ADA or waiting.skipped[3] != 1:
            return 0
        if waiting.skipped[1] in (SkipReason.NOT_MINE, SkipReason.INTEREST):
            return 2
        return int(waiting.skipped[2] == LATELY)

    def place(numbered):
        number, waiting = numbered
        is_own = waiting.assigned in in_place_of
        due = waiting.due or timedelta(0)
        return (passed(waiting), waiting.lane, not is_own, -waiting.score, waiting.due is None, due, number)

    free = [(number, waiting) for number, waiting in enumerate(queue_, start=1) if is_free(waiting)]
    return [number for number, waiting in sorted(free, key=place) if passed(waiting) < 2]


# --- many at once --------------------------------------------------------------------------------------------------


def test_sixteen_reviewers_at_once_in_one_segment_get_an_item_each(database):
    workflow = a_workflow(database, segments=["region"])
    rows = "\n".join(f"acme-{number},2026-12,1000,{1000 + number},N" for number in range(16))
    bring_in(database, workflow, f"series,period,ai_forecast,human_forecast,segment_region\n{rows}\n")
    crowd = [a_person(database, f"R{number}", Role.REVIEWER, segment_path="N\x1f") for number in range(16)]

    with ThreadPoolExecutor(16) as desks:
        held = list(desks.map(lambda person: take(database, person, workflow).item.id, crowd))

    assert len(set(held)) == 16


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_whoever_is_just_claiming_in_a_segment_holds_nobody_up_there(database):
    workflow = a_workflow(database, segments=["region"])
    rows = "".join(f"acme-{number},2026-12,1000,{1000 + 100 * number},N\n" for number in range(3))
    bring_in(database, workflow, "series,period,ai_forecast,human_forecast,segment_region\n" + rows)
    ada, ben = (a_person(database, name, Role.REVIEWER, segment_path="N\x1f") for name in (ADA, BEN))

    with database.writing() as session:
        now = database_now(session)
        server = server_of(session, people.principal(session, ada), now)
        claim, _ = queue.claim_next(session, server, workflow.id, now=now, ttl=TTL)
        second = take(database, ben, workflow).item.id

    assert (claim.item_id, second) == (3, 2)


def test_nobody_is_told_that_nothing_waits_while_something_does(database):
    """Twelve reviewers, of whom half may see one segment only, and ten items there and two elsewhere."""
    workflow = a_workflow(database, segments=["region"])
    rows = [f"acme-{number},2026-12,1000,{1000 + number},{'N' if number < 10 else 'S'}" for number in range(12)]
    header = "series,period,ai_forecast,human_forecast,segment_region"
    bring_in(database, workflow, "\n".join([header, *rows]))
    crowd = [a_person(database, f"R{n}", Role.REVIEWER, segment_path="N\x1f" if n % 2 else None) for n in range(12)]

    with ThreadPoolExecutor(12) as desks:
        found = list(
            desks.map(lambda person: reviewing.take_next(database, person_id=person, workflow=workflow), crowd)
        )

    held = [desk.item.id for desk in found if desk is not None]
    assert len(set(held)) == len(held)
    left = [reads.waiting(database, person_id=person, workflow_id=workflow.id) for person in _empty(crowd, found)]
    assert all(sum(lanes.values()) == 0 for lanes in left)


def _empty(crowd, found):
    return [person for person, desk in zip(crowd, found, strict=True) if desk is None]


# --- what was put off, what ran out --------------------------------------------------------------------------------


def test_what_was_put_off_until_now_comes_back_to_everybody_by_itself(database):
    workflow, ada = a_workflow(database), a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, forecasts(3))
    with database.writing() as session:
        now = database_now(session)
        session.execute(update(items).values(state=State.DEFERRED, available_at=now - timedelta(seconds=1)))
        session.execute(update(items).where(items.c.id == 2).values(available_at=now + timedelta(days=1)))

    reviewing.keep_order(database, {})

    with database.reading() as session:
        states = session.execute(select(items.c.state).order_by(items.c.id)).scalars().all()
    assert states == [State.READY, State.DEFERRED, State.READY]
    assert take(database, ada, workflow).item.id == 3


def test_what_waits_is_counted_up_to_a_limit(database, monkeypatch):
    monkeypatch.setattr("storage.serving.COUNTED_TO", 2)
    workflow, ada = a_workflow(database, audit_share=0), a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, forecasts(5, step=0))

    assert reads.waiting(database, person_id=ada, workflow_id=workflow.id) == {
        Lane.DUE: 0,
        Lane.JUDGEMENT: 0,
        Lane.ROUTINE: 2,
    }


def test_an_account_that_was_disabled_keeps_no_item_from_the_others(database):
    workflow = a_workflow(database)
    ada, ben = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Ben", Role.REVIEWER)
    bring_in(database, workflow, forecasts(1))
    with database.writing() as session:
        session.execute(update(items).values(assigned_to=ben))
    assert reviewing.take_next(database, person_id=ada, workflow=workflow) is None

    with database.writing() as session:
        session.execute(update(everybody).where(everybody.c.id == ben).values(disabled_at=database_now(session)))

    assert take(database, ada, workflow).item.assigned_id == ben


def test_a_role_that_was_taken_back_keeps_no_item_from_the_others(database):
    workflow = a_workflow(database)
    ada, ben = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Ben", Role.REVIEWER)
    bring_in(database, workflow, forecasts(1))
    with database.writing() as session:
        session.execute(update(items).values(assigned_to=ben))
        session.execute(update(grants).where(grants.c.person_id == ben).values(revoked_at=database_now(session)))

    assert take(database, ada, workflow).item.assigned_id == ben


def test_every_task_of_review_has_its_step_of_the_ladder():
    from review_queue.roles import ALLOWED

    assert ALLOWED[Task.REVIEW] == set(REVIEW_LEVEL)

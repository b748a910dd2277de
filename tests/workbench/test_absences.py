"""Who is away, who stands in, and what that does to what is assigned to them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from review_queue.errors import AssignmentRefused, NotAllowed
from review_queue.items import SkipReason
from review_queue.roles import Role
from storage import people as people_
from storage.engine import database_now
from storage.tables import absences, audit_events, items
from tests.builders import a_person, a_workflow, bring_in, forecasts, take
from workbench import reads
from workbench.actions import assigning, reviewing


@pytest.fixture
def workflow(database):
    return a_workflow(database)


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def ben(database):
    return a_person(database, "Ben", Role.REVIEWER)


@pytest.fixture
def cid(database):
    return a_person(database, "Cid", Role.REVIEWER)


@pytest.fixture
def mia(database):
    return a_person(database, "Mia", Role.MANAGER)


def now_of(database):
    with database.reading() as session:
        return database_now(session)


def away(database, whose, deputy=None, *, by=None, starts=-1, ends=24, note=""):
    """Note an absence that starts and ends so many hours from now."""
    now = now_of(database)
    return assigning.note_absence(
        database,
        person_id=by or whose,
        whose=whose,
        from_at=now + timedelta(hours=starts),
        until_at=now + timedelta(hours=ends),
        deputy_id=deputy,
        note=note,
    )


def assign(database, by, workflow, item_ids, to, note=""):
    return assigning.assign_items(database, person_id=by, workflow=workflow, item_ids=item_ids, to=to, note=note)


def next_of(database, person, workflow):
    desk = reviewing.take_next(database, person_id=person, workflow=workflow)
    return desk and desk.item.id


def events(database, action):
    with database.reading() as session:
        found = select(audit_events.c.actor_id, audit_events.c.details).where(audit_events.c.action == action)
        return [(row.actor_id, row.details) for row in session.execute(found)]


# --- who is served -------------------------------------------------------------------------------------------------


def test_the_deputy_and_nobody_else_is_served_what_is_assigned_to_who_is_away(database, workflow, ada, ben, cid, mia):
    bring_in(database, workflow, forecasts(3))
    assign(database, mia, workflow, [1], ada)
    away(database, ada, ben)

    assert next_of(database, cid, workflow) == 3
    assert next_of(database, ben, workflow) == 1
    assert sorted(reads.my_desk(database, person_id=ben, workflow_id=workflow.id).assigned["id"]) == [1]


@pytest.mark.parametrize(("starts", "ends"), [(1, 9), (-9, 0.0001)])
def test_before_and_after_an_absence_it_changes_nothing(database, workflow, ada, ben, mia, starts, ends):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    away(database, ada, ben, starts=starts, ends=ends)
    with database.writing() as session:  # so that the second one is over
        over = database_now(session) - timedelta(seconds=1)
        session.execute(update(absences).where(absences.c.from_at < over).values(until_at=over))

    assert next_of(database, ben, workflow) is None
    assert next_of(database, ada, workflow) == 1


def test_the_deputy_is_served_only_inside_their_own_scope(database, ada, mia):
    workflow = a_workflow(database, segments=["region"])
    header = "series,period,ai_forecast,human_forecast,segment_region"
    bring_in(database, workflow, f"{header}\na,2026-12,10,20,N\nb,2026-12,10,20,S\nc,2026-12,10,20,N\n")
    with database.writing() as session:
        session.execute(update(items).where(items.c.id == 3).values(level=1))
    nora = a_person(database, "Nora", Role.REVIEWER, segment_path="N\x1f")
    dora = a_person(database, "Dora", Role.DIRECTOR)
    assign(database, mia, workflow, [2, 3], dora)
    away(database, dora, nora)
    assert next_of(database, nora, workflow) == 1
    reviewing.skip_item(database, person_id=nora, item_id=1, fence=1, reason=SkipReason.INTEREST)

    assert next_of(database, nora, workflow) is None
    assert not reviewing.open_item(database, person_id=nora, workflow=workflow, item_id=3).mine
    assert next_of(database, ada, workflow) == 1


def test_without_a_deputy_what_is_assigned_is_for_anybody(database, workflow, ada, ben, mia):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    away(database, ada)

    assert next_of(database, ben, workflow) == 1


def test_with_a_deputy_who_is_away_too_what_is_assigned_is_for_anybody(database, workflow, ada, ben, cid, mia):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    away(database, ada, ben)
    away(database, ben, ada)

    assert next_of(database, cid, workflow) == 1


def test_with_a_deputy_who_no_longer_reviews_what_is_assigned_is_for_anybody(database, workflow, ada, ben, cid, mia):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    away(database, ada, ben)
    with database.writing() as session:
        people_.revoke(session, ben, Role.REVIEWER)

    assert next_of(database, cid, workflow) == 1


def test_who_is_away_is_still_served_what_is_theirs(database, workflow, ada, ben, mia):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    away(database, ada, ben)

    assert next_of(database, ada, workflow) == 1


def test_an_absence_that_is_called_off_is_over_at_once(database, workflow, ada, ben, mia):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    absence = away(database, ada, ben)

    assigning.end_absence(database, person_id=ada, absence_id=absence)

    assert next_of(database, ben, workflow) is None
    assert next_of(database, ada, workflow) == 1
    assert assigning.list_absences(database, person_id=ada) == []
    assert events(database, "absence.ended") == [(ada, {"absence": absence, "person_id": ada})]
    with pytest.raises(AssignmentRefused, match="over already"):
        assigning.end_absence(database, person_id=ada, absence_id=absence)
    assert away(database, ada, ben) > absence


# --- who is assigned to --------------------------------------------------------------------------------------------


def test_what_is_given_to_who_is_away_goes_to_the_deputy(database, workflow, ada, ben, mia):
    bring_in(database, workflow, forecasts(1))
    away(database, ada, ben)

    done = assign(database, mia, workflow, [1], ada)

    assert (done.to, done.in_place_of) == ("Ben", "Ada")
    with database.reading() as session:
        assert session.execute(select(items.c.assigned_to)).scalar_one() == ben


@pytest.mark.parametrize("with_deputy", [False, True])
def test_nothing_is_given_to_who_is_away_with_nobody_to_stand_in(database, workflow, ada, ben, mia, with_deputy):
    bring_in(database, workflow, forecasts(1))
    away(database, ada, ben if with_deputy else None, ends=30 * 24)
    away(database, ben)
    back = now_of(database) + timedelta(days=30)

    with pytest.raises(AssignmentRefused, match=f"Ada is away until {back:%Y-%m-%d}, and nobody stands in"):
        assign(database, mia, workflow, [1], ada)


def test_a_deputy_who_does_not_review_here_is_given_nothing(database, workflow, mia):
    other = a_workflow(database, key="other")
    bring_in(database, workflow, forecasts(1))
    with database.writing() as session:
        both = people_.add(session, issuer="test", subject="both", name="Both")
        there = people_.add(session, issuer="test", subject="there", name="There")
        for person, where in ((both, workflow), (both, other), (there, other)):
            people_.grant(session, person, Role.REVIEWER, workflow_id=where.id)
    away(database, both, there)

    with pytest.raises(AssignmentRefused, match="Both is away until"):
        assign(database, mia, workflow, [1], both)


def test_candidates_say_who_is_away_and_who_gets_their_items(database, workflow, ada, ben, mia):
    away(database, ada, ben)
    away(database, ben, starts=1)

    found = {who.name: who for who in assigning.candidates(database, person_id=mia, workflow=workflow)}

    assert (found["Ada"].away_until is not None, found["Ada"].deputy) == (True, "Ben")
    assert (found["Ben"].away_until, found["Ben"].deputy) == (None, None)


# --- what can be noted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("starts", "ends"), [(2, 1), (2, 2), (-9, -1)])
def test_an_absence_ends_after_it_starts_and_after_now(database, workflow, ada, starts, ends):
    with pytest.raises(AssignmentRefused, match="before the first, or in the past"):
        away(database, ada, starts=starts, ends=ends)


def test_two_absences_of_one_person_share_no_time(database, workflow, ada, ben):
    away(database, ada, starts=24, ends=48)

    for starts, ends in ((0, 25), (30, 40), (47, 90), (0, 90)):
        with pytest.raises(AssignmentRefused, match=r"Ada is noted as away from \S+ to \S+ already"):
            away(database, ada, starts=starts, ends=ends)
    assert away(database, ada, starts=0, ends=23)
    assert away(database, ada, starts=49, ends=90)
    assert away(database, ben, starts=24, ends=48)


def test_only_somebody_else_who_reviews_there_can_stand_in(database, workflow, ada, mia):
    other = a_workflow(database, key="other")
    with database.writing() as session:
        here = people_.add(session, issuer="test", subject="here", name="Here")
        there = people_.add(session, issuer="test", subject="there", name="There")
        people_.grant(session, here, Role.REVIEWER, workflow_id=workflow.id)
        people_.grant(session, there, Role.REVIEWER, workflow_id=other.id)

    for deputy in (ada, mia, 999):
        with pytest.raises(AssignmentRefused, match="cannot stand in for Ada"):
            away(database, ada, deputy)
    with pytest.raises(AssignmentRefused, match="cannot stand in for Here"):
        away(database, here, there)
    assert set(assigning.deputies(database, person_id=here).values()) == {"Ada", "Olga"}
    assert set(assigning.deputies(database, person_id=ada).values()) == {"Here", "There", "Olga"}


def test_an_absence_is_on_record_without_its_note(database, workflow, ada, ben):
    absence = away(database, ada, ben, note="A wedding")

    [(actor, details)] = events(database, "absence.noted")
    assert actor == ada
    assert (details["absence"], details["person_id"], details["deputy_id"]) == (absence, ada, ben)
    assert "wedding" not in str(details)
    assert assigning.list_absences(database, person_id=ben)[0].note == "A wedding"


# --- whose it may be -----------------------------------------------------------------------------------------------


def test_a_reviewer_says_only_when_they_are_away_themselves(database, workflow, ada, ben, mia):
    with pytest.raises(NotAllowed, match="Ada may not assign items"):
        away(database, ben, by=ada)
    absence = away(database, ben, by=mia)

    with pytest.raises(NotAllowed):
        assigning.end_absence(database, person_id=ada, absence_id=absence)
    assigning.end_absence(database, person_id=mia, absence_id=absence)


def test_who_assigns_elsewhere_says_nothing_of_who_reviews_here(database, workflow):
    other = a_workflow(database, key="other")
    with database.writing() as session:
        here = people_.add(session, issuer="test", subject="here", name="Here")
        people_.grant(session, here, Role.REVIEWER, workflow_id=workflow.id)
        manager = people_.add(session, issuer="test", subject="there", name="There")
        people_.grant(session, manager, Role.MANAGER, workflow_id=other.id)
    absence = away(database, here)

    with pytest.raises(NotAllowed):
        away(database, here, by=manager, starts=48, ends=72)
    with pytest.raises(NotAllowed):
        assigning.end_absence(database, person_id=manager, absence_id=absence)
    assert assigning.list_absences(database, person_id=manager) == []


def test_absences_are_listed_for_whoever_they_concern(database, workflow, ada, ben, cid, mia):
    first = away(database, ada, ben, starts=5)
    second = away(database, cid, starts=1)

    def seen(person):
        return [absence.id for absence in assigning.list_absences(database, person_id=person)]

    assert seen(mia) == [second, first]
    assert seen(ada) == seen(ben) == [first]
    assert seen(cid) == [second]


def test_what_a_deputy_holds_when_the_absence_ends_is_theirs_to_decide(database, workflow, ada, ben, mia):
    from review_queue.items import Outcome
    from tests.builders import choose

    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)
    absence = away(database, ada, ben)
    held = take(database, ben, workflow)
    assigning.end_absence(database, person_id=ada, absence_id=absence)

    done = reviewing.submit_decision(database, person_id=ben, workflow=workflow, choice=choose(held, Outcome.ACCEPT_AI))

    assert done.actor_name == "Ben"

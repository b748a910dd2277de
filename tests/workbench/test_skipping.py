"""Passing items by, holding not too many, and what becomes of claims that run out again and again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import ChoiceInvalid, ClaimNotHeld
from review_queue.items import Outcome, SkipReason, State
from review_queue.roles import Role
from storage import assignments
from storage.engine import database_now
from storage.queue import EXPIRIES_BEFORE_HELP
from storage.tables import audit_events, drafts, items, skips
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
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
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def count(database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def events(database, action) -> list[dict]:
    with database.reading() as session:
        found = select(audit_events.c.details).where(audit_events.c.action == action).order_by(audit_events.c.id)
        return list(session.execute(found).scalars())


def skip(database, person, desk, reason=SkipReason.LATER, note=""):
    item = desk.item
    reviewing.skip_item(database, person_id=person, item_id=item.id, fence=item.fence, reason=reason, note=note)


def skip_next(database, person, workflow, reason=SkipReason.LATER):
    desk = take(database, person, workflow)
    skip(database, person, desk, reason)
    return desk.item.id


def next_of(database, person, workflow):
    desk = reviewing.take_next(database, person_id=person, workflow=workflow)
    return desk and desk.item.id


def decide(database, person, workflow, desk, *, key="key-1"):
    return reviewing.submit_decision(
        database, person_id=person, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key=key)
    )


def let_the_claim_run_out(database, item_id=1):
    with database.writing() as session:
        past = database_now(session) - timedelta(hours=1)
        ended = update(items).where(items.c.id == item_id, items.c.state == State.CLAIMED)
        session.execute(ended.values(expires_at=past, available_at=past))


# --- skipping ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", SkipReason)
def test_a_skip_is_on_record_with_its_reason(database, workflow, ada, reason):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    skip(database, ada, desk, reason, " I know too little. ")

    assert events(database, "item.skipped") == [{"fence": desk.item.fence, "reason": reason}]
    with database.reading() as session:
        [kept] = assignments.skips_of(session, 1, 1)
    assert (kept.name, kept.reason, kept.note) == ("Ada", reason, "I know too little.")


def test_another_reason_is_told_in_words(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    with pytest.raises(ChoiceInvalid, match="say in a few words why you skip it"):
        skip(database, ada, desk, SkipReason.OTHER, "  ")

    assert (count(database, skips), count(database, items, items.c.state == State.CLAIMED)) == (0, 1)
    skip(database, ada, desk, SkipReason.OTHER, "The phone rings.")
    assert count(database, skips) == 1


def test_a_skipped_item_stays_away_while_there_is_anything_else(database, workflow, ada):
    bring_in(database, workflow, forecasts(3))

    passed = [skip_next(database, ada, workflow) for _ in range(5)]

    assert passed == [3, 2, 1, 3, 3]


def test_what_was_skipped_long_ago_has_its_old_place_again(database, workflow, ada):
    bring_in(database, workflow, forecasts(2))
    skip_next(database, ada, workflow)
    with database.writing() as session:
        session.execute(update(skips).values(skipped_at=database_now(session) - timedelta(hours=8, seconds=1)))

    assert next_of(database, ada, workflow) == 2


def test_a_skipped_item_comes_to_others_at_once(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(2))
    skipped = skip_next(database, ada, workflow, SkipReason.INTEREST)

    assert next_of(database, ben, workflow) == skipped == 2


@pytest.mark.parametrize("reason", [SkipReason.NOT_MINE, SkipReason.INTEREST])
def test_what_is_not_theirs_does_not_come_back_in_this_round(database, workflow, ada, dora, reason):
    bring_in(database, workflow, forecasts(1))
    skip_next(database, ada, workflow, reason)
    with database.writing() as session:
        session.execute(update(skips).values(skipped_at=database_now(session) - timedelta(days=30)))

    assert next_of(database, ada, workflow) is None
    assert sum(reads.waiting(database, person_id=ada, workflow_id=workflow.id).values()) == 0

    decide(database, dora, workflow, take(database, dora, workflow))
    assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=1, note="Look again.")
    assert next_of(database, ada, workflow) == 1


@pytest.mark.parametrize("reason", [SkipReason.NOT_MINE, SkipReason.INTEREST])
def test_an_assigned_item_that_is_not_theirs_goes_back_to_everybody(database, workflow, ada, ben, dora, reason):
    bring_in(database, workflow, forecasts(1))
    assigning.assign_items(database, person_id=dora, workflow=workflow, item_ids=[1], to=ada)

    skip_next(database, ada, workflow, reason)

    assert next_of(database, ben, workflow) == 1


def test_an_assigned_item_skipped_for_now_stays_theirs(database, workflow, ada, ben, dora):
    bring_in(database, workflow, forecasts(1))
    assigning.assign_items(database, person_id=dora, workflow=workflow, item_ids=[1], to=ada)

    skip_next(database, ada, workflow, SkipReason.MISSING_FACTS)

    assert next_of(database, ben, workflow) is None
    assert next_of(database, ada, workflow) == 1


def test_a_skip_under_an_old_claim_is_refused_and_changes_nothing(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    late = take(database, ada, workflow)
    let_the_claim_run_out(database)
    held = take(database, ben, workflow)

    with pytest.raises(ClaimNotHeld, match="Ben has item 1 now; nothing was saved"):
        skip(database, ada, late)

    assert (count(database, skips), events(database, "item.skipped")) == (0, [])
    assert decide(database, ben, workflow, held).actor_name == "Ben"


def test_a_skip_that_is_sent_twice_is_one_skip(database, workflow, ada):
    bring_in(database, workflow, forecasts(2))
    desk = take(database, ada, workflow)

    skip(database, ada, desk, SkipReason.MISSING_FACTS)
    skip(database, ada, desk, SkipReason.MISSING_FACTS)

    assert (count(database, skips), len(events(database, "item.skipped"))) == (1, 1)


# --- not too many --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2])
def test_a_further_claim_gives_the_oldest_back_with_its_event_and_its_draft(database, ada, ben, limit):
    workflow = a_workflow(database, wip_limit=limit)
    bring_in(database, workflow, forecasts(4))
    first = take(database, ada, workflow)
    reviewing.save_draft(database, person_id=ada, item=first.item, body={"final": 7.0})

    for item_id in range(1, limit + 1):
        reviewing.open_item(database, person_id=ada, workflow=workflow, item_id=item_id)

    assert count(database, items, items.c.state == State.CLAIMED, items.c.claimed_by == ada) == limit
    with database.reading() as session:
        released = select(audit_events.c.item_id, audit_events.c.details)
        rows = session.execute(released.where(audit_events.c.action == "item.released")).all()
    assert rows == [(first.item.id, {"because": "too many held"})]
    assert count(database, drafts) == 1
    with pytest.raises(ClaimNotHeld):
        decide(database, ada, workflow, first)
    assert next_of(database, ben, workflow) == first.item.id


def test_an_undo_keeps_the_limit_too(database, ada):
    workflow = a_workflow(database, wip_limit=1)
    bring_in(database, workflow, forecasts(2))
    done = decide(database, ada, workflow, take(database, ada, workflow))
    other = take(database, ada, workflow)

    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")

    with database.reading() as session:
        held = session.execute(select(items.c.id).where(items.c.state == State.CLAIMED)).scalars().all()
    assert held == [done.item_id]
    assert events(database, "item.released") == [{"because": "too many held"}]
    with pytest.raises(ClaimNotHeld):
        decide(database, ada, workflow, other, key="other")


def test_the_limit_is_each_persons_own(database, ada, ben):
    workflow = a_workflow(database, wip_limit=2)
    bring_in(database, workflow, forecasts(4))
    take(database, ada, workflow)
    for item_id in (1, 2):
        reviewing.open_item(database, person_id=ben, workflow=workflow, item_id=item_id)

    reviewing.open_item(database, person_id=ada, workflow=workflow, item_id=3)

    assert count(database, items, items.c.state == State.CLAIMED) == 4


# --- claims that run out -------------------------------------------------------------------------------------------


def run_out(database, workflow, person, times, item_id=1):
    """The item is claimed and let go by silence, so many times, by two people in turn: one's own claim is renewed."""
    for number in range(times):
        assert next_of(database, person[number % 2], workflow) == item_id
        let_the_claim_run_out(database, item_id)


def test_the_fifth_claim_that_runs_out_passes_the_item_up(database, workflow, ada, ben, dora):
    bring_in(database, workflow, forecasts(1))
    run_out(database, workflow, [ben, ada], EXPIRIES_BEFORE_HELP)

    assert next_of(database, ada, workflow) is None

    [event] = events(database, "item.passed_up")
    assert (event["because"], event["level"]) == ("claims ran out", 1)
    with database.reading() as session:
        assert session.execute(select(items.c.state, items.c.level, items.c.expiries)).one() == (State.READY, 1, 0)
    desk = take(database, dora, workflow)
    assert (desk.item.level, desk.item.fence) == (1, event["fence"] + 1)


def test_whoever_comes_for_an_item_that_is_passed_up_gets_the_next_one(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(2))
    run_out(database, workflow, [ben, ada], EXPIRIES_BEFORE_HELP, item_id=2)

    assert next_of(database, ada, workflow) == 1


def test_a_director_who_comes_for_it_gets_it_at_once(database, workflow, ada, ben, dora):
    bring_in(database, workflow, forecasts(1))
    run_out(database, workflow, [ben, ada], EXPIRIES_BEFORE_HELP)

    assert take(database, dora, workflow).item.level == 1


def test_an_assigned_item_that_is_passed_up_is_no_longer_in_the_name_of_who_cannot_reach_it(
    database, workflow, ada, dora
):
    bring_in(database, workflow, forecasts(1))
    assigning.assign_items(database, person_id=dora, workflow=workflow, item_ids=[1], to=ada)
    with database.writing() as session:
        session.execute(update(items).values(expiries=EXPIRIES_BEFORE_HELP))

    assert next_of(database, ada, workflow) is None

    assert take(database, dora, workflow).item.assigned_id is None


def test_a_decision_starts_the_count_again(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    run_out(database, workflow, [ada, ben], EXPIRIES_BEFORE_HELP - 1)
    desk = take(database, ada, workflow)
    done = decide(database, ada, workflow, desk)
    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")
    let_the_claim_run_out(database)

    run_out(database, workflow, [ben, ada], EXPIRIES_BEFORE_HELP - 1)

    assert next_of(database, ada, workflow) == 1
    assert events(database, "item.passed_up") == []


def test_after_it_was_passed_up_the_count_starts_again_and_at_the_top_it_stays(database, workflow, dora):
    olga, owner = a_person(database, "Otto", Role.OWNER), a_person(database, "Oda", Role.OWNER)
    bring_in(database, workflow, forecasts(1))
    with database.writing() as session:
        session.execute(update(items).values(level=1))

    run_out(database, workflow, [owner, dora], EXPIRIES_BEFORE_HELP)
    assert next_of(database, dora, workflow) is None
    run_out(database, workflow, [olga, owner], 2 * EXPIRIES_BEFORE_HELP)

    assert next_of(database, olga, workflow) == 1
    assert [event["level"] for event in events(database, "item.passed_up")] == [2]


def test_a_claim_that_is_given_back_is_not_one_that_ran_out(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    for number in range(2 * EXPIRIES_BEFORE_HELP):
        skip_next(database, [ada, ben][number % 2], workflow)

    assert count(database, items, items.c.expiries == 0, items.c.level == 0) == 1

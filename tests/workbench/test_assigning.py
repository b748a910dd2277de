"""Giving items to a person, taking them back, and reopening what was decided."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import AssignmentRefused, ChoiceInvalid, ClaimNotHeld, ItemNotFound, NotAllowed, UndoTooLate
from review_queue.items import Outcome, SkipReason, State
from review_queue.roles import Role
from storage import reports
from storage.engine import database_now
from storage.tables import assignments, audit_events, decisions, drafts, items, outbox, people
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
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
def mia(database):
    return a_person(database, "Mia", Role.MANAGER)


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


def assign(database, by, workflow, item_ids, to, note=""):
    return assigning.assign_items(database, person_id=by, workflow=workflow, item_ids=item_ids, to=to, note=note)


def next_of(database, person, workflow):
    desk = reviewing.take_next(database, person_id=person, workflow=workflow)
    return desk and desk.item.id


def decide(database, person, workflow, desk, outcome=Outcome.ACCEPT_AI, **changes):
    return reviewing.submit_decision(
        database, person_id=person, workflow=workflow, choice=choose(desk, outcome, **changes)
    )


# --- giving --------------------------------------------------------------------------------------------------------


def test_what_is_assigned_comes_first_to_whoever_it_is_given_to(database, workflow, ada, mia):
    bring_in(database, workflow, forecasts(3))

    done = assign(database, mia, workflow, [1], ada)

    assert (done.to, done.item_ids, done.left_out, done.in_place_of) == ("Ada", (1,), (), None)
    assert take(database, ada, workflow).item.id == 1


def test_what_is_assigned_is_served_to_nobody_else_and_a_link_only_shows_it(database, workflow, ada, ben, mia, dora):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)

    assert next_of(database, ben, workflow) is None
    assert next_of(database, dora, workflow) is None
    seen = reviewing.open_item(database, person_id=ben, workflow=workflow, item_id=1)

    assert (seen.mine, seen.item.assigned_name, seen.item.state) == (False, "Ada", State.READY)
    assert sum(reads.waiting(database, person_id=ben, workflow_id=workflow.id).values()) == 0
    assert sum(reads.waiting(database, person_id=ada, workflow_id=workflow.id).values()) == 1


def test_each_item_that_is_assigned_has_its_own_audit_event(database, workflow, ada, mia):
    bring_in(database, workflow, forecasts(3))

    done = assign(database, mia, workflow, [3, 1, 1], ada)

    assert (done.item_ids, done.left_out) == ((1, 3), ())
    assert [(event["to"], event["from"], event["state"]) for event in events(database, "item.assigned")] == [
        (ada, None, "ready")
    ] * 2
    assert count(database, audit_events, audit_events.c.action == "item.assigned", audit_events.c.actor_id == mia) == 2
    assert count(database, assignments) == 2


def test_what_stands_on_the_desk_is_what_is_assigned(database, workflow, ada, mia):
    bring_in(database, workflow, forecasts(3))
    assign(database, mia, workflow, [1, 2], ada)

    desk = reads.my_desk(database, person_id=ada, workflow_id=workflow.id)

    assert sorted(desk.assigned["id"]) == [1, 2]
    assert set(desk.assigned["assigned"]) == {"Ada"}


@pytest.mark.parametrize("role", [Role.DIRECTOR, Role.MANAGER, Role.OWNER])
def test_directors_managers_and_owners_assign(database, workflow, ada, role):
    bring_in(database, workflow, forecasts(1))

    assert assign(database, a_person(database, "Lea", role), workflow, [1], ada).item_ids == (1,)


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR, Role.INTEGRATOR])
def test_others_do_not_assign(database, workflow, ada, role):
    bring_in(database, workflow, forecasts(1))
    person = a_person(database, "Rae", role)

    with pytest.raises(NotAllowed, match="Rae may not assign items"):
        assign(database, person, workflow, [1], ada)

    with pytest.raises(NotAllowed):
        assigning.candidates(database, person_id=person, workflow=workflow)
    assert count(database, items, items.c.assigned_to.is_not(None)) == 0


# --- taking from somebody ------------------------------------------------------------------------------------------


def test_an_item_is_taken_from_somebody_only_with_a_note(database, workflow, ada, ben, mia):
    bring_in(database, workflow, forecasts(2))
    assign(database, mia, workflow, [1], ada)

    with pytest.raises(AssignmentRefused, match="Item 1 is taken from Ada"):
        assign(database, mia, workflow, [1, 2], ben, "  ")

    assert count(database, items, items.c.assigned_to == ben) == 0
    assert assign(database, mia, workflow, [1, 2], ben, "Ada is full.").item_ids == (1, 2)
    assert next_of(database, ada, workflow) is None
    with database.reading() as session:
        taken = session.execute(select(assignments.c.note, assignments.c.taken_from).order_by(assignments.c.id)).all()
    assert sorted(taken, key=str)[0] == ("", None)
    assert ("Ada is full.", ada) in [tuple(row) for row in taken]


def test_an_item_in_somebodys_hands_leaves_them_and_their_late_decision_is_refused_with_the_draft_kept(
    database, workflow, ada, ben, mia
):
    bring_in(database, workflow, forecasts(1))
    held = take(database, ada, workflow)
    reviewing.save_draft(database, person_id=ada, item=held.item, body={"final": 7.0})
    with pytest.raises(AssignmentRefused, match="is taken from Ada"):
        assign(database, mia, workflow, [1], ben)

    assign(database, mia, workflow, [1], ben, "Ben knows them.")

    with pytest.raises(ClaimNotHeld, match="Your draft is kept"):
        decide(database, ada, workflow, held)
    assert not reviewing.renew_claim(database, person_id=ada, workflow=workflow, item_id=1, fence=held.item.fence)
    assert count(database, drafts, drafts.c.person_id == ada) == 1
    assert count(database, decisions) == 0
    assert decide(database, ben, workflow, take(database, ben, workflow), key="ben").actor_name == "Ben"


def test_what_somebody_has_in_hand_stays_there_when_it_becomes_theirs(database, workflow, ada, mia):
    bring_in(database, workflow, forecasts(1))
    held = take(database, ada, workflow)

    assign(database, mia, workflow, [1], ada)

    assert decide(database, ada, workflow, held).final_value == 1000


def test_what_is_given_back_to_everybody_is_for_everybody_again(database, workflow, ada, ben, mia):
    bring_in(database, workflow, forecasts(1))
    assign(database, mia, workflow, [1], ada)

    done = assign(database, mia, workflow, [1], None, "Ada is full.")

    assert (done.to, done.item_ids) == (None, (1,))
    assert next_of(database, ben, workflow) == 1


# --- what stays where it is ----------------------------------------------------------------------------------------


def test_what_is_theirs_already_or_not_open_is_left_out_with_a_sentence(database, workflow, ada, mia):
    bring_in(database, workflow, forecasts(4))
    assign(database, mia, workflow, [1], ada)
    with database.writing() as session:
        session.execute(update(items).where(items.c.id == 2).values(state=State.DECIDED))
        session.execute(update(items).where(items.c.id == 3).values(state=State.SENT_BACK))

    done = assign(database, mia, workflow, [1, 2, 3, 4], ada)

    assert done.item_ids == (3, 4)
    assert dict(done.left_out) == {
        1: "Item 1 is Ada's already.",
        2: "Item 2 is decided; there is nothing to decide.",
    }
    assert dict(assign(database, mia, workflow, [4], None, "Back.").left_out) == {}
    assert dict(assign(database, mia, workflow, [4], None).left_out) == {4: "Item 4 is everybody's already."}


def test_an_item_of_another_workflow_is_left_out(database, workflow, ada, mia):
    other = a_workflow(database, key="other")
    bring_in(database, workflow, forecasts(1))
    bring_in(database, other, forecasts(1))

    assert assign(database, mia, workflow, [1, 2], ada).item_ids == (1,)
    assert count(database, items, items.c.assigned_to == ada) == 1


def test_what_lies_outside_of_what_somebody_may_review_is_left_out_with_a_sentence(database, mia):
    workflow = a_workflow(database, segments=["region"])
    rows = "a,2026-12,10,20,N\nb,2026-12,10,20,S\nc,2026-12,10,20,N\n"
    bring_in(database, workflow, "series,period,ai_forecast,human_forecast,segment_region\n" + rows)
    nora = a_person(database, "Nora", Role.REVIEWER, segment_path="N\x1f")
    with database.writing() as session:
        session.execute(update(items).where(items.c.id == 3).values(level=1))

    done = assign(database, mia, workflow, [1, 2, 3], nora)

    assert done.item_ids == (1,)
    assert done.left_out == tuple((number, f"Item {number} lies outside of what Nora may review.") for number in (2, 3))


def test_a_manager_of_a_segment_assigns_nothing_outside_of_it(database, ada):
    workflow = a_workflow(database, segments=["region"])
    bring_in(database, workflow, "series,period,ai_forecast,segment_region\na,2026-12,10,N\nb,2026-12,10,S\n")
    manager = a_person(database, "Mo", Role.MANAGER, segment_path="N\x1f")

    with pytest.raises(ItemNotFound):
        assign(database, manager, workflow, [1, 2], ada)

    assert count(database, items, items.c.assigned_to.is_not(None)) == 0
    assert assign(database, manager, workflow, [1], ada).item_ids == (1,)


def test_whoever_decided_first_is_not_given_the_second_review(database, ada, ben, mia):
    workflow = a_workflow(database, second_review_share=1)
    bring_in(database, workflow, forecasts(1))
    decide(database, ada, workflow, take(database, ada, workflow))

    refused = assign(database, mia, workflow, [1], ada)

    assert refused.item_ids == ()
    assert refused.left_out == ((1, "Ada decided item 1 first and cannot be its second reviewer."),)
    assert assign(database, mia, workflow, [1], ben).item_ids == (1,)


@pytest.mark.parametrize("reason", [SkipReason.NOT_MINE, SkipReason.INTEREST])
def test_whoever_skipped_an_item_for_good_is_not_given_it(database, workflow, ada, mia, reason):
    bring_in(database, workflow, forecasts(1))
    held = take(database, ada, workflow).item
    reviewing.skip_item(database, person_id=ada, item_id=held.id, fence=held.fence, reason=reason)

    done = assign(database, mia, workflow, [1], ada)

    assert done.item_ids == ()
    assert "Ada skipped item 1 for good" in done.left_out[0][1]


def test_nobody_gets_more_than_the_policy_allows(database, ada, mia):
    workflow = a_workflow(database, assigned_limit=2)
    bring_in(database, workflow, forecasts(4))
    assign(database, mia, workflow, [1], ada)

    with pytest.raises(AssignmentRefused, match="Ada would have 3 items, and 2 is the most"):
        assign(database, mia, workflow, [2, 3], ada)

    assert count(database, items, items.c.assigned_to == ada) == 1
    assert count(database, assignments) == len(events(database, "item.assigned")) == 1
    assert assign(database, mia, workflow, [4], ada).item_ids == (4,)


def test_one_press_assigns_from_one_to_five_hundred_items(database, workflow, ada, mia):
    for wrong in ([], list(range(501))):
        with pytest.raises(AssignmentRefused, match="Choose from 1 to 500 items"):
            assign(database, mia, workflow, wrong, ada)


def test_items_are_given_only_to_whoever_reviews_here(database, workflow, mia):
    other = a_workflow(database, key="other")
    bring_in(database, workflow, forecasts(1))
    auditor = a_person(database, "Aud", Role.AUDITOR)
    with database.writing() as session:
        from storage import people as people_

        elsewhere = people_.add(session, issuer="test", subject="els", name="Els")
        people_.grant(session, elsewhere, Role.REVIEWER, workflow_id=other.id)

    for person in (auditor, elsewhere, 999):
        with pytest.raises(AssignmentRefused, match="does not review in Sales"):
            assign(database, mia, workflow, [1], person)


def test_candidates_are_those_who_review_here_with_what_they_have(database, workflow, ada, ben, mia, dora):
    bring_in(database, workflow, forecasts(2))
    assign(database, mia, workflow, [1, 2], ada)
    with database.writing() as session:
        session.execute(update(people).where(people.c.id == ben).values(disabled_at=database_now(session)))

    found = assigning.candidates(database, person_id=mia, workflow=workflow)

    assert [(who.name, who.assigned, who.away_until) for who in found] == [
        ("Ada", 2, None),
        ("Dora", 0, None),
        ("Olga", 0, None),
    ]


# --- what becomes of an assignment ---------------------------------------------------------------------------------


def test_a_detour_ends_the_assignment_but_a_deferral_keeps_it(database, workflow, ada, mia):
    bring_in(database, workflow, forecasts(2))
    assign(database, mia, workflow, [1, 2], ada)
    desk = take(database, ada, workflow)
    decide(database, ada, workflow, desk, Outcome.DEFER, key="a", until=desk.opened_at + timedelta(days=1))
    decide(database, ada, workflow, take(database, ada, workflow), Outcome.ESCALATE, key="b", note="Too big.")

    with database.reading() as session:
        found = session.execute(select(items.c.state, items.c.assigned_to).order_by(items.c.assigned_to)).all()
    assert set(found) == {(State.DEFERRED, ada), (State.READY, None)}


# --- reopening -----------------------------------------------------------------------------------------------------


def test_a_reopened_item_has_a_new_round_and_keeps_its_decision_on_record(database, workflow, ada, ben, dora):
    bring_in(database, workflow, forecasts(1))
    first = decide(database, ada, workflow, take(database, ada, workflow), key="first")

    round_ = assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=1, note="The actual moved.")

    assert round_ == 2
    assert [event["round"] for event in events(database, "item.reopened")] == [2]
    with database.reading() as session:
        table = reports.reviews(session, workflow, database_now(session))
        note = session.execute(select(assignments.c.note)).scalar_one()
    assert note == "The actual moved."
    assert table[["state", "outcome"]].isna().to_numpy().tolist() == [[False, True]]
    again = take(database, ben, workflow)
    second = decide(database, ben, workflow, again, Outcome.ADJUST, key="second", value=1100.0, reason=BECAUSE)
    assert (again.item.round, second.round, second.supersedes) == (2, 2, None)
    with database.reading() as session:
        table = reports.reviews(session, workflow, database_now(session))
        kept = session.execute(select(decisions.c.id, decisions.c.final_value).order_by(decisions.c.id)).all()
    assert kept == [(first.id, 1000.0), (second.id, 1100.0)]
    assert table["final"].tolist() == [1100.0]
    assert count(database, outbox) == 2


def test_a_decision_of_an_earlier_round_is_no_longer_undone(database, workflow, ada, dora):
    bring_in(database, workflow, forecasts(1))
    done = decide(database, ada, workflow, take(database, ada, workflow))
    assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=1, note="Look again.")

    assert reviewing.undoable(database, person_id=ada, workflow=workflow) is None
    with pytest.raises(UndoTooLate):
        reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.MANAGER, Role.AUDITOR, Role.ADMINISTRATOR])
def test_only_directors_and_owners_reopen(database, workflow, ada, role):
    bring_in(database, workflow, forecasts(1))
    decide(database, ada, workflow, take(database, ada, workflow))
    person = a_person(database, "Rae", role)

    with pytest.raises(NotAllowed, match="may not reopen decided items"):
        assigning.reopen_item(database, person_id=person, workflow=workflow, item_id=1, note="Look again.")


def test_a_reopening_needs_a_note_and_a_decided_item_in_scope(database, ada, dora):
    workflow = a_workflow(database, segments=["region"])
    bring_in(database, workflow, "series,period,ai_forecast,segment_region\na,2026-12,10,N\nb,2026-12,10,S\n")
    south = a_person(database, "Sue", Role.DIRECTOR, segment_path="S\x1f")
    with database.writing() as session:
        session.execute(update(items).where(items.c.id == 1).values(state=State.DECIDED))

    with pytest.raises(ChoiceInvalid, match="say why it is reopened"):
        assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=1, note=" ")
    with pytest.raises(ChoiceInvalid, match="only a decided item"):
        assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=2, note="Why not.")
    with pytest.raises(ItemNotFound):
        assigning.reopen_item(database, person_id=south, workflow=workflow, item_id=1, note="Why not.")
    assert count(database, items, items.c.round == 2) == 0

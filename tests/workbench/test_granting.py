from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from review_queue.errors import NotAllowed, ReviewError
from review_queue.roles import Grant, Role
from storage import people
from storage.engine import Database
from storage.tables import audit_events, items
from storage.tree import path_of
from tests.builders import a_workflow, bring_in, forecasts, take
from tests.house import House
from workbench.actions import granting


def add(database: Database, subject: str, *roles: Role) -> int:
    with database.writing() as session:
        person_id = people.add(session, issuer="demo", subject=subject, name=subject.title())
        for role in roles:
            people.grant(session, person_id, role)
        return person_id


def grants_of(database: Database, person_id: int) -> tuple[Grant, ...]:
    with database.reading() as session:
        return people.principal(session, person_id).grants


def test_an_administrator_gives_a_role_and_takes_it_back(database: Database) -> None:
    ada, bo = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo")

    granting.grant_role(database, person_id=ada, to=bo, role=Role.REVIEWER)
    assert grants_of(database, bo) == (Grant(Role.REVIEWER),)

    granting.revoke_role(database, person_id=ada, to=bo, role=Role.REVIEWER)
    assert grants_of(database, bo) == ()
    with database.reading() as session:
        told = session.execute(select(audit_events.c.action, audit_events.c.actor_id).order_by(audit_events.c.id))
        assert [tuple(row) for row in told] == [("role.granted", ada), ("role.revoked", ada)]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_nobody_else_can_see_or_change_who_may_what(database: Database, role: Role) -> None:
    bo = add(database, "bo", role)

    with pytest.raises(NotAllowed, match="may not change people and roles"):
        granting.grant_role(database, person_id=bo, to=bo, role=Role.ADMINISTRATOR)
    with pytest.raises(NotAllowed):
        granting.revoke_role(database, person_id=bo, to=bo, role=role)
    with pytest.raises(NotAllowed):
        granting.list_people(database, person_id=bo)

    assert grants_of(database, bo) == (Grant(role),)


def test_a_grant_that_makes_no_sense_is_refused_in_words(database: Database) -> None:
    ada, bo = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.AUDITOR)

    with pytest.raises(ReviewError, match="Bo already is auditor"):
        granting.grant_role(database, person_id=ada, to=bo, role=Role.AUDITOR)
    with pytest.raises(ReviewError, match="Bo is not manager"):
        granting.revoke_role(database, person_id=ada, to=bo, role=Role.MANAGER)
    with pytest.raises(ReviewError, match="There is no person 404"):
        granting.grant_role(database, person_id=ada, to=404, role=Role.AUDITOR)
    with pytest.raises(ReviewError, match="nowhere"):
        granting.grant_role(database, person_id=ada, to=bo, role=Role.MANAGER, workflow="nowhere")


def test_a_role_is_given_in_a_part_of_a_workflow_and_taken_back_there(database: Database) -> None:
    house, ada = House(database), add(database, "ada", Role.ADMINISTRATOR)
    bo = add(database, "bo")
    part = path_of(["Victoria"])

    granting.grant_role(database, person_id=ada, to=bo, role=Role.REVIEWER, workflow="retail", segment=part)
    granting.grant_role(database, person_id=ada, to=bo, role=Role.REVIEWER, workflow="retail")
    granting.revoke_role(database, person_id=ada, to=bo, role=Role.REVIEWER, workflow="retail")

    assert grants_of(database, bo) == (Grant(Role.REVIEWER, house.workflow.id, part),)
    (bo_,) = [each for each in granting.list_people(database, person_id=ada) if each.id == bo]
    assert [each.granted_by for each in bo_.held] == ["Ada"]
    with pytest.raises(ReviewError, match="no segment Tasmania"):
        granting.grant_role(
            database, person_id=ada, to=bo, role=Role.REVIEWER, workflow="retail", segment=path_of(["Tasmania"])
        )
    with pytest.raises(ReviewError, match="belongs to one workflow"):
        granting.grant_role(database, person_id=ada, to=bo, role=Role.REVIEWER, segment=part)
    with pytest.raises(ReviewError, match="Leave the segment out"):
        granting.grant_role(database, person_id=ada, to=bo, role=Role.ADMINISTRATOR, workflow="retail", segment=part)
    granting.revoke_role(database, person_id=ada, to=bo, role=Role.REVIEWER, workflow="retail", segment=part)
    assert grants_of(database, bo) == ()


def test_a_disabled_account_is_refused_at_its_next_step_and_holds_nothing(database: Database) -> None:
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))
    ada, bo = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.REVIEWER)
    desk = take(database, bo, workflow)

    granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)

    with pytest.raises(NotAllowed, match="the account is disabled"):
        take(database, bo, workflow)
    with database.reading() as session:
        row = session.execute(select(items.c.state, items.c.claimed_by).where(items.c.id == desk.item.id)).one()
    assert row.state == "ready"
    granting.set_disabled(database, person_id=ada, whom=bo, disabled=False)
    assert take(database, bo, workflow).item.id == desk.item.id
    with pytest.raises(ReviewError, match="is open already"):
        granting.set_disabled(database, person_id=ada, whom=bo, disabled=False)


def test_the_last_administrator_stays(database: Database) -> None:
    ada, bo = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.ADMINISTRATOR)

    with pytest.raises(ReviewError, match="your own account"):
        granting.set_disabled(database, person_id=ada, whom=ada, disabled=True)
    granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)
    with pytest.raises(ReviewError, match="Ada is the last administrator"):
        granting.revoke_role(database, person_id=ada, to=ada, role=Role.ADMINISTRATOR)

    assert grants_of(database, ada) == (Grant(Role.ADMINISTRATOR),)


def test_two_administrators_who_shut_each_other_leave_one(database: Database) -> None:
    ada, bo = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.ADMINISTRATOR)

    with ThreadPoolExecutor(1) as other:
        with database.writing() as session:
            people.administrators_in_turn(session)
            shutting = other.submit(granting.set_disabled, database, person_id=bo, whom=ada, disabled=True)
            with pytest.raises(TimeoutError):
                shutting.result(timeout=0.3)
            people.set_disabled(session, bo, disabled=True)
        with pytest.raises(NotAllowed, match="the account is disabled"):
            shutting.result()


def test_somebody_becomes_administrator_by_the_word_of_two(database: Database) -> None:
    ada, bo, cy = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo"), add(database, "cy")

    def ask(to: int, by: int = ada) -> bool:
        return granting.grant_role(database, person_id=by, to=to, role=Role.ADMINISTRATOR, needs_second=True).is_waiting

    assert not ask(bo), "there is nobody else who could agree"
    assert ask(cy)
    assert grants_of(database, cy) == ()
    with pytest.raises(ReviewError, match="It waits already"):
        ask(cy)
    (request,) = granting.list_requests(database, person_id=bo)
    with pytest.raises(ReviewError, match="another administrator has to agree"):
        granting.answer_request(database, person_id=ada, request_id=request.id, give=True)
    with pytest.raises(NotAllowed):
        granting.answer_request(database, person_id=cy, request_id=request.id, give=True)
    granting.answer_request(database, person_id=bo, request_id=request.id, give=True)

    assert grants_of(database, cy) == (Grant(Role.ADMINISTRATOR),)
    with pytest.raises(ReviewError, match="answered this already"):
        granting.answer_request(database, person_id=bo, request_id=request.id, give=False)
    dee = add(database, "dee")
    assert ask(dee)
    (request,) = granting.list_requests(database, person_id=ada)
    granting.answer_request(database, person_id=ada, request_id=request.id, give=False)
    assert grants_of(database, dee) == ()


def shut(database: Database, ada: int, bo: int) -> None:
    granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)


def take_role(database: Database, ada: int, bo: int) -> None:
    granting.revoke_role(database, person_id=ada, to=bo, role=Role.ADMINISTRATOR)


def erase(database: Database, ada: int, bo: int) -> None:
    granting.erase_person(database, person_id=ada, whom=bo, reason="They asked for it.")


@pytest.mark.parametrize("remove", [shut, take_role, erase])
def test_whoever_takes_the_second_administrator_away_makes_nobody_one_alone(
    database: Database, remove: Callable[[Database, int, int], None]
) -> None:
    ada, bo, cy = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.ADMINISTRATOR), add(database, "cy")
    asked = {"person_id": ada, "to": cy, "role": Role.ADMINISTRATOR, "needs_second": True}
    assert granting.grant_role(database, **asked).is_waiting
    (request,) = granting.list_requests(database, person_id=ada)

    remove(database, ada, bo)

    until = datetime.now(UTC) + granting.STILL_ASKED
    with pytest.raises(ReviewError, match=rf"could have agreed.*Alone you can do this from {until:%Y-%m-%d}"):
        granting.grant_role(database, **asked)
    with pytest.raises(ReviewError, match="another administrator has to agree"):
        granting.answer_request(database, person_id=ada, request_id=request.id, give=True)
    assert grants_of(database, cy) == ()


def test_the_second_administrator_who_is_given_everything_back_can_agree(database: Database) -> None:
    ada, bo, cy = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.ADMINISTRATOR), add(database, "cy")
    asked = {"person_id": ada, "role": Role.ADMINISTRATOR, "needs_second": True}
    take_role(database, ada, bo)
    with pytest.raises(ReviewError, match=r"Bo could have agreed.*Undo that, so that a second administrator can agree"):
        granting.grant_role(database, to=cy, **asked)

    assert not granting.grant_role(database, to=bo, **asked).is_waiting
    assert granting.grant_role(database, to=cy, **asked).is_waiting
    (request,) = granting.list_requests(database, person_id=bo)
    granting.answer_request(database, person_id=bo, request_id=request.id, give=True)

    assert grants_of(database, cy) == (Grant(Role.ADMINISTRATOR),)


@pytest.mark.parametrize(("days", "is_alone"), [(8, True), (6, False)])
def test_a_week_after_the_other_one_is_gone_an_administrator_acts_alone(
    database: Database, days: int, is_alone: bool
) -> None:
    ada, bo, cy = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.ADMINISTRATOR), add(database, "cy")
    asked = {"person_id": ada, "to": cy, "role": Role.ADMINISTRATOR, "needs_second": True}
    with database.writing() as session:
        people.set_disabled(session, bo, disabled=True)
        then = {"at": datetime.now(UTC) - timedelta(days=days), "actor_id": ada, "details": {"person_id": bo}}
        session.execute(insert(audit_events).values(action="person.disabled", **then))

    if is_alone:
        assert not granting.grant_role(database, **asked).is_waiting
    else:
        with pytest.raises(ReviewError, match="could have agreed"):
            granting.grant_role(database, **asked)


def test_whom_somebody_else_shut_or_who_was_no_administrator_is_not_waited_for(database: Database) -> None:
    ada, bo, cy = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo", Role.ADMINISTRATOR), add(database, "cy")
    dee, eve = add(database, "dee", Role.ADMINISTRATOR), add(database, "eve", Role.REVIEWER)
    shut(database, bo, dee)
    shut(database, ada, eve)
    granting.revoke_role(database, person_id=bo, to=bo, role=Role.ADMINISTRATOR)

    asked = {"person_id": ada, "to": cy, "role": Role.ADMINISTRATOR, "needs_second": True}
    assert not granting.grant_role(database, **asked).is_waiting


def test_the_schema_itself_refuses_one_person_alone(database: Database) -> None:
    ada, bo = add(database, "ada", Role.ADMINISTRATOR), add(database, "bo")
    with database.writing() as session:
        request = people.ask_for_role(session, bo, Role.ADMINISTRATOR, workflow_id=None, asked_by=ada)

    with pytest.raises(IntegrityError), database.writing() as session:
        people.answer_request(session, request, answered_by=ada, is_granted=True)

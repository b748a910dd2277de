from __future__ import annotations

import pytest
from sqlalchemy import select

from review_queue.errors import NotAllowed, ReviewError
from review_queue.roles import Grant, Role
from storage import people
from storage.engine import Database
from storage.tables import audit_events
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

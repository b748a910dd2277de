from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from review_queue.errors import NotAllowed
from review_queue.roles import Grant, Role, Task
from storage import people, sign_ins
from storage.engine import Database, database_now, database_time
from storage.tables import people as people_table
from storage.tables import sign_ins as sign_ins_table
from storage.tables import workflows

BROWSER = "a browser's token"


def add(database: Database, subject: str = "ada") -> int:
    with database.writing() as session:
        return people.add(session, issuer="demo", subject=subject, name=subject.title())


def add_workflow(database: Database, key: str) -> int:
    with database.writing() as session:
        return session.execute(
            insert(workflows)
            .values(key=key, title=key, unit="EUR", timezone="UTC", created_at=database_time())
            .returning(workflows.c.id)
        ).scalar_one()


def test_a_person_is_known_by_issuer_and_subject(database: Database) -> None:
    ada = add(database)

    with database.reading() as session:
        assert people.find(session, "demo", "ada") == ada
        assert people.find(session, "elsewhere", "ada") is None
        assert people.find(session, "demo", "bo") is None


def test_one_identity_is_one_person(database: Database) -> None:
    add(database)

    with pytest.raises(IntegrityError):
        add(database)


def test_a_new_person_may_do_nothing(database: Database) -> None:
    ada = add(database)

    with database.reading() as session:
        who = people.principal(session, ada)

    assert who.grants == ()
    assert not any(who.may(task) for task in Task)


def test_a_grant_holds_in_its_workflow_until_it_is_revoked(database: Database) -> None:
    ada, retail, steel = add(database), add_workflow(database, "retail"), add_workflow(database, "steel")
    with database.writing() as session:
        people.grant(session, ada, Role.REVIEWER, workflow_id=retail)

    with database.writing() as session:
        who = people.principal(session, ada)
        assert who.may(Task.REVIEW, retail)
        assert not who.may(Task.REVIEW, steel)
        assert people.revoke(session, ada, Role.REVIEWER) == 0, "that one was for every workflow"
        assert people.revoke(session, ada, Role.REVIEWER, workflow_id=retail) == 1
        assert not people.principal(session, ada).may(Task.REVIEW, retail)


def test_a_role_outside_the_list_is_refused_by_the_database(database: Database) -> None:
    ada = add(database)

    with pytest.raises(IntegrityError), database.writing() as session:
        people.grant(session, ada, "emperor")  # type: ignore[arg-type]


def test_a_disabled_person_is_told_so(database: Database) -> None:
    ada = add(database)
    with database.writing() as session:
        session.execute(update(people_table).values(disabled_at=database_time()))

    with pytest.raises(NotAllowed, match="the account is disabled"), database.reading() as session:
        people.principal(session, ada)


def test_everyone_is_listed_with_what_they_hold_now(database: Database) -> None:
    ada, bo = add(database), add(database, "bo")
    with database.writing() as session:
        people.grant(session, bo, Role.AUDITOR)
        people.grant(session, bo, Role.MANAGER)
        people.revoke(session, bo, Role.MANAGER)

    with database.reading() as session:
        listed = people.everyone(session)

    assert [(person.id, person.name, person.grants) for person in listed] == [
        (ada, "Ada", ()),
        (bo, "Bo", (Grant(Role.AUDITOR),)),
    ]


def test_a_browser_is_who_it_last_signed_in_as(database: Database) -> None:
    ada, bo = add(database), add(database, "bo")

    with database.writing() as session:
        sign_ins.start(session, BROWSER, ada)
        sign_ins.start(session, BROWSER, bo)

    with database.reading() as session:
        assert sign_ins.person_of(session, BROWSER) == bo
        assert sign_ins.person_of(session, "another browser") is None
        assert session.execute(select(func.count()).select_from(sign_ins_table)).scalar_one() == 1


def test_a_browser_that_signed_out_is_nobody_and_may_come_back(database: Database) -> None:
    ada = add(database)
    with database.writing() as session:
        sign_ins.start(session, BROWSER, ada)

    with database.writing() as session:
        assert sign_ins.end(session, BROWSER) == ada
        assert sign_ins.end(session, BROWSER) is None
        assert sign_ins.person_of(session, BROWSER) is None
        sign_ins.start(session, BROWSER, ada)
        assert sign_ins.person_of(session, BROWSER) == ada


def test_a_sign_in_ends_by_itself_after_twelve_hours(database: Database) -> None:
    ada = add(database)
    with database.writing() as session:
        sign_ins.start(session, BROWSER, ada)
        now = database_now(session)
        session.execute(update(sign_ins_table).values(created_at=now - timedelta(hours=11, minutes=59)))
        assert sign_ins.person_of(session, BROWSER) == ada

        session.execute(update(sign_ins_table).values(created_at=now - timedelta(hours=12)))

        assert sign_ins.person_of(session, BROWSER) is None


def test_the_token_itself_is_not_kept(database: Database) -> None:
    ada = add(database)
    with database.writing() as session:
        sign_ins.start(session, BROWSER, ada)

    with database.reading() as session:
        assert BROWSER not in session.execute(select(sign_ins_table.c.token_hash)).scalar_one()

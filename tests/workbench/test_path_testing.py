"""The override path, tried for real by anybody who sees the queue, with nothing left of it but what was found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from review_queue.errors import NotAllowed
from review_queue.notices import News
from review_queue.roles import Role
from storage import people
from storage.tables import absences, metadata, notifications, path_tests
from storage.tables import people as accounts
from tests.builders import a_person, a_workflow, bring_in, forecasts, take
from workbench.actions import path_testing
from workbench.mailing import Folder

READY = {"deputy": "d@example.com", "feed_late_hours": 30, "fallback": "naive"}
#: What a test may leave, beside nothing.
KEPT = {"path_tests", "notifications", "audit_events", "audit_chain"}


def an_account(database, name, email, *roles):
    person_id = a_person(database, name, *roles)
    with database.writing() as session:
        session.execute(update(accounts).where(accounts.c.id == person_id).values(email=email))
    return person_id


@pytest.fixture
def owner(database):
    return an_account(database, "Odo", "o@example.com", Role.OWNER)


@pytest.fixture
def deputy(database):
    return an_account(database, "Dee", "d@example.com", Role.DIRECTOR)


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def with_items(database, **policy):
    workflow = a_workflow(database, audit_share=0.0, **{**READY, **policy})
    bring_in(database, workflow, forecasts(2))
    return workflow


def contents(database):
    with database.reading() as session:
        return {name: session.execute(select(table)).all() for name, table in metadata.tables.items()}


def states(test):
    return {part.name: part.state.value for part in test.parts}


def said(test, name):
    return next(part.sentence for part in test.parts if part.name == name)


def test_everything_in_place_passes_and_leaves_no_decision_and_no_claim_behind(database, owner, deputy, ada, tmp_path):
    workflow = with_items(database)
    before = contents(database)

    found = path_testing.try_path(
        database, person_id=ada, workflow=workflow, post=Folder(tmp_path), sender="w@example.com"
    )

    after = contents(database)
    assert {name for name in after if after[name] != before[name]} == KEPT
    assert (found.is_passed, found.by, set(states(found).values())) == (True, "Ada", {"ok"})
    assert path_testing.path_tests_of(database, person_id=owner, workflow=workflow) == [found]
    with database.reading() as session:
        told = session.execute(select(notifications.c.person_id).where(notifications.c.kind == News.PATH_TEST))
        assert {owner, deputy} <= set(told.scalars())
    (mail,) = tmp_path.glob("*.eml")
    assert "Ada tests the override path of Sales" in mail.read_text()


def test_a_second_press_soon_after_sends_no_second_mail(database, owner, deputy, ada, tmp_path):
    workflow = with_items(database)
    asked = {"person_id": ada, "workflow": workflow, "post": Folder(tmp_path), "sender": "w@example.com"}
    path_testing.try_path(database, **asked)

    again = path_testing.try_path(database, **asked)

    assert (states(again)["mail"], len(list(tmp_path.glob("*.eml")))) == ("not_tried", 1)
    with database.writing() as session:
        session.execute(update(path_tests).values(tested_at=datetime.now(UTC) - timedelta(minutes=11)))
    assert states(path_testing.try_path(database, **asked))["mail"] == "ok"


def test_what_is_missing_fails_and_says_what_to_do(database, ada):
    workflow = with_items(database, deputy=None, feed_late_hours=None)
    with database.writing() as session:
        session.execute(update(accounts).where(accounts.c.subject == "owner").values(disabled_at=datetime.now(UTC)))

    found = path_testing.try_path(database, person_id=ada, workflow=workflow)

    assert not found.is_passed
    assert states(found) == {
        "override": "ok",
        "level 0: reviewer": "ok",
        "level 1: director": "failed",
        "level 2: workflow owner": "failed",
        "owner": "failed",
        "deputy": "failed",
        "fallback": "failed",
        "mail": "not_tried",
        "notification": "failed",
    }
    assert "The owner has no account here that works" in said(found, "owner")
    assert "Give somebody the role, or end an absence" in said(found, "level 1: director")


def test_a_level_whose_only_person_is_away_fails_and_an_owner_whose_place_is_taken_can_be_reached(
    database, owner, deputy, ada
):
    workflow = with_items(database)
    now = datetime.now(UTC)
    away = {"from_at": now - timedelta(days=1), "until_at": now + timedelta(days=1), "noted_by": ada, "noted_at": now}
    with database.writing() as session:
        olga = people.find(session, "test", "owner")
        for person in (owner, olga):
            session.execute(insert(absences).values(person_id=person, deputy_id=deputy, **away))
        session.execute(insert(absences).values(person_id=deputy, **away))

    found = path_testing.try_path(database, person_id=ada, workflow=workflow)

    assert states(found)["level 0: reviewer"] == "ok"
    assert {states(found)[f"level {level}"] for level in ("1: director", "2: workflow owner")} == {"failed"}
    assert said(found, "owner") == "The owner is away, and somebody stands in."
    assert said(found, "deputy").startswith("The deputy is away, and nobody stands in.")


def test_what_somebody_holds_is_tried_and_still_theirs_afterwards(database, owner, deputy, ada):
    workflow = with_items(database, human_first_share=1.0, second_review_share=1.0)
    desk = take(database, ada, workflow)
    before = contents(database)

    found = path_testing.try_path(database, person_id=ada, workflow=workflow)

    assert states(found)["override"] == "ok"
    after = contents(database)
    assert {name for name in after if after[name] != before[name]} == KEPT
    assert take(database, ada, workflow).item.id == desk.item.id


def test_somebody_who_does_not_review_or_finds_nothing_to_review_is_told_so(database, owner, deputy, ada):
    empty = a_workflow(database, **READY)
    mara = a_person(database, "Mara", Role.MANAGER)

    assert "No item waits for you" in said(path_testing.try_path(database, person_id=ada, workflow=empty), "override")
    found = path_testing.try_path(database, person_id=mara, workflow=empty)
    assert states(found)["override"] == "not_tried"
    assert found.is_passed
    program = a_person(database, "Pia", Role.INTEGRATOR)
    with pytest.raises(NotAllowed):
        path_testing.try_path(database, person_id=program, workflow=empty)

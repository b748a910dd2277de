"""Erasing a person: what goes, what stays, and that nobody comes back as them."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select, update

from review_queue.errors import NotAllowed, ReviewError
from review_queue.incidents import Severity
from review_queue.items import Outcome
from review_queue.roles import Role
from review_queue.showing import AiValues
from review_queue.workflows import policy_of
from storage import erasing, people, workflows
from storage.engine import Database, database_now
from storage.tables import (
    api_tokens,
    audit_events,
    decisions,
    drafts,
    figure_comments,
    grants,
    incidents,
    items,
    metadata,
    notifications,
    outbox,
    sign_ins,
)
from storage.tables import people as people_
from storage.workflows import Workflow
from tests import invariants
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import auth, known_reviews
from workbench.actions import governing, granting, issuing, path_testing, pausing, responding, reviewing

NAME, EMAIL, SUBJECT = "Noor Canary-Quill", "canary.quill@example.com", "canary-subject-17"


@pytest.fixture
def ada(database: Database) -> int:
    return a_person(database, "Ada", Role.ADMINISTRATOR)


@pytest.fixture
def noor(database: Database, ada: int) -> int:
    """Somebody who has left traces everywhere."""
    workflow = a_workflow(database, audit_share=0.0)
    bring_in(database, workflow, forecasts(4, step=300))
    identity = auth.Identity("https://id.example.com", SUBJECT, NAME, EMAIL)
    noor = auth.person_of_identity(database, identity).person_id
    granting.grant_role(database, person_id=ada, to=noor, role=Role.DIRECTOR)
    auth.keep(database, "browser", noor)
    issuing.create_token(
        database, person_id=noor, name="my token", role=Role.DIRECTOR, workflow=None, may_write=False, days=9
    )
    desk = take(database, noor, workflow)
    choice = choose(desk, Outcome.ADJUST, value=1500.0, reason=BECAUSE)
    reviewing.submit_decision(database, person_id=noor, workflow=workflow, choice=choice)
    desk = take(database, noor, workflow)
    reviewing.comment(database, person_id=noor, item_id=desk.item.id, body="I know them from school.")
    with database.writing() as session:
        now = database_now(session)
        rows = {"item_id": desk.item.id, "person_id": noor, "round": 1, "body": {"note": "half"}, "saved_at": now}
        session.execute(insert(drafts).values(rows))
        about = {"workflow_id": workflow.id, "person_id": noor, "body": "I was away.", "written_at": now}
        session.execute(insert(figure_comments).values(about))
        told = {"workflow_id": workflow.id, "person_id": ada, "kind": "assigned", "created_at": now}
        session.execute(insert(notifications).values(**told, sentence=f"{NAME} gave you acme-1."))
        session.execute(update(decisions).values(owner=EMAIL))
        session.execute(update(items).where(items.c.id == desk.item.id).values(assigned_to=noor))
    _stir_up_an_incident(database, workflow, noor)
    _govern(database, workflow)
    return noor


def _govern(database: Database, workflow: Workflow) -> None:
    """They owned it for a while, with a step of the ladder, and the override path was tried then."""
    with database.reading() as session:
        owner = people.find(session, "test", "owner")
    mine = {"database": database, "person_id": owner}
    governing.hand_over(
        **mine, workflow_key="sales", owner=EMAIL, deputy="x@example.com", note=f"For {NAME}, while I am away."
    )
    with database.reading() as session:
        policy = workflows.get(session, "sales").policy
    step = {"name": "first", "after_hours": 1, "since": "created", "who": EMAIL}
    for ladder in ([step], []):
        with database.writing() as session:
            changed = policy_of({**policy.model_dump(mode="json"), "escalation": ladder})
            workflows.add(session, changed, author_id=owner)
        path_testing.try_path(**mine, workflow=workflow)
    governing.hand_over(**mine, workflow_key="sales", owner="o@example.com", deputy=None, note="Back again.")
    pausing.choose_showing(**mine, workflow_key="sales", values=AiValues.PAUSED, note=f"{EMAIL} asked for it.")
    pausing.choose_showing(**mine, workflow_key="sales", values=AiValues.SHOWN, note="It is well.")


def _stir_up_an_incident(database: Database, workflow: Workflow, noor: int) -> None:
    """One that names them in its title, its note and its timeline, and in which they talk."""
    mine = {"database": database, "person_id": noor}
    title = f"{NAME} saw nonsense"
    incident = responding.open_incident(**mine, workflow=workflow, title=title, severity=Severity.MINOR)
    with database.reading() as session:
        owner = people.find(session, "test", "owner")
    responding.hand_over(database, person_id=owner, incident_id=incident, owner_id=noor, severity=Severity.MAJOR)
    responding.comment(**mine, incident_id=incident, body="It is my cousin's account.")
    responding.close(**mine, incident_id=incident, closing_note=f"Settled; ask {EMAIL}.")


def everything(database: Database) -> str:
    """All that the database holds, as text."""
    with database.reading() as session:
        return "\n".join(repr(tuple(row)) for table in metadata.sorted_tables for row in session.execute(select(table)))


def count(database: Database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def test_nothing_names_an_erased_person_any_more(database: Database, ada: int, noor: int) -> None:
    before = everything(database)
    assert all(word in before for word in (NAME, EMAIL, SUBJECT))

    granting.erase_person(database, person_id=ada, whom=noor, reason="They asked for it.")

    after = everything(database)
    assert [
        word for word in (NAME, EMAIL, SUBJECT, "I know them from school", "I was away", "my cousin") if word in after
    ] == []
    assert f"Erased person {noor} gave you acme-1." in after
    assert f"Settled; ask Erased person {noor}." in after
    for table, column in (
        (sign_ins, sign_ins.c.person_id),
        (drafts, drafts.c.person_id),
        (api_tokens, api_tokens.c.created_by),
        (figure_comments, figure_comments.c.person_id),
    ):
        assert count(database, table, column == noor) == 0
    assert count(database, items, items.c.assigned_to == noor) == 0


def test_a_short_name_is_taken_out_as_a_word_and_not_as_letters(database: Database, ada: int) -> None:
    workflow = a_workflow(database)
    max_ = a_person(database, "Max", Role.DIRECTOR)
    title = "Maximum error in Maxville, says Max."
    responding.open_incident(database, person_id=max_, workflow=workflow, title=title, severity=Severity.MINOR)

    granting.erase_person(database, person_id=ada, whom=max_, reason="They asked for it.")

    with database.reading() as session:
        (after,) = session.execute(select(incidents.c.title)).scalars()
    assert after == f"Maximum error in Maxville, says Erased person {max_}."


def test_no_server_goes_on_with_the_name_that_it_has_at_hand(database: Database, ada: int, noor: int) -> None:
    known_reviews.keep_reviews(database)

    def read() -> str:
        return known_reviews.read(database, person_id=ada, workflow_key="sales").table.to_csv()

    assert NAME in read()
    at_hand = dict(known_reviews._LATELY[database])
    granting.erase_person(database, person_id=ada, whom=noor, reason="They asked for it.")
    known_reviews._LATELY[database] = at_hand  # another server, that nobody told
    known_reviews.keep_reviews(database)

    assert NAME not in read()
    assert f"Erased person {noor}" in read()


def test_decisions_reasons_and_the_record_stay_and_all_still_holds(database: Database, ada: int, noor: int) -> None:
    kept = (decisions, audit_events, outbox)
    before = [count(database, table) for table in kept]

    granting.erase_person(database, person_id=ada, whom=noor, reason="They asked for it.")

    with database.reading() as session:
        made = session.execute(select(decisions.c.actor_id, people_.c.name).join(people_)).one()
        told = session.execute(select(audit_events).order_by(audit_events.c.id.desc()).limit(1)).one()
    assert tuple(made) == (noor, f"Erased person {noor}")
    assert [count(database, table) >= number for table, number in zip(kept, before, strict=True)] == [True] * 3
    assert (told.action, told.actor_id, told.details["person_id"]) == ("person.erased", ada, noor)
    assert BECAUSE.text in everything(database)
    assert invariants.violations(database) == []


def test_the_effect_is_told_before_and_is_what_happens(database: Database, ada: int, noor: int) -> None:
    effect = granting.erasing_would(database, person_id=ada, whom=noor)
    done = granting.erase_person(database, person_id=ada, whom=noor, reason="They asked for it.")

    assert effect == done
    assert (effect.roles, effect.tokens, effect.remarks, effect.decisions, effect.items_given_back) == (1, 1, 2, 1, 1)
    assert effect.own["sign_ins"] == 1
    with database.reading() as session:
        after = erasing.effect(session, noor)
    assert (after.roles, after.tokens, sum(after.own.values()), after.decisions) == (0, 0, 0, 1)


def test_the_same_identity_comes_back_as_somebody_else_without_a_role(database: Database, ada: int, noor: int) -> None:
    granting.erase_person(database, person_id=ada, whom=noor, reason="They asked for it.")

    again = auth.person_of_identity(database, auth.Identity("https://id.example.com", SUBJECT, NAME, EMAIL))

    assert again.person_id != noor
    assert again.grants == ()
    assert auth.person_of_browser(database, "browser") is None
    with pytest.raises(NotAllowed, match="disabled"), database.reading() as session:
        people.principal(session, noor)
    for change in (
        lambda: granting.set_disabled(database, person_id=ada, whom=noor, disabled=False),
        lambda: granting.grant_role(database, person_id=ada, to=noor, role=Role.REVIEWER),
        lambda: granting.erase_person(database, person_id=ada, whom=noor, reason="again"),
    ):
        with pytest.raises(ReviewError, match="was erased, and stays so"):
            change()
    assert count(database, grants, grants.c.person_id == noor, grants.c.revoked_at.is_(None)) == 0


def test_what_stands_in_the_way_is_said(database: Database, ada: int, noor: int) -> None:
    def erase(by: int = ada, whom: int = noor, reason: str = "They asked.", **more: tuple[str, ...]) -> None:
        granting.erase_person(database, person_id=by, whom=whom, reason=reason, **more)

    with pytest.raises(ReviewError, match="Say why"):
        erase(reason=" ")
    with pytest.raises(ReviewError, match="names the person"):
        erase(reason=f"{NAME} asked.")
    with pytest.raises(NotAllowed):
        erase(by=noor)
    with pytest.raises(ReviewError, match="your own account"):
        erase(whom=ada)
    with pytest.raises(ReviewError, match="WORKBENCH_ADMINISTRATORS names"):
        erase(bootstrapped=(f"https://id.example.com|{SUBJECT}",))
    with database.writing() as session:
        policy = {"key": "sales", "title": "Sales", "unit": "EUR k", "owner": EMAIL}
        workflows.add(session, policy_of(policy), author_id=ada)
    with pytest.raises(ReviewError, match="owner, deputy or in the ladder of Sales"):
        erase()
    assert NAME in everything(database)


def test_the_record_of_events_names_nobody(database: Database, ada: int, noor: int) -> None:
    """Ids, numbers and codes: so nothing of it has to be taken out, ever."""
    granting.set_disabled(database, person_id=ada, whom=noor, disabled=True)

    with database.reading() as session:
        told = [repr(row) for row in session.execute(select(audit_events.c.details)).scalars()]

    assert len(told) > 8
    words = (NAME, EMAIL, SUBJECT, "Ada", "Olga", "school", BECAUSE.text)
    assert [(word, row) for row in told for word in words if word in row] == []

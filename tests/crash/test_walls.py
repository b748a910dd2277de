"""The last wall: what the database itself refuses, whatever the code above it believes."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from review_queue.items import Outcome
from review_queue.roles import Role
from storage.tables import decisions
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import reviewing


@pytest.fixture
def made(database) -> dict[str, object]:
    """The row of a decision that stands."""
    workflow, ada = a_workflow(database), a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, forecasts(2))
    choice = choose(take(database, ada, workflow), Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    with database.reading() as session:
        return dict(session.execute(select(decisions)).mappings().one())


def add(database, row: dict[str, object], **changes: object) -> None:
    with database.writing() as session:
        session.execute(insert(decisions).values(**{**row, "id": 1_000, **changes}))


def test_a_key_is_stored_once(database, made):
    other_item = 3 - int(str(made["item_id"]))

    with pytest.raises(IntegrityError):
        add(database, made, item_id=other_item)


def test_one_first_decision_stands_in_a_round(database, made):
    with pytest.raises(IntegrityError):
        add(database, made, idempotency_key="another")


def test_a_decision_is_superseded_once(database, made):
    add(database, made, idempotency_key="second", supersedes_id=made["id"])

    with pytest.raises(IntegrityError):
        add(database, made, id=1_001, idempotency_key="third", supersedes_id=made["id"])


def test_an_override_has_a_reason(database, made):
    with pytest.raises(IntegrityError):
        add(database, made, idempotency_key="another", supersedes_id=made["id"], is_override=True)

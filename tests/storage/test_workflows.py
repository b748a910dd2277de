"""Workflows and the versions of their policies."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import WorkflowInvalid
from review_queue.workflows import policy_of
from storage import people, workflows
from storage.tables import policies

FIELDS = {"key": "sales", "title": "Sales", "unit": "EUR", "scope": {"region": ("North",)}, "segments": ("region",)}


@pytest.fixture
def author(database):
    with database.writing() as session:
        return people.add(session, issuer="test", subject="o", name="Olga")


def test_a_workflow_comes_back_with_its_policy(database, author):
    with database.writing() as session:
        workflows.add(session, policy_of(FIELDS), author_id=author, is_simulated=True)

    with database.reading() as session:
        found = workflows.get(session, "sales")
    assert found.policy == policy_of(FIELDS)
    assert (found.title, found.unit, found.policy_version, found.is_simulated) == ("Sales", "EUR", 1, True)


def test_a_changed_policy_is_a_new_version_and_the_old_one_stays(database, author):
    with database.writing() as session:
        workflows.add(session, policy_of(FIELDS), author_id=author)
        workflows.add(session, policy_of({**FIELDS, "title": "Sales 2", "tolerance": 0.05}), author_id=author)

    with database.reading() as session:
        found = workflows.get(session, "sales")
        kept = session.execute(select(policies.c.body).order_by(policies.c.version)).scalars().all()
    assert (found.policy_version, found.title, found.policy.tolerance) == (2, "Sales 2", 0.05)
    assert [body["tolerance"] for body in kept] == [0.01, 0.05]


def test_a_policy_that_was_stored_with_a_setting_of_old_still_comes_back(database, author):
    with database.writing() as session:
        workflows.add(session, policy_of(FIELDS), author_id=author)
        body = session.execute(select(policies.c.body)).scalar_one()
        session.execute(update(policies).values(body={**body, "season": 12}))
        workflows.add(session, policy_of(FIELDS), author_id=author)

    with database.reading() as session:
        assert workflows.get(session, "sales").policy == policy_of(FIELDS)
        assert session.execute(select(func.count()).select_from(policies)).scalar_one() == 1


def test_the_same_policy_again_changes_nothing(database, author):
    with database.writing() as session:
        first = workflows.add(session, policy_of(FIELDS), author_id=author)
        again = workflows.add(session, policy_of(FIELDS), author_id=author)

    assert again == first


def test_an_unknown_key_is_refused(database):
    with database.reading() as session, pytest.raises(WorkflowInvalid, match="no workflow 'ghost'"):
        workflows.get(session, "ghost")


def test_one_import_at_a_time(database_url, database, author):
    with database.writing() as session:
        workflow = workflows.add(session, policy_of(FIELDS), author_id=author)
    if database.dialect == "sqlite":
        return  # there a writing transaction is alone anyway

    with database.writing() as session:
        workflows.lock(session, workflow.id)
        with database.writing() as other:
            assert not workflows.try_lock(other, workflow.id)
        with pytest.raises(workflows.WorkflowBusy, match="Another import"), database.writing() as other:
            workflows.lock(other, workflow.id)

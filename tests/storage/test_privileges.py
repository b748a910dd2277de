"""The roles of the script on a real PostgreSQL: what each may do, and what it may not."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from review_queue.items import Outcome
from review_queue.roles import Role
from storage import audit
from storage.engine import Database, open_database
from storage.privileges import NameRefused, script
from storage.tables import audit_chain
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import auditing, reviewing


@pytest.fixture
def owner(postgresql_database: Database):
    with postgresql_database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(script(prefix="guarded"))
    yield postgresql_database
    with postgresql_database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for name in ("app", "analytics", "backup"):
            connection.execute(text(f"DROP OWNED BY guarded_{name} CASCADE"))
            connection.execute(text(f"DROP ROLE guarded_{name}"))


def as_role(owner: Database, role: str) -> Database:
    return open_database(make_url(owner.engine.url).set(username=f"guarded_{role}", password=None))


FORBIDDEN = [
    "UPDATE audit_events SET action = 'x'",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events CASCADE",
    "DROP TABLE audit_events CASCADE",
    "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    "ALTER TABLE audit_events DROP COLUMN details",
    "DROP TRIGGER audit_events_is_closed ON audit_events",
    "INSERT INTO audit_chain VALUES (99, 1, 'x', 'x')",
    "UPDATE audit_chain SET hash = 'x'",
    "DELETE FROM audit_chain",
    "TRUNCATE audit_chain",
    "DROP TABLE audit_chain",
    "DROP FUNCTION audit_seal(bigint[], varchar[])",
    "SET session_replication_role = replica",
    "UPDATE alembic_version SET version_num = '9999'",
    "CREATE TABLE anything (id int)",
]


def test_the_app_role_does_the_work_and_cannot_touch_the_record(owner):
    app = as_role(owner, "app")
    workflow = a_workflow(app)
    ada = a_person(app, "Ada", Role.REVIEWER)
    bring_in(app, workflow, forecasts(2))
    desk = take(app, ada, workflow)
    reviewing.submit_decision(app, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI))
    before = auditing.verify(app)
    assert before.is_whole
    assert before.size >= 3

    for statement in FORBIDDEN:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"), app.engine.begin() as connection:
            connection.execute(text(statement))
    app.engine.dispose()

    after = auditing.verify(owner)
    assert (after.is_whole, after.tip) == (True, before.tip)


def test_analysts_read_and_backups_read(owner):
    with owner.writing() as session:
        audit.record(session, "something.done", actor_id=None)
    for role in ("analytics", "backup"):
        other = as_role(owner, role)
        with other.engine.connect() as connection:
            assert connection.execute(select(audit_chain.c.seq)).scalars().all() == [1]
        with (
            pytest.raises(DBAPIError, match=r"read-only transaction|permission denied"),
            other.engine.begin() as connection,
        ):
            connection.execute(text("DELETE FROM drafts"))
        other.engine.dispose()


def test_a_name_that_would_need_quotes_is_refused():
    with pytest.raises(NameRefused, match="Choose another"):
        script(prefix='x"; DROP')

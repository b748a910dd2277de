"""What somebody may not do is on record, once, and never turns into another answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from review_queue.errors import DatabaseAway, NotAllowed
from review_queue.roles import Role
from storage.engine import Database
from storage.tables import audit_events
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow
from workbench import analytics, known_reviews, readings, source_reads
from workbench.actions import auditing
from workbench.actions.refusing import notes_refusals
from workbench.known_reviews import Reviews


def refused(database: Database) -> list[tuple[int | None, dict[str, object]]]:
    with database.reading() as session:
        query = select(audit_events.c.actor_id, audit_events.c.details).order_by(audit_events.c.id)
        return list(session.execute(query.where(audit_events.c.action == "access.refused")).tuples())


READS: dict[str, Callable[[Database, int, Workflow, Reviews], object]] = {
    "heard": lambda d, p, w, k: source_reads.heard(d, person_id=p, workflow=w),
    "disputed": lambda d, p, w, k: source_reads.disputed(d, person_id=p, workflow=w),
    "identifiers": lambda d, p, w, k: source_reads.identifiers(d, person_id=p, workflow=w),
    "read": lambda d, p, w, k: known_reviews.read(d, person_id=p, workflow_key=w.key),
    "watched_now": lambda d, p, w, k: readings.watched_now(d, person_id=p, workflow=w),
    "checks_caught": lambda d, p, w, k: analytics.checks_caught(d, k, person_id=p),
    "second_looks": lambda d, p, w, k: analytics.second_looks(d, k, person_id=p),
}


def test_what_pages_read_beside_the_actions_is_refused_on_record_too(database: Database) -> None:
    workflow = a_workflow(database)
    seer, nobody = a_person(database, "Ada", Role.AUDITOR), a_person(database, "Bo")
    known_reviews.keep_reviews(database)
    known = known_reviews.read(database, person_id=seer, workflow_key=workflow.key)

    for read in READS.values():
        with pytest.raises(NotAllowed):
            read(database, nobody, workflow, known)

    assert refused(database) == [(nobody, {"action": name}) for name in READS]


def test_a_refusal_on_its_way_through_several_actions_is_noted_once(database: Database) -> None:
    bo = a_person(database, "Bo")

    @notes_refusals
    def outer(database: Database, *, person_id: int) -> None:
        auditing.verify_as(database, person_id=person_id, witness=None)

    for _ in range(2):
        with pytest.raises(NotAllowed):
            outer(database, person_id=bo)

    assert refused(database) == [(bo, {"action": "verify_as"})] * 2


def test_where_nothing_can_be_written_a_refusal_is_the_same(database: Database) -> None:
    bo = a_person(database, "Bo")
    database.refuse_writes(DatabaseAway())

    with pytest.raises(NotAllowed, match="Bo may not"):
        auditing.verify_as(database, person_id=bo, witness=None)

    database.refuse_writes(None)
    assert refused(database) == []

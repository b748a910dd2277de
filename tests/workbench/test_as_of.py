"""What was known then: rows that came later change no report, whichever it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, or_, select

from review_queue.roles import Role
from storage.tables import (
    actuals,
    audit_events,
    comments,
    decisions,
    evidence_views,
    forecasts,
    outbox,
    reasons,
)
from tests.builders import a_person
from tests.tampering import take_out, unguarded
from workbench import demo, reporting
from workbench.demo_world import World
from workbench.reporting import BY_WEEK, ReportName

pytestmark = pytest.mark.one_kind

NOW = datetime(2026, 3, 18, 11, 20, tzinfo=UTC)
THEN = NOW - timedelta(days=200)
SMALL = World(series_per_territory=3, bottleneck_series=6, undone=5, overturned=5)


def everything(database, person):
    """Every report as of then, plain and by the finest group it has."""
    asked = {"person_id": person, "workflow_key": "sales", "as_of": THEN}
    return {
        (name, by): reporting.report(database, name, by=by, **asked).rows
        for name in ReportName
        for by in ((None,) if name in BY_WEEK else (None, "territory"))
    }


def forget_what_came_later(database):
    """Take out every row of what happened after then, as if it had never been."""
    with unguarded(database) as session:
        late = select(decisions.c.id).where(decisions.c.decided_at > THEN)
        take_out(session, or_(audit_events.c.at > THEN, audit_events.c.decision_id.in_(late)))
        for table in (reasons, outbox):
            session.execute(delete(table).where(table.c.decision_id.in_(late)))
        session.execute(delete(decisions).where(decisions.c.decided_at > THEN))
        session.execute(delete(actuals).where(func.coalesce(actuals.c.final_at, actuals.c.received_at) > THEN))
        session.execute(delete(forecasts).where(forecasts.c.received_at > THEN))
        session.execute(delete(evidence_views).where(evidence_views.c.opened_at > THEN))
        session.execute(delete(comments).where(comments.c.created_at > THEN))


@pytest.fixture
def before_and_after(database):
    demo.load(database, now=NOW, world=SMALL)
    auditor = a_person(database, "Aude", Role.AUDITOR)
    before = everything(database, auditor)
    forget_what_came_later(database)
    return before, everything(database, auditor)


def test_no_later_row_changes_a_report(before_and_after):
    before, after = before_and_after

    for asked, rows in before.items():
        assert rows, asked
        assert after[asked] == rows, asked

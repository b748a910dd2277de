"""What another database's driver gives, as the text that the checks of a file read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import select

from review_queue.columns import Kind
from review_queue.roles import Role
from storage.tables import statements
from tests.builders import a_person, a_workflow, bring_in
from workbench.actions import importing
from workbench.foreign.values import sheet_of_values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00+00:00"),
        (datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=11))), "2026-03-01T00:00:00+11:00"),
        (datetime(2026, 3, 1, 14, 30, tzinfo=UTC), "2026-03-01T14:30:00+00:00"),
        (datetime(2026, 3, 1), "2026-03-01T00:00:00"),  # noqa: DTZ001 -- a column without a zone
        (date(2026, 3, 1), "2026-03-01"),
        (Decimal("1E+3"), "1000"),
        (5.0, "5"),
        (None, ""),
    ],
)
def test_a_value_is_told_exactly(value, text):
    sheet = sheet_of_values("erp", ["series", "value"], [("acme", value)])

    assert list(sheet.cells.iloc[0]) == ["acme", text]


def test_a_moment_at_midnight_is_the_same_moment_in_any_zone(database):
    workflow = a_workflow(database, timezone="Australia/Sydney")
    bring_in(database, workflow, "series,period,ai_forecast\nacme,2026-12,1\n")
    moments = [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (0, 1)]
    headers = ["series", "attribute", "source", "value", "as_of", "period"]
    rows = [("acme", "forecast", f"CRM {moment.hour}", 5, moment, "2026-12") for moment in moments]

    importing.import_values(
        database,
        person_id=a_person(database, "Oona", Role.OWNER),
        workflow_key=workflow.key,
        kind=Kind.SOURCES,
        name="erp",
        sheet=sheet_of_values("erp", headers, rows),
        identity="0" * 64,
    )

    with database.reading() as session:
        assert list(session.execute(select(statements.c.as_of).order_by(statements.c.as_of)).scalars()) == moments

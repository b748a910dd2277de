"""Taking data out on the Data page, run without a browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from review_queue.items import Outcome
from review_queue.roles import Role
from storage.engine import Database
from storage.tables import audit_events
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import export_parts
from workbench.actions import reviewing


def page() -> None:
    """The part below the page's guard, for the person whose id stands in the session."""
    import streamlit as st

    from storage import people
    from workbench import export_parts
    from workbench.session import choose_workflow, database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
    workflow = choose_workflow(user, key="data-workflow")
    export_parts.past_pulls(user, workflow)
    export_parts.take_out(user, workflow)


@pytest.fixture
def sales(database: Database) -> Workflow:
    """A workflow of two items of which one is decided."""
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(2))
    ada = a_person(database, "Ada", Role.REVIEWER)
    choice = choose(take(database, ada, workflow), Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    return workflow


@pytest.fixture
def opened(database: Database, sales: Workflow, open_as: Callable[..., AppTest]) -> AppTest:
    return open_as(page, a_person(database, "Mona", Role.MANAGER))


def said(at: AppTest) -> str:
    return " ".join(element.value for kind in (at.text, at.caption, at.info, at.error) for element in kind)


def test_nothing_is_taken_out_before_it_is_asked_for(opened, database):
    assert not opened.exception
    assert len(opened.get("download_button")) == 0
    with database.reading() as session:
        assert session.execute(select(audit_events.c.id).where(audit_events.c.action == "export")).first() is None


def test_an_export_is_prepared_recorded_and_offered_with_its_manifest(opened, database):
    at = opened.button(key="export-prepare").click().run()

    assert not at.exception
    assert "1 row of decisions" in said(at)
    assert [each.label for each in at.get("download_button")] == ["Download", "Download the manifest"]
    assert b"acme-" in at.session_state[export_parts.READY].content
    with database.reading() as session:
        (event,) = session.execute(select(audit_events).where(audit_events.c.action == "export")).all()
    assert (event.details["kind"], event.details["rows"]) == ("decisions", 1)


def test_a_file_goes_back_with_the_final_value_in_a_column_that_is_chosen(opened):
    at = opened.selectbox(key="export-kind").select("write-back").run()
    at.selectbox(key="export-into").select("human_forecast").run()
    at.button(key="export-prepare").click().run()

    assert not at.exception
    assert "In the shape of forecasts\\.csv" in said(at)
    assert at.session_state[export_parts.READY].manifest.columns[-1].name == "model_version"


def test_what_came_before_a_day_stays(opened):
    opened.date_input(key="export-since").set_value(datetime.now(UTC).date() + timedelta(days=3)).run()
    at = opened.button(key="export-prepare").click().run()

    assert "0 rows of decisions" in said(at)


def test_what_is_too_large_for_a_browser_is_not_held_for_it(opened, monkeypatch):
    monkeypatch.setattr(export_parts, "LARGEST", 10)

    at = opened.button(key="export-prepare").click().run()

    assert "too much for a browser" in said(at)
    assert at.session_state[export_parts.READY].content == b""


def test_a_refusal_is_shown(database, open_as):
    a_workflow(database)
    at = open_as(page, a_person(database, "Mona", Role.MANAGER))

    at.selectbox(key="export-kind").select("write-back").run()
    at.button(key="export-prepare").click().run()

    assert not at.exception
    assert "Nothing was taken out." in said(at)
    assert "No file of forecasts came into Sales" in said(at)

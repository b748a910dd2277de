"""The pages Incidents and Escalation, and the two commands, run without a browser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from review_queue.alerting import Reading, Watched
from review_queue.errors import IncidentRefused
from review_queue.incidents import Severity
from review_queue.items import Outcome
from review_queue.roles import Role
from storage.tables import items
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import alerting, escalating, responding, reviewing
from workbench.cli import app
from workbench.incident_parts import item_numbers
from workbench.settings import settings

MARKUP = "![x](https://elsewhere.example/x.png)"
LADDER = [{"name": "up", "who": "director", "after_hours": 1, "does": "raise"}]


def escalation_page() -> None:
    import streamlit as st

    from storage import people, workflows
    from workbench.escalation_parts import ladder, override_test
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    ladder(database(), user, workflow)
    override_test(database(), user, workflow)


def incidents_page() -> None:
    import streamlit as st

    from storage import people, workflows
    from workbench.incident_parts import incidents
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    incidents(database(), user, workflow)


def alerts_page() -> None:
    import streamlit as st

    from storage import people, workflows
    from workbench.alert_parts import alert_list
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    alert_list(user, database(), workflow)


def review_page() -> None:
    import streamlit as st

    from storage import people, workflows
    from workbench.review_card import review
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    review(user, database(), workflow)


def said(at) -> str:
    assert not at.exception
    kinds = (at.markdown, at.caption, at.info, at.text, at.warning, at.error)
    return " ".join(str(element.value) for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture
def workflow(database):
    found = a_workflow(database, escalation=LADDER, alerts=[{"measure": "overdue", "above": 1}], audit_share=0.0)
    bring_in(database, found, forecasts(2))
    with database.writing() as session:
        session.execute(update(items).values(due_at=datetime.now(UTC) - timedelta(days=30)))
    return found


@pytest.fixture
def dana(database):
    return a_person(database, "Dana", Role.DIRECTOR)


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def test_a_director_sees_what_the_ladder_would_do_and_a_reviewer_the_ladder_alone(open_as, workflow, dana, ada):
    shown, hidden = said(open_as(escalation_page, dana)), said(open_as(escalation_page, ada))

    assert "Now 2 acts, and 0 acts in the next 24 business hours, if all stays as it is." in shown
    assert "Now 2 acts" not in hidden
    assert "is shown to directors, managers and owners" in hidden


def test_without_a_ladder_the_page_says_how_to_get_one(open_as, database, dana):
    a_workflow(database)

    assert "one [[escalation]] each" in said(open_as(escalation_page, dana))


def test_a_press_tests_the_override_path_and_says_when_and_by_whom(open_as, workflow, ada):
    at = open_as(escalation_page, ada)
    assert "Can't tell yet: nobody has tried." in said(at)

    at.button(key="path-test").click().run()

    text = said(at)
    assert "Last tested just now by Ada." in text
    assert "No: " in text
    assert "The owner has no account here that works" in text


def test_an_incident_is_opened_talked_through_closed_and_opened_again(open_as, database, workflow, dana):
    mara = a_person(database, "Mara", Role.MANAGER)
    at = open_as(incidents_page, mara)
    assert "No incident is open. None was closed yet." in said(at)

    at.text_input(key="incident-title").input(MARKUP)
    at.text_input(key="incident-items").input("1, two")
    at.button[-1].click().run()
    assert "'two' is no item's number" in said(at)
    at.text_input(key="incident-title").input(MARKUP)
    at.text_input(key="incident-items").input("1 2")
    at.button[-1].click().run()
    assert MARKUP in [element.value for element in at.text]
    assert "major" in said(at)

    def press(label: str) -> None:
        next(button for button in at.button if button.label == label).click().run()

    at.text_area(key="incident-comment-1").input("Seen.")
    press("Add to the timeline")
    press("Close the incident")
    assert "Say how it ended" in said(at)
    at.text_area(key="incident-note-1").input("Model rolled back.")
    press("Close the incident")
    assert "How it ended" in said(at)
    at.text_input(key="incident-why-1").input("Again.")
    press("Open again")
    press("All incidents")
    assert "Yes: 1 incident open." in said(at)


def test_an_incident_that_is_not_there_is_said_to_be_so(open_as, workflow, ada):
    assert "There is no such incident here" in said(open_as(incidents_page, ada, incident="77"))


def test_an_alert_leads_to_its_incident(open_as, database, workflow, dana):
    (alert_id,) = alerting.raise_alerts(database, workflow, {Watched.OVERDUE: Reading.of(3.0, 3)})
    asked = {"title": "Overdue", "severity": Severity.MAJOR, "alert_id": alert_id}
    labels = [button.label for button in open_as(alerts_page, dana).button]
    assert "Open an incident" in labels

    responding.open_incident(database, person_id=dana, workflow=workflow, **asked)

    labels = [button.label for button in open_as(alerts_page, dana).button]
    assert "See its incident" in labels
    assert "Open an incident" not in labels


def test_an_item_tells_who_passed_it_up_to_whom_and_what_the_ladder_did(open_as, database, workflow, dana, ada):
    choice = choose(take(database, ada, workflow), Outcome.ESCALATE, note="Which *price*?")
    item_id = choice.item_id
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)

    reader = a_person(database, "Aud", Role.AUDITOR)  # who takes nothing in hand by looking
    before = said(open_as(review_page, reader, item=str(item_id)))
    escalating.climb(database)
    after = said(open_as(review_page, dana, item=str(item_id)))

    assert "Ada passed this up to a director at " in before
    assert ": Which *price*?" in before
    assert "The ladder told somebody of this at " in after
    assert "(1 business hour past its due date). Told: Dana." in after


@pytest.mark.parametrize("text", ["x", "1, -2", "1.5"])
def test_what_is_no_item_number_is_refused(text):
    with pytest.raises(IncidentRefused, match="is no item's number"):
        item_numbers(text)


def test_the_commands_say_what_would_happen_and_what_the_path_came_to(
    database, database_url, workflow, dana, monkeypatch
):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()
    runner = CliRunner()

    ladder = runner.invoke(app, ["workflow", "ladder", "sales"])
    as_json = json.loads(runner.invoke(app, ["workflow", "ladder", "sales", "--json"]).stdout)
    tested = runner.invoke(app, ["workflow", "test-override", "sales", "--json"])

    assert "up: 1 business hour past its due date: put before a director." in ladder.stdout
    assert "item 1  acme-1 · 2026-12  up: put before a director; Dana" in ladder.stdout
    assert [(act["item"], act["now"], act["does"]) for act in as_json["acts"]] == [
        (1, True, "raised"),
        (2, True, "raised"),
    ]
    assert tested.exit_code == 3
    assert {part["name"]: part["state"] for part in json.loads(tested.stdout)["parts"]}["override"] == "ok"
    assert reviewing.take_next(database, person_id=dana, workflow=workflow).item.fence == 1
    settings.cache_clear()

"""Alerts: raised once, told to whoever owns the workflow, and answered step by step."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest

from review_queue.alerting import Reading, Watched, passed
from review_queue.errors import AlertRefused, NotAllowed
from review_queue.notices import News
from review_queue.roles import Role
from storage import people
from storage.engine import database_now
from storage.growth import note_changed
from storage.tables import alerts, audit_events, items, notifications
from tests.builders import a_person, a_workflow, bring_in, forecasts
from workbench import watching
from workbench.actions import alerting
from workbench.readings import watched_now
from workbench.settings import settings

MARKUP = "![x](https://elsewhere.example/x.png)"
OVERDUE = {"measure": "overdue", "above": 1, "answer_hours": 8}
PASSED = {Watched.OVERDUE: Reading.of(3.0, 3)}


@pytest.fixture
def workflow(database):
    return a_workflow(database, alerts=[OVERDUE])


@pytest.fixture
def olga(database):
    return a_person(database, "Olga", Role.OWNER)


@pytest.fixture
def raised(database, workflow, olga):
    (alert_id,) = alerting.raise_alerts(database, workflow, PASSED)
    return alert_id


def the_only(database, person, workflow):
    (found,) = alerting.list_alerts(database, person_id=person, workflow=workflow)
    return found


def test_a_passed_threshold_raises_one_alert_with_its_owner_and_when_it_is_due(database, workflow, olga, raised):
    again = alerting.raise_alerts(database, workflow, PASSED)

    found = the_only(database, olga, workflow)
    assert again == []
    assert found.sentence == "Items past their deadline: 3 items, above the limit of 1 item."
    assert found.owner == "o@example.com"
    assert timedelta(hours=8) <= found.due_at - found.raised_at <= timedelta(days=5)


@pytest.mark.parametrize("readings", [{}, {Watched.OVERDUE: None}, {Watched.OVERDUE: Reading.of(1.0, 3)}])
def test_what_is_inside_its_limit_or_cannot_be_told_raises_nothing(database, workflow, readings):
    assert alerting.raise_alerts(database, workflow, readings) == []


def test_whoever_owns_the_workflow_is_told_and_nobody_else(database, workflow, olga):
    a_person(database, "Ada", Role.REVIEWER)

    alerting.raise_alerts(database, workflow, PASSED)

    with database.reading() as session:
        told = session.execute(select(notifications.c.person_id, notifications.c.kind)).all()
        first_owner = people.find(session, "test", "owner")
    assert told == [(first_owner, News.ALERT), (olga, News.ALERT)]


def test_an_alert_is_acknowledged_explained_and_closed_each_on_record(database, workflow, olga, raised):
    mara = a_person(database, "Mara", Role.MANAGER)

    alerting.acknowledge(database, person_id=mara, alert_id=raised)
    alerting.explain(database, person_id=olga, alert_id=raised, explanation=" Two people are ill. ")
    alerting.close(database, person_id=olga, alert_id=raised)
    alerting.close(database, person_id=olga, alert_id=raised)  # once more changes nothing

    found = the_only(database, olga, workflow)
    assert (found.acknowledged_by, found.explained_by, found.closed_by) == ("Mara", "Olga", "Olga")
    assert found.explanation == "Two people are ill."
    with database.reading() as session:
        actions = session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars().all()
    assert [action for action in actions if action.startswith("alert.")] == [
        *("alert.raised", "alert.acknowledged", "alert.explained", "alert.closed"),
    ]


def test_an_explanation_acknowledges_too_and_an_alert_is_not_closed_without_one(database, workflow, olga, raised):
    with pytest.raises(AlertRefused, match="explain it first"):
        alerting.close(database, person_id=olga, alert_id=raised)
    with pytest.raises(AlertRefused, match="Say what is behind it"):
        alerting.explain(database, person_id=olga, alert_id=raised, explanation="  ")

    found = alerting.explain(database, person_id=olga, alert_id=raised, explanation="Holidays.")

    assert (found.acknowledged_by, found.explained_by) == ("Olga", "Olga")


def test_a_closed_alert_takes_no_more_words_and_its_measure_is_quiet_for_a_week(database, workflow, olga, raised):
    alerting.explain(database, person_id=olga, alert_id=raised, explanation="Holidays.")
    alerting.close(database, person_id=olga, alert_id=raised)

    with pytest.raises(AlertRefused, match="Olga closed this alert already"):
        alerting.explain(database, person_id=olga, alert_id=raised, explanation="More.")
    assert alerting.raise_alerts(database, workflow, PASSED) == []
    with database.writing() as session:
        session.execute(update(alerts).values(closed_at=database_now(session) - timedelta(days=8)))
    assert len(alerting.raise_alerts(database, workflow, PASSED)) == 1


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.DIRECTOR, Role.AUDITOR, Role.ADMINISTRATOR, Role.INTEGRATOR])
def test_only_managers_and_owners_answer_alerts(database, raised, role):
    person = a_person(database, "Pat", role)

    with pytest.raises(NotAllowed):
        alerting.acknowledge(database, person_id=person, alert_id=raised)


def test_the_server_looks_at_what_is_watched_and_not_again_for_a_while(database, workflow, olga):
    bring_in(database, workflow, forecasts(3))
    looked_at = {}
    assert watching.watch(database, looked_at) == []
    with database.writing() as session:
        session.execute(update(items).values(due_at=items.c.created_at))
        note_changed(session, workflow.id, select(items.c.id), column="item_id")

    assert watching.watch(database, looked_at) == []  # a quarter of an hour has not passed
    looked_at.clear()
    assert len(watching.watch(database, looked_at)) == 1


def test_before_anything_came_in_nothing_that_can_be_watched_is_past_a_limit(database):
    every = [{"measure": kind.value, "above": 0.5} for kind in Watched]
    workflow = a_workflow(database, alerts=every)
    mara = a_person(database, "Mara", Role.MANAGER)

    now = watched_now(database, person_id=mara, workflow=workflow)

    assert set(now) == set(Watched)
    assert [rule.measure for rule in workflow.policy.alerts if passed(rule, now[rule.measure]) is not None] == []
    assert watching.watch(database, {}) == []


def test_what_is_measured_now_is_for_those_who_may_see_analytics(database, workflow):
    machine = a_person(database, "Machine", Role.INTEGRATOR)

    with pytest.raises(NotAllowed):
        watched_now(database, person_id=machine, workflow=workflow)


def alerts_page() -> None:
    """The page below its guard."""
    import streamlit as st

    from storage import people, workflows
    from workbench.alert_parts import alert_list
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        (workflow,) = workflows.all(session)
    alert_list(user, database(), workflow)


def test_the_page_says_whether_it_is_still_so_and_who_answers(database, workflow, raised, open_as):
    ada = a_person(database, "Ada", Role.REVIEWER)
    with database.writing() as session:
        session.execute(update(alerts).values(due_at=database_now(session) - timedelta(hours=1)))

    at = open_as(alerts_page, ada)

    assert not at.exception
    words = [element.value.replace("\\", "") for element in (*at.markdown, *at.caption)]
    assert "Now: 0 items, no longer past its limit." in words
    assert "A manager or the workflow's owner answers alerts." in words
    assert any("late: was to be explained by" in said for said in words)
    assert [button.label for button in at.button] == ["See the figures", "Open an incident"]
    table = at.table[0].value
    assert table.loc["Items past their deadline"].tolist() == ["0 items", "not above 1 item", "8 h"]


def test_the_page_says_that_it_is_still_so(database, workflow, olga, raised, open_as):
    bring_in(database, workflow, forecasts(3))
    with database.writing() as session:
        session.execute(update(items).values(due_at=items.c.created_at))

    at = open_as(alerts_page, olga)

    assert "Now: 3 items, still past its limit." in [element.value.replace("\\", "") for element in at.markdown]


def test_the_page_shows_what_was_said_as_text_and_closes_what_was_explained(
    database, database_url, workflow, olga, raised, monkeypatch
):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()
    alerting.explain(database, person_id=olga, alert_id=raised, explanation=MARKUP)
    at = AppTest.from_function(alerts_page, default_timeout=60)
    at.session_state["person_id"] = olga

    at.run()
    assert not at.exception
    assert at.markdown[0].value == "**Yes: 1 alert open, all explained.**"
    assert at.text[0].value == MARKUP
    at.button(key=f"close-{raised}").click().run()

    assert at.markdown[0].value.startswith("**No: everything that is watched")
    settings.cache_clear()

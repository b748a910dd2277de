"""Incidents: opened by a rule, from an alert or by anybody who sees the queue; talked through, closed with a note."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from review_queue.alerting import Reading, Watched
from review_queue.errors import IncidentRefused, NotAllowed
from review_queue.incidents import Happened, Severity, time_to_close
from review_queue.items import Outcome
from review_queue.notices import News
from review_queue.roles import Role
from storage import people
from storage.tables import absences, audit_events, incidents, notifications
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import alerting, responding, reviewing

OVERDUE = {"measure": "overdue", "above": 1}
PASSED = {Watched.OVERDUE: Reading.of(3.0, 3)}


@pytest.fixture
def workflow(database):
    found = a_workflow(database, alerts=[OVERDUE], audit_share=0.0)
    bring_in(database, found, forecasts(2))
    return found


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def mara(database):
    return a_person(database, "Mara", Role.MANAGER)


def opened(database, workflow, person_id, **changes):
    asked = {"title": "Values doubled", "severity": Severity.MAJOR, **changes}
    return responding.open_incident(database, person_id=person_id, workflow=workflow, **asked)


def seen(database, person_id, incident_id):
    return responding.whole_incident(database, person_id=person_id, incident_id=incident_id)


def told(database):
    with database.reading() as session:
        asked = select(notifications.c.person_id, notifications.c.sentence).where(notifications.c.kind == News.INCIDENT)
        return session.execute(asked.order_by(notifications.c.id)).tuples().all()


def test_anybody_who_sees_the_queue_opens_one_and_whoever_owns_the_workflow_is_told(database, workflow, ada):
    with database.reading() as session:
        olga = people.find(session, "test", "owner")
    with database.writing() as session:
        deputy = people.add(session, issuer="test", subject="dep", name="Dee")
        now = datetime(2020, 1, 1, tzinfo=UTC)
        away = {"from_at": now, "until_at": now + timedelta(days=36500), "noted_by": olga, "noted_at": now}
        session.execute(insert(absences).values(person_id=olga, deputy_id=deputy, **away))

    incident_id = opened(database, workflow, ada, model_version="m-1", item_ids=[2, 1, 2])

    found = seen(database, ada, incident_id)
    assert (found.incident.owner, found.incident.opened_by, found.incident.model_version) == ("Olga", "Ada", "m-1")
    assert [item_id for item_id, _, _ in found.items] == [1, 2]
    assert [(event.kind, event.by, event.said) for event in found.timeline] == [
        (Happened.OPENED, "Ada", "Values doubled")
    ]
    assert not found.may_end
    said = "Sales: major incident opened: Values doubled"
    assert told(database) == [(olga, said), (deputy, said)]


def test_a_rule_opens_one_with_its_alert_and_a_person_opens_one_from_an_alert_but_never_two(database, ada):
    workflow = a_workflow(database, alerts=[{**OVERDUE, "opens_incident": "critical"}])
    (alert_id,) = alerting.raise_alerts(database, workflow, PASSED)

    (found,) = responding.list_incidents(database, person_id=ada, workflow=workflow).every

    assert (found.alert_id, found.severity, found.opened_by) == (alert_id, Severity.CRITICAL, None)
    assert found.title.startswith("Items past their deadline: 3 items")
    with pytest.raises(IncidentRefused, match="open for this alert already"):
        opened(database, workflow, ada, alert_id=alert_id)


def test_what_happens_meanwhile_stands_in_the_timeline_in_its_order(database, workflow, ada, mara):
    desk = take(database, ada, workflow)
    incident_id = opened(database, workflow, ada, item_ids=[desk.item.id])
    responding.comment(database, person_id=mara, incident_id=incident_id, body=" Seen. ", item_ids=[1, 2])
    choice = choose(desk, Outcome.ESCALATE, note="Too high for me.")
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    with database.writing() as session:
        paused = responding.note_event(session, workflow.id, Happened.AI_PAUSED, by=mara, said="AI values paused.")
    responding.close(database, person_id=mara, incident_id=incident_id, closing_note="New model; a check was added.")
    responding.close(database, person_id=mara, incident_id=incident_id, closing_note="Once more changes nothing.")

    found = seen(database, mara, incident_id)

    assert paused == 1
    kinds = [(event.kind.value, event.by) for event in found.timeline]
    assert kinds == [
        *(("opened", "Ada"), ("changed", "Mara"), ("comment", "Mara"), ("escalated", "Ada")),
        *(("ai_paused", "Mara"), ("closed", "Mara")),
    ]
    assert found.incident.closing_note == "New model; a check was added."
    assert found.may_end
    with database.reading() as session:
        actions = session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars().all()
    assert [action for action in actions if action.startswith("incident.")] == [
        *("incident.opened", "incident.commented", "incident.closed"),
    ]


def test_closing_needs_a_note_and_the_owner_or_a_manager_and_reopening_a_reason(database, workflow, ada, mara):
    incident_id = opened(database, workflow, ada)

    with pytest.raises(IncidentRefused, match="Say how it ended"):
        responding.close(database, person_id=mara, incident_id=incident_id, closing_note="  ")
    with pytest.raises(NotAllowed, match="its owner, a manager"):
        responding.close(database, person_id=ada, incident_id=incident_id, closing_note="Over.")
    responding.hand_over(database, person_id=mara, incident_id=incident_id, owner_id=ada, severity=Severity.MINOR)
    responding.close(database, person_id=ada, incident_id=incident_id, closing_note="Over.")
    with pytest.raises(IncidentRefused, match="Ada closed this incident"):
        responding.comment(database, person_id=mara, incident_id=incident_id, body="But")
    with pytest.raises(IncidentRefused, match="Say why"):
        responding.reopen(database, person_id=ada, incident_id=incident_id, why="")
    responding.reopen(database, person_id=ada, incident_id=incident_id, why="It came back.")

    found = seen(database, ada, incident_id)
    assert (found.incident.is_open, found.incident.owner, found.incident.severity) == (True, "Ada", Severity.MINOR)
    assert [event.kind.value for event in found.timeline] == ["opened", "changed", "closed", "reopened"]
    assert told(database)[-1] == (ada, "Sales: this incident is yours now: Values doubled")


def test_the_schema_too_asks_for_a_note_and_for_who_closed_it(database, workflow, ada):
    opened(database, workflow, ada)
    for missing in ({"closed_by": ada, "closing_note": " "}, {"closing_note": "Over."}):
        with pytest.raises(Exception, match="ck_incidents"), database.writing() as session:
            session.execute(update(incidents).values(closed_at=datetime.now(UTC), **missing))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": "  "}, "Say in a line"),
        ({"title": "x" * 401}, "401 characters"),
        ({"item_ids": [1, 99]}, "Item 99 is not among those"),
        ({"item_ids": range(200)}, "100 items at most"),
        ({"alert_id": 99}, "no such alert"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_a_sentence(database, workflow, ada, changes, said):
    with pytest.raises(IncidentRefused, match=said):
        opened(database, workflow, ada, **changes)
    assert responding.list_incidents(database, person_id=ada, workflow=workflow).every == ()


def test_whoever_does_not_see_the_queue_sees_no_incident_and_a_scope_hides_items_and_their_events(
    database, workflow, ada
):
    incident_id = opened(database, workflow, ada, item_ids=[1])
    northern = a_person(database, "Nora", Role.REVIEWER, segment_path="North\x1f")
    program = a_person(database, "Pia", Role.INTEGRATOR)

    assert seen(database, northern, incident_id).items == ()
    with pytest.raises(IncidentRefused, match="no such incident"):
        seen(database, program, incident_id)
    with pytest.raises(NotAllowed):
        opened(database, workflow, program)
    with pytest.raises(IncidentRefused, match="Item 1 is not among those"):
        opened(database, workflow, northern, item_ids=[1])


def test_the_time_to_close_is_a_median_with_its_count_and_what_is_open_does_not_count():
    start = datetime(2025, 3, 31, tzinfo=UTC)
    hours = [(start, start + timedelta(hours=number)) for number in (1, 2, 30)]

    assert time_to_close([]) == time_to_close([(start, None)])
    assert time_to_close([]).median_hours is None
    found = time_to_close([*hours, (start, None)])
    assert (found.median_hours, found.n) == (2.0, 3)


def test_the_list_has_open_ones_first_and_says_how_long_closed_ones_took(database, workflow, ada, mara):
    first, second = (opened(database, workflow, ada, title=title) for title in ("One", "Two"))
    responding.close(database, person_id=mara, incident_id=second, closing_note="Over.")

    found = responding.list_incidents(database, person_id=ada, workflow=workflow)

    assert [one.id for one in found.every] == [first, second]
    assert found.to_close.n == 1
    assert 0 <= found.to_close.median_hours < 1

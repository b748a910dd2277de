"""The Audit page: who sees what of the record, how it is searched, and what *Verify* says."""

from __future__ import annotations

import pytest

from review_queue.errors import NotAllowed
from review_queue.items import Outcome
from review_queue.roles import Role
from storage import audit, audit_search
from storage.audit_search import Sought
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from tests.tampering import edit, unguarded
from tests.workbench.test_flow_screens import press, read
from workbench.actions import auditing, reviewing


def audit_page() -> None:
    """Audit below its guard, for the person whose id stands in the session."""
    import runpy

    import streamlit as st

    from storage import people
    from workbench import session

    with session.database().reading() as reading:
        user = people.principal(reading, st.session_state["person_id"])
    kept = session.require_user
    session.require_user = lambda: user
    try:
        runpy.run_path("pages/audit.py")
    finally:
        session.require_user = kept


@pytest.fixture
def workflow(database):
    made = a_workflow(database, segments=["region"])
    rows = forecasts(4).splitlines()
    regions = ["segment_region", "north", "north", "south", "south"]
    bring_in(database, made, "\n".join(f"{row},{region}" for row, region in zip(rows, regions, strict=True)) + "\n")
    return made


@pytest.fixture
def worked(database, workflow):
    """Two decisions of Ada's, and one event of no workflow's."""
    ada = a_person(database, "Ada", Role.REVIEWER)
    for number in range(2):
        desk = take(database, ada, workflow)
        choice = choose(desk, Outcome.ACCEPT_AI, key=f"key-{number}")
        reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    with database.writing() as session:
        audit.record(session, "person.added", actor_id=ada, details={"person_id": ada})
    return ada


@pytest.fixture
def aude(database):
    return a_person(database, "Aude", Role.AUDITOR)


def found(database, whom, **sought):
    events = auditing.search(database, person_id=whom, workflow_key="sales", sought=Sought(**sought))
    return [(event.action, event.item_id) for event in events]


def test_the_record_of_a_person_an_action_and_an_item(database, worked, aude):
    made = [each for each in found(database, aude, action="decision.") if each[0] == "decision.made"]
    assert len(made) == 2
    (item_id, *_) = [item for _, item in made]

    assert {action for action, _ in found(database, aude, person="ad")} == {"item.claimed", "decision.made"}
    timeline = found(database, aude, item_id=item_id)
    assert timeline == [("decision.made", item_id), ("item.claimed", item_id)]
    assert found(database, aude, person="nobody") == found(database, aude, item_id=10**12) == []
    assert "person.added" not in {action for action, _ in found(database, aude)}
    assert ("person.added", None) in found(database, aude, is_general=True)


def test_pages_follow_each_other_without_a_gap(database, worked, aude, monkeypatch):
    monkeypatch.setattr(audit_search, "PAGE", 2)
    whole = [event.id for event in _all(database, aude)]

    assert len(whole) == len(set(whole)) >= 5
    assert whole == sorted(whole, reverse=True)


def _all(database, person):
    before, events = None, []
    while True:
        page = auditing.search(database, person_id=person, workflow_key="sales", sought=Sought(before=before))
        events += page[:2]
        if len(page) <= 2:
            return events
        before = page[1].id


def test_whoever_has_a_region_sees_its_events_alone(database, workflow, worked):
    south = a_person(database, "Sue", Role.AUDITOR, segment_path="south\x1f")
    seen = found(database, south)

    assert seen
    assert all(item is not None for _, item in seen)
    assert {item for _, item in seen} < {item for _, item in found(database, a_person(database, "A2", Role.AUDITOR))}
    assert found(database, south, is_general=True) == []


def test_reviewers_read_no_record(database, worked):
    with pytest.raises(NotAllowed, match="read the audit record"):
        found(database, worked)
    with pytest.raises(NotAllowed):
        auditing.verify_as(database, person_id=worked, witness=None)


def test_the_page_lists_and_verifies(database, open_as, worked, aude):
    at = open_as(audit_page, aude)
    assert not at.exception
    assert "No checkpoints are kept" in read(at)
    assert "Restoring a backup was never tried." in read(at)
    (table,) = at.dataframe
    assert "decision.made" in set(table.value["action"])

    press(at, "Verify")
    assert "The record is whole" in read(at)

    with unguarded(database) as connection:
        edit(connection, 1, action="nothing.done")
    press(at, "Verify")
    assert "not what was recorded" in read(at)
    assert "Event 1 (nothing.done) is not what was recorded" in read(at)


def test_a_link_holds_what_is_looked_for(open_as, worked, aude):
    at = open_as(audit_page, aude, person="Ada", action="decision.made")

    (table,) = at.dataframe
    assert set(table.value["action"]) == {"decision.made"}
    assert set(table.value["actor"]) == {"Ada"}

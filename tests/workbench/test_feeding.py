"""The AI's feed goes out and comes back: what is shown, what is decided, what is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update
from streamlit.testing.v1 import AppTest

from review_queue.alerting import Watched
from review_queue.errors import ChoiceInvalid, NotAllowed, StaleContent
from review_queue.items import Outcome
from review_queue.roles import Role
from storage import feeds
from storage.engine import Database, database_now
from storage.tables import alerts, audit_events, decisions, forecasts, items, outages, pulls
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in, choose, take
from tests.invariants import violations
from workbench import watching
from workbench.actions import feeding, reviewing

ROWS = "series,period,ai_forecast,human_forecast,naive_forecast\na,2026-12,1000,1500,900\n"
LATE = {"feed_late_hours": 24}


def age(database: Database, hours: float) -> None:
    """Let the last AI forecast have come so long ago."""
    with database.writing() as session:
        then = database_now(session) - timedelta(hours=hours)
        session.execute(update(forecasts).values(received_at=then))


def out(database: Database, **policy: object) -> Workflow:
    """A workflow of one item whose feed has been out for two days."""
    workflow = a_workflow(database, **{**LATE, **policy})
    bring_in(database, workflow, ROWS)
    age(database, 48)
    assert feeding.watch_feeds(database) == [workflow.id]
    return workflow


@pytest.fixture
def rita(database: Database) -> int:
    return a_person(database, "Rita", Role.REVIEWER)


def decided(database: Database) -> object:
    with database.reading() as session:
        return session.execute(select(decisions)).one()


def submit(database: Database, person_id: int, workflow: Workflow, desk: object, outcome: Outcome, **more: object):
    choice = choose(desk, outcome, **more)
    return reviewing.submit_decision(database, person_id=person_id, workflow=workflow, choice=choice)


def test_a_feed_on_time_changes_nothing(database, rita):
    workflow = a_workflow(database, **LATE)
    bring_in(database, workflow, ROWS)
    age(database, 23)

    assert feeding.watch_feeds(database) == []
    assert take(database, rita, workflow).item.ai is not None
    assert feeding.notice(database, person_id=rita, workflow=workflow) is None


def test_without_a_limit_a_feed_is_never_late(database, rita):
    workflow = a_workflow(database)
    bring_in(database, workflow, ROWS)
    age(database, 9999)

    assert feeding.watch_feeds(database) == []


def test_the_naive_forecast_stands_in_and_the_decision_is_degraded(database, rita):
    workflow = out(database, fallback="naive")

    desk = take(database, rita, workflow)
    assert (desk.item.ai, desk.stand_in) == (None, 900.0)
    assert desk.withheld == ("The AI's value is not shown: its feed is late or failing. The naive forecast stands in.")
    with pytest.raises(ChoiceInvalid, match="withheld here"):
        submit(database, rita, workflow, desk, Outcome.ACCEPT_AI)
    submit(database, rita, workflow, desk, Outcome.ADJUST, value=desk.stand_in)

    row = decided(database)
    assert (row.is_degraded, row.withheld, row.ai_value, row.final_value) == (True, "feed_out", None, 900.0)
    assert violations(database) == []


def test_last_years_value_stands_in_where_no_naive_forecast_came(database, rita):
    workflow = a_workflow(database, **LATE, fallback="naive")
    bring_in(database, workflow, "series,period,actual\na,2025-12,777\n", kind="history")
    bring_in(database, workflow, "series,period,ai_forecast\na,2026-12,1000\n")
    age(database, 48)
    feeding.watch_feeds(database)

    assert take(database, rita, workflow).stand_in == 777.0


def test_an_item_without_an_ai_value_gets_the_fallback_at_any_time(database, rita):
    workflow = a_workflow(database, fallback="naive")
    bring_in(database, workflow, "series,period,human_forecast,naive_forecast\na,2026-12,5,4\n")

    desk = take(database, rita, workflow)

    assert (desk.stand_in, desk.withheld) == (
        4.0,
        "No AI forecast came for this item. The naive forecast stands in.",
    )


def test_the_last_version_is_shown_as_such_and_can_be_accepted(database, rita):
    workflow = out(database, fallback="last_version")

    desk = take(database, rita, workflow)
    assert (desk.item.ai.value, desk.stand_in) == (1000.0, None)
    assert desk.withheld == "The AI's feed is late or failing: this is the last value that came."
    submit(database, rita, workflow, desk, Outcome.ACCEPT_AI)

    row = decided(database)
    assert (row.is_degraded, row.withheld, row.ai_value) == (True, "last_version", 1000.0)


def test_without_a_fallback_people_decide_without(database, rita):
    workflow = out(database)

    desk = take(database, rita, workflow)

    assert (desk.item.ai, desk.stand_in) == (None, None)
    submit(database, rita, workflow, desk, Outcome.KEEP_MANUAL)
    assert decided(database).is_degraded


def test_a_choice_on_a_card_from_before_the_outage_is_refused(database, rita):
    workflow = a_workflow(database, **LATE)
    bring_in(database, workflow, ROWS)
    desk = take(database, rita, workflow)
    age(database, 48)
    feeding.watch_feeds(database)

    with pytest.raises(StaleContent):
        submit(database, rita, workflow, desk, Outcome.ACCEPT_AI)


def test_the_clock_does_not_bring_the_value_back_while_the_feed_is_out(database, rita):
    workflow = a_workflow(database, **LATE)
    bring_in(database, workflow, ROWS)
    known: dict = {}
    reviewing.keep_order(database, known)  # what items are placed against is known from before
    age(database, 48)
    feeding.watch_feeds(database)
    with database.writing() as session:
        session.execute(update(items).values(placed_until=database_now(session) - timedelta(days=1)))

    reviewing.keep_order(database, known)

    assert take(database, rita, workflow).item.ai is None


def test_the_first_forecast_that_comes_brings_every_item_back(database, rita):
    workflow = out(database)
    bring_in(database, workflow, "series,period,human_forecast\nc,2026-12,1\n")
    with database.reading() as session:
        assert feeds.is_out(session, workflow.id)

    bring_in(database, workflow, "series,period,ai_forecast\nb,2026-12,2000\n")

    with database.reading() as session:
        shown = dict(session.execute(select(items.c.id, items.c.withheld)).all())
        (row,) = session.execute(select(outages)).all()
    assert list(shown.values()).count(None) == 2
    assert (row.kind, row.ended_at is not None) == ("late", True)
    assert feeding.watch_feeds(database) == []
    assert violations(database) == []


def test_a_longer_limit_ends_an_outage_too(database, rita):
    workflow = out(database)
    longer = a_workflow(database, feed_late_hours=100)

    assert feeding.watch_feeds(database) == [workflow.id]
    assert take(database, rita, longer).item.ai is not None


def test_what_goes_out_and_comes_back_is_on_record(database):
    workflow = out(database, fallback="naive")
    bring_in(database, workflow, "series,period,ai_forecast\nb,2026-12,2000\n")
    age(database, 48)
    feeding.watch_feeds(database)

    with database.reading() as session:
        of_feed = select(audit_events.c.action, audit_events.c.details).where(audit_events.c.action.like("feed.%"))
        told = session.execute(of_feed.order_by(audit_events.c.id)).all()
    assert [action for action, _ in told] == ["feed.out", "feed.back", "feed.out"]
    assert told[0].details == {"kind": "late", "fallback": "naive"}


def failed(database: Database, workflow: Workflow, slot: int, failure: str = "no answer") -> None:
    with database.writing() as session:
        now = database_now(session)
        row = {"source": "erp", "workflow_id": workflow.id, "kind": "forecasts", "slot": slot, "failure": failure}
        session.execute(insert(pulls).values(**row, started_at=now, ended_at=now))


def test_three_pulls_that_fail_put_the_feed_out_and_one_that_works_brings_it_back(database, rita):
    workflow = a_workflow(database)
    bring_in(database, workflow, ROWS)
    failed(database, workflow, 1)
    failed(database, workflow, 2)
    assert feeding.watch_feeds(database) == []

    failed(database, workflow, 3)
    feeding.watch_feeds(database)
    notice = feeding.notice(database, person_id=rita, workflow=workflow)
    failed(database, workflow, 4, failure="")
    feeding.watch_feeds(database)

    assert notice.sentence.startswith("The AI's feed is failing: its source failed 3 times")
    assert feeding.notice(database, person_id=rita, workflow=workflow) is None


def test_the_notice_is_for_people_of_the_workflow(database):
    workflow = out(database)
    nobody = a_person(database, "Nobody")

    with pytest.raises(NotAllowed):
        feeding.notice(database, person_id=nobody, workflow=workflow)


def test_a_threshold_on_the_feed_raises_an_alert(database):
    workflow = a_workflow(database, alerts=[{"measure": "ai_feed_hours", "above": 30}])
    bring_in(database, workflow, ROWS)
    age(database, 29)
    before = watching.watch(database, {})
    age(database, 48)

    made = watching.watch(database, {})

    assert (before, len(made)) == ([], 1)
    with database.reading() as session:
        row = session.execute(select(alerts)).one()
    assert row.measure == Watched.AI_FEED_HOURS
    assert row.details["sentence"] == "Time since the AI's last forecast came: 48 h, above the limit of 30 h."


def page() -> None:
    import streamlit as st

    from storage import people
    from workbench.feed_parts import feed_notice
    from workbench.session import choose_workflow, database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
    feed_notice(user, choose_workflow(user, key="w"))


def test_a_page_says_that_the_feed_is_out(database, open_as, rita):
    out(database, fallback="naive")

    at: AppTest = open_as(page, rita)

    assert not at.exception
    assert "The AI's feed is late: the last forecast came 2 days ago" in at.warning[0].value.replace("\\", "")

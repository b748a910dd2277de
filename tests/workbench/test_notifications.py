"""What people are told in the app: with the change that it tells, those whom it concerns, and never who did it."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from review_queue.errors import ReviewError
from review_queue.items import Outcome
from review_queue.notices import News
from review_queue.roles import Role
from storage import notifications, people
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose
from workbench.actions import assigning, notifying, reviewing

ROWS = """series,period,ai_forecast,human_forecast,segment_region
acme,2026-12,1000,1400,North
bolt,2026-12,1000,1300,South
cord,2026-12,1000,1200,South
"""
NEWER = "series,period,ai_forecast,human_forecast,segment_region\nacme,2026-12,1000,1100,North\n"


@pytest.fixture
def workflow(database):
    found = a_workflow(database, segments=["region"], audit_share=0.0)
    bring_in(database, found, ROWS)
    return found


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def decide(database, person, workflow, outcome, *, item_id=1, key="first", **changes):
    desk = reviewing.open_item(database, person_id=person, workflow=workflow, item_id=item_id)
    choice = choose(desk, outcome, key=key, **changes)
    return reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)


def unseen(database, person):
    with database.reading() as session:
        who = people.principal(session, person)
    return notifying.unseen(database, who=who)


def told(database, person):
    return [(one.kind, one.item_id, one.sentence) for one in unseen(database, person).newest]


def assign(database, dora, workflow, to, *ids, note=""):
    return assigning.assign_items(database, person_id=dora, workflow=workflow, item_ids=ids, to=to, note=note)


def test_whoever_is_mentioned_is_told_until_the_comments_are_read(database, workflow, ada, dora):
    reviewing.comment(database, person_id=ada, item_id=1, body="@Dora, and I, @Ada, ask.", mentioned=[ada])

    assert told(database, dora) == [(News.MENTIONED, 1, "Ada mentioned you on acme · 2026-12.")]
    assert told(database, ada) == []
    reviewing.read_comments(database, person_id=dora, item_id=2)
    assert len(told(database, dora)) == 1
    reviewing.read_comments(database, person_id=dora, item_id=1)
    assert told(database, dora) == []


def test_items_that_are_given_are_told_once_and_one_by_its_name(database, workflow, ada, dora):
    assign(database, dora, workflow, ada, 1)
    assign(database, dora, workflow, ada, 1, 2, 3)  # the first is Ada's already
    assign(database, dora, workflow, dora, 1, note="Mine after all.")

    assert told(database, ada) == [
        (News.ASSIGNED, None, "Dora gave you 2 items."),
        (News.ASSIGNED, 1, "Dora gave you acme · 2026-12."),
    ]
    assert told(database, dora) == []


def test_nobody_is_told_of_what_was_refused(database, workflow, ada, dora):
    ben = a_person(database, "Ben", Role.REVIEWER)
    assign(database, dora, workflow, ben, 1)
    with pytest.raises(ReviewError, match="Leave a note"):
        assign(database, dora, workflow, ada, 1, 2)

    assert told(database, ada) == []


def test_whoever_sent_an_item_back_is_told_of_its_new_forecast(database, workflow, ada, dora):
    decide(database, ada, workflow, Outcome.SEND_BACK, note="Which contract?")
    decide(database, dora, workflow, Outcome.SEND_BACK, item_id=2, key="other", note="Why?")

    bring_in(database, workflow, NEWER)

    came = "A new forecast came in for acme · 2026-12, which you had sent back."
    assert told(database, ada) == [(News.CAME_BACK, 1, came)]
    assert told(database, dora) == []


def test_whoever_brings_the_new_forecast_in_knows_of_it(database, workflow, ada):
    with database.reading() as session:
        olga = people.find(session, "test", "owner")
    decide(database, olga, workflow, Outcome.SEND_BACK, note="Which contract?")

    bring_in(database, workflow, NEWER)  # as Olga

    assert told(database, olga) == []


def test_whoever_escalated_an_item_is_told_that_somebody_above_decided_it(database, workflow, ada, dora):
    decide(database, ada, workflow, Outcome.ESCALATE, note="Too big for me.")
    assert told(database, ada) == []
    decide(database, dora, workflow, Outcome.ADJUST, key="second", value=1200.0, reason=BECAUSE)

    assert told(database, ada) == [(News.SETTLED, 1, "Dora decided acme · 2026-12, which you had escalated.")]
    assert told(database, dora) == []


def test_an_escalation_that_was_undone_is_nobodys(database, workflow, ada, dora):
    up = decide(database, ada, workflow, Outcome.ESCALATE, note="Too big for me.")
    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=up.id, key="undo")
    assign(database, dora, workflow, dora, 1, note="Mine.")
    decide(database, dora, workflow, Outcome.ACCEPT_AI, key="second")

    assert told(database, ada) == []


def test_whoever_decided_an_item_is_told_that_it_is_open_again(database, workflow, ada, dora):
    decide(database, ada, workflow, Outcome.ACCEPT_AI)
    decide(database, dora, workflow, Outcome.ACCEPT_AI, item_id=2, key="own")
    for item_id in (1, 2):
        assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=item_id, note="Look again.")

    assert told(database, ada) == [(News.REOPENED, 1, "Dora reopened acme · 2026-12, which you had decided.")]
    assert told(database, dora) == []


def test_the_newest_come_first_with_how_many_there_are_and_are_seen_one_by_one_or_all(database, workflow, ada, dora):
    with database.writing() as session:
        for number in range(25):
            notifications.notify(session, [ada, ada, dora], workflow.id, News.STALE, f"No. {number}", by=dora)

    found = unseen(database, ada)
    assert (found.count, len(found.newest), found.newest[0].sentence) == (25, 20, "No. 24")
    assert found.newest[0].workflow_key == "sales"
    notifying.mark_seen(database, person_id=ada, which=[found.newest[0].id])
    notifying.mark_seen(database, person_id=dora, which=[found.newest[1].id])  # not hers
    assert (unseen(database, ada).count, unseen(database, ada).newest[0].sentence) == (24, "No. 23")
    notifying.mark_seen(database, person_id=ada)
    assert unseen(database, ada).count == 0
    assert unseen(database, dora).count == 0


def test_nobody_hears_of_an_item_that_they_may_no_longer_see(database, workflow, dora):
    sue = a_person(database, "Sue", Role.REVIEWER)
    assign(database, dora, workflow, sue, 1)
    assign(database, dora, workflow, sue, 2)
    with database.writing() as session:
        people.revoke(session, sue, Role.REVIEWER)
    assert told(database, sue) == []
    with database.writing() as session:
        people.grant(session, sue, Role.REVIEWER, segment_path="South\x1f")
    assert [item_id for _, item_id, _ in told(database, sue)] == [2]


def test_what_is_new_is_one_statement_along_its_index(database, workflow, ada):
    with database.reading() as session:
        who = people.principal(session, ada)
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    notifying.unseen(database, who=who)

    assert len([statement for statement in asked if statement.startswith("SELECT")]) == 1

"""What the desk and the queue show, inside a person's scope."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from review_queue.errors import ItemNotFound
from review_queue.items import Lane, Outcome, SkipReason, State
from review_queue.roles import Role
from storage.engine import database_now
from storage.tables import items
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from workbench import reads
from workbench.actions import assigning, reviewing
from workbench.reads import Filter

ROWS = """series,period,ai_forecast,ai_low,ai_high,human_forecast,segment_region
acme,2026-12,1000,900,1100,1400,North
bolt,2026-12,1000,900,1100,1300,South
cord,2026-12,1000,900,1100,1001,North
"""


@pytest.fixture
def workflow(database):
    found = a_workflow(database, segments=["region"], audit_share=0.0)
    bring_in(database, found, ROWS)
    return found


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def listed(database, person, workflow, **wanted):
    page = reads.open_items(database, person_id=person, workflow_id=workflow.id, wanted=Filter(**wanted), limit=50)
    assert page.rest is None
    return list(page.items["series"])


def test_the_queue_lists_open_items_in_serving_order(database, workflow, ada):
    assert listed(database, ada, workflow) == ["acme", "bolt", "cord"]


def test_the_queue_is_filtered_by_lane_band_segment_and_part_of_a_name(database, workflow, ada):
    assert listed(database, ada, workflow, lanes=(Lane.ROUTINE,)) == ["cord"]
    assert listed(database, ada, workflow, bands=("agree",)) == ["cord"]
    assert listed(database, ada, workflow, segment_path="North\x1f") == ["acme", "cord"]
    assert listed(database, ada, workflow, search="OL") == ["bolt"]
    assert listed(database, ada, workflow, search="%") == []
    assert listed(database, ada, workflow, states=(State.SENT_BACK,)) == []


def test_my_desk_names_what_is_due_first_and_counts_it(database, workflow, ada):
    with database.writing() as session:
        now = database_now(session)
        for item_id, hours in ((1, 5), (2, -3), (3, 30)):
            session.execute(update(items).where(items.c.id == item_id).values(due_at=now + timedelta(hours=hours)))
    ben = a_person(database, "Ben", Role.REVIEWER)

    desk = reads.my_desk(database, person_id=ada, workflow_id=workflow.id)
    take(database, ben, workflow)  # what Ben holds does not wait for Ada
    later = reads.my_desk(database, person_id=ada, workflow_id=workflow.id)

    assert (desk.overdue, desk.due_soon, list(desk.due["series"])) == (1, 1, ["bolt", "acme"])
    assert later.overdue + later.due_soon == len(later.due) == 1


def test_a_list_without_any_manual_forecast_still_holds_numbers(database, workflow, ada):
    bring_in(database, workflow, "series,period,ai_forecast,segment_region\ndown,2026-12,900,North\n")

    page = reads.open_items(database, person_id=ada, workflow_id=workflow.id, wanted=Filter(search="down"), limit=5)

    assert page.items[["ai", "manual", "gap", "u"]].dtypes.astype(str).tolist() == ["float64"] * 4


def test_the_queue_is_read_on_from_where_a_page_ended(database, workflow, ada):
    bring_in(
        database, workflow, "series,period,ai_forecast,segment_region\ndown,2026-12,100,North\nelm,2026-12,100,North\n"
    )
    with database.writing() as session:  # ties in everything, with and without a date
        session.execute(update(items).values(lane=Lane.ROUTINE, score=0.0))
        session.execute(update(items).where(items.c.id > 3).values(due_at=database_now(session)))

    seen, after = [], None
    for _ in range(5):
        page = reads.open_items(database, person_id=ada, workflow_id=workflow.id, wanted=Filter(), limit=1, after=after)
        seen += list(page.items["series"])
        after = page.rest

    assert seen == ["down", "elm", "acme", "bolt", "cord"]
    assert after is None


def test_a_scope_hides_what_lies_outside_it(database, workflow):
    southern = a_person(database, "Sue", Role.REVIEWER, segment_path="South\x1f")

    assert listed(database, southern, workflow) == ["bolt"]
    assert take(database, southern, workflow).item.series == "bolt"


def test_a_scope_is_kept_to_the_letter(database, workflow):
    other = a_person(database, "Sam", Role.REVIEWER, segment_path="south\x1f")
    wild = a_person(database, "Wil", Role.REVIEWER, segment_path="%\x1f")

    assert listed(database, other, workflow) == []
    assert listed(database, wild, workflow) == []


def test_what_surrounds_an_item_outside_the_scope_is_not_told(database, workflow, ada):
    item = take(database, ada, workflow).item
    southern = a_person(database, "Sid", Role.REVIEWER, segment_path="South\x1f")

    for read in (reads.surroundings, reads.earlier_decisions, reads.comments):
        with pytest.raises(ItemNotFound):
            read(database, person_id=southern, item=item)


def test_the_desk_shows_what_waits_what_is_held_and_what_was_decided(database, workflow, ada):
    done = take(database, ada, workflow)
    reviewing.submit_decision(
        database,
        person_id=ada,
        workflow=workflow,
        choice=choose(done, Outcome.KEEP_MANUAL, reason=BECAUSE),
    )
    take(database, ada, workflow)

    desk = reads.my_desk(database, person_id=ada, workflow_id=workflow.id)

    assert sum(desk.waiting.values()) == 2
    assert list(desk.held["series"]) == ["bolt"]
    assert desk.decided[["series", "outcome", "final", "reason"]].to_numpy().tolist() == [
        ["acme", "keep_manual", 1400.0, "CUST_RISK"]
    ]


def test_a_deferred_item_comes_back_to_the_desk_of_who_deferred_it(database, workflow, ada):
    desk = take(database, ada, workflow)
    later = desk.opened_at + timedelta(days=1)
    reviewing.submit_decision(
        database, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.DEFER, until=later)
    )
    assert reads.my_desk(database, person_id=ada, workflow_id=workflow.id).came_back.empty

    with database.writing() as session:
        session.execute(update(items).where(items.c.id == desk.item.id).values(available_at=database_now(session)))

    assert list(reads.my_desk(database, person_id=ada, workflow_id=workflow.id).came_back["series"]) == ["acme"]


def test_an_escalated_item_stands_on_the_directors_desk(database, workflow, ada):
    director = a_person(database, "Dora", Role.DIRECTOR)
    desk = take(database, ada, workflow)
    reviewing.submit_decision(
        database, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.ESCALATE, note="Too big for me.")
    )

    assert list(reads.my_desk(database, person_id=director, workflow_id=workflow.id).escalated["series"]) == ["acme"]
    assert reads.my_desk(database, person_id=ada, workflow_id=workflow.id).escalated.empty


def test_the_naive_forecast_is_last_years_value_of_the_same_season(database, workflow, ada):
    bring_in(database, workflow, "series,period,actual\nacme,2025-11,7\nacme,2025-12,812\n", kind="history")
    desk = take(database, ada, workflow)

    around = reads.surroundings(database, person_id=ada, item=desk.item)

    assert around.naive == 812.0
    assert list(around.history["value"]) == [7.0, 812.0]


def test_earlier_decisions_show_what_happened_since(database, workflow, ada):
    desk = take(database, ada, workflow)
    reviewing.submit_decision(
        database, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE)
    )
    bring_in(database, workflow, "series,period,actual\nacme,2026-12,1350\n", kind="actuals")
    bring_in(database, workflow, "series,period,ai_forecast,segment_region\nacme,2027-01,990,North\n")
    item = _open(database, ada, workflow, "acme").item

    earlier = reads.earlier_decisions(database, person_id=ada, item=item)

    assert earlier[["period", "ai", "final", "actual"]].to_numpy().tolist() == [["2026-12", 1000.0, 1400.0, 1350.0]]


def _open(database, person, workflow, series):
    page = reads.open_items(database, person_id=person, workflow_id=workflow.id, wanted=Filter(search=series), limit=5)
    return reviewing.open_item(database, person_id=person, workflow=workflow, item_id=int(page.items.iloc[0]["id"]))


def story_of(database, person, item):
    return reads.story(database, person_id=person, item=item)


def test_the_story_tells_who_gave_the_item_and_who_passed_it_by(database, workflow, ada):
    dora, ben = a_person(database, "Dora", Role.DIRECTOR), a_person(database, "Ben", Role.REVIEWER)
    desk = take(database, ben, workflow)
    asked = {"person_id": ben, "item_id": desk.item.id, "fence": desk.item.fence}
    reviewing.skip_item(database, **asked, reason=SkipReason.MISSING_FACTS, note="No contract.")
    given = {"person_id": dora, "workflow": workflow, "item_ids": [desk.item.id]}
    assigning.assign_items(database, **given, to=ada, note="You know them.")
    item = _open(database, ada, workflow, "acme").item

    told = story_of(database, ada, item)

    assert told.given == ("Dora", "You know them.")
    assert [(skip.person_id, skip.reason, skip.note) for skip in told.skips] == [
        (ben, SkipReason.MISSING_FACTS, "No contract.")
    ]
    assert (told.reopened, told.to_settle) == (None, ())


def test_the_story_tells_who_reopened_the_item_and_giving_it_back_later_does_not_hide_that(database, workflow, ada):
    dora = a_person(database, "Dora", Role.DIRECTOR)
    desk = take(database, ada, workflow)
    choice = choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE)
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    here = {"person_id": dora, "workflow": workflow}
    assigning.reopen_item(database, **here, item_id=desk.item.id, note="They called.")
    for to in (ada, None):
        assigning.assign_items(database, **here, item_ids=[desk.item.id], to=to, note="After all.")

    told = story_of(database, ada, _open(database, ada, workflow, "acme").item)

    assert told.reopened is not None
    assert (told.reopened.name, told.reopened.note) == ("Dora", "They called.")
    assert told.given is None


def test_the_story_of_a_blind_review_keeps_the_words_of_others_back(database, ada):
    blind = a_workflow(database, second_review_share=1.0)
    bring_in(database, blind, "series,period,ai_forecast,human_forecast\nacme,2026-12,1000,1400\n")
    ben, eva = a_person(database, "Ben", Role.REVIEWER), a_person(database, "Eva", Role.REVIEWER)
    skipped = take(database, ben, blind).item
    asked = {"person_id": ben, "item_id": skipped.id, "fence": skipped.fence}
    reviewing.skip_item(database, **asked, reason=SkipReason.LATER, note="The AI says 1,000.")
    choice = choose(take(database, ada, blind), Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=ada, workflow=blind, choice=choice)

    told = story_of(database, eva, take(database, eva, blind).item)

    assert [(skip.name, skip.note) for skip in told.skips] == [("Ben", "")]
    assert told.to_settle == ()


def test_both_decisions_are_told_to_whoever_settles_them(database, ada):
    twice = a_workflow(database, second_review_share=1.0)
    bring_in(database, twice, "series,period,ai_forecast,human_forecast\nacme,2026-12,1000,1400\n")
    ben, dora = a_person(database, "Ben", Role.REVIEWER), a_person(database, "Dora", Role.DIRECTOR)
    first = choose(take(database, ada, twice), Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=ada, workflow=twice, choice=first)
    second = choose(take(database, ben, twice), Outcome.KEEP_MANUAL, key="key-2", reason=BECAUSE)
    reviewing.submit_decision(database, person_id=ben, workflow=twice, choice=second)

    told = story_of(database, dora, take(database, dora, twice).item)

    assert [(look.decision.actor_name, look.decision.final_value, look.reason) for look in told.to_settle] == [
        ("Ada", 1000.0, None),
        ("Ben", 1400.0, BECAUSE),
    ]


def test_the_story_of_an_item_outside_the_scope_is_not_told(database, workflow, ada):
    item = take(database, ada, workflow).item
    southern = a_person(database, "Sid", Role.REVIEWER, segment_path="South\x1f")

    with pytest.raises(ItemNotFound):
        story_of(database, southern, item)


def test_a_comment_names_those_it_told(database, workflow, ada):
    a_person(database, "Dora", Role.DIRECTOR)
    ben = a_person(database, "Ben", Role.REVIEWER)
    item = take(database, ada, workflow).item
    reviewing.comment(database, person_id=ada, item_id=item.id, body="For nobody above all.")
    reviewing.comment(database, person_id=ada, item_id=item.id, body="@Dora, is it so?", mentioned=[ben])

    assert [remark.told for remark in reads.comments(database, person_id=ada, item=item)] == [(), ("Ben", "Dora")]

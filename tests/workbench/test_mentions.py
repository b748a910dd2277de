"""Comments that name people: who is told, and until when."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from review_queue.errors import ChoiceInvalid, ItemNotFound
from review_queue.roles import Role
from storage.engine import database_now
from storage.tables import audit_events, people
from tests.builders import a_person, a_workflow, bring_in
from workbench import reads
from workbench.actions import reviewing


@pytest.fixture
def workflow(database):
    """One item in the north and one in the south."""
    made = a_workflow(database, segments=["region"])
    bring_in(database, made, "series,period,ai_forecast,segment_region\na,2026-12,10,N\nb,2026-12,10,S\n")
    return made


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def ann(database):
    return a_person(database, "Ann", Role.MANAGER)


def comment(database, person, body, mentioned=(), item_id=1):
    return reviewing.comment(database, person_id=person, item_id=item_id, body=body, mentioned=mentioned)


def unseen(database, workflow, person) -> list[str]:
    return [found.body for found in reads.my_desk(database, person_id=person, workflow_id=workflow.id).mentions]


@pytest.mark.parametrize("body", ["Ask @Ann.", "@ann, what is this?", "(@ANN)", "See\n@Ann"])
def test_whoever_is_named_is_told(database, workflow, ada, ann, body):
    assert comment(database, ada, body) == ["Ann"]

    assert unseen(database, workflow, ann) == [body]
    assert unseen(database, workflow, ada) == []
    mention = reads.my_desk(database, person_id=ann, workflow_id=workflow.id).mentions[0]
    assert (mention.item_id, mention.series, mention.period, mention.author) == (1, "a", "2026-12", "Ada")


@pytest.mark.parametrize("body", ["Ann knows.", "Ask @Anna.", "Write to x@ann.example.", "@ Ann"])
def test_whoever_is_not_named_is_not_told(database, workflow, ada, ann, body):
    assert comment(database, ada, body) == []

    assert unseen(database, workflow, ann) == []


def test_where_one_name_begins_another_the_longer_one_is_meant(database, workflow, ada, ann):
    lee = a_person(database, "Ann Lee", Role.REVIEWER)

    assert comment(database, ada, "Ask @Ann Lee about it.") == ["Ann Lee"]
    assert comment(database, ada, "Ask @Ann about it.") == ["Ann"]
    assert comment(database, ada, "Ask @Ann Leeds about it.") == ["Ann"]
    assert comment(database, ada, "Ask @Ann and @Ann Lee.") == ["Ann", "Ann Lee"]

    assert (len(unseen(database, workflow, ann)), len(unseen(database, workflow, lee))) == (3, 2)


def test_people_of_one_name_are_both_told(database, workflow, ada, ann):
    with database.writing() as session:
        session.execute(update(people).where(people.c.id == ann).values(name="Ada"))
    third = a_person(database, "Cid", Role.REVIEWER)

    assert comment(database, third, "@Ada, look.") == ["Ada", "Ada"]


def test_people_are_mentioned_by_who_they_are_too_and_once(database, workflow, ada, ann):
    assert comment(database, ada, "Please look.", mentioned=[ann]) == ["Ann"]
    assert comment(database, ada, "Please look, @Ann.", mentioned=[ann, ann]) == ["Ann"]

    assert unseen(database, workflow, ann) == ["Please look, @Ann.", "Please look."]
    with database.reading() as session:
        found = select(audit_events.c.details).where(audit_events.c.action == "item.commented")
        assert session.execute(found).scalars().all() == [{"mentioned": [ann]}] * 2


def test_only_people_who_may_see_the_item_are_told(database, workflow, ada):
    south = a_person(database, "Sue", Role.REVIEWER, segment_path="S\x1f")
    north = a_person(database, "Nora", Role.REVIEWER, segment_path="N\x1f")
    nobody = a_person(database, "Nob")
    gone = a_person(database, "Gus", Role.REVIEWER)
    with database.writing() as session:
        session.execute(update(people).where(people.c.id == gone).values(disabled_at=database_now(session)))

    told = comment(database, ada, "@Sue @Nora @Nob @Gus", mentioned=[south, nobody, gone, 999])

    assert told == ["Nora"]
    assert unseen(database, workflow, south) == []
    assert set(reviewing.mentionable(database, person_id=ada, item_id=1).values()) == {"Nora", "Olga"}
    assert reviewing.mentionable(database, person_id=ada, item_id=2)[south] == "Sue"
    assert north in reviewing.mentionable(database, person_id=ada, item_id=1)


def test_nobody_tells_themselves(database, workflow, ada):
    assert comment(database, ada, "I, @Ada, was here.", mentioned=[ada]) == []

    assert unseen(database, workflow, ada) == []


def test_a_mention_waits_until_the_comments_are_read(database, workflow, ada, ann):
    comment(database, ada, "@Ann, first.")
    comment(database, ada, "@Ann, second.")
    comment(database, ada, "@Ann, elsewhere.", item_id=2)
    assert unseen(database, workflow, ann) == ["@Ann, elsewhere.", "@Ann, second.", "@Ann, first."]

    reviewing.read_comments(database, person_id=ada, item_id=1)
    assert len(unseen(database, workflow, ann)) == 3
    reviewing.read_comments(database, person_id=ann, item_id=1)

    assert unseen(database, workflow, ann) == ["@Ann, elsewhere."]


def test_a_mention_on_an_item_that_one_may_no_longer_see_is_not_told(database, workflow, ada):
    from storage import people as people_

    sue = a_person(database, "Sue", Role.REVIEWER)
    comment(database, ada, "@Sue, look.")
    with database.writing() as session:
        people_.revoke(session, sue, Role.REVIEWER)
        people_.grant(session, sue, Role.REVIEWER, segment_path="S\x1f")

    assert unseen(database, workflow, sue) == []
    with pytest.raises(ItemNotFound):
        reviewing.read_comments(database, person_id=sue, item_id=1)


def test_comments_are_left_and_read_inside_ones_scope_and_not_empty(database, workflow):
    sue = a_person(database, "Sue", Role.REVIEWER, segment_path="S\x1f")

    with pytest.raises(ItemNotFound):
        comment(database, sue, "I was here.")
    with pytest.raises(ItemNotFound):
        reviewing.mentionable(database, person_id=sue, item_id=1)
    with pytest.raises(ChoiceInvalid, match="write the comment first"):
        comment(database, sue, "  ", item_id=2)

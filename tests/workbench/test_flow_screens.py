"""The screens through which work moves between people, run without a browser."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from review_queue.items import Outcome, SkipReason, State
from review_queue.roles import Role
from review_queue.workflows import policy_of
from storage.engine import Database
from storage.tables import absences, assignments, comments, decisions, items
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import assign_parts
from workbench.absence_parts import days_away
from workbench.actions import assigning, reviewing
from workbench.actions.assigning import Candidate
from workbench.lists import at_most
from workbench.paging import in_link
from workbench.reads import COUNTED_TO, Place
from workbench.settings import settings

BERLIN = ZoneInfo("Europe/Berlin")
MARKUP = "see ![x](https://elsewhere.example/x.png)"


def review_page() -> None:
    """Review below its guard, for the person whose id stands in the session."""
    import streamlit as st

    from storage import people, workflows
    from workbench.review_card import review
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    review(user, database(), workflow)


def desk_page() -> None:
    """The part of My desk about absences."""
    import streamlit as st

    from storage import people, workflows
    from workbench.absence_parts import absences
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    absences(user, database(), workflow)


def place_page() -> None:
    """What the link says about the place in the queue."""
    import streamlit as st

    from workbench.paging import place_in_link

    st.text(repr(place_in_link()))


@pytest.fixture
def workflow(database):
    found = a_workflow(database, audit_share=0.0)
    bring_in(database, found, forecasts(2, step=300))
    return found


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def rows_of(database: Database, table) -> list:
    with database.reading() as session:
        return list(session.execute(select(table).order_by(table.c.id)).all())


def said(at: AppTest) -> str:
    assert not at.exception
    kinds = (at.text, at.caption, at.success, at.info, at.warning, at.error, at.markdown)
    return " ".join(element.value for kind in kinds for element in kind)


def read(at: AppTest) -> str:
    """What is said, as it is read: without what keeps it from being markup."""
    return said(at).replace("\\", "")


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click()
    return at.run()


def has(at: AppTest, label: str) -> bool:
    return any(button.label == label for button in at.button)


def decided(database, person, workflow, **changes):
    desk = take(database, person, workflow)
    choice = choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE, **changes)
    reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)
    return desk.item


# --- Review --------------------------------------------------------------------------------------------------------


def test_a_decided_item_is_reopened_by_who_may_and_with_a_note(database, workflow, ada, dora, open_as):
    item = decided(database, ada, workflow)
    assert not has(open_as(review_page, ada, item=str(item.id)), "Reopen")
    at = press(open_as(review_page, dora, item=str(item.id)), "Reopen")

    press(at, "Save")
    assert "say why it is reopened" in said(at)
    at.text_input[0].set_value("The customer called.").run()
    press(at, "Save")

    assert "Reopened for round 2" in said(at)
    assert "Dora reopened this" in said(at)
    assert "The customer called." in read(at)
    row = rows_of(database, items)[item.id - 1]
    assert (row.state, row.round) == (State.CLAIMED, 2)


def test_what_one_has_just_decided_leads_to_its_receipt_from_both_places(database, workflow, ada, open_as):
    at = press(open_as(review_page, ada), "Accept AI")
    (row,) = rows_of(database, decisions)
    at.query_params["item"] = str(row.item_id)
    at.run()

    assert "Decided by you" in said(at)
    assert [button.label for button in at.button].count("Receipt") == 2


def test_a_skip_says_why_or_is_refused_and_shuts_its_form_behind_it(database, workflow, ada, open_as):
    at = press(open_as(review_page, ada), "Skip")
    assert not [button for button in at.button if button.label == "Accept AI" and button.proto.shortcut]

    press(at, "Save")
    assert "Choose why you skip it" in said(at)
    at.get("button_group")[0].set_value("later").run()
    press(at, "Save")

    assert "Skipped: Later" in read(at)
    # The link still names the item, so that a whole run lays it out again.
    assert "You skipped this" in read(at)
    assert not has(at, "Save")
    assert has(at, "Accept AI")


def test_what_others_wrote_about_an_item_stays_text(database, workflow, ada, dora, open_as):
    desk = take(database, dora, workflow)
    held = {"person_id": dora, "item_id": desk.item.id}
    reviewing.skip_item(database, **held, fence=desk.item.fence, reason=SkipReason.OTHER, note=MARKUP)
    assigning.assign_items(
        database, person_id=dora, workflow=workflow, item_ids=[desk.item.id], to=ada, note=f"Yours: {MARKUP}"
    )

    at = open_as(review_page, ada, item=str(desk.item.id))

    assert "Dora gave you this: Yours: see" in read(at)
    assert "Another reason (see" in read(at)
    assert "![x]" not in said(at)


def test_a_second_review_holds_nothing_that_gives_the_first_away(database, ada, dora, open_as):
    blind = a_workflow(database, second_review_share=1.0)
    bring_in(database, blind, forecasts(1, ai=1234.0, step=300))
    desk = take(database, ada, blind)
    reviewing.comment(database, person_id=ada, item_id=desk.item.id, body="I think the AI's 1234 is right.")
    reviewing.submit_decision(database, person_id=ada, workflow=blind, choice=choose(desk, Outcome.ACCEPT_AI))

    at = open_as(review_page, dora)

    assert "Second review: decide without seeing the AI" in said(at)
    assert not has(at, "Accept AI")
    assert [element.label for element in at.metric] == ["Naive forecast", "Manual forecast"]
    assert [panel.label for panel in at.expander] == ["Sources (1)"]
    everything = " ".join(str(node.proto) for node in at.main)
    assert "1,534 EUR k" in everything
    assert not [word for word in ("1234", "1,234", "m-1", "Ada") if word in everything]


def test_whoever_decided_first_is_told_that_somebody_else_looks_too(database, ada, open_as):
    blind = a_workflow(database, second_review_share=1.0)
    bring_in(database, blind, forecasts(1))
    at = open_as(review_page, ada)
    item = at.query_params["item"][0]

    press(at, "Accept AI")

    assert "Somebody else reviews it too, before it counts" in read(at)
    assert "You decided this first" in said(open_as(review_page, ada, item=item))


def test_both_decisions_lie_before_whoever_settles_them(database, ada, dora, open_as):
    blind = a_workflow(database, second_review_share=1.0)
    bring_in(database, blind, forecasts(1, step=300))
    ben = a_person(database, "Ben", Role.REVIEWER)
    first = choose(take(database, ada, blind), Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=ada, workflow=blind, choice=first)
    second = choose(take(database, ben, blind), Outcome.KEEP_MANUAL, key="key-2", reason=BECAUSE)
    reviewing.submit_decision(database, person_id=ben, workflow=blind, choice=second)

    at = open_as(review_page, dora)

    shown = {element.label: element.value for element in at.metric}
    assert shown["First decision"] == "1,000 EUR k"
    assert shown["Second decision, blind"] == "1,300 EUR k"
    assert "Customer risk: They lost their budget" in read(at)


def test_a_comment_says_whom_it_told(database, workflow, ada, dora, open_as):
    at = open_as(review_page, ada, panel="comments")
    text = next(element for element in at.text_input if element.label == "Add a comment")
    text.set_value("@Dora please look")

    press(at, "Comment")

    assert "to Dora" in said(at)
    assert "panel" not in at.query_params
    assert [row.body for row in rows_of(database, comments)] == ["@Dora please look"]


def test_whoever_opens_the_comments_from_a_link_has_read_them(database, workflow, ada, dora, open_as):
    desk = take(database, ada, workflow)
    told = {"person_id": ada, "item_id": desk.item.id, "body": "Is this right?"}
    assert reviewing.comment(database, **told, mentioned=[dora]) == ["Dora"]

    at = open_as(review_page, dora, item=str(desk.item.id), panel="comments")

    assert "Is this right?" in said(at)
    assert _mentions(database, dora, workflow) == []


def _mentions(database, person, workflow):
    from workbench import reads

    return reads.my_desk(database, person_id=person, workflow_id=workflow.id).mentions


# --- Queue ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        Place(0, 63.123456789012345, datetime(2026, 12, 1, 9, 30, 0, 123456, tzinfo=UTC), 42),
        Place(2, 0.0, None, 1_000_000),
    ],
)
def test_a_place_in_the_queue_survives_in_a_link(place):
    assert _place_of(in_link(place)) == repr(place)


@pytest.mark.parametrize(
    "text", ["", "1~2~3", "9~1.0~~4", "1~nan~~4", "1~1.0~2026-12-01T09:00:00~4", "1~1.0~~-4", "1~1.0~~" + "9" * 30, "x"]
)
def test_what_is_no_place_in_a_link_counts_as_the_beginning(text):
    assert _place_of(text) == "None"


def _place_of(link: str) -> str:
    at = AppTest.from_function(place_page, default_timeout=60)
    at.query_params["after"] = link
    return at.run().text[0].value


def test_waiting_items_are_named_up_to_where_counting_stops():
    assert [at_most(number) for number in (0, COUNTED_TO - 1, COUNTED_TO)] == ["0", "999", "1,000+"]


def test_a_candidate_is_shown_with_their_load_and_who_stands_in():
    away = {"away_until": datetime(2026, 12, 4, 8, tzinfo=UTC)}
    there = Candidate(1, "Ben", 1, None, None)
    stood_in_for = Candidate(2, "Ben", 1_200, **away, deputy="Cara")
    alone = Candidate(3, "Eva", 0, **away, deputy=None)

    assert assign_parts._choices([there, stood_in_for, alone], BERLIN) == {
        0: "Everybody",
        1: "Ben (1) · 1 item",
        2: "Ben (2) · 1,200 items · away until 4 Dec, Cara stands in",
        3: "Eva · 0 items · away until 4 Dec, nobody stands in",
    }


def doubled_assign(person_id: int, to: int) -> None:
    """Two presses of *Assign* on one form."""
    import streamlit as st

    from storage import workflows
    from workbench import assign_parts
    from workbench.session import database

    with database().reading() as session:
        workflow = workflows.get(session, "sales")
    st.session_state["assign-to-0"] = to
    for _ in range(2):
        assign_parts._assign(person_id, database(), workflow, (1, 2), 0)
    st.text(st.session_state[assign_parts.SAID].sentence)


def test_a_doubled_press_of_assign_assigns_once(database, workflow, ada, dora, database_url, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()

    at = AppTest.from_function(doubled_assign, default_timeout=60, args=(dora, ada)).run()

    assert at.text[0].value == "2 items are Ada's to decide now."
    assert len(rows_of(database, assignments)) == 2
    settings.cache_clear()


# --- My desk -------------------------------------------------------------------------------------------------------


def test_days_away_are_whole_working_days_in_the_workflows_zone():
    policy = policy_of({"key": "k", "title": "T", "unit": "u", "timezone": "Europe/Berlin"})

    from_at, until_at = days_away(policy, date(2026, 12, 5), date(2026, 12, 11))  # Saturday to Friday

    assert from_at == datetime(2026, 12, 7, 9, tzinfo=BERLIN)
    assert until_at == datetime(2026, 12, 14, 9, tzinfo=BERLIN)


def test_a_director_notes_the_absence_of_somebody_else_and_ends_it(database, workflow, ada, dora, open_as):
    at = open_as(desk_page, dora)
    at.session_state["absence-0"] = True
    at.run()
    next(box for box in at.selectbox if box.label == "Whose absence?").set_value(ada).run()
    next(box for box in at.selectbox if box.label == "Who stands in?").set_value(dora)
    next(text for text in at.text_input if text.label == "Note").set_value(MARKUP)

    press(at, "Note it")

    (row,) = rows_of(database, absences)
    assert (row.person_id, row.deputy_id, row.noted_by, row.note) == (ada, dora, dora, MARKUP)
    assert "Ada is away from" in at.text[0].value
    assert at.text[0].value.endswith(f"you stand in · {MARKUP}")
    press(at, "End")
    assert "Nobody whose work concerns you is noted as away." in said(at)


def test_days_on_which_nobody_works_are_no_absence(database, workflow, ada, open_as):
    at = open_as(desk_page, ada)
    at.session_state["absence-0"] = True
    at.run()
    first, last = at.date_input
    assert first.value == last.value  # the next working day, whatever today is
    assert first.value.weekday() < 5
    saturday = first.value + timedelta(days=5 - first.value.weekday())

    first.set_value(saturday)
    last.set_value(saturday + timedelta(days=1))
    press(at, "Note it")

    assert "Nobody works on these days" in said(at)
    assert rows_of(database, absences) == []


def test_a_reviewer_notes_only_their_own_absence(database, workflow, ada, dora, open_as):
    now = datetime.now(UTC)
    times = {"from_at": now + timedelta(days=1), "until_at": now + timedelta(days=3)}
    assigning.note_absence(database, person_id=dora, whose=dora, **times, deputy_id=ada)

    at = open_as(desk_page, ada)
    at.session_state["absence-0"] = True
    at.run()

    assert "you stand in" in at.text[0].value
    assert not has(at, "End")
    assert [box.label for box in at.selectbox] == ["Who stands in?"]


def test_who_neither_reviews_nor_assigns_is_not_asked_when_they_are_away(database, workflow, open_as):
    auditor = a_person(database, "Aud", Role.AUDITOR)

    at = open_as(desk_page, auditor)

    assert said(at) == ""

"""Whoever's figures stand out is told once, before anybody else, and may say something about them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from streamlit.testing.v1 import AppTest

from review_queue.advance_notice import open_to_others_at
from review_queue.errors import NotAllowed, NoteRefused, PeopleNotCompared
from review_queue.notices import News
from review_queue.roles import Role
from storage import people
from storage.engine import Database
from storage.growth import note_changed
from storage.tables import advance_notices, audit_events, figure_comments, notifications, past_reviews
from storage.tables import people as persons
from tests.builders import a_person
from tests.house import House
from tests.workbench.made_team import NAMES, STANDS_OUT, a_team, compared_by, turn_off, was_told
from workbench import watching
from workbench.actions.forewarning import comment_on_own, keep_notices
from workbench.actions.notifying import unseen
from workbench.screens.oversight import own_answer

pytestmark = pytest.mark.one_kind

MARKUP = "![x](https://elsewhere.example/x.png)"


@pytest.fixture
def team(database: Database) -> House:
    return a_team(database)


def all_of(house: House, table) -> list:
    with house.database.reading() as session:
        return list(session.execute(select(table).order_by(table.c.id)).all())


def test_seven_days_are_seven_times_24_hours_wherever_the_clocks_change():
    before = datetime(2026, 3, 27, 12, tzinfo=UTC)  # two days before clocks go forward in Europe

    assert open_to_others_at(before) == datetime(2026, 4, 3, 12, tzinfo=UTC)


def test_the_watcher_notes_who_stands_out_and_tells_them_alone(team):
    watching.watch(team.database, {})

    (notice,) = all_of(team, advance_notices)
    assert (notice.person_id, notice.ended_at) == (team.ids[STANDS_OUT], None)
    (told,) = all_of(team, notifications)
    assert (told.person_id, told.kind) == (team.ids[STANDS_OUT], News.FIGURES)
    until = notice.given_at + timedelta(days=7)
    assert told.sentence.startswith("Retail: your figures stand out in two questions or more. For 7 days, until ")
    assert f"{until:%-d %B %Y, %H:%M} UTC" in told.sentence
    with team.database.reading() as session:
        who = people.principal(session, team.ids[STANDS_OUT])
    assert unseen(team.database, who=who).count == 1


def test_the_record_of_a_notice_does_not_say_whose_it_is(team):
    watching.watch(team.database, {})

    events = [event for event in all_of(team, audit_events) if event.action.startswith("notice.")]
    assert [(event.action, event.actor_id, set(event.details)) for event in events] == [
        ("notice.given", None, {"notice"})
    ]


def test_looking_at_the_page_notes_nothing(team):
    compared_by(team, STANDS_OUT)

    assert all_of(team, advance_notices) == []


def test_who_was_told_is_not_told_again_while_the_figures_stand_out(team):
    for _ in range(3):
        watching.watch(team.database, {})

    assert len(all_of(team, notifications)) == len(all_of(team, advance_notices)) == 1


def renamed(session, team, which, reviewer):
    note_changed(session, team.workflow.id, select(past_reviews.c.id).where(which), column="past_review_id")
    session.execute(update(past_reviews).where(which).values(reviewer=reviewer))


def test_when_the_figures_stand_out_no_longer_the_notice_ends_and_a_new_one_begins_anew(team):
    first = was_told(team, days_ago=30)
    with team.database.writing() as session:
        mine = past_reviews.c.reviewer == STANDS_OUT
        renamed(session, team, mine, "Somebody else")
    watching.watch(team.database, {})
    assert all_of(team, advance_notices)[0].ended_at is not None

    with team.database.writing() as session:
        others = past_reviews.c.reviewer == "Somebody else"
        renamed(session, team, others, STANDS_OUT)
    watching.watch(team.database, {})

    old, new = all_of(team, advance_notices)
    assert (old.id, new.ended_at) == (first, None)
    assert datetime.now(UTC) - new.given_at < timedelta(minutes=5)
    assert len(all_of(team, notifications)) == 1  # the first was put straight into the table


def test_without_the_person_level_nobody_is_told_and_notices_end(team):
    was_told(team, days_ago=3)
    turn_off(team)

    watching.watch(team.database, {})

    assert [notice.ended_at is None for notice in all_of(team, advance_notices)] == [False]
    assert all_of(team, notifications) == []


def test_a_policy_that_was_changed_meanwhile_stands(team):
    before = team.workflow
    turn_off(team)

    assert keep_notices(team.database, before, [STANDS_OUT]) == []
    assert all_of(team, advance_notices) == []


@pytest.mark.parametrize("who", ["nobody of this name", "two of this name", "disabled", "without a role"])
def test_who_cannot_see_their_own_figures_is_not_told(team, who):
    with team.database.writing() as session:
        mine = persons.c.id == team.ids[STANDS_OUT]
        if who == "nobody of this name":
            session.execute(update(persons).where(mine).values(name="Renamed"))
        elif who == "two of this name":
            people.add(session, issuer="test", subject="twin", name=STANDS_OUT)
        elif who == "disabled":
            session.execute(update(persons).where(mine).values(disabled_at=datetime.now(UTC)))
        else:
            people.revoke(session, team.ids[STANDS_OUT], Role.REVIEWER)

    assert keep_notices(team.database, team.workflow, [STANDS_OUT]) == []


def test_several_servers_that_look_at_once_tell_once(team):
    with ThreadPoolExecutor(4) as servers:
        told = list(servers.map(lambda _: keep_notices(team.database, team.workflow, [STANDS_OUT]), range(4)))

    assert sorted(told) == [[], [], [], [team.ids[STANDS_OUT]]]
    assert len(all_of(team, notifications)) == len(all_of(team, advance_notices)) == 1


def test_one_person_has_one_standing_notice_whatever_several_servers_see(team):
    was_told(team, days_ago=1)

    with pytest.raises(IntegrityError):
        was_told(team, days_ago=0)


# --- one's own words -----------------------------------------------------------------------------------------------


def say(house: House, body: str, person: str = STANDS_OUT) -> None:
    comment_on_own(house.database, person_id=house.ids[person], workflow_id=house.workflow.id, body=body)


def test_ones_words_stand_until_they_are_changed_and_every_version_is_kept(team):
    for body in (" Prices. ", "Prices.", "Prices and contracts."):
        say(team, body)

    assert compared_by(team, STANDS_OUT).own.comment.body == "Prices and contracts."
    assert [row.body for row in all_of(team, figure_comments)] == ["Prices.", "Prices and contracts."]


def test_empty_takes_back_what_was_said(team):
    say(team, "Prices.")
    say(team, "  ")
    say(team, "")

    assert compared_by(team, STANDS_OUT).own.comment is None
    assert [row.body for row in all_of(team, figure_comments)] == ["Prices.", ""]


def test_ones_words_are_about_oneself_alone(team):
    say(team, "Mine.", "Person 1")

    assert compared_by(team, STANDS_OUT).own.comment is None
    assert compared_by(team, "Person 1").own.comment.body == "Mine."


def test_a_comment_that_is_too_long_says_how_long_it_may_be(team):
    with pytest.raises(NoteRefused, match="That has 2,001 characters, and 2,000 is the most"):
        say(team, "x" * 2001)


def test_who_may_not_see_the_analytics_or_is_not_compared_has_nothing_to_comment(team):
    team.ids["machine"] = a_person(team.database, "Machine", Role.INTEGRATOR)
    with pytest.raises(NotAllowed):
        say(team, "Beep.", "machine")

    turn_off(team)
    with pytest.raises(PeopleNotCompared):
        say(team, "Prices.")
    assert all_of(team, figure_comments) == []


# --- the page ------------------------------------------------------------------------------------------------------


def people_page() -> None:
    """The part about people, below its guard."""
    import streamlit as st

    from storage import people as accounts
    from workbench import known_reviews
    from workbench.screens.oversight_parts import people
    from workbench.session import database

    with database().reading() as session:
        user = accounts.principal(session, st.session_state["person_id"])
    people(user, known_reviews.read(database(), person_id=user.person_id, workflow_key="retail"))


def words_of(at: AppTest) -> str:
    return "\n".join(element.value for kind in (at.markdown, at.caption, at.text) for element in kind)


def test_the_person_sees_what_stands_out_until_when_they_are_alone_and_comments(team, open_as):
    was_told(team, days_ago=2)

    at = open_as(people_page, team.ids[STANDS_OUT])
    assert not at.exception
    said = words_of(at).replace("\\", "")
    assert "stand out in 2 of the five questions: Do people differ from the AI? Do reasons explain? Nobody else" in said
    assert "Nobody else sees that under your name before" in said
    at.text_area[0].set_value(MARKUP)
    at.button[0].click().run()

    assert at.text_area[0].value == MARKUP
    assert "Yours alone to change" in words_of(at)
    assert [row.body for row in all_of(team, figure_comments)] == [MARKUP]


@pytest.mark.parametrize(
    ("days_ago", "said"),
    [
        (None, "Nobody else sees that under your name. You will be told before anybody can."),
        (8, "Since today, who assigns the work here may look closer, and each look is recorded."),
    ],
)
def test_ones_own_page_says_who_may_see_it(team, days_ago, said):
    if days_ago is not None:
        was_told(team, days_ago=days_ago)

    assert own_answer(compared_by(team, STANDS_OUT).own, until="today").endswith(said)
    assert own_answer(compared_by(team, "Person 1").own, until="").startswith("Nothing stands out in two different")


def test_whoever_looks_closer_sees_the_words_as_text_beside_the_figures_and_no_name_before(team, open_as):
    say(team, MARKUP)
    was_told(team, days_ago=8)

    at = open_as(people_page, team.ids["manager"])
    assert not any(name in words_of(at) for name in NAMES)
    next(button for button in at.button if button.label == "Look closer").click().run()

    assert not at.exception
    assert STANDS_OUT in words_of(at)
    assert MARKUP in [element.value for element in at.text]
    assert len(at.table) == 1


def test_before_seven_days_are_over_the_manager_is_offered_no_look(team, open_as):
    was_told(team, days_ago=6)

    at = open_as(people_page, team.ids["manager"])

    assert "Nobody's decisions are worth a conversation now, of 10 people." in words_of(at)
    assert [button for button in at.button if button.label == "Look closer"] == []


def test_where_people_are_not_compared_the_page_says_so_and_shows_nobody(team, open_as):
    turn_off(team)

    at = open_as(people_page, team.ids[STANDS_OUT])

    assert words_of(at).strip().startswith("**People are not compared here.**")
    assert not at.table

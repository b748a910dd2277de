"""A day's digest to everybody who asked for one: at their hour, once, and tried again where it failed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select, update

from review_queue.errors import PreferencesRefused
from review_queue.items import Outcome
from review_queue.reminders import Preferences
from review_queue.roles import Role
from storage import people
from storage.tables import digests, items
from storage.tables import people as people_
from tests.builders import a_person, a_workflow, bring_in, choose
from workbench.actions import assigning, reminding, reviewing
from workbench.mailing import MailNotSent

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)
ASKED = Preferences(wants_digest=True, hour=8, quiet_from=19, quiet_until=7, timezone="UTC")
ROWS = """series,period,ai_forecast,human_forecast,segment_region
acme,2026-12,1000,1400,North
bolt,2026-12,1000,1300,South
cord,2026-12,1000,1001,South
"""


class Post:
    """A way out that keeps what it gets, or refuses the first few."""

    def __init__(self, refuse: int = 0) -> None:
        self.messages, self.refuse = [], refuse

    def send(self, message) -> None:
        if self.refuse:
            self.refuse -= 1
            raise MailNotSent("The mail server did not take it:\nbusy")
        self.messages.append(message)


@pytest.fixture
def workflow(database):
    found = a_workflow(database, segments=["region"], audit_share=0.0)
    bring_in(database, found, ROWS)
    with database.writing() as session:
        session.execute(update(items).values(available_at=MONDAY - timedelta(days=9)))
        session.execute(update(items).where(items.c.id == 1).values(due_at=MONDAY - timedelta(hours=1)))
        session.execute(update(items).where(items.c.id == 2).values(due_at=MONDAY + timedelta(hours=20)))
    return found


def somebody(database, name="Ada", role=Role.REVIEWER, wanted=ASKED, email="ada@example.com"):
    person = a_person(database, name, role)
    with database.writing() as session:
        session.execute(update(people_).where(people_.c.id == person).values(email=email))
    if wanted is not None:
        reminding.save_preferences(database, person_id=person, wanted=wanted)
    return person


@pytest.fixture
def ada(database, workflow):
    return somebody(database)


def send(database, post, now=MONDAY, url=None):
    return reminding.send_digests(database, post, sender="review@example.com", url=url, now=now)


def kept(database):
    with database.reading() as session:
        return session.execute(select(digests).order_by(digests.c.id)).all()


def text_of(message) -> str:
    return message.get_content()


def test_a_digest_says_what_waits_with_links(database, workflow, ada):
    dora = a_person(database, "Dora", Role.DIRECTOR)
    assigning.assign_items(database, person_id=dora, workflow=workflow, item_ids=[1], to=ada)
    reviewing.comment(database, person_id=dora, item_id=2, body="@Ada, look.")
    post = Post()

    send(database, post, url="https://review.example.com")

    (message,) = post.messages
    assert (message["To"], message["Subject"]) == ("Ada <ada@example.com>", "Review: 1 overdue, 1 due within a day")
    for line in (
        "1 item is overdue: https://review.example.com/queue?workflow=sales&lane=Due",
        "1 item is due within a day: https://review.example.com/queue?workflow=sales&lane=Due",
        "1 item is assigned to you: https://review.example.com/queue?workflow=sales&mine=true",
        "1 comment mentions you, unread: https://review.example.com/?workflow=sales",
    ):
        assert line in text_of(message)
    (row,) = kept(database)
    assert (row.day, row.address, row.lines, row.failure) == (MONDAY.date(), "ada@example.com", 5, "")
    assert row.sent_at is not None


def test_it_comes_once_a_day(database, ada):
    post = Post()
    for hours in (0, 0, 3, 9, 24, 30):
        send(database, post, now=MONDAY + timedelta(hours=hours))

    assert len(post.messages) == 2
    assert [row.day.day for row in kept(database)] == [1, 2]


def test_of_two_servers_at_once_one_sends(database, ada):
    post, start = Post(), Barrier(4)

    def go(_):
        start.wait()
        return send(database, post)

    with ThreadPoolExecutor(4) as servers:
        told = [each for found in servers.map(go, range(4)) for each in found]

    assert (len(post.messages), len(told), len(kept(database))) == (1, 1, 1)


@pytest.mark.parametrize("hours", [-2, 10, 12, 20])  # 7:00, 19:00, 21:00, and 5:00 the next day
def test_quiet_hours_and_hours_before_the_wanted_one_hold(database, ada, hours):
    post = Post()

    assert send(database, post, now=MONDAY + timedelta(hours=hours)) == []
    assert (post.messages, kept(database)) == ([], [])


def test_where_nothing_waits_nothing_is_sent_and_it_is_looked_at_once(database, workflow):
    quiet = replace(ASKED, timezone="Asia/Tokyo", quiet_from=20)
    somebody(database, "Mina", Role.AUDITOR, quiet)
    post = Post()

    (told,) = send(database, post)
    assert (told.lines, post.messages) == (0, [])
    assert send(database, post) == []
    (row,) = kept(database)
    assert (row.lines, row.sent_at) == (0, None)


def test_who_did_not_ask_has_no_address_or_is_gone_gets_nothing(database, workflow):
    somebody(database, "Silent", wanted=None)
    somebody(database, "Off", wanted=replace(ASKED, wants_digest=False))
    somebody(database, "Homeless", email=None)
    gone = somebody(database, "Gone")
    with database.writing() as session:
        session.execute(update(people_).where(people_.c.id == gone).values(disabled_at=MONDAY))
    without_role = somebody(database, "Former")
    with database.writing() as session:
        people.revoke(session, without_role, Role.REVIEWER)
    post = Post()

    send(database, post)

    assert post.messages == []
    assert [(row.person_id, row.lines) for row in kept(database)] == [(without_role, 0)]


def test_one_that_fails_is_tried_again_three_times_that_day_and_why_is_kept(database, ada):
    post = Post(refuse=9)
    tries = [send(database, post, now=MONDAY + timedelta(minutes=minutes)) for minutes in range(0, 90, 5)]

    assert [5 * number for number, found in enumerate(tries) if found] == [0, 10, 20, 30]  # minutes
    assert {told.failure for found in tries for told in found} == {"The mail server did not take it:\nbusy"}
    (row,) = kept(database)
    assert row.failure == "The mail server did not take it: busy\n" * 4
    assert row.sent_at is None
    post.refuse = 0
    send(database, post, now=MONDAY + timedelta(days=1))
    assert len(post.messages) == 1


def test_one_that_failed_is_sent_at_the_next_try_and_no_more(database, ada):
    post = Post(refuse=1)
    for minutes in (0, 5, 10, 20, 30, 40):
        send(database, post, now=MONDAY + timedelta(minutes=minutes))

    assert len(post.messages) == 1
    (row,) = kept(database)
    assert row.sent_at is not None
    assert row.failure == "The mail server did not take it: busy\n"


def test_one_that_nobody_finished_is_not_sent_twice(database, ada):
    class Dies(Post):
        def send(self, message) -> None:
            super().send(message)
            raise SystemExit

    post = Dies()
    with pytest.raises(SystemExit):
        send(database, post)
    send(database, Post(), now=MONDAY + timedelta(hours=3))

    assert (len(post.messages), kept(database)[0].sent_at) == (1, None)
    assert send(database, post, now=MONDAY + timedelta(hours=3)) == []


def test_an_address_that_is_none_is_a_failure_and_others_still_get_theirs(database, workflow):
    somebody(database, "Eve", email="eve@example.com\r\nBcc: all@example.com")
    somebody(database, "Bob\r\nBcc: all@example.com", email="bob@example.com")
    post = Post()

    told = send(database, post)

    assert [bool(each.failure) for each in told] == [True, False]
    (message,) = post.messages
    assert (message["To"], message["Bcc"]) == ('"Bob Bcc: all@example.com" <bob@example.com>', None)


def test_a_dry_run_tells_and_changes_nothing(database, ada):
    (told,) = send(database, None)

    assert (told.address, told.lines) == ("ada@example.com", 3)
    assert "1 item is overdue" in told.text
    assert kept(database) == []
    send(database, Post())
    assert send(database, None) == []


def test_what_came_back_and_what_needs_judgement_count(database, workflow, ada):
    desk = reviewing.open_item(database, person_id=ada, workflow=workflow, item_id=1)
    choice = choose(desk, Outcome.SEND_BACK, note="Which contract?")
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    bring_in(database, workflow, ROWS.replace("1400", "1350"))
    with database.writing() as session:
        session.execute(update(items).values(available_at=MONDAY - timedelta(days=9), lane=1))

    (told,) = send(database, None)

    assert "1 item came back to you" in told.text
    assert "3 items need judgement" in told.text


def test_preferences_are_kept_and_refused_in_words(database, ada):
    assert reminding.my_reminders(database, person_id=ada) == reminding.Mine(ASKED, "ada@example.com")

    with pytest.raises(PreferencesRefused, match="lies in your quiet hours"):
        reminding.save_preferences(database, person_id=ada, wanted=replace(ASKED, hour=22))
    later = replace(ASKED, hour=10)
    reminding.save_preferences(database, person_id=ada, wanted=later)

    assert reminding.my_reminders(database, person_id=ada).preferences == later

"""The Deliveries page: what it says, and what its buttons do."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest

from review_queue.roles import Role
from storage import deliveries, people
from storage.engine import database_now
from storage.tables import deliveries as deliveries_
from tests.builders import a_person
from tests.outgoing import Sending
from workbench.settings import settings

PAGE = str(Path(__file__).parents[2] / "pages" / "deliveries.py")
URL = "http://127.0.0.1:9/hooks?token=canary"


@pytest.fixture
def database_url(sqlite_url):
    """What a page draws does not depend on the database beneath the actions, which are tested on both."""
    return sqlite_url


@pytest.fixture
def sending(database):
    return Sending.of(database)


@pytest.fixture
def opened(sending, database_url, monkeypatch):
    """Open the page as somebody."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    monkeypatch.setenv("WORKBENCH_WEBHOOK_LOOPBACK", "true")
    settings.cache_clear()

    def open_page(person_id):
        def user():
            with sending.database.reading() as session:
                return people.principal(session, person_id)

        monkeypatch.setattr("workbench.session.require_user", user)
        return AppTest.from_file(PAGE, default_timeout=60).run()

    yield open_page
    settings.cache_clear()


def verdict(at):
    assert not at.exception
    return at.markdown[0].value.replace("\\", "").strip("*")


def words(at):
    kinds = (at.caption, at.text, at.info, at.success, at.warning)
    return " ".join(each.value for kind in kinds for each in kind).replace("\\", "")


def a_dead_one(sending):
    sending.events(sending.items[0], sending.items[0], sending.items[1])
    with sending.database.writing() as session:
        deliveries.route(session)
        first = session.execute(select(deliveries_.c.id).order_by(deliveries_.c.id).limit(1)).scalar_one()
        dead = {"state": "dead", "attempts": 10, "why": "Not delivered: it broke.", "ended_at": database_now(session)}
        session.execute(update(deliveries_).where(deliveries_.c.id == first).values(dead))
    return first


def state(sending, delivery_id):
    with sending.database.reading() as session:
        return session.execute(select(deliveries_.c.state).where(deliveries_.c.id == delivery_id)).scalar_one()


def test_a_receiver_is_added_with_its_secret_shown_once_and_approved_by_somebody_else(sending, opened):
    at = opened(sending.owner)
    assert verdict(at) == "Nothing is sent anywhere yet."

    at.text_input(key="receiver-url").input("http://10.0.0.1/")
    at = at.button[0].click().run()
    assert "must start with https" in words(at)
    at.text_input(key="receiver-url").input(URL)
    at = at.button[0].click().run()

    (secret,) = [each.value for each in at.code]
    assert secret.startswith("whsec_")
    assert verdict(at) == "Nothing had to be sent yet. 1 receiver waiting for somebody to approve."
    assert "Somebody else who may send decisions has to approve it" in words(at)
    at = at.button(key="secret-kept").click().run()
    assert len(at.code) == 0
    at = opened(sending.administrator)
    assert len(at.code) == 0
    at = at.button(key="approve-1").click().run()
    assert "active" in words(at)
    assert verdict(at) == "Nothing had to be sent yet."


def test_a_dead_letter_says_why_and_is_replayed_with_one_press(sending, opened):
    sending.receiver(URL)
    dead = a_dead_one(sending)
    at = opened(sending.owner)

    assert verdict(at) == "No: 1 event could not be delivered, and later events of those items wait behind."
    assert "Not delivered: it broke." in words(at)
    assert "after 10 attempts" in words(at)
    assert "1 later event of this item behind it" in words(at)
    at = at.button(key=f"replay-{dead}").click().run()

    assert verdict(at) == "Yes: 0 events delivered, 3 on the way."
    assert "It is sent again." in words(at)
    assert state(sending, dead) == "pending"


def test_one_can_go_on_without_a_dead_letter(sending, opened):
    sending.receiver(URL)
    dead = a_dead_one(sending)

    at = opened(sending.owner).button(key=f"skip-{dead}").click().run()

    assert "It is left out" in words(at)
    assert state(sending, dead) == "skipped"


def test_a_receiver_is_paused_resumed_given_a_new_key_and_removed(sending, opened):
    sending.receiver(URL)
    at = opened(sending.owner)

    at = at.button(key="pause-1").click().run()
    assert verdict(at) == "No: 1 receiver paused, 0 events waiting."
    at = at.button(key="resume-1").click().run()
    at = at.button(key="rotate-1").click().run()
    assert len(at.code) == 1
    assert "the old key signs until" in words(at)
    at = at.button(key="rotate-1").click().run()
    assert "Two keys are in force until" in words(at)
    at = at.button(key="remove-1").click().run()

    assert verdict(at) == "Nothing is sent anywhere yet."


def test_the_newest_are_listed_without_what_may_be_secret_in_an_address(sending, opened):
    sending.receiver(URL)
    a_dead_one(sending)
    at = opened(sending.owner)

    table = at.dataframe[0].value
    assert list(table["State"]) == ["Pending", "Pending", "Dead"]
    assert set(table["To"]) == {"http://127.0.0.1:9/hooks"}
    assert list(table["Item"]) == ["acme-2 · 2026-12", "acme-1 · 2026-12", "acme-1 · 2026-12"]


def test_whoever_may_not_send_decisions_sees_nothing(sending, opened):
    sending.receiver(URL)
    ada = a_person(sending.database, "Ada", Role.REVIEWER)

    at = opened(ada)

    assert "may not send decisions to other systems" in words(at)
    assert (len(at.dataframe), len(at.button), "127" in words(at)) == (0, 0, False)

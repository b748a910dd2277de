"""Sessions that end: by time, by wish, by disabling; and what ends with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import ItemNotFound, NotAllowed, ReviewError
from review_queue.items import Outcome, State
from review_queue.roles import Role
from storage import people, sign_ins
from storage.engine import Database, database_now
from storage.tables import audit_events, grants, items
from storage.tables import sign_ins as table
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import auth
from workbench.actions import granting, releasing, reviewing

BROWSER, OTHER = "one browser", "another browser"


@pytest.fixture
def ada(database: Database) -> int:
    return a_person(database, "ada", Role.ADMINISTRATOR)


@pytest.fixture
def bo(database: Database) -> int:
    return a_person(database, "bo", Role.REVIEWER)


def now(database: Database) -> datetime:
    with database.reading() as session:
        return database_now(session)


def is_open(database: Database, token: str) -> bool:
    return auth.standing(database, token, acting=False) is not None


def ago(database: Database, column: str, since: timedelta) -> None:
    """Move an instant of every sign-in into the past."""
    with database.writing() as session:
        session.execute(update(table).values({column: database_now(session) - since}))


def actions(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars())


def test_an_hour_without_doing_anything_ends_a_session(database: Database, bo: int) -> None:
    auth.keep(database, BROWSER, bo)
    ago(database, "seen_at", timedelta(minutes=59))
    assert is_open(database, BROWSER)

    ago(database, "seen_at", timedelta(minutes=60))

    assert not is_open(database, BROWSER)
    assert auth.person_of_browser(database, BROWSER) is None


def test_whoever_does_something_stays_and_a_page_that_refreshes_itself_does_not(database: Database, bo: int) -> None:
    auth.keep(database, BROWSER, bo)
    ago(database, "seen_at", timedelta(minutes=59))

    auth.standing(database, BROWSER, acting=False)
    with database.reading() as session:
        assert not sign_ins.is_seen_lately(session, BROWSER)
    auth.standing(database, BROWSER, acting=True)

    with database.reading() as session:
        assert sign_ins.is_seen_lately(session, BROWSER)


def test_twelve_hours_end_a_session_whatever_was_done(database: Database, bo: int) -> None:
    auth.keep(database, BROWSER, bo)
    ago(database, "created_at", timedelta(hours=11, minutes=59))
    assert is_open(database, BROWSER)

    ago(database, "created_at", timedelta(hours=12))

    assert not is_open(database, BROWSER)


def test_the_twelve_hours_begin_with_the_providers_word(database: Database, bo: int) -> None:
    auth.keep(database, BROWSER, bo, vouched_at=now(database) - timedelta(hours=11, minutes=59))
    assert is_open(database, BROWSER)

    ago(database, "vouched_at", timedelta(hours=12))

    assert not is_open(database, BROWSER)


@pytest.mark.parametrize("how", ["signed out", "idle", "everywhere"])
def test_a_word_whose_session_has_ended_opens_none_again(database: Database, bo: int, how: str) -> None:
    word = now(database) - timedelta(minutes=1)
    assert auth.keep(database, BROWSER, bo, vouched_at=word)
    if how == "signed out":
        auth.sign_out(database, BROWSER)
    elif how == "idle":
        ago(database, "seen_at", timedelta(minutes=60))
    else:
        granting.sign_out_everywhere(database, person_id=bo, whom=bo)

    assert not auth.keep(database, BROWSER, bo, vouched_at=word)
    assert how == "idle" or not auth.keep(database, OTHER, bo, vouched_at=word)

    assert not is_open(database, BROWSER)
    assert auth.keep(database, BROWSER, bo, vouched_at=now(database) + timedelta(seconds=1)), "a new word does"


def test_everywhere_is_also_where_only_a_cookie_is_left(database: Database, bo: int) -> None:
    word = now(database) - timedelta(minutes=1)

    granting.sign_out_everywhere(database, person_id=bo, whom=bo)

    assert not auth.keep(database, OTHER, bo, vouched_at=word)


def test_a_session_that_was_being_opened_meanwhile_ends_with_the_others(postgresql_database: Database) -> None:
    """On SQLite one waits for the other."""
    database = postgresql_database
    bo = a_person(database, "bo", Role.REVIEWER)
    with database.writing() as session:
        sign_ins.start(session, BROWSER, bo)
        granting.sign_out_everywhere(database, person_id=bo, whom=bo)

    assert not is_open(database, BROWSER)
    auth.keep(database, OTHER, bo)
    assert is_open(database, OTHER)


def test_a_tab_of_before_does_not_push_out_the_session_of_now(database: Database, bo: int) -> None:
    old = now(database) - timedelta(minutes=5)
    auth.keep(database, BROWSER, bo, vouched_at=old)
    auth.keep(database, BROWSER, bo, vouched_at=old + timedelta(minutes=4))
    auth.sign_out(database, BROWSER)

    assert not auth.keep(database, BROWSER, bo, vouched_at=old)


def test_an_administrator_ends_anybodys_sessions_and_others_only_their_own(database: Database, ada: int, bo: int):
    auth.keep(database, BROWSER, bo)
    auth.keep(database, OTHER, ada)

    with pytest.raises(NotAllowed):
        granting.sign_out_everywhere(database, person_id=bo, whom=ada)
    assert is_open(database, OTHER)
    assert granting.sign_out_everywhere(database, person_id=ada, whom=bo) == 1

    assert not is_open(database, BROWSER)
    assert is_open(database, OTHER)


def test_disabling_ends_sessions_frees_claims_and_is_on_record(database: Database, ada: int, bo: int) -> None:
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))
    auth.keep(database, BROWSER, bo)
    desk = take(database, bo, workflow)

    granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)

    assert not is_open(database, BROWSER)
    assert state_of(database, desk.item.id) == State.READY
    with pytest.raises(NotAllowed, match="disabled"):
        reviewing.submit_decision(
            database, person_id=bo, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key="k" * 32)
        )
    assert actions(database)[-4:] == [
        "person.disabled",
        "item.released",
        "person.signed_out_everywhere",
        "access.refused",
    ]


def test_an_account_that_is_enabled_again_signs_in_afresh(database: Database, ada: int, bo: int) -> None:
    auth.keep(database, BROWSER, bo)
    granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)

    granting.set_disabled(database, person_id=ada, whom=bo, disabled=False)

    assert not is_open(database, BROWSER)
    assert auth.keep(database, BROWSER, bo)
    with pytest.raises(ReviewError, match="is open already"):
        granting.set_disabled(database, person_id=ada, whom=bo, disabled=False)


def test_nobody_disables_themselves_or_twice(database: Database, ada: int, bo: int) -> None:
    with pytest.raises(ReviewError, match="own account"):
        granting.set_disabled(database, person_id=ada, whom=ada, disabled=True)
    granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)
    with pytest.raises(ReviewError, match="is shut already"):
        granting.set_disabled(database, person_id=ada, whom=bo, disabled=True)


def cut_by_hand(database: Database, person_id: int) -> None:
    """What no action of ours does: the grant moves to another segment."""
    with database.writing() as session:
        session.execute(update(grants).where(grants.c.person_id == person_id).values(segment_path="Elsewhere\x1f"))


def disabled_by_hand(database: Database, person_id: int) -> None:
    with database.writing() as session:
        people.set_disabled(session, person_id, disabled=True)


@pytest.mark.parametrize("happens", [cut_by_hand, disabled_by_hand])
def test_upkeep_frees_the_claims_of_whoever_lost_the_right_to_them(
    database: Database, bo: int, happens: Callable[[Database, int], None]
) -> None:
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(2))
    cy = a_person(database, "cy", Role.REVIEWER)
    lost, kept = take(database, bo, workflow), take(database, cy, workflow)
    assert releasing.free_claims(database) == 0

    happens(database, bo)

    with pytest.raises((NotAllowed, ItemNotFound)):
        reviewing.submit_decision(
            database, person_id=bo, workflow=workflow, choice=choose(lost, Outcome.ACCEPT_AI, key="k" * 32)
        )
    assert releasing.free_claims(database) == 1
    assert (state_of(database, lost.item.id), state_of(database, kept.item.id)) == (State.READY, State.CLAIMED)
    assert "item.released" in actions(database)


def test_taking_the_role_back_frees_the_claim_at_once(database: Database, ada: int, bo: int) -> None:
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))
    desk = take(database, bo, workflow)

    granting.revoke_role(database, person_id=ada, to=bo, role=Role.REVIEWER)

    assert state_of(database, desk.item.id) == State.READY


def test_a_director_keeps_what_was_escalated(database: Database) -> None:
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))
    director = a_person(database, "di", Role.DIRECTOR)
    with database.writing() as session:
        session.execute(update(items).values(level=1))
    take(database, director, workflow)

    assert releasing.free_claims(database) == 0


def state_of(database: Database, item_id: int) -> str:
    with database.reading() as session:
        return session.execute(select(items.c.state).where(items.c.id == item_id)).scalar_one()


def test_a_fresh_browser_token_leaves_nothing_under_the_old_one(database: Database, bo: int) -> None:
    auth.keep(database, BROWSER, bo)

    auth.drop(database, BROWSER)

    assert not is_open(database, BROWSER)
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(table)).scalar_one() == 1


@pytest.mark.parametrize("iat", [True, "yesterday", float("nan"), 1e30, None, -1e30])
def test_a_word_without_a_sensible_time_is_nobodys(iat: object) -> None:
    claims = {"iss": "https://id.example.com", "sub": "u-17", "iat": iat}

    assert auth.identity_of(claims, now=datetime(2026, 3, 2, 12, tzinfo=UTC)) is None


def test_a_word_of_the_future_is_nobodys() -> None:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def word(seconds: int) -> dict[str, object]:
        return {"iss": "https://id.example.com", "sub": "u-17", "iat": at.timestamp() + seconds}

    assert auth.identity_of(word(119), now=at) is not None
    assert auth.identity_of(word(121), now=at) is None

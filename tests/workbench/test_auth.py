from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import NotAllowed
from review_queue.roles import Grant, Role
from storage import people as people_
from storage.engine import Database, database_time
from storage.tables import audit_events, people
from workbench import auth
from workbench.auth import Identity

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BROWSER = "one browser"
NOOR = Identity("https://id.example.com", "u-17", "Noor", "noor@example.com")


def claims(**changes: object) -> dict[str, object]:
    return {"iss": "https://id.example.com", "sub": "u-17", "iat": NOON.timestamp(), "name": "Noor"} | changes


def count(database: Database, action: str) -> int:
    with database.reading() as session:
        return session.execute(
            select(func.count()).select_from(audit_events).where(audit_events.c.action == action)
        ).scalar_one()


@pytest.mark.parametrize("role", auth.PERSONAS)
def test_a_persona_holds_its_role_on_every_workflow(database: Database, role: Role) -> None:
    auth.sign_in_as(database, BROWSER, role)

    who = auth.person_of_browser(database, BROWSER)
    assert who is not None
    assert (who.name, who.grants) == (auth.PERSONAS[role], (Grant(role),))


def test_a_browser_is_whoever_it_signed_in_as_last(database: Database) -> None:
    auth.sign_in_as(database, BROWSER, Role.REVIEWER)
    auth.sign_in_as(database, "another browser", Role.AUDITOR)
    auth.sign_in_as(database, BROWSER, Role.MANAGER)

    who = auth.person_of_browser(database, BROWSER)

    assert who is not None
    assert who.grants == (Grant(Role.MANAGER),)


def test_signing_out_leaves_nobody(database: Database) -> None:
    auth.sign_in_as(database, BROWSER, Role.REVIEWER)

    auth.sign_out(database, BROWSER)
    auth.sign_out(database, BROWSER)

    assert auth.person_of_browser(database, BROWSER) is None
    assert auth.person_of_browser(database, "never seen") is None
    assert (count(database, "person.signed_in"), count(database, "person.signed_out")) == (1, 1)


def test_a_browser_is_kept_with_one_sign_in_however_many_clicks(database: Database) -> None:
    noor = auth.person_of_identity(database, NOOR)

    for _ in range(3):
        auth.keep(database, BROWSER, noor.person_id)

    assert auth.person_of_browser(database, BROWSER) == noor
    assert count(database, "person.signed_in") == 1


def test_browsers_that_are_first_at_once_share_the_persona(database: Database) -> None:
    failures: list[BaseException] = []

    def sign_in(token: str) -> None:
        try:
            auth.sign_in_as(database, token, Role.REVIEWER)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=sign_in, args=[f"browser {number}"]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(people)).scalar_one() == 1


def test_a_disabled_persona_is_told_so(database: Database) -> None:
    auth.sign_in_as(database, BROWSER, Role.REVIEWER)
    with database.writing() as session:
        session.execute(update(people).values(disabled_at=database_time()))

    with pytest.raises(NotAllowed, match="disabled"):
        auth.person_of_browser(database, BROWSER)


def test_an_identity_is_issuer_and_subject() -> None:
    assert auth.identity_of(claims(email="noor@example.com"), now=NOON) == NOOR
    assert auth.identity_of(claims(sub=None), now=NOON) is None
    assert auth.identity_of(claims(iss=""), now=NOON) is None


def test_a_sign_in_lasts_twelve_hours() -> None:
    assert auth.identity_of(claims(), now=NOON + timedelta(hours=11, minutes=59)) is not None
    assert auth.identity_of(claims(), now=NOON + timedelta(hours=12)) is None
    assert auth.identity_of(claims(iat=None), now=NOON) is None


@pytest.mark.parametrize(
    "boast", [{"role": "admin"}, {"roles": ["administrator"]}, {"groups": ["administrators"]}, {"email_verified": True}]
)
def test_no_claim_grants_a_role(database: Database, boast: dict[str, object]) -> None:
    identity = auth.identity_of(claims(**boast), now=NOON)
    assert identity is not None

    assert auth.person_of_identity(database, identity).grants == ()


def test_a_person_is_added_once_and_found_again(database: Database) -> None:
    first = auth.person_of_identity(database, NOOR)
    second = auth.person_of_identity(database, NOOR)

    assert first == second
    assert count(database, "person.added") == 1


def test_the_same_address_from_another_subject_or_issuer_is_another_person(database: Database) -> None:
    known = auth.person_of_identity(database, NOOR)

    for other in (
        Identity(NOOR.issuer, "u-18", "Noor", NOOR.email),
        Identity("https://else.example.com", NOOR.subject, "Noor", NOOR.email),
    ):
        assert auth.person_of_identity(database, other).person_id != known.person_id


def test_whom_the_settings_name_is_administrator(database: Database) -> None:
    named = [f"{NOOR.issuer}|{NOOR.subject}"]
    before = auth.person_of_identity(database, NOOR)

    for _ in range(2):
        after = auth.person_of_identity(database, NOOR, administrators=named)

    assert before.grants == ()
    assert after.grants == (Grant(Role.ADMINISTRATOR),)
    assert count(database, "role.granted") == 1


def test_an_administrator_whose_role_was_taken_back_does_not_get_it_again(database: Database) -> None:
    named = [f"{NOOR.issuer}|{NOOR.subject}"]
    who = auth.person_of_identity(database, NOOR, administrators=named)
    with database.writing() as session:
        people_.revoke(session, who.person_id, Role.ADMINISTRATOR)

    assert auth.person_of_identity(database, NOOR, administrators=named).grants == ()


def test_an_address_in_the_settings_makes_nobody_administrator(database: Database) -> None:
    named = [f"{NOOR.issuer}|{NOOR.email}"]

    assert auth.person_of_identity(database, NOOR, administrators=named).grants == ()

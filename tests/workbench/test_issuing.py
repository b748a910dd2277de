"""Tokens: made inside a grant, shown once, kept as a hash, and worth nothing once what they rest on has ended."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update
from typer.testing import CliRunner

from review_queue.errors import NotAllowed, ReviewError
from review_queue.roles import Grant, Role, Task
from storage import people, tokens
from storage.engine import Database, database_now, database_time
from storage.tables import api_tokens, audit_events, grants
from storage.tables import people as people_table
from storage.tokens import Bearer, TokenRefused
from tests.builders import a_person, a_workflow
from workbench.actions import granting, issuing
from workbench.actions.issuing import NewToken, TokenNotFound, TokenNotMade
from workbench.cli import app
from workbench.settings import settings


@pytest.fixture
def sales(database: Database):
    return a_workflow(database)


@pytest.fixture
def dora(database: Database) -> int:
    return a_person(database, "Dora", Role.DIRECTOR, Role.INTEGRATOR)


def make(database: Database, person_id: int, **how: object) -> NewToken:
    asked = {"name": "ERP", "role": Role.INTEGRATOR, **how}
    return issuing.create_token(database, person_id=person_id, **asked)  # type: ignore[arg-type]


def shown(database: Database, secret: str) -> Bearer:
    with database.reading() as session:
        return tokens.known(session, secret)


def works(database: Database, secret: str) -> bool:
    try:
        shown(database, secret)
    except TokenRefused:
        return False
    return True


def test_a_token_can_do_what_its_grant_can_and_nothing_else_of_its_person(database, sales, dora) -> None:
    made = make(database, dora, workflow="sales", may_write=True)

    bearer = shown(database, made.secret)

    assert bearer.who.grants == (Grant(Role.INTEGRATOR, sales.id),)
    assert {grant.role for grant in bearer.reader.grants} == {Role.DIRECTOR, Role.INTEGRATOR}
    assert bearer.who.may(Task.IMPORT, sales.id)
    assert not bearer.who.may(Task.REVIEW)
    assert bearer.who.person_id == dora


def test_the_token_itself_is_nowhere_in_the_database(database, sales, dora) -> None:
    made = make(database, dora)

    with database.reading() as session:
        rows = [str(tuple(row)) for table in (api_tokens, audit_events) for row in session.execute(select(table))]

    assert made.secret.startswith("rwb_")
    assert len(made.secret) == len("rwb_") + 43
    assert not any(made.secret in row for row in rows)
    assert any(made.secret[:12] in row for row in rows), "its first characters tell which one it is"
    assert make(database, dora).secret != made.secret


@pytest.mark.parametrize("ending", ["revoked", "expired", "grant revoked", "person disabled"])
def test_a_token_ends_with_whatever_it_rests_on(database, sales, dora, ending) -> None:
    made = make(database, dora)
    admin = a_person(database, "Ada", Role.ADMINISTRATOR)
    assert works(database, made.secret)

    if ending == "revoked":
        issuing.revoke_token(database, person_id=dora, token_id=made.token.id)
    elif ending == "expired":
        with database.writing() as session:
            now = database_now(session)
            session.execute(update(api_tokens).values(created_at=now - timedelta(days=2), expires_at=now))
    elif ending == "grant revoked":
        granting.revoke_role(database, person_id=admin, to=dora, role=Role.INTEGRATOR)
        granting.grant_role(database, person_id=admin, to=dora, role=Role.INTEGRATOR)
    else:
        with database.writing() as session:
            session.execute(update(people_table).where(people_table.c.id == dora).values(disabled_at=database_time()))

    assert not works(database, made.secret)
    assert not issuing.list_tokens(database, person_id=admin, everybody=True)[0].is_live


def test_a_token_lasts_until_its_last_moment(database, sales, dora) -> None:
    made = make(database, dora, days=1)

    with database.writing() as session:
        session.execute(update(api_tokens).values(expires_at=database_now(session) + timedelta(seconds=30)))

    assert works(database, made.secret)
    assert made.token.expires_at - made.token.created_at == timedelta(days=1)


def test_nobody_makes_a_token_for_a_role_that_they_do_not_hold(database, sales) -> None:
    rita = a_person(database, "Rita", Role.REVIEWER)

    with pytest.raises(TokenNotMade, match="Rita does not hold the role integrator there"):
        make(database, rita)
    with pytest.raises(TokenNotMade, match="may neither bring data in nor take it out"):
        make(database, rita, role=Role.REVIEWER)


def test_a_grant_in_one_workflow_makes_no_token_for_another(database, sales) -> None:
    a_workflow(database, key="retail", title="Retail")
    omar = a_person(database, "Omar")
    with database.writing() as session:
        people.grant(session, omar, Role.OWNER, workflow_id=sales.id)

    made = make(database, omar, role=Role.OWNER)

    assert made.token.grant == Grant(Role.OWNER, sales.id)
    with pytest.raises(TokenNotMade, match="does not hold"):
        make(database, omar, role=Role.OWNER, workflow="retail")


def test_of_several_places_one_is_named(database, sales) -> None:
    dana = a_person(database, "Dana", Role.DIRECTOR, segment_path="North\x1f")
    with database.writing() as session:
        people.grant(session, dana, Role.DIRECTOR, segment_path="South\x1f")

    with pytest.raises(TokenNotMade, match="in several places"):
        make(database, dana, role=Role.DIRECTOR)
    made = make(database, dana, role=Role.DIRECTOR, segment="South\x1f")

    assert made.token.grant.segment_path == "South\x1f"
    with pytest.raises(TokenNotMade, match="of a part of the tree may not bring data in"):
        make(database, dana, role=Role.DIRECTOR, segment="South\x1f", may_write=True)


def test_an_auditor_has_tokens_that_read_and_none_that_write(database, sales) -> None:
    aiko = a_person(database, "Aiko", Role.AUDITOR)

    assert not make(database, aiko, role=Role.AUDITOR).token.may_write
    with pytest.raises(TokenNotMade, match="may not bring data in"):
        make(database, aiko, role=Role.AUDITOR, may_write=True)


def test_a_token_that_reads_does_not_write_although_its_grant_would(database, sales, dora) -> None:
    bearer = shown(database, make(database, dora).secret)

    bearer.require(Task.EXPORT, sales.id)
    with pytest.raises(NotAllowed, match="'ERP' may not bring data in: it was made to read"):
        bearer.require(Task.IMPORT, sales.id)


@pytest.mark.parametrize(("days", "name"), [(0, "ERP"), (367, "ERP"), (90, " "), (90, "x" * 101), (90, "a\nb")])
def test_a_token_without_an_end_or_a_name_is_not_made(database, sales, dora, days, name) -> None:
    with pytest.raises(TokenNotMade):
        make(database, dora, days=days, name=name)


def test_only_an_administrator_makes_or_ends_the_token_of_somebody_else(database, sales, dora) -> None:
    ada, omar = a_person(database, "Ada", Role.ADMINISTRATOR), a_person(database, "Omar", Role.OWNER)

    with pytest.raises(NotAllowed, match="change people and roles"):
        make(database, omar, holder=dora)
    made = make(database, ada, holder=dora)
    with pytest.raises(TokenNotFound) as foreign:
        issuing.revoke_token(database, person_id=omar, token_id=made.token.id)
    with pytest.raises(TokenNotFound) as absent:
        issuing.revoke_token(database, person_id=omar, token_id=404)

    assert str(foreign.value).replace(str(made.token.id), "N") == str(absent.value).replace("404", "N")
    assert (made.token.person, made.token.created_by) == ("Dora", "Ada")
    assert works(database, made.secret)
    issuing.revoke_token(database, person_id=ada, token_id=made.token.id)
    assert not works(database, made.secret)


def test_an_administrator_of_one_workflow_sees_and_ends_tokens_of_that_one(database, sales, dora) -> None:
    retail = a_workflow(database, key="retail", title="Retail")
    ann = a_person(database, "Ann")
    with database.writing() as session:
        people.grant(session, ann, Role.ADMINISTRATOR, workflow_id=retail.id)
    here, everywhere = make(database, dora, workflow="retail"), make(database, dora)

    listed = issuing.list_tokens(database, person_id=ann, everybody=True)

    assert [each.id for each in listed] == [here.token.id]
    with pytest.raises(TokenNotFound):
        issuing.revoke_token(database, person_id=ann, token_id=everywhere.token.id)
    with pytest.raises(NotAllowed):
        issuing.list_tokens(database, person_id=dora, everybody=True)
    assert len(issuing.list_tokens(database, person_id=dora)) == 2


def test_making_and_ending_a_token_is_on_record_once(database, sales, dora) -> None:
    made = make(database, dora)
    for _ in range(2):
        issuing.revoke_token(database, person_id=dora, token_id=made.token.id)

    with database.reading() as session:
        told = session.execute(select(audit_events.c.action, audit_events.c.actor_id).order_by(audit_events.c.id)).all()
    assert [tuple(row) for row in told] == [("token.created", dora), ("token.revoked", dora)]


def test_a_bound_outside_the_grant_never_works(database, sales) -> None:
    """Which no action can make; the query that reads tokens holds by itself."""
    retail = a_workflow(database, key="retail", title="Retail")
    omar = a_person(database, "Omar")
    with database.writing() as session:
        people.grant(session, omar, Role.OWNER, workflow_id=sales.id)
        grant_id = session.execute(select(grants.c.id).where(grants.c.person_id == omar)).scalar_one()
        now = database_now(session)
        row = {"name": "x", "grant_id": grant_id, "workflow_id": retail.id, "may_write": True, "created_by": omar}
        times = {"created_at": now, "expires_at": now + timedelta(days=1)}
        session.execute(insert(api_tokens).values(token_hash=tokens.hash_of("s"), hint="s", **row, **times))

    assert not works(database, "s")


def test_the_command_makes_a_token_shows_it_once_and_ends_it(database, database_url, sales, dora, monkeypatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()

    def run(*words: str):
        return CliRunner().invoke(app, ["token", *words], catch_exceptions=False)

    made = run("create", "ERP", "--role", "integrator", "--person", str(dora), "--workflow", "sales", "--write")
    secret = made.stdout.strip()
    (listed,) = json.loads(run("list", "--json").stdout)

    assert works(database, secret)
    assert "not shown again" in made.stderr
    assert (listed["person"], listed["role"], listed["workflow"], listed["writes"]) == (
        "Dora", "integrator", "sales", True,
    )  # fmt: skip
    assert secret not in run("list").stdout
    assert "no longer works" in run("revoke", str(listed["token"])).stdout
    assert not works(database, secret)
    assert run("revoke", "404").exit_code == 3
    settings.cache_clear()


def test_unknown_words_are_no_token(database) -> None:
    with database.reading() as session, pytest.raises(ReviewError, match="not known here, has expired, or was revoked"):
        tokens.known(session, "rwb_made-up")

"""Tokens on the Data page: made by a person for themselves, shown once, revoked."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from review_queue.roles import Role
from storage import tokens
from storage.engine import Database
from tests.builders import a_person, a_workflow


def page() -> None:
    """The part, for the person whose id stands in the session."""
    import streamlit as st

    from storage import people, workflows
    from workbench import token_parts
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    token_parts.tokens(user, workflow)


def told(at: AppTest) -> str:
    kinds = (at.caption, at.success, at.error, at.code)
    return " ".join(element.value for kind in kinds for element in kind)


def test_a_token_is_made_shown_once_listed_and_revoked(open_as: Callable[..., AppTest], database: Database) -> None:
    a_workflow(database)
    ina = a_person(database, "Ina", Role.INTEGRATOR)
    at = open_as(page, ina)

    at.text_input(key="token-name").set_value("ERP *nightly*")
    at.checkbox(key="token-writes").check()
    at.button(key="token-make").click().run()

    (secret,) = [element.value for element in at.code]
    assert "not shown again" in told(at)
    with database.reading() as session:
        bearer = tokens.known(session, secret)
    assert (bearer.who.person_id, bearer.may_write) == (ina, True)
    at.run()
    assert not at.code
    assert at.dataframe[0].value["What it is for"].tolist() == ["ERP *nightly*"]
    assert secret not in str(at.dataframe[0].value)

    at.button(key="token-revoke").click().run()

    assert "no longer works" in told(at)
    assert not at.dataframe
    with database.reading() as session:
        assert not tokens.listed(session)[0].is_live


def test_what_cannot_be_made_says_why(open_as: Callable[..., AppTest], database: Database) -> None:
    a_workflow(database)
    at = open_as(page, a_person(database, "Ina", Role.INTEGRATOR))

    at.button(key="token-make").click().run()

    assert "Give the token a name" in told(at).replace("\\", "")
    assert not at.code


def test_whoever_has_no_role_for_it_is_told_so(open_as: Callable[..., AppTest], database: Database) -> None:
    a_workflow(database)

    at = open_as(page, a_person(database, "Rita", Role.REVIEWER))

    assert "None of your roles here" in told(at)
    assert not at.button


def test_nobody_sees_the_tokens_of_others(open_as: Callable[..., AppTest], database: Database) -> None:
    a_workflow(database)
    ina, ada = a_person(database, "Ina", Role.INTEGRATOR), a_person(database, "Ada", Role.ADMINISTRATOR)
    at = open_as(page, ina)
    at.text_input(key="token-name").set_value("ERP")
    at.button(key="token-make").click().run()

    other = open_as(page, ada)

    assert not other.dataframe
    assert "ERP" not in told(other)

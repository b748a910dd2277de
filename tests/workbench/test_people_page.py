"""The People page: who sees it, and what its buttons do."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from review_queue.roles import Grant, Role
from storage import people
from storage.tree import path_of
from tests.builders import a_person
from tests.house import House
from workbench.settings import settings

PAGE = str(Path(__file__).parents[2] / "pages" / "people.py")


@pytest.fixture
def database_url(sqlite_url):
    """What a page draws does not depend on the database beneath the actions, which are tested on both."""
    return sqlite_url


@pytest.fixture
def house(database):
    return House(database)


@pytest.fixture
def ada(database, house):
    return a_person(database, "Ida", Role.ADMINISTRATOR)


@pytest.fixture
def opened(database, database_url, monkeypatch):
    """Open the page as somebody."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()

    def open_page(person_id):
        def user():
            with database.reading() as session:
                return people.principal(session, person_id)

        monkeypatch.setattr("workbench.session.require_user", user)
        return AppTest.from_file(PAGE, default_timeout=60).run()

    yield open_page
    settings.cache_clear()


def words(at):
    assert not at.exception
    kinds = (at.caption, at.text, at.info, at.success, at.warning, at.markdown)
    return " ".join(each.value for kind in kinds for each in kind).replace("\\", "")


def grants_of(database, person_id):
    with database.reading() as session:
        return people.principal(session, person_id).grants


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_nobody_but_an_administrator_sees_who_may_what(database, opened, role):
    at = opened(a_person(database, "Bo", role))

    assert "may not change people and roles" in words(at)
    assert (len(at.dataframe), len(at.button), len(at.selectbox)) == (0, 0, 0)


def test_a_role_is_given_in_a_part_of_a_workflow_and_taken_back(database, house, ada, opened):
    bo = a_person(database, "Bo")
    at = opened(ada)
    assert list(at.dataframe[0].value["name"]) == ["Ada", "Ida", "Bo"]

    at = at.selectbox(key="people-person").select(bo).run()
    assert "None yet" in words(at)
    at = at.selectbox(key="people-workflow").select(house.workflow.id).run()
    at.selectbox(key="people-segment").select(path_of(["Victoria"]))
    at = at.button(key="people-grant").click().run()

    assert "Bo is reviewer now." in words(at)
    assert "Reviewer in Retail: Victoria" in words(at)
    assert "given by Ida" in words(at)
    assert grants_of(database, bo) == (Grant(Role.REVIEWER, house.workflow.id, path_of(["Victoria"])),)
    at = at.button(key=f"revoke-{bo}-0").click().run()
    assert "no longer reviewer" in words(at)
    assert grants_of(database, bo) == ()


def test_an_administrator_is_made_by_two(database, house, ada, opened):
    other, bo = a_person(database, "Olaf", Role.ADMINISTRATOR), a_person(database, "Bo")
    at = opened(ada)
    at = at.selectbox(key="people-person").select(bo).run()
    at.selectbox(key="people-role").select(Role.ADMINISTRATOR)
    at = at.button(key="people-grant").click().run()

    assert "Another administrator has to agree" in words(at)
    assert [button.label for button in at.button if button.key and button.key.startswith("agree")] == []
    at = opened(other)
    assert "Bo as administrator, asked for by Ida" in words(at)
    at = at.button(key="agree-1").click().run()
    assert "Bo is administrator now." in words(at)
    assert grants_of(database, bo) == (Grant(Role.ADMINISTRATOR),)


def test_an_account_is_shut_opened_and_erased_with_the_effect_shown_first(database, house, ada, opened):
    bo = a_person(database, "Bo Canary", Role.REVIEWER)
    at = opened(ada)
    at = at.selectbox(key="people-person").select(bo).run()
    at = at.button(key=f"disable-{bo}").click().run()
    assert "The account of Bo Canary is shut." in words(at)
    at = at.button(key=f"enable-{bo}").click().run()
    assert "can work here again" in words(at)

    at.session_state[f"erase-panel-{bo}"] = True
    at = at.run()
    assert "What ends: 1 role" in words(at)
    at.text_input(key=f"erase-reason-{bo}").input("They asked for it.")
    at = at.button(key=f"FormSubmitter:erase-{bo}-Erase for good").click().run()
    assert "Nothing was changed" in words(at)
    at.checkbox(key=f"erase-sure-{bo}").check()
    at = at.button(key=f"FormSubmitter:erase-{bo}-Erase for good").click().run()

    assert f"Person {bo} is erased" in words(at)
    assert f"Erased person {bo}" in list(at.dataframe[0].value["name"])
    assert "Bo Canary" not in words(at)

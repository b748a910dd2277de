"""The question on My desk: asked of reviewers, answered with a press, and gone."""

from __future__ import annotations

import pytest

from review_queue.roles import Role
from tests.builders import a_person, a_workflow
from workbench.actions import noting


def desk_page() -> None:
    """The question alone, as My desk draws it."""
    import streamlit as st

    from storage import people, workflows
    from workbench.pulse_parts import pulse
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
        workflow = workflows.get(session, "sales")
    pulse(user, database(), workflow)


@pytest.fixture
def workflow(database):
    return a_workflow(database)


def test_a_reviewer_answers_with_one_press_and_is_thanked(database, workflow, open_as):
    ada = a_person(database, "Ada", Role.REVIEWER)
    at = open_as(desk_page, ada)

    at.button_group[0].select("4").run()

    assert not at.exception
    assert not at.button_group
    assert at.caption[0].value.startswith("Thank you")
    assert noting.pulse_counts(database, person_id=ada, workflow=workflow)[4] == 1


def test_nobody_else_is_asked(database, workflow, open_as):
    at = open_as(desk_page, a_person(database, "Mia", Role.MANAGER))

    assert not at.exception
    assert not at.button_group

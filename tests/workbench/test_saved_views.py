"""Views of the queue: kept under a name, for oneself or for everybody, and no more than a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select
from streamlit.testing.v1 import AppTest

from review_queue.errors import NotAllowed, ViewRefused
from review_queue.roles import Role
from storage.tables import saved_views
from tests.builders import a_person, a_workflow, bring_in
from workbench import auth, session, view_parts
from workbench.actions import saving_views
from workbench.settings import settings

ROWS = """series,period,ai_forecast,human_forecast,segment_region
acme,2026-12,1000,1400,North
bolt,2026-12,1000,1300,South
cord,2026-12,1000,1001,South
"""
NORTH = {"segment": ["North"]}


@pytest.fixture
def workflow(database):
    found = a_workflow(database, segments=["region"], audit_share=0.0)
    bring_in(database, found, ROWS)
    return found


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def ben(database):
    return a_person(database, "Ben", Role.REVIEWER)


def save(database, person, workflow, name="Mine", link=NORTH, *, shared=False):
    asked = {"person_id": person, "workflow_id": workflow.id, "page": "queue"}
    return saving_views.save_view(database, **asked, name=name, link=link, is_shared=shared)


def known(database, person, workflow):
    found = saving_views.list_views(database, person_id=person, workflow_id=workflow.id, page="queue")
    return [(view.name, view.owner, view.link) for view in found]


def test_a_view_is_ones_own_or_everybodys(database, workflow, ada, ben):
    save(database, ada, workflow, "  The   north ")
    save(database, ada, workflow, "Everything due", {"lane": ["0"]}, shared=True)

    due = ("Everything due", "Ada", {"lane": ["0"]})
    assert known(database, ada, workflow) == [due, ("The north", "Ada", NORTH)]
    assert known(database, ben, workflow) == [due]


@pytest.mark.parametrize(
    ("name", "link", "sentence"),
    [
        (" ", NORTH, "Give the view a name first."),
        ("x" * 61, NORTH, "60 is the most"),
        ("Mine", {}, "nothing to save"),
        ("Mine", {"lane": []}, "nothing to save"),
        ("Mine", {"search": ["x" * 500]}, "too long"),
    ],
)
def test_a_view_that_makes_no_sense_is_refused(database, workflow, ada, name, link, sentence):
    with pytest.raises(ViewRefused, match=sentence):
        save(database, ada, workflow, name, link)


def test_a_name_is_taken_by_a_view_of_ones_own_or_one_that_is_shared(database, workflow, ada, ben):
    save(database, ada, workflow, "North")
    save(database, ada, workflow, "Due", {"lane": ["0"]}, shared=True)

    with pytest.raises(ViewRefused, match="You have a view called North already"):
        save(database, ada, workflow, "north", {"lane": ["1"]})
    with pytest.raises(ViewRefused, match="Ada shares a view called Due already"):
        save(database, ben, workflow, "DUE")
    save(database, ben, workflow, "North")  # what Ada keeps to herself is in nobody's way


def test_a_press_that_comes_twice_saves_once(database, workflow, ada):
    assert save(database, ada, workflow) == save(database, ada, workflow)

    with database.reading() as found:
        assert found.execute(select(func.count()).select_from(saved_views)).scalar_one() == 1


def test_a_view_is_deleted_by_whose_it_is_and_once_is_enough(database, workflow, ada, ben):
    view = save(database, ada, workflow, shared=True)

    with pytest.raises(ViewRefused, match="Mine is Ada's view, and only they can delete it"):
        saving_views.delete_view(database, person_id=ben, view_id=view)
    for _ in range(2):
        saving_views.delete_view(database, person_id=ada, view_id=view)
    assert known(database, ben, workflow) == []


def test_a_view_that_is_not_shared_is_told_to_nobody_else(database, workflow, ada, ben):
    view = save(database, ada, workflow)

    saving_views.delete_view(database, person_id=ben, view_id=view)  # as if there were none

    found = saving_views.list_views(database, person_id=ada, workflow_id=workflow.id, page="queue")
    assert [each.id for each in found] == [view]


def test_views_are_for_those_who_see_the_queue(database, workflow):
    nobody = a_person(database, "Nob")

    with pytest.raises(NotAllowed):
        save(database, nobody, workflow)
    with pytest.raises(NotAllowed):
        known(database, nobody, workflow)


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.fixture
def open_queue(database_url, monkeypatch):
    """Open the Queue as somebody, by a link."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()
    monkeypatch.setattr(session, "browser", lambda: "token")

    def opened(role, **link):
        auth.sign_in_as(session.database(), "token", role)
        at = AppTest.from_file(str(Path(__file__).parents[2] / "pages" / "queue.py"), default_timeout=60)
        for name, value in link.items():
            at.query_params[name] = value
        return at.run()

    yield opened
    settings.cache_clear()


def views(at):
    assert not at.exception
    return next(box for box in at.selectbox if box.label == "View")


def has_views(at) -> bool:
    assert not at.exception
    return any(box.label == "View" for box in at.selectbox)


def shown(at):
    return list(at.dataframe[0].value["series"])


def press(at, label):
    next(button for button in at.button if button.label == label).click()
    return at.run()


def test_a_view_is_saved_chosen_and_deleted_on_the_page(database, workflow, open_queue):
    at = open_queue(Role.REVIEWER, search="o")
    assert shown(at) == ["bolt", "cord"]
    assert not has_views(at)
    next(field for field in at.text_input if field.label == "Name").set_value("With an *o*")
    press(at, "Save")
    assert views(at).options == ["With an *o*"]

    at = open_queue(Role.REVIEWER)
    assert views(at).value is None
    views(at).select_index(0).run()
    assert shown(at) == ["bolt", "cord"]
    assert next(field for field in at.text_input if field.label == "Search").value == "o"
    next(field for field in at.text_input if field.label == "Search").set_value("bolt").run()
    assert views(at).value is None  # another filter is another view
    views(at).select_index(0).run()

    press(at, "Delete view")
    assert not has_views(at)
    assert shown(at) == ["bolt", "cord"]


def test_a_view_of_what_one_may_not_see_is_not_offered(database, workflow, ada, open_queue):
    save(database, ada, workflow, "Gone", {"segment": ["West"]}, shared=True)
    save(database, ada, workflow, "South", {"segment": ["South"], "lane": ["1"]}, shared=True)

    at = open_queue(Role.REVIEWER)

    assert views(at).options == ["South (Ada)"]
    views(at).select_index(0).run()
    assert shown(at) == ["bolt"]
    assert "Delete view" not in [button.label for button in at.button]


def test_every_field_of_the_filter_is_kept_in_a_view(database, workflow, open_queue):
    at = open_queue(Role.REVIEWER)

    keyed = {element.key for kind in (at.multiselect, at.selectbox, at.text_input, at.toggle) for element in kind}
    assert {key for key in keyed if key and not key.startswith(("queue-", "view-"))} == set(view_parts.NOTHING)

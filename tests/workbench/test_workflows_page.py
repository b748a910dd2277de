"""The Workflows page: what it says, and what its owner does there."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from review_queue.roles import Role
from review_queue.showing import AiValues
from storage import people, showings, workflows
from tests.builders import a_person, a_workflow, bring_in, forecasts
from workbench.settings import settings

PAGE = str(Path(__file__).parents[2] / "pages" / "workflows.py")


@pytest.fixture
def database_url(sqlite_url):
    """What a page draws does not depend on the database beneath the actions, which are tested on both."""
    return sqlite_url


@pytest.fixture
def sales(database):
    workflow = a_workflow(database, segments=("region",), scope={"region": ("North",)}, fallback="naive")
    rows = forecasts(2).replace("series,", "segment_region,series,").replace("acme-", "North,acme-")
    bring_in(database, workflow, rows + "South,acme-3,2026-12,1,1,1,1,m-1\n")
    return workflow


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
        return AppTest.from_file(PAGE, default_timeout=120).run()

    yield open_page
    settings.cache_clear()


@pytest.fixture
def olga(database, sales):
    with database.reading() as session:
        return people.find(session, "test", "owner")


def words(at):
    assert not at.exception
    kinds = (at.markdown, at.caption, at.text, at.info, at.success, at.warning)
    return " ".join(each.value for kind in kinds for each in kind).replace("\\", "").replace("\u2060", "")


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_everybody_reads_what_it_is_and_only_the_owner_changes_it(database, sales, opened, olga):
    at = opened(a_person(database, "Rita", Role.REVIEWER))

    said = words(at)
    assert "It is open." in said
    assert "o@example.com owns it; nobody stands in." in said
    assert "Every item shows the newest value that came." in said
    assert "A change of m-1 touches 2 open items in 1 workflow." in said
    assert "most of them South (1)" in said
    assert list(at.dataframe[0].value["State"]) == ["open"]
    assert {button.label for button in at.button} == {"Escalation ladder and test of the override path"}
    assert at.code[0].value.startswith('key = "sales"')


def test_the_owner_sees_what_a_pause_does_and_pauses(database, sales, opened, olga):
    at = opened(olga)
    assert "Change what is shown" in [each.label for each in at.expander]

    at = at.radio(key="values-sales").set_value(AiValues.PAUSED).run()
    assert "2 of 2 open items would read differently. 2 would no longer show the AI's value" in words(at)
    at = press(at, "Pause")
    assert "A note is needed." in words(at)
    at.text_area(key="showing-note-sales").input("It doubled.")
    at = press(at, "Pause")

    said = words(at)
    assert "The AI's values are paused. 2 open items changed." in said
    assert "It doubled." in said
    assert list(at.dataframe[0].value["State"]) == ["paused"]
    with database.reading() as session:
        assert showings.of(session, sales.id).values is AiValues.PAUSED


def test_the_owner_edits_the_policy_as_text_and_hands_over(database, sales, opened, olga):
    at = opened(olga)
    text = at.text_area(key="policy-sales-1")
    text.input(text.value + "\ntolerance = 2.0\n")
    at = at.toggle(key="see-policy-sales-1").set_value(True).run()
    assert "The policy cannot be taken: scope.tolerance" in words(at)  # it stands behind the last table, [scope]
    at.text_area(key="policy-sales-1").input("tolerance = 0.02\n" + text.value.split("\ntolerance")[0])
    at = at.run()
    assert [list(frame.value["Setting"]) for frame in at.dataframe if "Setting" in frame.value] == [["tolerance"]]
    at = press(at, "Put in force")
    assert "Version 2 of the policy is in force." in words(at)

    at.text_input(key="deputy-sales").input("d@example.com")
    at.text_area(key="handover-note-sales").input("For the holidays.")
    at = press(at, "Hand over")

    said = words(at)
    assert "o@example.com owns it; d@example.com stands in." in said
    assert "Deputy: nobody → d@example.com For the holidays." in said
    with database.reading() as session:
        changed = workflows.get(session, "sales")
    assert (changed.policy.tolerance, changed.policy.deputy, changed.policy_version) == (0.02, "d@example.com", 3)

"""A sitting at the Review screen, without the screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from review_queue.items import Outcome, State
from review_queue.roles import Role
from storage.tables import decisions, items
from tests.builders import a_person, a_workflow, bring_in, forecasts
from workbench.actions import assigning, reviewing
from workbench.settings import settings
from workbench.sitting import Sitting


@pytest.fixture
def as_people_press(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With the settings that a server has unless it is told otherwise."""
    monkeypatch.delenv("WORKBENCH_DOUBLE_CLICK_MS")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("day", "opening"),
    [
        ("2099-12-22", datetime(2099, 12, 22, 7, 30, tzinfo=UTC)),  # a Tuesday in Berlin
        ("2099-12-26", datetime(2099, 12, 28, 7, 30, tzinfo=UTC)),  # Boxing Day on a Saturday
        ("2099-12-25", datetime(2099, 12, 28, 7, 30, tzinfo=UTC)),
        ("2099-07-01", datetime(2099, 7, 1, 6, 30, tzinfo=UTC)),  # in summer time
    ],
)
def test_an_item_that_is_put_off_to_a_day_comes_back_when_work_begins_that_day_or_next(database, day, opening):
    workflow = a_workflow(database, timezone="Europe/Berlin", calendar={"start_hour": 8.5, "country": "DE"})
    bring_in(database, workflow, forecasts(1))
    sitting = Sitting(database, a_person(database, "Ada", Role.REVIEWER), workflow)
    sitting.arrive(None)
    sitting.press(sitting.form, Outcome.DEFER)
    sitting.draft["until"] = day

    sitting.save(sitting.form)

    assert sitting.notice.kind == "saved"
    with database.reading() as session:
        assert session.execute(select(items.c.state, items.c.available_at)).one() == (State.DEFERRED, opening)


@pytest.mark.usefixtures("as_people_press")
def test_the_second_half_of_a_double_click_decides_nothing_of_the_item_that_came_up(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(3))
    sitting = Sitting(database, a_person(database, "Ada", Role.REVIEWER), workflow)
    sitting.arrive(None)

    def press_what_lies_open() -> int:
        sitting.press(sitting.form, Outcome.ACCEPT_AI)
        sitting.settle()
        with database.reading() as session:
            return session.execute(select(func.count()).select_from(decisions)).scalar_one()

    assert press_what_lies_open() == 1
    assert press_what_lies_open() == 1
    assert sitting.notice.kind == "saved"  # what was said of the first still stands
    sitting.saved_at -= 0.6
    assert press_what_lies_open() == 2


@pytest.fixture
def adjusting(database, monkeypatch) -> tuple[Sitting, dict[str, object]]:
    """An item of 1,000 by the AI and 1,600 by hand, with 1,250 typed over the AI's, and what the browser then sends."""
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1, step=600))
    sitting = Sitting(database, a_person(database, "Ada", Role.REVIEWER), workflow)
    sitting.arrive(None)
    sent: dict[str, object] = {}
    monkeypatch.setattr("workbench.typed.st.session_state", sent)
    sent[sitting.widget("final")] = 1250.0
    sitting.typed(sitting.form, "final")
    return sitting, sent


@pytest.mark.parametrize(("way", "shown"), [("between", 40.0), ("between", 0.0), ("percent", 25.0), ("percent", 0.0)])
def test_a_field_that_only_shows_the_final_value_another_way_never_moves_it(adjusting, way, shown):
    sitting, sent = adjusting

    sent[sitting.widget(way)] = shown  # what it shows now, rounded to its steps, or showed a moment ago
    sitting.said_otherwise(sitting.form, way)

    assert sitting.final == 1250.0


@pytest.mark.parametrize(("way", "moved", "final"), [("between", 50.0, 1300.0), ("percent", 10.0, 1100.0)])
def test_a_field_that_somebody_moves_does(adjusting, way, moved, final):
    sitting, sent = adjusting

    sent[sitting.widget(way)] = moved
    sitting.said_otherwise(sitting.form, way)

    assert sitting.final == final


def test_what_the_next_card_needs_is_read_ahead_and_claims_nothing(database):
    workflow = a_workflow(database, segments=["region"])
    bring_in(database, workflow, forecasts(2, step=500.0))
    ada, bob = (a_person(database, name, Role.REVIEWER) for name in ("Ada", "Bob"))
    sitting = Sitting(database, ada, workflow)
    sitting.arrive(None)

    sitting.look_ahead()
    _, found, _ = sitting.ahead
    sitting.press(sitting.form, Outcome.ACCEPT_AI)
    sitting.settle()

    assert found.item.id == sitting.desk.item.id
    assert sitting.surroundings() is found.around
    assert sitting.story() is found.story
    assert sitting.story() is not found.story  # the next drawing asks again
    assert reviewing.take_next(database, person_id=bob, workflow=workflow) is None


def test_what_was_read_ahead_does_not_count_once_the_item_was_given_to_somebody(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(2, step=500.0))
    ada, mara = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Mara", Role.MANAGER)
    sitting = Sitting(database, ada, workflow)
    sitting.arrive(None)
    sitting.look_ahead()
    _, found, _ = sitting.ahead
    given = {"item_ids": [found.item.id], "to": ada, "note": "You know them."}
    assigning.assign_items(database, person_id=mara, workflow=workflow, **given)

    sitting.press(sitting.form, Outcome.ACCEPT_AI)
    sitting.settle()

    assert sitting.story().given == ("Mara", "You know them.")


def test_nothing_is_read_ahead_of_an_item_whose_ai_value_is_to_be_hidden(database):
    workflow = a_workflow(database, human_first_share=1.0)
    bring_in(database, workflow, forecasts(2, step=500.0))
    sitting = Sitting(database, a_person(database, "Ada", Role.REVIEWER), workflow)
    sitting.arrive(None)

    sitting.look_ahead()

    assert sitting.ahead[1] is None

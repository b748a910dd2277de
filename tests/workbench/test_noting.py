"""What else changed, and whether the workbench helps: noted by those who may, and told without names."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from review_queue.errors import NotAllowed, NoteRefused
from review_queue.roles import Role
from storage import pulses
from tests.builders import a_person, a_workflow
from workbench.actions import noting

MAY = date(2025, 5, 12)


@pytest.fixture
def workflow(database):
    return a_workflow(database)


@pytest.fixture
def mia(database):
    return a_person(database, "Mia", Role.MANAGER)


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def note(database, person, workflow, what, day=MAY):
    return noting.note_happening(database, person_id=person, workflow_id=workflow.id, day=day, what=what)


def noted(database, person, workflow):
    found = noting.list_happenings(database, person_id=person, workflow_id=workflow.id)
    return [(one.day, one.what, one.noted_by) for one in found]


def test_what_else_changed_is_told_by_day_to_whoever_sees_analytics(database, workflow, mia, ada):
    note(database, mia, workflow, "  A new   CRM ", date(2025, 6, 1))
    note(database, mia, workflow, "Two people left")

    told = noted(database, ada, workflow)

    assert told == [(MAY, "Two people left", "Mia"), (date(2025, 6, 1), "A new CRM", "Mia")]


def test_the_same_noted_twice_is_there_once(database, workflow, mia):
    assert note(database, mia, workflow, "A new CRM") == note(database, mia, workflow, "A new CRM")
    assert len(noted(database, mia, workflow)) == 1


@pytest.mark.parametrize(("what", "said"), [("  ", "Say what happened"), ("x" * 401, "401 characters")])
def test_nothing_and_too_much_are_refused(database, workflow, mia, what, said):
    with pytest.raises(NoteRefused, match=said):
        note(database, mia, workflow, what)


def test_who_neither_governs_nor_assigns_notes_nothing(database, workflow, ada):
    with pytest.raises(NotAllowed, match="note what else changed"):
        note(database, ada, workflow, "A new CRM")


def test_a_reviewer_is_asked_once_a_month(database, workflow, ada, mia):
    asked = {"person_id": ada, "workflow": workflow}
    before = noting.is_pulse_due(database, **asked)
    noting.answer_pulse(database, **asked, answer=4)

    assert (before, noting.is_pulse_due(database, **asked)) == (True, False)
    assert not noting.is_pulse_due(database, person_id=mia, workflow=workflow)


def test_of_each_person_the_last_answer_of_three_months_counts(database, workflow, ada, mia):
    months = [noting._month(datetime.now(UTC).date(), back=back) for back in (3, 2, 1)]
    with database.writing() as session:
        for person, month, answer in [(mia, months[0], 1), (ada, months[1], 2), (ada, months[2], 3)]:
            pulses.add(session, workflow_id=workflow.id, person_id=person, month=month, answer=answer)
    noting.answer_pulse(database, person_id=ada, workflow=workflow, answer=4)
    noting.answer_pulse(database, person_id=ada, workflow=workflow, answer=5)

    counts = noting.pulse_counts(database, person_id=mia, workflow=workflow)

    assert counts == {1: 0, 2: 0, 3: 0, 4: 0, 5: 1}


def test_only_numbers_from_1_to_5_and_only_reviewers_answer(database, workflow, ada, mia):
    with pytest.raises(NoteRefused, match="from 1 to 5"):
        noting.answer_pulse(database, person_id=ada, workflow=workflow, answer=6)
    with pytest.raises(NotAllowed):
        noting.answer_pulse(database, person_id=mia, workflow=workflow, answer=5)


def test_months_go_back_over_the_new_year():
    assert noting._month(date(2025, 1, 31), back=2) == "2024-11"
    assert noting._month(date(2025, 12, 1)) == "2025-12"


def test_reviewers_are_those_who_may_review(database, workflow, ada, mia):
    found = noting.reviewers(database, person_id=mia, workflow_id=workflow.id)

    assert [who.name for who in found] == ["Ada", "Olga"]

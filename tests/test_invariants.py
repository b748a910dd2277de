"""The invariants hold of a day's ordinary work, and each one speaks up when its table is bent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from review_queue.errors import ReviewError
from review_queue.items import Act, Outcome, State
from review_queue.roles import Role
from storage.tables import audit_events, decisions, grants, items, outbox, reasons
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from tests.invariants import (
    Answer,
    Attempt,
    Told,
    attempt_of,
    commits_reach_the_disk,
    the_file_is_whole,
    violations,
)
from tests.tampering import unguarded
from workbench.actions import reviewing


@pytest.fixture
def told(database) -> Told:
    """A few decisions of each kind, two of them undone, one refused."""
    workflow = a_workflow(database)
    ada, ben = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Ben", Role.DIRECTOR)
    bring_in(database, workflow, forecasts(9))
    attempts = []
    asked = [
        (ada, Outcome.ACCEPT_AI, {}),
        (ben, Outcome.ADJUST, {"value": 1500.0, "reason": BECAUSE}),
        (ada, Outcome.KEEP_MANUAL, {"reason": BECAUSE}),
        (ada, Outcome.ESCALATE, {"note": "Too big for me."}),
        (ben, Outcome.DEFER, {"until": datetime(2100, 1, 4, 9, tzinfo=UTC)}),
        (ada, Outcome.SEND_BACK, {"note": "Which one?"}),
        (ada, Outcome.KEEP_MANUAL, {}),
    ]
    for number, (person, outcome, changes) in enumerate(asked):
        desk = take(database, person, workflow)
        choice = choose(desk, outcome, key=f"key-{number}", **changes)
        shown = (desk.item.ai.value, desk.item.manual.value)
        try:
            done = reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)
        except ReviewError as refusal:
            attempts.append(attempt_of(choice, person, Answer.REFUSED, shown=shown, code=refusal.code))
            continue
        attempts.append(attempt_of(choice, person, Answer.SAVED, decision=done, shown=shown))
        if outcome in (Outcome.ACCEPT_AI, Outcome.ESCALATE):
            key = f"undo-{number}"
            undone = reviewing.undo(database, person_id=person, workflow=workflow, decision_id=done.id, key=key)
            attempts.append(Attempt(key, person, Answer.SAVED, Act.UNDO, undoes=done.id, decision_id=undone.id))
    return Told(tuple(attempts), expired=frozenset())


def bend(database, *statements) -> None:
    with unguarded(database) as connection:
        for statement in statements:
            connection.execute(statement)


def test_ordinary_work_violates_nothing(database, told):
    assert violations(database, told) == []
    assert commits_reach_the_disk(database) == []
    assert the_file_is_whole(database) == []


BENT = {
    "I1": lambda: [update(decisions).where(decisions.c.id == 3).values(final_value=1.0)],
    "I3": lambda: [update(decisions).where(decisions.c.id == 3).values(actor_id=1)],
    "I2": lambda: [
        update(decisions).where(decisions.c.id == 1).values(supersedes_id=None),
        update(decisions).where(decisions.c.act == Act.UNDO).values(supersedes_id=None),
    ],
    "I4/I16": lambda: [update(decisions).where(decisions.c.id == 3).values(fence=7)],
    "I5": lambda: [update(items).where(items.c.id == 1).values(state=State.DECIDED)],
    "I6": lambda: [
        update(items).where(items.c.state == State.READY).values(available_at=datetime(2100, 1, 1, tzinfo=UTC))
    ],
    "I7": lambda: [update(audit_events).where(audit_events.c.id == 2).values(actor_id=1)],
    "I8": lambda: [delete(audit_events).where(audit_events.c.action == "decision.made")],
    "I9": lambda: [delete(outbox).where(outbox.c.topic == "decision.made")],
    "I10": lambda: [delete(reasons)],
    "I11": lambda: [update(decisions).where(decisions.c.id == 3).values(ai_value=1.0)],
    "I12": lambda: [
        update(items).values(state=State.CLAIMED, claimed_by=2, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    ],
    "I13": lambda: [delete(grants).where(grants.c.role == Role.REVIEWER)],
    "I17": lambda: [update(audit_events).where(audit_events.c.action == "decision.made").values(details={})],
}


@pytest.mark.parametrize("number", BENT)
def test_each_invariant_speaks_up(database, told, number):
    bend(database, *BENT[number]())

    assert any(slip.startswith(f"{number}: ") for slip in violations(database, told))


def test_a_decision_that_nobody_sent_is_seen(database, told):
    unsent = Told(tuple(attempt for attempt in told.attempts if attempt.key != "key-1"))

    assert any("was sent by nobody" in slip for slip in violations(database, unsent))


@pytest.mark.parametrize("answers", [(Answer.REFUSED,), (Answer.REFUSED, Answer.REPLAYED)])
def test_nothing_was_saved_may_not_be_said_of_what_was(database, told, answers):
    first, *others = told.attempts
    lied = (replace(first, answer=answer, code="DATABASE_AWAY") for answer in answers)

    found = violations(database, Told((*lied, *others)))

    assert any(slip.startswith("I10: ") for slip in found)

"""Check items, met by people: told at once, decided never, and out of reach of all that counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from review_queue.errors import KeyReused, ReasonRequired, StaleContent
from review_queue.items import Outcome, SkipReason, State
from review_queue.roles import Role
from storage import checks as stored
from storage.engine import database_now
from storage.tables import actuals, audit_events, checks, decisions, items, outbox, reasons
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import known_reviews, reads
from workbench.actions import checking, reconciling, reviewing
from workbench.sitting import Sitting


@pytest.fixture
def workflow(database):
    found = a_workflow(database, check_share=0.2, audit_share=0.0)
    always = found.policy.model_copy(update={"check_share": 1.0})  # beyond what an owner may ask for
    bring_in(database, found, forecasts(3, step=150.0))
    return replace(found, policy=always)


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def meet(database, workflow, person, desk, outcome=Outcome.ACCEPT_AI, *, key="check-1", **changes):
    choice = choose(desk, outcome, key=key, **changes)
    return checking.answer_check(database, person_id=person, workflow=workflow, choice=choice)


def again(database, workflow, person, desk):
    return reviewing.open_item(database, person_id=person, workflow=workflow, item_id=desk.item.id)


def count(database, table):
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_check_is_met_told_and_then_the_item_is_decided_with_the_ais_own_value(database, workflow, ada):
    desk = take(database, ada, workflow)
    assert desk.is_check
    assert desk.item.ai.value != 1000.0

    answer = meet(database, workflow, ada, desk)
    real = again(database, workflow, ada, desk)

    assert (answer.true_value, answer.is_caught, answer.planted.value) == (1000.0, False, desk.item.ai.value)
    assert (real.is_check, real.is_after_check, real.item.ai.value, real.mine) == (False, True, 1000.0, True)
    done = reviewing.submit_decision(
        database, person_id=ada, workflow=workflow, choice=choose(real, Outcome.ACCEPT_AI, key="real")
    )
    assert (done.final_value, done.is_override) == (1000.0, False)


def test_an_override_of_a_planted_value_needs_its_reason_as_ever_and_catches_it(database, workflow, ada):
    desk = take(database, ada, workflow)

    with pytest.raises(ReasonRequired):
        meet(database, workflow, ada, desk, Outcome.ADJUST, value=1100.0)
    answer = meet(database, workflow, ada, desk, Outcome.ADJUST, value=1100.0, reason=BECAUSE)

    assert answer.is_caught


def test_the_same_answer_sent_twice_is_stored_once_and_another_under_its_key_is_refused(database, workflow, ada):
    desk = take(database, ada, workflow)

    first, repeated = (meet(database, workflow, ada, desk) for _ in range(2))

    assert first == repeated
    assert count(database, checks) == 1
    with pytest.raises(KeyReused):
        meet(database, workflow, ada, desk, Outcome.ESCALATE, note="Look.")


def test_a_choice_made_on_a_planted_value_never_becomes_a_decision(database, workflow, ada):
    desk = take(database, ada, workflow)

    with pytest.raises(StaleContent):
        reviewing.submit_decision(
            database, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key="wrong way")
        )

    assert count(database, decisions) == 0


def test_one_check_a_day_and_person(database, workflow, ada):
    desk = take(database, ada, workflow)
    meet(database, workflow, ada, desk)
    real = again(database, workflow, ada, desk)
    reviewing.submit_decision(
        database, person_id=ada, workflow=workflow, choice=choose(real, Outcome.ACCEPT_AI, key="real")
    )

    assert not take(database, ada, workflow).is_check


def test_an_unmet_check_waits_for_the_same_person_and_nobody_else_sees_it(database, workflow, ada):
    desk = take(database, ada, workflow)
    reviewing.skip_item(database, person_id=ada, item_id=desk.item.id, fence=desk.item.fence, reason=SkipReason.LATER)
    off = replace(workflow, policy=workflow.policy.model_copy(update={"check_share": 0.0001}))

    ben = a_person(database, "Ben", Role.REVIEWER)
    bens = reviewing.open_item(database, person_id=ben, workflow=off, item_id=desk.item.id)
    assert (bens.mine, bens.is_check, bens.item.ai.value) == (True, False, 1000.0)
    reviewing.skip_item(database, person_id=ben, item_id=bens.item.id, fence=bens.item.fence, reason=SkipReason.LATER)
    assert again(database, workflow, ada, desk).item.ai.value == desk.item.ai.value


# --- what a check can never reach ----------------------------------------------------------------------------------


@pytest.fixture
def met(database, workflow, ada):
    """What counted before and after a planted value was accepted; the item is still undecided."""
    director = a_person(database, "Dora", Role.DIRECTOR)

    def everything():
        plan = reconciling.look(database, person_id=director, workflow=workflow, period="2026-12")
        known = known_reviews.read(database, person_id=director, workflow_key=workflow.key)
        return {
            "totals": plan.totals[["ai", "manual", "plan", "gross"]].to_numpy().tolist(),
            "analytics": known.table[["ai", "manual", "final", "actual", "outcome"]].astype(str).to_numpy().tolist(),
            "export": reads.past_decisions(database, person_id=director, workflow_id=workflow.id).to_numpy().tolist(),
            "decisions": count(database, decisions) + count(database, reasons),
            "webhooks": count(database, outbox),
            "actuals": count(database, actuals),
        }

    before = everything()
    desk = take(database, ada, workflow)
    meet(database, workflow, ada, desk)
    return before, everything(), desk


@pytest.mark.parametrize("what", ["totals", "analytics", "export", "decisions", "webhooks", "actuals"])
def test_a_check_never_reaches(met, what):
    before, after, desk = met

    assert after[what] == before[what]
    assert str(desk.item.ai.value) not in str(after[what])


def test_the_item_under_a_check_stays_as_it_was_and_the_check_is_on_record(database, met, ada):
    _, _, desk = met

    with database.reading() as session:
        state, fence = session.execute(select(items.c.state, items.c.fence).where(items.c.id == desk.item.id)).one()
        actions = session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars().all()
    assert (state, fence) == (State.CLAIMED, desk.item.fence)
    assert [action for action in actions if action.startswith("check.")] == ["check.planted", "check.answered"]


def test_how_checks_were_met_is_known_without_whose_they_were(database, workflow, met):
    with database.reading() as session:
        found = stored.met(session, workflow, database_now(session))

    assert found["is_caught"].tolist() == [False]
    assert set(found.columns) == {"planted_at", "answered_at", "flaw", "outcome", "is_caught"}


# --- the screen ----------------------------------------------------------------------------------------------------


def test_the_screen_tells_of_the_check_and_lays_out_the_item_itself(database, workflow, ada):
    sitting = Sitting(database, ada, workflow)
    sitting.arrive(None)
    form, shown = sitting.form, sitting.desk.item

    sitting.press(form, Outcome.ACCEPT_AI)
    sitting.settle()

    assert sitting.notice.sentence.startswith("This was a check item: the AI's 1,000")
    assert "It went through, and nothing of it was stored as a decision" in sitting.notice.sentence
    assert sitting.desk.item.id == shown.id
    assert (sitting.desk.item.ai.value, sitting.can_undo) == (1000.0, False)
    assert sitting.form != form  # nothing that was typed on the planted value stands in the new form
    sitting.press(form, Outcome.ACCEPT_AI)  # a press that was meant for the check
    assert count(database, decisions) == 0

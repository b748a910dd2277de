"""A number named before the AI's is shown; numbers withheld; overrides gone stale, as a reviewer sees them."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from review_queue.errors import ChoiceInvalid, ClaimNotHeld
from review_queue.items import Outcome, State
from review_queue.roles import Role
from storage import workflows
from storage.engine import Database
from storage.tables import decisions, forecasts, items
from storage.workflows import Workflow
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from tests.builders import forecasts as rows_of
from tests.invariants import violations
from workbench import reads
from workbench.actions import reconciling, reviewing
from workbench.actions.reconciling import Edit, ReconcilingRefused
from workbench.actions.reviewing import Desk
from workbench.reads import Filter


@pytest.fixture
def workflow(database: Database) -> Workflow:
    made = a_workflow(database, human_first_share=1.0)
    bring_in(database, made, rows_of(1, step=300))
    return made


@pytest.fixture
def reviewer(database: Database) -> int:
    return a_person(database, "Rita", Role.REVIEWER)


def name(database: Database, person_id: int, workflow: Workflow, desk: Desk, value: float, *, knew_more: bool = False):
    return reviewing.name_number(
        database,
        person_id=person_id,
        workflow=workflow,
        item_id=desk.item.id,
        fence=desk.item.fence,
        value=value,
        knew_more=knew_more,
    )


def decide(database: Database, person_id: int, workflow: Workflow, desk: Desk, outcome: Outcome, **changes: object):
    choice = choose(desk, outcome, **changes)
    return reviewing.submit_decision(database, person_id=person_id, workflow=workflow, choice=choice)


def stored(database: Database, table=decisions):
    with database.reading() as session:
        return session.execute(select(table)).all()


def test_the_ai_is_shown_once_a_number_is_named_and_both_are_stored(database, workflow, reviewer):
    desk = take(database, reviewer, workflow)
    assert (desk.item.ai, desk.item.awaits_number) == (None, True)

    desk = name(database, reviewer, workflow, desk, 1200.0, knew_more=True)
    assert (desk.item.ai.value, desk.named.value, desk.item.awaits_number) == (1000, 1200, False)
    decide(database, reviewer, workflow, desk, Outcome.ADJUST, value=1150.0, reason=BECAUSE)

    (row,) = stored(database)
    assert (row.mode, row.initial_value, row.knew_more, row.ai_value, row.final_value) == (
        *("human_first", 1200, True),
        *(1000, 1150),
    )
    assert violations(database) == []


@pytest.mark.parametrize("outcome", [Outcome.ACCEPT_AI, Outcome.KEEP_MANUAL])
def test_nothing_final_is_decided_before_a_number_is_named(database, workflow, reviewer, outcome):
    desk = take(database, reviewer, workflow)

    with pytest.raises(ChoiceInvalid, match="name your own number first"):
        decide(database, reviewer, workflow, desk, outcome, reason=BECAUSE)
    assert stored(database) == []


def test_an_item_can_be_passed_on_without_naming_a_number(database, workflow, reviewer):
    desk = take(database, reviewer, workflow)

    assert decide(database, reviewer, workflow, desk, Outcome.ESCALATE, note="Not for me.").outcome is Outcome.ESCALATE


def test_a_number_is_named_once_and_the_same_again_changes_nothing(database, workflow, reviewer):
    desk = take(database, reviewer, workflow)
    name(database, reviewer, workflow, desk, 1200.0)
    name(database, reviewer, workflow, desk, 1200.0)

    with pytest.raises(ChoiceInvalid, match="you named 1,200 before"):
        name(database, reviewer, workflow, desk, 1000.0)


def test_each_person_names_their_own(database, workflow, reviewer):
    desk = take(database, reviewer, workflow)
    name(database, reviewer, workflow, desk, 1200.0)
    other = a_person(database, "Otto", Role.DIRECTOR)
    with pytest.raises(ClaimNotHeld):
        name(database, other, workflow, desk, 900.0)
    decide(database, reviewer, workflow, desk, Outcome.ESCALATE, note="Over to you.")

    assert take(database, other, workflow).item.awaits_number


def test_no_list_gives_the_ai_away_before(database, workflow, reviewer):
    def listed() -> tuple[object, ...]:
        page = reads.open_items(database, person_id=reviewer, workflow_id=workflow.id, wanted=Filter())
        return tuple(page.items[["ai", "u", "why"]].iloc[0])

    ai, u, why = listed()
    assert (ai != ai, u != u) == (True, True)
    assert "usual miss" not in why
    name(database, reviewer, workflow, take(database, reviewer, workflow), 1200.0)
    assert listed()[0] == 1000


def test_a_director_does_not_decide_it_from_the_totals(database, workflow):
    director = a_person(database, "Dana", Role.DIRECTOR)
    seen = reconciling.look(database, person_id=director, workflow=workflow, period="2026-12")
    leaf = seen.leaves.iloc[0]

    assert leaf["is_blind"]
    with pytest.raises(ReconcilingRefused, match="human first"):
        reconciling.set_finals(
            database, person_id=director, workflow=workflow, reason=BECAUSE, key="k",
            edits=[Edit(int(leaf["item"]), 1200.0, leaf["content_hash"])],
        )  # fmt: skip


# --- withheld ------------------------------------------------------------------------------------------------------


@pytest.fixture
def wide(database: Database) -> Workflow:
    made = a_workflow(database, withhold_width=0.1)
    bring_in(database, made, rows_of(1, step=5))
    return made


def test_a_withheld_number_is_not_shown_and_the_reason_is(database, wide, reviewer):
    desk = take(database, reviewer, wide)

    assert desk.item.ai is None
    assert desk.withheld == (
        "The AI's value is withheld: its range is 20% of it, wider than the 10% that this workflow allows."
    )
    assert "Needs judgement" in desk.item.standing.lane.title


def test_it_cannot_be_accepted_and_what_is_decided_is_marked_degraded(database, wide, reviewer):
    desk = take(database, reviewer, wide)

    with pytest.raises(ChoiceInvalid, match="withheld here"):
        decide(database, reviewer, wide, desk, Outcome.ACCEPT_AI)
    decide(database, reviewer, wide, desk, Outcome.KEEP_MANUAL)

    (row,) = stored(database)
    assert (row.is_degraded, row.withheld, row.ai_value, row.is_override) == (True, "too_wide", None, False)


def test_a_decision_with_the_ai_in_sight_is_not_degraded(database, reviewer):
    workflow = a_workflow(database)
    bring_in(database, workflow, rows_of(1))
    decide(database, reviewer, workflow, take(database, reviewer, workflow), Outcome.ACCEPT_AI)

    (row,) = stored(database)
    assert (row.is_degraded, row.withheld, row.mode) == (False, None, "ai_first")


def test_a_number_that_grows_too_old_is_withheld_as_the_clock_moves_on(database, reviewer):
    workflow = a_workflow(database, withhold_after_days=10)
    bring_in(database, workflow, rows_of(1))
    assert take(database, reviewer, workflow).item.ai is not None
    with database.writing() as session:
        long_ago = select(forecasts.c.received_at).limit(1)
        then = session.execute(long_ago).scalar_one().replace(year=2020)
        session.execute(update(forecasts).values(received_at=then))
        session.execute(update(items).values(placed_until=then, available_at=then, state=State.READY))

    reviewing.keep_order(database, {})

    desk = take(database, reviewer, workflow)
    assert desk.item.ai is None
    assert "days old, and 10 are allowed" in desk.withheld


def test_a_withheld_number_is_part_of_no_total(database, wide):
    director = a_person(database, "Dana", Role.DIRECTOR)

    seen = reconciling.look(database, person_id=director, workflow=wide, period="2026-12")
    assert seen.totals["ai"].isna().all()
    assert seen.leaves["plan"].tolist() == [1005]


# --- stale ---------------------------------------------------------------------------------------------------------


def test_whoever_gets_a_stale_override_reads_what_moved_and_what_it_was(database, reviewer):
    workflow = a_workflow(database)
    bring_in(database, workflow, rows_of(1, step=300))
    decide(
        database, reviewer, workflow, take(database, reviewer, workflow), Outcome.ADJUST, value=1200.0, reason=BECAUSE
    )
    bring_in(database, workflow, rows_of(1, ai=1400.0, step=300))

    with database.reading() as session:
        workflow = workflows.get(session, workflow.key)
    item = take(database, reviewer, workflow).item
    story = reads.story(database, person_id=reviewer, item=item)
    assert [(move.whose, move.was, move.now) for move in story.stale] == [("ai", 1000, 1400), ("manual", 1300, 1700)]
    assert (story.overridden.final_value, item.round) == (1200, 2)

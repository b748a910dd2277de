"""Deciding twice: who is second, what they see, and which of the decisions stands."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import (
    ChoiceInvalid,
    ClaimNotHeld,
    ItemAlreadyDecided,
    ReasonRequired,
    UndoTooLate,
)
from review_queue.items import Act, Outcome, SkipReason, Stage, State
from review_queue.roles import Role
from review_queue.second_review import WHY
from storage import reports, second_looks
from storage.engine import database_now
from storage.tables import decisions, items, outbox
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import reads
from workbench.actions import reviewing


@pytest.fixture
def workflow(database):
    """A workflow in which every decision gets a second review; the AI's value is 1000, the manual one 1100."""
    made = a_workflow(database, second_review_share=1)
    bring_in(database, made, forecasts(1))
    return made


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def ben(database):
    return a_person(database, "Ben", Role.REVIEWER)


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def count(database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def decide(database, person, workflow, desk=None, outcome=Outcome.ADJUST, *, key="first", value=1200.0):
    desk = desk or take(database, person, workflow)
    choice = choose(desk, outcome, key=key, value=value if outcome is Outcome.ADJUST else None, reason=BECAUSE)
    return reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)


def undo(database, person, workflow, done):
    return reviewing.undo(database, person_id=person, workflow=workflow, decision_id=done.id, key=f"undo-{done.id}")


def nothing_for(database, person, workflow) -> bool:
    return reviewing.take_next(database, person_id=person, workflow=workflow) is None


def told(database, workflow):
    """How reports count the item: its state and its final value."""
    with database.reading() as session:
        [row] = reports.reviews(session, workflow, database_now(session)).to_dict("records")
    return row["state"], None if row["final"] != row["final"] else row["final"]


def stands(database):
    """The item's state, stage and level."""
    with database.reading() as session:
        return tuple(session.execute(select(items.c.state, items.c.stage, items.c.level)).one())


def effective(database) -> list[float]:
    """The final values that hold: not superseded, and waiting for nobody."""
    with database.reading() as session:
        followed = select(decisions.c.supersedes_id).where(decisions.c.supersedes_id.is_not(None))
        final = decisions.c.final_value.is_not(None) & ~decisions.c.is_provisional
        return list(
            session.execute(select(decisions.c.final_value).where(final, decisions.c.id.not_in(followed))).scalars()
        )


# --- which ---------------------------------------------------------------------------------------------------------


def test_without_a_policy_for_it_the_first_decision_stands(database, ada):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))

    done = decide(database, ada, workflow, value=1e9)

    assert not done.is_provisional
    assert stands(database) == (State.DECIDED, Stage.FIRST, 0)


def test_a_value_beyond_the_policys_is_decided_twice_and_a_smaller_one_once(database, ada):
    workflow = a_workflow(database, second_review_above=1150)
    bring_in(database, workflow, forecasts(2))

    large = decide(database, ada, workflow, value=1151.0, key="large")
    small = decide(database, ada, workflow, value=1149.0, key="small")

    assert (large.is_provisional, small.is_provisional) == (True, False)
    assert effective(database) == [1149.0]


# --- who -----------------------------------------------------------------------------------------------------------


def test_the_second_review_is_by_another_person(database, workflow, ada, ben):
    decide(database, ada, workflow)

    assert nothing_for(database, ada, workflow)
    assert not reviewing.open_item(database, person_id=ada, workflow=workflow, item_id=1).mine
    assert sum(reads.waiting(database, person_id=ada, workflow_id=workflow.id).values()) == 0
    assert take(database, ben, workflow).item.id == 1


def test_an_escalated_second_review_is_still_by_another_person(database, workflow, ben):
    first = a_person(database, "Flo", Role.DIRECTOR)
    dora = a_person(database, "Dora", Role.DIRECTOR)
    decide(database, first, workflow)
    desk = take(database, ben, workflow)
    reviewing.submit_decision(
        database,
        person_id=ben,
        workflow=workflow,
        choice=choose(desk, Outcome.ESCALATE, key="up", note="Too big for me."),
    )

    assert nothing_for(database, first, workflow)
    assert take(database, dora, workflow).item.stage is Stage.SECOND


# --- blind ---------------------------------------------------------------------------------------------------------


def test_the_second_reviewer_sees_neither_the_ais_value_nor_the_first_decision(database, workflow, ada, ben):
    decide(database, ada, workflow)

    desk = take(database, ben, workflow)

    assert (desk.item.ai, desk.item.others, desk.last) == (None, (), None)
    gap = desk.item.divergence
    assert [gap.gap, gap.money, gap.scale, gap.u, gap.symmetric, gap.flagged] == [None] * 5 + [False]
    assert desk.item.standing.why == WHY
    assert (desk.draft, desk.item.manual.value) == ({}, 1100.0)
    assert reads.earlier_decisions(database, person_id=ben, item=desk.item).empty


def test_the_queues_list_shows_no_more_than_the_second_reviewer_sees(database, workflow, ada, ben):
    [before] = reads.open_items(database, person_id=ben, workflow_id=workflow.id, wanted=reads.Filter()).items.to_dict(
        "records"
    )
    decide(database, ada, workflow)

    [row] = reads.open_items(database, person_id=ben, workflow_id=workflow.id, wanted=reads.Filter()).items.to_dict(
        "records"
    )
    by_band = reads.open_items(
        database, person_id=ben, workflow_id=workflow.id, wanted=reads.Filter(bands=(before["band"],))
    )

    assert (before["ai"], before["gap"], before["flagged"]) == (1000.0, 100.0, True)
    assert all(row[name] != row[name] for name in ("ai", "gap", "u"))
    assert (row["band"], row["flagged"], row["why"], row["stage"]) == ("no_scale", False, " · ".join(WHY), Stage.SECOND)
    assert row["manual"] == 1100.0
    assert by_band.items.empty


def test_the_second_reviewer_cannot_accept_what_they_do_not_see(database, workflow, ada, ben):
    decide(database, ada, workflow)
    desk = take(database, ben, workflow)

    with pytest.raises(ChoiceInvalid, match="a second review is blind"):
        decide(database, ben, workflow, desk, Outcome.ACCEPT_AI, key="second")

    assert count(database, decisions) == 1


@pytest.mark.parametrize(("outcome", "value"), [(Outcome.KEEP_MANUAL, None), (Outcome.ADJUST, 1000.0)])
def test_the_second_reviewer_always_gives_a_reason(database, ada, ben, outcome, value):
    """Also for the AI's very value, or one within its tolerance: asked only sometimes, it would tell that value."""
    workflow = a_workflow(database, second_review_share=1)
    bring_in(database, workflow, forecasts(1, step=1))
    decide(database, ada, workflow)
    desk = take(database, ben, workflow)

    with pytest.raises(ReasonRequired, match="a second review always gives a reason"):
        reviewing.submit_decision(
            database, person_id=ben, workflow=workflow, choice=choose(desk, outcome, key="second", value=value)
        )

    decide(database, ben, workflow, desk, outcome, key="second", value=value)
    assert count(database, decisions, decisions.c.is_override, decisions.c.stage == Stage.SECOND) == 0


def test_the_second_decision_keeps_what_the_ai_said_all_the_same(database, workflow, ada, ben):
    decide(database, ada, workflow)
    decide(database, ben, workflow, key="second")

    with database.reading() as session:
        kept = session.execute(select(decisions.c.ai_value, decisions.c.gap, decisions.c.stage)).all()
    assert kept == [(1000.0, 100.0, Stage.FIRST), (1000.0, 100.0, Stage.SECOND)]


# --- agreeing ------------------------------------------------------------------------------------------------------


def test_where_the_two_agree_the_item_is_decided_and_others_are_told_once(database, workflow, ada, ben):
    first = decide(database, ada, workflow)
    assert (first.is_provisional, told(database, workflow)) == (True, (State.READY, None))
    assert count(database, outbox) == 0

    second = decide(database, ben, workflow, key="second", value=1205.0)

    assert (second.is_provisional, second.supersedes, second.stage) == (False, first.id, Stage.SECOND)
    assert stands(database) == (State.DECIDED, Stage.SECOND, 0)
    assert told(database, workflow) == (State.DECIDED, 1205.0)
    assert effective(database) == [1205.0]
    with database.reading() as session:
        assert session.execute(select(outbox.c.topic, outbox.c.decision_id)).all() == [("decision.made", second.id)]


def test_the_other_tab_of_the_first_reviewer_is_told_that_they_decided(database, workflow, ada, ben):
    tab, other_tab = take(database, ada, workflow), take(database, ada, workflow)
    decide(database, ada, workflow, tab)

    with pytest.raises(ItemAlreadyDecided, match="already decided by you"):
        decide(database, ada, workflow, other_tab, key="other tab")
    seconds = take(database, ben, workflow)
    with pytest.raises(ItemAlreadyDecided, match="already decided by you"):
        decide(database, ada, workflow, other_tab, key="other tab")
    reviewing.skip_item(database, person_id=ben, item_id=1, fence=seconds.item.fence, reason=SkipReason.LATER)
    with pytest.raises(ItemAlreadyDecided, match="already decided by you"):
        decide(database, ada, workflow, other_tab, key="other tab")
    decide(database, ben, workflow, key="second")
    with pytest.raises(ItemAlreadyDecided, match="already decided by Ben"):
        decide(database, ada, workflow, other_tab, key="other tab")
    assert count(database, decisions) == 2


def test_the_second_reviewer_who_lost_the_item_is_told_so(database, workflow, ada, ben, dora):
    decide(database, ada, workflow)
    late = take(database, ben, workflow)
    with database.writing() as session:
        past = database_now(session) - timedelta(hours=1)
        session.execute(update(items).values(expires_at=past, available_at=past))
    take(database, dora, workflow)

    with pytest.raises(ClaimNotHeld, match="Dora has item 1 now"):
        decide(database, ben, workflow, late, key="second")


# --- differing -----------------------------------------------------------------------------------------------------


def test_where_the_two_differ_somebody_one_level_up_who_sees_all_settles_it(database, workflow, ada, ben, dora):
    first = decide(database, ada, workflow)
    second = decide(database, ben, workflow, key="second", value=900.0)

    assert (second.is_provisional, stands(database)) == (True, (State.READY, Stage.SETTLING, 1))
    assert (told(database, workflow), effective(database)) == ((State.READY, None), [])
    assert nothing_for(database, ada, workflow)
    assert nothing_for(database, ben, workflow)
    desk = take(database, dora, workflow)
    assert (desk.item.ai.value, desk.item.divergence.gap, desk.last) == (1000.0, 100.0, second)
    assert "usual miss" in desk.item.standing.why[0]

    settled = reviewing.submit_decision(
        database, person_id=dora, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key="settled")
    )

    assert (settled.stage, settled.supersedes, settled.is_provisional) == (Stage.SETTLING, second.id, False)
    assert (told(database, workflow), effective(database)) == ((State.DECIDED, 1000.0), [1000.0])
    with database.reading() as session:
        assert session.execute(select(outbox.c.topic, outbox.c.decision_id)).all() == [("decision.made", settled.id)]
        kept = session.execute(select(decisions.c.id, decisions.c.supersedes_id).order_by(decisions.c.id)).all()
    assert kept == [(first.id, None), (second.id, first.id), (settled.id, second.id)]


def test_neither_of_the_two_settles_what_they_differ_about(database, workflow, ada, dora):
    ida = a_person(database, "Ida", Role.DIRECTOR)
    decide(database, ada, workflow)
    second = decide(database, dora, workflow, key="second", value=900.0)

    assert nothing_for(database, dora, workflow)
    assert not reviewing.open_item(database, person_id=dora, workflow=workflow, item_id=1).mine
    assert undo(database, dora, workflow, second).actor_name == "Dora"  # and with that, the bar is gone
    decide(database, dora, workflow, key="second again", value=900.0)
    assert take(database, ida, workflow).item.nor_for == dora


def test_the_second_reviewers_other_tab_is_told_that_they_decided(database, workflow, ada, ben, dora):
    decide(database, ada, workflow)
    tab, other_tab = take(database, ben, workflow), take(database, ben, workflow)
    decide(database, ben, workflow, tab, key="second", value=900.0)
    take(database, dora, workflow)

    with pytest.raises(ItemAlreadyDecided, match="already decided by you"):
        decide(database, ben, workflow, other_tab, key="other tab", value=900.0)


# --- undoing -------------------------------------------------------------------------------------------------------


def test_the_first_decision_is_undone_while_nobody_has_taken_it_up(database, workflow, ada, ben):
    done = decide(database, ada, workflow)

    undo(database, ada, workflow, done)

    again = take(database, ada, workflow)
    assert (again.item.stage, again.item.not_for, again.item.ai.value) == (Stage.FIRST, None, 1000.0)
    assert count(database, outbox) == 0
    second_time = decide(database, ada, workflow, again, key="again", value=1300.0)
    assert second_time.is_provisional
    decide(database, ben, workflow, key="second", value=1300.0)
    assert effective(database) == [1300.0]


def test_the_first_decision_is_not_undone_once_the_second_reviewer_has_the_item(database, workflow, ada, ben):
    done = decide(database, ada, workflow)
    take(database, ben, workflow)

    with pytest.raises(UndoTooLate, match="somebody has taken it up since"):
        undo(database, ada, workflow, done)


def test_a_second_decision_that_agreed_is_undone_and_others_are_told(database, workflow, ada, ben):
    first = decide(database, ada, workflow)
    second = decide(database, ben, workflow, key="second")

    undone = undo(database, ben, workflow, second)

    assert (undone.act, undone.supersedes) == (Act.UNDO, second.id)
    assert stands(database) == (State.CLAIMED, Stage.SECOND, 0)
    assert (effective(database), told(database, workflow)) == ([], (State.CLAIMED, None))
    with pytest.raises(UndoTooLate):
        undo(database, ada, workflow, first)
    with database.reading() as session:
        topics = session.execute(select(outbox.c.topic).order_by(outbox.c.id)).scalars().all()
    assert topics == ["decision.made", "decision.undone"]
    again = take(database, ben, workflow)
    assert (again.item.ai, again.item.stage) == (None, Stage.SECOND)
    decide(database, ben, workflow, again, key="again", value=900.0)
    assert (stands(database), effective(database)) == ((State.READY, Stage.SETTLING, 1), [])


def test_a_second_decision_that_differed_is_undone_and_comes_back_down(database, workflow, ada, ben, dora):
    decide(database, ada, workflow)
    second = decide(database, ben, workflow, key="second", value=900.0)

    undo(database, ben, workflow, second)

    assert stands(database) == (State.CLAIMED, Stage.SECOND, 0)
    assert nothing_for(database, dora, workflow)
    decide(database, ben, workflow, key="again")
    assert (stands(database)[0], effective(database), count(database, outbox)) == (State.DECIDED, [1200.0], 1)


def test_what_settled_it_is_undone_and_waits_for_the_same_director(database, workflow, ada, ben, dora):
    decide(database, ada, workflow)
    decide(database, ben, workflow, key="second", value=900.0)
    settled = decide(database, dora, workflow, key="settled", value=1000.5)

    undo(database, dora, workflow, settled)

    assert stands(database) == (State.CLAIMED, Stage.SETTLING, 1)
    assert (effective(database), told(database, workflow)) == ([], (State.CLAIMED, None))
    again = decide(database, dora, workflow, key="again", value=950.0)
    assert (effective(database), again.stage) == ([950.0], Stage.SETTLING)
    assert count(database, outbox) == 3


def test_a_reopened_item_is_reviewed_twice_again_by_anybody(database, workflow, ada, ben, dora):
    from workbench.actions import assigning

    decide(database, ada, workflow)
    decide(database, ben, workflow, key="second")
    assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=1, note="The actual moved.")

    desk = take(database, ada, workflow)

    assert (desk.item.stage, desk.item.round, desk.item.ai.value) == (Stage.FIRST, 2, 1000.0)
    assert decide(database, ada, workflow, desk, key="round 2").is_provisional
    assert nothing_for(database, ada, workflow)


def test_both_values_of_a_round_are_known_for_the_team_until_one_is_taken_back(database, workflow, ada, ben):
    def known():
        with database.reading() as session:
            return second_looks.pairs(session, workflow, database_now(session)).to_numpy().tolist()

    decide(database, ada, workflow)
    assert known() == []
    done = decide(database, ben, workflow, key="second", value=1300.0)
    ((ai, first, second, scale),) = known()
    assert (ai, first, second) == (1000.0, 1200.0, 1300.0)
    assert scale > 0

    undo(database, ben, workflow, done)

    assert known() == []

"""What a director does to a period: numbers changed at the leaf, shifts, submissions, the lock and what it keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from review_queue.errors import (
    ChoiceInvalid,
    ItemAlreadyDecided,
    ItemNotFound,
    ItemNotOpen,
    NotAllowed,
    ReasonRequired,
    StaleContent,
    UndoTooLate,
)
from review_queue.items import Act, Outcome, Reason, State
from review_queue.reconciling import Kind, Take
from review_queue.roles import Role
from storage import closing, decisions, one_item, people
from storage.engine import Database
from storage.tables import forecasts
from storage.workflows import Workflow
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from tests.invariants import violations
from workbench.actions import notifying, reconciling, reviewing
from workbench.actions.reconciling import Edit, Reconciliation, ReconcilingRefused

TREE = ["region", "territory"]
ROWS = """series,period,ai_forecast,ai_low,ai_high,human_forecast,segment_region,segment_territory
acme,2026-12,1000,900,1100,1300,North,Berlin
bolt,2026-12,500,450,550,400,North,Hamburg
coil,2026-12,200,180,220,200,South,Munich
acme,2027-01,1100,990,1210,1100,North,Berlin
"""
SHIFT = Reason("DEAL_TIMING", text="The order slips.", paired_period="2027-01")


@pytest.fixture
def workflow(database: Database) -> Workflow:
    made = a_workflow(database, segments=TREE)
    bring_in(database, made, ROWS)
    return made


@pytest.fixture
def director(database: Database) -> int:
    return a_person(database, "Dana", Role.DIRECTOR)


def look(database: Database, person_id: int, workflow: Workflow, period: str = "2026-12") -> Reconciliation:
    return reconciling.look(database, person_id=person_id, workflow=workflow, period=period)


def edit(seen: Reconciliation, series: str, value: float) -> Edit:
    row = seen.leaves.set_index("series").loc[series]
    standing = None if row["decision"] != row["decision"] else int(row["decision"])
    return Edit(int(row["item"]), value, row["content_hash"], standing)


def change(
    database: Database,
    director: int,
    workflow: Workflow,
    values: dict[str, float],
    *,
    reason: Reason | None = BECAUSE,
    key: str = "form-1",
    seen: Reconciliation | None = None,
):
    seen = seen or look(database, director, workflow)
    edits = [edit(seen, series, value) for series, value in values.items()]
    return reconciling.set_finals(database, person_id=director, workflow=workflow, edits=edits, reason=reason, key=key)


def state_of(database: Database, item_id: int) -> State:
    with database.reading() as session:
        return one_item.get(session, item_id, people.principal(session, 1)).state


def lock(database: Database, director: int, workflow: Workflow, open_items: int, take: Take = Take.AI):
    return reconciling.lock_period(
        database, person_id=director, workflow=workflow, period="2026-12", take=take, open_items=open_items
    )


def plan(seen: Reconciliation) -> dict[str, float]:
    return seen.leaves.set_index("series")["plan"].to_dict()


def test_a_period_is_shown_whole_with_every_total(database, workflow, director):
    seen = look(database, director, workflow)

    rows = seen.totals.set_index("name")
    assert rows.loc["Total", ["ai", "manual", "plan", "net", "gross", "items", "decided"]].tolist() == [
        *(1700, 1900, 1700, 200, 400, 3, 0)
    ]
    assert rows.loc["North", ["net", "gross"]].tolist() == [200, 400]
    assert seen.leaves["kind"].tolist() == [Kind.CALCULATED] * 3


def test_the_last_period_is_its_actual_or_its_plan(database, workflow, director):
    bring_in(database, workflow, "series,period,actual\nacme,2026-11,900\n", kind="actuals")

    assert look(database, director, workflow).leaves.set_index("series")["last"].dropna().to_dict() == {"acme": 900}
    change(database, director, workflow, {"acme": 1200.0})
    january = look(database, director, workflow, "2027-01")
    assert january.leaves.set_index("series")["last"].to_dict() == {"acme": 1200}


def test_a_value_typed_at_the_leaf_decides_the_item(database, workflow, director):
    (done,) = change(database, director, workflow, {"acme": 1200.0})

    assert (done.act, done.outcome, done.final_value, done.is_override) == (Act.DECIDE, Outcome.ADJUST, 1200, True)
    seen = look(database, director, workflow)
    assert plan(seen) == {"acme": 1200, "bolt": 500, "coil": 200}
    assert seen.leaves.set_index("series").loc["acme", "kind"] == Kind.DIRECT
    assert violations(database) == []


def test_a_typed_value_that_is_one_of_the_two_forecasts_keeps_that_one(database, workflow, director):
    done = change(database, director, workflow, {"acme": 1300.0, "bolt": 500.0})

    assert [each.outcome for each in done] == [Outcome.KEEP_MANUAL, Outcome.ACCEPT_AI]


def test_a_change_against_the_ai_needs_a_reason_and_nothing_is_saved_without(database, workflow, director):
    with pytest.raises(ReasonRequired):
        change(database, director, workflow, {"coil": 200.0, "acme": 1200.0}, reason=None)

    assert look(database, director, workflow).totals.loc[0, "decided"] == 0


def test_the_same_form_sent_twice_changes_nothing_more(database, workflow, director):
    seen = look(database, director, workflow)
    first = change(database, director, workflow, {"acme": 1200.0}, seen=seen)
    again = change(database, director, workflow, {"acme": 1200.0}, seen=seen)

    assert [each.id for each in again] == [each.id for each in first]
    assert again[0].replayed


def test_what_was_decided_is_overturned_and_stays_on_record(database, workflow, director):
    (first,) = change(database, director, workflow, {"acme": 1200.0})
    (second,) = change(database, director, workflow, {"acme": 1250.0}, key="form-2")

    assert (second.act, second.supersedes, second.final_value) == (Act.OVERTURN, first.id, 1250)
    assert plan(look(database, director, workflow))["acme"] == 1250
    assert violations(database) == []


def test_a_decision_made_meanwhile_is_not_overturned_unseen(database, workflow, director):
    seen = look(database, director, workflow)
    change(database, director, workflow, {"acme": 1200.0})

    with pytest.raises(ItemAlreadyDecided, match="already decided by Dana"):
        change(database, director, workflow, {"acme": 1250.0}, key="form-2", seen=seen)


def test_a_number_that_changed_meanwhile_is_refused(database, workflow, director):
    seen = look(database, director, workflow)
    bring_in(database, workflow, ROWS.replace("1000,900,1100", "1050,950,1150"))

    with pytest.raises(StaleContent):
        change(database, director, workflow, {"acme": 1200.0}, seen=seen)


def test_an_item_in_a_reviewers_hands_is_left_to_them(database, workflow, director):
    reviewer = a_person(database, "Rita", Role.REVIEWER)
    held = take(database, reviewer, workflow).item

    with pytest.raises(ReconcilingRefused, match="Rita has it in hand"):
        change(
            database,
            director,
            workflow,
            {held.series: held.ai.value + 300},
            seen=look(database, director, workflow, held.period),
        )


@pytest.mark.parametrize("outcome", [Outcome.SEND_BACK, Outcome.DEFER])
def test_an_item_that_waits_for_something_can_be_decided_here(database, workflow, director, outcome):
    reviewer = a_person(database, "Rita", Role.REVIEWER)
    desk = take(database, reviewer, workflow)
    choice = choose(desk, outcome, note="Ask them.", until=desk.opened_at + timedelta(days=3))
    reviewing.submit_decision(database, person_id=reviewer, workflow=workflow, choice=choice)

    change(
        database,
        director,
        workflow,
        {desk.item.series: 1234.0},
        seen=look(database, director, workflow, desk.item.period),
    )

    assert state_of(database, desk.item.id) is State.DECIDED
    assert violations(database) == []


def test_only_a_director_or_owner_may_change_a_period(database, workflow):
    reviewer = a_person(database, "Rita", Role.REVIEWER)

    with pytest.raises(NotAllowed):
        change(database, reviewer, workflow, {"acme": 1200.0})


def test_a_director_changes_only_their_own_part_of_the_tree(database, workflow, director):
    south = a_person(database, "Sven", Role.DIRECTOR, segment_path="South\x1f")
    everything = look(database, director, workflow)

    assert look(database, south, workflow).leaves["series"].tolist() == ["coil"]
    with pytest.raises(ItemNotFound):
        change(database, south, workflow, {"acme": 1200.0}, seen=everything)


def test_a_typed_manual_forecast_stands_beside_the_ais_with_who_and_why(database, workflow, director):
    seen = look(database, director, workflow)
    asked = {"person_id": director, "workflow": workflow, "edits": [edit(seen, "acme", 1150.0)]}

    with pytest.raises(ReconcilingRefused, match="why"):
        reconciling.set_manuals(database, **asked, note=" ")
    reconciling.set_manuals(database, **asked, note="They told me so.")
    reconciling.set_manuals(database, **asked, note="They told me so.")

    after = look(database, director, workflow)
    assert after.leaves.set_index("series").loc["acme", "manual"] == 1150
    with database.reading() as session:
        item = one_item.get(session, edit(seen, "acme", 0).item_id, people.principal(session, director))
    assert (item.manual.author, item.manual.note, item.divergence.gap) == ("Dana", "They told me so.", 150)


# --- who is told ---------------------------------------------------------------------------------------------------


def news_of(database: Database, person_id: int) -> list[str]:
    with database.reading() as session:
        who = people.principal(session, person_id)
    return [each.sentence for each in notifying.unseen(database, who=who).newest]


def test_whoever_is_overturned_gone_stale_or_withdrawn_is_told(database, workflow, director):
    other = a_person(database, "Otto", Role.DIRECTOR)
    change(database, director, workflow, {"acme": 1200.0})
    change(database, other, workflow, {"acme": 1250.0}, key="form-2")
    bring_in(database, workflow, ROWS.replace("1000,900,1100", "1100,1000,1200"))
    done = submit(database, director, workflow)
    reconciling.withdraw_submission(
        database, person_id=other, workflow=workflow, period="2026-12", submission_id=done.id, note="Too early."
    )

    assert news_of(database, director) == [
        "Otto withdrew your submission of 2026-12: Too early.",
        "Otto set acme · 2026-12 to 1,250 in the place of your 1,200.",
    ]
    assert news_of(database, other) == ["acme · 2026-12, which you had overridden, is back: a number has moved since."]


# --- timing shifts -------------------------------------------------------------------------------------------------


def test_a_timing_shift_writes_the_opposite_entry_into_the_other_period(database, workflow, director):
    change(database, director, workflow, {"acme": 700.0}, reason=SHIFT)

    january = look(database, director, workflow, "2027-01")
    assert plan(january) == {"acme": 1400}
    assert january.leaves["kind"].tolist() == [Kind.INDIRECT]
    assert january.leaves["reason"].tolist() == ["DEAL_TIMING"]
    assert violations(database) == []


def test_a_shift_moves_what_was_decided_in_the_other_period_before(database, workflow, director):
    change(database, director, workflow, {"acme": 1050.0}, seen=look(database, director, workflow, "2027-01"))
    change(database, director, workflow, {"acme": 700.0}, reason=SHIFT, key="form-2")

    assert plan(look(database, director, workflow, "2027-01")) == {"acme": 1350}
    assert violations(database) == []


def test_a_shift_to_a_period_without_the_series_saves_nothing(database, workflow, director):
    with pytest.raises(Exception, match="no item in 2027-02"):
        change(database, director, workflow, {"acme": 700.0}, reason=replace(SHIFT, paired_period="2027-02"))

    assert look(database, director, workflow).totals.loc[0, "decided"] == 0


def test_nothing_is_shifted_into_a_second_review(database):
    twice = a_workflow(database, segments=TREE, second_review_share=1.0)
    bring_in(database, twice, ROWS)
    director = a_person(database, "Dana", Role.DIRECTOR)
    change(database, director, twice, {"acme": 1050.0}, seen=look(database, director, twice, "2027-01"))
    free = a_workflow(database, segments=TREE)

    with pytest.raises(ChoiceInvalid, match="2027-01 is in a second review"):
        change(database, director, free, {"acme": 700.0}, reason=SHIFT, key="form-2")
    assert look(database, director, free).totals.loc[0, "decided"] == 0


def test_a_withheld_value_is_no_number_to_shift_from(database):
    wide = a_workflow(database, segments=TREE, withhold_width=0.21)
    bring_in(database, wide, ROWS.replace("1100,990,1210,1100", "1100,900,1300,1150"))
    director = a_person(database, "Dana", Role.DIRECTOR)

    change(database, director, wide, {"acme": 700.0}, reason=SHIFT)

    assert plan(look(database, director, wide, "2027-01")) == {"acme": 1450}  # from the manual 1,150


def a_reviewers_shift(database: Database, workflow: Workflow) -> tuple[int, object]:
    reviewer = a_person(database, "Rita", Role.REVIEWER)
    with database.reading() as session:
        ids = [
            row for row in range(1, 5) if one_item.get(session, row, people.principal(session, 1)).period == "2026-12"
        ]
    desk = reviewing.open_item(database, person_id=reviewer, workflow=workflow, item_id=ids[0])
    choice = choose(desk, Outcome.ADJUST, value=desk.item.ai.value - 100, reason=SHIFT)
    done = reviewing.submit_decision(database, person_id=reviewer, workflow=workflow, choice=choice)
    return reviewer, done


def test_a_reviewers_shift_is_undone_with_its_other_half(database, workflow, director):
    reviewer, done = a_reviewers_shift(database, workflow)
    assert plan(look(database, director, workflow, "2027-01")) == {"acme": 1200}

    reviewing.undo(database, person_id=reviewer, workflow=workflow, decision_id=done.id, key="undo-1")

    january = look(database, director, workflow, "2027-01")
    assert (plan(january), january.leaves["state"].tolist()) == ({"acme": 1100}, [State.READY])
    assert violations(database) == []


def test_a_shift_whose_other_half_was_changed_since_cannot_be_undone(database, workflow, director):
    reviewer, done = a_reviewers_shift(database, workflow)
    change(database, director, workflow, {"acme": 1000.0}, seen=look(database, director, workflow, "2027-01"))

    with pytest.raises(UndoTooLate, match="other half in 2027-01"):
        reviewing.undo(database, person_id=reviewer, workflow=workflow, decision_id=done.id, key="undo-1")


# --- stale overrides -----------------------------------------------------------------------------------------------


def test_an_override_comes_back_when_the_ai_has_moved_past_tolerance(database, workflow, director):
    (done,) = change(database, director, workflow, {"acme": 1200.0})

    summary = bring_in(database, workflow, ROWS.replace("1000,900,1100", "1100,1000,1200"))

    assert (summary.stale, summary.after_decision) == (1, ())
    assert state_of(database, done.item_id) is State.READY
    assert plan(look(database, director, workflow))["acme"] == 1100
    assert look(database, director, workflow).totals.loc[0, "decided"] == 0
    assert violations(database) == []


def test_a_move_within_tolerance_leaves_the_override_alone(database, workflow, director):
    (done,) = change(database, director, workflow, {"acme": 1200.0})

    summary = bring_in(database, workflow, ROWS.replace("1000,900,1100", "1009,900,1100"))

    assert (summary.stale, summary.after_decision) == (0, (done.item_id,))
    assert state_of(database, done.item_id) is State.DECIDED


def test_what_followed_the_ai_does_not_go_stale(database, workflow, director):
    (done,) = change(database, director, workflow, {"acme": 1000.0})

    assert bring_in(database, workflow, ROWS.replace("1000,900,1100", "1500,900,1600")).stale == 0
    assert state_of(database, done.item_id) is State.DECIDED


def test_a_manual_forecast_typed_over_brings_the_override_back_too(database, workflow, director):
    change(database, director, workflow, {"acme": 1300.0})
    seen = look(database, director, workflow)

    came_back = reconciling.set_manuals(
        database, person_id=director, workflow=workflow, edits=[edit(seen, "acme", 1150.0)], note="Less than I thought."
    )

    assert came_back == [edit(seen, "acme", 0).item_id]
    assert violations(database) == []


# --- closing -------------------------------------------------------------------------------------------------------


def submit(database: Database, director: int, workflow: Workflow, path: str = ""):
    return reconciling.submit_period(
        database, person_id=director, workflow=workflow, period="2026-12", segment_path=path
    )


def test_a_submission_keeps_the_totals_of_its_moment(database, workflow, director):
    done = submit(database, director, workflow, "North\x1f")

    assert done.totals == {"ai": 1500.0, "manual": 1700.0, "plan": 1500.0, "items": 2, "decided": 0}
    assert [each.submitted_by for each in look(database, director, workflow).submissions] == ["Dana"]
    with pytest.raises(ReconcilingRefused, match="Dana has submitted this already"):
        submit(database, director, workflow, "North\x1f")


def test_a_submission_is_withdrawn_with_a_word_why_and_can_be_made_again(database, workflow, director):
    done = submit(database, director, workflow)
    asked = {"person_id": director, "workflow": workflow, "period": "2026-12", "submission_id": done.id}

    with pytest.raises(ReconcilingRefused, match="why"):
        reconciling.withdraw_submission(database, **asked, note="")
    reconciling.withdraw_submission(database, **asked, note="A number is wrong.")
    with pytest.raises(ReconcilingRefused, match="withdrawn already"):
        reconciling.withdraw_submission(database, **asked, note="A number is wrong.")

    assert look(database, director, workflow).submissions == []
    submit(database, director, workflow)


def test_nobody_submits_what_lies_outside_their_part(database, workflow):
    south = a_person(database, "Sven", Role.DIRECTOR, segment_path="South\x1f")

    submit(database, south, workflow, "South\x1f")
    with pytest.raises(NotAllowed):
        submit(database, south, workflow)


def test_a_lock_keeps_every_number_and_nothing_changes_afterwards(database, workflow, director):
    change(database, director, workflow, {"acme": 1200.0})
    snapshot = lock(database, director, workflow, open_items=2)
    bring_in(database, workflow, ROWS.replace("500,450,550", "800,700,900"))

    with database.reading() as session:
        kept = closing.rows_of(session, snapshot.id)
    seen = look(database, director, workflow)
    assert kept["plan"].tolist() == [1200, 500, 200]
    assert kept["decision"].notna().tolist() == [True, False, False]
    assert snapshot.totals == {"ai": 1700, "manual": 1900, "plan": 1900, "items": 3, "decided": 1, "open": 2}
    assert plan(seen) == {"acme": 1200, "bolt": 500, "coil": 200}
    assert set(seen.leaves["state"]) == {State.LOCKED}
    with pytest.raises(ItemNotOpen, match="is locked"):
        change(database, director, workflow, {"bolt": 600.0}, key="form-3")
    with pytest.raises(ReconcilingRefused, match="was locked on"):
        submit(database, director, workflow)
    assert violations(database) == []


def test_what_nobody_decided_can_take_the_manual_forecast_at_the_lock(database, workflow, director):
    snapshot = lock(database, director, workflow, open_items=3, take=Take.MANUAL)

    assert snapshot.totals["plan"] == 1900
    assert look(database, director, workflow).totals.loc[0, "plan"] == 1900


def test_a_lock_refuses_when_other_items_are_open_than_were_shown(database, workflow, director):
    with pytest.raises(ReconcilingRefused, match="3 items are open now, not 2"):
        lock(database, director, workflow, open_items=2)

    assert look(database, director, workflow).cycle.locked_at is None


def test_a_period_is_locked_once_and_only_by_who_has_all_of_it(database, workflow, director):
    south = a_person(database, "Sven", Role.DIRECTOR, segment_path="South\x1f")

    with pytest.raises(NotAllowed):
        lock(database, south, workflow, open_items=1)
    lock(database, director, workflow, open_items=3)
    with pytest.raises(ReconcilingRefused, match="was locked on"):
        lock(database, director, workflow, open_items=0)


def test_a_decision_on_its_way_into_a_locked_period_is_refused_and_its_draft_kept(database, workflow, director):
    reviewer = a_person(database, "Rita", Role.REVIEWER)
    with database.reading() as session:
        who = people.principal(session, reviewer)
        december = next(i for i in range(1, 5) if one_item.get(session, i, who).period == "2026-12")
    desk = reviewing.open_item(database, person_id=reviewer, workflow=workflow, item_id=december)
    reviewing.save_draft(database, person_id=reviewer, item=desk.item, body={"final": 7.0})
    lock(database, director, workflow, open_items=3)

    assert news_of(database, reviewer) == [
        f"Dana locked 2026-12 while you had {desk.item.series} in hand. It was not decided; your draft is kept."
    ]
    with pytest.raises(ItemNotOpen, match="is locked"):
        reviewing.submit_decision(
            database, person_id=reviewer, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI)
        )
    again = reviewing.open_item(database, person_id=reviewer, workflow=workflow, item_id=december)
    assert (again.mine, again.draft) == (False, {"final": 7.0})


def test_a_new_item_of_a_locked_period_comes_in_locked(database, workflow, director):
    lock(database, director, workflow, open_items=3)
    bring_in(database, workflow, ROWS + "dyno,2026-12,50,40,60,70,South,Munich\n")

    seen = look(database, director, workflow)
    assert seen.leaves.set_index("series").loc["dyno", "state"] == State.LOCKED
    assert violations(database) == []


def test_the_week_tells_what_moved_the_plan(database, workflow, director):
    with database.writing() as session:
        session.execute(update(forecasts).values(received_at=datetime(2026, 1, 1, tzinfo=UTC)))
    change(database, director, workflow, {"acme": 1200.0})
    bring_in(database, workflow, ROWS.replace("500,450,550", "530,450,550"))

    seen = look(database, director, workflow)
    assert seen.week("South\x1f").empty
    week = seen.week()
    assert week.to_numpy().tolist() == [["Customer risk", 200.0, 1], ["AI forecast moved", 30.0, 1]]


def test_decisions_know_the_other_half_of_a_shift(database, workflow, director):
    (done,) = change(database, director, workflow, {"acme": 700.0}, reason=SHIFT)

    with database.reading() as session:
        other = decisions.opposite_of(session, done.id)
        reason = decisions.reason_of(session, other.id)
    assert (other.final_value, reason.paired_period) == (1400, "2026-12")

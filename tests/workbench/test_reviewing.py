"""Taking items and deciding them, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError, ProgrammingError

from review_queue.errors import (
    ClaimNotHeld,
    ItemAlreadyDecided,
    ItemNotFound,
    KeyReused,
    NotAllowed,
    NotReady,
    ReasonRequired,
    StaleContent,
    UndoTooLate,
)
from review_queue.items import Act, Lane, Outcome, SkipReason, State
from review_queue.roles import Role
from storage import people as people_
from storage.engine import database_now
from storage.tables import audit_events, decisions, drafts, evidence_views, items, outbox, people, reasons
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import reviewing


@pytest.fixture
def workflow(database):
    return a_workflow(database)


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def ben(database):
    return a_person(database, "Ben", Role.REVIEWER)


def count(database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def let_claims_expire(database) -> None:
    """Claims end an hour ago, by the database's clock."""
    with database.writing() as session:
        past = database_now(session) - timedelta(hours=1)
        session.execute(update(items).where(items.c.state == State.CLAIMED).values(expires_at=past, available_at=past))


def decide(database, person, workflow, desk, outcome=Outcome.ACCEPT_AI, **changes):
    return reviewing.submit_decision(
        database, person_id=person, workflow=workflow, choice=choose(desk, outcome, **changes)
    )


def test_the_widest_gap_comes_first_and_says_why(database, workflow, ada):
    bring_in(database, workflow, forecasts(5))

    desk = take(database, ada, workflow)

    assert desk.item.series == "acme-5"
    assert any("usual miss" in phrase for phrase in desk.item.standing.why)
    assert desk.mine


def test_two_reviewers_never_hold_the_same_item(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(2))

    first, second = take(database, ada, workflow), take(database, ben, workflow)

    assert first.item.id != second.item.id
    assert reviewing.take_next(database, person_id=a_person(database, "Cid", Role.REVIEWER), workflow=workflow) is None


def test_eight_tabs_of_one_reviewer_show_one_item(database, workflow, ada):
    bring_in(database, workflow, forecasts(9))

    with ThreadPoolExecutor(8) as tabs:
        desks = list(tabs.map(lambda _: take(database, ada, workflow), range(8)))

    assert len({desk.item.id for desk in desks}) == 1
    assert count(database, audit_events, audit_events.c.action == "item.claimed") == 1


def test_sixteen_reviewers_at_once_hold_sixteen_items(database, workflow):
    bring_in(database, workflow, forecasts(16))
    crowd = [a_person(database, f"R{number}", Role.REVIEWER) for number in range(16)]

    with ThreadPoolExecutor(16) as desks:
        held = list(desks.map(lambda person: take(database, person, workflow).item.id, crowd))

    assert len(set(held)) == 16


def test_a_decision_keeps_what_was_on_the_screen(database, workflow, ada):
    bring_in(database, workflow, forecasts(1, step=250))
    desk = take(database, ada, workflow)
    reviewing.open_evidence(database, person_id=ada, item=desk.item, panel="model")

    done = decide(database, ada, workflow, desk, Outcome.KEEP_MANUAL, reason=BECAUSE, queue_length=1)

    with database.reading() as session:
        row = session.execute(select(decisions).where(decisions.c.id == done.id)).one()
        reason = session.execute(select(reasons).where(reasons.c.decision_id == done.id)).one()
        view = session.execute(select(evidence_views)).one()
    item = desk.item
    assert (row.ai_value, row.ai_low, row.ai_high, row.manual_value, row.final_value) == (1000, 900, 1100, 1250, 1250)
    assert (row.gap, row.u, row.band) == (250, item.divergence.u, item.divergence.band)
    assert (row.lane, row.score, row.content_hash) == (item.standing.lane, item.standing.score, item.content_hash)
    assert (row.model_version, row.owner, row.policy_version) == ("m-1", "o@example.com", 1)
    assert (row.is_override, row.reason_code, reason.text) == (True, "CUST_RISK", BECAUSE.text)
    assert row.claimed_at <= row.opened_at <= row.first_evidence_at <= row.decided_at
    assert row.first_evidence_at == view.opened_at
    assert row.queue_length == 1


def test_decision_item_audit_and_outbox_are_stored_together(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    done = decide(database, ada, workflow, desk)

    assert count(database, items, items.c.state == State.DECIDED) == 1
    assert count(database, audit_events, audit_events.c.decision_id == done.id) == 1
    assert count(database, outbox, outbox.c.decision_id == done.id) == 1


@pytest.mark.parametrize("broken", [outbox, audit_events, reasons, drafts])
def test_if_any_part_of_a_decision_cannot_be_stored_none_is(database, workflow, ada, broken):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    before = count(database, audit_events)
    with database.writing() as session:
        session.execute(text(f"ALTER TABLE {broken.name} RENAME TO away"))

    with pytest.raises((OperationalError, ProgrammingError)):
        decide(database, ada, workflow, desk, Outcome.KEEP_MANUAL, reason=BECAUSE)

    with database.writing() as session:
        session.execute(text(f"ALTER TABLE away RENAME TO {broken.name}"))
    assert count(database, items, items.c.state == State.CLAIMED) == 1
    assert count(database, decisions) == count(database, outbox) == count(database, reasons) == 0
    assert count(database, audit_events) == before


def test_a_refused_choice_leaves_no_trace(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    before = count(database, audit_events)

    with pytest.raises(ReasonRequired):
        decide(database, ada, workflow, desk, Outcome.KEEP_MANUAL)

    assert count(database, decisions) == count(database, outbox) == count(database, reasons) == 0
    assert count(database, audit_events) == before
    assert decide(database, ada, workflow, desk).outcome is Outcome.ACCEPT_AI


def test_the_same_key_with_the_same_choice_gives_the_first_decision(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    with ThreadPoolExecutor(6) as presses:
        answers = list(presses.map(lambda _: decide(database, ada, workflow, desk), range(6)))

    assert len({answer.id for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 5
    assert count(database, decisions) == count(database, outbox) == 1


def test_the_same_key_with_another_choice_is_refused(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    decide(database, ada, workflow, desk)

    with pytest.raises(KeyReused):
        decide(database, ada, workflow, desk, Outcome.ADJUST, value=1.0, reason=BECAUSE)


def test_somebody_elses_key_answers_nobody(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    decide(database, ada, workflow, desk)

    with pytest.raises(KeyReused):
        decide(database, ben, workflow, desk)


def test_two_tabs_decide_one_item_once_and_the_second_is_told_when(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    tab, other_tab = take(database, ada, workflow), take(database, ada, workflow)
    decide(database, ada, workflow, tab, key="tab-a")

    with pytest.raises(ItemAlreadyDecided, match=r"already decided by you at \d\d:\d\d UTC"):
        decide(database, ada, workflow, other_tab, key="tab-b")

    assert count(database, decisions) == 1


def test_a_claim_that_was_taken_over_no_longer_saves_and_says_who_has_it(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    late = take(database, ada, workflow)
    let_claims_expire(database)
    taken = take(database, ben, workflow)

    with pytest.raises(ClaimNotHeld, match="Ben has item"):
        decide(database, ada, workflow, late)

    assert decide(database, ben, workflow, taken, key="ben").actor_name == "Ben"


def test_an_expired_claim_that_nobody_took_over_still_saves(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    let_claims_expire(database)

    assert decide(database, ada, workflow, desk).outcome is Outcome.ACCEPT_AI


def test_a_number_that_changed_under_the_reader_is_not_signed(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    bring_in(database, workflow, forecasts(1, ai=1300.0))

    with pytest.raises(StaleContent):
        decide(database, ada, workflow, desk)

    fresh = take(database, ada, workflow)
    assert fresh.item.ai.value == 1300.0
    assert decide(database, ada, workflow, fresh).final_value == 1300.0


def test_an_undo_puts_the_item_back_in_hand_with_what_was_typed(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    done = decide(database, ada, workflow, desk, Outcome.ADJUST, value=1200.0, reason=BECAUSE)

    undone = reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")

    again = take(database, ada, workflow)
    assert (undone.act, undone.outcome, undone.supersedes) == (Act.UNDO, None, done.id)
    assert (again.item.id, again.item.round, again.item.fence) == (desk.item.id, 1, desk.item.fence + 1)
    assert (again.draft["final"], again.draft["code"], again.draft["panel"]) == (1200.0, "CUST_RISK", "adjust")
    assert reviewing.take_next(database, person_id=ben, workflow=workflow) is None

    second = decide(database, ada, workflow, again, key="key-2")
    assert second.supersedes == undone.id
    assert count(database, decisions) == 3


def test_undo_is_refused_to_others_when_late_and_twice(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    done = decide(database, ada, workflow, take(database, ada, workflow))

    with pytest.raises(UndoTooLate, match="only Ada"):
        reviewing.undo(database, person_id=ben, workflow=workflow, decision_id=done.id, key="u-ben")
    with database.writing() as session:
        minute_ago = database_now(session) - timedelta(seconds=61)
        session.execute(update(decisions).values(decided_at=minute_ago))
    with pytest.raises(UndoTooLate, match="for 60 seconds"):
        reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-ada")


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [
        (Outcome.ESCALATE, {"note": "Too big for me."}),
        (Outcome.SEND_BACK, {"note": "Which one?"}),
        (Outcome.DEFER, {"until": datetime(2100, 1, 4, 9, tzinfo=UTC)}),
    ],
)
def test_an_item_can_be_decided_after_an_undo_and_a_detour(database, workflow, ada, outcome, asked):
    director = a_person(database, "Dora", Role.DIRECTOR)
    bring_in(database, workflow, forecasts(1))
    first = decide(database, ada, workflow, take(database, ada, workflow), key="first")
    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=first.id, key="undo")
    decide(database, ada, workflow, take(database, ada, workflow), outcome, key="detour", **asked)
    with database.writing() as session:
        session.execute(update(items).values(state=State.READY, available_at=database_now(session)))

    last = decide(database, director, workflow, take(database, director, workflow), key="last")

    assert last.outcome is Outcome.ACCEPT_AI
    with database.reading() as session:
        named = session.execute(select(decisions.c.supersedes_id).where(decisions.c.supersedes_id.is_not(None))).all()
    assert len(named) == len(set(named)) == 3


def test_an_undone_deferral_keeps_its_date_as_the_draft(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    until = datetime(2100, 1, 4, 9, tzinfo=UTC)
    done = decide(database, ada, workflow, take(database, ada, workflow), Outcome.DEFER, until=until)

    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")

    assert take(database, ada, workflow).draft["until"] == "2100-01-04"


def test_the_last_decision_can_be_found_again_to_undo_it(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    assert reviewing.undoable(database, person_id=ada, workflow=workflow) is None
    done = decide(database, ada, workflow, take(database, ada, workflow))

    assert reviewing.undoable(database, person_id=ada, workflow=workflow) == done
    assert reviewing.undoable(database, person_id=ben, workflow=workflow) is None
    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")
    assert reviewing.undoable(database, person_id=ada, workflow=workflow) is None


def test_a_role_that_was_taken_back_undoes_decides_and_holds_nothing(database, workflow):
    person = a_person(database, "Rae", Role.REVIEWER, Role.AUDITOR)
    bring_in(database, workflow, forecasts(2))
    done = decide(database, person, workflow, take(database, person, workflow))
    held = take(database, person, workflow)
    with database.writing() as session:
        people_.revoke(session, person, Role.REVIEWER)

    with pytest.raises(ItemNotFound):
        reviewing.undo(database, person_id=person, workflow=workflow, decision_id=done.id, key="u-1")
    with pytest.raises(ItemNotFound):
        decide(database, person, workflow, held, key="late")
    assert not reviewing.renew_claim(
        database, person_id=person, workflow=workflow, item_id=held.item.id, fence=held.item.fence
    )


def test_a_higher_role_elsewhere_takes_no_escalated_item_here(database, workflow):
    other = a_workflow(database, key="other")
    with database.writing() as session:
        mixed = people_.add(session, issuer="test", subject="mix", name="Mix")
        people_.grant(session, mixed, Role.OWNER, workflow_id=other.id)
        people_.grant(session, mixed, Role.REVIEWER, workflow_id=workflow.id)
    bring_in(database, workflow, forecasts(1))
    with database.writing() as session:
        session.execute(update(items).values(level=1))

    assert reviewing.take_next(database, person_id=mixed, workflow=workflow) is None


def test_an_undo_pressed_twice_is_one_undo(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    done = decide(database, ada, workflow, take(database, ada, workflow))

    first = reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")
    second = reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")

    assert (second, second.replayed) == (first, True)


def test_an_escalated_item_goes_to_the_director_and_not_back_to_reviewers(database, workflow, ada, ben):
    director = a_person(database, "Dora", Role.DIRECTOR)
    bring_in(database, workflow, forecasts(1))
    decide(database, ada, workflow, take(database, ada, workflow), Outcome.ESCALATE, note="Above my authority.")

    assert reviewing.take_next(database, person_id=ben, workflow=workflow) is None
    desk = take(database, director, workflow)

    assert (desk.item.level, desk.mine) == (1, True)
    assert decide(database, director, workflow, desk, key="dora").outcome is Outcome.ACCEPT_AI


def test_an_undone_escalation_comes_back_down(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    done = decide(database, ada, workflow, take(database, ada, workflow), Outcome.ESCALATE, note="Too big for me.")

    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=done.id, key="u-1")

    assert take(database, ada, workflow).item.level == 0


def test_a_deferred_item_returns_on_its_date(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    decide(database, ada, workflow, desk, Outcome.DEFER, until=desk.opened_at + timedelta(days=2))

    assert reviewing.take_next(database, person_id=ada, workflow=workflow) is None
    with database.writing() as session:
        session.execute(update(items).values(available_at=database_now(session)))

    assert take(database, ada, workflow).item.id == desk.item.id


def test_an_item_that_was_sent_back_returns_with_a_new_forecast(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    decide(database, ada, workflow, desk, Outcome.SEND_BACK, note="Which contract is this?")

    assert reviewing.take_next(database, person_id=ada, workflow=workflow) is None
    bring_in(database, workflow, forecasts(1, step=180))

    assert take(database, ada, workflow).item.manual.value == 1180.0


def test_a_skipped_item_is_back_in_the_queue_with_its_draft_kept(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    reviewing.save_draft(database, person_id=ada, item=desk.item, body={"final": 5.0})
    reviewing.skip_item(database, person_id=ada, item_id=desk.item.id, fence=desk.item.fence, reason=SkipReason.LATER)

    assert take(database, ben, workflow).item.id == desk.item.id
    assert count(database, drafts) == 1


def test_a_draft_survives_and_is_gone_once_decided(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    reviewing.save_draft(database, person_id=ada, item=desk.item, body={"final": 5.0})
    reviewing.save_draft(database, person_id=ada, item=desk.item, body={"final": 6.0})

    assert take(database, ada, workflow).draft == {"final": 6.0}
    decide(database, ada, workflow, desk)

    assert count(database, drafts) == 0


def test_a_link_to_somebody_elses_item_shows_it_and_who_has_it(database, workflow, ada, ben):
    bring_in(database, workflow, forecasts(1))
    held = take(database, ada, workflow)

    seen = reviewing.open_item(database, person_id=ben, workflow=workflow, item_id=held.item.id)

    assert (seen.mine, seen.item.holder_name) == (False, "Ada")


def test_a_fourth_open_item_gives_the_oldest_back(database, workflow, ada):
    bring_in(database, workflow, forecasts(5))
    first = take(database, ada, workflow)
    with database.reading() as session:
        others = session.execute(select(items.c.id).where(items.c.id != first.item.id)).scalars().all()

    for item_id in others[:3]:
        reviewing.open_item(database, person_id=ada, workflow=workflow, item_id=item_id)

    assert count(database, items, items.c.state == State.CLAIMED) == 3
    with pytest.raises(ClaimNotHeld):
        decide(database, ada, workflow, first)


def test_nobody_reviews_without_the_role_outside_the_scope_or_after_being_disabled(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    manager = a_person(database, "Mia", Role.MANAGER)
    outsider = a_person(database, "Out", Role.REVIEWER, segment_path="North\x1f")

    with pytest.raises(NotAllowed, match="Mia may not review items"):
        reviewing.take_next(database, person_id=manager, workflow=workflow)
    with pytest.raises(ItemNotFound):
        reviewing.open_item(database, person_id=outsider, workflow=workflow, item_id=desk.item.id)
    with database.writing() as session:
        session.execute(update(people).where(people.c.id == ada).values(disabled_at=database_now(session)))
    with pytest.raises(NotAllowed, match="disabled"):
        decide(database, ada, workflow, desk)


def test_a_workflow_without_an_owner_is_not_open_for_review(database, ada):
    workflow = a_workflow(database, owner=None)
    bring_in(database, workflow, forecasts(1))

    with pytest.raises(NotReady, match="it has no owner"):
        reviewing.take_next(database, person_id=ada, workflow=workflow)


def test_comments_are_kept_with_who_and_when(database, workflow, ada):
    from workbench import reads

    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    reviewing.comment(database, person_id=ada, item_id=desk.item.id, body="Ask the account team.")

    remarks = reads.comments(database, person_id=ada, item=desk.item)
    assert [(remark.author, remark.body) for remark in remarks] == [("Ada", "Ask the account team.")]


def test_a_panel_that_is_opened_twice_was_first_seen_once(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    for _ in range(2):  # a callback can run twice for one press
        reviewing.open_evidence(database, person_id=ada, item=desk.item, panel="model")

    assert count(database, evidence_views) == 1


def test_an_item_moves_up_as_its_deadline_nears(database, workflow):
    bring_in(database, workflow, forecasts(2, step=1))
    with database.writing() as session:
        now = database_now(session)
        session.execute(update(items).where(items.c.id == 1).values(due_at=now - timedelta(hours=1)))
        session.execute(update(items).values(placed_until=now))

    reviewing.keep_order(database, {})

    with database.reading() as session:
        lanes = session.execute(select(items.c.lane).order_by(items.c.id)).scalars().all()
    assert lanes[0] == Lane.DUE
    assert lanes[1] > Lane.DUE


def test_lane_flag_and_scale_are_put_in_order_together(database, workflow):
    rows = "series,period,ai_forecast,human_forecast\nacme,2026-12,587,352\nbolt,2026-11,100,100\n"
    bring_in(database, workflow, rows)
    assert count(database, items, items.c.scale.is_(None) & items.c.flagged) == 1
    bring_in(database, workflow, "series,period,actual\nbolt,2026-11,190\n", kind="actuals")
    with database.writing() as session:
        session.execute(update(items).values(placed_until=database_now(session)))

    reviewing.keep_order(database, {})

    with database.reading() as session:
        acme = session.execute(select(items).where(items.c.period == "2026-12")).one()
    assert (acme.scale is not None, "usual miss" in acme.why[0]) == (True, True)
    assert acme.flagged == (acme.u is None or abs(acme.u) >= 1.28)
    assert acme.flagged or acme.lane == Lane.ROUTINE or acme.audit_sample


def test_the_order_is_left_alone_while_it_is_fresh(database, workflow):
    bring_in(database, workflow, forecasts(1))
    with database.writing() as session:
        session.execute(update(items).values(due_at=database_now(session) - timedelta(hours=1), lane=Lane.ROUTINE))

    reviewing.keep_order(database, {})

    assert count(database, items, items.c.lane == Lane.ROUTINE) == 1


def test_an_item_that_is_only_being_put_in_order_is_waited_for(database, workflow, ada):
    bring_in(database, workflow, forecasts(1))
    with ThreadPoolExecutor(1) as other:
        with database.writing() as session:
            session.execute(update(items).values(score=items.c.score + 1))
            taking = other.submit(take, database, ada, workflow)
            assert not wait_for([taking], timeout=0.5).done
        assert taking.result(timeout=30).item.series == "acme-1"

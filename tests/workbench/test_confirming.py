"""Confirming Routine items together: drawn, looked at, and each decided on its own."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import BatchRefused, ItemNotFound, NotAllowed
from review_queue.items import Lane, Outcome, SkipReason, Stage, State
from review_queue.roles import Role
from storage.engine import database_now
from storage.tables import audit_events, batch_items, batches, decisions, evidence_views, items, outbox
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from tests.tampering import take_out, unguarded
from workbench.actions import confirming, reviewing

BECAUSE = "All within the range."


def routine(count: int) -> str:
    """Items on which both forecasts agree."""
    return forecasts(count, step=0)


@pytest.fixture
def workflow(database):
    """Six items of Routine; none is drawn to be judged all the same."""
    made = a_workflow(database, audit_share=0)
    bring_in(database, made, routine(6))
    return made


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


@pytest.fixture
def ben(database):
    return a_person(database, "Ben", Role.REVIEWER)


def count(database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def draw(database, person, workflow, **how):
    return confirming.draw_batch(database, person_id=person, workflow=workflow, **how)


def look(database, person, preview):
    """Open every item that chance chose."""
    for item_id in preview.batch.still_to_look_at:
        confirming.look_at(database, person_id=person, batch_id=preview.batch.id, item_id=item_id)


def confirm(database, person, workflow, preview, note=BECAUSE, **how):
    return confirming.confirm_batch(
        database, person_id=person, workflow=workflow, batch_id=preview.batch.id, note=note, **how
    )


def drawn_and_seen(database, person, workflow):
    preview = draw(database, person, workflow)
    look(database, person, preview)
    return preview


def set_items(database, which, **values):
    with database.writing() as session:
        session.execute(update(items).where(which).values(**values))


# --- drawing -------------------------------------------------------------------------------------------------------


def test_a_batch_previews_the_first_routine_items_up_to_the_cap(database, dora):
    workflow = a_workflow(database, audit_share=0, batch_cap=4)
    bring_in(database, workflow, routine(6))
    set_items(database, items.c.id == 5, score=50.0)

    preview = draw(database, dora, workflow)

    assert [item.id for item in preview.items] == [row.item_id for row in preview.batch.items] == [5, 1, 2, 3]
    assert [item.ai.value for item in preview.items] == [1000.0] * 4
    assert count(database, items, items.c.state == State.CLAIMED) == 0
    with database.reading() as session:
        event = session.execute(select(audit_events).where(audit_events.c.action == "batch.drawn")).one()
    assert (event.actor_id, event.details["items"]) == (dora, 4)
    assert event.details["to_look_at"] == sorted(preview.batch.still_to_look_at)


def test_twenty_five_items_are_the_most_unless_the_policy_says_otherwise(database, dora):
    workflow = a_workflow(database, audit_share=0)
    bring_in(database, workflow, routine(30))

    assert len(draw(database, dora, workflow).items) == 25


@pytest.mark.parametrize(("share", "wanted"), [(0.1, 2), (0.5, 3), (0.51, 4), (1.0, 6)])
def test_a_share_of_the_batch_and_at_least_two_are_to_be_looked_at(database, dora, share, wanted):
    workflow = a_workflow(database, audit_share=0, batch_looks=share)
    bring_in(database, workflow, routine(6))

    assert len(draw(database, dora, workflow).batch.still_to_look_at) == wanted


def test_a_batch_of_one_is_looked_at(database, dora):
    workflow = a_workflow(database, audit_share=0)
    bring_in(database, workflow, routine(1))

    assert draw(database, dora, workflow).batch.still_to_look_at == (1,)


def test_chance_chooses_what_is_looked_at(database, workflow, dora):
    """Two of six are drawn each time: in 40 draws one of them is never among them less than once in a million runs."""
    chosen = Counter(item_id for _ in range(40) for item_id in draw(database, dora, workflow).batch.still_to_look_at)

    assert set(chosen) == {1, 2, 3, 4, 5, 6}
    assert sum(chosen.values()) == 80


def test_only_routine_items_that_are_unflagged_with_an_ai_forecast_and_free_are_drawn(database, ben, dora):
    workflow = a_workflow(database, audit_share=0, batch_cap=12)
    bring_in(database, workflow, routine(12))
    bring_in(database, workflow, "series,period,human_forecast\nno-ai,2026-12,0\n")
    with database.writing() as session:
        now = database_now(session)
        later = now + timedelta(hours=1)
        for item_id, values in {
            1: {"lane": Lane.JUDGEMENT},
            2: {"lane": Lane.DUE},
            3: {"flagged": True},
            4: {"level": 1},
            5: {"assigned_to": ben},
            6: {"state": State.DECIDED},
            7: {"state": State.CLAIMED, "claimed_by": ben, "expires_at": later, "available_at": later},
            8: {"stage": Stage.SECOND},
            9: {"state": State.SENT_BACK},
            13: {"lane": Lane.ROUTINE, "flagged": False, "score": 99.0},
        }.items():
            session.execute(update(items).where(items.c.id == item_id).values(**values))

    assert [item.id for item in draw(database, dora, workflow).items] == [10, 11, 12]


def test_items_without_an_ai_forecast_do_not_hide_the_others(database, dora):
    workflow = a_workflow(database, audit_share=0, batch_cap=2)
    bring_in(database, workflow, "series,period,human_forecast\n" + "".join(f"no-{n},2026-12,0\n" for n in range(3)))
    bring_in(database, workflow, routine(2))
    set_items(database, items.c.id <= 3, lane=Lane.ROUTINE, flagged=False, score=99.0)

    assert [item.series for item in draw(database, dora, workflow).items] == ["acme-1", "acme-2"]


def test_an_item_that_somebody_skipped_for_good_is_not_in_their_batch(database, workflow, dora):
    held = reviewing.open_item(database, person_id=dora, workflow=workflow, item_id=3).item
    reviewing.skip_item(database, person_id=dora, item_id=3, fence=held.fence, reason=SkipReason.INTEREST)

    assert 3 not in [item.id for item in draw(database, dora, workflow).items]


def test_where_nothing_can_be_confirmed_nothing_is_drawn(database, dora):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(3, step=500))

    with pytest.raises(BatchRefused, match="No Routine item waits here"):
        draw(database, dora, workflow)

    assert count(database, batches) == 0


def test_a_batch_is_drawn_inside_the_scope_and_the_segments_asked_for(database):
    workflow = a_workflow(database, audit_share=0, segments=["region"])
    rows = "".join(f"s{n},2026-12,10,10,{'NSW'[n % 3]}\n" for n in range(6))
    bring_in(database, workflow, "series,period,ai_forecast,human_forecast,segment_region\n" + rows)
    with database.writing() as session:
        from storage import people

        scoped = people.add(session, issuer="test", subject="sco", name="Sco")
        people.grant(session, scoped, Role.DIRECTOR, segment_path="N\x1f")
        people.grant(session, scoped, Role.DIRECTOR, segment_path="S\x1f")

    assert [item.id for item in draw(database, scoped, workflow).items] == [1, 2, 4, 5]
    assert [item.id for item in draw(database, scoped, workflow, segment_path="S\x1f").items] == [2, 5]


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.MANAGER, Role.AUDITOR, Role.ADMINISTRATOR])
def test_only_directors_and_owners_confirm_together(database, workflow, dora, role):
    preview = drawn_and_seen(database, dora, workflow)
    person = a_person(database, "Rae", role)

    for asked in (
        lambda: draw(database, person, workflow),
        lambda: confirm(database, person, workflow, preview),
        lambda: confirming.open_batch(database, person_id=person, workflow=workflow),
    ):
        with pytest.raises(NotAllowed, match="may not confirm items in bulk"):
            asked()
    assert count(database, decisions) == 0


# --- looking -------------------------------------------------------------------------------------------------------


def test_what_chance_chose_must_be_opened_before_the_batch_is_confirmed(database, workflow, dora):
    preview = draw(database, dora, workflow)
    first, second = preview.batch.still_to_look_at
    confirming.look_at(database, person_id=dora, batch_id=preview.batch.id, item_id=first)

    with pytest.raises(BatchRefused, match=f"Open item {second} first"):
        confirm(database, dora, workflow, preview)

    assert count(database, decisions) == 0
    confirming.look_at(database, person_id=dora, batch_id=preview.batch.id, item_id=second)
    assert len(confirm(database, dora, workflow, preview).decisions) == 6


def test_what_is_left_out_need_not_be_opened(database, workflow, dora):
    preview = draw(database, dora, workflow)
    left = preview.batch.still_to_look_at

    done = confirm(database, dora, workflow, preview, leave_out=left)

    assert {decision.item_id for decision in done.decisions} == {1, 2, 3, 4, 5, 6} - set(left)
    assert count(database, items, items.c.state == State.READY) == 2


def test_a_look_is_on_record_once(database, workflow, dora):
    preview = draw(database, dora, workflow)
    item_id = preview.batch.still_to_look_at[0]

    seen = [confirming.look_at(database, person_id=dora, batch_id=preview.batch.id, item_id=item_id) for _ in range(2)]

    assert [(item.id, item.ai.value) for item in seen] == [(item_id, 1000.0)] * 2
    assert count(database, evidence_views, evidence_views.c.panel == "batch") == 1
    reopened = confirming.open_batch(database, person_id=dora, workflow=workflow)
    assert item_id not in reopened.batch.still_to_look_at
    with pytest.raises(ItemNotFound):
        confirming.look_at(database, person_id=dora, batch_id=preview.batch.id, item_id=999)


def test_a_drawn_batch_survives_a_reload_and_is_its_owners_alone(database, workflow, dora):
    other = a_person(database, "Dan", Role.DIRECTOR)
    preview = draw(database, dora, workflow)

    again = confirming.open_batch(database, person_id=dora, workflow=workflow)

    assert (again.batch.id, [item.id for item in again.items]) == (preview.batch.id, [1, 2, 3, 4, 5, 6])
    assert confirming.open_batch(database, person_id=other, workflow=workflow) is None
    for asked in (
        lambda: confirm(database, other, workflow, preview),
        lambda: confirming.look_at(database, person_id=other, batch_id=preview.batch.id, item_id=1),
        lambda: confirming.look_at(database, person_id=dora, batch_id=999, item_id=1),
    ):
        with pytest.raises(BatchRefused, match="no such batch of yours"):
            asked()
    assert count(database, decisions) == 0


# --- confirming ----------------------------------------------------------------------------------------------------


def test_each_item_of_a_batch_has_its_own_decision_audit_event_key_and_outbox_event(database, workflow, dora):
    preview = drawn_and_seen(database, dora, workflow)

    done = confirm(database, dora, workflow, preview)

    assert ([decision.item_id for decision in done.decisions], done.left_out) == ([1, 2, 3, 4, 5, 6], ())
    with database.reading() as session:
        rows = session.execute(select(decisions).order_by(decisions.c.id)).all()
        made = select(audit_events.c.decision_id).where(audit_events.c.action == "decision.made")
        told = session.execute(select(outbox.c.decision_id).order_by(outbox.c.id)).scalars().all()
        on_record = session.execute(made.order_by(audit_events.c.id)).scalars().all()
    assert {(row.outcome, row.final_value, row.mode, row.note, row.actor_id) for row in rows} == {
        (Outcome.ACCEPT_AI, 1000.0, "bulk", BECAUSE, dora)
    }
    assert [row.idempotency_key for row in rows] == [row.key for row in preview.batch.items]
    assert len({row.idempotency_key for row in rows}) == 6
    assert told == on_record == [row.id for row in rows]
    assert count(database, items, items.c.state == State.DECIDED) == 6
    assert count(database, audit_events, audit_events.c.action == "item.claimed") == 6
    assert count(database, audit_events, audit_events.c.action == "batch.confirmed") == 1
    looked_at = {row.item_id for row in rows if row.opened_at is not None}
    assert looked_at == set(preview.batch.still_to_look_at)


@pytest.mark.parametrize("note", ["", "   "])
def test_a_batch_is_confirmed_with_a_reason(database, workflow, dora, note):
    preview = drawn_and_seen(database, dora, workflow)

    with pytest.raises(BatchRefused, match="Say in a sentence why"):
        confirm(database, dora, workflow, preview, note)

    assert count(database, decisions) == 0


def test_confirming_twice_gives_the_same_answer(database, workflow, dora):
    preview = drawn_and_seen(database, dora, workflow)
    first = confirm(database, dora, workflow, preview)

    second = confirm(database, dora, workflow, preview, "Another reason.")

    assert [decision.id for decision in second.decisions] == [decision.id for decision in first.decisions]
    assert all(decision.replayed for decision in second.decisions)
    assert count(database, decisions) == count(database, outbox) == 6
    assert confirming.open_batch(database, person_id=dora, workflow=workflow) is None


def test_what_was_left_out_stays_left_out_when_the_batch_is_confirmed_again(database, workflow, ben, dora):
    preview = drawn_and_seen(database, dora, workflow)
    held = reviewing.open_item(database, person_id=ben, workflow=workflow, item_id=2).item
    kept_out = next(row.item_id for row in preview.batch.items if row.item_id != 2)
    first = confirm(database, dora, workflow, preview, leave_out=[kept_out])
    reviewing.skip_item(database, person_id=ben, item_id=2, fence=held.fence, reason=SkipReason.LATER)

    second = confirm(database, dora, workflow, preview)

    assert [decision.id for decision in second.decisions] == [decision.id for decision in first.decisions]
    assert dict(second.left_out) == {**dict(first.left_out), kept_out: "You left it out."}
    assert count(database, items, items.c.state == State.READY) == 2


def test_an_answer_that_never_came_is_asked_for_again_and_the_rest_goes_on(database, workflow, dora):
    preview = drawn_and_seen(database, dora, workflow)
    confirm(database, dora, workflow, preview)
    with unguarded(database) as session:  # as if the server had stopped after the first three
        undone = select(batch_items.c.id).where(batch_items.c.item_id > 3)
        session.execute(update(batch_items).where(batch_items.c.id.in_(undone)).values(decision_id=None))
        session.execute(update(items).where(items.c.id > 3).values(state=State.READY))
        session.execute(outbox.delete().where(outbox.c.item_id > 3))
        take_out(session, audit_events.c.item_id > 3)
        session.execute(decisions.delete().where(decisions.c.item_id > 3))
    offered = confirming.open_batch(database, person_id=dora, workflow=workflow)
    assert [item.id for item in offered.items] == [4, 5, 6]

    done = confirm(database, dora, workflow, preview)

    assert [decision.replayed for decision in done.decisions] == [True] * 3 + [False] * 3
    assert confirming.open_batch(database, person_id=dora, workflow=workflow) is None
    assert count(database, decisions) == count(database, outbox) == 6


def test_what_was_taken_decided_or_changed_since_is_left_out_with_a_sentence(database, workflow, ben, dora):
    preview = drawn_and_seen(database, dora, workflow)
    reviewing.open_item(database, person_id=ben, workflow=workflow, item_id=1)
    desk = reviewing.open_item(database, person_id=ben, workflow=workflow, item_id=2)
    reviewing.submit_decision(
        database, person_id=ben, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key="ben")
    )
    bring_in(database, workflow, "series,period,ai_forecast\nacme-3,2026-12,1001\n")
    set_items(database, items.c.id == 4, level=2)

    done = confirm(database, dora, workflow, preview)

    assert [decision.item_id for decision in done.decisions] == [5, 6]
    said = dict(done.left_out)
    assert said[1].startswith("Ben has item 1 now")
    assert said[2].startswith("Item 2 was already decided by Ben at ")
    assert said[3].startswith("Item 3 changed while you were looking")
    assert "item 4" in said[4]
    with database.reading() as session:
        kept = session.execute(select(batch_items.c.item_id, batch_items.c.left_out).order_by(batch_items.c.id)).all()
    assert {item_id: why for item_id, why in kept if why} == said


def test_one_that_was_reopened_since_is_left_out(database, workflow, dora):
    from workbench.actions import assigning

    preview = drawn_and_seen(database, dora, workflow)
    desk = reviewing.open_item(database, person_id=dora, workflow=workflow, item_id=1)
    reviewing.submit_decision(
        database, person_id=dora, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key="dora")
    )
    assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=1, note="Look again.")

    done = confirm(database, dora, workflow, preview)

    assert [item_id for item_id, _ in done.left_out] == [1]
    assert count(database, decisions, decisions.c.round == 2) == 0


def test_a_batch_that_was_drawn_over_an_hour_ago_is_drawn_afresh(database, workflow, dora):
    preview = drawn_and_seen(database, dora, workflow)
    with database.writing() as session:
        session.execute(update(batches).values(drawn_at=database_now(session) - timedelta(minutes=60, seconds=1)))

    with pytest.raises(BatchRefused, match="drawn over an hour ago"):
        confirm(database, dora, workflow, preview)

    assert count(database, decisions) == 0
    assert confirming.open_batch(database, person_id=dora, workflow=workflow) is None


def test_a_role_that_was_taken_back_confirms_nothing(database, workflow, dora):
    from storage import people

    preview = drawn_and_seen(database, dora, workflow)
    with database.writing() as session:
        people.revoke(session, dora, Role.DIRECTOR)

    with pytest.raises(NotAllowed):
        confirm(database, dora, workflow, preview)


def test_a_batch_takes_nothing_out_of_the_directors_hands(database, workflow, dora):
    held = take(database, dora, workflow).item.id
    preview = drawn_and_seen(database, dora, workflow)

    confirm(database, dora, workflow, preview)

    assert held not in [row.item_id for row in preview.batch.items]
    assert count(database, items, items.c.state == State.CLAIMED, items.c.claimed_by == dora) == 1


def test_confirmed_items_get_their_share_of_second_reviews(database, ben, dora):
    workflow = a_workflow(database, audit_share=0, second_review_share=1)
    bring_in(database, workflow, routine(2))
    preview = drawn_and_seen(database, dora, workflow)

    done = confirm(database, dora, workflow, preview)

    assert all(decision.is_provisional for decision in done.decisions)
    assert count(database, outbox) == 0
    assert take(database, ben, workflow).item.ai is None


def test_one_item_of_a_batch_is_undone_like_any_decision(database, workflow, dora):
    preview = drawn_and_seen(database, dora, workflow)
    done = confirm(database, dora, workflow, preview).decisions[0]

    reviewing.undo(database, person_id=dora, workflow=workflow, decision_id=done.id, key="u-1")

    assert take(database, dora, workflow).item.id == done.item_id
    assert count(database, items, items.c.state == State.DECIDED) == 5

"""The escalation ladder at work, on both databases: what it does, what it leaves alone, and that it does it once."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from review_queue.calendars import BusinessCalendar
from review_queue.errors import ClaimNotHeld, NotAllowed, UndoTooLate
from review_queue.escalation import Did, acts_at
from review_queue.items import Band, Outcome, State
from review_queue.notices import News
from review_queue.roles import Role
from storage import escalations as kept
from storage import people
from storage.engine import Database
from storage.tables import absences, assignments, audit_events, decisions, escalations, items, notifications
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import escalating, reviewing

NOON = datetime(2025, 3, 31, 12, tzinfo=UTC)  # a Monday
REMIND = {"name": "remind", "who": "reviewer"}
UP = {"name": "up", "who": "director", "after_hours": 4, "does": "raise"}
TOP = {"name": "top", "who": "workflow owner", "since": "last_step", "after_hours": 8, "does": "raise"}
LADDER = (REMIND, UP, TOP)


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def with_ladder(database: Database, *ladder: dict[str, object], count: int = 3):
    workflow = a_workflow(database, escalation=ladder, audit_share=0.0)
    bring_in(database, workflow, forecasts(count))
    set_all(database, due_at=NOON + hours(240), created_at=NOON - hours(240))
    return workflow


def set_all(database: Database, **values: object) -> None:
    with database.writing() as session:
        session.execute(update(items).values(values))


def set_item(database: Database, item_id: int, **values: object) -> None:
    with database.writing() as session:
        session.execute(update(items).where(items.c.id == item_id).values(values))


def the_items(database: Database) -> list:
    with database.reading() as session:
        return session.execute(select(items).order_by(items.c.id)).all()


def acts(database: Database) -> list[tuple]:
    with database.reading() as session:
        asked = select(escalations.c.item_id, escalations.c.step, escalations.c.did, escalations.c.to_level)
        return sorted(session.execute(asked).tuples().all())


def told(database: Database, person_id: int) -> list[str]:
    with database.reading() as session:
        mine = (notifications.c.person_id == person_id, notifications.c.kind == News.ESCALATED)
        return list(session.execute(select(notifications.c.sentence).where(*mine)).scalars())


def olga(database: Database) -> int:
    with database.reading() as session:
        return people.find(session, "test", "owner")


def test_without_a_ladder_nothing_happens_whatever_is_late(database):
    with_ladder(database)
    set_all(database, due_at=NOON - hours(1000))

    assert escalating.climb(database, now=NOON) == 0
    assert acts(database) == []


def test_a_breached_step_raises_the_item_tells_who_must_act_and_who_had_it_and_is_on_record(database):
    workflow = with_ladder(database, *LADDER)
    dana, ada = a_person(database, "Dana", Role.DIRECTOR), a_person(database, "Ada", Role.REVIEWER)
    elsewhere = a_person(database, "Else", Role.DIRECTOR, segment_path="North\x1f")
    late, *_ = the_items(database)
    set_item(database, late.id, due_at=NOON - hours(69), assigned_to=ada)  # Friday afternoon: five business hours

    assert escalating.climb(database, now=NOON) == 2

    raised, *others = the_items(database)
    assert (raised.level, raised.state, raised.assigned_to) == (1, State.READY, None)
    assert [each.level for each in others] == [0, 0]
    assert acts(database) == [(late.id, "remind", "notified", 0), (late.id, "up", "raised", 1)]
    up = "acme-1 · 2026-12, 4 business hours past its due date. It lies before a director now."
    assert told(database, dana) == [up]
    assert told(database, ada) == ["acme-1 · 2026-12, past its due date. It waits for a decision.", up]
    assert told(database, elsewhere) == []
    with database.reading() as session:
        asked = select(audit_events.c.action, audit_events.c.item_id, audit_events.c.actor_id)
        events = session.execute(asked.where(audit_events.c.item_id == late.id).order_by(audit_events.c.id)).all()
        assert events[-2:] == [("item.escalated", late.id, None), ("item.raised", late.id, None)]
        assert session.execute(select(func.count()).select_from(decisions)).scalar_one() == 0
    assert reviewing.open_item(database, person_id=dana, workflow=workflow, item_id=late.id).mine


def test_a_step_acts_once_a_round_and_the_next_one_counts_from_it(database):
    with_ladder(database, *LADDER, count=1)
    set_all(database, due_at=NOON - hours(69))
    assert escalating.climb(database, now=NOON) == 2

    assert escalating.climb(database, now=NOON + hours(1)) == 0
    assert escalating.climb(database, now=NOON + hours(23.9)) == 0  # Tuesday, a moment before eight business hours
    assert escalating.climb(database, now=NOON + hours(24)) == 1
    assert the_items(database)[0].level == 2
    set_all(database, round=2, level=0)
    assert escalating.climb(database, now=NOON + hours(24)) == 2  # again, but for the one that counts from the last


def test_what_a_rehearsal_says_is_what_the_clock_then_does_and_a_rehearsal_does_nothing(database):
    workflow = with_ladder(
        database, *LADDER, {"name": "gap", "who": "manager", "when": "extreme", "since": "created"}, count=12
    )
    dana = a_person(database, "Dana", Role.DIRECTOR)
    a_person(database, "Mara", Role.MANAGER)
    ada = a_person(database, "Ada", Role.REVIEWER)
    chance = random.Random(7)  # noqa: S311 -- chance that can be repeated
    for each in the_items(database):
        due = NOON + hours(chance.choice([-120, -69, -5, 3, 25, 100]))
        level, band = chance.choice([0, 1, 2]), chance.choice([Band.EXTREME, Band.MINOR])
        held = {"state": "claimed", "claimed_by": ada, "expires_at": NOON + hours(chance.choice([-1, 0.2, 30]))}
        set_item(database, each.id, due_at=due, level=level, band=band, **chance.choice([{}, {}, held]))
    before = the_items(database)

    rehearsal = escalating.rehearse(database, person_id=dana, workflow=workflow, now=NOON)

    assert the_items(database) == before
    assert acts(database) == []
    assert len({act.did for act in rehearsal.due_now}) == 2
    escalating.climb(database, now=NOON)
    assert acts(database) == sorted((act.item_id, act.step, act.did, act.to_level) for act in rehearsal.due_now)
    with database.reading() as session:
        whom = {(each.item_id, each.step): each.told for each in kept.newest(session, workflow.id, limit=100)}
    assert whom == {(act.item_id, act.step): act.told for act in rehearsal.due_now}
    # Every later one comes at its time, if nothing else happens: not before, and by then.
    later = rehearsal.acts[len(rehearsal.due_now) :]
    for at in sorted({act.at for act in later}):
        then = {(act.item_id, act.step, act.did, act.to_level) for act in later if act.at == at}
        escalating.climb(database, now=at - timedelta(milliseconds=1))
        assert then.isdisjoint(acts(database))
        escalating.climb(database, now=at)
        assert then <= set(acts(database))
    assert len(acts(database)) == len(rehearsal.acts) > len(rehearsal.due_now)
    assert rehearsal.until == datetime(2025, 4, 3, 12, tzinfo=UTC)


def test_two_clocks_at_once_act_once_on_each_item(database):
    with_ladder(database, *LADDER, count=40)
    ada = a_person(database, "Ada", Role.REVIEWER)
    set_all(database, due_at=NOON - hours(69))

    with ThreadPoolExecutor(4) as several:
        counts = list(several.map(lambda _: escalating.climb(database, now=NOON), range(4)))

    escalating.climb(database, now=NOON)  # what one clock left because the other had it locked
    assert len(acts(database)) == 80
    assert sum(counts) <= 80
    assert {each.level for each in the_items(database)} == {1}
    with database.reading() as session:
        raised = select(func.count()).select_from(audit_events).where(audit_events.c.action == "item.raised")
        assert session.execute(raised).scalar_one() == 40
    assert told(database, ada) != []


def test_a_claim_that_goes_on_is_left_alone_but_for_a_word_and_one_that_ran_out_ends(database):
    workflow = with_ladder(database, REMIND, UP, count=1)
    ada = a_person(database, "Ada", Role.REVIEWER)
    a_person(database, "Dana", Role.DIRECTOR)
    set_all(database, due_at=NOON - hours(69))
    desk = take(database, ada, workflow)
    set_all(database, expires_at=NOON + hours(1))
    claimed = the_items(database)

    assert escalating.climb(database, now=NOON) == 1
    assert the_items(database) == claimed
    assert told(database, ada) == ["acme-1 · 2026-12, past its due date. It waits for a decision."]

    assert escalating.climb(database, now=NOON + hours(1)) == 1
    (raised,) = the_items(database)
    assert (raised.state, raised.level) == (State.READY, 1)
    choice = choose(desk, Outcome.KEEP_MANUAL)
    with pytest.raises(ClaimNotHeld):
        reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)


def test_what_went_up_by_the_ladder_can_no_longer_be_undone_by_whoever_had_passed_it_up(database):
    workflow = with_ladder(database, {**UP, "who": "workflow owner"}, count=1)
    ada = a_person(database, "Ada", Role.REVIEWER)
    choice = choose(take(database, ada, workflow), Outcome.ESCALATE, note="Too high for me.")
    passed_up = reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    set_all(database, due_at=NOON - hours(69))
    escalating.climb(database, now=NOON)

    with pytest.raises(UndoTooLate):
        reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=passed_up.id, key="undo")

    assert [each.level for each in the_items(database)] == [2]


def test_what_lies_with_somebody_who_is_away_goes_to_their_deputy_or_the_owner_hears_why_not(database):
    step = {"name": "away", "does": "assign_deputy", "when": "overdue"}
    with_ladder(database, step, count=3)
    ada, ben = (a_person(database, name, Role.REVIEWER) for name in ("Ada", "Ben"))
    cleo, _ = a_person(database, "Cleo", Role.REVIEWER), olga(database)
    first, second, third = (each.id for each in the_items(database))
    set_all(database, due_at=NOON - hours(1))
    set_item(database, first, assigned_to=ada)
    set_item(database, second, assigned_to=cleo)
    set_item(database, third, assigned_to=ben)
    away = {"from_at": NOON - hours(48), "until_at": NOON + hours(48), "noted_by": ada, "noted_at": NOON}
    with database.writing() as session:
        session.execute(insert(absences).values(person_id=ada, deputy_id=ben, **away))
        session.execute(insert(absences).values(person_id=cleo, **away))

    assert escalating.climb(database, now=NOON) == 2

    assert acts(database) == [(first, "away", "assigned", 0), (second, "away", "not_possible", 0)]
    assert [each.assigned_to for each in the_items(database)] == [ben, cleo, ben]
    assert told(database, ben) == ["acme-1 · 2026-12, past its due date, overdue. Ben has it now."]
    assert "Cleo is away until 2025-04-02, and nobody stands in." in told(database, olga(database))[0]
    with database.reading() as session:
        by, note = session.execute(select(assignments.c.assigned_by, assignments.c.note)).one()
        given = kept.of_item(session, first, 1)
    assert (by, note) == (None, "past its due date, overdue.")
    assert [(one.did, one.assigned_to, one.told) for one in given] == [(Did.ASSIGNED, "Ben", ("Ben",))]


def test_nobody_gets_more_from_the_ladder_than_may_be_assigned_to_them(database):
    step = {"name": "away", "does": "assign_deputy"}
    workflow = a_workflow(database, escalation=[step], assigned_limit=2, audit_share=0.0)
    bring_in(database, workflow, forecasts(3))
    ada, ben = (a_person(database, name, Role.REVIEWER) for name in ("Ada", "Ben"))
    set_all(database, due_at=NOON - hours(1), assigned_to=ada)
    away = {"from_at": NOON - hours(48), "until_at": NOON + hours(48), "noted_by": ada, "noted_at": NOON}
    with database.writing() as session:
        session.execute(insert(absences).values(person_id=ada, deputy_id=ben, **away))

    rehearsal = escalating.rehearse(database, person_id=olga(database), workflow=workflow, now=NOON)
    escalating.climb(database, now=NOON)

    assert [did for _, _, did, _ in acts(database)] == ["assigned", "assigned", "not_possible"]
    assert sorted((act.item_id, act.did) for act in rehearsal.due_now) == [(one[0], one[2]) for one in acts(database)]


def test_several_items_are_told_of_in_one_sentence(database):
    with_ladder(database, UP, count=3)
    dana = a_person(database, "Dana", Role.DIRECTOR)
    set_all(database, due_at=NOON - hours(69))

    escalating.climb(database, now=NOON)

    assert told(database, dana) == [
        "Sales: 3 items, 4 business hours past its due date. They lie before a director now."
    ]


def test_the_database_finds_exactly_what_the_rule_says(database):
    """The two are written apart, so they are held against each other on items of every kind."""
    steps = [
        {"name": "a", "who": "reviewer", "after_hours": 3},
        {"name": "b", "who": "reviewer", "since": "created", "when": ["overdue", "unclaimed"]},
        {"name": "c", "who": "director", "since": "created", "when": ["extreme"], "does": "raise"},
        {"name": "d", "who": "director", "since": "created", "when": "money", "money_above": 50},
        {"name": "e", "who": "director", "since": "created", "when": "expired", "expired_times": 3},
        {"name": "f", "who": "director", "since": "created", "does": "assign_deputy", "after_hours": 1},
    ]
    workflow = with_ladder(database, *steps, count=60)
    ada, ben = (a_person(database, name, Role.REVIEWER) for name in ("Ada", "Ben"))
    with database.writing() as session:
        away = {"from_at": NOON - hours(48), "until_at": NOON + hours(48), "noted_by": ada, "noted_at": NOON}
        session.execute(insert(absences).values(person_id=ada, deputy_id=ben, **away))
    chance = random.Random(11)  # noqa: S311 -- chance that can be repeated
    for each in the_items(database):
        state = chance.choice([State.READY, State.CLAIMED, State.CLAIMED, State.DEFERRED, State.SENT_BACK])
        claim = {"claimed_by": ben, "expires_at": NOON + hours(chance.choice([-2, 0, 1]))}
        set_item(
            database,
            each.id,
            state=state,
            **(claim if state is State.CLAIMED else {}),
            due_at=chance.choice([None, NOON - hours(40), NOON - hours(3), NOON, NOON + hours(1)]),
            created_at=NOON - hours(chance.choice([0, 0.5, 20, 90])),
            band=chance.choice([Band.EXTREME, Band.LARGE]),
            money=chance.choice([None, -60.0, 50.0, 51.0]),
            expiries=chance.choice([0, 2, 3]),
            assigned_to=chance.choice([None, ada, ben]),
        )

    ladder, calendar = workflow.policy.escalation, BusinessCalendar.of(workflow.policy)
    with database.reading() as session:
        every = kept.climbers(session, [each.id for each in the_items(database)], now=NOON)
        for step in ladder:
            cutoff = calendar.hours_ago(NOON, step.after_hours)
            found = kept.candidates(session, workflow.id, step, None, now=NOON, at=NOON, cutoff=cutoff, limit=100)
            by_rule = [
                each.item_id
                for each in every
                if any(at <= NOON for _, at in acts_at([step], each.facts, {}, calendar=calendar, now=NOON))
            ]
            assert sorted(found) == by_rule, step.name
            assert 0 < len(by_rule) < 60


def test_what_was_sent_back_twice_is_counted_without_what_was_undone(database):
    workflow = with_ladder(
        database, {"name": "twice", "who": "manager", "since": "created", "when": "returned"}, count=1
    )
    ada = a_person(database, "Ada", Role.REVIEWER)

    def send_back(key: str):
        set_all(database, state="ready", available_at=NOON)
        choice = choose(take(database, ada, workflow), Outcome.SEND_BACK, key=key, note="Which price?")
        return reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)

    send_back("one")
    undone = send_back("two")
    reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=undone.id, key="undo")
    assert escalating.climb(database, now=NOON) == 0
    send_back("three")

    assert escalating.climb(database, now=NOON) == 1


def test_only_who_governs_or_assigns_tries_the_ladder(database):
    workflow = with_ladder(database, *LADDER)
    ada = a_person(database, "Ada", Role.REVIEWER)

    with pytest.raises(NotAllowed):
        escalating.rehearse(database, person_id=ada, workflow=workflow)
    with pytest.raises(NotAllowed):
        escalating.last_acts(database, person_id=ada, workflow=workflow)


def test_a_director_of_one_region_sees_what_happens_there_and_no_more(database):
    workflow = a_workflow(database, escalation=LADDER, segments=["region"], audit_share=0.0)
    rows = "series,period,ai_forecast,human_forecast,segment_region\na,2026-12,10,20,North\nb,2026-12,10,20,South\n"
    bring_in(database, workflow, rows)
    nora = a_person(database, "Nora", Role.DIRECTOR, segment_path="North\x1f")
    set_all(database, due_at=NOON - hours(69))

    rehearsal = escalating.rehearse(database, person_id=nora, workflow=workflow, now=NOON)
    escalating.climb(database, now=NOON)

    assert {act.series for act in rehearsal.acts} == {"a"}
    seen = escalating.last_acts(database, person_id=nora, workflow=workflow)
    assert {act.series for act in seen} == {"a"}
    assert len(acts(database)) == 4
    assert all("b · 2026-12" not in sentence for sentence in told(database, nora))


def test_a_workflow_that_is_not_open_for_review_has_no_clock(database):
    with_ladder(database, *LADDER)
    a_workflow(database, escalation=LADDER, audit_share=0.0, owner=None)
    set_all(database, due_at=NOON - hours(100))

    assert escalating.climb(database, now=NOON) == 0


def test_somebody_named_by_address_is_told_and_the_owner_where_there_is_nobody(database):
    with_ladder(database, {"name": "ceo", "who": "ceo@example.com"}, {"name": "boss", "who": "manager"}, count=1)
    with database.writing() as session:
        ceo = people.add(session, issuer="test", subject="ceo", name="Cora", email="ceo@example.com")
    set_all(database, due_at=NOON - hours(1))

    escalating.climb(database, now=NOON)

    assert len(told(database, ceo)) == 1
    assert len(told(database, olga(database))) == 1

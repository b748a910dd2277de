"""Events on their way: routed once, leased to one worker, in order, and what became of them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import select, update

from review_queue.delivering import Answer, DeliveryState, after
from storage import deliveries
from storage.deliveries import Report
from storage.engine import database_now
from storage.tables import deliveries as deliveries_
from storage.tables import delivery_attempts, outbox, receivers
from tests.outgoing import Sending

MINUTE = timedelta(minutes=1)


@pytest.fixture
def sending(database):
    return Sending.of(database)


def route(sending):
    with sending.database.writing() as session:
        return deliveries.route(session)


def lease(sending, receiver_id, *, room=100, for_=MINUTE):
    with sending.database.writing() as session:
        return deliveries.lease(session, {receiver_id: room}, for_=for_)


def tell(sending, parcel, answer, *, attempts=None):
    with sending.database.writing() as session:
        step = after(
            answer,
            attempts=parcel.attempts if attempts is None else attempts,
            now=database_now(session),
            chance=0.0,
        )
        return deliveries.record(session, [Report(parcel, answer, step)])


def rows(sending, table=deliveries_):
    with sending.database.reading() as session:
        return session.execute(select(table).order_by(table.c.id)).all()


def make_due(sending):
    with sending.database.writing() as session:
        session.execute(
            update(deliveries_).where(deliveries_.c.state == "pending").values(due_at=database_now(session))
        )


def test_an_event_becomes_one_delivery_for_each_receiver_once(sending):
    first, second = (sending.receiver(f"http://127.0.0.1:{port}/").receiver.id for port in (1, 2))
    events = sending.events(*sending.items)

    assert (route(sending), route(sending)) == (3, 0)

    found = [(row.outbox_id, row.receiver_id, row.state) for row in rows(sending)]
    assert sorted(found) == sorted((event, to, "pending") for event in events for to in (first, second))
    assert len({row.webhook_id for row in rows(sending)}) == 6


def test_a_receiver_gets_what_happens_from_its_approval_on(sending):
    sending.events(sending.items[0])
    waiting = sending.receiver("http://127.0.0.1:1/", approved=False)
    approved = sending.receiver("http://127.0.0.1:2/")
    later = sending.events(sending.items[1])

    route(sending)

    assert [(row.outbox_id, row.receiver_id) for row in rows(sending)] == [(later[0], approved.receiver.id)]
    assert waiting.receiver.approved_at is None


def test_without_receivers_events_are_routed_to_nobody(sending):
    sending.events(*sending.items)

    assert route(sending) == 3
    assert rows(sending) == []
    assert all(row.routed_at for row in rows(sending, outbox))


def test_many_events_are_routed_in_parts_and_in_order(sending):
    sending.receiver()
    events = sending.events(*[sending.items[0]] * 5)

    with sending.database.writing() as session:
        assert [deliveries.route(session, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    assert [row.outbox_id for row in rows(sending)] == events


def test_of_an_item_only_the_first_event_is_sent_and_the_next_after_it_was_delivered(sending):
    to, (one, other, _) = sending.receiver().receiver.id, sending.items
    sending.events(one, other, one, one)
    route(sending)

    first = lease(sending, to)
    assert [parcel.data["number"] for parcel in first] == [0, 1]
    assert lease(sending, to) == []
    tell(sending, first[0], Answer(200))
    second = lease(sending, to)
    assert [parcel.data["number"] for parcel in second] == [2]
    assert second[0].data == {"number": 2, "workflow": "sales", "item": one, "decision": None}


def test_what_belongs_to_no_item_waits_for_nothing(sending):
    to = sending.receiver().receiver.id
    sending.events(None, None, None)
    route(sending)

    assert len(lease(sending, to)) == 3


def test_an_item_that_is_stuck_at_one_receiver_stops_neither_the_others_nor_the_other_receiver(sending):
    slow, quick = (sending.receiver(f"http://127.0.0.1:{port}/").receiver.id for port in (1, 2))
    one, other, _ = sending.items
    sending.events(one, one, other)
    route(sending)

    tell(sending, lease(sending, slow, room=1)[0], Answer(500))

    assert [parcel.data["number"] for parcel in lease(sending, slow)] == [2]
    assert [parcel.data["number"] for parcel in lease(sending, quick)] == [0, 2]


def test_a_dead_letter_holds_back_its_item_until_it_is_replayed_or_skipped(sending):
    to, one = sending.receiver().receiver.id, sending.items[0]
    sending.events(one, one, one)
    route(sending)
    parcel = lease(sending, to)[0]
    tell(sending, parcel, Answer(500), attempts=9)

    assert lease(sending, to) == []
    assert rows(sending)[0].state == "dead"
    with sending.database.writing() as session:
        assert deliveries.replay(session, [parcel.delivery_id]) == 1
        assert deliveries.replay(session, [parcel.delivery_id]) == 0
    again = lease(sending, to)
    assert [(found.webhook_id, found.attempts) for found in again] == [(parcel.webhook_id, 0)]
    tell(sending, again[0], Answer(500), attempts=9)
    with sending.database.writing() as session:
        assert deliveries.skip(session, parcel.delivery_id, "Never mind.")
        assert not deliveries.skip(session, parcel.delivery_id, "Never mind.")
    assert [found.data["number"] for found in lease(sending, to)] == [1]


def test_as_many_as_there_are_can_be_replayed_at_once(sending):
    sending.receiver()
    sending.events(sending.items[0])
    route(sending)
    (row,) = rows(sending)
    with sending.database.writing() as session:
        session.execute(update(deliveries_).values(state="dead", ended_at=database_now(session)))

    with sending.database.writing() as session:
        assert deliveries.replay(session, range(row.id, row.id + 70_000)) == 1


def test_a_lease_keeps_others_away_until_it_ends_and_a_killed_worker_loses_nothing(sending):
    to = sending.receiver().receiver.id
    sending.events(sending.items[0])
    route(sending)

    lost = lease(sending, to, for_=timedelta(0))[0]
    taken = lease(sending, to)[0]

    assert (taken.webhook_id, taken.delivery_id) == (lost.webhook_id, lost.delivery_id)
    assert lease(sending, to) == []


def test_a_late_failure_changes_nothing_and_a_late_success_counts(sending):
    to = sending.receiver().receiver.id
    sending.events(sending.items[0])
    route(sending)
    late = lease(sending, to, for_=timedelta(0))[0]
    lease(sending, to)

    tell(sending, late, Answer(500))
    assert (rows(sending)[0].attempts, rows(sending)[0].state) == (0, "pending")
    tell(sending, late, Answer(200))

    assert rows(sending)[0].state == "delivered"


def test_what_is_told_twice_is_kept_once(sending):
    to = sending.receiver().receiver.id
    sending.events(*sending.items[:2])
    route(sending)
    failed, taken = lease(sending, to)

    for _ in range(2):
        tell(sending, failed, Answer(500))
        tell(sending, taken, Answer(200))

    assert [(row.state, row.attempts) for row in rows(sending)] == [("pending", 1), ("delivered", 1)]
    assert [(row.status, row.answer) for row in rows(sending, delivery_attempts)] == [
        (500, "Not delivered: the receiver answered 500 Internal Server Error."),
        (200, "Delivered: the receiver answered 200 OK."),
    ]


def test_a_delivered_event_is_never_sent_again(sending):
    to = sending.receiver().receiver.id
    sending.events(sending.items[0])
    route(sending)
    late = lease(sending, to, for_=timedelta(0))[0]
    tell(sending, lease(sending, to)[0], Answer(200))

    tell(sending, late, Answer(500), attempts=9)

    assert rows(sending)[0].state == "delivered"
    make_due(sending)
    assert lease(sending, to) == []


def test_a_receiver_that_asks_for_time_is_left_alone_whole(sending):
    to, other = (sending.receiver(f"http://127.0.0.1:{port}/").receiver.id for port in (1, 2))
    sending.events(*sending.items)
    route(sending)

    tell(sending, lease(sending, to, room=1)[0], Answer(429, retry_after="60"))

    with sending.database.reading() as session:
        assert deliveries.receivers_with_work(session) == [other]
    assert lease(sending, to) == []
    with sending.database.writing() as session:
        session.execute(update(receivers).values(hold_until=database_now(session)))
    assert len(lease(sending, to)) == 2


def test_a_receiver_that_is_gone_is_paused_and_keeps_what_waits(sending):
    to = sending.receiver().receiver.id
    sending.events(*sending.items)
    route(sending)
    parcel = lease(sending, to, room=1)[0]

    assert tell(sending, parcel, Answer(410)) == [to]
    assert tell(sending, parcel, Answer(410)) == []

    assert lease(sending, to) == []
    assert {row.state for row in rows(sending)} == {"pending"}
    assert rows(sending, receivers)[0].paused_why == "Not delivered: the receiver answered 410 Gone."


def test_attempts_that_were_not_made_are_left_to_others(sending):
    to = sending.receiver().receiver.id
    sending.events(sending.items[0])
    route(sending)
    parcels = lease(sending, to)

    with sending.database.writing() as session:
        deliveries.give_back(session, parcels)

    assert len(lease(sending, to)) == 1


def test_many_workers_at_once_take_each_attempt_once(sending):
    """Eight threads route, lease and deliver side by side; nothing is taken twice, and every item keeps its order."""
    to = sending.receiver().receiver.id
    numbers = count()
    for _ in range(20):
        sending.events(*sending.items, numbers=numbers)
    taken = []

    def work():
        idle = 0
        while idle < 20:
            route(sending)
            parcels = lease(sending, to, room=2)
            idle = 0 if parcels else idle + 1
            for parcel in parcels:
                taken.append((parcel.data["item"], parcel.data["number"]))
                tell(sending, parcel, Answer(200))

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work) for _ in range(8)]:
            done.result()

    assert len(taken) == len(set(taken)) == 60
    for item in sending.items:
        order = [number for whose, number in taken if whose == item]
        assert order == sorted(order)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_ready_is_what_the_rule_says(sending, seed):
    """Against the rule worked out in Python over every row: due, not in hand, and nothing of its item before it."""
    chance = random.Random(seed)  # noqa: S311 -- can be repeated
    to = [sending.receiver(f"http://127.0.0.1:{port}/").receiver.id for port in (1, 2)]
    sending.events(*chance.choices([*sending.items, None], k=30))
    route(sending)
    with sending.database.writing() as session:
        now = database_now(session)
        for row in session.execute(select(deliveries_.c.id)).all():
            state = chance.choices(list(DeliveryState), [4, 3, 1, 1])[0]
            ended = None if state is DeliveryState.PENDING else now
            due = now + timedelta(minutes=chance.choice([-5, -1, 60]))
            session.execute(
                update(deliveries_).where(deliveries_.c.id == row.id).values(state=state, ended_at=ended, due_at=due)
            )
    every = rows(sending)
    undone = (DeliveryState.PENDING, DeliveryState.DEAD)
    ready = [
        row
        for row in every
        if row.state == DeliveryState.PENDING
        and row.due_at <= now
        and not any(
            other.receiver_id == row.receiver_id
            and other.item_id == row.item_id
            and other.item_id is not None
            and other.outbox_id < row.outbox_id
            and other.state in undone
            for other in every
        )
    ]

    with sending.database.reading() as session:
        with_work = set(deliveries.receivers_with_work(session))
    for receiver_id in to:
        wanted = [
            row.id for row in sorted(ready, key=lambda row: (row.due_at, row.id)) if row.receiver_id == receiver_id
        ]
        assert (receiver_id in with_work) == bool(wanted)
        assert [parcel.delivery_id for parcel in lease(sending, receiver_id)] == wanted


def test_people_see_where_each_delivery_stands(sending):
    to = sending.receiver().receiver.id
    sending.events(sending.items[0], sending.items[0], sending.items[1], sending.items[2])
    route(sending)
    one, two, _ = lease(sending, to)
    tell(sending, one, Answer(503), attempts=9)
    tell(sending, two, Answer(204))

    with sending.database.reading() as session:
        dead = deliveries.newest(session, [to], state=DeliveryState.DEAD)
        tally = deliveries.tallies(session, [to])[to]

    assert [(found.series, found.period, found.waiting, found.why) for found in dead] == [
        ("acme-1", "2026-12", 1, "Not delivered: the receiver answered 503 Service Unavailable.")
    ]
    assert (tally.pending, tally.delivered, tally.dead, tally.skipped) == (2, 1, 1, 0)
    assert tally.oldest_pending_at is not None

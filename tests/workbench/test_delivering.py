"""Receivers, their keys, and dead letters: who may do what, and what stays on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from review_queue.addresses import Reach
from review_queue.delivering import DeliveryState
from review_queue.errors import DeliveryRefused, NotAllowed, ReceiverRefused
from review_queue.roles import Role
from storage import deliveries, people
from storage.engine import database_now
from storage.tables import audit_events, receiver_keys
from storage.tables import deliveries as deliveries_
from tests.builders import a_person, a_workflow
from tests.outgoing import HERE, Sending
from workbench.actions import delivering

URL = "http://127.0.0.1:9/hooks"


@pytest.fixture
def sending(database):
    return Sending.of(database)


@pytest.fixture
def receiver(sending):
    return sending.receiver(URL).receiver


def a_dead_one(sending):
    """A dead delivery, with another event of its item behind it."""
    sending.events(sending.items[0], sending.items[0])
    with sending.database.writing() as session:
        deliveries.route(session)
        first = session.execute(select(deliveries_.c.id).order_by(deliveries_.c.id).limit(1)).scalar_one()
        now = database_now(session)
        session.execute(
            update(deliveries_).where(deliveries_.c.id == first).values(state="dead", why="It broke.", ended_at=now)
        )
    return first


#: Everything that can be done here, by name.
DEEDS = {
    "register": lambda s, who, r, d: delivering.register(
        s.database, person_id=who, workflow_key="sales", url="http://127.0.0.1:7/", reach=HERE
    ),
    "approve": lambda s, who, r, d: delivering.approve(s.database, person_id=who, receiver_id=r),
    "rotate": lambda s, who, r, d: delivering.rotate(s.database, person_id=who, receiver_id=r),
    "pause": lambda s, who, r, d: delivering.pause(s.database, person_id=who, receiver_id=r),
    "resume": lambda s, who, r, d: delivering.resume(s.database, person_id=who, receiver_id=r),
    "watch": lambda s, who, r, d: delivering.watch(s.database, person_id=who, workflow_key="sales"),
    "list": lambda s, who, r, d: delivering.list_deliveries(s.database, person_id=who, workflow_key="sales"),
    "replay": lambda s, who, r, d: delivering.replay(s.database, person_id=who, delivery_id=d),
    "replay_all": lambda s, who, r, d: delivering.replay_all(s.database, person_id=who, receiver_id=r),
    "skip": lambda s, who, r, d: delivering.skip(s.database, person_id=who, delivery_id=d),
    "remove": lambda s, who, r, d: delivering.remove(s.database, person_id=who, receiver_id=r),
}


def test_only_owners_and_administrators_send_decisions_anywhere(sending, receiver):
    dead = a_dead_one(sending)
    others = {role: a_person(sending.database, role.value, role) for role in Role}

    for role, who in others.items():
        for deed in DEEDS.values():
            if role in (Role.OWNER, Role.ADMINISTRATOR):
                continue
            with pytest.raises(NotAllowed, match="may not send decisions to other systems"):
                deed(sending, who, receiver.id, dead)
    assert_untouched(sending, dead)
    for role in (Role.OWNER, Role.ADMINISTRATOR):
        for name in ("approve", "rotate", "pause", "resume", "watch", "list"):
            DEEDS[name](sending, others[role], receiver.id, dead)
            with sending.database.writing() as session:
                session.execute(update(receiver_keys).values(ends_at=None))
                session.execute(receiver_keys.delete().where(receiver_keys.c.id > 1))


def assert_untouched(sending, dead):
    (watched,) = delivering.watch(sending.database, person_id=sending.owner, workflow_key="sales")
    assert (delivering.state_of(watched.receiver), len(watched.keys), watched.tally.dead) == ("active", 1, 1)


def test_an_owner_of_another_workflow_sees_nothing_of_this_one(sending, receiver):
    dead = a_dead_one(sending)
    other = a_workflow(sending.database, key="steel", title="Steel")
    pat = a_person(sending.database, "Pat")
    with sending.database.writing() as session:
        people.grant(session, pat, Role.OWNER, workflow_id=other.id)

    for name in ("register", "watch", "list"):
        with pytest.raises(NotAllowed):
            DEEDS[name](sending, pat, receiver.id, dead)
    for name in ("approve", "rotate", "pause", "resume", "replay_all", "remove"):
        with pytest.raises(ReceiverRefused, match=f"There is no receiver {receiver.id} among yours"):
            DEEDS[name](sending, pat, receiver.id, dead)
        with pytest.raises(ReceiverRefused, match="There is no receiver 99 among yours"):
            DEEDS[name](sending, pat, 99, dead)
    for name in ("replay", "skip"):
        with pytest.raises(DeliveryRefused, match=f"There is no delivery {dead} among yours"):
            DEEDS[name](sending, pat, receiver.id, dead)
    assert_untouched(sending, dead)


def test_a_receiver_waits_for_a_second_person(sending):
    added = sending.receiver(URL, approved=False).receiver
    assert delivering.state_of(added) == "waits for approval"

    with pytest.raises(ReceiverRefused, match="You added this receiver, so somebody else has to approve it"):
        delivering.approve(sending.database, person_id=sending.owner, receiver_id=added.id)
    approved = delivering.approve(sending.database, person_id=sending.administrator, receiver_id=added.id)
    again = delivering.approve(sending.database, person_id=sending.administrator, receiver_id=added.id)

    assert (delivering.state_of(approved), approved.approved_by_name) == ("active", "Adam")
    assert again == approved


@contextmanager
def nothing_commits(sending) -> Iterator[Session]:
    """Whoever has something to put on record waits at the end of their transaction, as behind another's COMMIT."""
    if sending.database.dialect == "sqlite":
        pytest.skip("one writer at a time")
    with sending.database.writing() as session:
        session.execute(text("LOCK TABLE audit_chain IN EXCLUSIVE MODE"))
        yield session


def until_one_waits(session):
    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE NOT granted AND datname = current_database()"
    )
    started = monotonic()
    while not session.execute(waiting).scalar_one():
        assert monotonic() - started < 10


def test_what_happens_while_an_approval_is_under_way_reaches_the_receiver(sending):
    added = sending.receiver(URL, approved=False).receiver
    how = {"person_id": sending.administrator, "receiver_id": added.id}

    with ThreadPoolExecutor(1) as other:
        with nothing_commits(sending) as session:
            approving = other.submit(delivering.approve, sending.database, **how)
            until_one_waits(session)
            sending.events(*sending.items)
            assert take(sending) == []
        approving.result()

    assert len(take(sending)) == 3


def test_what_happens_while_a_receiver_is_removed_waits_for_nobody(sending, receiver):
    how = {"person_id": sending.owner, "receiver_id": receiver.id}

    with ThreadPoolExecutor(2) as others:
        with nothing_commits(sending) as session:
            removing = others.submit(delivering.remove, sending.database, **how)
            until_one_waits(session)
            sending.events(*sending.items)
            taking = others.submit(take, sending)
            wait([taking], timeout=0.5)
        assert (removing.result(), taking.result()) == (0, [])

    take(sending)
    with sending.database.reading() as session:
        assert session.execute(select(deliveries_)).all() == []


def test_decisions_are_put_on_record_while_events_are_routed(sending):
    added = sending.receiver(URL, approved=False).receiver
    sending.events(*sending.items)

    if sending.database.dialect == "sqlite":
        pytest.skip("one writer at a time")
    with sending.database.writing() as session:
        assert deliveries.route(session) == 3
        delivering.pause(sending.database, person_id=sending.owner, receiver_id=added.id)


def test_what_the_command_line_adds_is_in_force_at_once(sending):
    added = delivering.register(
        sending.database, person_id=sending.owner, workflow_key="sales", url=URL, reach=HERE, is_operator=True
    )

    assert added.receiver.approved_at is not None


def test_an_address_is_taken_once_a_workflow_and_again_after_it_was_removed(sending, receiver):
    with pytest.raises(ReceiverRefused, match="is a receiver of sales already"):
        sending.receiver(URL)

    delivering.remove(sending.database, person_id=sending.owner, receiver_id=receiver.id)

    assert sending.receiver(URL).receiver.id != receiver.id
    with pytest.raises(ReceiverRefused, match="There is no receiver"):
        delivering.resume(sending.database, person_id=sending.owner, receiver_id=receiver.id)


def test_an_address_inside_is_refused_and_leaves_nothing(sending):
    for url in ("http://127.0.0.1/", "https://169.254.169.254/latest", "https://localhost/"):
        with pytest.raises(ReceiverRefused):
            delivering.register(sending.database, person_id=sending.owner, workflow_key="sales", url=url, reach=Reach())

    assert delivering.watch(sending.database, person_id=sending.owner, workflow_key="sales") == []


def test_a_new_key_signs_beside_the_old_one_for_a_day_and_a_third_is_refused(sending, receiver):
    changed = delivering.rotate(sending.database, person_id=sending.owner, receiver_id=receiver.id)

    (watched,) = delivering.watch(sending.database, person_id=sending.owner, workflow_key="sales")
    new, old = watched.keys
    assert changed.secret.startswith("whsec_")
    assert new.ends_at is None
    assert old.ends_at - new.created_at == pytest.approx(timedelta(hours=24), abs=timedelta(minutes=1))
    with pytest.raises(ReceiverRefused, match="Two keys are in force until"):
        delivering.rotate(sending.database, person_id=sending.owner, receiver_id=receiver.id)
    delivering.rotate(sending.database, person_id=sending.owner, receiver_id=receiver.id, overlap=timedelta(0))
    (watched,) = delivering.watch(sending.database, person_id=sending.owner, workflow_key="sales")
    assert [key.ends_at for key in watched.keys] == [None]


def test_secrets_are_random_and_shown_by_nothing_but_their_making(sending, receiver):
    first = delivering.rotate(sending.database, person_id=sending.owner, receiver_id=receiver.id, overlap=timedelta(0))
    second = delivering.rotate(sending.database, person_id=sending.owner, receiver_id=receiver.id)

    assert first.secret != second.secret
    shown = str(delivering.watch(sending.database, person_id=sending.owner, workflow_key="sales"))
    with sending.database.reading() as session:
        recorded = json.dumps([row.details for row in session.execute(select(audit_events))])
    assert "whsec_" not in shown + recorded


def test_pausing_holds_everything_and_resuming_lets_it_go(sending, receiver):
    delivering.pause(sending.database, person_id=sending.owner, receiver_id=receiver.id)
    paused = delivering.pause(sending.database, person_id=sending.owner, receiver_id=receiver.id)
    sending.events(*sending.items)

    assert paused.paused_why == "Oona paused it."
    assert take(sending) == []
    delivering.resume(sending.database, person_id=sending.owner, receiver_id=receiver.id)
    assert len(take(sending)) == 3


def test_a_worker_takes_no_more_at_a_receiver_than_it_has_room_for(sending, receiver):
    sending.events(*sending.items)

    assert delivering.take_next(sending.database, lambda whose: 0) == []
    assert len(delivering.take_next(sending.database, {receiver.id: 1}.__getitem__)) == 1
    assert len(take(sending)) == 2


def take(sending):
    return delivering.take_next(sending.database, lambda whose: 8)


def test_removing_a_receiver_leaves_out_what_waits_and_says_so(sending, receiver):
    a_dead_one(sending)

    assert delivering.remove(sending.database, person_id=sending.owner, receiver_id=receiver.id) == 2

    with sending.database.reading() as session:
        left = session.execute(select(deliveries_.c.state, deliveries_.c.why)).all()
    assert {tuple(row) for row in left} == {("skipped", "Left out: the receiver was removed.")}


def test_a_dead_letter_is_replayed_and_others_are_not(sending, receiver):
    dead = a_dead_one(sending)

    delivering.replay(sending.database, person_id=sending.owner, delivery_id=dead)
    delivering.replay(sending.database, person_id=sending.owner, delivery_id=dead)

    (parcel,) = take(sending)
    assert parcel.delivery_id == dead
    with sending.database.writing() as session:
        now = database_now(session)
        session.execute(update(deliveries_).values(state="delivered", ended_at=now))
    for deed in (delivering.replay, delivering.skip):
        with pytest.raises(DeliveryRefused, match=f"Delivery {dead} is delivered, not dead"):
            deed(sending.database, person_id=sending.owner, delivery_id=dead)


def test_every_dead_letter_of_a_receiver_is_replayed_together(sending, receiver):
    sending.events(*sending.items)
    with sending.database.writing() as session:
        deliveries.route(session)
        session.execute(update(deliveries_).values(state="dead", ended_at=database_now(session)))
        dead = deliveries.dead_ids(session, [receiver.id])
    statements = []
    event.listen(sending.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    assert delivering.replay_all(sending.database, person_id=sending.owner, receiver_id=receiver.id) == len(dead) == 3
    assert delivering.replay_all(sending.database, person_id=sending.owner, receiver_id=receiver.id) == 0

    rounds = 1 if sending.database.dialect == "postgresql" else 3  # to a database in the same process there are none
    assert len([each for each in statements if each.startswith("INSERT INTO audit_events")]) == rounds
    with sending.database.reading() as session:
        told = session.execute(
            select(audit_events.c.actor_id, audit_events.c.details).order_by(audit_events.c.id)
        ).all()
    assert [(row.actor_id, row.details) for row in told[-3:]] == [
        (sending.owner, {"receiver": receiver.id, "delivery": delivery_id}) for delivery_id in dead
    ]


def test_going_on_without_a_dead_letter_says_who_did(sending, receiver):
    dead = a_dead_one(sending)

    delivering.skip(sending.database, person_id=sending.owner, delivery_id=dead)

    (found,) = delivering.list_deliveries(
        sending.database, person_id=sending.owner, workflow_key="sales", state=DeliveryState.SKIPPED
    )
    assert found.why == "Oona went on without it. It broke."
    (parcel,) = take(sending)
    assert parcel.delivery_id != dead


def test_every_change_is_on_record(sending):
    receiver = sending.receiver(URL).receiver
    dead = a_dead_one(sending)
    for name in ("rotate", "pause", "resume", "replay", "remove"):
        DEEDS[name](sending, sending.owner, receiver.id, dead)

    with sending.database.reading() as session:
        told = session.execute(select(audit_events).order_by(audit_events.c.id)).all()
    told = [row for row in told if row.action.startswith(("receiver.", "delivery."))]
    assert [(row.action, row.actor_id) for row in told] == [
        ("receiver.added", sending.owner),
        ("receiver.approved", sending.administrator),
        ("receiver.key_changed", sending.owner),
        ("receiver.paused", sending.owner),
        ("receiver.resumed", sending.owner),
        ("delivery.replayed", sending.owner),
        ("receiver.removed", sending.owner),
    ]
    assert all(row.details["receiver"] == receiver.id for row in told)


def test_where_there_is_nothing_to_do_nothing_is_written(sending, receiver):
    take(sending)
    statements = []
    event.listen(sending.database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    assert take(sending) == []
    assert [each for each in statements if each.startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert statements

"""The relay against real receivers: good ones, bad ones, and both at once."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic

import pytest
from sqlalchemy import select, update

from review_queue.addresses import Reach
from review_queue.delivering import Answer
from review_queue.errors import RecordBehind
from review_queue.items import Outcome
from review_queue.roles import Role
from storage.engine import database_now
from storage.tables import audit_events, deliveries, delivery_attempts, receivers
from tests import outgoing
from tests.builders import BECAUSE, a_person, choose, take
from tests.invariants import deliveries_slip, violations
from tests.outgoing import HERE, Sending, answers, receiving
from workbench.actions import delivering, reviewing
from workbench.relaying import PAUSE, Relay
from workbench.sending import Sender

SOON = (timedelta(seconds=0.05),) * 9
MOMENT = timedelta(seconds=20)


@pytest.fixture
def sending(database):
    return Sending.of(database)


def relay(sending, *, until=None, seconds=15.0, workers=1, reach=HERE, total=0.5, sends=Sender, **how):
    """Run so many relays until a condition holds; without one, until nothing is due."""

    async def work():
        async with sends(reach, total=total) as sender:
            made = [Relay(sending.database, sender, **{"pause": 0.02, "schedule": SOON, **how}) for _ in range(workers)]
            if until is None:
                await asyncio.gather(*(each.run_once() for each in made))
                return
            running = [asyncio.create_task(each.run()) for each in made]
            started = monotonic()
            while not until() and monotonic() - started < seconds:
                await asyncio.sleep(0.05)
            for task in running:
                task.cancel()
            for task in running:
                with suppress(asyncio.CancelledError):
                    await task

    asyncio.run(work())


def states(sending):
    with sending.database.reading() as session:
        return [tuple(row) for row in session.execute(select(deliveries.c.state, deliveries.c.attempts).order_by("id"))]


def are_through(sending, state="delivered"):
    return lambda: bool(found := states(sending)) and all(each == state for each, _ in found)


def test_the_reference_library_accepts_every_delivery_of_real_decisions(sending):
    ada = a_person(sending.database, "Ada", Role.REVIEWER)
    with receiving(answers(200)) as server:
        added = sending.receiver(server.url)
        for number in range(3):
            desk = take(sending.database, ada, sending.workflow)
            last = decide(sending, ada, choose(desk, Outcome.ACCEPT_AI, key=f"key-{number}"))
        reviewing.undo(sending.database, person_id=ada, workflow=sending.workflow, decision_id=last.id, key="undo")
        desk = reviewing.open_item(sending.database, person_id=ada, workflow=sending.workflow, item_id=last.item_id)
        decide(sending, ada, choose(desk, Outcome.KEEP_MANUAL, key="again", reason=BECAUSE))
        relay(sending)

    got = server.verified(added.secret)
    assert [(request.headers["content-type"], request.path) for request in got] == [("application/json", "/hooks")] * 5
    of_last = [json.loads(request.body) for request in got if request.data["item"] == last.item_id]
    assert [message["type"] for message in of_last] == ["decision.made", "decision.undone", "decision.made"]
    assert [message["data"].get("outcome") for message in of_last] == ["accept_ai", None, "keep_manual"]
    assert violations(sending.database) == []
    assert deliveries_slip(sending.database, {added.receiver.id: [(each.id, each.body) for each in got]}) == []


def decide(sending, person_id, choice):
    return reviewing.submit_decision(sending.database, person_id=person_id, workflow=sending.workflow, choice=choice)


def test_a_delivery_that_failed_is_tried_again_under_its_id_until_it_is_taken(sending):
    tried = count()

    async def third_time_lucky(request, writer):
        await answers(200 if next(tried) >= 2 else 500)(request, writer)

    with receiving(third_time_lucky) as server:
        secret = sending.receiver(server.url).secret
        sending.events(sending.items[0])
        relay(sending, until=are_through(sending))

    got = server.verified(secret)
    assert len(got) == 3
    assert len({(request.id, request.body) for request in got}) == 1
    assert states(sending) == [("delivered", 3)]


@pytest.mark.parametrize(
    "behaviour",
    [
        *(answers(500), answers(302, "location: http://127.0.0.1:1/\r\n"), answers(429)),
        *(outgoing.hangs_up, outgoing.talks_nonsense),
    ],
    ids=["500", "302", "429", "hangs up", "nonsense"],
)
def test_after_ten_attempts_it_is_dead_with_a_sentence_and_a_replay_delivers_it(sending, behaviour):
    with receiving(behaviour) as server:
        sending.receiver(server.url)
        sending.events(sending.items[0], sending.items[0])
        relay(sending, until=lambda: states(sending)[:1] == [("dead", 10)])
        assert len(server.got) == 10
        assert states(sending) == [("dead", 10), ("pending", 0)]
        (dead,) = delivering.list_deliveries(
            sending.database, person_id=sending.owner, workflow_key="sales", state="dead"
        )
        assert dead.why.startswith("Not delivered: ")
        assert dead.waiting == 1

        server.behave = answers(200)
        delivering.replay(sending.database, person_id=sending.owner, delivery_id=dead.id)
        relay(sending, until=are_through(sending))

    assert [request.data["number"] for request in server.got] == [0] * 11 + [1]
    assert len({request.id for request in server.got[:11]}) == 1


def test_a_receiver_that_is_gone_is_paused_on_record_and_gets_everything_once_it_is_resumed(sending):
    with receiving(answers(410)) as server:
        receiver_id = sending.receiver(server.url).receiver.id
        sending.events(*sending.items)
        relay(sending, in_hand=1)
        assert len(server.got) == 1
        with sending.database.reading() as session:
            paused = session.execute(select(audit_events).where(audit_events.c.action == "receiver.paused")).one()
        assert (paused.actor_id, paused.details) == (None, {"receiver": receiver_id})

        server.behave = answers(200)
        relay(sending)
        assert len(server.got) == 1
        delivering.resume(sending.database, person_id=sending.owner, receiver_id=receiver_id)
        relay(sending)

    assert sorted(request.data["number"] for request in server.got) == [0, 0, 1, 2]
    assert are_through(sending)()


def test_a_receiver_that_asks_for_a_minute_gets_nothing_in_it(sending):
    with receiving(answers(429, "retry-after: 60\r\n")) as server:
        sending.receiver(server.url)
        sending.events(*sending.items)
        relay(sending, in_hand=1)
        assert len(server.got) == 1

        server.behave = answers(200)
        with sending.database.writing() as session:
            now = database_now(session)
            session.execute(update(receivers).values(hold_until=now))
            session.execute(update(deliveries).values(due_at=now))
        relay(sending)

    assert are_through(sending)()


def test_bad_receivers_slow_no_other_down(sending):
    """Those that hang have as many attempts under way as they may; a good one gets each event within a second."""
    with receiving(outgoing.says_nothing) as hangs, receiving(outgoing.drips) as slow, receiving(answers(200)) as good:
        for server in (hangs, slow, good):
            sending.receiver(server.url)
        told = {}

        def all_good():
            if len(told) < 30:
                told[len(told)] = monotonic()
                sending.events(sending.items[len(told) % 3])
                return False
            return len(good.got) == 30

        relay(sending, until=all_good, total=3.0, workers=2, schedule=(timedelta(seconds=1),) * 9)

    assert len(good.got) == 30
    took = sorted(request.at - told[place] for place, request in enumerate(sorted(good.got, key=lambda got: got.at)))
    assert took[28] < 5.0, took
    assert len(hangs.got) > 0


def test_two_keys_sign_while_one_takes_the_others_place(sending):
    with receiving(answers(200)) as server:
        first = sending.receiver(server.url)
        sending.events(sending.items[0])
        relay(sending)
        second = delivering.rotate(sending.database, person_id=sending.owner, receiver_id=first.receiver.id)
        sending.events(sending.items[1])
        relay(sending)
        third = delivering.rotate(
            sending.database, person_id=sending.owner, receiver_id=first.receiver.id, overlap=timedelta(0)
        )
        sending.events(sending.items[2])
        relay(sending)

    accepted = {name: [] for name in ("first", "second", "third")}
    for name, secret in zip(accepted, (first.secret, second.secret, third.secret), strict=True):
        for request in server.got:
            with suppress(outgoing.WebhookVerificationError):
                outgoing.Webhook(secret).verify(request.body, request.headers)
                accepted[name].append(request.data["number"])
    assert accepted == {"first": [0, 0], "second": [0], "third": [0]}
    assert [len(request.headers["webhook-signature"].split()) for request in server.got] == [1, 2, 1]


def test_an_event_is_delivered_within_five_seconds_of_its_commit(sending):
    with receiving(answers(200)) as server:
        sending.receiver(server.url)
        told = []

        def all_told():
            if len(told) < 24:
                told.append(monotonic())
                sending.events(sending.items[len(told) % 3], numbers=iter([len(told)]))
            return len(server.got) == 24

        relay(sending, until=all_told, pause=PAUSE, seconds=60)

    took = sorted(request.at - told[request.data["number"] - 1] for request in server.got)
    assert len(took) == 24
    assert took[22] < 5.0, took


def test_four_workers_deliver_everything_once_and_in_order(sending):
    numbers = count()
    for _ in range(30):
        sending.events(*sending.items, numbers=numbers)
    # these were before anybody listened
    with receiving(answers(200)) as server:
        secret = sending.receiver(server.url).secret
        for _ in range(30):
            sending.events(*sending.items, numbers=numbers)
        relay(sending, until=are_through(sending), workers=4, seconds=60)

    got = server.verified(secret)
    assert len(got) == len({request.id for request in got}) == 90
    for item in sending.items:
        order = [request.data["number"] for request in got if request.data["item"] == item]
        assert order == sorted(order)
        assert len(order) == 30


def test_a_worker_that_is_stopped_ends_what_it_began_and_leaves_the_rest(sending):
    async def takes_a_while(request, writer):
        await asyncio.sleep(0.3)
        await answers(200)(request, writer)

    with receiving(takes_a_while) as server:
        sending.receiver(server.url)
        sending.events(*sending.items)
        relay(sending, until=lambda: len(server.got) == 1, in_hand=1)

    assert states(sending) == [("delivered", 1), ("pending", 0), ("pending", 0)]


def test_a_message_that_breaks_us_is_retried_and_stops_nobody_else(sending, caplog):
    with receiving(answers(200)) as server:
        first = sending.receiver(server.url)
        second = sending.receiver(server.url + "/more")
        with sending.database.writing() as session:
            session.execute(
                update(outgoing.receiver_keys)
                .where(outgoing.receiver_keys.c.receiver_id == first.receiver.id)
                .values(secret="whsec_!")  # noqa: S106 -- no base64
            )
        sending.events(*sending.items)
        relay(sending, until=lambda: len(server.got) == 3)

    assert {request.path for request in server.verified(second.secret)} == {"/hooks/more"}
    assert "failed here" in caplog.text
    assert "whsec" not in caplog.text


def test_a_receiver_that_asks_for_time_beyond_the_calendar_stops_nobody_else(sending):
    asked = "retry-after: Fri, 31 Dec 9999 23:59:59 -1200\r\n"
    with receiving(answers(503, asked)) as strange, receiving(answers(200)) as good:
        sending.receiver(strange.url)
        sending.receiver(good.url)
        sending.events(*sending.items)
        relay(sending, until=lambda: sorted(states(sending)) == [("dead", 10)] * 3 + [("delivered", 1)] * 3)

    assert len(good.got) == 3
    assert len(strange.got) == 30


class Astray(Sender):
    """What comes from addresses with ``/astray`` in them is nothing that any database can keep."""

    async def send(self, url, headers, body):
        answer = await super().send(url, headers, body)
        return Answer(10**30) if "/astray" in url else answer


def test_an_answer_that_cannot_be_stored_counts_as_a_failed_attempt_and_stops_nobody_else(sending, caplog):
    with receiving(answers(200)) as server:
        sending.receiver(server.url)
        sending.receiver(server.url + "/astray")
        sending.events(*sending.items)
        ends = [("dead", 10)] * 3 + [("delivered", 1)] * 3
        relay(sending, until=lambda: sorted(states(sending)) == ends, sends=Astray)

    assert sorted(states(sending)) == ends
    with sending.database.reading() as session:
        why = set(session.execute(select(deliveries.c.why).where(deliveries.c.state == "dead")).scalars())
    assert why == {"Not delivered: something went wrong on our side, which the log tells."}
    assert all(record.error_id for record in caplog.records if "could not be stored" in record.message)


def test_when_the_record_falls_behind_the_relay_waits_and_goes_on_once_the_loss_is_accepted(sending):
    looks = count()

    async def falls_behind(request, writer):
        if len(server.got) == 1:
            sending.database.refuse_writes(RecordBehind(size=1, vouched=5, at=datetime(2026, 11, 1, tzinfo=UTC)))
        await answers(200)(request, writer)

    def is_accepted_and_through():
        if next(looks) == 10:
            assert len(server.got) == 1
            assert states(sending) == [("pending", 0)] * 3
            sending.database.refuse_writes(None)
        return are_through(sending)()

    with receiving(falls_behind) as server:
        sending.receiver(server.url)
        sending.events(*sending.items)
        relay(sending, until=is_accepted_and_through)

    assert are_through(sending)()
    assert len(server.got) == len({request.id for request in server.got}) == 3


def test_what_a_receiver_says_is_shown_to_nobody(sending):
    with receiving(answers(500, "x-note: canary\r\n", b"canary " * 100)) as server:
        sending.receiver(server.url)
        sending.events(sending.items[0])
        relay(sending)

    with sending.database.reading() as session:
        said = [session.execute(select(table)).all() for table in (deliveries, delivery_attempts, receivers)]
    assert "canary" not in str(said)
    assert "500" in str(said)


def test_where_this_machine_is_not_allowed_nothing_is_sent_to_it(sending):
    with receiving(answers(200)) as server:
        sending.receiver(server.url)
        sending.events(sending.items[0])
        relay(sending, until=lambda: states(sending) == [("dead", 10)], reach=Reach())

    assert server.connections == 0

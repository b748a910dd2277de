"""Sending events to other systems: receivers and their keys, dead letters, and a worker's turn at the outbox."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import random

from sqlalchemy.orm import Session

from review_queue.addresses import Reach, target_of
from review_queue.delivering import KEY_BYTES, SCHEDULE, Answer, DeliveryState, after, secret_of
from review_queue.errors import DeliveryRefused, ReceiverRefused
from review_queue.roles import Principal, Task
from storage import audit, deliveries, people, receivers, workflows
from storage.deliveries import Delivery, Parcel, Report, Tally
from storage.engine import Database, database_now, database_time
from storage.receivers import Key, Receiver
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen

OVERLAP = timedelta(hours=24)  #: for which an old key signs beside the one that takes its place
KEYS_AT_ONCE = 2
LEASE = timedelta(seconds=40)  #: begun in its first half and ended in its second; after it, another worker may try

BY_HAND = "{name} paused it."


@dataclass(frozen=True, slots=True)
class Watched:
    """One receiver, with how its deliveries stand."""

    receiver: Receiver
    keys: tuple[Key, ...]  #: in force, the newest first
    tally: Tally


@dataclass(frozen=True, slots=True)
class Registered:
    """A receiver, with a secret that is shown this once."""

    receiver: Receiver
    secret: str


# --- receivers -----------------------------------------------------------------------------------------------------


@again(in_doubt=False)
def register(
    database: Database, *, person_id: int, workflow_key: str, url: str, reach: Reach, is_operator: bool = False
) -> Registered:
    """Add a receiver of a workflow's events, with its first key. It gets nothing until somebody else approves it.

    Args:
        is_operator: on the command line, which whoever owns the database uses: in force at once.

    Raises:
        ReceiverRefused: nothing may be sent there, or it is there already.
        NotAllowed: the person may not send this workflow's decisions anywhere.
    """
    target = target_of(url, reach)
    with database.writing() as session:
        workflow = _workflow(session, person_id, workflow_key)
        if any(known.url == target.url for known in receivers.of(session, [workflow.id])):
            raise ReceiverRefused(f"{target.url} is a receiver of {workflow.key} already.")
        receiver_id = receivers.add(session, workflow.id, target.url, person_id=person_id)
        secret, _ = _new_key(session, receiver_id, person_id)
        _note(session, "receiver.added", person_id, workflow.id, receiver_id)
        if is_operator:
            deliveries.hold_routing(session)
            _approve(session, person_id, workflow.id, receiver_id)
        return Registered(_receiver(session, receiver_id), secret)


@again(in_doubt=True)
def approve(database: Database, *, person_id: int, receiver_id: int) -> Receiver:
    """Let a receiver have what happens from now on.

    Raises:
        ReceiverRefused: whoever added it cannot approve it, or there is none.
    """
    with database.writing() as session:
        deliveries.hold_routing(session)
        receiver = _changeable(session, person_id, receiver_id)
        if receiver.approved_at is not None:
            return receiver
        if receiver.created_by == person_id:
            raise ReceiverRefused("You added this receiver, so somebody else has to approve it.")
        _approve(session, person_id, receiver.workflow_id, receiver_id)
        return _receiver(session, receiver_id)


@again(in_doubt=False)
def rotate(database: Database, *, person_id: int, receiver_id: int, overlap: timedelta = OVERLAP) -> Registered:
    """Make a new key, in force at once; the old one signs beside it for ``overlap`` and then ends.

    Args:
        overlap: zero ends every older key now: for a secret that got out.

    Raises:
        ReceiverRefused: two keys are in force already, or there is no such receiver.
    """
    with database.writing() as session:
        receiver = _changeable(session, person_id, receiver_id)
        now = database_now(session)
        held = receivers.keys(session, [receiver_id], now).get(receiver_id, [])
        if overlap and len(held) >= KEYS_AT_ONCE:
            ends_at = min(key.ends_at for key in held if key.ends_at is not None)
            raise ReceiverRefused(
                f"Two keys are in force until {ends_at:%-d %b %Y, %H:%M} UTC. Wait until then, or end the old ones now."
            )
        secret, key_id = _new_key(session, receiver_id, person_id)
        receivers.end_keys(session, receiver_id, now + overlap, but=key_id)
        details = {"key": key_id, "overlap_s": int(overlap.total_seconds())}
        _note(session, "receiver.key_changed", person_id, receiver.workflow_id, receiver_id, **details)
        return Registered(receiver, secret)


@again(in_doubt=True)
def pause(database: Database, *, person_id: int, receiver_id: int) -> Receiver:
    """Send nothing to a receiver until somebody resumes it; what happens meanwhile waits."""
    with database.writing() as session:
        receiver = _changeable(session, person_id, receiver_id)
        if receiver.paused_at is None:
            why = BY_HAND.format(name=people.principal(session, person_id).name)
            receivers.change(session, receiver_id, paused_at=database_time(), paused_why=why)
            _note(session, "receiver.paused", person_id, receiver.workflow_id, receiver_id)
        return _receiver(session, receiver_id)


@again(in_doubt=True)
def resume(database: Database, *, person_id: int, receiver_id: int) -> Receiver:
    """Send to a receiver again, beginning with what has waited."""
    with database.writing() as session:
        receiver = _changeable(session, person_id, receiver_id)
        if receiver.paused_at is not None or receiver.hold_until is not None:
            receivers.change(session, receiver_id, paused_at=None, paused_why="", hold_until=None)
            _note(session, "receiver.resumed", person_id, receiver.workflow_id, receiver_id)
        return _receiver(session, receiver_id)


@again(in_doubt=False)
def remove(database: Database, *, person_id: int, receiver_id: int) -> int:
    """Send nothing more to a receiver, ever; how many deliveries that leaves out."""
    with database.writing() as session:
        deliveries.hold_routing(session)
        receiver = _changeable(session, person_id, receiver_id)
        left_out = deliveries.skip_all(session, receiver_id, "Left out: the receiver was removed.")
        receivers.change(session, receiver_id, ended_at=database_time())
        receivers.end_keys(session, receiver_id, database_now(session), but=0)
        _note(session, "receiver.removed", person_id, receiver.workflow_id, receiver_id, left_out=left_out)
        return left_out


def state_of(receiver: Receiver) -> str:
    """Where a receiver stands, in a word or two."""
    if receiver.approved_at is None:
        return "waits for approval"
    return "paused" if receiver.paused_at is not None else "active"


@notes_refusals
def watch(database: Database, *, person_id: int, workflow_key: str) -> list[Watched]:
    """The receivers of a workflow, with how their deliveries stand."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        workflow = _workflow(session, person_id, workflow_key)
        found = receivers.of(session, [workflow.id])
        ids = [receiver.id for receiver in found]
        keys = receivers.keys(session, ids, database_now(session))
        tallies = deliveries.tallies(session, ids)
        watched = [Watched(each, tuple(keys.get(each.id, ())), tallies[each.id]) for each in found]
        return as_seen(session, who, workflow, watched)


# --- deliveries ----------------------------------------------------------------------------------------------------


@notes_refusals
def list_deliveries(
    database: Database, *, person_id: int, workflow_key: str, state: DeliveryState | None = None, limit: int = 200
) -> list[Delivery]:
    """The newest deliveries of a workflow, in one state or in any."""
    with database.reading() as session:
        workflow = _workflow(session, person_id, workflow_key)
        ids = [receiver.id for receiver in receivers.of(session, [workflow.id])]
        return deliveries.newest(session, ids, state=state, limit=limit)


@again(in_doubt=True)
def replay(database: Database, *, person_id: int, delivery_id: int) -> None:
    """Begin with a dead delivery anew: ten attempts more, under the same id.

    Raises:
        DeliveryRefused: it is not dead, or there is none.
    """
    with database.writing() as session:
        found = _delivery(session, person_id, delivery_id)
        if found.state is not DeliveryState.PENDING:
            _require_dead(found)
            deliveries.replay(session, [delivery_id])
            _note(session, "delivery.replayed", person_id, found.workflow_id, found.receiver_id, delivery=delivery_id)


@again(in_doubt=True)
def replay_all(database: Database, *, person_id: int, receiver_id: int) -> int:
    """Begin anew with every dead delivery to a receiver; how many there were."""
    with database.writing() as session:
        receiver = _changeable(session, person_id, receiver_id)
        dead = deliveries.dead_ids(session, [receiver_id])
        if not dead:
            return 0
        told = {"action": "delivery.replayed", "actor_id": person_id, "workflow_id": receiver.workflow_id}
        about = [{"receiver": receiver_id, "delivery": delivery_id} for delivery_id in dead]
        audit.record_all(session, [told | {"item_id": None, "decision_id": None, "details": each} for each in about])
        return deliveries.replay(session, dead)


@again(in_doubt=True)
def skip(database: Database, *, person_id: int, delivery_id: int) -> None:
    """Go on without a dead delivery: later events of its item are sent.

    Raises:
        DeliveryRefused: it is not dead, or there is none.
    """
    with database.writing() as session:
        found = _delivery(session, person_id, delivery_id)
        if found.state is not DeliveryState.SKIPPED:
            _require_dead(found)
            name = people.principal(session, person_id).name
            deliveries.skip(session, delivery_id, f"{name} went on without it. {found.why}")
            _note(session, "delivery.skipped", person_id, found.workflow_id, found.receiver_id, delivery=delivery_id)


# --- a worker's turn -----------------------------------------------------------------------------------------------


def keep_answers(
    database: Database, made: Sequence[tuple[Parcel, Answer]], *, schedule: Sequence[timedelta] = SCHEDULE
) -> None:
    """Keep what became of attempts, in a transaction of its own: the sooner it is stored, the less is sent twice.

    Telling of the same attempts twice is harmless.
    """
    with database.writing() as session:
        now = database_now(session)
        reports = [
            Report(parcel, answer, after(answer, attempts=parcel.attempts, now=now, chance=random(), schedule=schedule))  # noqa: S311 -- spreads load
            for parcel, answer in made
        ]
        for receiver_id in deliveries.record(session, reports):
            receiver = _receiver(session, receiver_id)
            _note(session, "receiver.paused", None, receiver.workflow_id, receiver_id)


def take_next(database: Database, room: Callable[[int], int], *, lease: timedelta = LEASE) -> list[Parcel]:
    """Route new events and take the next attempts in hand. Where there is nothing to do, nothing is written.

    Args:
        room: of a receiver's id, how many attempts more this worker can make there at once.
    """
    with database.reading() as session:
        if not deliveries.has_unrouted(session) and not any(map(room, deliveries.receivers_with_work(session))):
            return []
    while _route_some(database) == deliveries.ROUTED_AT_ONCE:
        pass
    with database.writing() as session:
        wanted = {receiver_id: room(receiver_id) for receiver_id in deliveries.receivers_with_work(session)}
        return deliveries.lease(session, {whose: some for whose, some in wanted.items() if some}, for_=lease)


def _route_some(database: Database) -> int:
    """A transaction for each thousand: whoever approves a receiver waits for one, and not for all that piled up."""
    with database.writing() as session:
        return deliveries.route(session)


def give_back(database: Database, parcels: Sequence[Parcel]) -> None:
    """Leave attempts that were not made to other workers."""
    with database.writing() as session:
        deliveries.give_back(session, parcels)


# --- who may -------------------------------------------------------------------------------------------------------


def _workflow(session: Session, person_id: int, workflow_key: str) -> Workflow:
    who: Principal = people.principal(session, person_id)
    workflow = workflows.get(session, workflow_key)
    who.require(Task.DELIVER, workflow.id)
    return workflow


def _changeable(session: Session, person_id: int, receiver_id: int) -> Receiver:
    who = people.principal(session, person_id)
    receiver = receivers.by_id(session, receiver_id, lock=True)
    if receiver is None or receiver.ended_at is not None or not who.may(Task.DELIVER, receiver.workflow_id):
        who.require(Task.DELIVER)
        raise ReceiverRefused(f"There is no receiver {receiver_id} among yours.")
    return receiver


def _receiver(session: Session, receiver_id: int) -> Receiver:
    found = receivers.by_id(session, receiver_id)
    assert found is not None  # noqa: S101 -- rows are never removed
    return found


def _delivery(session: Session, person_id: int, delivery_id: int) -> Delivery:
    who = people.principal(session, person_id)
    found = deliveries.by_id(session, delivery_id)
    if found is None or not who.may(Task.DELIVER, found.workflow_id):
        who.require(Task.DELIVER)
        raise DeliveryRefused(f"There is no delivery {delivery_id} among yours.")
    return found


def _require_dead(found: Delivery) -> None:
    if found.state is not DeliveryState.DEAD:
        raise DeliveryRefused(f"Delivery {found.id} is {found.state}, not dead. There is nothing to be done about it.")


def _approve(session: Session, person_id: int, workflow_id: int, receiver_id: int) -> None:
    receivers.change(session, receiver_id, approved_at=database_time(), approved_by=person_id)
    _note(session, "receiver.approved", person_id, workflow_id, receiver_id)


def _new_key(session: Session, receiver_id: int, person_id: int) -> tuple[str, int]:
    secret = secret_of(secrets.token_bytes(KEY_BYTES))
    return secret, receivers.add_key(session, receiver_id, secret, person_id=person_id)


def _note(
    session: Session, action: str, person_id: int | None, workflow_id: int, receiver_id: int, **details: int
) -> None:
    audit.record(
        session, action, actor_id=person_id, workflow_id=workflow_id, details={"receiver": receiver_id, **details}
    )

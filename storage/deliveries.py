"""Events on their way to receivers: written, handed out one item's after the other, and what became of them.

An event is *routed* once: a delivery is written for each receiver that there is. A worker *leases* what is due; a lease
that nobody reports on in time ends by itself, so a killed worker loses nothing. Events of one item go to a receiver in
the order in which they happened, and wait behind one that is not through; those of other items do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from review_queue.delivering import Answer, DeliveryState, Step
from storage import bulk
from storage import receivers as receivers_
from storage.engine import database_now, database_time, upsert
from storage.locks import Lock
from storage.tables import UNDONE, deliveries, delivery_attempts, outbox, receivers, series, workflows
from storage.tables import items as items_

ROUTED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Parcel:
    """One attempt that a worker is to make."""

    delivery_id: int
    lease: str
    receiver_id: int
    url: str
    webhook_id: str
    attempts: int  #: how many counted before
    topic: str
    at: datetime  #: UTC, of the event
    data: Mapping[str, Any]
    secrets: tuple[str, ...]  #: what it is signed with


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an attempt."""

    parcel: Parcel
    answer: Answer
    step: Step


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one receiver, as people see it."""

    id: int
    receiver_id: int
    workflow_id: int
    url: str  #: untrusted text
    webhook_id: str
    topic: str
    series: str | None  #: untrusted text
    period: str | None
    state: DeliveryState
    attempts: int
    why: str  #: what became of the last attempt
    happened_at: datetime  #: UTC, the event
    due_at: datetime  #: UTC, of the next attempt
    ended_at: datetime | None  #: UTC
    waiting: int  #: later events of its item that wait behind it


@dataclass(frozen=True, slots=True)
class Tally:
    """How one receiver's deliveries stand."""

    pending: int = 0
    delivered: int = 0
    dead: int = 0
    skipped: int = 0
    oldest_pending_at: datetime | None = None  #: UTC, when the oldest event that is still to be sent happened


# --- routing -------------------------------------------------------------------------------------------------------


def has_unrouted(session: Session) -> bool:
    """Whether an event waits to be routed."""
    return session.execute(_UNROUTED.limit(1)).first() is not None


def route(session: Session, *, limit: int = ROUTED_AT_ONCE) -> int:
    """Write a delivery of each event that has none yet to each receiver of its workflow; how many events there were.

    Nothing, if another worker is at it. A receiver gets what happened from its approval on.
    """
    if not _alone(session):
        return 0
    events = session.execute(_UNROUTED.limit(limit)).all()
    if not events:
        return 0
    to = session.execute(
        select(receivers.c.id, receivers.c.workflow_id, receivers.c.approved_at).where(
            receivers.c.workflow_id.in_({event.workflow_id for event in events}),
            receivers.c.approved_at.is_not(None),
            receivers.c.ended_at.is_(None),
        )
    ).all()
    now = database_now(session)
    rows = [
        {
            "outbox_id": event.id,
            "receiver_id": receiver.id,
            "item_id": event.item_id,
            "webhook_id": f"msg_{uuid4().hex}",
            "state": DeliveryState.PENDING,
            "due_at": now,
        }
        for event in events
        for receiver in to
        if receiver.workflow_id == event.workflow_id and receiver.approved_at <= event.created_at
    ]
    if rows:
        session.execute(insert(deliveries), rows)
    session.execute(update(outbox).where(outbox.c.id.in_([event.id for event in events])).values(routed_at=now))
    return len(events)


def hold_routing(session: Session) -> None:
    """Have nothing routed from now until this transaction ends: before a receiver's events are made to begin or end.

    Otherwise an event is routed by who does not see yet that they did, and no delivery of it comes, or one that nobody
    sends. Before the receiver's row is locked, for which whoever routes may wait.
    """
    if _is_postgresql(session):
        session.execute(text(f"SELECT pg_advisory_xact_lock({Lock.ROUTING:d})"))


_UNROUTED = (
    select(outbox.c.id, outbox.c.workflow_id, outbox.c.item_id, outbox.c.created_at)
    .where(outbox.c.routed_at.is_(None))
    .order_by(outbox.c.id)
)


def _alone(session: Session) -> bool:
    """Whether this transaction is the one that routes. In SQLite the only one that writes always is."""
    if not _is_postgresql(session):
        return True
    return bool(session.execute(text(f"SELECT pg_try_advisory_xact_lock({Lock.ROUTING:d})")).scalar_one())


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


# --- leasing -------------------------------------------------------------------------------------------------------


def receivers_with_work(session: Session) -> list[int]:
    """The receivers to which something may be sent now, in no order."""
    return list(session.execute(_WITH_WORK).scalars())


def lease(session: Session, room: Mapping[int, int], *, for_: timedelta) -> list[Parcel]:
    """Take attempts in hand; nobody else makes them for that time.

    The first event of each item that is not through, whose time has come; what waits longest comes first.

    Args:
        room: how many to take for each receiver, by its id.
    """
    rows = [
        row
        for receiver_id, so_many in room.items()
        for row in session.execute(_READY, {"receiver_id": receiver_id, "room": so_many})
    ]
    if not rows:
        return []
    now = database_now(session)
    secrets = receivers_.secrets(session, list(room), now)
    parcels = [_parcel(row, secrets.get(row.receiver_id, ())) for row in rows]
    leased = [{"delivery_id": each.delivery_id, "its_lease": each.lease, "until": now + for_} for each in parcels]
    session.execute(_LEASED, leased)
    return parcels


def give_back(session: Session, parcels: Iterable[Parcel]) -> None:
    """Make attempts that were not made due again at once."""
    given = [{"its_lease": parcel.lease, "delivery_id": parcel.delivery_id} for parcel in parcels]
    if given:
        session.execute(_GIVEN_BACK, given)


def _is_ready() -> ColumnElement[bool]:
    """Its time has come, and no earlier event of its item is in the way."""
    ahead = deliveries.alias("ahead")
    is_behind = exists().where(
        ahead.c.receiver_id == deliveries.c.receiver_id,
        ahead.c.item_id == deliveries.c.item_id,
        ahead.c.outbox_id < deliveries.c.outbox_id,
        ahead.c.state.in_([literal_column("'pending'"), literal_column("'dead'")]),
    )
    return and_(deliveries.c.state == literal_column("'pending'"), deliveries.c.due_at <= database_time(), ~is_behind)


_OPEN_FOR_SENDING = and_(
    receivers.c.approved_at.is_not(None),
    receivers.c.ended_at.is_(None),
    receivers.c.paused_at.is_(None),
    or_(receivers.c.hold_until.is_(None), receivers.c.hold_until <= database_time()),
)
_WITH_WORK = select(receivers.c.id).where(
    _OPEN_FOR_SENDING, exists().where(deliveries.c.receiver_id == receivers.c.id, _is_ready())
)


def _ready() -> Select[Any]:
    return (
        select(
            deliveries.c.id,
            deliveries.c.receiver_id,
            deliveries.c.webhook_id,
            deliveries.c.attempts,
            deliveries.c.item_id,
            receivers.c.url,
            outbox.c.decision_id,
            outbox.c.topic,
            outbox.c.payload,
            outbox.c.created_at,
            workflows.c.key.label("workflow_key"),
        )
        .join(receivers, receivers.c.id == deliveries.c.receiver_id)
        .join(outbox, outbox.c.id == deliveries.c.outbox_id)
        .join(workflows, workflows.c.id == outbox.c.workflow_id)
        .where(deliveries.c.receiver_id == bindparam("receiver_id"), _is_ready(), _OPEN_FOR_SENDING)
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(bindparam("room"))
        .with_for_update(of=deliveries, skip_locked=True)
    )


_READY = _ready()
_LEASED = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery_id"))
    .values(lease=bindparam("its_lease"), due_at=bindparam("until"))
)
_GIVEN_BACK = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("delivery_id"),
        deliveries.c.lease == bindparam("its_lease"),
        deliveries.c.state == DeliveryState.PENDING,
    )
    .values(lease=None, due_at=database_time())
)


def _parcel(row: Row[Any], secrets: tuple[str, ...]) -> Parcel:
    about = {"workflow": row.workflow_key, "item": row.item_id, "decision": row.decision_id}
    return Parcel(
        delivery_id=row.id,
        lease=uuid4().hex,
        receiver_id=row.receiver_id,
        url=row.url,
        webhook_id=row.webhook_id,
        attempts=row.attempts,
        topic=row.topic,
        at=row.created_at,
        data={**row.payload, **about},
        secrets=secrets,
    )


# --- what became of it ---------------------------------------------------------------------------------------------


def record(session: Session, reports: Sequence[Report]) -> list[int]:
    """Keep what became of attempts; told twice, it is kept once. The receivers that were paused by it.

    An attempt whose lease somebody else holds by now still counts if it was delivered, and only then.
    """
    _keep_attempts(session, reports)
    ways = {DeliveryState.DELIVERED: _DELIVERED, DeliveryState.DEAD: _DIED, DeliveryState.PENDING: _POSTPONED}
    for state, statement in ways.items():
        rows = [_row(report) for report in reports if report.step.state is state]
        if rows:
            session.execute(statement, rows)
    _hold(session, reports)
    return _pause(session, reports)


def _keep_attempts(session: Session, reports: Sequence[Report]) -> None:
    rows = [
        {
            "delivery_id": report.parcel.delivery_id,
            "lease": report.parcel.lease,
            "status": report.answer.status,
            "answer": report.answer.sentence,
            "took_ms": round(report.answer.took.total_seconds() * 1000),
        }
        for report in reports
    ]
    if rows:
        kept = upsert(session, delivery_attempts).values(attempted_at=database_time())
        session.execute(kept.on_conflict_do_nothing(index_elements=["lease"]), rows)


def _row(report: Report) -> dict[str, Any]:
    return {
        "delivery_id": report.parcel.delivery_id,
        "so_many": report.step.attempts,
        "said": report.answer.sentence,
        **({} if report.answer.is_taken else {"its_lease": report.parcel.lease}),
        **({"next_at": report.step.due_at} if report.step.state is DeliveryState.PENDING else {}),
    }


#: An attempt that nobody else took in hand since.
_HELD = (deliveries.c.id == bindparam("delivery_id"), deliveries.c.lease == bindparam("its_lease"))
_SAID: dict[str, Any] = {"attempts": bindparam("so_many"), "why": bindparam("said"), "lease": None}
_DELIVERED = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery_id"), UNDONE)
    .values(**_SAID, state=DeliveryState.DELIVERED, ended_at=database_time())
)
_DIED = (
    update(deliveries)
    .where(*_HELD, deliveries.c.state == DeliveryState.PENDING)
    .values(**_SAID, state=DeliveryState.DEAD, ended_at=database_time())
)
_POSTPONED = (
    update(deliveries)
    .where(*_HELD, deliveries.c.state == DeliveryState.PENDING)
    .values(**_SAID, due_at=bindparam("next_at"))
)


def _hold(session: Session, reports: Sequence[Report]) -> None:
    until: dict[int, datetime] = {}
    for report in reports:
        if report.step.hold_until is not None:
            known = until.get(report.parcel.receiver_id, report.step.hold_until)
            until[report.parcel.receiver_id] = max(known, report.step.hold_until)
    for receiver_id, moment in until.items():
        sooner = or_(receivers.c.hold_until.is_(None), receivers.c.hold_until < moment)
        session.execute(update(receivers).where(receivers.c.id == receiver_id, sooner).values(hold_until=moment))


def _pause(session: Session, reports: Sequence[Report]) -> list[int]:
    why = {report.parcel.receiver_id: report.answer.sentence for report in reports if report.step.pauses}
    paused = []
    for receiver_id, sentence in why.items():
        done = session.execute(
            update(receivers)
            .where(receivers.c.id == receiver_id, receivers.c.paused_at.is_(None))
            .values(paused_at=database_time(), paused_why=sentence)
            .returning(receivers.c.workflow_id)
        ).scalar_one_or_none()
        if done is not None:
            paused.append(receiver_id)
    return paused


# --- by hand -------------------------------------------------------------------------------------------------------


def replay(session: Session, delivery_ids: Sequence[int]) -> int:
    """Begin with dead deliveries anew, under the ids that they had; how many there were.

    Later events of their items still wait behind them, so the order holds.
    """
    done = session.execute(
        update(deliveries)
        .where(bulk.among(session, deliveries.c.id, delivery_ids), deliveries.c.state == DeliveryState.DEAD)
        .values(state=DeliveryState.PENDING, attempts=0, lease=None, due_at=database_time(), ended_at=None)
        .returning(deliveries.c.id)
    )
    return len(done.all())


def skip(session: Session, delivery_id: int, why: str) -> bool:
    """Go on without a dead delivery; whether it was one."""
    done = session.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == DeliveryState.DEAD)
        .values(state=DeliveryState.SKIPPED, why=why, ended_at=database_time())
        .returning(deliveries.c.id)
    )
    return done.first() is not None


def skip_all(session: Session, receiver_id: int, why: str) -> int:
    """Send nothing more to a receiver; how many deliveries that leaves out."""
    done = session.execute(
        update(deliveries)
        .where(deliveries.c.receiver_id == receiver_id, UNDONE)
        .values(state=DeliveryState.SKIPPED, why=why, lease=None, ended_at=database_time())
        .returning(deliveries.c.id)
    )
    return len(done.all())


# --- what people see -----------------------------------------------------------------------------------------------


def by_id(session: Session, delivery_id: int) -> Delivery | None:
    row = session.execute(_deliveries().where(deliveries.c.id == delivery_id)).one_or_none()
    return None if row is None else _delivery(row)


def newest(
    session: Session, receiver_ids: Sequence[int], *, state: DeliveryState | None = None, limit: int = 200
) -> list[Delivery]:
    """The newest deliveries to these receivers, in one state or in any."""
    where: list[ColumnElement[bool]] = [deliveries.c.receiver_id.in_(receiver_ids)]
    if state is not None:
        where.append(deliveries.c.state == state)
    query = _deliveries().where(*where).order_by(deliveries.c.id.desc()).limit(limit)
    return [_delivery(row) for row in session.execute(query)]


def dead_ids(session: Session, receiver_ids: Sequence[int]) -> list[int]:
    """Every dead delivery to these receivers, the oldest first."""
    dead = (deliveries.c.receiver_id.in_(receiver_ids), deliveries.c.state == DeliveryState.DEAD)
    return list(session.execute(select(deliveries.c.id).where(*dead).order_by(deliveries.c.id)).scalars())


def tallies(session: Session, receiver_ids: Sequence[int]) -> dict[int, Tally]:
    """How the deliveries to each receiver stand."""
    found: dict[int, dict[str, Any]] = {receiver_id: {} for receiver_id in receiver_ids}
    counts = (
        select(deliveries.c.receiver_id, deliveries.c.state, func.count())
        .where(deliveries.c.receiver_id.in_(receiver_ids))
        .group_by(deliveries.c.receiver_id, deliveries.c.state)
    )
    for receiver_id, state, count in session.execute(counts):
        found[receiver_id][state] = count
    oldest = (
        select(deliveries.c.receiver_id, func.min(outbox.c.created_at))
        .join(outbox, outbox.c.id == deliveries.c.outbox_id)
        .where(deliveries.c.receiver_id.in_(receiver_ids), deliveries.c.state == DeliveryState.PENDING)
        .group_by(deliveries.c.receiver_id)
    )
    for receiver_id, moment in session.execute(oldest):
        found[receiver_id]["oldest_pending_at"] = moment
    return {receiver_id: Tally(**values) for receiver_id, values in found.items()}


def _deliveries() -> Select[Any]:
    behind = deliveries.alias("behind")
    waiting = (
        select(func.count())
        .where(
            behind.c.receiver_id == deliveries.c.receiver_id,
            behind.c.item_id == deliveries.c.item_id,
            behind.c.outbox_id > deliveries.c.outbox_id,
            behind.c.state == DeliveryState.PENDING,
        )
        .scalar_subquery()
    )
    return (
        select(
            deliveries,
            outbox.c.topic,
            outbox.c.created_at.label("happened_at"),
            receivers.c.url,
            receivers.c.workflow_id,
            series.c.key.label("series_key"),
            items_.c.period,
            waiting.label("waiting"),
        )
        .select_from(deliveries)
        .join(outbox, outbox.c.id == deliveries.c.outbox_id)
        .join(receivers, receivers.c.id == deliveries.c.receiver_id)
        .outerjoin(items_, items_.c.id == deliveries.c.item_id)
        .outerjoin(series, series.c.id == items_.c.series_id)
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        receiver_id=row.receiver_id,
        workflow_id=row.workflow_id,
        url=row.url,
        webhook_id=row.webhook_id,
        topic=row.topic,
        series=row.series_key,
        period=row.period,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        why=row.why,
        happened_at=row.happened_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
        waiting=row.waiting if row.state in (DeliveryState.PENDING, DeliveryState.DEAD) else 0,
    )

"""Closing a period: who stands by its forecast, and the snapshot that a lock keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from review_queue.items import State
from review_queue.reconciling import Take
from storage import bulk
from storage.engine import database_time
from storage.growth import note_changed
from storage.tables import cycles, items, people, series, snapshot_rows, snapshots, submissions


@dataclass(frozen=True, slots=True)
class Submission:
    """That somebody stands by a period's forecast in their part of the tree."""

    id: int
    period: str
    segment_path: str  #: empty for the whole workflow
    totals: dict[str, Any]  #: of that moment, in money: ``ai, manual, plan``, and ``items, decided``
    note: str  #: untrusted text
    submitted_by: str
    submitter_id: int
    submitted_at: datetime  #: UTC


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A period's forecast as it was locked."""

    id: int
    take: Take  #: whose value went into the plan where nobody had decided
    totals: dict[str, Any]
    note: str  #: untrusted text
    locked_by: str
    locked_at: datetime  #: UTC


def submitted(session: Session, workflow_id: int, period: str) -> list[Submission]:
    """The submissions of a period that stand, the newest first."""
    rows = session.execute(
        select(
            submissions.c.id,
            submissions.c.period,
            submissions.c.segment_path,
            submissions.c.totals,
            submissions.c.note,
            people.c.name,
            submissions.c.submitted_by,
            submissions.c.submitted_at,
        )
        .join(people, people.c.id == submissions.c.submitted_by)
        .where(
            submissions.c.workflow_id == workflow_id,
            submissions.c.period == period,
            submissions.c.withdrawn_at.is_(None),
        )
        .order_by(submissions.c.id.desc())
    )
    return [Submission(*row) for row in rows]


def submit(
    session: Session, workflow_id: int, period: str, path: str, *, totals: dict[str, Any], note: str, by: int
) -> int:
    """Keep that ``by`` stands by the forecast at and below ``path``. Returns the submission's id."""
    added: int = session.execute(
        insert(submissions)
        .values(
            workflow_id=workflow_id,
            period=period,
            segment_path=path,
            totals=totals,
            note=note,
            submitted_by=by,
            submitted_at=database_time(),
        )
        .returning(submissions.c.id)
    ).scalar_one()
    return added


def withdraw(session: Session, submission_id: int, *, note: str, by: int) -> bool:
    """Take a submission back; false if that has been done."""
    done = session.execute(
        update(submissions)
        .where(submissions.c.id == submission_id, submissions.c.withdrawn_at.is_(None))
        .values(withdrawn_by=by, withdrawn_at=database_time(), withdrawal_note=note)
        .returning(submissions.c.id)
    )
    return done.one_or_none() is not None


def snapshot_of(session: Session, workflow_id: int, period: str) -> Snapshot | None:
    """The snapshot of a locked period."""
    row = session.execute(
        select(
            snapshots.c.id,
            snapshots.c.undecided_take,
            snapshots.c.totals,
            snapshots.c.note,
            people.c.name,
            snapshots.c.locked_at,
        )
        .join(people, people.c.id == snapshots.c.locked_by)
        .where(snapshots.c.workflow_id == workflow_id, snapshots.c.period == period)
    ).one_or_none()
    return None if row is None else Snapshot(row.id, Take(row.undecided_take), *row[2:])


def rows_of(session: Session, snapshot_id: int) -> pd.DataFrame:
    """What a snapshot keeps: ``item, state, ai, manual, plan, money, decision``, by item."""
    rows = session.execute(
        select(
            snapshot_rows.c.item_id,
            snapshot_rows.c.state,
            snapshot_rows.c.ai_value,
            snapshot_rows.c.manual_value,
            snapshot_rows.c.plan_value,
            snapshot_rows.c.money,
            snapshot_rows.c.decision_id,
        )
        .where(snapshot_rows.c.snapshot_id == snapshot_id)
        .order_by(snapshot_rows.c.item_id)
    ).all()
    return pd.DataFrame(rows, columns=["item", "state", "ai", "manual", "plan", "money", "decision"])


def hold_cycle(session: Session, workflow_id: int, period: str) -> datetime | None:
    """Lock the period's row until the transaction ends; when the period was closed, None while it is open.

    Raises:
        LookupError: there is no such period.
    """
    wanted = select(cycles.c.locked_at).where(cycles.c.workflow_id == workflow_id, cycles.c.period == period)
    row = session.execute(wanted.with_for_update()).one_or_none()
    if row is None:
        raise LookupError(period)
    locked_at: datetime | None = row.locked_at
    return locked_at


def hold_items(session: Session, workflow_id: int, period: str) -> None:
    """Lock the period's items in the order of their ids, so that no decision falls into the closing."""
    wanted = select(items.c.id).where(items.c.workflow_id == workflow_id, items.c.period == period)
    session.execute(wanted.order_by(items.c.id).with_for_update())


def in_hand(session: Session, workflow_id: int, period: str) -> dict[int, str]:
    """Who has items of the period in hand: person → the names of their series."""
    rows = session.execute(
        select(items.c.claimed_by, series.c.key)
        .join(series, series.c.id == items.c.series_id)
        .where(items.c.workflow_id == workflow_id, items.c.period == period, items.c.state == State.CLAIMED)
        .order_by(items.c.id)
    )
    found: dict[int, list[str]] = {}
    for person_id, name in rows:
        found.setdefault(person_id, []).append(name)
    return {person_id: ", ".join(names) for person_id, names in found.items()}


def lock(
    session: Session,
    workflow_id: int,
    period: str,
    leaves: pd.DataFrame,
    *,
    take: Take,
    totals: dict[str, Any],
    note: str,
    by: int,
    now: datetime,
) -> int:
    """Close a period whose items are held: its items can change no more, and the snapshot keeps their numbers.

    Args:
        leaves: as ``review_queue.reconciling.planned`` gives them, with ``state``.

    Returns:
        The snapshot's id.
    """
    snapshot_id: int = session.execute(
        insert(snapshots)
        .values(
            workflow_id=workflow_id,
            period=period,
            undecided_take=take,
            totals=totals,
            note=note,
            locked_by=by,
            locked_at=now,
        )
        .returning(snapshots.c.id)
    ).scalar_one()
    kept = pd.DataFrame(
        {
            "snapshot_id": snapshot_id,
            "item_id": leaves["item"],
            "state": leaves["state"],
            "ai_value": leaves["ai"],
            "manual_value": leaves["manual"],
            "plan_value": leaves["plan"],
            "money": leaves["plan"] * leaves["value_per_unit"],
            "decision_id": leaves["decision"].astype("Int64"),
        }
    )
    bulk.insert_rows(session, snapshot_rows, kept)
    of_period = (items.c.workflow_id == workflow_id, items.c.period == period, items.c.state != State.WITHDRAWN)
    ended = {"state": State.LOCKED, "expires_at": None, "available_at": now}
    session.execute(update(items).where(*of_period).values(ended))
    note_changed(session, workflow_id, select(items.c.id).where(*of_period), column="item_id")
    closed = {"locked_at": now, "locked_by": by}
    session.execute(update(cycles).where(cycles.c.workflow_id == workflow_id, cycles.c.period == period).values(closed))
    return snapshot_id


def locked_periods(session: Session, workflow_id: int) -> set[str]:
    """The periods of the workflow that are closed."""
    locked = select(cycles.c.period).where(cycles.c.workflow_id == workflow_id, cycles.c.locked_at.is_not(None))
    return set(session.execute(locked).scalars())

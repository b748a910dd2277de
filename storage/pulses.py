"""What reviewers answer, once a month at most, to the one question whether the workbench helps them."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.engine import database_time, upsert
from storage.tables import pulses


def add(session: Session, *, workflow_id: int, person_id: int, month: str, answer: int) -> None:
    """Keep an answer, 1 to 5, for a month (``2025-03``); another one in that month takes its place."""
    row = upsert(session, pulses).values(
        workflow_id=workflow_id, person_id=person_id, month=month, answer=answer, answered_at=database_time()
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["workflow_id", "person_id", "month"],
            set_={"answer": row.excluded.answer, "answered_at": row.excluded.answered_at},
        )
    )


def has_answered(session: Session, *, workflow_id: int, person_id: int, month: str) -> bool:
    """Whether this person has answered in this month."""
    found = select(pulses.c.id).where(
        pulses.c.workflow_id == workflow_id, pulses.c.person_id == person_id, pulses.c.month == month
    )
    return session.execute(found).first() is not None


def counts(session: Session, *, workflow_id: int, since: str) -> dict[int, int]:
    """How many people gave each answer, 1 to 5, by the last that each of them gave since a month. Nobody is named."""
    last = func.row_number().over(partition_by=pulses.c.person_id, order_by=pulses.c.month.desc())
    newest = (
        select(pulses.c.answer, last.label("last"))
        .where(pulses.c.workflow_id == workflow_id, pulses.c.month >= since)
        .subquery("newest")
    )
    rows = session.execute(select(newest.c.answer, func.count()).where(newest.c.last == 1).group_by(newest.c.answer))
    return dict.fromkeys(range(1, 6), 0) | {int(answer): int(count) for answer, count in rows}

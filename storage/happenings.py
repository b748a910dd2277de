"""What else changed in a workflow's world, noted by hand to be read beside before and after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from storage.engine import database_time
from storage.tables import happenings, people


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that changed on a day."""

    id: int
    day: date
    what: str  #: untrusted text
    noted_by: str


def add(session: Session, *, workflow_id: int, day: date, what: str, noted_by: int) -> int:
    """Note what happened on a day. Returns its id; that of the first where the very same was noted before."""
    same = select(happenings.c.id).where(
        happenings.c.workflow_id == workflow_id, happenings.c.day == day, happenings.c.what == what
    )
    known: int | None = session.execute(same.order_by(happenings.c.id).limit(1)).scalar_one_or_none()
    if known is not None:
        return known
    added: int = session.execute(
        insert(happenings)
        .values(workflow_id=workflow_id, day=day, what=what, noted_by=noted_by, noted_at=database_time())
        .returning(happenings.c.id)
    ).scalar_one()
    return added


def of(session: Session, workflow_id: int) -> list[Happening]:
    """Everything noted of a workflow, by day."""
    rows = session.execute(
        select(happenings.c.id, happenings.c.day, happenings.c.what, people.c.name)
        .join(people, people.c.id == happenings.c.noted_by)
        .where(happenings.c.workflow_id == workflow_id)
        .order_by(happenings.c.day, happenings.c.id)
    )
    return [Happening(*row) for row in rows]

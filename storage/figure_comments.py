"""What people say of their own figures. Every version is kept; the newest stands, and an empty one takes it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from storage.engine import database_time
from storage.tables import figure_comments


@dataclass(frozen=True, slots=True)
class FigureComment:
    """Somebody's words on their own figures."""

    id: int
    body: str  #: untrusted text
    written_at: datetime  #: UTC


def of(session: Session, workflow_id: int, person_id: int) -> FigureComment | None:
    """What stands; None where they said nothing, or took it back."""
    newest = (
        select(figure_comments.c.id, figure_comments.c.body, figure_comments.c.written_at)
        .where(figure_comments.c.workflow_id == workflow_id, figure_comments.c.person_id == person_id)
        .order_by(figure_comments.c.id.desc())
        .limit(1)
    )
    row = session.execute(newest).one_or_none()
    return FigureComment(*row) if row and row.body else None


def write(session: Session, workflow_id: int, person_id: int, body: str) -> int:
    """Let this stand from now on; empty takes back what stood. Returns its id."""
    written: int = session.execute(
        insert(figure_comments)
        .values(workflow_id=workflow_id, person_id=person_id, body=body, written_at=database_time())
        .returning(figure_comments.c.id)
    ).scalar_one()
    return written

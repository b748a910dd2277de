"""Who was told that their figures stand out, and since when. A notice is never edited but for its end."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from review_queue.advance_notice import ALONE, open_to_others_at
from storage.engine import database_now, database_time
from storage.tables import advance_notices


@dataclass(frozen=True, slots=True)
class AdvanceNotice:
    """That somebody was told first."""

    id: int
    person_id: int
    given_at: datetime  #: UTC

    @property
    def open_to_others_at(self) -> datetime:
        """UTC; from then on somebody else may look closer."""
        return open_to_others_at(self.given_at)


def standing(session: Session, workflow_id: int) -> list[AdvanceNotice]:
    """The notices of everybody whose figures stand out, by person."""
    return _found(session, _standing(workflow_id))


def run_out(session: Session, workflow_id: int) -> list[AdvanceNotice]:
    """Those of them whose seven days are over by the database's clock, so that others may look closer."""
    latest = database_now(session) - ALONE
    return _found(session, _standing(workflow_id).where(advance_notices.c.given_at <= latest))


def give(session: Session, workflow_id: int, person_id: int) -> AdvanceNotice:
    """Note that somebody is told now. They can have one standing notice; the schema sees to it."""
    row = session.execute(
        insert(advance_notices)
        .values(workflow_id=workflow_id, person_id=person_id, given_at=database_time())
        .returning(advance_notices.c.id, advance_notices.c.given_at)
    ).one()
    return AdvanceNotice(row.id, person_id, row.given_at)


def end(session: Session, ids: Collection[int]) -> None:
    """Note that these figures stand out no longer."""
    session.execute(update(advance_notices).where(advance_notices.c.id.in_(ids)).values(ended_at=database_time()))


def _standing(workflow_id: int) -> Select[Any]:
    return (
        select(advance_notices.c.id, advance_notices.c.person_id, advance_notices.c.given_at)
        .where(advance_notices.c.workflow_id == workflow_id, advance_notices.c.ended_at.is_(None))
        .order_by(advance_notices.c.person_id)
    )


def _found(session: Session, query: Select[Any]) -> list[AdvanceNotice]:
    return [AdvanceNotice(row.id, row.person_id, row.given_at) for row in session.execute(query)]

"""Numbers that reviewers named before the AI's was shown to them: once a round, and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from review_queue.items import Item
from storage.engine import database_time
from storage.tables import commitments


@dataclass(frozen=True, slots=True)
class Commitment:
    """A number that somebody named first."""

    value: float  #: in the workflow's unit
    knew_more: bool  #: whether they said that they knew something the AI does not
    committed_at: datetime  #: UTC


def of(session: Session, item: Item, person_id: int) -> Commitment | None:
    """What this person named in the item's round, if anything."""
    row = session.execute(
        select(commitments.c.value, commitments.c.knew_more, commitments.c.committed_at).where(
            commitments.c.item_id == item.id,
            commitments.c.person_id == person_id,
            commitments.c.round == item.round,
        )
    ).one_or_none()
    return None if row is None else Commitment(*row)


def add(session: Session, item: Item, person_id: int, *, value: float, knew_more: bool) -> None:
    """Keep the number that somebody named in the item's round."""
    session.execute(
        insert(commitments).values(
            item_id=item.id,
            person_id=person_id,
            round=item.round,
            value=value,
            knew_more=knew_more,
            committed_at=database_time(),
        )
    )

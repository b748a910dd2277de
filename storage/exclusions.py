"""Sources that somebody left out on an item, and why. Rows are added; the newest of an item and source stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import Session

from storage import bulk
from storage.engine import database_time
from storage.tables import exclusions, people, sources


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A source that does not count on an item."""

    item_id: int
    source: str
    reason: str  #: untrusted text
    by: str
    at: datetime  #: UTC


def standing(session: Session, item_ids: Sequence[int]) -> list[LeftOut]:
    """What is left out on these items now, in the order in which it was."""
    newer = exclusions.alias("newer")
    is_newest = ~exists().where(
        newer.c.item_id == exclusions.c.item_id,
        newer.c.source_id == exclusions.c.source_id,
        newer.c.id > exclusions.c.id,
    )
    rows = session.execute(
        select(exclusions.c.item_id, sources.c.key, exclusions.c.reason, people.c.name, exclusions.c.at)
        .join(sources, sources.c.id == exclusions.c.source_id)
        .join(people, people.c.id == exclusions.c.person_id)
        .where(bulk.among(session, exclusions.c.item_id, item_ids), is_newest, exclusions.c.is_left_out)
        .order_by(exclusions.c.id)
    )
    return [LeftOut(*row) for row in rows]


def source_id(session: Session, workflow_id: int, key: str) -> int | None:
    """The id of the source that a workflow knows by this key."""
    known = select(sources.c.id).where(sources.c.workflow_id == workflow_id, sources.c.key == key)
    return session.execute(known).scalar_one_or_none()


def add(session: Session, item_id: int, source: int, person_id: int, *, is_left_out: bool, reason: str = "") -> None:
    """Note that a source is left out on an item from now on, or counts again."""
    session.execute(
        insert(exclusions).values(
            item_id=item_id,
            source_id=source,
            is_left_out=is_left_out,
            reason=reason,
            person_id=person_id,
            at=database_time(),
        )
    )

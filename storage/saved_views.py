"""A screen's filters kept under a name, for oneself or for everybody in the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, or_, select
from sqlalchemy.orm import Session

from storage.engine import database_time, upsert
from storage.tables import people, saved_views

Link = dict[str, list[str]]  #: query parameter → its values


@dataclass(frozen=True, slots=True)
class SavedView:
    """One view, as somebody may choose it."""

    id: int
    name: str  #: untrusted text
    link: Link
    is_shared: bool
    owner_id: int
    owner: str


def known_to(session: Session, person_id: int, workflow_id: int, page: str) -> list[SavedView]:
    """This person's own views of the page and those that others share, by name."""
    rows = session.execute(
        _whole()
        .where(
            saved_views.c.workflow_id == workflow_id,
            saved_views.c.page == page,
            or_(saved_views.c.person_id == person_id, saved_views.c.is_shared),
        )
        .order_by(saved_views.c.name, saved_views.c.id)
    )
    return [_view(row) for row in rows]


def get(session: Session, view_id: int) -> SavedView | None:
    row = session.execute(_whole().where(saved_views.c.id == view_id)).one_or_none()
    return None if row is None else _view(row)


def add(
    session: Session, *, person_id: int, workflow_id: int, page: str, name: str, link: Link, is_shared: bool
) -> int | None:
    """Keep a view; its id, or None if this person has one of that name."""
    return session.execute(
        upsert(session, saved_views)
        .values(
            workflow_id=workflow_id,
            person_id=person_id,
            page=page,
            name=name,
            link=link,
            is_shared=is_shared,
            saved_at=database_time(),
        )
        .on_conflict_do_nothing(index_elements=["workflow_id", "person_id", "page", "name"])
        .returning(saved_views.c.id)
    ).scalar_one_or_none()


def drop(session: Session, view_id: int) -> None:
    session.execute(delete(saved_views).where(saved_views.c.id == view_id))


def _whole() -> Select[Any]:
    return select(saved_views, people.c.name.label("owner")).join(people, people.c.id == saved_views.c.person_id)


def _view(row: Row[Any]) -> SavedView:
    return SavedView(row.id, row.name, dict(row.link), row.is_shared, row.person_id, row.owner)

"""Who is away from when to when, and who stands in for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Row,
    and_,
    bindparam,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from review_queue.roles import ALLOWED, Task
from storage.engine import UtcDateTime, database_time
from storage.tables import OPEN, absences, grants, items, people


@dataclass(frozen=True, slots=True)
class Absence:
    """One time away."""

    id: int
    person_id: int
    name: str
    from_at: datetime  #: UTC
    until_at: datetime  #: UTC; back at this instant
    deputy_id: int | None
    deputy: str | None
    note: str  #: untrusted text


def add(
    session: Session,
    *,
    person_id: int,
    from_at: datetime,
    until_at: datetime,
    deputy_id: int | None,
    note: str,
    noted_by: int,
) -> int:
    """Note an absence. Returns its id."""
    absence_id: int = session.execute(
        insert(absences)
        .values(
            person_id=person_id,
            from_at=from_at,
            until_at=until_at,
            deputy_id=deputy_id,
            note=note,
            noted_by=noted_by,
            noted_at=database_time(),
        )
        .returning(absences.c.id)
    ).scalar_one()
    return absence_id


def end(session: Session, absence_id: int, *, now: datetime) -> bool:
    """Call an absence off, from now on; false if it was over."""
    over = update(absences).where(absences.c.id == absence_id, absences.c.ended_at.is_(None), absences.c.until_at > now)
    return session.execute(over.values(ended_at=now).returning(absences.c.id)).one_or_none() is not None


def get(session: Session, absence_id: int) -> Absence | None:
    row = session.execute(_whole().where(absences.c.id == absence_id)).one_or_none()
    return None if row is None else _absence(row)


def coming(session: Session, *, now: datetime) -> list[Absence]:
    """Every absence that is not over, the nearest first."""
    rows = session.execute(_whole().where(_stands(now)).order_by(absences.c.from_at, absences.c.id))
    return [_absence(row) for row in rows]


def overlapping(session: Session, person_id: int, from_at: datetime, until_at: datetime) -> Absence | None:
    """An absence of this person that shares time with the one asked for."""
    row = session.execute(
        _whole()
        .where(
            absences.c.person_id == person_id,
            absences.c.ended_at.is_(None),
            absences.c.from_at < until_at,
            absences.c.until_at > from_at,
        )
        .limit(1)
    ).one_or_none()
    return None if row is None else _absence(row)


def away(session: Session, person_id: int, *, now: datetime) -> Absence | None:
    """The absence that this person is in now."""
    row = session.execute(_whole().where(absences.c.person_id == person_id, is_on(now)).limit(1)).one_or_none()
    return None if row is None else _absence(row)


def stood_in_for(session: Session, person_id: int, *, now: datetime) -> frozenset[int]:
    """The people in whose place this person decides now: those away who named them, or whose work is for anybody.

    It is for anybody when the one who is away named no deputy, or one who is away too; and when whose it is reviews
    nothing any more. Only people who have something to decide are among them.
    """
    return frozenset(session.execute(_stood_in_for(), {"person_id": person_id, "now": now}).scalars())


@cache
def _stood_in_for() -> CompoundSelect[Any]:
    now, person_id = bindparam("now", type_=UtcDateTime()), bindparam("person_id", type_=BigInteger())
    others = absences.alias("others")
    deputy_is_away = (
        select(others.c.id).where(others.c.person_id == absences.c.deputy_id, is_on(now, of=others)).exists()
    )
    nobody_else = or_(absences.c.deputy_id.is_(None), deputy_is_away, not_(_reviews(absences.c.deputy_id)))
    away = select(absences.c.person_id).where(
        is_on(now),
        absences.c.person_id != person_id,
        or_(absences.c.deputy_id == person_id, nobody_else),
        _has_items(absences.c.person_id),
    )
    gone = select(people.c.id).where(people.c.id != person_id, _has_items(people.c.id), not_(_reviews(people.c.id)))
    return away.union(gone)


def _has_items(person: ColumnElement[int]) -> ColumnElement[bool]:
    return select(items.c.id).where(items.c.assigned_to == person, OPEN).exists()


def _reviews(person: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the person's account works and they review anything."""
    working = people.alias("working")
    return (
        select(grants.c.id)
        .join(working, working.c.id == grants.c.person_id)
        .where(
            working.c.id == person,
            working.c.disabled_at.is_(None),
            grants.c.revoked_at.is_(None),
            grants.c.role.in_(ALLOWED[Task.REVIEW]),
        )
        .exists()
    )


def is_on(now: datetime | BindParameter[datetime], of: Any = absences) -> ColumnElement[bool]:
    """The condition on an absence (or an alias of the table) that it goes on at ``now``."""
    return and_(of.c.from_at <= now, of.c.until_at > now, of.c.ended_at.is_(None))


def _stands(now: datetime) -> ColumnElement[bool]:
    return and_(absences.c.until_at > now, absences.c.ended_at.is_(None))


def _whole() -> Any:
    deputies = people.alias("deputies")
    return (
        select(absences, people.c.name, deputies.c.name.label("deputy"))
        .join(people, people.c.id == absences.c.person_id)
        .outerjoin(deputies, deputies.c.id == absences.c.deputy_id)
    )


def _absence(row: Row[Any]) -> Absence:
    return Absence(
        id=row.id,
        person_id=row.person_id,
        name=row.name,
        from_at=row.from_at,
        until_at=row.until_at,
        deputy_id=row.deputy_id,
        deputy=row.deputy,
        note=row.note,
    )

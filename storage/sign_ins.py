"""Which browser is signed in as whom. The browser holds a random token; the table its hash."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.engine import database_now, database_time, upsert
from storage.tables import sign_ins

#: After this long one signs in afresh, whatever one did in between.
LASTS = timedelta(hours=12)


def start(session: Session, token: str, person_id: int) -> None:
    """Sign the browser that holds ``token`` in as ``person_id``, in place of whoever it was before."""
    fresh = {"person_id": person_id, "created_at": database_time(), "ended_at": None}
    session.execute(
        upsert(session, sign_ins)
        .values(token_hash=_hash(token), **fresh)
        .on_conflict_do_update(index_elements=["token_hash"], set_=fresh)
    )


def end(session: Session, token: str) -> int | None:
    """Sign the browser out. Who it was, or None if nobody was signed in."""
    return session.execute(
        update(sign_ins)
        .where(sign_ins.c.token_hash == _hash(token), sign_ins.c.ended_at.is_(None))
        .values(ended_at=database_time())
        .returning(sign_ins.c.person_id)
    ).scalar_one_or_none()


def person_of(session: Session, token: str) -> int | None:
    """Who is signed in with ``token`` at this moment."""
    return session.execute(
        select(sign_ins.c.person_id).where(
            sign_ins.c.token_hash == _hash(token),
            sign_ins.c.ended_at.is_(None),
            sign_ins.c.created_at > database_now(session) - LASTS,
        )
    ).scalar_one_or_none()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

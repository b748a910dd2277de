"""Which browser is signed in as whom. The browser holds a random token; the table its hash."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from storage.engine import database_now, database_time, upsert
from storage.tables import logout_tokens, people, sign_ins

#: After this long one signs in afresh, whatever one did in between.
LASTS = timedelta(hours=12)
#: After this long without doing anything one signs in afresh.
IDLE = timedelta(minutes=60)
#: How old the note of the last thing done may get before it is written anew.
SEEN_EVERY = timedelta(minutes=1)


def start(session: Session, token: str, person_id: int, *, vouched_at: datetime | None = None) -> None:
    """Sign the browser that holds ``token`` in as ``person_id``, in place of whoever it was before.

    ``vouched_at``: when the identity provider said who it is; None where there is none.
    """
    fresh = {
        "person_id": person_id,
        "created_at": database_time(),
        "ended_at": None,
        "seen_at": database_time(),
        "vouched_at": vouched_at,
    }
    session.execute(
        upsert(session, sign_ins)
        .values(token_hash=_hash(token), **fresh)
        .on_conflict_do_update(index_elements=["token_hash"], set_=fresh)
    )


def may_start(session: Session, token: str, person_id: int, *, vouched_at: datetime) -> bool:
    """Whether the provider's word of that instant still opens a session.

    Not where it was given before the person was signed out everywhere, nor where the session that it opened has ended.
    """
    valid_after = session.execute(
        select(people.c.sessions_valid_after).where(people.c.id == person_id)
    ).scalar_one_or_none()
    if valid_after is not None and vouched_at <= valid_after:
        return False
    ended = and_(sign_ins.c.vouched_at == vouched_at, sign_ins.c.ended_at.is_not(None))
    here = and_(sign_ins.c.vouched_at >= vouched_at, sign_ins.c.token_hash == _hash(token))
    used_up = select(sign_ins.c.id).where(sign_ins.c.person_id == person_id, or_(ended, here))
    return session.execute(used_up.limit(1)).first() is None


def end(session: Session, token: str) -> int | None:
    """Sign the browser out. Who it was, or None if nobody was signed in."""
    return session.execute(
        update(sign_ins)
        .where(sign_ins.c.token_hash == _hash(token), sign_ins.c.ended_at.is_(None))
        .values(ended_at=database_time())
        .returning(sign_ins.c.person_id)
    ).scalar_one_or_none()


def end_everywhere(session: Session, person_id: int) -> int:
    """End every session of a person, also those that are only a cookie yet. How many were open."""
    session.execute(update(people).where(people.c.id == person_id).values(sessions_valid_after=database_time()))
    ended = session.execute(
        update(sign_ins)
        .where(sign_ins.c.person_id == person_id, sign_ins.c.ended_at.is_(None))
        .values(ended_at=database_time())
        .returning(sign_ins.c.id)
    )
    return len(ended.all())


def person_of(session: Session, token: str) -> int | None:
    """Who is signed in with ``token`` at this moment."""
    return session.execute(_standing(session, token)).scalar_one_or_none()


def touch(session: Session, token: str) -> None:
    """Note that the browser just did something."""
    session.execute(
        update(sign_ins)
        .where(sign_ins.c.token_hash == _hash(token), sign_ins.c.ended_at.is_(None))
        .values(seen_at=database_time())
    )


def is_seen_lately(session: Session, token: str) -> bool:
    """Whether what the browser did last is noted closely enough; so too where nobody is signed in."""
    lately = _seen_at() > database_now(session) - SEEN_EVERY
    found = session.execute(select(lately).where(sign_ins.c.token_hash == _hash(token))).scalar_one_or_none()
    return found is None or bool(found)


def use_logout_token(session: Session, jti: str) -> None:
    """Note that a logout token was used.

    Raises:
        IntegrityError: it was used before.
    """
    session.execute(insert(logout_tokens).values(jti_hash=_hash(jti), used_at=database_time()))


def _standing(session: Session, token: str) -> Select[int]:
    now = database_now(session)
    # Also one that was being opened while everything was ended elsewhere.
    ended_everywhere = people.c.sessions_valid_after > func.coalesce(sign_ins.c.vouched_at, sign_ins.c.created_at)
    of_people = select(sign_ins.c.person_id).join(people, people.c.id == sign_ins.c.person_id)
    return of_people.where(
        sign_ins.c.token_hash == _hash(token),
        sign_ins.c.ended_at.is_(None),
        or_(people.c.sessions_valid_after.is_(None), ~ended_everywhere),
        sign_ins.c.created_at > now - LASTS,
        or_(sign_ins.c.vouched_at.is_(None), sign_ins.c.vouched_at > now - LASTS),
        _seen_at() > now - IDLE,
    )


def _seen_at() -> ColumnElement[datetime]:
    return func.coalesce(sign_ins.c.seen_at, sign_ins.c.created_at)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""Tokens by which programs act: each stands for one grant of one person. We keep the hash, the program the token."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from review_queue.errors import NotAllowed
from review_queue.roles import Grant, Principal, Role, Task
from storage import people as people_
from storage.engine import database_now, database_time
from storage.tables import api_tokens, grants, people

#: Begins every token, so that whoever scans for leaked secrets knows one.
PREFIX = "rwb_"
HINT = 12  #: characters of a token that are kept to know it by
#: The last use is noted so coarsely that a busy program costs one small write a minute.
NOTED_EVERY = timedelta(minutes=1)


class TokenRefused(NotAllowed):
    """A token that is not known, has expired, or was taken back: which of them is told to nobody."""

    code = "TOKEN_REFUSED"

    def __init__(self) -> None:
        Exception.__init__(
            self,
            "This token is not known here, has expired, or was revoked. Make another one on the Data page, "
            "or with `workbench token create`.",
        )


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever shows a token: a person, cut down to one grant of theirs."""

    token_id: int
    token_name: str
    who: Principal  #: the person with the token's grant and no other
    reader: Principal  #: the same person whole: what is hidden from them on the screens is hidden from their token
    may_write: bool
    last_used_at: datetime | None  #: UTC

    def require(self, task: Task, workflow_id: int) -> None:
        """Raise ``NotAllowed`` unless the token's grant allows ``task`` in the workflow, and the token itself does."""
        self.who.require(task, workflow_id)
        if task is Task.IMPORT and not self.may_write:
            raise NotAllowed(f"The token {self.token_name!r}", "bring data in: it was made to read")


@dataclass(frozen=True, slots=True)
class Token:
    """One token as those see it who may revoke it."""

    id: int
    name: str
    hint: str  #: its first characters
    person_id: int
    person: str
    grant: Grant  #: what it can do, cut down to its workflow
    may_write: bool
    created_at: datetime  #: UTC
    created_by: str
    expires_at: datetime  #: UTC
    last_used_at: datetime | None  #: UTC, to the minute
    revoked_at: datetime | None  #: UTC
    is_live: bool  #: neither expired nor revoked, and its grant and its person's account stand


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A grant that stands, with its id."""

    id: int
    person_id: int
    grant: Grant


def hash_of(secret: str) -> str:
    """What is kept of a token. It is 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()


def held_grants(session: Session, person_id: int) -> list[HeldGrant]:
    """The grants that stand of a person, in the order in which they were given."""
    rows = session.execute(
        select(grants).where(grants.c.person_id == person_id, grants.c.revoked_at.is_(None)).order_by(grants.c.id)
    )
    return [HeldGrant(row.id, person_id, Grant(Role(row.role), row.workflow_id, row.segment_path)) for row in rows]


def add(
    session: Session,
    secret: str,
    *,
    name: str,
    grant_id: int,
    workflow_id: int | None,
    may_write: bool,
    days: int,
    created_by: int,
) -> int:
    """Keep a token that ends after so many days. Returns its id."""
    now = database_now(session)
    token_id: int = session.execute(
        insert(api_tokens)
        .values(
            token_hash=hash_of(secret),
            hint=secret[:HINT],
            name=name,
            grant_id=grant_id,
            workflow_id=workflow_id,
            may_write=may_write,
            created_by=created_by,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        .returning(api_tokens.c.id)
    ).scalar_one()
    return token_id


def known(session: Session, secret: str) -> Bearer:
    """Whoever shows ``secret``.

    Raises:
        TokenRefused: it is no token that works now.
    """
    return _bearer(session, api_tokens.c.token_hash == hash_of(secret))


def standing(session: Session, token_id: int) -> Bearer:
    """Whoever holds the token, as it stands in this transaction.

    Raises:
        TokenRefused: it no longer works.
    """
    return _bearer(session, api_tokens.c.id == token_id)


def note_use(session: Session, token_id: int) -> None:
    """Note that the token was used now."""
    session.execute(update(api_tokens).where(api_tokens.c.id == token_id).values(last_used_at=database_time()))


def revoke(session: Session, token_id: int, *, by: int) -> bool:
    """End a token. Whether it had not been ended before."""
    ended = session.execute(
        update(api_tokens)
        .where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None))
        .values(revoked_at=database_time(), revoked_by=by)
        .returning(api_tokens.c.id)
    )
    return ended.one_or_none() is not None


def listed(session: Session, *, person_id: int | None = None) -> list[Token]:
    """Every token that was ever made, the newest first; ``person_id``: of that person alone."""
    wanted = _whole()
    if person_id is not None:
        wanted = wanted.where(grants.c.person_id == person_id)
    return [_token(row) for row in session.execute(wanted.order_by(api_tokens.c.id.desc()))]


def find(session: Session, token_id: int) -> Token | None:
    """The token with this id, whether it works or not."""
    row = session.execute(_whole().where(api_tokens.c.id == token_id)).one_or_none()
    return None if row is None else _token(row)


def _bearer(session: Session, which: Any) -> Bearer:
    row = session.execute(_whole().where(which)).one_or_none()
    if row is None or not row.is_live:
        raise TokenRefused
    token, reader = _token(row), people_.principal(session, row.person_id)
    return Bearer(
        token_id=token.id,
        token_name=token.name,
        who=Principal(reader.person_id, reader.name, (token.grant,)),
        reader=reader,
        may_write=token.may_write,
        last_used_at=token.last_used_at,
    )


def _whole() -> Select[Any]:
    makers = people.alias("makers")
    is_live = and_(
        api_tokens.c.revoked_at.is_(None),
        api_tokens.c.expires_at > database_time(),
        grants.c.revoked_at.is_(None),
        people.c.disabled_at.is_(None),
        # A grant is never made wider or moved, but the token's own bound must lie inside it.
        or_(
            api_tokens.c.workflow_id.is_(None),
            grants.c.workflow_id.is_(None),
            api_tokens.c.workflow_id == grants.c.workflow_id,
        ),
    )
    return (
        select(
            api_tokens,
            grants.c.person_id,
            grants.c.role,
            grants.c.segment_path,
            func.coalesce(api_tokens.c.workflow_id, grants.c.workflow_id).label("within"),
            people.c.name.label("person"),
            makers.c.name.label("maker"),
            is_live.label("is_live"),
        )
        .join(grants, grants.c.id == api_tokens.c.grant_id)
        .join(people, people.c.id == grants.c.person_id)
        .join(makers, makers.c.id == api_tokens.c.created_by)
    )


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        hint=row.hint,
        person_id=row.person_id,
        person=row.person,
        grant=Grant(Role(row.role), row.within, row.segment_path),
        may_write=row.may_write,
        created_at=row.created_at,
        created_by=row.maker,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        is_live=bool(row.is_live),
    )

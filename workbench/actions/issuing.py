"""Tokens for programs: made inside a grant that somebody holds, shown once, and taken back."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from review_queue.roles import Grant, Principal, Role, Task
from storage import audit, people, tokens, workflows
from storage.engine import Database
from storage.tokens import PREFIX, HeldGrant, Token
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals

BYTES = 32  #: of chance in a token
LONGEST_LIFE = 366  #: days
USUAL_LIFE = 90
LONGEST_NAME = 100


class TokenNotMade(ReviewError):
    """A token that cannot be made as asked."""

    code = "TOKEN_NOT_MADE"


class TokenNotFound(ReviewError):
    """There is no such token, or it is somebody else's; the two are told apart to nobody."""

    code = "TOKEN_NOT_FOUND"

    def __init__(self, token_id: int) -> None:
        super().__init__(f"There is no token {token_id} that you may revoke. See `workbench token list`.")
        self.token_id = token_id


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, the only time that it is told."""

    secret: str
    token: Token


@again(in_doubt=False)
def create_token(
    database: Database,
    *,
    person_id: int,
    name: str,
    role: Role,
    workflow: str | None = None,
    segment: str | None = None,
    may_write: bool = False,
    days: int = USUAL_LIFE,
    holder: int | None = None,
) -> NewToken:
    """Make a token that can do what one grant allows, and no more.

    Args:
        person_id: who asks.
        role: of the grant that it stands for.
        workflow: the key of the one workflow that it is for; None: wherever the grant reaches.
        segment: path of the segment of that grant, where somebody holds the role in several.
        may_write: whether it may bring data in, where the grant allows that.
        days: after which it ends, 1 to ``LONGEST_LIFE``.
        holder: whose grant it is, where that is not who asks; only an administrator can do that.

    Raises:
        TokenNotMade: the name or the days cannot be, or the person holds no such grant.
        NotAllowed: it is for somebody else, and whoever asks may not change people and roles.
    """
    name = _checked_name(name)
    if not 1 <= days <= LONGEST_LIFE:
        raise TokenNotMade(f"A token lasts 1 to {LONGEST_LIFE} days. {days} were asked for.")
    secret = PREFIX + secrets.token_urlsafe(BYTES)
    with database.writing() as session:
        who = people.principal(session, person_id)
        whose = who if holder in (None, person_id) else people.principal(session, holder or 0)
        workflow_id = workflows.get(session, workflow).id if workflow else None
        if whose is not who:
            _require_administrator(who, workflow_id)
        held = _the_one(tokens.held_grants(session, whose.person_id), whose, role, workflow_id, segment)
        if not is_of_use(held.grant):
            raise TokenNotMade(
                f"A {role.value} may neither bring data in nor take it out, so a token of that grant could do nothing."
            )
        if may_write and not Principal(0, "", (held.grant,)).may(Task.IMPORT, workflow_id):
            raise TokenNotMade(
                f"A {role.value} {'of a part of the tree ' if held.grant.segment_path else ''}may not "
                f"{Task.IMPORT.value}, so neither may a token of that grant. Make one that reads."
            )
        token_id = tokens.add(
            session,
            secret,
            name=name,
            grant_id=held.id,
            workflow_id=workflow_id,
            may_write=may_write,
            days=days,
            created_by=person_id,
        )
        details = {"token": token_id, "person_id": whose.person_id, "role": role.value, "writes": may_write}
        audit.record(session, "token.created", actor_id=person_id, workflow_id=workflow_id, details=details)
        return NewToken(secret, _found(session, token_id))


@again(in_doubt=True)
def revoke_token(database: Database, *, person_id: int, token_id: int) -> Token:
    """End a token of one's own, or, for an administrator, anybody's. One that has ended before stays as it was.

    Raises:
        TokenNotFound: there is none that this person may revoke.
    """
    with database.writing() as session:
        who, token = people.principal(session, person_id), tokens.find(session, token_id)
        if token is None or not (token.person_id == person_id or _administers(who, token.grant.workflow_id)):
            raise TokenNotFound(token_id)
        if tokens.revoke(session, token_id, by=person_id):
            details = {"token": token_id, "person_id": token.person_id}
            audit.record(
                session, "token.revoked", actor_id=person_id, workflow_id=token.grant.workflow_id, details=details
            )
        return _found(session, token_id)


@notes_refusals
def list_tokens(database: Database, *, person_id: int, everybody: bool = False) -> list[Token]:
    """One's own tokens, the newest first; or, for an administrator, everybody's in the workflows that they administer.

    Raises:
        NotAllowed: everybody's, and this person is no administrator.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        if not everybody:
            return tokens.listed(session, person_id=person_id)
        who.require(Task.GRANT)
        return [each for each in tokens.listed(session) if _administers(who, each.grant.workflow_id)]


@notes_refusals
def grants_for_tokens(database: Database, *, person_id: int) -> list[Grant]:
    """The grants of this person that a token can do anything with."""
    with database.reading() as session:
        people.principal(session, person_id)
        held = tokens.held_grants(session, person_id)
    return [each.grant for each in held if is_of_use(each.grant)]


def is_of_use(grant: Grant) -> bool:
    """Whether a token of this grant could do anything: bring data in, or take it out."""
    alone = Principal(0, "", (grant,))
    return alone.may(Task.IMPORT) or alone.may(Task.EXPORT)


def _found(session: Session, token_id: int) -> Token:
    token = tokens.find(session, token_id)
    if token is None:
        raise TokenNotFound(token_id)
    return token


def _the_one(
    held: list[HeldGrant], whose: Principal, role: Role, workflow_id: int | None, segment: str | None
) -> HeldGrant:
    """The grant that is meant: one that covers all others which would fit too."""
    fitting = [
        each
        for each in held
        if each.grant.role is role
        and (workflow_id is None or each.grant.workflow_id in (None, workflow_id))
        and (segment is None or each.grant.segment_path == segment)
    ]
    if not fitting:
        raise TokenNotMade(f"{whose.name} does not hold the role {role.value} there, so there is nothing to stand for.")
    for each in fitting:
        if all(_covers(each.grant, other.grant) for other in fitting):
            return each
    raise TokenNotMade(
        f"{whose.name} is {role.value} in several places, and a token stands for one of them. Name the workflow, "
        "and the segment where there are several in it."
    )


def _covers(grant: Grant, other: Grant) -> bool:
    within = grant.workflow_id is None or grant.workflow_id == other.workflow_id
    return within and (other.segment_path or "").startswith(grant.segment_path or "")


def _require_administrator(who: Principal, workflow_id: int | None) -> None:
    if workflow_id is None:
        who.require_everywhere(Task.GRANT)
    else:
        who.require(Task.GRANT, workflow_id)


def _administers(who: Principal, workflow_id: int | None) -> bool:
    return any(grant.workflow_id in (None, workflow_id) for grant in who.grants_for(Task.GRANT))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise TokenNotMade(f"Give the token a name of 1 to {LONGEST_NAME} characters, such as the program's.")
    return name

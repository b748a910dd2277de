"""Who is asking: from a browser's cookie in demo mode, from an identity provider's word otherwise.

An identity is (issuer, subject). Roles come from our own table, read afresh each time; no claim grants any.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from review_queue.errors import NotAllowed
from review_queue.roles import Principal, Role
from storage import audit, people, sign_ins
from storage.engine import Database
from workbench.actions import ending, releasing
from workbench.actions.again import again

#: What demo mode can be signed in as, in the order of the screen, and who that is.
PERSONAS: dict[Role, str] = {
    Role.REVIEWER: "Rita (reviewer)",
    Role.DIRECTOR: "Dario (director)",
    Role.MANAGER: "Mina (manager)",
    Role.OWNER: "Omar (workflow owner)",
    Role.AUDITOR: "Aiko (auditor)",
    Role.ADMINISTRATOR: "Ada (administrator)",
}

#: After this long one signs in afresh, whatever the provider's cookie says.
LASTS = sign_ins.LASTS
#: How far the provider's clock may be ahead of ours.
SKEW = timedelta(minutes=2)
#: Characters of an issuer or a subject; more is no identity.
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as an identity provider vouches for them."""

    issuer: str
    subject: str
    name: str
    email: str | None  #: for people to read; never a key
    vouched_at: datetime | None = field(default=None, compare=False)  #: when the provider said so


@again(in_doubt=True)
def sign_in_as(database: Database, token: str, role: Role) -> None:
    """Demo mode: make the browser that holds ``token`` the persona of ``role``."""
    try:
        _sign_in_as(database, token, role)
    except IntegrityError:  # two browsers were the first at once; the other's persona stands, and serves both
        _sign_in_as(database, token, role)


@again(in_doubt=True)
def keep(database: Database, token: str, person_id: int, *, vouched_at: datetime | None = None) -> bool:
    """Whether the browser that holds ``token`` is ``person_id``'s; it is noted so that the gate lets its uploads pass.

    ``vouched_at``: when the identity provider said so. A word whose session has ended, by a sign-out anywhere or by
    an hour in which nothing was done, opens none again.
    """
    with database.reading() as session:
        if sign_ins.person_of(session, token) == person_id:
            return True
    with database.writing() as session:
        if vouched_at is not None and not sign_ins.may_start(session, token, person_id, vouched_at=vouched_at):
            return False
        sign_ins.start(session, token, person_id, vouched_at=vouched_at)
        audit.record(session, "person.signed_in", actor_id=person_id)
        return True


@again(in_doubt=True)
def sign_out(database: Database, token: str) -> None:
    """The browser that holds ``token`` is nobody again, and whoever it was holds no item any more."""
    with database.writing() as session:
        person_id = sign_ins.end(session, token)
        if person_id is not None:
            releasing.release_all(session, person_id)
            audit.record(session, "person.signed_out", actor_id=person_id)


@again(in_doubt=True)
def drop(database: Database, token: str) -> None:
    """The browser got another token: whatever the one before was signed in as has ended."""
    with database.writing() as session:
        sign_ins.end(session, token)


def standing(database: Database, token: str, *, acting: bool) -> int | None:
    """Who is signed in with ``token``, if anybody. ``acting``: they did something just now, which is noted.

    A disabled account is somebody here, and is refused by whatever it asks for.
    """
    with database.reading() as session:
        person_id = sign_ins.person_of(session, token)
        if person_id is None or not acting or sign_ins.is_seen_lately(session, token):
            return person_id
    with database.writing() as session:
        sign_ins.touch(session, token)
    return person_id


def person_of_browser(database: Database, token: str) -> Principal | None:
    """Who the browser that holds ``token`` is signed in as.

    Raises:
        NotAllowed: the account is disabled.
    """
    with database.reading() as session:
        person_id = sign_ins.person_of(session, token)
        return None if person_id is None else people.principal(session, person_id)


def identity_of(claims: Mapping[str, Any], *, now: datetime) -> Identity | None:
    """The identity in an ID token's claims; None if it names nobody, or signed in longer ago than ``LASTS``."""
    issuer, subject, vouched_at = claims.get("iss"), claims.get("sub"), _instant(claims.get("iat"))
    if not _is_name(issuer) or not _is_name(subject) or vouched_at is None:
        return None
    if not now - LASTS < vouched_at <= now + SKEW:
        return None
    name = claims.get("name") or claims.get("preferred_username") or subject
    email = claims.get("email")
    shown = str(email)[:LONGEST] if email else None
    return Identity(str(issuer), str(subject), str(name)[:LONGEST], shown, vouched_at)


def vouched(claims: Mapping[str, Any], *, issuer: str | None, client_id: str | None, now: datetime) -> Identity | None:
    """The identity in the claims of an ID token that our own identity provider made for us.

    Raises:
        NotAllowed: another issuer made it, or it was made for another application.
    """
    identity = identity_of(claims, now=now)
    if identity is None:
        return None
    if identity.issuer != issuer:
        raise NotAllowed(identity.name, "sign in here: another issuer vouches for this account")
    meant_for = claims.get("aud")
    if client_id not in (meant_for if isinstance(meant_for, list) else [meant_for]):
        raise NotAllowed(identity.name, "sign in here: the identity provider said it to another application")
    return identity


@again(in_doubt=False)
def sign_out_by_provider(database: Database, *, issuer: str, subject: str, jti: str) -> int:
    """End every session of the person whom ``issuer`` calls ``subject``. How many were open.

    ``jti``: of the logout token, which counts once.

    Raises:
        IntegrityError: it was used before. Nothing was changed.
    """
    with database.writing() as session:
        sign_ins.use_logout_token(session, f"{issuer}|{jti}")
        person_id = people.find(session, issuer, subject)
        if person_id is None:
            return 0
        return ending.end_sessions(session, person_id, actor_id=None, because="identity provider")


def person_of_identity(database: Database, identity: Identity, *, administrators: Collection[str] = ()) -> Principal:
    """The person behind ``identity``, added without any role the first time.

    ``administrators``: ``issuer|subject`` of those who are administrators from their first sign-in.

    Raises:
        NotAllowed: the account is disabled.
    """
    bootstrap = f"{identity.issuer}|{identity.subject}" in administrators
    with database.reading() as session:
        known = _known(session, identity)
        if known is not None and not (bootstrap and _never_administrator(session, known)):
            return known
    try:
        return _admit(database, identity, bootstrap=bootstrap)
    except IntegrityError:  # another tab of the same person was first
        return _admit(database, identity, bootstrap=bootstrap)


def _is_name(claim: object) -> bool:
    return isinstance(claim, str) and 0 < len(claim) <= LONGEST


def _instant(claim: object) -> datetime | None:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (ValueError, OverflowError, OSError):  # a number that is no time
        return None


def _sign_in_as(database: Database, token: str, role: Role) -> None:
    with database.writing() as session:
        person_id = people.find(session, people.DEMO, role.value)
        if person_id is None:
            person_id = people.add(
                session, issuer=people.DEMO, subject=role.value, name=PERSONAS[role], is_simulated=True
            )
            people.grant(session, person_id, role)
            audit.record(session, "person.added", actor_id=person_id, details={"person_id": person_id})
        sign_ins.start(session, token, person_id)
        audit.record(session, "person.signed_in", actor_id=person_id)


def _known(session: Session, identity: Identity) -> Principal | None:
    person_id = people.find(session, identity.issuer, identity.subject)
    return None if person_id is None else people.principal(session, person_id)


def _never_administrator(session: Session, who: Principal) -> bool:
    """The settings name the first administrators; whoever took the role back from one since has the last word."""
    return not people.ever_held(session, who.person_id, Role.ADMINISTRATOR)


def _admit(database: Database, identity: Identity, *, bootstrap: bool) -> Principal:
    with database.writing() as session:
        who = _known(session, identity)
        if who is None:
            person_id = people.add(
                session,
                issuer=identity.issuer,
                subject=identity.subject,
                name=identity.name,
                email=identity.email,
            )
            audit.record(session, "person.added", actor_id=person_id, details={"person_id": person_id})
            who = people.principal(session, person_id)
        if bootstrap and _never_administrator(session, who):
            people.grant(session, who.person_id, Role.ADMINISTRATOR)
            audit.record(
                session,
                "role.granted",
                actor_id=None,
                details={"person_id": who.person_id, "role": Role.ADMINISTRATOR.value, "by": "settings"},
            )
        return people.principal(session, who.person_id)

"""People and their grants. An identity is (issuer, subject); roles come from here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_, bindparam, false, insert, or_, select, true, update
from sqlalchemy.orm import Session

from review_queue.errors import NotAllowed
from review_queue.roles import ALLOWED, REVIEW_LEVEL, Grant, Principal, Role, Task
from storage.engine import database_time
from storage.tables import grants, items, people, role_requests, segments
from storage.tree import below

LOCAL = "local"  #: the issuer of people on the machine itself, such as whoever runs the command line
DEMO = "demo"  #: the issuer of the personas of demo mode
ERASED = "erased"  #: the issuer of people who were erased; nobody can vouch for them any more


def principal(session: Session, person_id: int, *, in_turn: bool = False) -> Principal:
    """The person with the grants that stand now.

    Args:
        in_turn: wait for whatever else this person does in turn, so that many tabs do not claim many items.

    Raises:
        NotAllowed: there is no such person, or the account is disabled.
    """
    rows = session.execute(_IN_TURN if in_turn else _WITH_GRANTS, {"person_id": person_id}).all()
    if not rows or rows[0].disabled_at is not None:
        raise NotAllowed(rows[0].name if rows else "This account", "work here: the account is disabled")
    standing = tuple(Grant(Role(row.role), row.workflow_id, row.segment_path) for row in rows if row.role)
    return Principal(person_id, rows[0].name, standing)


_WITH_GRANTS = (
    select(people.c.name, people.c.disabled_at, grants.c.role, grants.c.workflow_id, grants.c.segment_path)
    .outerjoin(grants, and_(grants.c.person_id == people.c.id, grants.c.revoked_at.is_(None)))
    .where(people.c.id == bindparam("person_id"))
    .order_by(grants.c.id)
)
_IN_TURN = _WITH_GRANTS.with_for_update(of=people, key_share=True)


def administrators_in_turn(session: Session) -> None:
    """Wait for whoever is about to take an administrator away: two at once could leave nobody."""
    of_all = (grants.c.role == Role.ADMINISTRATOR, grants.c.workflow_id.is_(None), grants.c.revoked_at.is_(None))
    held = select(people.c.id).where(people.c.id.in_(select(grants.c.person_id).where(*of_all)))
    session.execute(held.order_by(people.c.id).with_for_update(key_share=True))


def who_may(session: Session, task: Task, workflow_id: int) -> list[Principal]:
    """Everybody whose account works and who may do ``task`` in the workflow, by name, with their grants for it."""
    rows = session.execute(
        select(people.c.id, people.c.name, grants.c.role, grants.c.workflow_id, grants.c.segment_path)
        .join(grants, grants.c.person_id == people.c.id)
        .where(
            people.c.disabled_at.is_(None),
            grants.c.revoked_at.is_(None),
            grants.c.role.in_(ALLOWED[task]),
            or_(grants.c.workflow_id.is_(None), grants.c.workflow_id == workflow_id),
        )
        .order_by(people.c.name, people.c.id, grants.c.id)
    )
    found: dict[tuple[int, str], list[Grant]] = {}
    for person_id, name, role, workflow, path in rows:
        found.setdefault((person_id, name), []).append(Grant(Role(role), workflow, path))
    return [Principal(person_id, name, tuple(held)) for (person_id, name), held in found.items()]


def find(session: Session, issuer: str, subject: str) -> int | None:
    """The id of the person whom ``issuer`` calls ``subject``, if we know them."""
    return session.execute(
        select(people.c.id).where(people.c.issuer == issuer, people.c.subject == subject)
    ).scalar_one_or_none()


def add(
    session: Session, *, issuer: str, subject: str, name: str, email: str | None = None, is_simulated: bool = False
) -> int:
    """Add a person, without any role."""
    person_id: int = session.execute(
        insert(people)
        .values(
            issuer=issuer,
            subject=subject,
            name=name,
            email=email,
            is_simulated=is_simulated,
            created_at=database_time(),
        )
        .returning(people.c.id)
    ).scalar_one()
    return person_id


def grant(
    session: Session,
    person_id: int,
    role: Role,
    *,
    workflow_id: int | None = None,
    segment_path: str | None = None,
    granted_by: int | None = None,
) -> None:
    """Give a role inside a scope."""
    session.execute(
        insert(grants).values(
            person_id=person_id,
            role=role,
            workflow_id=workflow_id,
            segment_path=segment_path,
            granted_by=granted_by,
            granted_at=database_time(),
        )
    )


def revoke(
    session: Session,
    person_id: int,
    role: Role,
    *,
    workflow_id: int | None = None,
    segment_path: str | None = None,
    wherever: bool = False,
) -> int:
    """Take a role back, in one workflow or (None) where it was given for every workflow. How many grants ended.

    Args:
        segment_path: of the grant; None: the one for the whole workflow.
        wherever: in each part of the workflow for which it was given; ``segment_path`` counts for nothing then.
    """
    part = true() if wherever else grants.c.segment_path.is_not_distinct_from(segment_path)
    ended = session.execute(
        update(grants)
        .where(
            grants.c.person_id == person_id,
            grants.c.role == role,
            grants.c.workflow_id.is_not_distinct_from(workflow_id),
            part,
            grants.c.revoked_at.is_(None),
        )
        .values(revoked_at=database_time())
        .returning(grants.c.id)
    )
    return len(ended.all())


def is_known(session: Session, person_id: int) -> bool:
    """Whether there is a person with this id."""
    return session.execute(select(people.c.id).where(people.c.id == person_id)).first() is not None


def ever_held(session: Session, person_id: int, role: Role) -> bool:
    """Whether the person has or once had this role anywhere."""
    found = select(grants.c.id).where(grants.c.person_id == person_id, grants.c.role == role).limit(1)
    return session.execute(found).first() is not None


def administrators_since(session: Session, at: datetime, workflow_id: int | None) -> set[int]:
    """Who has been an administrator of the workflow, or (None) of every one, at some time since ``at``.

    Accounts that are shut count.
    """
    held = select(grants.c.person_id).where(
        grants.c.role == Role.ADMINISTRATOR,
        grants.c.segment_path.is_(None),
        or_(grants.c.workflow_id.is_(None), grants.c.workflow_id == workflow_id),
        or_(grants.c.revoked_at.is_(None), grants.c.revoked_at > at),
    )
    return set(session.execute(held).scalars())


def revoke_all(session: Session, person_id: int) -> None:
    """Take every role back."""
    session.execute(
        update(grants)
        .where(grants.c.person_id == person_id, grants.c.revoked_at.is_(None))
        .values(revoked_at=database_time())
    )


def set_disabled(session: Session, person_id: int, *, disabled: bool) -> None:
    """Shut an account, or open it again. What is open in a browser is refused at its next step."""
    at = database_time() if disabled else None
    session.execute(update(people).where(people.c.id == person_id).values(disabled_at=at))


@dataclass(frozen=True, slots=True)
class Held:
    """A role that somebody holds, and since when."""

    grant: Grant
    granted_by: str | None  #: None: the settings did, or the first sign-in of demo mode
    granted_at: datetime  #: UTC


@dataclass(frozen=True, slots=True)
class Person:
    """One person as an administrator sees them."""

    id: int
    issuer: str
    subject: str
    name: str
    email: str | None
    is_disabled: bool
    held: tuple[Held, ...]

    @property
    def grants(self) -> tuple[Grant, ...]:
        return tuple(each.grant for each in self.held)

    @property
    def is_erased(self) -> bool:
        return self.issuer == ERASED


def everyone(session: Session) -> list[Person]:
    """All people with the grants that stand, in the order in which they came."""
    giver = people.alias("giver")
    query = select(grants, giver.c.name.label("giver")).outerjoin(giver, giver.c.id == grants.c.granted_by)
    standing: dict[int, list[Held]] = {}
    for row in session.execute(query.where(grants.c.revoked_at.is_(None)).order_by(grants.c.id)):
        held = Held(Grant(Role(row.role), row.workflow_id, row.segment_path), row.giver, row.granted_at)
        standing.setdefault(row.person_id, []).append(held)
    return [
        Person(
            id=row.id,
            issuer=row.issuer,
            subject=row.subject,
            name=row.name,
            email=row.email,
            is_disabled=row.disabled_at is not None,
            held=tuple(standing.get(row.id, ())),
        )
        for row in session.execute(select(people).order_by(people.c.id))
    ]


@dataclass(frozen=True, slots=True)
class RoleRequest:
    """A role that one administrator asked for, and a second one has to give."""

    id: int
    person_id: int
    person: str
    role: Role
    workflow_id: int | None
    asked_by: int
    asker: str
    asked_at: datetime  #: UTC


def ask_for_role(session: Session, person_id: int, role: Role, *, workflow_id: int | None, asked_by: int) -> int:
    """Note that a role waits for a second administrator; the request's id."""
    request_id: int = session.execute(
        insert(role_requests)
        .values(person_id=person_id, role=role, workflow_id=workflow_id, asked_by=asked_by, asked_at=database_time())
        .returning(role_requests.c.id)
    ).scalar_one()
    return request_id


def answer_request(session: Session, request_id: int, *, answered_by: int, is_granted: bool) -> bool:
    """Give or refuse what was asked for; False if somebody answered before."""
    answered = session.execute(
        update(role_requests)
        .where(role_requests.c.id == request_id, role_requests.c.answered_at.is_(None))
        .values(answered_by=answered_by, answered_at=database_time(), is_granted=is_granted)
        .returning(role_requests.c.id)
    )
    return answered.one_or_none() is not None


def role_requests_open(session: Session) -> list[RoleRequest]:
    """What waits for a second administrator, the oldest first."""
    whom, asker = people.alias("whom"), people.alias("asker")
    rows = session.execute(
        select(role_requests, whom.c.name.label("person"), asker.c.name.label("asker"))
        .join(whom, whom.c.id == role_requests.c.person_id)
        .join(asker, asker.c.id == role_requests.c.asked_by)
        .where(role_requests.c.answered_at.is_(None))
        .order_by(role_requests.c.id)
    )
    return [
        RoleRequest(
            row.id, row.person_id, row.person, Role(row.role), row.workflow_id, row.asked_by, row.asker, row.asked_at
        )
        for row in rows
    ]


def segment_is_known(session: Session, workflow_id: int, path: str) -> bool:
    """Whether the workflow has a segment at this path."""
    found = select(segments.c.id).where(segments.c.workflow_id == workflow_id, segments.c.path == path)
    return session.execute(found).first() is not None


def owners(session: Session, workflow_id: int, *, emails: tuple[str, ...]) -> list[int]:
    """The ids of those who own the workflow: by a grant, or by an e-mail address that its policy names."""
    granted = select(grants.c.person_id).where(
        grants.c.role == Role.OWNER,
        grants.c.revoked_at.is_(None),
        or_(grants.c.workflow_id.is_(None), grants.c.workflow_id == workflow_id),
    )
    named = people.c.email.in_(emails)
    query = select(people.c.id).where(people.c.disabled_at.is_(None), or_(people.c.id.in_(granted), named))
    return list(session.execute(query.order_by(people.c.id)).scalars())


def with_email(session: Session, email: str) -> list[int]:
    """The ids of accounts that work and have this e-mail address."""
    query = select(people.c.id).where(people.c.disabled_at.is_(None), people.c.email == email)
    return list(session.execute(query.order_by(people.c.id)).scalars())


def names_of(session: Session, person_ids: Collection[int]) -> dict[int, str]:
    """The names of these people, by id."""
    rows = session.execute(select(people.c.id, people.c.name).where(people.c.id.in_(person_ids)))
    return dict(rows.tuples().all())


def scope(who: Principal, task: Task, *, on: Table = items) -> ColumnElement[bool]:
    """The condition on ``items`` that keeps a query inside what ``who`` may touch for ``task``.

    ``on`` may be another table with a ``workflow_id`` and a ``segment_id``, such as ``past_reviews``.
    """
    return or_(false(), *(_inside(grant, on) for grant in who.grants_for(task)))


def reach(who: Principal) -> ColumnElement[bool]:
    """The condition on ``items`` that keeps a claim inside scope and on the steps of the ladder that a role has."""
    return or_(
        false(),
        *(_inside(grant, items) & (items.c.level <= REVIEW_LEVEL[grant.role]) for grant in who.grants_for(Task.REVIEW)),
    )


def _inside(grant: Grant, on: Table) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = true()
    if grant.workflow_id is not None:
        condition = on.c.workflow_id == grant.workflow_id
    if grant.segment_path is not None:
        condition = condition & on.c.segment_id.in_(select(segments.c.id).where(below(grant.segment_path)))
    return condition

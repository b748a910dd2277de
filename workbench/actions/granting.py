"""People, their roles, their accounts and their sessions: what an administrator can do about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from review_queue.roles import Principal, Role, Task
from storage import audit, erasing, people, workflows
from storage.engine import Database, database_now
from storage.erasing import Effect
from storage.people import LOCAL, Person, RoleRequest
from workbench import known_reviews
from workbench.actions import ending, releasing
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals

#: So long whoever took an administrator's account or role away still needs that one to make another.
STILL_ASKED = timedelta(days=7)
#: What takes somebody away who could agree.
REMOVALS = ("person.disabled", "person.erased", "role.revoked")


class GrantRefused(ReviewError):
    """Something about people that cannot be done as asked. Nothing was changed."""

    code = "GRANT_REFUSED"


@dataclass(frozen=True, slots=True)
class Granted:
    """What became of a role that was to be given."""

    is_waiting: bool  #: for a second administrator


@notes_refusals
def list_people(database: Database, *, person_id: int) -> list[Person]:
    """Everybody, with the roles that they hold now."""
    with database.reading() as session:
        people.principal(session, person_id).require(Task.GRANT)
        return people.everyone(session)


@notes_refusals
def list_requests(database: Database, *, person_id: int) -> list[RoleRequest]:
    """Roles that wait for a second administrator."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.GRANT)
        return [each for each in people.role_requests_open(session) if who.may(Task.GRANT, each.workflow_id)]


@again(in_doubt=False)
def grant_role(
    database: Database,
    *,
    person_id: int,
    to: int,
    role: Role,
    workflow: str | None = None,
    segment: str | None = None,
    needs_second: bool = False,
) -> Granted:
    """Give ``role`` to the person with id ``to``, in the workflow with that key or (None) in every one.

    Args:
        segment: path of the segment that it is for; None: the whole workflow.
        needs_second: whether another administrator has to agree before somebody becomes an administrator. Where
            there is no other one, nobody could; then the role is given at once.

    Raises:
        NotAllowed: the person may not change roles there.
        GrantRefused: they have it already, are erased, or a part of the tree makes no sense; or nobody is there to
            agree because this person took their account or role away, within ``STILL_ASKED``.
    """
    with database.writing() as session:
        workflow_id = workflows.get(session, workflow).id if workflow else None
        _require(people.principal(session, person_id), workflow_id)
        everyone = people.everyone(session)
        person = _living(everyone, to)
        _check_part(session, role, workflow_id, segment)
        if any(
            (held.role, held.workflow_id, held.segment_path) == (role, workflow_id, segment) for held in person.grants
        ):
            raise GrantRefused(f"{person.name} already is {role.value} there. Nothing was changed.")
        about = {"person_id": to, "role": role.value, "in_part": segment is not None}
        if needs_second and role is Role.ADMINISTRATOR:
            if _others(everyone, workflow_id, without=(person_id, to)):
                _require_not_waiting(session, person, workflow_id)
                people.ask_for_role(session, to, role, workflow_id=workflow_id, asked_by=person_id)
                audit.record(session, "role.asked", actor_id=person_id, workflow_id=workflow_id, details=about)
                return Granted(is_waiting=True)
            _require_nobody_removed(session, everyone, workflow_id, by=person_id, to=to)
        people.grant(session, to, role, workflow_id=workflow_id, segment_path=segment, granted_by=person_id)
        audit.record(session, "role.granted", actor_id=person_id, workflow_id=workflow_id, details=about)
        return Granted(is_waiting=False)


@again(in_doubt=False)
def answer_request(database: Database, *, person_id: int, request_id: int, give: bool) -> None:
    """Agree as the second administrator, or refuse. Whoever asked may take it back, and may not agree.

    Raises:
        NotAllowed: the person may not change roles there.
        GrantRefused: they asked for it themselves, or it is answered already.
    """
    with database.writing() as session:
        found = {each.id: each for each in people.role_requests_open(session)}.get(request_id)
        if found is None:
            people.principal(session, person_id).require(Task.GRANT)
            raise GrantRefused("Somebody answered this already. Reload the page to see what stands.")
        _require(people.principal(session, person_id), found.workflow_id)
        if give and person_id in (found.asked_by, found.person_id):
            raise GrantRefused(
                f"{found.asker} asked for this, so another administrator has to agree."
                if person_id == found.asked_by
                else "Nobody agrees to a role of their own. Another administrator has to."
            )
        if not people.answer_request(session, request_id, answered_by=person_id, is_granted=give):
            raise GrantRefused("Somebody answered this already. Reload the page to see what stands.")
        about = {"person_id": found.person_id, "role": found.role.value, "request": request_id}
        if give:
            _living(people.everyone(session), found.person_id)
            people.grant(session, found.person_id, found.role, workflow_id=found.workflow_id, granted_by=person_id)
        action = "role.granted" if give else "role.refused"
        audit.record(session, action, actor_id=person_id, workflow_id=found.workflow_id, details=about)


@again(in_doubt=False)
def revoke_role(
    database: Database,
    *,
    person_id: int,
    to: int,
    role: Role,
    workflow: str | None = None,
    segment: str | None = None,
) -> None:
    """Take ``role`` back from the person with id ``to``; their next action is judged without it.

    ``segment``: path of the segment that it was given for; None: the one for the whole workflow.
    """
    with database.writing() as session:
        workflow_id = workflows.get(session, workflow).id if workflow else None
        people.administrators_in_turn(session)
        _require(people.principal(session, person_id), workflow_id)
        everyone = people.everyone(session)
        person = _person(everyone, to)
        if not people.revoke(session, to, role, workflow_id=workflow_id, segment_path=segment):
            raise GrantRefused(f"{person.name} is not {role.value} there. See `workbench people list`.")
        if role is Role.ADMINISTRATOR and workflow_id is None:
            _require_another(everyone, person)
        audit.record(
            session,
            "role.revoked",
            actor_id=person_id,
            workflow_id=workflow_id,
            details={"person_id": to, "role": role.value, "in_part": segment is not None},
        )
        releasing.release_out_of_reach(session, to)


@again(in_doubt=True)
def sign_out_everywhere(database: Database, *, person_id: int, whom: int) -> int:
    """End every session of ``whom``: one's own, or as an administrator anybody's. How many were open."""
    with database.writing() as session:
        who = people.principal(session, person_id)
        if whom != person_id:
            _require(who, None)
            _person(people.everyone(session), whom)
        return ending.end_sessions(session, whom, actor_id=person_id, because="asked")


@again(in_doubt=False)
def set_disabled(database: Database, *, person_id: int, whom: int, disabled: bool) -> None:
    """Shut somebody's account, or open it again with the roles that it had.

    Shut, its sessions end and what it holds goes back into the queue; drafts are kept.

    Raises:
        NotAllowed: the person does not administer every workflow.
        GrantRefused: it is their own account, the last administrator's, an erased one, or is so already.
    """
    with database.writing() as session:
        people.administrators_in_turn(session)
        people.principal(session, person_id).require_everywhere(Task.GRANT)
        everyone = people.everyone(session)
        person = _living(everyone, whom)
        if person.is_disabled == disabled:
            raise GrantRefused(f"The account of {person.name} is {'shut' if disabled else 'open'} already.")
        if disabled:
            _require_another_person(person_id, person)
            _require_another(everyone, person)
        people.set_disabled(session, whom, disabled=disabled)
        action = "person.disabled" if disabled else "person.enabled"
        audit.record(session, action, actor_id=person_id, details={"person_id": whom})
        if disabled:
            ending.end_sessions(session, whom, actor_id=person_id, because="account disabled")


@notes_refusals
def erasing_would(database: Database, *, person_id: int, whom: int) -> Effect:
    """What erasing this person would take away, and what would stay.

    Raises:
        NotAllowed, GrantRefused: as ``erase_person`` would.
    """
    with database.reading() as session:
        _require_erasable(session, person_id, whom)
        return erasing.effect(session, whom)


@again(in_doubt=False)
def erase_person(
    database: Database, *, person_id: int, whom: int, reason: str, bootstrapped: tuple[str, ...] = ()
) -> Effect:
    """Take out of the database what names this person, for good; their decisions stay, under a number.

    Args:
        reason: why, in words that do not name them; it is kept.
        bootstrapped: ``issuer|subject`` of those whom the settings make administrators.

    Raises:
        NotAllowed: the person does not administer every workflow.
        GrantRefused: there is no reason, or this person cannot be erased yet; says what to do first.
    """
    if not reason.strip():
        raise GrantRefused("Say why: a request by the person, or the end of a retention period. Do not name them.")
    with database.writing() as session:
        people.administrators_in_turn(session)
        person = _require_erasable(session, person_id, whom)
        if f"{person.issuer}|{person.subject}" in bootstrapped:
            raise GrantRefused(
                f"WORKBENCH_ADMINISTRATORS names {person.name}, who would be an administrator again at the next "
                "sign-in. Take the name out of it first."
            )
        if any(word in reason for word in (person.name, person.email, person.subject) if word):
            raise GrantRefused("The reason names the person, and would be kept. Say it without the name.")
        found = erasing.effect(session, whom)
        releasing.release_all(session, whom)
        erasing.erase(session, whom, erased_by=person_id, reason=reason.strip())
        audit.record(
            session,
            "person.erased",
            actor_id=person_id,
            details={"person_id": whom, "remarks": found.remarks, "tokens": found.tokens, **found.own},
        )
    known_reviews.forget(database)
    return found


def _require(who: Principal, workflow_id: int | None) -> None:
    if workflow_id is None:
        who.require_everywhere(Task.GRANT)
    else:
        who.require(Task.GRANT, workflow_id)


def _require_erasable(session: Session, person_id: int, whom: int) -> Person:
    people.principal(session, person_id).require_everywhere(Task.GRANT)
    everyone = people.everyone(session)
    person = _living(everyone, whom)
    _require_another_person(person_id, person)
    _require_another(everyone, person)
    owned = erasing.owned_workflows(session, whom)
    if owned:
        raise GrantRefused(
            f"{person.name} is owner, deputy or in the ladder of {', '.join(owned)}. "
            "Name somebody else in the workflow file first."
        )
    return person


def _require_another_person(person_id: int, person: Person) -> None:
    if person.issuer == LOCAL:
        raise GrantRefused("This is whoever runs the command line, and no account.")
    if person.id == person_id:
        raise GrantRefused("This is your own account. Another administrator has to do that.")


def _require_another(everyone: list[Person], person: Person) -> None:
    """Raise where this is the last administrator: nobody could give roles any more."""
    is_one = any(held.role is Role.ADMINISTRATOR and held.workflow_id is None for held in person.grants)
    if is_one and not person.is_disabled and not _others(everyone, None, without=(person.id,)):
        raise GrantRefused(f"{person.name} is the last administrator. Make somebody else one first.")


def _others(everyone: list[Person], workflow_id: int | None, *, without: tuple[int, ...]) -> list[Person]:
    """Who else can sign in and may change people and roles there."""
    return [
        person
        for person in everyone
        if person.id not in without
        and person.issuer != LOCAL
        and not person.is_disabled
        and any(
            held.role is Role.ADMINISTRATOR and held.workflow_id in (None, workflow_id) and held.segment_path is None
            for held in person.grants
        )
    ]


def _require_not_waiting(session: Session, person: Person, workflow_id: int | None) -> None:
    waiting = {(each.person_id, each.workflow_id) for each in people.role_requests_open(session)}
    if (person.id, workflow_id) in waiting:
        raise GrantRefused(f"It waits already: another administrator has to agree that {person.name} is one.")


def _require_nobody_removed(
    session: Session, everyone: list[Person], workflow_id: int | None, *, by: int, to: int
) -> None:
    """Raise where whoever could agree is gone by the hand of the one who asks, and not for long.

    Else one person could shut every other administrator, make another one alone, and open them again. Whoever was
    taken away may be given back what they had.
    """
    since = database_now(session) - STILL_ASKED
    removed = {
        event.details["person_id"]: event.at
        for event in audit.done_by(session, by, REMOVALS, since=since)
        if event.details.get("role", Role.ADMINISTRATOR) == Role.ADMINISTRATOR
    }
    were = people.administrators_since(session, since, workflow_id) & set(removed)
    gone = [person for person in everyone if person.id in were and person.issuer != LOCAL]
    if not gone or to in were:
        return
    names = " and ".join(person.name for person in gone)
    back = "" if all(person.is_erased for person in gone) else "Undo that, so that a second administrator can agree. "
    alone = max(removed[person.id] for person in gone) + STILL_ASKED
    raise GrantRefused(
        f"{names} could have agreed, until you took the account or the role away. {back}"
        f"Alone you can do this from {alone:%Y-%m-%d %H:%M} UTC on."
    )


def _check_part(session: Session, role: Role, workflow_id: int | None, segment: str | None) -> None:
    if segment is None:
        return
    if workflow_id is None:
        raise GrantRefused("A segment belongs to one workflow. Say which.")
    if role is Role.ADMINISTRATOR:
        raise GrantRefused("An administrator acts on whole workflows. Leave the segment out.")
    if not people.segment_is_known(session, workflow_id, segment):
        shown = " › ".join(filter(None, segment.split("\x1f")))
        raise GrantRefused(f"There is no segment {shown} in this workflow. Write its levels from the outermost.")


def _living(everyone: list[Person], person_id: int) -> Person:
    person = _person(everyone, person_id)
    if person.is_erased:
        raise GrantRefused(f"Person {person_id} was erased, and stays so.")
    return person


def _person(everyone: list[Person], person_id: int) -> Person:
    for person in everyone:
        if person.id == person_id:
            return person
    raise GrantRefused(f"There is no person {person_id}. See `workbench people list`.")

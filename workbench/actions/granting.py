"""Giving roles and taking them back, shutting accounts, ending sessions: what an administrator can do about people."""

from __future__ import annotations

from review_queue.errors import ReviewError
from review_queue.roles import Principal, Role, Task
from storage import audit, people, workflows
from storage.engine import Database
from storage.people import Person
from workbench.actions import ending, releasing
from workbench.actions.again import again


class GrantRefused(ReviewError):
    """A role that cannot be given, or is not there to be taken back."""

    code = "GRANT_REFUSED"


def list_people(database: Database, *, person_id: int) -> list[Person]:
    """Everybody, with the roles that they hold now."""
    with database.reading() as session:
        people.principal(session, person_id).require(Task.GRANT)
        return people.everyone(session)


@again(in_doubt=False)
def grant_role(database: Database, *, person_id: int, to: int, role: Role, workflow: str | None = None) -> None:
    """Give ``role`` to the person with id ``to``, in the workflow with that key or (None) in every one."""
    with database.writing() as session:
        workflow_id = workflows.get(session, workflow).id if workflow else None
        _require(people.principal(session, person_id), workflow_id)
        person = _person(people.everyone(session), to)
        if any((held.role, held.workflow_id, held.segment_path) == (role, workflow_id, None) for held in person.grants):
            raise GrantRefused(f"{person.name} already is {role.value} there. Nothing was changed.")
        people.grant(session, to, role, workflow_id=workflow_id, granted_by=person_id)
        audit.record(
            session,
            "role.granted",
            actor_id=person_id,
            workflow_id=workflow_id,
            details={"person_id": to, "role": role.value},
        )


@again(in_doubt=False)
def revoke_role(database: Database, *, person_id: int, to: int, role: Role, workflow: str | None = None) -> None:
    """Take ``role`` back from the person with id ``to``; their next action is judged without it."""
    with database.writing() as session:
        workflow_id = workflows.get(session, workflow).id if workflow else None
        _require(people.principal(session, person_id), workflow_id)
        person = _person(people.everyone(session), to)
        if not people.revoke(session, to, role, workflow_id=workflow_id):
            raise GrantRefused(f"{person.name} is not {role.value} there. See `workbench people list`.")
        audit.record(
            session,
            "role.revoked",
            actor_id=person_id,
            workflow_id=workflow_id,
            details={"person_id": to, "role": role.value},
        )
        releasing.release_out_of_reach(session, to)


@again(in_doubt=False)
def disable_person(database: Database, *, person_id: int, whom: int) -> None:
    """Shut an account: its sessions end, its claims go back, and its next action is refused."""
    with database.writing() as session:
        _require(people.principal(session, person_id), None)
        person = _person(people.everyone(session), whom)
        if whom == person_id:
            raise GrantRefused("Nobody disables their own account. Ask another administrator.")
        if person.is_disabled:
            raise GrantRefused(f"The account of {person.name} is disabled already. Nothing was changed.")
        people.disable(session, whom)
        audit.record(session, "person.disabled", actor_id=person_id, details={"person_id": whom})
        ending.end_sessions(session, whom, actor_id=person_id, because="account disabled")


@again(in_doubt=False)
def enable_person(database: Database, *, person_id: int, whom: int) -> None:
    """Open an account again, with the roles that it had; whoever it is signs in afresh."""
    with database.writing() as session:
        _require(people.principal(session, person_id), None)
        person = _person(people.everyone(session), whom)
        if not person.is_disabled:
            raise GrantRefused(f"The account of {person.name} is not disabled. Nothing was changed.")
        people.enable(session, whom)
        audit.record(session, "person.enabled", actor_id=person_id, details={"person_id": whom})


@again(in_doubt=True)
def sign_out_everywhere(database: Database, *, person_id: int, whom: int) -> int:
    """End every session of ``whom``: one's own, or as an administrator anybody's. How many were open."""
    with database.writing() as session:
        who = people.principal(session, person_id)
        if whom != person_id:
            _require(who, None)
            _person(people.everyone(session), whom)
        return ending.end_sessions(session, whom, actor_id=person_id, because="asked")


def _require(who: Principal, workflow_id: int | None) -> None:
    if workflow_id is None:
        who.require_everywhere(Task.GRANT)
    else:
        who.require(Task.GRANT, workflow_id)


def _person(everyone: list[Person], person_id: int) -> Person:
    for person in everyone:
        if person.id == person_id:
            return person
    raise GrantRefused(f"There is no person {person_id}. See `workbench people list`.")

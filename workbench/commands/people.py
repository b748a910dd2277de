"""``workbench people``: who is known, and who may do what."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from review_queue.roles import Role
from storage import workflows
from storage.people import Held, Person
from storage.tree import path_of
from workbench.actions import granting
from workbench.commands.console import open_ready, operator, print_json, refusals
from workbench.people_words import in_words
from workbench.settings import settings

PersonId = Annotated[int, typer.Argument(metavar="PERSON", help="The number that `people list` shows.")]
RoleName = Annotated[Role, typer.Argument(metavar="ROLE", help=", ".join(role.value for role in Role))]
InWorkflow = Annotated[
    str | None,
    typer.Option("--workflow", metavar="KEY", help="Only in this workflow; without it, in every one."),
]
InSegment = Annotated[
    str | None,
    typer.Option("--segment", metavar="PATH", help='Only in this part of the workflow, like "North/Berlin".'),
]
SEGMENT_MARK = "/"


def list_people(as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """List everybody who ever signed in, with their roles."""
    with refusals():
        database = open_ready()
        everyone = granting.list_people(database, person_id=operator(database))
        with database.reading() as session:
            keys = {workflow.id: workflow.key for workflow in workflows.all(session)}
        rows = [_row(person, keys) for person in everyone]
        if as_json:
            print_json(rows)
        else:
            _print_table(rows)


def grant(person: PersonId, role: RoleName, workflow: InWorkflow = None, segment: InSegment = None) -> None:
    """Give a role to a person."""
    with refusals():
        database = open_ready()
        granting.grant_role(
            database, person_id=operator(database), to=person, role=role, workflow=workflow, segment=_path(segment)
        )
        typer.echo(f"Person {person} is now {role.value} in {_where(workflow, segment)}.")


def revoke(person: PersonId, role: RoleName, workflow: InWorkflow = None, segment: InSegment = None) -> None:
    """Take a role back from a person."""
    with refusals():
        database = open_ready()
        granting.revoke_role(
            database, person_id=operator(database), to=person, role=role, workflow=workflow, segment=_path(segment)
        )
        typer.echo(f"Person {person} is no longer {role.value} in {_where(workflow, segment)}.")


def disable(person: PersonId) -> None:
    """Shut a person's account: sessions end, what they hold goes back, and their next step is refused."""
    with refusals():
        database = open_ready()
        granting.set_disabled(database, person_id=operator(database), whom=person, disabled=True)
        typer.echo(f"The account of person {person} is shut.")


def enable(person: PersonId) -> None:
    """Open a person's account again, with the roles that it had."""
    with refusals():
        database = open_ready()
        granting.set_disabled(database, person_id=operator(database), whom=person, disabled=False)
        typer.echo(f"The account of person {person} is open again.")


def erase(
    person: PersonId,
    reason: Annotated[str, typer.Option(help="Why, without naming the person; it is kept.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what it would do.")] = False,
) -> None:
    """Take a person's name, address and identity out of the database, for good. Decisions stay, under a number."""
    with refusals():
        database = open_ready()
        who = operator(database)
        if not yes:
            for sentence in in_words(granting.erasing_would(database, person_id=who, whom=person)):
                typer.echo(sentence)
            typer.echo("Nothing was changed. Repeat it with --yes to erase the person; nobody can take that back.")
            return
        granting.erase_person(
            database, person_id=who, whom=person, reason=reason, bootstrapped=settings().administrators
        )
        typer.echo(f"Person {person} is erased. Backups from before still hold the name, until they are thrown away.")


def _path(segment: str | None) -> str | None:
    return path_of(segment.split(SEGMENT_MARK)) if segment else None


def _where(workflow: str | None, segment: str | None) -> str:
    return (workflow or "every workflow") + (f", {segment}" if segment else "")


def sign_out(person: PersonId) -> None:
    """Sign a person out everywhere."""
    with refusals():
        database = open_ready()
        ended = granting.sign_out_everywhere(database, person_id=operator(database), whom=person)
        typer.echo(f"Person {person} is signed out everywhere; {ended} sessions ended.")


def _row(person: Person, keys: dict[int, str]) -> dict[str, Any]:
    return {
        "person": person.id,
        "name": person.name,
        "issuer": person.issuer,
        "subject": person.subject,
        "email": person.email,
        "disabled": person.is_disabled,
        "erased": person.is_erased,
        "roles": [_grant(each, keys) for each in person.held],
    }


def _grant(each: Held, keys: dict[int, str]) -> dict[str, Any]:
    held = each.grant
    workflow = None if held.workflow_id is None else keys[held.workflow_id]
    segment = " › ".join(filter(None, (held.segment_path or "").split("\x1f"))) or None
    since = {"granted_by": each.granted_by, "granted_at": each.granted_at}
    return {"role": held.role.value, "workflow": workflow, "segment": segment, **since}


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table("Person", "Name", "Issuer", "Subject", "Roles", box=None)
    for row in rows:
        roles = ", ".join(
            held["role"]
            + (f" in {held['workflow']}" if held["workflow"] else "")
            + (f", {held['segment']}" if held["segment"] else "")
            for held in row["roles"]
        )
        state = "erased" if row["erased"] else "disabled" if row["disabled"] else roles or "none yet"
        cells = (row["person"], row["name"], row["issuer"], row["subject"], state)
        table.add_row(*(Text(str(cell)) for cell in cells))  # as text: names are not markup
    Console().print(table)

"""``workbench people``: who is known, and who may do what."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from review_queue.roles import Grant, Role
from storage import workflows
from storage.people import Person
from workbench.actions import granting
from workbench.commands.console import open_ready, operator, print_json, refusals

PersonId = Annotated[int, typer.Argument(metavar="PERSON", help="The number that `people list` shows.")]
RoleName = Annotated[Role, typer.Argument(metavar="ROLE", help=", ".join(role.value for role in Role))]
InWorkflow = Annotated[
    str | None,
    typer.Option("--workflow", metavar="KEY", help="Only in this workflow; without it, in every one."),
]


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


def grant(person: PersonId, role: RoleName, workflow: InWorkflow = None) -> None:
    """Give a role to a person."""
    with refusals():
        database = open_ready()
        granting.grant_role(database, person_id=operator(database), to=person, role=role, workflow=workflow)
        typer.echo(f"Person {person} is now {role.value} in {workflow or 'every workflow'}.")


def revoke(person: PersonId, role: RoleName, workflow: InWorkflow = None) -> None:
    """Take a role back from a person."""
    with refusals():
        database = open_ready()
        granting.revoke_role(database, person_id=operator(database), to=person, role=role, workflow=workflow)
        typer.echo(f"Person {person} is no longer {role.value} in {workflow or 'every workflow'}.")


def disable(person: PersonId) -> None:
    """Shut a person's account: their sessions end and their claims go back."""
    with refusals():
        database = open_ready()
        granting.disable_person(database, person_id=operator(database), whom=person)
        typer.echo(f"The account of person {person} is disabled, and signed out everywhere.")


def enable(person: PersonId) -> None:
    """Open a disabled account again."""
    with refusals():
        database = open_ready()
        granting.enable_person(database, person_id=operator(database), whom=person)
        typer.echo(f"The account of person {person} works again.")


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
        "roles": [_grant(held, keys) for held in person.grants],
    }


def _grant(held: Grant, keys: dict[int, str]) -> dict[str, str | None]:
    workflow = None if held.workflow_id is None else keys[held.workflow_id]
    segment = " › ".join(filter(None, (held.segment_path or "").split("\x1f"))) or None
    return {"role": held.role.value, "workflow": workflow, "segment": segment}


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table("Person", "Name", "Issuer", "Subject", "Roles", box=None)
    for row in rows:
        roles = ", ".join(
            held["role"] + (f" in {held['workflow']}" if held["workflow"] else "") for held in row["roles"]
        )
        cells = (row["person"], row["name"], row["issuer"], row["subject"], roles or "none yet")
        table.add_row(*(Text(str(cell)) for cell in cells))  # as text: names are not markup
    Console().print(table)

"""``workbench token``: what programs act with."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from review_queue.roles import Role
from storage import workflows
from storage.engine import Database
from storage.tokens import Token
from storage.tree import names, path_of
from workbench.actions import issuing
from workbench.actions.issuing import LONGEST_LIFE, USUAL_LIFE
from workbench.commands.console import open_ready, operator, print_json, refusals

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
SEGMENT_MARK = "/"


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, such as the program's name.")],
    role: Annotated[Role, typer.Option("--role", help="The role whose grant it stands for.")],
    person: Annotated[
        int | None,
        typer.Option("--person", metavar="PERSON", help="Whose grant, by the number that `people list` shows."),
    ] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", metavar="KEY", help="Only in this workflow.")] = None,
    segment: Annotated[
        str | None, typer.Option("--segment", metavar="PATH", help='Of that grant, like "North/Berlin".')
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="It may bring data in; without it, it only reads.")] = False,
    days: Annotated[int, typer.Option("--days", help=f"Until it ends, at most {LONGEST_LIFE}.")] = USUAL_LIFE,
    as_json: AsJson = False,
) -> None:
    """Make a token and show it, this once."""
    with refusals():
        database = open_ready()
        made = issuing.create_token(
            database,
            person_id=operator(database),
            name=name,
            role=role,
            workflow=workflow,
            segment=path_of(segment.split(SEGMENT_MARK)) if segment else None,
            may_write=write,
            days=days,
            holder=person,
        )
        if as_json:
            print_json({"secret": made.secret, **_row(made.token, _keys(database))})
            return
        typer.echo(made.secret)
        typer.echo(f"Token {made.token.id} ends on {made.token.expires_at:%Y-%m-%d}. It is not shown again.", err=True)


def list_tokens(as_json: AsJson = False) -> None:
    """List every token that was made, never the secrets."""
    with refusals():
        database = open_ready()
        found = issuing.list_tokens(database, person_id=operator(database), everybody=True)
        rows = [_row(each, _keys(database)) for each in found]
        if as_json:
            print_json(rows)
            return
        table = Table("Token", "Name", "Begins", "Of", "Can", "Ends", "Last used", "State", box=None)
        for row in rows:
            can = f"{'write' if row['writes'] else 'read'} as {row['role']} in {row['workflow'] or 'every workflow'}"
            last = row["last_used_at"]
            cells = (row["token"], row["name"], row["hint"], row["person"], can, row["expires_at"].date())
            used = f"{last:%Y-%m-%d %H:%M}" if last else "never"
            table.add_row(*(Text(str(cell)) for cell in (*cells, used, "works" if row["works"] else "ended")))
        Console().print(table)


def revoke(token: Annotated[int, typer.Argument(metavar="TOKEN", help="The number that `token list` shows.")]) -> None:
    """End a token; the next request that shows it is refused."""
    with refusals():
        database = open_ready()
        ended = issuing.revoke_token(database, person_id=operator(database), token_id=token)
        typer.echo(f"Token {ended.id} ({ended.name}) no longer works.")


def _keys(database: Database) -> dict[int | None, str]:
    with database.reading() as session:
        return {workflow.id: workflow.key for workflow in workflows.all(session)}


def _row(token: Token, keys: dict[int | None, str]) -> dict[str, Any]:
    return {
        "token": token.id,
        "name": token.name,
        "hint": token.hint,
        "person": token.person,
        "person_id": token.person_id,
        "role": token.grant.role.value,
        "workflow": keys.get(token.grant.workflow_id),
        "segment": SEGMENT_MARK.join(names(token.grant.segment_path)) or None,
        "writes": token.may_write,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
        "works": token.is_live,
    }

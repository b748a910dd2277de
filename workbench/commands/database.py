"""``workbench db``: the schema's version, and copies of the embedded database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storage import backups, schema
from storage.engine import open_database
from workbench.commands.console import open_ready, print_json, refusals
from workbench.settings import settings

File = Annotated[Path, typer.Argument(dir_okay=False, metavar="FILE")]


def upgrade() -> None:
    """Bring the database to the newest schema. Safe to repeat."""
    with refusals():
        open_ready()
        typer.echo(f"The database is on schema revision {schema.head()}.")


def current(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Show which schema revision the database is on, and which is the newest."""
    with refusals():
        found = schema.current(open_database(settings().database_url))
        if as_json:
            print_json({"current": found, "head": schema.head()})
            return
        typer.echo(f"on {found or 'none yet'}, newest {schema.head()}")


def backup(file: File) -> None:
    """Copy the embedded database to FILE while it is in use."""
    with refusals():
        backups.backup(open_ready(), file)
        typer.echo(f"Everything committed so far is in {file}.")


def restore(
    file: File,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what the database holds.")] = False,
) -> None:
    """Put the backup in FILE in the place of the embedded database. Stop the server first."""
    with refusals():
        backups.restore(open_database(settings().database_url), file, replace=replace)
        typer.echo(f"The database is as it was in {file}, on schema revision {schema.head()}.")

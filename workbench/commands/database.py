"""``workbench db``: the schema's version, and copies of the embedded database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from review_queue.retention import RULES, rules_of
from storage import backups, masked_copy, schema
from storage.engine import open_database
from workbench.actions import retaining
from workbench.commands.console import open_ready, operator, print_json, refusals
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


def copy_masked(
    file: File,
    keep_series: Annotated[bool, typer.Option("--keep-series", help="Leave the names of series as they are.")] = False,
    scale: Annotated[bool, typer.Option("--scale", help="Multiply all values by one random factor.")] = False,
) -> None:
    """Write a copy for trying things out to FILE (SQLite): the same rows, and nobody's names, words or secrets."""
    with refusals():
        done = masked_copy.masked_copy(open_ready(), file, keeps_series=keep_series, scales=scale)
        typer.echo(f"{done.rows:,} rows of {done.tables} tables are in {file}, masked.")
        typer.echo(f"Try it: WORKBENCH_DATABASE_URL=sqlite:///{file.resolve()} workbench serve")


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Remove what was kept long enough. The server does so once a day; docs/operating.md has the rules."""
    with refusals():
        database, rules = open_ready(), rules_of(settings().retention)
        if dry_run:
            counts = retaining.would_remove(database, rules=rules)
        else:
            counts = retaining.remove_old(database, rules=rules, actor_id=operator(database))
        if as_json:
            print_json({"dry_run": dry_run, "rules": rules, "removed": counts})
            return
        for kept, days in rules.items():
            kept_for = "for ever" if days is None else f"{days} days"
            typer.echo(f"{kept:<18}{kept_for:<12}{counts.get(kept, 0):>8,}  {RULES[kept].what}")
        typer.echo("Nothing was changed." if dry_run else f"{sum(counts.values()):,} rows were removed or emptied.")

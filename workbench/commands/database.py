"""``workbench db``: the schema's version, and copies of the embedded database."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from review_queue.retention import RULES, rules_of
from storage import backups, masked_copy, privileges, schema
from storage.engine import open_database
from workbench.actions import drilling, retaining
from workbench.checkpoints import witness_of
from workbench.commands.console import REFUSED, open_ready, operator, print_json, refusals
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


def roles(
    prefix: Annotated[str, typer.Option(help="What the roles' names begin with.")] = "workbench",
    name: Annotated[str, typer.Option("--schema", help="The schema that holds the tables.")] = "public",
) -> None:
    """Print the SQL for PostgreSQL roles of least privilege: the program's, the analysts' and the backup's."""
    with refusals():
        typer.echo(privileges.script(prefix=prefix, schema=name))


def drill(
    folder: Annotated[
        Path | None, typer.Option("--folder", exists=True, file_okay=False, help="Where there is room for a copy.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Back the database up while it is in use, restore it elsewhere and verify it; exit code 3 if not whole."""
    with refusals():
        database = open_ready()
        witness = witness_of(settings())
        done = drilling.drill(database, person_id=operator(database), witness=witness, folder=folder)
        if as_json:
            print_json({"well": done.is_well, **asdict(done)})
        else:
            _tell(done)
        if not done.is_well:
            raise typer.Exit(REFUSED)


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


def _tell(done: drilling.Drill) -> None:
    for flaw in done.flaws:
        typer.echo(flaw)
    target = drilling.RTO.total_seconds() / 60
    typer.echo(
        f"Backed up in {done.backup_seconds:.1f} s. RTO: restored elsewhere and verified in "
        f"{done.restore_seconds:.1f} s (target {target:.0f} min)."
    )
    typer.echo(
        f"RPO: {done.before:,} events when it began, {done.held:,} in it, {done.after:,} at the end. "
        "What comes after a backup is lost with the database: back up as often as you cannot bear that."
    )
    typer.echo("The drill is on record." if done.is_well else "The backup is NOT whole. The drill is on record.")


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

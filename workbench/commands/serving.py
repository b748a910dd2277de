"""``workbench serve`` and ``workbench check-config``."""

from __future__ import annotations

from typing import Annotated

import typer

from storage import audit, durability, schema
from storage.engine import Database, describe, open_database
from workbench import production
from workbench.actions.drilling import DRILLED
from workbench.commands.console import WRONG_USE, open_ready, refusals, require_checkpoints, require_whole
from workbench.settings import settings
from workbench.sources import read_sources


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one.", show_default="8501")] = None,
) -> None:
    """Bring the schema to the newest version, then serve the workbench until stopped."""
    with refusals():
        chosen = settings()
        changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        chosen = chosen.model_copy(update=changes)
        database = open_ready()
        durability.require_durable(database)
        require_whole(database)
        require_checkpoints()
        production.require_sound(chosen, database)
        read_sources(chosen.sources)
        database.engine.dispose()
        from workbench import server  # brings Streamlit along

        try:
            server.run(chosen)
        except OSError as problem:  # the address is taken, or is not ours
            typer.echo(
                f"Cannot listen on {chosen.host}:{chosen.port}: {problem.strerror}. Try another --port.", err=True
            )
            raise typer.Exit(WRONG_USE) from problem


def check_config() -> None:
    """Print the settings in force, secrets hidden, and what is wrong with them."""
    with refusals():
        chosen = settings()
        for name, value in chosen.in_force().items():
            typer.echo(f"{name}={value}")
        database = open_database(chosen.database_url)
        typer.echo(f"Database: {describe(database)}")
        typer.echo(f"Schema: on {schema.current(database) or 'none yet'}, newest {schema.head()}")
        for source in read_sources(chosen.sources):
            typer.echo(f"Source: {source.name}, {source.kind} of {source.workflow} every {source.every_minutes} min")
        typer.echo(_last_drill(database))
        for warning in (*chosen.warnings(), *durability.weaknesses(database)):
            typer.echo(f"Warning: {warning}", err=True)
        production.require_sound(chosen, database)
        typer.echo("The settings are in order.")


def _last_drill(database: Database) -> str:
    if schema.current(database) != schema.head():
        return "Last drill: not known before the schema is upgraded"
    with database.reading() as session:
        last = audit.last_of(session, DRILLED)
    return "Last drill: never" if last is None else f"Last drill: {last.at:%Y-%m-%d}, {last.details['flaws']} flaws"

"""``workbench pull``: other databases asked now."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.actions import pulling
from workbench.actions.pulling import Pulled
from workbench.commands.console import REFUSED, SET_ASIDE, open_ready, operator, print_json, refusals


def pull(
    name: Annotated[str | None, typer.Argument(metavar="SOURCE", help="One source; else all that are due.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With a SOURCE: change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Ask the databases that WORKBENCH_SOURCES names, and take their rows in by the checks of a file."""
    if dry_run and name is None:
        raise typer.BadParameter("Name the source to try.", param_hint="--dry-run")
    with refusals():
        database = open_ready()
        done = (
            pulling.pull_due(database)
            if name is None
            else [pulling.pull_now(database, name, person_id=operator(database), dry_run=dry_run)]
        )
        if as_json:
            print_json([_row(each) for each in done])
        else:
            for each in done:
                typer.echo(_line(each))
            if not done:
                typer.echo("No source is due now.")
        if any(each.failure for each in done):
            raise typer.Exit(REFUSED)
        if any(each.summary and each.summary.counts.set_aside for each in done):
            raise typer.Exit(SET_ASIDE)


def _line(done: Pulled) -> str:
    told = " ".join(done.summary.sentences()) if done.summary else f"nothing was taken in. {done.failure}"
    return "".join(char if char.isprintable() else "�" for char in f"{done.source}: {told}")


def _row(done: Pulled) -> dict[str, object]:
    summary = done.summary.as_json() if done.summary else None
    return {"source": done.source, "failure": done.failure or None, "import": summary}

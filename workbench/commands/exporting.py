"""``workbench export``: decisions, overrides, labels, the audit record, rows set aside, and files written back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from review_queue.exporting import ExportKind
from workbench.actions import exporting
from workbench.actions.exporting import MANIFEST, Manifest, Wanted
from workbench.commands.console import instant_of, open_ready, operator, print_json, refusals
from workbench.settings import settings


def export(
    kind: Annotated[ExportKind, typer.Argument(metavar="KIND", help=", ".join(ExportKind) + ".")],
    file: Annotated[Path, typer.Argument(dir_okay=False, metavar="FILE", help="Its ending names the format.")],
    workflow: Annotated[str, typer.Option("--workflow", metavar="KEY", help="The workflow's key.")],
    since: Annotated[
        str | None, typer.Option(metavar="T", help="Only what was decided, happened or came in from then on.")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="For labels: with the text that people wrote.")] = False,
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", help="For write-back: the import whose shape it has; else the newest."),
    ] = None,
    into: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="For write-back: put the final value there; add no columns.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The manifest, as one JSON object.")] = False,
) -> None:
    """Write data to a .csv, .xlsx, .parquet or .jsonl FILE, with a manifest beside it."""
    with refusals():
        database = open_ready()
        key = settings().mask_key
        wanted = Wanted(
            kind=kind,
            since=None if since is None else instant_of(database, workflow, since, option="--since"),
            with_text=text,
            mask_key=key.get_secret_value().encode() if key else None,
            batch=batch,
            into=into,
        )
        person_id = operator(database)
        done = exporting.export(database, person_id=person_id, workflow_key=workflow, path=file, wanted=wanted)
        if as_json:
            print_json(done.as_json())
        else:
            typer.echo(_told(done, file))


def _told(done: Manifest, file: Path) -> str:
    rows = "1 row" if done.rows == 1 else f"{done.rows:,} rows"
    told = f"{rows} of {done.kind} are in {file}; what is in it is told in {file.name}{MANIFEST}."
    return "\n".join([told, *done.sentences()])

"""``workbench audit``: verify the record, take it out, make the key that signs checkpoints, accept a loss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from review_queue import checkpoints
from review_queue.checkpoints import public_keys
from storage import schema
from storage.engine import open_database
from workbench.actions import auditing
from workbench.actions.auditing import AuditRefused, Keys, Verdict
from workbench.checkpoints import Folder, public_of, witness_of
from workbench.commands.console import REFUSED, open_ready, operator, print_json, refusals
from workbench.settings import settings

TOLD = 20  #: flaws that are told one by one


def verify(
    file: Annotated[
        Path | None,
        typer.Option("--file", exists=True, dir_okay=False, help="An exported record, in place of the database."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--checkpoints", file_okay=False, metavar="DIR", help="Where the checkpoints are."),
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", exists=True, dir_okay=False, help="The keys that may have signed them."),
    ] = None,
    part: Annotated[bool, typer.Option("--part", help="The file holds the events of one workflow.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Verify the audit record; exit code 3 if it is not what was recorded."""
    with refusals():
        where, keys = _beside(folder, public_key)
        if file is not None:
            found = auditing.verify_file(file, folder=where, keys=keys, in_parts=part)
        else:
            database = open_database(settings().database_url)
            schema.upgrade(database)
            found = auditing.verify(database, folder=where, keys=keys)
        if as_json:
            print_json(found.as_json())
        else:
            _tell(found, is_beside=where is not None)
        if not found.is_whole:
            raise typer.Exit(REFUSED)


def _beside(folder: Path | None, public_key: Path | None) -> tuple[Folder | None, Keys]:
    """The checkpoints to compare with, and the keys; what is not named comes from the settings."""
    witness = None if folder is not None and public_key is not None else witness_of(settings())
    if folder is None and witness is None:
        return None, {}
    where = Folder(folder) if folder is not None else witness.folder if witness else None
    if public_key is not None:
        return where, public_keys(public_key.read_bytes())
    if witness is None:
        raise AuditRefused("Name the key that the checkpoints are signed with: --public-key FILE.")
    return where, witness.keys


def _tell(found: Verdict, *, is_beside: bool) -> None:
    for flaw in found.flaws[:TOLD]:
        typer.echo(flaw.sentence)
    if len(found.flaws) > TOLD:
        typer.echo(f"… and {len(found.flaws) - TOLD:,} more.")
    for note in found.notes:
        typer.echo(note)
    if not found.is_whole:
        typer.echo(f"The audit record is NOT what was recorded: see above ({found.size:,} events).", err=True)
        return
    typer.echo(f"The audit record is whole: {found.size:,} events, tip {found.tip}, in {found.seconds:.1f} s.")
    if found.last is not None:
        one = found.last.checkpoint
        when = f"{one.at:%Y-%m-%d %H:%M:%S} UTC"
        typer.echo(f"{found.checkpoints:,} checkpoints agree, the last of {when} for event {one.seq:,}.")
    elif not is_beside:
        typer.echo("No checkpoints were compared with, so a record computed anew would look the same.")


def export(file: Annotated[Path, typer.Argument(dir_okay=False, metavar="FILE", help="Ends with .jsonl.")]) -> None:
    """Write the whole record with its hashes to FILE, which `workbench audit verify --file` needs nothing else for."""
    with refusals():
        database = open_ready()
        rows = auditing.export_whole(database, person_id=operator(database), path=file)
        typer.echo(f"{rows:,} events are in {file}.")


def key(file: Annotated[Path, typer.Argument(dir_okay=False, metavar="FILE")]) -> None:
    """Make a key that signs checkpoints: FILE, for this server alone, and FILE.pub, for whoever verifies."""
    with refusals():
        public = public_of(file)
        if file.exists() or public.exists():
            raise AuditRefused(f"{file} or {public.name} exists already, and is left as it is. Choose another name.")
        private_pem, public_pem = checkpoints.new_key()
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as secret:
            secret.write(private_pem)
        public.write_bytes(public_pem)
        (name,) = public_keys(public_pem)
        typer.echo(f"Key {name}: the private key is in {file}, the public one in {public}.")
        typer.echo("Keep the public one away from the server too: whoever verifies needs it from you, not from there.")


def accept_loss(
    reason: Annotated[str, typer.Option(help="Why, in a few words and without names: the record keeps it.")],
) -> None:
    """Go on with a database that is behind its last checkpoint, after an old copy was restored or a server was lost."""
    with refusals():
        witness = witness_of(settings())
        if witness is None:
            raise AuditRefused("WORKBENCH_CHECKPOINTS is not set, so there is nothing to be behind of.")
        database = open_database(settings().database_url)
        schema.upgrade(database)
        seq = auditing.accept_loss(database, person_id=operator(database), witness=witness, reason=reason)
        typer.echo(f"The loss is accepted: event {seq:,} and a checkpoint of it say so. The server may start again.")

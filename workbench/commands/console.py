"""What the commands share: the database made ready, who is acting, and refusals as exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import typer
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from review_queue.errors import FileRefused, RecordBehind, ReviewError
from review_queue.roles import Role
from storage import audit, people, schema, workflows
from storage.engine import LARGE_CACHE, Database, open_database
from workbench.checkpoints import witness_of
from workbench.settings import SettingsInvalid, settings

DONE = 0
SET_ASIDE = 1  #: done, with rows set aside
WRONG_USE = 2  #: wrong use or settings
REFUSED = 3

OPERATOR = "operator"


def open_ready() -> Database:
    """The database that the settings name, with its schema on the newest version.

    It takes no writes if its audit record is behind the last checkpoint.
    """
    witness = witness_of(settings())
    database = open_database(settings().database_url, cache=LARGE_CACHE)
    schema.upgrade(database)
    if witness is not None:
        with suppress(RecordBehind):  # whoever only reads goes on
            witness.look(database)
    return database


def require_whole(database: Database) -> None:
    """Raise ``RecordBehind`` if its audit record is behind the last checkpoint."""
    if database.refusal is not None:
        raise database.refusal


def require_checkpoints() -> None:
    """Raise ``FolderRefused`` if checkpoints are to be kept in a folder that takes none."""
    witness = witness_of(settings())
    if witness is not None:
        witness.folder.require_writable()


def operator(database: Database) -> int:
    """The person id of whoever runs the command line: they own the file or the password, so they hold every role."""
    with database.writing() as session:
        known = people.find(session, people.LOCAL, OPERATOR)
        if known is not None:
            return known
        person_id = people.add(session, issuer=people.LOCAL, subject=OPERATOR, name="Command line")
        for role in Role:
            people.grant(session, person_id, role)
        audit.record(session, "person.added", actor_id=person_id, details={"person_id": person_id})
        return person_id


@contextmanager
def refusals() -> Iterator[None]:
    """Say a refusal on stderr and leave with its exit code. Anything unforeseen rises, with its traceback."""
    try:
        yield
    except SettingsInvalid as problem:
        for sentence in problem.problems:
            typer.echo(sentence, err=True)
        raise typer.Exit(WRONG_USE) from problem
    except (OperationalError, InterfaceError) as problem:
        typer.echo(f"The database does not answer: {_first_line(problem)}", err=True)
        typer.echo("Check WORKBENCH_DATABASE_URL with `workbench check-config`, then try again.", err=True)
        raise typer.Exit(REFUSED) from problem
    except ReviewError as refusal:
        code = f" [{refusal.code}]" if isinstance(refusal, FileRefused) else ""
        typer.echo(f"{refusal}{code}", err=True)
        raise typer.Exit(REFUSED) from refusal


def _first_line(problem: DBAPIError) -> str:
    return str(problem.orig).strip().splitlines()[0]


def instant_of(database: Database, workflow_key: str, text: str, *, option: str) -> datetime:
    """The instant that ``text`` names; one without a zone is in the workflow's."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        sentence = f"{text!r} is not a time. Write it like 2025-03-31 or 2025-03-31T17:00+01:00."
        raise typer.BadParameter(sentence, param_hint=option) from error
    if instant.tzinfo is not None:
        return instant
    with database.reading() as session:
        return instant.replace(tzinfo=workflows.get(session, workflow_key).policy.zone)


def print_json(value: Any) -> None:
    """One JSON document on stdout; times in ISO 8601, unknown as null."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False, indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):  # a number of NumPy's
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form here")

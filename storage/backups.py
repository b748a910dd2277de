"""Copies of the embedded database, made while it is in use. Copying the file instead loses commits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from review_queue.errors import ReviewError
from storage import schema
from storage.engine import Database, sqlite_module


class BackupRefused(ReviewError):
    """A backup that cannot be made or put back as asked. Nothing was changed."""

    code = "BACKUP_REFUSED"


def backup(database: Database, file: Path) -> None:
    """Write everything committed so far to ``file``, whole or not at all.

    Raises:
        BackupRefused: the database is PostgreSQL, or ``file`` exists.
    """
    _require_sqlite(database, "pg_dump --format=custom --file=FILE")
    if file.exists():
        raise BackupRefused(f"{file} exists already, and is left as it is. Choose another name.")
    partial = file.with_name(f"{file.name}.partial")
    try:
        with _connection(database) as source, closing(sqlite_module().connect(partial)) as target:
            source.backup(target)
            _check(target, partial)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


def restore(database: Database, file: Path, *, replace: bool = False) -> None:
    """Put what ``backup`` wrote to ``file`` in the place of what ``database`` holds, and bring it to the newest schema.

    Raises:
        BackupRefused: the database is PostgreSQL or holds something (unless ``replace``), or ``file`` is no backup.
        SchemaUnknown: a newer version wrote the backup.
    """
    _require_sqlite(database, "pg_restore --clean --if-exists --dbname=URL")
    if not file.is_file():
        raise BackupRefused(f"{file} is not there. Nothing was restored.")
    if not replace and schema.current(database) is not None and not schema.is_empty(database):
        raise BackupRefused(
            "The database holds work already, which restoring would replace. "
            "Back it up first, then restore with --replace."
        )
    with closing(sqlite_module().connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as source:
        _check(source, file)
        with _connection(database) as target:
            target.execute("PRAGMA query_only = OFF")  # whoever had this connection before may only have read
            source.backup(target)
    database.engine.dispose()
    schema.upgrade(database)


def _require_sqlite(database: Database, tool: str) -> None:
    if database.dialect != "sqlite":
        raise BackupRefused(f"PostgreSQL has its own tool for this: {tool}. docs/operating.md shows how.")


@contextmanager
def _connection(database: Database) -> Iterator[Any]:
    with closing(database.engine.raw_connection()) as pooled:
        yield pooled.driver_connection


def _check(connection: Any, file: Path) -> None:
    """Raise unless ``connection`` opened a whole database of ours."""
    try:
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite_module().DatabaseError as error:
        raise BackupRefused(f"{file} is not a backup of a workbench: {error}.") from error
    if not whole or revision is None:
        raise BackupRefused(f"{file} is damaged, or is not a backup of a workbench.")
    schema.require_known(revision[0])

"""Copies of the embedded database, made while it is in use. Copying the file instead loses commits."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any

from sqlalchemy import URL, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from storage import schema
from storage.engine import Database, database_now, open_database, sqlite_module
from storage.tables import audit_chain, audit_events, comments, decisions, forecasts, outbox, reasons


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


#: Tables whose rows are only ever added, so that a copy has as many as there were or more.
ADDED_TO = (audit_chain, audit_events, comments, decisions, forecasts, outbox, reasons)
PATIENCE = 6 * 3600  #: seconds for which PostgreSQL's own tools may take
_FILE = "drill.backup"


@dataclass
class BackedUp:
    """A backup that was made."""

    seconds: float
    at: datetime  #: UTC, by the database's clock, when it was whole


def counts(session: Session) -> dict[str, int]:
    """How many rows each of these tables has, by its name."""
    return {table.name: session.execute(select(func.count()).select_from(table)).scalar_one() for table in ADDED_TO}


@contextmanager
def restored_elsewhere(database: Database, folder: Path) -> Iterator[tuple[Database, BackedUp]]:
    """Back ``database`` up into ``folder`` and restore that: as a file there, or as a new database of the same server.

    What was restored is gone afterwards.

    Raises:
        BackupRefused: PostgreSQL's tools are not at hand or failed, or the role may not create a database.
    """
    began = perf_counter()
    if database.dialect == "sqlite":
        backup(database, folder / _FILE)
        made = _backed_up(database, began)
        copy = open_database(f"sqlite:///{folder / 'restored.db'}")
        try:
            restore(copy, folder / _FILE)
            yield copy, made
        finally:
            copy.engine.dispose()
        return
    _run("pg_dump", ["--format=custom", f"--file={folder / _FILE}"], database.engine.url)
    made = _backed_up(database, began)
    with _new_database(database) as address:
        _run("pg_restore", ["--no-owner", "--no-privileges", "--exit-on-error", str(folder / _FILE)], address)
        copy = open_database(address)
        try:
            yield copy, made
        finally:
            copy.engine.dispose()


def _backed_up(database: Database, began: float) -> BackedUp:
    with database.reading() as session:
        return BackedUp(perf_counter() - began, database_now(session))


@contextmanager
def _new_database(database: Database) -> Iterator[URL]:
    name = f"workbench_drill_{token_hex(4)}"
    admin = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise BackupRefused(
            f"No database could be made to restore into: {reason}. Run the drill as a role that may create databases."
        ) from error
    try:
        yield database.engine.url.set(database=name)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _run(tool: str, words: list[str], address: URL) -> None:
    """Run one of PostgreSQL's tools on a database. The password goes by the environment, where nobody sees it."""
    found = shutil.which(tool)
    if found is None:
        raise BackupRefused(f"{tool} is not at hand. Install PostgreSQL's client tools of the server's version.")
    where = address.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    secret = {} if address.password is None else {"PGPASSWORD": str(address.password)}
    done = subprocess.run(  # noqa: S603 -- found on the path, and its words are ours
        [found, f"--dbname={where}", *words],
        env=os.environ | secret,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if done.returncode:
        raise BackupRefused(f"{tool} failed: {(done.stderr.strip().splitlines() or ['it does not say why'])[0]}")


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

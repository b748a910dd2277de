"""The schema's version: which one a database is on, and how it gets to the newest.

The migrations are Alembic's; ``draft`` writes the next one from what changed in ``storage.tables``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import SAWarning

from review_queue.errors import ReviewError
from storage.engine import Database, open_database
from storage.locks import Lock
from storage.tables import workflows


class SchemaUnknown(ReviewError):
    """The database was written by a newer version of the program than this one."""

    code = "SCHEMA_UNKNOWN"

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database is on schema revision {revision}, which this version does not know. "
            "Install the version that wrote it, or restore a backup from before."
        )
        self.revision = revision


def head() -> str:
    """The newest revision that this version of the program knows."""
    return _scripts().get_current_head() or ""


def current(database: Database) -> str | None:
    """The revision that ``database`` is on; None before the first upgrade."""
    with database.reading() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def is_empty(database: Database) -> bool:
    """Whether there is no workflow yet, so nothing to work on."""
    with database.reading() as session:
        return session.execute(select(workflows.c.id).limit(1)).first() is None


def upgrade(database: Database) -> None:
    """Bring ``database`` to ``head``, in one transaction and one process at a time; no harm if it is there.

    Raises:
        SchemaUnknown: it is already past what this version knows.
    """
    before = current(database)
    if before == head():
        return
    if before is not None:
        require_known(before)
    with _migrating(database) as config:
        command.upgrade(config, "head")


def require_known(revision: str) -> None:
    """Raise ``SchemaUnknown`` unless ``revision`` is one of ours."""
    if revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaUnknown(revision)


def downgrade(database: Database, revision: str) -> None:
    """Take ``database`` back to ``revision`` (``base``: nothing). What only the newer tables held is lost."""
    with _migrating(database) as config:
        command.downgrade(config, revision)


def draft(message: str) -> Path:
    """Write the revision that takes ``head`` to the tables in code, for a person to read and tidy."""
    scripts = _scripts()
    number = sum(1 for _ in scripts.walk_revisions()) + 1
    with TemporaryDirectory() as folder:
        scratch = open_database(f"sqlite:///{folder}/scratch.db")
        upgrade(scratch)
        with scratch.engine.connect() as connection:
            config = _config()
            config.attributes.update(connection=connection, render_as_batch=number > 1)
            script = command.revision(config, message=message, rev_id=f"{number:04d}", autogenerate=True)
        scratch.engine.dispose()
    path = Path(next(iter(script)).path if isinstance(script, list) else script.path)  # type: ignore[union-attr]
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.lstrip().startswith("# ###")))
    return path


def _config() -> Config:
    config = Config()
    # A per cent sign would start an interpolation in the parser beneath.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@contextmanager
def _migrating(database: Database) -> Iterator[Config]:
    """Alembic on a connection that is inside the one transaction that migrates, alone."""
    config = _config()
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        if database.dialect == "sqlite":
            with _foreign_keys_off(connection), connection.begin(), warnings.catch_warnings():
                # Batch mode reads the table's indexes to no end. That none gets lost, a test of the schema sees.
                warnings.filterwarnings("ignore", "Skipped unsupported reflection of expression-based index", SAWarning)
                yield config
            return
        with connection.begin():
            # Another replica may be migrating; its work is waited for, but a reader's lock on a table is not.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = '120s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": Lock.MIGRATING})
            connection.execute(text("SET LOCAL lock_timeout = '2s'"))
            yield config


@contextmanager
def _foreign_keys_off(connection: Connection) -> Iterator[None]:
    """Batch mode rebuilds a table, and dropping the old one would take its children along.

    Set outside the transaction: inside one the pragma does nothing, and says nothing.
    """
    driver = connection.connection.cursor()
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
        broken = driver.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"The migration left rows without the row they refer to: {broken[:5]}")
    finally:
        driver.execute("PRAGMA foreign_keys = ON")
        driver.close()

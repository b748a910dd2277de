"""Opening a database safely, and the two kinds of transaction that everything else uses.

SQLite is opened as PROMISES asks: every write begins ``IMMEDIATE``, ``synchronous=FULL`` on every connection, and
write-ahead logging only where the library is new enough to be free of its reset defect.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus
from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Table, create_engine, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import DateTime, TypeDecorator

from review_queue.errors import ReviewError
from storage.failures import is_doubtful, is_read_only

#: The first SQLite whose write-ahead log cannot be reset under a reader.
SAFE_WAL = (3, 51, 3)
#: Kibibytes that each connection to SQLite keeps of the file; what a claim looks at in a deep queue fits in.
CACHE = 16_384
#: The same for who writes a million rows, whose places in the indexes lie anywhere.
LARGE_CACHE = 262_144
#: Pages of 4 KiB in SQLite's log after which whoever commits moves them into the file; at its own 1,000 that is one
#: press in twenty-five, which then takes several times as long as the others.
CHECKPOINT = 8_000
#: A peer that stopped answering is noticed within about 10 s: while it owes us an acknowledgement, and while we wait.
NETWORK = {
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives": 1,
    "keepalives_idle": 4,  # seconds
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
#: The same at the far end, where else a row would stay locked for whoever was cut off, until the minute of an idle
#: transaction is over. On a socket of this machine PostgreSQL passes it over.
SERVER_SIDE = {
    "tcp_user_timeout": "10s",
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware and in UTC in Python, ``timestamptz`` in PostgreSQL, naive UTC in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("An instant needs a time zone; naive times are read at the border, not here.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class database_time(FunctionElement[datetime]):  # noqa: N801 -- reads as the SQL function that it is
    """The database's clock: the only one that claims and order go by."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(database_time, "postgresql")
def _postgresql_time(element: Any, compiler: Any, **kw: Any) -> str:
    return "clock_timestamp()"


@compiles(database_time, "sqlite")
def _sqlite_time(element: Any, compiler: Any, **kw: Any) -> str:
    # The layout in which SQLAlchemy stores an instant, so that the two compare as text.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


class unindexed(FunctionElement[Any]):  # noqa: N801 -- reads as the SQL function that it is
    """The column, for a condition that SQLite is to check on the way, not to look up: it keeps no statistics here.

    Of a list of segments it would gather all the items and sort them. PostgreSQL knows how many they are.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed)
def _column_itself(element: Any, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.clauses, **kw))


@compiles(unindexed, "sqlite")
def _column_as_value(element: Any, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.clauses, **kw)}"


def database_now(session: Session) -> datetime:
    """The database's clock, UTC."""
    return session.execute(_NOW).scalar_one()


_NOW = select(database_time())


def upsert(session: Session, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that can say what to do when the row is there already, in the words of this database."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


class CommitInDoubt(Exception):
    """The connection was lost during COMMIT: the transaction is stored as a whole or not at all, nobody knows which.

    Any other error out of ``Database.writing`` means that nothing was stored.
    """


@dataclass(frozen=True)
class Database:
    """One database, and the two ways in: ``writing`` and ``reading``."""

    engine: Engine
    _reader: Engine = field(init=False, repr=False)
    _refused: list[ReviewError] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reader", self.engine.execution_options(only_reads=True))

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction that may write: committed as a whole at the end, or not at all.

        Raises:
            CommitInDoubt: nobody can tell yet which of the two it was. After any other error nothing is stored.
            ReviewError: as ``refuse_writes`` says.
        """
        for refusal in self._refused:
            raise refusal.with_traceback(None)
        with Session(self.engine, autoflush=False) as session, _without_read_only_connections(session):
            session.begin()
            yield session
            for act in session.info.pop(_AT_END, ()):
                act(session)
            _commit(session)

    def refuse_writes(self, because: ReviewError | None) -> None:
        """Raise ``because`` for whoever wants to write from now on; None: no more."""
        self._refused[:] = [] if because is None else [because]

    @property
    def refusal(self) -> ReviewError | None:
        """Why no writes are taken, if they are not."""
        return next(iter(self._refused), None)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view that cannot write and does not hold writers up."""
        with Session(self._reader, autoflush=False) as session, session.begin():
            yield session


def at_end(session: Session, act: Callable[[Session], None]) -> None:
    """Have ``act`` done once, as the last thing before COMMIT. What it raises fails the transaction."""
    acts = session.info.setdefault(_AT_END, [])
    if act not in acts:
        acts.append(act)


_AT_END = "acts at the end"


@contextmanager
def _without_read_only_connections(session: Session) -> Iterator[None]:
    """Drop a connection that may only read: it stays so after the database has been opened for writing again."""
    try:
        yield
    except DBAPIError as error:
        if is_read_only(error):
            session.invalidate()
        raise


def _commit(session: Session) -> None:
    connection = session.connection()
    _refuse_silent_rollback(connection)
    try:
        session.commit()
    except DBAPIError as error:
        # In SQLite the transaction is still open, and the pool would keep it so: with the only lock for writing.
        connection.invalidate()
        if is_doubtful(error):
            raise CommitInDoubt("The connection was lost during COMMIT.") from error
        raise


def _refuse_silent_rollback(connection: Connection) -> None:
    """After a failed statement PostgreSQL answers COMMIT with a rollback, and neither driver nor library says so."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql" and driver.info.transaction_status == TransactionStatus.INERROR:
        raise RuntimeError("A statement of this transaction failed and was passed over. Nothing was stored.")


def open_database(
    url: str | URL, *, busy_timeout: float = 5.0, lock_timeout: float = 2.0, cache: int = CACHE
) -> Database:
    """Open the database at ``url`` (``sqlite:///FILE`` or ``postgresql://…``), without touching its schema.

    Args:
        busy_timeout: seconds for which SQLite waits for another writer.
        lock_timeout: seconds for which PostgreSQL waits for a locked row.
        cache: kibibytes that each connection to SQLite may keep of the file.

    Raises:
        ValueError: the URL names another kind of database.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        return Database(_open_sqlite(address, busy_timeout=busy_timeout, cache=cache))
    if address.get_backend_name() == "postgresql":
        return Database(_open_postgresql(address, lock_timeout=lock_timeout))
    raise ValueError(f"{address.get_backend_name()} is not supported. Use a sqlite:/// or postgresql:// URL.")


def sqlite_module() -> ModuleType:
    """The newest SQLite at hand: the packaged one where there is one, else Python's own."""
    try:
        packaged: ModuleType = importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3
    return packaged if packaged.sqlite_version_info >= sqlite3.sqlite_version_info else sqlite3


def sqlite_journal() -> str:
    """``WAL`` where this SQLite is free of the reset defect, else ``DELETE``."""
    return "WAL" if sqlite_module().sqlite_version_info >= SAFE_WAL else "DELETE"


def file_of(database: Database) -> Path | None:
    """The file that SQLite keeps ``database`` in; None elsewhere, and in memory."""
    name = database.engine.url.database
    return Path(name) if database.dialect == "sqlite" and name and name != ":memory:" else None


def describe(database: Database) -> str:
    """One line for the log and for ``check-config``: which database, how it keeps its promise."""
    if database.dialect == "sqlite":
        return (
            f"SQLite {sqlite_module().sqlite_version}, journal {sqlite_journal()}, synchronous FULL, "
            f"{database.engine.url.render_as_string(hide_password=True)}"
        )
    return f"PostgreSQL, {database.engine.url.render_as_string(hide_password=True)}"


def _open_sqlite(address: URL, *, busy_timeout: float, cache: int) -> Engine:
    engine = create_engine(
        address,
        hide_parameters=True,  # what an error says of a statement's values would be in the log
        module=sqlite_module(),
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": busy_timeout},
    )
    event.listen(engine, "connect", partial(_prepare_sqlite, cache=cache))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: Any, *, cache: int) -> None:
    cursor = connection.cursor()
    journal = sqlite_journal()
    if cursor.execute("PRAGMA journal_mode").fetchone()[0].upper() != journal:
        cursor.execute(f"PRAGMA journal_mode = {journal}")  # to change it one must be alone with the file
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = {-cache}",
        f"wal_autocheckpoint = {CHECKPOINT}",
        "trusted_schema = OFF",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # The driver's own BEGIN is deferred: its upgrade to a write ignores busy_timeout, and a savepoint commits it.
    only_reads = _only_reads(connection)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if only_reads else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _only_reads(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("only_reads"))


def _open_postgresql(address: URL, *, lock_timeout: float) -> Engine:
    settings = {
        "lock_timeout": f"{lock_timeout * 1000:.0f}ms",
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "60s",
        **SERVER_SIDE,
        "jit": "off",  # what is asked here takes less time than compiling it
    }
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=5,
        connect_args={"options": " ".join(f"-c {name}={value}" for name, value in settings.items()), **NETWORK},
    )
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    # A reader sees one state throughout. A writer takes the server's own default for both: saying READ WRITE, as the
    # library would on a connection that has read before, writes even where the database was made read-only.
    driver: Any = connection.connection.driver_connection
    only_reads = _only_reads(connection)
    driver.isolation_level = IsolationLevel.REPEATABLE_READ if only_reads else None
    driver.read_only = True if only_reads else None

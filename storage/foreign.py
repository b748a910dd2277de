"""Reading a query of somebody else's database: one statement, read only, and never more rows than are wanted."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from review_queue.errors import ReviewError
from storage.engine import NETWORK

AT_ONCE = 5_000  #: rows that are fetched together
PATIENCE = 300  #: seconds that PostgreSQL may take over the query
#: What looks like a parameter of ours inside a query of theirs, and is none.
_COLON = re.compile(r"(?<![:\\\w]):(?=\w)")
_READS = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)


class SourceFailed(ReviewError):
    """Another database could not be asked, or its answer not be taken."""

    code = "SOURCE_FAILED"


@dataclass(frozen=True)
class Answer:
    """What a query gave."""

    columns: tuple[str, ...]
    rows: list[Sequence[Any]]  #: values as the driver gives them


def is_read(query: str) -> bool:
    """Whether this is one statement that begins like one which reads. The transaction that it runs in reads anyway."""
    return _READS.match(query) is not None and ";" not in query.rstrip().rstrip(";")


def ask(url: str, query: str, *, most: int, most_cells: int | None = None) -> Answer:
    """Run ``query`` at ``url`` in a transaction that only reads, and is rolled back.

    Args:
        url: an SQLAlchemy URL; its driver must be installed. SQLite's file is opened read-only, PostgreSQL's session
            is; elsewhere the account should be one that may only read.
        most: rows; one more is refused.
        most_cells: the same of its cells, the rows times the columns.

    Raises:
        SourceFailed: with what the database said, without the password.
    """
    if not is_read(query):
        raise SourceFailed("The query must be one SELECT (or WITH … SELECT), without a semicolon inside.")
    try:
        address = make_url(url)
        engine = _open(address)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise SourceFailed(f"Its URL cannot be used: {_without_password(str(error), url)}.") from error
    try:
        with engine.connect() as connection:
            if address.get_backend_name() == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
            asked = text(_COLON.sub(r"\\:", query.rstrip().rstrip(";")))
            found = connection.execution_options(stream_results=True, max_row_buffer=AT_ONCE).execute(asked)
            columns = tuple(found.keys())
            wanted = most if most_cells is None else min(most, most_cells // max(1, len(columns)))
            rows = found.fetchmany(wanted + 1)
            connection.rollback()
    except SQLAlchemyError as error:
        said = (str(getattr(error, "orig", None) or error).strip().splitlines() or ["no reason given"])[0]
        raise SourceFailed(f"Its database said: {_without_password(said, url)}") from error
    finally:
        engine.dispose()
    if len(rows) > wanted:
        raise SourceFailed(
            f"The query gives more than {wanted:,} rows of {len(columns)} columns. Narrow it down, to open periods for "
            "example."
        )
    return Answer(columns, [tuple(row) for row in rows])


def _open(address: URL) -> Engine:
    backend = address.get_backend_name()
    if backend == "sqlite":
        return create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(f"file:{address.database or ''}?mode=ro", uri=True, timeout=30),
            poolclass=NullPool,
        )
    if backend == "postgresql":
        options = f"-c default_transaction_read_only=on -c statement_timeout={PATIENCE}s"
        return create_engine(
            address.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            connect_args={"options": options, **NETWORK},
        )
    return create_engine(address, poolclass=NullPool)


def _without_password(said: str, url: str) -> str:
    try:
        password = make_url(url).password
    except ArgumentError:
        return said.replace(url, "…")
    return said.replace(str(password), "***") if password else said

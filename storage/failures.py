"""What a database error means for whoever asked: try again, wait for the database, or a bug of ours.

Codes: PostgreSQL 18, appendix A (https://www.postgresql.org/docs/current/errcodes-appendix.html); SQLite, result codes
(https://www.sqlite.org/rescode.html).
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolUsedUp

READ_ONLY = "25006"
_LOCK_NOT_AVAILABLE, _DEADLOCK, _SERIALIZATION = "55P03", "40P01", "40001"
_STATEMENT_CANCELLED = "57014"
#: Failed connections, failed authentication, no space or memory or slots, shutting down or starting up, I/O errors.
_AWAY_CLASSES = ("08", "28", "53", "57P", "58")
_OUTCOME_UNKNOWN = ("08007", "40003")

_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6
_SQLITE_PERM, _SQLITE_READONLY, _SQLITE_IOERR, _SQLITE_FULL, _SQLITE_CANTOPEN = 3, 8, 10, 13, 14
_SQLITE_AWAY = (_SQLITE_PERM, _SQLITE_READONLY, _SQLITE_IOERR, _SQLITE_FULL, _SQLITE_CANTOPEN)


class Failure(StrEnum):
    """What a failed transaction means. Nothing of it was stored, whichever it is."""

    CONFLICT = "conflict"  #: somebody else was in the way; at once it may work
    SLOW = "slow"  #: it waited for as long as it may already
    LOST = "lost"  #: the connection broke in the middle; another may work at once
    AWAY = "away"  #: the database cannot be reached, is full, or takes no writes
    OTHER = "other"  #: a bug


def failure_of(error: BaseException) -> Failure:
    """What ``error`` means."""
    if isinstance(error, PoolUsedUp):
        return Failure.SLOW
    if not isinstance(error, DBAPIError):
        return Failure.OTHER
    if error.connection_invalidated:
        return Failure.LOST
    code = _sqlite_code(error)
    return _postgresql_failure(error) if code is None else _sqlite_failure(code)


def is_read_only(error: DBAPIError) -> bool:
    """Whether PostgreSQL refused because this connection may only read, which lasts as long as the connection."""
    return _sqlstate(error) == READ_ONLY


def is_sqlite_busy(error: DBAPIError) -> bool:
    """Whether SQLite waited in vain for another writer."""
    return _sqlite_code(error) == _SQLITE_BUSY


def is_doubtful(error: DBAPIError) -> bool:
    """Whether a COMMIT that failed with ``error`` may have been carried out all the same.

    PostgreSQL: the connection was lost before the answer came. SQLite: an I/O error may come after the point from which
    a crash would complete the transaction.
    """
    return error.connection_invalidated or _sqlstate(error) in _OUTCOME_UNKNOWN or _sqlite_code(error) == _SQLITE_IOERR


def _postgresql_failure(error: DBAPIError) -> Failure:
    state = _sqlstate(error)
    if state is None:  # no connection came about, so no server gave it a code
        return Failure.AWAY if isinstance(error, OperationalError) else Failure.OTHER
    if state in (_LOCK_NOT_AVAILABLE, _DEADLOCK, _SERIALIZATION):
        return Failure.CONFLICT
    if state == _STATEMENT_CANCELLED:
        return Failure.SLOW
    return Failure.AWAY if state == READ_ONLY or state.startswith(_AWAY_CLASSES) else Failure.OTHER


def _sqlite_failure(code: int) -> Failure:
    if code in (_SQLITE_BUSY, _SQLITE_LOCKED):
        return Failure.CONFLICT
    return Failure.AWAY if code in _SQLITE_AWAY else Failure.OTHER


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


def _sqlite_code(error: DBAPIError) -> int | None:
    """The primary result code, without what an extended one adds; None from another database."""
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF

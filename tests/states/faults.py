"""Deaths at the points of a transaction that matter, and an audit trail that cannot be written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, event

SQLITE_IOERR = 10
_WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b")


class Fault(StrEnum):
    """What goes wrong during one action."""

    AT_FIRST_WRITE = "dies before anything is written"
    AFTER_DECISION = "dies after the decision is inserted"
    BEFORE_COMMIT = "dies before the commit"
    AFTER_COMMIT = "dies after the commit, before the answer"
    NO_AUDIT = "the audit event cannot be stored"
    ANSWER_LOST = "the connection is lost during the commit, which went through"
    COMMIT_LOST = "the connection is lost during the commit, which did not"


#: After these the product asks again, and its answer is as if nothing had happened.
IN_DOUBT = (Fault.ANSWER_LOST, Fault.COMMIT_LOST)


class Died(BaseException):
    """The process is gone: nothing above may catch this, as nothing outlives a kill."""


class Faults:
    """Lets one fault at a time happen on an engine."""

    def __init__(self, engine: Engine) -> None:
        self.happened = False
        self._engine = engine
        self._armed: Fault | None = None
        self._wrote = False
        self._commit = engine.dialect.do_commit
        engine.dialect.do_commit = self._on_commit  # type: ignore[method-assign]
        event.listen(engine, "begin", self._on_begin)
        event.listen(engine, "before_cursor_execute", self._on_statement, retval=True)
        event.listen(engine, "after_cursor_execute", self._on_done)

    @contextmanager
    def during(self, fault: Fault | None) -> Iterator[None]:
        """Let ``fault`` happen once inside; ``happened`` says whether it did. Every connection is lost with a death."""
        self._armed, self.happened = fault, False
        try:
            yield
        except Died:
            self._engine.dispose()
            raise
        finally:
            self._armed = None

    def _on_begin(self, connection: Any) -> None:
        self._wrote = False

    def _on_statement(
        self, connection: Any, cursor: Any, statement: str, parameters: Any, *context: Any
    ) -> tuple[str, Any]:
        if _WRITES.search(statement):
            self._wrote = True
            self._die(Fault.AT_FIRST_WRITE)
        if self._armed is Fault.NO_AUDIT and "INSERT INTO audit_events" in statement:
            self.happened = True
            statement = statement.replace("INSERT INTO audit_events", "INSERT INTO audit_events_are_gone")
        return statement, parameters

    def _on_done(self, connection: Any, cursor: Any, statement: str, *context: Any) -> None:
        if "INSERT INTO decisions" in statement:
            self._die(Fault.AFTER_DECISION)

    def _on_commit(self, connection: Any) -> None:
        if not self._wrote:
            self._commit(connection)
            return
        self._die(Fault.BEFORE_COMMIT)
        self._lose(connection, Fault.COMMIT_LOST)
        self._commit(connection)
        self._lose(connection, Fault.ANSWER_LOST)
        self._die(Fault.AFTER_COMMIT)

    def _lose(self, connection: Any, point: Fault) -> None:
        """As the drivers tell it: a connection that is closed, or an error of the disk from SQLite."""
        if self._armed is not point:
            return
        self._armed, self.happened = None, True
        error = self._engine.dialect.loaded_dbapi.OperationalError(point.value)
        if self._engine.dialect.name == "sqlite":
            error.sqlite_errorcode = SQLITE_IOERR
        connection.driver_connection.close()
        raise error

    def _die(self, point: Fault) -> None:
        if self._armed is point:
            self._armed, self.happened = None, True
            raise Died(point.value)

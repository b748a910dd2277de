"""Every row there is, read only where something was written since the last time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, create_engine, event, select

from storage.engine import Database, sqlite_module
from storage.tables import (
    audit_chain,
    audit_events,
    decisions,
    grants,
    items,
    metadata,
    outbox,
    people,
    policies,
    reasons,
    segments,
)
from tests.invariants import Row, Stored

TABLES = tuple(metadata.sorted_tables)
_WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")


@dataclass(frozen=True)
class Records:
    """All rows of all tables at one moment, by their key, in its order."""

    tables: Mapping[str, Mapping[int, Row]]
    now: datetime  #: UTC, by the database's clock

    def of(self, table: Table) -> Mapping[int, Row]:
        return self.tables[table.name]

    def rows(self, table: Table) -> Iterable[Row]:
        return self.tables[table.name].values()

    def stored(self) -> Stored:
        """What the invariants look at."""
        return Stored(
            now=self.now,
            items=dict(self.of(items)),
            decisions=dict(self.of(decisions)),
            reasons=list(self.rows(reasons)),
            audit=list(self.rows(audit_events)),
            outbox=list(self.rows(outbox)),
            grants=list(self.rows(grants)),
            people=dict(self.of(people)),
            paths={row["id"]: row["path"] for row in self.rows(segments)},
            policies={row["workflow_id"]: row["body"] for row in self.rows(policies)},
            chain=list(self.rows(audit_chain)),
        )


class Reader:
    """Reads the rows of a database, and of those tables only that were written to since the last time."""

    def __init__(self, database: Database) -> None:
        # A connection of its own, which begins and ends no transaction, and which no fault and no clock touches.
        module = {"module": sqlite_module()} if database.dialect == "sqlite" else {}
        self._own = create_engine(database.engine.url, isolation_level="AUTOCOMMIT", **module)
        self._connection = self._own.connect()
        self._written = {table.name for table in TABLES}
        self._tables: dict[str, Mapping[int, Row]] = {}
        event.listen(database.engine, "before_cursor_execute", self._note)

    def close(self) -> None:
        self._connection.close()
        self._own.dispose()

    def read(self, now: datetime) -> Records:
        """The rows as they are now."""
        stale = [table for table in TABLES if table.name in self._written]
        self._written.clear()
        if stale:
            self._tables = {**self._tables, **{table.name: self._rows(table) for table in stale}}
        return Records(self._tables, now)

    def distrust(self) -> None:
        """Something wrote past the engine's events, such as a COPY or a restored file: read everything anew."""
        self._written.update(table.name for table in TABLES)

    def _note(self, connection: Any, cursor: Any, statement: str, *context: Any) -> None:
        self._written.update(_WRITES.findall(statement))
        if "audit_seal" in statement:  # a function of the database writes the chain there
            self._written.add(audit_chain.name)

    def _rows(self, table: Table) -> Mapping[int, Row]:
        (key,) = table.primary_key
        found = self._connection.execute(select(table).order_by(key)).mappings()
        return {row[key.name]: dict(row) for row in found}

"""Rows for any table of any revision, found by trial: made up until the table's own checks and keys take them.

They are made on SQLite, where a try costs microseconds, and put into PostgreSQL as they are.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from storage.engine import Database, sqlite_module

Row = dict[str, Any]
TRIES = 600
FROM_ID = 5_000_000  #: ids of these rows begin here, away from those that the product gave
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Trial:
    """Makes rows in one SQLite file, the same ones each time."""

    database: Database
    chance: random.Random = field(default_factory=lambda: random.Random("trial rows"))  # noqa: S311 -- no secret
    given: int = 0
    _refused: set[str] = field(default_factory=set)  #: tables that took none of the tries

    def fill(self) -> list[tuple[str, Row]]:
        """One more row in every table, parents first; which rows they are."""
        connection = sqlite_module().connect(self.database.engine.url.database, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")
        try:
            made = [row for table in tables(connection) if (row := self._one(connection, table))]
            connection.execute("COMMIT")
        finally:
            connection.close()
        return made

    def _one(self, connection: Any, table: str) -> tuple[str, Row] | None:
        columns = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        among = {
            name: re.findall(r"'([^']*)'", words)
            for name, words in re.findall(r"\(?\"?(\w+)\"? IN \(([^)]*)\)", sql)
            if "'" in words
        }
        keys = _foreign_keys(connection, table)
        tries = 10 if table in self._refused else TRIES
        for number in range(tries):
            row = self._made_up(connection, columns, among, keys, only_one=number > tries / 2)
            names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
            try:
                connection.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(row.values()))  # noqa: S608
            except sqlite_module().IntegrityError:
                continue
            return table, row
        self._refused.add(table)
        return None

    def _made_up(
        self, connection: Any, columns: Any, among: dict[str, list[str]], keys: list[Any], *, only_one: bool
    ) -> Row:
        row: Row = {}
        for _, name, kind, required, _, is_key in columns:
            self.given += 1
            if name == "id" and is_key:
                row[name] = 1 if only_one else FROM_ID + self.given
            elif not required and not is_key and self.chance.random() < 0.5:
                row[name] = None
            elif name in among:
                row[name] = self.chance.choice(among[name])
            else:
                row[name] = self._value(kind.upper())
        for parent, pairs in keys:
            if all(row[ours] is None for ours, _ in pairs):
                continue
            theirs = ", ".join(f'"{column}"' for _, column in pairs)
            # Never one that the product wrote: what is made up would change what it reads.
            asked = f'SELECT {theirs} FROM "{parent}" WHERE rowid >= {FROM_ID}'  # noqa: S608
            found = self.chance.choice(connection.execute(asked).fetchall() or [[None] * len(pairs)])
            row |= dict(zip((ours for ours, _ in pairs), found, strict=True))
        return row

    def _value(self, kind: str) -> Any:
        if kind.startswith(("VARCHAR", "CHAR", "TEXT")):
            length = int((re.findall(r"\d+", kind) or ["40"])[0])
            return f"{self.given:x}".rjust(length, "e")[-length:] if length <= 64 else f"trial {self.given} – é"
        if "JSON" in kind:
            return self.chance.choice(("{}", "[]"))
        if kind.startswith("BOOL"):
            return self.chance.randint(0, 1)
        if kind.startswith("DATETIME"):
            return f"{_NOON + timedelta(hours=self.chance.randint(0, 400)):%Y-%m-%d %H:%M:%S.%f}"
        if kind.startswith("DATE"):
            return f"{_NOON + timedelta(days=self.chance.randint(0, 400)):%Y-%m-%d}"
        if "INT" in kind:
            return self.chance.choice((0, 1, 2, 3, 5, 14, 100))
        if kind.startswith("BLOB"):
            return self.given.to_bytes(4, "big")
        return self.chance.choice((0.0, 0.25, 0.5, 1.0, 10.0))


def tables(connection: Any) -> list[str]:
    """Every table of ours, each after those that it refers to."""
    asked = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    names = [name for (name,) in connection.execute(asked) if name != "alembic_version"]
    order: list[str] = []

    def visit(table: str) -> None:
        if table in order:
            return
        for parent, _ in _foreign_keys(connection, table):
            if parent != table:
                visit(parent)
        order.append(table)

    for name in names:
        visit(name)
    return order


def _foreign_keys(connection: Any, table: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """(parent, [(our column, theirs)]) for each foreign key."""
    keys: dict[int, tuple[str, list[tuple[str, str]]]] = {}
    for number, _, parent, ours, theirs, *_ in connection.execute(f'PRAGMA foreign_key_list("{table}")'):
        keys.setdefault(number, (parent, []))[1].append((ours, theirs or "id"))
    return list(keys.values())


def put(connection: Connection, rows: list[tuple[str, Row]]) -> None:
    """Put such rows into whichever database this is."""
    is_sqlite = connection.dialect.name == "sqlite"
    kinds = {} if is_sqlite else _kinds(connection)
    for table, row in rows:
        taken = row if is_sqlite else {name: _for_postgresql(kinds[table, name], row[name]) for name in row}
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["?" if is_sqlite else "%s"] * len(row))
        whatever_id = "" if is_sqlite else "OVERRIDING SYSTEM VALUE "
        sql = f'INSERT INTO "{table}" ({names}) {whatever_id}VALUES ({marks})'
        connection.exec_driver_sql(sql, tuple(taken.values()))


def go_on_behind(connection: Connection) -> None:
    """Have PostgreSQL give the next ids behind those that were put in; SQLite does so by itself."""
    if connection.dialect.name == "sqlite":
        return
    with_ids = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND is_identity = 'YES'"
    for (table,) in connection.execute(text(with_ids)).all():
        newest = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 1)) FROM {table}"  # noqa: S608
        connection.execute(text(newest))


def _kinds(connection: Connection) -> dict[tuple[str, str], str]:
    asked = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"
    return {(table, column): kind for table, column, kind in connection.execute(text(asked))}


def _for_postgresql(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "boolean":
        return bool(value)
    if kind == "timestamp with time zone":
        return f"{value}+00"
    return value

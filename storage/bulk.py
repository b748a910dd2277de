"""Many rows at once, on either database: written by the driver's fastest way, joined as a table of given values.

PostgreSQL takes rows through COPY and given values as arrays; SQLite takes rows through one prepared statement and
given values as JSON. Nothing here runs a statement for each row in a round trip of its own.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray
from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Float,
    Integer,
    Table,
    column,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from storage.engine import UtcDateTime

#: Rows that are read, worked out and written together.
CHUNK = 20_000

_POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
Progress = Callable[[int, int], None]  #: told what is done, and of how much


def insert_rows(session: Session, table: Table, rows: pd.DataFrame) -> None:
    """Insert ``rows``: one column a column of ``table``, missing values as NULL, JSON as Python values.

    Columns that are left out get the schema's own default.
    """
    if rows.empty:
        return
    # A column that holds nothing at all need not be sent, where nothing is what it is by itself.
    filled = rows.notna().any()
    rows = rows[[name for name in rows.columns if filled[name] or table.c[name].server_default is not None]]
    columns = [table.c[name] for name in rows.columns]
    arrays = [_array(table.c[name], rows[name]) for name in rows.columns]
    names = ", ".join(_quoted(session, each) for each in columns)
    if _is_postgresql(session):
        _copy(session, f"COPY {table.name} ({names}) FROM STDIN (FORMAT csv)", arrays)
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 -- names are the schema's own
    session.connection().exec_driver_sql(statement, _tuples(columns, arrays))


def update_rows(session: Session, table: Table, rows: pd.DataFrame) -> None:
    """Set the other columns of ``rows`` on the row of ``table`` with its ``id``."""
    if rows.empty:
        return
    names = [name for name in rows.columns if name != "id"]
    if _is_postgresql(session):
        columns = {name: (table.c[name].type, _plain(table.c[name], rows[name])) for name in rows.columns}
        new = given(session, "new", columns)
        session.execute(update(table).values({name: new.c[name] for name in names}).where(table.c.id == new.c.id))
        return
    ordered = [table.c[name] for name in (*names, "id")]
    arrays = [_array(each, rows[each.name]) for each in ordered]
    sets = ", ".join(f"{_quoted(session, table.c[name])} = ?" for name in names)
    statement = f"UPDATE {table.name} SET {sets} WHERE id = ?"  # noqa: S608 -- names are the schema's own
    session.connection().exec_driver_sql(statement, _tuples(ordered, arrays))


def reserve_ids(session: Session, table: Table, count: int) -> NDArray[np.int64]:
    """``count`` ids that no other row of ``table`` has or will get, rising."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    if _is_postgresql(session):
        sequence = func.pg_get_serial_sequence(table.name, "id")
        rows = session.execute(select(func.nextval(sequence)).select_from(func.generate_series(1, count)))
        return np.fromiter(rows.scalars(), dtype=np.int64, count=count)
    # The write lock is ours from the first statement on, so nobody else can take them.
    highest = session.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()
    return np.arange(highest + 1, highest + 1 + count, dtype=np.int64)


def given(session: Session, name: str, columns: Mapping[str, tuple[TypeEngine[Any], Sequence[Any]]]) -> CTE:
    """A table of given values to join with: column → its type and values, all of one length.

    On SQLite only whole numbers and text, which JSON keeps exactly.
    """
    if _is_postgresql(session):
        arrays = ", ".join(f"CAST(:{each} AS {_postgresql_type(kind)}[])" for each, (kind, _) in columns.items())
        names = ", ".join(f'"{each}"' for each in columns)
        values = {each: list(values) for each, (_, values) in columns.items()}
        source = text(f"SELECT * FROM unnest({arrays}) AS given({names})")  # noqa: S608 -- names of ours
    else:
        picks = ", ".join(f"json_extract(value, '$[{place}]') AS \"{each}\"" for place, each in enumerate(columns))
        rows = zip(*(values for _, values in columns.values()), strict=True)
        values = {"rows": json.dumps(list(rows))}  # type: ignore[dict-item]
        source = text(f"SELECT {picks} FROM json_each(:rows)")  # noqa: S608 -- names of ours
    typed = source.bindparams(**values).columns(*(column(each, kind) for each, (kind, _) in columns.items()))
    # Worked out once: otherwise SQLite reads the JSON again for every row that it is joined with.
    return typed.cte(name).prefix_with("MATERIALIZED")


def among(session: Session, which: ColumnElement[int], ids: Sequence[int] | NDArray[np.int64]) -> ColumnElement[bool]:
    """The condition that ``which`` is one of ``ids``, however many they are."""
    values = [int(each) for each in ids]
    return which.in_(select(given(session, "wanted", {"id": (BigInteger(), values)}).c.id))


def chunks(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """``frame`` in pieces of at most ``CHUNK`` rows, in order."""
    return [frame.iloc[start : start + CHUNK] for start in range(0, len(frame), CHUNK)]


def insert_in_chunks(session: Session, parts: Sequence[tuple[Table, pd.DataFrame]], progress: Progress) -> None:
    """Insert the parts one after the other, a chunk at a time, and tell ``progress`` of rows done and in all."""
    total, done = sum(len(rows) for _, rows in parts), 0
    for table, rows in parts:
        for piece in chunks(rows):
            insert_rows(session, table, piece)
            done += len(piece)
            progress(done, total)


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _quoted(session: Session, each: Column[Any]) -> str:
    return session.get_bind().dialect.identifier_preparer.quote(each.name)


def _postgresql_type(kind: TypeEngine[Any]) -> str:
    return kind.compile(dialect=_POSTGRESQL)


def _array(each: Column[Any], values: pd.Series) -> pa.Array:
    """The column as the driver will store it, with nulls for what is missing."""
    kind = each.type
    if isinstance(kind, JSON):
        texts = [None if value is None or value != value else json.dumps(value) for value in values]
        return pa.array(texts, type=pa.string())
    if isinstance(kind, Boolean):
        return pa.array(values, type=pa.bool_(), from_pandas=True)
    if isinstance(kind, UtcDateTime):
        return pa.array(values.dt.as_unit("us"), type=pa.timestamp("us", "UTC"), from_pandas=True)
    if isinstance(kind, Float):
        return pa.array(values, type=pa.float64(), from_pandas=True)
    if isinstance(kind, Integer):
        return pa.array(values, type=pa.int64(), from_pandas=True)
    return pa.array(values, type=pa.string(), from_pandas=True)


def _copy(session: Session, statement: str, arrays: list[pa.Array]) -> None:
    rows = pa.table(arrays, names=[str(place) for place in range(len(arrays))])
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(rows, buffer, options)
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(buffer.getbuffer())


def _tuples(columns: Sequence[Column[Any]], arrays: list[pa.Array]) -> list[tuple[Any, ...]]:
    stored = [_for_sqlite(each, array) for each, array in zip(columns, arrays, strict=True)]
    return list(zip(*map(_values, stored), strict=True))


def _values(array: pa.Array) -> list[Any]:
    if array.null_count == 0 and pc.all(pc.equal(array, array[0])).as_py():
        return [array[0].as_py()] * len(array)  # one object for a column of one value
    if array.null_count == 0 and pa.types.is_floating(array.type):
        found: list[Any] = array.to_numpy().tolist()
        return found
    listed: list[Any] = array.to_pylist()
    return listed


def _for_sqlite(each: Column[Any], array: pa.Array) -> pa.Array:
    if isinstance(each.type, UtcDateTime):
        # The layout in which SQLAlchemy stores an instant, so that the two compare as text.
        return pc.cast(pc.cast(array, pa.timestamp("us")), pa.string())
    return array.cast(pa.int8()) if isinstance(each.type, Boolean) else array


def _plain(each: Column[Any], values: pd.Series) -> list[Any]:
    found: list[Any] = _array(each, values).to_pylist()
    return found

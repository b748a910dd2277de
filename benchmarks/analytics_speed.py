"""What the analytics pages cost, beside one query by hand for the main figure of each, over the same rows.

The simulated organisation is copied beside itself until there are enough decisions. Each screen's data is worked out
as its page does it, without what the server keeps between two pages; the query by hand answers the page's main chart
alone. Both run in turn, and the median of some runs counts. The last line tells what the process held in memory.

    python benchmarks/analytics_speed.py [DECISIONS ...]     default: 6000 25000 100000
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from sqlalchemy import Table, func, select, text

from review_queue.measures.ageing import heat_map
from review_queue.measures.ai_health import ai_health
from review_queue.measures.latency import durations, survival
from review_queue.measures.overrides import overrides
from review_queue.measures.oversight import oversight
from review_queue.measures.value_added import value_added
from storage import reports, schema, tables, workflows
from storage.engine import Database, database_now, open_database
from workbench import demo

RUNS = 3
#: Tables to copy, parents first → the columns that point to copied rows, and the table that they point to.
COPIED: dict[Table, dict[str, str]] = {
    tables.series: {},
    tables.items: {"series_id": "series"},
    tables.forecasts: {"item_id": "items"},
    tables.actuals: {"series_id": "series"},
    tables.decisions: {"item_id": "items", "supersedes_id": "decisions"},
    tables.reasons: {"decision_id": "decisions"},
    tables.evidence_views: {"item_id": "items"},
}
#: Columns that must stay unique, and are given the copy's number.
NAMED = {"series": "key", "decisions": "idempotency_key"}
BY_HAND = {
    "overrides": "SELECT strftime('%Y-%W', decided_at), count(*), sum(is_override) FROM decisions "
    "WHERE outcome IN ('accept_ai', 'keep_manual', 'adjust') AND NOT is_provisional GROUP BY 1",
    "ageing": "SELECT segment_id, cast(julianday('now') - julianday(created_at) AS int), count(*) FROM items "
    "WHERE state IN ('ready', 'claimed', 'deferred', 'sent_back') GROUP BY 1, 2",
    "time to decision": "SELECT cast(24 * (julianday(d.decided_at) - julianday(i.created_at)) AS int), count(*) "
    "FROM decisions d JOIN items i ON i.id = d.item_id "
    "WHERE d.outcome IN ('accept_ai', 'keep_manual', 'adjust') GROUP BY 1",
    "oversight": "SELECT actor_id, band, count(*), sum(is_override) FROM decisions "
    "WHERE outcome IN ('accept_ai', 'keep_manual', 'adjust') GROUP BY 1, 2",
    "value added": "SELECT sum(abs(a.value - d.ai_value)), sum(abs(a.value - d.final_value)), sum(abs(a.value)) "
    "FROM decisions d JOIN items i ON i.id = d.item_id "
    "JOIN actuals a ON a.series_id = i.series_id AND a.period_start = i.period_start WHERE d.final_value IS NOT NULL",
    "AI health": "SELECT d.model_version, i.period, sum(abs(a.value - d.ai_value)), sum(abs(a.value)) "
    "FROM decisions d JOIN items i ON i.id = d.item_id "
    "JOIN actuals a ON a.series_id = i.series_id AND a.period_start = i.period_start GROUP BY 1, 2",
}


def main(sizes: list[int]) -> None:
    print(f"python benchmarks/analytics_speed.py {' '.join(map(str, sizes))}; median of {RUNS} runs, SQLite\n")
    print(f"{'decisions':>10}  {'screen':<18}{'read s':>8}{'work s':>8}{'by hand s':>11}{'times':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            database = filled(Path(folder) / f"{size}.db", size)
            for line in measured(database):
                print(line, flush=True)
            database.engine.dispose()
    print(f"\nmost memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def filled(path: Path, size: int) -> Database:
    """The simulated organisation, copied until it has ``size`` decisions or more."""
    database = open_database(f"sqlite:///{path}")
    schema.upgrade(database)
    made = demo.load(database).past_decisions
    with database.writing() as session:
        session.execute(text("PRAGMA defer_foreign_keys = ON"))
        tips = {table.name: session.execute(select(func.max(table.c.id))).scalar_one() for table in COPIED}
        for number in range(1, -(-size // made)):
            for table, refers in COPIED.items():
                session.execute(text(copying(table, refers, tips, number)))
    return database


def copying(table: Table, refers: dict[str, str], tips: dict[str, int], number: int) -> str:
    """The statement that copies the first rows of a table once more, under ids and names of their own."""
    shifts = {"id": table.name, **refers}
    columns = [f'"{column.name}"' for column in table.columns]
    values = [
        f'"{name}" + {number * tips[shifts[name]]}'
        if name in shifts
        else f"\"{name}\" || '-{number}'"
        if NAMED.get(table.name) == name
        else f'"{name}"'
        for name in (column.name for column in table.columns)
    ]
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table.name} "  # noqa: S608
        f"WHERE id <= {tips[table.name]}"
    )


def measured(database: Database) -> list[str]:
    with database.reading() as session:
        (workflow,) = workflows.all(session)
        now = database_now(session)
        decisions = session.execute(select(func.count()).select_from(tables.decisions)).scalar_one()
        read = timed(lambda: reports.reviews(session, workflow, now))
        table = reports.reviews(session, workflow, now)
        tolerance = workflow.policy.tolerance
        screens: dict[str, Callable[[], object]] = {
            "overrides": lambda: overrides(table, tolerance=tolerance, groups=table["reviewer"]),
            "ageing": lambda: heat_map(table, as_of=now, groups=table["segment_region"]),
            "time to decision": lambda: survival(durations(table, as_of=now)),
            "oversight": lambda: oversight(table, tolerance=tolerance, groups=table["reviewer"]),
            "value added": lambda: value_added(table),
            "AI health": lambda: ai_health(table),
        }
        lines = []
        for name, work in screens.items():
            ours, theirs = timed(work), timed(lambda name=name: session.execute(text(BY_HAND[name])).all())
            whole = read + ours
            lines.append(f"{decisions:>10,}  {name:<18}{read:>8.2f}{ours:>8.2f}{theirs:>11.3f}{whole / theirs:>8.1f}")
        return lines


def timed(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(RUNS):
        started = perf_counter()
        work()
        taken.append(perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [6_000, 25_000, 100_000])

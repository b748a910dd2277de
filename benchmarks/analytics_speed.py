"""What the analytics pages cost, beside one query by hand for the main chart of each, over the same rows.

The finished reviews of the simulated organisation are copied beside themselves until there are enough decisions, with
everything that is read of them; what is open stays what it was. Then, in a process of its own, each page's data are
worked out as the page does it: all of its answers, charts and tables for the filters that it opens with, with what is
kept read anew ("first") and with it at hand ("again"). The query by hand answers the main chart alone. Both run in
turn, and the median of some runs counts. The last line tells what the process held in memory at the most, of the
pages alone.

    python benchmarks/analytics_speed.py [DECISIONS ...]     default: 100000 1000000
    BENCH_DATABASE=postgresql://…  an empty database to use instead of SQLite
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from sqlalchemy import Table, func, select, text
from sqlalchemy.orm import Session

from storage import checks, keeping, schema, second_looks, tables, workflows
from storage.engine import Database, open_database
from workbench import analytics, demo, known_reviews
from workbench.actions.looking import people_compared
from workbench.known_reviews import Reviews, read_now
from workbench.screens import adoption, ageing, ai_health, impact, oversight, value_added
from workbench.screens import overrides as overrides_screen

RUNS = 3
SPLIT = "segment_region"
#: Tables to copy, parents first → the columns that point to copied rows, and the table that they point to.
COPIED: dict[Table, dict[str, str]] = {
    tables.series: {},
    tables.items: {"series_id": "series"},
    tables.actuals: {"series_id": "series"},
    tables.decisions: {"item_id": "items", "supersedes_id": "decisions"},
    tables.reasons: {"decision_id": "decisions"},
}
#: Columns that must stay unique, and are given the copy's number.
NAMED = {"series": "key", "decisions": "idempotency_key"}
_DONE = "SELECT id FROM items WHERE state = 'decided' AND id <= {items}"
#: Which rows are copied: those of finished reviews.
OF_FINISHED = {
    "items": f"id IN ({_DONE})",
    "decisions": f"item_id IN ({_DONE})",
    "reasons": f"decision_id IN (SELECT id FROM decisions WHERE item_id IN ({_DONE}))",
}
_VALUES = "outcome IN ('accept_ai', 'keep_manual', 'adjust') AND NOT is_provisional"
_WITH_ACTUALS = (
    "FROM decisions d JOIN items i ON i.id = d.item_id "
    "JOIN actuals a ON a.series_id = i.series_id AND a.period_start = i.period_start WHERE d.final_value IS NOT NULL"
)


@dataclass(frozen=True)
class Screen:
    """A page's data, and the query by hand for its main chart."""

    work: Callable[[Database, Reviews], object]
    by_hand: str


def _overrides(_: Database, known: Reviews) -> None:
    analytics.overrides_overall(known)
    analytics.overrides_by_week(known)
    overrides_screen.rates_by(known, SPLIT)
    overrides_screen.funnel_by(known, SPLIT)


def _waiting(_: Database, known: Reviews) -> None:
    analytics.ageing_answer(known.waiting)
    analytics.latency_answer(analytics.time_to_decision(known))
    analytics.waiting_items(known.waiting, SPLIT)
    ageing.due_answer(known.waiting)
    analytics.ageing_by(known.waiting, SPLIT)
    ageing.due_by(known.waiting, SPLIT)


def _flow(_: Database, known: Reviews) -> None:
    analytics.ageing_answer(known.waiting)
    analytics.latency_answer(analytics.time_to_decision(known))
    ageing.flow_of(known, None)


def _time(database: Database, known: Reviews) -> None:
    analytics.ageing_answer(known.waiting)
    analytics.latency_answer(analytics.time_to_decision(known))
    ageing.waiting_shares(known, ageing.moved_on(database, known), SPLIT)
    ageing.attainment_answer(known)
    analytics.latency_by(known, SPLIT)


def _oversight(database: Database, known: Reviews) -> None:
    with database.reading() as session:
        oversight.tested_lines(
            known,
            checks.met(session, known.workflow, known.as_of)["is_caught"].astype(bool),
            second_looks.pairs(session, known.workflow, known.as_of),
        )
    row = known if known.one_in == 1 else read_now(database, known.workflow, span=known_reviews.NEWEST)
    oversight.answer(known)
    oversight.five_lines(known, row)
    oversight.rates_by_gap(known)
    oversight.pace(row)
    oversight.rates_by_time_left(known)
    people_compared(row)


def _value_added(_: Database, known: Reviews) -> None:
    value_added.answer(known)
    value_added.basis(known)
    value_added.stairstep(known)
    value_added.final_against_ai(known, SPLIT)
    value_added.across_series(known)
    past = value_added.changes(known)
    value_added.by_kind(past)
    value_added.by_reason(past)
    value_added.damping_answer(past)


def _ai_health(_: Database, known: Reviews) -> None:
    found, path = ai_health.changed(known), ai_health.path_of(known)
    ai_health.evidence_by_day(known, path)
    ai_health.by_period(known)
    ai_health.coverage_by_version(known)
    ai_health.early_answer(known, ai_health.signs_by_week(known), found)


def _adoption(_: Database, known: Reviews) -> None:
    times = adoption.steps_of(known)
    cohorts = adoption.cohorts(known, times)
    adoption.answer(known, times, cohorts)
    adoption.cliff_answer(known, times, SPLIT)
    adoption.quiet_answer(known, times)
    adoption.people_answer(known, adoption.active_by_week(known))
    adoption.months(known, times)


def _impact(_: Database, known: Reviews) -> None:
    impact.answer(known, impact.compared(known, rate=None))
    impact.pace(known)
    impact.time_by_month(known)


def screens(dialect: str) -> dict[str, Screen]:
    """Each page, or view of one, by its name."""
    if dialect == "postgresql":
        week, day, month = ("date_trunc('" + unit + "', {})" for unit in ("week", "day", "month"))
        hours, days, one = "floor(extract(epoch FROM {} - {}) / 3600)", "now()::date - {}::date", "{}::int"
    else:
        week, day, month = (f"strftime('{unit}', {{}})" for unit in ("%Y-%W", "%Y-%m-%d", "%Y-%m"))
        hours, days, one = (
            "cast(24 * (julianday({}) - julianday({})) AS int)",
            "cast(julianday('now') - julianday({}) AS int)",
            "{}",
        )
    overridden = f"count(*), sum({one.format('is_override')}) FROM decisions WHERE {_VALUES}"
    came, decided = day.format("created_at"), day.format("decided_at")
    took = hours.format("d.decided_at", "i.created_at")
    known = "sum(abs(a.value - d.ai_value)), sum(abs(a.value - d.naive_value)), sum(abs(a.value))"
    return {
        "Overrides": Screen(_overrides, f"SELECT {week.format('decided_at')}, {overridden} GROUP BY 1"),
        "Ageing: waiting": Screen(
            _waiting,
            f"SELECT segment_id, {days.format('created_at')}, count(*) FROM items "
            "WHERE state IN ('ready', 'claimed', 'deferred', 'sent_back') GROUP BY 1, 2",
        ),
        "Ageing: flow": Screen(
            _flow,
            f"SELECT {came}, 1, count(*) FROM items GROUP BY 1 UNION ALL "
            f"SELECT {decided}, 2, count(*) FROM decisions WHERE {_VALUES} GROUP BY 1",
        ),
        "Ageing: time": Screen(
            _time,
            f"SELECT {took}, count(*) FROM decisions d JOIN items i ON i.id = d.item_id WHERE {_VALUES} GROUP BY 1",
        ),
        "Oversight": Screen(_oversight, f"SELECT band, {overridden} GROUP BY 1"),
        "Value added": Screen(
            _value_added,
            f"SELECT sum(abs(a.value - d.manual_value)), sum(abs(a.value - d.final_value)), {known} {_WITH_ACTUALS}",
        ),
        "AI health": Screen(_ai_health, f"SELECT d.model_version, i.period, {known} {_WITH_ACTUALS} GROUP BY 1, 2"),
        "Adoption": Screen(
            _adoption,
            f"SELECT {week.format('i.created_at')}, count(*), count(d.ai_value), count(d.opened_at), "
            "count(d.final_value) FROM items i LEFT JOIN decisions d ON d.item_id = i.id GROUP BY 1",
        ),
        "Impact": Screen(
            _impact, f"SELECT {month.format('decided_at')}, count(*) FROM decisions WHERE {_VALUES} GROUP BY 1"
        ),
    }


def main(sizes: list[int]) -> None:
    given = os.environ.get("BENCH_DATABASE")
    print(f"python benchmarks/analytics_speed.py {' '.join(map(str, sizes))}; median of {RUNS} runs")
    print(f"{'decisions':>11}  {'page':<17}{'first s':>9}{'again s':>9}{'by hand s':>11}{'first':>8}{'again':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            url = given or f"sqlite:///{Path(folder) / str(size)}.db"
            fill(url, size)
            subprocess.run([sys.executable, "-W", "ignore", __file__, "--measure", url], check=True)


def fill(url: str, size: int) -> None:
    """The simulated organisation, its finished reviews copied until there are ``size`` decisions or more, and kept."""
    database = open_database(url)
    schema.upgrade(database)
    with database.reading() as session:
        is_new = not workflows.all(session)
    if is_new:
        demo.load(database)
    made = count(database)
    tips = {table.name: _tip(database, table) for table in COPIED}
    began = perf_counter()
    for number in range(1, -(-size // made)):
        with database.writing() as session:
            if session.get_bind().dialect.name == "sqlite":
                session.execute(text("PRAGMA defer_foreign_keys = ON"))
            for table, refers in COPIED.items():
                session.execute(text(copying(table, refers, tips, number)))
    filled = perf_counter() - began
    with database.reading() as session:
        (workflow,) = workflows.all(session)
    for _ in range(3):
        for _ in keeping.steps(database, workflow):
            pass
    kept = perf_counter() - began - filled
    print(f"{count(database):>11,}  filled in {filled:,.0f} s, kept in {kept:,.0f} s", flush=True)
    database.engine.dispose()


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
    finished = OF_FINISHED.get(table.name, "true").format(**tips)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table.name} "
        f"WHERE id <= {tips[table.name]} AND {finished}"
    )


def measure(url: str) -> None:
    """Every page, in this process alone, and what it held in memory."""
    database = open_database(url)
    with database.reading() as session:
        (workflow,) = workflows.all(session)
    decisions = count(database)
    every = screens(database.engine.dialect.name)
    for screen in every.values():  # by themselves, or what the queries by hand hold would count
        screen.work(database, read_now(database, workflow))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for name, screen in every.items():
        first, again, by_hand = [], [], []
        for _ in range(RUNS):
            known_reviews.forget(database)
            first.append(seconds(lambda screen=screen: screen.work(database, read_now(database, workflow))))
            again.append(seconds(lambda screen=screen: screen.work(database, read_now(database, workflow))))
            with database.reading() as session:
                by_hand.append(seconds(lambda screen=screen, session=session: _all(session, screen.by_hand)))
        ours, at_hand, theirs = map(statistics.median, (first, again, by_hand))
        print(
            f"{decisions:>11,}  {name:<17}{ours:>9.2f}{at_hand:>9.2f}{theirs:>11.3f}"
            f"{ours / theirs:>7.1f}x{at_hand / theirs:>7.1f}x",
            flush=True,
        )
    print(f"{decisions:>11,}  most memory held: {held:,.0f} MiB\n", flush=True)


def seconds(work: Callable[[], object]) -> float:
    started = perf_counter()
    work()
    return perf_counter() - started


def count(database: Database) -> int:
    with database.reading() as session:
        return int(session.execute(select(func.count()).select_from(tables.decisions)).scalar_one())


def _tip(database: Database, table: Table) -> int:
    with database.reading() as session:
        return int(session.execute(select(func.max(table.c.id))).scalar_one())


def _all(session: Session, query: str) -> object:
    return session.execute(text(query)).all()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])

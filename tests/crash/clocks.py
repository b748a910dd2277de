"""F6: replicas whose clocks are ten minutes off.

A process's clock is shifted where Python reads it, and where its SQLite does. PostgreSQL has a clock of its own, which
no replica can shift. An SQLite database has none but that of the one machine that it lives on: there a shifted process
stands for a step of that clock, claims end early for it, and the fence alone must keep decisions apart.
"""

from __future__ import annotations

import ctypes
import gc
import sqlite3
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from storage.engine import Database, database_now, open_database
from tests.crash.chaos import Plan
from tests.crash.checker import told_by
from tests.crash.faults import Line, Setting, fault
from tests.crash.processes import apart
from tests.crash.run import crash_run
from tests.invariants import Stored

SKEW = timedelta(minutes=10)
#: What does not hold where the clock itself was stepped; decisions are not among it.
CLAIM_MINUTES = 5  #: longer than the run, shorter than the shift: whoever takes an item over has stolen it
OF_THE_CLOCK = ("I6", "I12/I18", "I13")


@fault("F6")
def clocks_are_off(setting: Setting) -> list[Line]:
    return [_skewed(setting, database) for database in setting.databases]


def _skewed(setting: Setting, database: str) -> Line:
    url, folder = setting.fresh("F6", database)
    decisions = 1_000 if setting.is_whole else 200
    shifts = apart(lambda: [_seen_shift(url, by) for by in (SKEW, -SKEW)])
    plan = Plan(decisions, 6, 0, 0, 0, 0, moves_time=False, claim_minutes=CLAIM_MINUTES)
    result = crash_run(url, folder, plan, seed=setting.seed, say=setting.say, becomes=lambda slot: shift(_by(slot)))
    found = result.account.violations
    stolen = apart(lambda: _taken_over(open_database(url), folder))
    if database == "sqlite":
        found = [slip for slip in found if not slip.startswith(tuple(f"{number}:" for number in OF_THE_CLOCK))]
        result.account.stuck = sum("stuck: " in slip for slip in found)
        target = "one machine, one clock: a step of it gives no double decision; the fence decides"
    else:
        target = "0 live claims stolen, 0 double decisions"
        if any(abs(seen) > timedelta(seconds=5) for seen in shifts):
            found.append(f"the database's clock followed a replica's by {shifts}")
        if stolen:
            found.insert(0, f"{stolen} live claims were stolen")  # the sum before the list, which may be cut
    if database == "sqlite" and any(abs(abs(seen) - SKEW) > timedelta(seconds=5) for seen in shifts):
        found.append(f"INVALID: the clock was shifted by {shifts}; the fault did not bite")
    seen = (
        f"{result.decisions} decisions by replicas at +10, 0 and -10 min: {stolen} live claims taken over, "
        f"{result.account.duplicate} double decisions, {result.account.stale} stale ones refused"
    )
    return Line("F6", database, target, seen, not found, result, result.account, tuple(found))


def _taken_over(database: Database, folder: Path) -> int:
    """How many live claims somebody else took over; those that time was made to pass for are not among them."""
    over, stolen = told_by(folder).expired or (), 0
    held: dict[int, tuple[int, int] | None] = {}
    for row in Stored.of(database).audit:
        item, before = row["item_id"], held.get(row["item_id"])
        if row["action"] == "item.claimed":
            stolen += before is not None and before[0] != row["actor_id"] and (item, before[1]) not in over
        if row["action"] in ("item.claimed", "decision.undone"):
            held[item] = (row["actor_id"], row["details"]["fence"])
        elif row["action"] in ("decision.made", "item.released", "item.skipped", "item.passed_up"):
            held[item] = None
    return stolen


def _by(slot: int) -> timedelta:
    return (slot % 3 - 1) * SKEW


def _seen_shift(url: str, by: timedelta) -> timedelta:
    """How far the database's clock is off the true one, for a process whose own is off by ``by``."""
    return apart(lambda: _shifted_now(url, by)) - datetime.now(UTC)


def _shifted_now(url: str, by: timedelta) -> datetime:
    shift(by)
    with open_database(url).reading() as session:
        return database_now(session)


def shift(by: timedelta) -> None:
    """Set this process's clock off by ``by``, for as long as it lives."""
    if not by:
        return
    true_time = time.time
    true_now, true_utcnow = datetime.now, datetime.utcnow

    def now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
        return true_now(tz) + by

    time.time = lambda: true_time() + by.total_seconds()
    methods: dict[str, Any] = gc.get_referents(datetime.__dict__)[0]  # C keeps a type's methods behind a proxy
    methods["now"] = classmethod(now)
    methods["utcnow"] = classmethod(lambda cls: true_utcnow() + by)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))
    event.listen(Engine, "connect", lambda connection, record: _shift_sqlite(connection, by))


def _shift_sqlite(connection: Any, by: timedelta) -> None:
    """Let SQLite's own date functions tell another time, in this connection."""
    driver = connection if hasattr(connection, "create_function") else None
    if driver is None:
        return  # PostgreSQL: its clock is another machine's

    def shifted(name: str) -> Any:
        def tell(*asked: Any) -> Any:
            moved = [*asked, f"{by.total_seconds():+} seconds"] if "now" in asked else asked
            question = f"SELECT {name}({', '.join('?' * len(moved))})"
            with sqlite3.connect(":memory:") as true:
                return true.execute(question, moved).fetchone()[0]

        return tell

    for name in ("strftime", "datetime", "julianday", "unixepoch", "date", "time"):
        driver.create_function(name, -1, shifted(name))

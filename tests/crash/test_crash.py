"""The crash harness, small, as each commit has it. ``make crash`` runs every fault, ``make crash N=10000`` whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.storm

ROOT = Path(__file__).parents[2]
#: As PROMISES has it for each commit; a busy machine may want fewer.
DECISIONS = os.environ.get("WORKBENCH_CRASH_DECISIONS", "1000")
EVENTS = "200"  #: in the outbox


def crash(*asked: str) -> None:
    """Run the harness in a process of its own, which may fork as it likes."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.crash", *asked],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("fault", "database"), [("F1", "sqlite"), ("F2", "postgresql")])
def test_nothing_is_lost_doubled_or_stuck_in_a_storm(fault, database):
    crash("--faults", fault, "--database", database, "--decisions", DECISIONS)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_events_arrive_in_order_past_killed_workers_and_bad_receivers(database):
    crash("--faults", "F17,F18", "--database", database, "--decisions", EVENTS)

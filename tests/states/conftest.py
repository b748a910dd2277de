"""A world for the state machine, on one kind of database, and how long it may take."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from storage import queue
from storage.engine import open_database
from tests.conftest import in_memory, scratch_database
from tests.states.faults import Fault
from tests.states.oracle import EXPIRIES
from tests.states.rules import Queue
from tests.states.world import World

ROOT = Path(__file__).parents[2]
#: How many examples ``make states`` asks for; without it this is the test of a commit.
ASKED_FOR = os.environ.get("STATES")
COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": False}
#: The same examples each time, so that a commit is judged by what it changes.
COMMIT = settings(max_examples=120, derandomize=True, database=None, **COMMON)
#: Others each time; what failed is kept, and tried first the next time.
WHOLE = settings(
    max_examples=int(ASKED_FOR or 20_000),
    database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis" / "states"),
    **COMMON,
)
#: Without these the run has shown nothing: a stale form, a repeated one, a lost answer.
MUST_BE_SEEN = {"stored", "replayed", "KeyReused", "ClaimNotHeld", "ItemAlreadyDecided", "StaleContent", *Fault}


@pytest.fixture
def world(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[World]:
    """A world in a database of the kind ``request.param``, in memory where the machine has a folder there."""
    monkeypatch.setattr(queue, "EXPIRIES_BEFORE_HELP", EXPIRIES)
    caplog.set_level(logging.ERROR, "workbench")  # it says of each doubtful commit that there was one
    folder = Path(tempfile.mkdtemp(dir=in_memory()))
    with scratch_database(request, folder) as url:
        database = open_database(url)
        made = World(database)
        yield made
        made.reader.close()
        database.engine.dispose()
    shutil.rmtree(folder)


def try_everything(world: World, *, steps: int) -> None:
    """Let the machine run as many examples as are asked for, of up to ``steps`` steps, and see that faults bit."""
    profile = settings(WHOLE if ASKED_FOR else COMMIT, stateful_step_count=steps)
    run_state_machine_as_test(lambda: Queue(world), settings=profile)

    assert world.seen.keys() >= MUST_BE_SEEN, f"never seen: {sorted(MUST_BE_SEEN - world.seen.keys())}"

"""F19: an import that is killed leaves what a whole one leaves, or nothing; repeated, it ends like one that never was.

``IMPORT_KILLS=100`` kills as often as the promise says.
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from sqlalchemy import func, select

from review_queue.roles import Role
from storage.engine import open_database
from storage.tables import forecasts, imports, items, series, set_aside_rows, sources
from tests.builders import a_person, a_workflow
from tests.crash.processes import fork
from workbench.actions import importing

KILLS = int(os.environ.get("IMPORT_KILLS", "6"))
ROWS = 1_500


def a_file() -> bytes:
    """Some rows in a hundred are wrong."""
    rows = [
        f"account {number},2026-12,{'about ' if number % 50 == 7 else ''}{number}.5,{number + 3}"
        for number in range(ROWS)
    ]
    return "\n".join(["series,period,ai_forecast,human_forecast", *rows]).encode()


def bring(database, person_id, workflow) -> None:
    importing.import_file(
        database, person_id=person_id, workflow_key=workflow.key, kind="forecasts", name="a.csv", content=a_file()
    )


def effect(database, workflow) -> tuple[list, list]:
    """What the workflow's imports have left: every number by its key, and every row set aside."""
    numbers = (
        select(series.c.key, items.c.period, items.c.state, items.c.gap, sources.c.key, forecasts.c.value)
        .join(items, items.c.series_id == series.c.id)
        .join(forecasts, forecasts.c.item_id == items.c.id)
        .join(sources, sources.c.id == forecasts.c.source_id)
        .where(series.c.workflow_id == workflow.id)
    )
    names = ("row_number", "column", "code", "sentence", "status")
    aside = select(*(set_aside_rows.c[name] for name in names)).where(set_aside_rows.c.workflow_id == workflow.id)
    with database.reading() as session:
        return sorted(map(tuple, session.execute(numbers))), sorted(map(tuple, session.execute(aside)))


def finished(database, workflow) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).where(imports.c.workflow_id == workflow.id)).scalar_one()


def test_an_import_that_is_killed_leaves_a_whole_one_or_nothing(database, database_url: str) -> None:
    dora = a_person(database, "Dora", Role.DIRECTOR)
    clean, killed = (a_workflow(database, key=key) for key in ("clean", "killed"))
    start = time.monotonic()
    bring(database, dora, clean)
    usual = time.monotonic() - start
    whole = effect(database, clean)
    database.engine.dispose()
    moments = random.Random(19)  # noqa: S311 -- the same each time
    early = 0

    for _ in range(KILLS):
        before = finished(database, killed)
        database.engine.dispose()
        child = fork(lambda: bring(open_database(database_url), dora, killed))
        time.sleep(moments.uniform(0.05, 0.8) * usual)  # the moment of the kill
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        early += finished(database, killed) == before
        assert effect(database, killed) in (([], []), whole)
    bring(database, dora, killed)

    assert early, "no kill came before the end: the faults did not bite"
    assert effect(database, killed) == whole
    assert len(whole[0]) == 2 * (ROWS - ROWS // 50)
    assert len(whole[1]) == ROWS // 50


def test_an_import_that_is_cancelled_changes_nothing(database) -> None:
    class Enough(Exception):
        """Somebody pressed Cancel."""

    dora = a_person(database, "Dora", Role.DIRECTOR)
    workflow = a_workflow(database)

    for at in (0, 1):

        def note(done: int, total: int, at: int = at) -> None:
            if done >= at:
                raise Enough

        with pytest.raises(Enough):
            importing.import_file(
                database,
                person_id=dora,
                workflow_key=workflow.key,
                kind="forecasts",
                name="a.csv",
                content=a_file(),
                progress=note,
            )
        assert effect(database, workflow) == ([], [])

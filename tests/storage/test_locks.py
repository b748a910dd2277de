"""Advisory locks: each number means one thing."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import text

from storage.engine import Database
from storage.locks import Lock

ROOT = Path(__file__).parents[2]


def test_the_database_function_that_chains_events_takes_the_lock_that_is_named_for_it(
    postgresql_database: Database,
) -> None:
    with postgresql_database.reading() as session:
        source = session.execute(text("SELECT prosrc FROM pg_proc WHERE proname = 'audit_seal'")).scalar_one()

    assert re.findall(r"pg_advisory_xact_lock\((\d+)\)", source) == [str(Lock.CHAINING.value)]


def test_no_other_module_has_a_number_of_its_own() -> None:
    modules = [path for folder in ("storage", "workbench") for path in (ROOT / folder).rglob("*.py")]
    named = [path for path in modules if re.search(r"7_?269_?3\d\d", path.read_text("utf-8"))]

    assert {path.name for path in named} == {"locks.py", "0012_audit_chain.py"}

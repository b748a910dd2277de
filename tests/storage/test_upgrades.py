"""A database of any earlier revision, with rows in every table, comes to the newest with all of them.

``kept_0003.jsonl`` holds rows that the first version wrote itself: of its simulated organisation a few of each table,
with those that they refer to. The other rows are found by trial (``trial_rows``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, MetaData, create_engine, select, text
from sqlalchemy.engine import make_url

from review_queue.items import Outcome
from review_queue.roles import Role
from storage import listing, people, schema, workflows
from storage.engine import Database, open_database
from tests.builders import a_person, choose, take
from tests.storage.trial_rows import Row, Trial, go_on_behind, put
from workbench.actions import reviewing

FIRST_RELEASE = "0003"
REVISIONS = [each.revision for each in reversed(list(schema._scripts().walk_revisions()))]
Rows = list[tuple[str, Row]]
#: Table → the revision that began it anew, since no version before had written a row to it.
BEGUN_ANEW = {"deliveries": "0011", "checkpoints": "9999", "incidents": "0013"}


@cache
def of_the_first_release() -> Rows:
    lines = Path(__file__).with_name(f"kept_{FIRST_RELEASE}.jsonl").read_text("utf-8").splitlines()
    return [(line["table"], line["row"]) for line in map(json.loads, lines)]


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    """Revision → the rows that were put in there, in the order of one walk from the first revision to the newest."""
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('trial') / 'walk.db'}")
    trial, made = Trial(database), {}
    for revision in REVISIONS:
        to(database, revision)
        given = of_the_first_release() if revision == FIRST_RELEASE else []
        with database.engine.begin() as connection:
            put(connection, given)
        made[revision] = given + trial.fill()
    with database.engine.connect() as connection:
        known = MetaData()
        known.reflect(connection)
    empty = set(known.tables) - {"alembic_version"} - {table for rows in made.values() for table, _ in rows}
    assert empty == set(), "no row that was tried went into these tables: see trial_rows"
    database.engine.dispose()
    return made


def to(database: Database, revision: str) -> None:
    with schema._migrating(database) as config:
        command.upgrade(config, revision)


@contextmanager
def bare(kind: str, folder: Path, server: URL | None, name: str) -> Iterator[Database]:
    """A database without any table."""
    if kind == "sqlite":
        database = open_database(f"sqlite:///{folder / name}.db")
        yield database
        database.engine.dispose()
        return
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    database = open_database(make_url(server).set(database=name))
    yield database
    database.engine.dispose()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    server = request.getfixturevalue("postgresql_server") if request.param == "postgresql" else None
    with bare(request.param, tmp_path, server, "upgraded") as database:
        yield database


def test_there_is_one_line_of_revisions() -> None:
    scripts = ScriptDirectory.from_config(schema._config())

    assert scripts.get_heads() == [REVISIONS[-1]]
    assert sorted(REVISIONS) == REVISIONS


def test_rows_of_every_revision_come_through_every_later_one(empty: Database, trials: dict[str, Rows]) -> None:
    """One walk: at each revision a row in every table, those of the first release, then on to the next revision."""
    for revision in REVISIONS:
        to(empty, revision)
        with empty.engine.begin() as connection:
            put(connection, trials[revision])

    assert lost(empty, standing(trials)) == []
    reads_and_decides(empty)


@pytest.mark.long
@pytest.mark.parametrize("start", REVISIONS[:-1])
def test_a_database_of_any_revision_upgrades_at_once(empty: Database, trials: dict[str, Rows], start: str) -> None:
    before = standing({revision: rows for revision, rows in trials.items() if revision <= start})
    for revision in REVISIONS[: REVISIONS.index(start) + 1]:
        to(empty, revision)
        with empty.engine.begin() as connection:
            put(connection, trials[revision])

    schema.upgrade(empty)

    assert schema.current(empty) == schema.head()
    assert lost(empty, before) == []
    if start >= FIRST_RELEASE:
        reads_and_decides(empty)


def standing(trials: dict[str, Rows]) -> Rows:
    """The rows that are to be there in the end."""
    return [
        (table, row)
        for revision, rows in trials.items()
        for table, row in rows
        if revision >= BEGUN_ANEW.get(table, revision)
    ]


def lost(database: Database, rows: Rows) -> list[str]:
    """What of these rows is not there as it was, in the columns that there still are."""
    found: dict[str, list[dict[str, Any]]] = {}
    metadata = MetaData()
    with database.engine.connect() as connection:
        metadata.reflect(connection)
        for name, table in metadata.tables.items():
            found[name] = [dict(row) for row in connection.execute(select(table)).mappings()]
    problems = []
    for table, row in rows:
        if table not in found:
            continue
        keys = [column.name for column in metadata.tables[table].primary_key] or list(row)
        same = [each for each in found[table] if all(_plain(each[key]) == _plain(row[key]) for key in keys)]
        if len(same) != 1:
            problems.append(f"{table}: {len(same)} rows with the key of {row}")
            continue
        problems += [
            f"{table}.{name} of {row[keys[0]]}: {row[name]!r} became {same[0][name]!r}"
            for name in row
            if name in same[0] and _plain(row[name]) != _plain(same[0][name])
        ]
    return problems


def _plain(value: Any) -> Any:
    """The same value alike, however a database hands it out."""
    if isinstance(value, bool):
        return int(value)
    if hasattr(value, "astimezone"):
        return f"{value.replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.dumps(json.loads(value), sort_keys=True)
        except ValueError:
            return value
    return value


def reads_and_decides(database: Database) -> None:
    """The product lists the queue of the first release, serves an item of it, and takes a decision."""
    with database.engine.begin() as connection:
        go_on_behind(connection)
    with database.reading() as session:
        workflow = workflows.get(
            session, next(row["key"] for table, row in of_the_first_release() if table == "workflows")
        )
    reviewer = a_person(database, "Rita", Role.OWNER)
    with database.reading() as session:
        who = people.principal(session, reviewer)
        assert len(listing.open_items(session, who, workflow.id, listing.Filter()).items) > 3
    desk = take(database, reviewer, workflow)
    choice = choose(desk, Outcome.SEND_BACK, note="Please look again.")

    made = reviewing.submit_decision(database, person_id=reviewer, workflow=workflow, choice=choice)

    assert made.item_id == desk.item.id

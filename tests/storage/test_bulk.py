"""Many rows at once: what is written is what is read, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pandas as pd
import pytest
from sqlalchemy import BigInteger, Boolean, Column, Date, Float, Integer, MetaData, String, Table, Text, select

from storage import bulk
from storage.engine import UtcDateTime
from storage.tables import Json, items

TRIED = Table(
    "tried",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("number", Float),
    Column("whole", Integer),
    Column("text", Text),
    Column("at", UtcDateTime()),
    Column("day", Date),
    Column("is_it", Boolean),
    Column("body", Json),
    Column("order", String(20), server_default="first"),
)
ROWS = [
    (1, 0.1 + 0.2, 3, 'a,"b"\n\\N\t', datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=UTC), date(2026, 3, 1), True, ["é"]),
    (2, 5e-324, None, "", None, None, False, {"a": None}),
    (3, None, -(2**31), None, datetime(1999, 12, 31, tzinfo=UTC), date(1, 1, 1), None, None),
]
NAMES = ["id", "number", "whole", "text", "at", "day", "is_it", "body"]


@pytest.fixture
def tried(database):
    TRIED.create(database.engine)
    return TRIED


def as_frame(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=NAMES)
    frame["day"] = frame["day"].map(lambda day: day.isoformat(), na_action="ignore")
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    return frame


def test_what_is_inserted_is_what_is_read(database, tried):
    with database.writing() as session:
        bulk.insert_rows(session, tried, as_frame(ROWS))

    with database.reading() as session:
        found = session.execute(select(tried).order_by(tried.c.id)).all()
    assert [tuple(row) for row in found] == [(*row, "first") for row in ROWS]


def test_a_column_that_is_given_empty_is_empty_even_where_the_schema_has_a_default(database, tried):
    with database.writing() as session:
        bulk.insert_rows(session, tried, as_frame(ROWS[:1]).assign(order=None))

    with database.reading() as session:
        assert session.execute(select(tried.c.order)).scalar_one() is None


def test_an_update_sets_the_given_columns_of_the_given_rows(database, tried):
    changed = [(row[0], *other[1:]) for row, other in pairwise(ROWS)]
    with database.writing() as session:
        bulk.insert_rows(session, tried, as_frame(ROWS))
        bulk.update_rows(session, tried, as_frame(changed))

    with database.reading() as session:
        found = session.execute(select(tried).order_by(tried.c.id)).all()
    assert [tuple(row)[:-1] for row in found] == [*changed, ROWS[2]]


def test_reserved_ids_are_nobodys(database):
    with database.writing() as session:
        first, second = bulk.reserve_ids(session, items, 3), bulk.reserve_ids(session, items, 2)

    assert list(first) == sorted(set(first))
    if database.dialect == "postgresql":  # on SQLite they are taken by the insert that follows
        assert not set(first) & set(second)


def test_given_values_join_exactly(database, tried):
    keys = ["00123", "1e5", "Käse 'n' \"Brot\"\\", "", "NULL"]
    with database.writing() as session:
        wanted = bulk.given(session, "wanted", {"n": (BigInteger(), list(range(5))), "key": (Text(), keys)})
        found = session.execute(select(wanted.c.n, wanted.c.key).order_by(wanted.c.n)).all()

    assert [tuple(row) for row in found] == list(enumerate(keys))


def test_nothing_given_is_nothing_found(database, tried):
    with database.writing() as session:
        bulk.insert_rows(session, tried, as_frame(ROWS))
        assert session.execute(select(tried.c.id).where(bulk.among(session, tried.c.id, []))).all() == []
        assert session.execute(select(tried.c.id).where(bulk.among(session, tried.c.id, [3, 9]))).scalars().all() == [3]

"""What is kept of closed reviews: all of it, once, whoever else is at it; and a sample of series that is one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select

from storage import growth, keeping, kept_reviews
from storage.engine import database_now
from storage.tables import decisions, kept_until, series
from storage.tables import kept_reviews as stored
from tests.house import House
from workbench import known_reviews

LONG_AGO = datetime(2025, 3, 3, 9, tzinfo=UTC)


@pytest.fixture
def house(database):
    return House(database)


def keep(house: House) -> None:
    """Keep everything; PostgreSQL knows only afterwards that nobody was still writing."""
    for _ in range(3):
        list(keeping.steps(house.database, house.workflow))


def decided(house: House, *, at: datetime, where: str = "Victoria", **values: object) -> int:
    item = closed_item(house, at=at, where=where, **values)
    house.decision(item, decided_at=at)
    return item


def closed_item(house: House, *, at: datetime, where: str = "Victoria", **values: object) -> int:
    period = at.date().isoformat()
    return house.item(where, period, **{"state": "decided", "created_at": at - timedelta(hours=5), **values})


def kept_items(house: House) -> list[int]:
    with house.database.reading() as session:
        return sorted(kept_reviews.read(session, house.workflow.id).rows["item"])


def test_parts_are_weeks_in_the_zone_of_the_workflow(house):
    sunday_evening_there = datetime(2026, 1, 4, 13, 30, tzinfo=UTC)  # Monday in Melbourne already
    decided(house, at=LONG_AGO)
    decided(house, at=sunday_evening_there)
    keep(house)

    with house.database.reading() as session:
        weeks = list(session.execute(select(stored.c.week).order_by(stored.c.week)).scalars())

    zone = house.workflow.policy.zone
    expected = [LONG_AGO.astimezone(zone).date(), sunday_evening_there.astimezone(zone).date()]
    assert weeks == [day - timedelta(days=day.weekday()) for day in expected]


def test_making_it_piece_by_piece_gives_what_making_it_at_once_does(house, monkeypatch):
    for day in range(9):
        decided(house, at=LONG_AGO + timedelta(days=3 * day), where=("Victoria", "Queensland")[day % 2])
    keep(house)
    at_once = content(house)
    monkeypatch.setattr(keeping, "AT_ONCE", 2)
    monkeypatch.setattr(keeping, "MOST_GATHERED", 1)
    begin_anew(house)
    keep(house)

    assert content(house) == at_once
    assert len(at_once) > 1


def content(house: House) -> list[tuple[object, ...]]:
    part = stored.c
    with house.database.reading() as session:
        every = select(part.week, part.stratum, part.piece, part.rows, part.content)
        return [tuple(row) for row in session.execute(every.order_by(part.week, part.stratum))]


def begin_anew(house: House) -> None:
    with house.database.writing() as session:
        session.execute(kept_until.update().values(layout="another"))


def test_whoever_comes_second_stores_nothing(house):
    first = decided(house, at=LONG_AGO)
    keep(house)
    second = decided(house, at=LONG_AGO + timedelta(days=1))
    slow = keeping.steps(house.database, house.workflow)
    with house.database.reading() as session:
        known, now = keeping.until(session, house.workflow), database_now(session)
        behind = keeping._Step(known, keeping._patched(session, house.workflow, growth.Some(items=[second]), now))
    keep(house)  # somebody else was quicker

    assert keeping._store(house.database, house.workflow.id, behind) is None
    assert list(slow) == []
    assert kept_items(house) == [first, second]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite writes one after the other
def test_a_decision_that_was_still_being_written_is_not_missed(house):
    """Its id lies below one that showed earlier, as transactions run side by side."""
    slow, quick = (closed_item(house, at=LONG_AGO + timedelta(days=day)) for day in range(2))
    keep(house)
    with house.database.engine.connect() as connection:
        [lower] = connection.execute(insert(decisions).values(house.decided_row(slow)).returning(decisions.c.id)).one()
        higher = house.decision(quick, decided_at=LONG_AGO)
        keep(house)
        assert kept_items(house) == [quick]
        connection.commit()
    keep(house)

    assert lower < higher
    assert kept_items(house) == [slow, quick]


def test_a_change_that_nothing_else_tells_of_is_taken_in_each_time(house):
    """Where the last one is forgotten once it is in, SQLite gives its id to the next."""
    item = decided(house, at=LONG_AGO)
    keep(house)
    for price in (3.0, 4.0, 5.0):
        with house.database.writing() as session:
            session.execute(series.update().values(value_per_unit=price))
            growth.note_changed(session, house.workflow.id, select(series.c.id), column="series_id")
        keep(house)
        with house.database.reading() as session:
            [found] = kept_reviews.read(session, house.workflow.id).rows.to_dict("records")
        assert (found["item"], found["value_per_unit"]) == (item, price)


def test_one_in_four_series_is_in_a_stratum_above_another():
    series = pd.Series(range(1, 100_001))

    strata = kept_reviews.strata_of(series)

    shares = [np.mean(strata >= lowest) for lowest in range(kept_reviews.STRATA)]
    # Binomial, five standard deviations around 4 to the minus n.
    for lowest, share in enumerate(shares):
        expected = 4.0**-lowest
        assert abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / len(series)), lowest
    assert strata.max() == kept_reviews.STRATA - 1
    # Neighbouring ids, and ids alike modulo a power of two, are drawn no differently.
    for some in (series.iloc[:4000], series.iloc[::8]):
        assert abs(np.mean(kept_reviews.strata_of(some) >= 1) - 0.25) < 0.035


def test_of_too_many_reviews_those_of_some_series_are_read_and_every_open_one(house, monkeypatch):
    monkeypatch.setattr(kept_reviews, "MOST", 100)
    made, waiting = {}, []
    for number in range(40):
        key = f"series {number}"
        of = house.add(series, key=key, segment_id=house.ids["Victoria"], value_per_unit=1.0)
        made[key] = [decided(house, at=LONG_AGO + timedelta(days=day), series_id=of) for day in range(5)]
        waiting.append(house.item(series_id=of))
    keep(house)

    found = known_reviews.read_now(house.database, house.workflow)
    whole = known_reviews.read_now(house.database, house.workflow, is_whole=True)

    drawn = set(found.table["series"])
    assert (found.one_in, found.of) == (4, 200)
    assert whole.one_in == 1
    assert 0 < len(drawn) < 40
    for key, items in made.items():  # each series whole, or not at all
        assert set(items) & set(found.table["item"]) == (set(items) if key in drawn else set())
    assert sorted(found.waiting.table["item"]) == sorted(whole.waiting.table["item"]) == waiting
    assert found.table["item"].is_unique


def test_the_newest_weeks_are_read_whole(house, monkeypatch):
    monkeypatch.setattr(kept_reviews, "MOST", 10)
    for day in range(30):
        decided(house, at=LONG_AGO + timedelta(days=day))
    keep(house)

    with house.database.reading() as session:
        first = kept_reviews.newest_weeks(session, house.workflow.id)
        found = kept_reviews.read(session, house.workflow.id, since=first, is_whole=True)
        monkeypatch.setattr(kept_reviews, "MOST", 31)
        assert kept_reviews.newest_weeks(session, house.workflow.id) is None

    zone = house.workflow.policy.zone
    days = found.rows["decided_at"].dt.tz_convert(zone).dt.date
    assert days.min() >= first
    assert 10 <= len(found.rows) < 17
    assert first.weekday() == 0
    assert isinstance(first, date)

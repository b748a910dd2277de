"""What is read of the past to weigh a choice by: misses, overrides that ended, the AI's record."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from storage import context, misses, model_record, past_overrides
from storage.engine import Database
from storage.tables import items, reasons, series
from tests.house import House


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def told(house: House, period: str, ai: float | None, actual: float | None, where: str = "Victoria", **item) -> int:
    """An item with the AI's value and, if there is one, what happened."""
    made = house.item(where, period, **item)
    if ai is not None:
        house.forecast(made, "ai", ai)
    if actual is not None:
        house.actual(period, actual, where)
    return made


def read(house: House, function, *args, **kwargs):
    with house.database.reading() as session:
        return function(session, *args, **kwargs)


# --- misses --------------------------------------------------------------------------------------------------------


def test_the_misses_of_a_series_are_signed_and_newest_first(house):
    told(house, "2025-01", 100, 130)
    told(house, "2025-02", 100, 80)
    here = told(house, "2025-03", 100, None)

    assert read(house, misses.of_series, here) == [-20, 30]


def test_no_other_series_nor_horizon_nor_later_period_counts_as_a_miss_here(house):
    told(house, "2025-01", 100, 130)
    told(house, "2025-02", 100, 80, horizon=2)
    told(house, "2025-01", 100, 170, where="Queensland")
    told(house, "2025-04", 100, 500)
    here = told(house, "2025-03", 100, 400)  # its own actual is known by now

    assert read(house, misses.of_series, here) == [30]


def test_the_newest_forecast_and_the_newest_actual_make_the_miss_and_a_lower_bound_makes_none(house):
    first = told(house, "2025-01", 100, 130)
    house.forecast(first, "ai", 110)
    house.forecast(first, "manual", 300)
    house.actual("2025-01", 140)
    told(house, "2025-02", 100, None)
    house.actual("2025-02", 50, is_lower_bound=True)
    here = told(house, "2025-03", 100, None)

    assert read(house, misses.of_series, here) == [30]


def test_around_a_series_misses_are_shares_of_the_forecast_in_its_part_of_the_tree_only(house):
    told(house, "2025-01", 200, 150)
    told(house, "2025-02", 0, 80)  # no share of nothing
    told(house, "2025-01", 100, 170, where="Queensland")
    here = told(house, "2025-03", 100, None)

    assert read(house, misses.around, here) == [-0.25]


# --- overrides that ended ------------------------------------------------------------------------------------------


def overridden(house: House, period: str = "2025-01", *, actual: float | None = 130, item=None, reason=None, **changes):
    ended = house.item(period=period, **{"state": "decided", **(item or {})})
    if actual is not None:
        house.actual(period, actual)
    ordinary = {"final_value": 120.0, "is_override": True, "reason_code": "PROMO", "scale": 10.0}
    made = house.decision(ended, "adjust", **{**ordinary, **changes})
    house.add(reasons, decision_id=made, rank=0, code="PROMO", **(reason or {}))
    return ended, made


def ended(house: House, **which) -> list:
    found = read(house, past_overrides.ended, house.workflow.id, **which)
    return found[["adj", "gap", "s", "reason", "direction"]].to_numpy().tolist()


def test_an_override_that_ended_is_told_with_what_it_changed_and_what_was_missing(house):
    overridden(house)
    overridden(house, "2025-02", final_value=70.0, actual=95, reason_code="SUPPLY")

    assert ended(house) == [[20, 30, 10, "PROMO", "up"], [-30, -5, 10, "SUPPLY", "down"]]
    assert ended(house, code="SUPPLY") == [[-30, -5, 10, "SUPPLY", "down"]]
    assert ended(house, series_id=house.ids["Queensland cafes"]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"actual": None},
        {"is_provisional": True},
        {"is_degraded": True},
        {"is_override": False},
        {"opposite_of": 1},
        {"ai_value": None},
        {"scale": None},
        {"round": 2},  # another round is the item's present one
        {"reason": {"controllable": True}},
        {"item": {"state": "ready"}},  # it was reopened
        {"item": {"state": "withdrawn"}},
    ],
)
def test_an_override_that_proves_nothing_is_left_out(house, change):
    overridden(house, **change)
    overridden(house, "2025-02", reason={"controllable": False})

    assert ended(house) == [[20, 30, 10, "PROMO", "up"]]


def test_only_the_decision_and_the_actual_that_stand_count(house):
    item, first = overridden(house)
    correction = {"supersedes_id": first, "final_value": 110.0, "is_override": True, "reason_code": "PROMO"}
    house.decision(item, "adjust", scale=10.0, **correction)
    house.actual("2025-01", 150)

    assert ended(house) == [[10, 50, 10, "PROMO", "up"]]


def test_an_override_set_beside_a_lower_bound_is_left_out(house):
    overridden(house, actual=None)
    house.actual("2025-01", 130, is_lower_bound=True)

    assert ended(house) == []


def test_a_locked_period_keeps_its_overrides(house):
    overridden(house, item={"state": "locked"})

    assert len(ended(house)) == 1


# --- the AI's record -----------------------------------------------------------------------------------------------


def test_the_record_fills_in_last_years_actual_where_no_naive_forecast_was_given(house):
    given = told(house, "2025-01", 100, 130)
    house.forecast(given, "naive", 90)
    told(house, "2025-02", 100, 80)
    house.actual("2024-02", 70)

    record = read(house, model_record.of_series, house.ids["Victoria cafes"])

    assert record[["period", "ai", "actual", "naive"]].to_numpy().tolist() == [
        ["2025-02", 100, 80, 70],
        ["2025-01", 100, 130, 90],
    ]
    assert record["value_per_unit"].tolist() == [2.0, 2.0]


def test_the_record_of_a_segment_is_that_of_every_series_in_it_and_of_no_other(house):
    house.ids["more cafes"] = house.add(series, key="more", segment_id=house.ids["Victoria"])
    told(house, "2025-01", 100, 130)
    told(house, "2025-01", 100, 170, where="Queensland")
    beside = house.item(period="2025-01", series_id=house.ids["more cafes"])
    house.forecast(beside, "ai", 50)
    house.actual("2025-01", 55, series_id=house.ids["more cafes"])

    record = read(house, model_record.of_segment, house.ids["Victoria cafes"])

    assert sorted(record["actual"]) == [55, 130]


def test_nothing_on_record_is_an_empty_table(house):
    record = read(house, model_record.of_series, house.ids["Victoria cafes"])

    assert record.empty
    assert set(model_record.COLUMNS) == set(record.columns)


def test_the_other_periods_of_a_series_are_those_still_open(house):
    here = house.item(period="2025-03")
    for period, state in (("2025-06", "ready"), ("2025-05", "decided"), ("2025-04", "deferred"), ("2025-07", "locked")):
        house.item(period=period, state=state)
    house.item("Queensland", "2025-08")

    assert read(house, context.other_open_periods, here) == ["2025-04", "2025-06"]
    with house.database.writing() as session:
        session.execute(update(items).values(state="decided"))
    assert read(house, context.other_open_periods, here) == []

"""The plan that was used, taken in and set beside what was decided."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest
from sqlalchemy import select

from review_queue.measures.adoption import reached
from review_queue.measures.shadow import shadow_overrides
from storage import used_plans
from storage.tables import snapshot_rows, snapshots, used_values
from tests.builders import a_workflow, bring_in, forecasts
from tests.house import NOON, House, hours

HEADER = "series,period,value,at\n"


@pytest.fixture
def house(database) -> House:
    return House(database)


def joined(house: House, as_of: datetime, *wanted: tuple[str, str | None]) -> pd.DataFrame:
    """What is known of these series (by state) and periods."""
    table = pd.DataFrame(
        {"series_id": [house.ids[f"{state} cafes"] for state, _ in wanted], "period": [text for _, text in wanted]},
        index=pd.RangeIndex(7, 7 + len(wanted)),
    )
    with house.database.reading() as session:
        return used_plans.with_plans(session, house.workflow, table, as_of)


def used(house: House, value: float, **more: object) -> None:
    ordinary = {
        "series_id": house.ids["Victoria cafes"],
        "period": "2025-03",
        "period_start": NOON.date().replace(day=1),
    }
    house.add(used_values, **{**ordinary, "value": value, "received_at": hours(10), **more})


def test_a_used_value_stands_beside_its_series_and_period_only(house):
    used(house, 90.0, used_at=hours(2))

    found = joined(house, hours(20), ("Victoria", "2025-03"), ("Victoria", "2025-04"), ("Queensland", "2025-03"),
                   ("Victoria", None))  # fmt: skip

    assert found["used_value"].tolist()[0] == 90.0
    assert found["used_value"].isna().tolist() == [False, True, True, True]
    assert found["used_at"].tolist()[0] == pd.Timestamp(hours(2))
    assert found.index.tolist() == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("as_of", "value"),
    [(1, None), (3, 90.0), (29, 90.0), (31, 80.0)],
)
def test_a_value_is_known_from_its_use_and_a_correction_from_its_coming(house, as_of, value):
    used(house, 90.0, used_at=hours(2))
    used(house, 80.0, used_at=hours(2), received_at=hours(30))

    found = joined(house, hours(as_of), ("Victoria", "2025-03"))["used_value"].iloc[0]

    assert (None if pd.isna(found) else found) == value


def test_without_a_time_of_use_it_is_known_from_its_coming(house):
    used(house, 90.0)

    before, after = (joined(house, hours(at), ("Victoria", "2025-03")).iloc[0] for at in (9, 11))

    assert pd.isna(before["used_value"])
    assert (after["used_value"], after["used_at"]) == (90.0, pd.Timestamp(hours(10)))


def test_the_plan_of_a_locked_period_is_known_from_its_lock(house):
    item = house.item()
    snapshot = house.add(snapshots, period="2025-03", undecided_take="ai", totals={}, note="",
                         locked_by=house.ids["ada"], locked_at=hours(5))  # fmt: skip
    house.add(snapshot_rows, snapshot_id=snapshot, item_id=item, state="ready", plan_value=77.0)

    before, after = (joined(house, hours(at), ("Victoria", "2025-03")).iloc[0] for at in (4, 6))

    assert (pd.isna(before["plan_value"]), pd.isna(before["locked_at"])) == (True, True)
    assert (after["plan_value"], after["locked_at"]) == (77.0, pd.Timestamp(hours(5)))


def test_nothing_known_gives_typed_columns(house):
    found = joined(house, NOON, ("Victoria", "2025-03"))

    assert found[["used_value", "plan_value"]].dtypes.tolist() == ["float64", "float64"]
    assert [str(found[name].dtype) for name in ("used_at", "locked_at")] == ["datetime64[us, UTC]"] * 2


def test_reviews_have_what_was_used_and_what_was_locked(house):
    item = house.item(state="decided")
    house.decision(item, final_value=100.0)
    used(house, 90.0, used_at=hours(6))
    snapshot = house.add(snapshots, period="2025-03", undecided_take="ai", totals={}, note="",
                         locked_by=house.ids["ada"], locked_at=hours(7))  # fmt: skip
    house.add(snapshot_rows, snapshot_id=snapshot, item_id=item, state="decided", plan_value=100.0)

    early, late = house.only(hours(5.5)), house.only(hours(8))

    assert (pd.isna(early["used_value"]), pd.isna(early["plan_value"])) == (True, True)
    assert (late["used_value"], late["plan_value"], late["locked_at"]) == (90.0, 100.0, pd.Timestamp(hours(7)))
    assert shadow_overrides(house.table(hours(8))).iloc[0][["n", "shadow", "money"]].tolist() == [1, 1, 20.0]
    steps = reached(house.table(hours(8)), tolerance=0.01).iloc[0]
    assert (steps["unchanged"], pd.isna(steps["used"])) == (pd.Timestamp(hours(7)), True)


def test_of_nothing_reviews_have_the_columns_all_the_same(house):
    assert set(used_plans.COLUMNS) <= set(house.table().columns)


# --- taken in ------------------------------------------------------------------------------------------------------


def stored(database) -> list[tuple[str, float]]:
    with database.reading() as session:
        return list(session.execute(select(used_values.c.period, used_values.c.value).order_by(used_values.c.id)).all())


def test_a_plan_comes_in_as_a_file_and_the_same_again_changes_nothing(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(2))
    plan = HEADER + "acme-1,2026-12,1000,2026-12-05T08:00Z\nacme-2,2026-12-01,950,\n"

    first = bring_in(database, workflow, plan, kind="used").counts
    again = bring_in(database, workflow, plan, kind="used").counts
    changed = bring_in(database, workflow, HEADER + "acme-1,2026-12,900,\n", kind="used").counts

    assert (first.accepted, again.unchanged, changed.updated) == (2, 2, 1)
    assert stored(database) == [("2026-12", 1000.0), ("2026-12", 950.0), ("2026-12", 900.0)]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("ghost,2026-12,1,", "UNKNOWN_SERIES"),
        ("acme-1,2026-12,,", "MISSING_KEY"),
        ("acme-1,2026-12,x,", "NOT_A_NUMBER"),
        ("acme-1,,1,", "MISSING_KEY"),
        ("acme-1,2026-12,1,whenever", "NOT_A_DATE"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_set_aside(database, row, code):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))

    summary = bring_in(database, workflow, f"{HEADER}{row}\n", kind="used")

    assert summary.counts.reasons == {code: 1}
    assert stored(database) == []


def test_another_systems_names_for_the_columns_are_known(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(1))

    summary = bring_in(database, workflow, "Account;Month;Plan value\nacme-1;2026-12;5\n", kind="used")

    assert summary.counts.accepted == 1

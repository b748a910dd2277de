"""Every review as one table, as it was known at an instant; rows are put straight into the tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from sqlalchemy import select

from review_queue.roles import Grant, Principal, Role
from review_queue.workflows import policy_of
from storage import reports, workflows
from storage.engine import Database
from storage.stage_events import stage_events
from storage.tables import audit_events, items, reasons
from tests.house import LATER, NOON, POLICY, House, hours


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_an_empty_workflow_gives_an_empty_table_with_every_column(house):
    table = house.table()

    assert table.empty
    assert set(reports.COLUMNS) <= set(table.columns)
    assert str(table["created_at"].dtype).endswith("UTC]")


def test_an_open_item_shows_the_forecasts_that_stand_and_where_it_belongs(house):
    item = house.item(due_at=hours(40), u=0.7)
    house.forecast(item, "ai", 90, low=80, high=95, interval_level=0.8, model_version_id=house.ids["m1"])
    house.forecast(item, "manual", 110)
    house.forecast(item, "naive", 70)

    row = house.only()

    assert row[["ai", "manual", "naive", "ai_low", "ai_high", "ai_level"]].tolist() == [90, 110, 70, 80, 95, 0.8]
    assert (row["item"], row["series"], row["period"], row["state"]) == (item, "Victoria cafes", "2025-03", "ready")
    assert (row["segment_state"], row["segment_industry"], row["model_version"]) == ("Victoria", "Cafes", "m1")
    assert (row["u"], row["band"], row["lane"], row["value_per_unit"]) == (0.7, "minor", 2, 2.0)
    assert row["due_at"] == hours(40)
    assert row[["decided_at", "started_at", "final", "outcome", "reviewer"]].isna().all()


def test_only_forecasts_received_by_then_stand(house):
    item = house.item()
    house.forecast(item, "ai", 90, received_at=NOON)
    house.forecast(item, "ai", 95, received_at=hours(3))

    assert house.only(hours(2))["ai"] == 90
    assert house.only(hours(3))["ai"] == 95


def test_a_decided_item_shows_what_was_frozen_and_not_what_came_after(house):
    item = house.item(state="decided")
    house.forecast(item, "ai", 90)
    house.decision(item, "adjust", final_value=120.0, is_override=True, reason_code="PROMO", manual_value=110.0, u=3.1)
    house.forecast(item, "ai", 555, received_at=hours(9))

    row = house.only()

    assert row[["ai", "manual", "final", "u"]].tolist() == [100, 110, 120, 3.1]
    assert (row["state"], row["outcome"], row["reviewer"], row["reason"]) == ("decided", "adjust", "Ada", "PROMO")
    assert (row["band"], row["lane"], row["flagged"]) == ("large", 1, True)
    assert row["decided_at"] == hours(5)


def test_a_decided_item_tells_how_it_was_decided_and_the_words_of_its_reason(house):
    item = house.item(state="decided", audit_sample=True, horizon=2)
    how = {"mode": "human_first", "initial_value": 115.0, "knew_more": True, "queue_length": 12, "scale": 10.0}
    times = {"opened_at": hours(4), "first_evidence_at": hours(4.5), "hours_to_deadline": 3.5}
    decided = house.decision(item, "adjust", final_value=120.0, reason_code="PROMO", note="as asked", **how, **times)

    asked = house.only()
    house.add(reasons, decision_id=decided, rank=0, code="PROMO", text="Fair in May.")
    row = house.only()

    assert (asked["note"], row["note"]) == ("as asked", "Fair in May.")
    assert {name: row[name] for name in (*how, *times)} == how | times
    assert (row["audit_sample"], row["horizon"], row["is_degraded"]) == (True, 2, False)


def test_what_is_decided_later_is_open_and_what_is_created_later_does_not_exist(house):
    item = house.item(state="decided")
    house.forecast(item, "ai", 90)
    house.decision(item, decided_at=hours(5))

    before, after = house.only(hours(4)), house.only(hours(5))

    assert (before["state"], before["ai"]) == ("ready", 90)
    assert before[["decided_at", "final", "outcome", "reviewer"]].isna().all()
    assert after["state"] == "decided"
    assert house.table(hours(-0.1)).empty


def test_an_undo_leaves_no_decision_until_there_is_a_new_one(house):
    item = house.item(state="decided")
    first = house.decision(item, decided_at=hours(1))
    undo = house.decision(item, None, act="undo", supersedes_id=first, decided_at=hours(2))
    house.decision(item, "adjust", final_value=77.0, supersedes_id=undo, decided_at=hours(3))

    finals = [house.only(hours(number))["final"] for number in (1, 2, 3)]

    assert finals[0] == 100
    assert pd.isna(finals[1])
    assert finals[2] == 77


@pytest.mark.parametrize(
    ("outcome", "state"), [("defer", "deferred"), ("send_back", "sent_back"), ("escalate", "ready")]
)
def test_an_outcome_that_moves_an_item_on_decides_nothing(house, outcome, state):
    item = house.item(state=state)
    house.decision(item, outcome)

    row = house.only()

    assert row["state"] == state
    assert row[["decided_at", "final", "outcome"]].isna().all()


def test_a_reopened_item_is_open_again(house):
    item = house.item(state="ready", round=2)
    house.decision(item, round=1)

    assert house.only()["state"] == "ready"


def test_a_review_starts_with_the_first_claim_even_if_that_came_to_nothing(house):
    item = house.item(state="decided", claimed_at=hours(4))
    house.add(audit_events, action="item.claimed", item_id=item, at=hours(1), details={})
    house.add(audit_events, action="item.commented", item_id=item, at=hours(0.5), details={})
    house.decision(item, claimed_at=hours(4), decided_at=hours(5))

    assert house.only()["started_at"] == hours(1)
    assert pd.isna(house.only(hours(0.9))["started_at"])


def test_a_claimed_item_is_with_whoever_holds_it_until_the_claim_ends(house):
    house.item(state="claimed", claimed_by=house.ids["ada"], claimed_at=hours(1), expires_at=hours(2))

    held, expired = house.only(hours(1.5)), house.only(hours(2))

    assert (held["state"], held["reviewer"]) == ("claimed", "Ada")
    assert expired["state"] == "ready"
    assert pd.isna(expired["reviewer"])


def test_a_past_review_is_a_review(house):
    house.past(
        started_at=hours(1),
        decided_at=hours(2),
        due_at=hours(9),
        reviewer="F013",
        outcome="adjust",
        ai_forecast=100,
        human_forecast=90,
        final_forecast=95,
        actual=97,
        reason_code="PRICE",
        note="why",
        attributes={"target": "cases", "state": "odd"},
    )

    row = house.only()

    assert row[["ai", "manual", "final", "actual"]].tolist() == [100, 90, 95, 97]
    assert (row["reviewer"], row["outcome"], row["reason"], row["note"]) == ("F013", "adjust", "PRICE", "why")
    assert (row["state"], row["attribute_target"], row["attribute_state"]) == ("decided", "cases", "odd")
    assert (row["segment_state"], row["started_at"], row["due_at"]) == ("Victoria", hours(1), hours(9))
    assert pd.isna(row["item"])


def test_of_a_past_review_only_what_was_known_then_is_told(house):
    house.past(
        created_at=hours(-24 * 10),
        started_at=hours(1),
        decided_at=hours(2),
        final_forecast=95,
        actual=97,
        reason_code="PRICE",
    )

    before, month_end = house.only(NOON), house.only(datetime(2025, 4, 1, tzinfo=UTC))

    assert before["state"] == "ready"
    assert before[["started_at", "decided_at", "final", "reason", "actual"]].isna().all()
    assert month_end[["final", "actual"]].tolist() == [95, 97]
    assert house.table(hours(-24 * 11)).empty


def test_a_past_review_may_have_been_withdrawn(house):
    house.past(withdrawn_at=hours(6))

    assert [house.only(hours(number))["state"] for number in (5, 6)] == ["ready", "withdrawn"]


def test_a_past_review_without_a_period_knows_its_actual_from_its_decision(house):
    house.past(period=None, period_start=None, decided_at=hours(2), actual=97)

    assert pd.isna(house.only(hours(1))["actual"])
    assert house.only(hours(2))["actual"] == 97


def test_an_actual_counts_from_when_it_is_final_or_else_received(house):
    house.item()
    house.item("Queensland")
    house.actual("2025-03", 50, received_at=hours(3))
    house.actual("2025-03", 60, "Queensland", received_at=hours(3), final_at=hours(2), is_lower_bound=True)

    victoria, queensland = (house.table(hours(number))["actual"] for number in (2, 3))
    last = house.table().set_index("segment_state")

    assert pd.isna(victoria[0])
    assert victoria[1] == 60
    assert queensland.tolist() == [50, 60]
    assert last["actual_final_at"].tolist() == [pd.NaT, hours(2)]
    assert last["is_lower_bound"].tolist() == [False, True]


def test_the_newest_actual_known_then_stands(house):
    house.item()
    house.actual("2025-03", 50, received_at=hours(1))
    house.actual("2025-03", 55, received_at=hours(3))

    assert [house.only(hours(number))["actual"] for number in (1, 3)] == [50, 55]


def test_a_correction_counts_from_when_it_was_received_at_the_earliest(house):
    house.item()
    house.actual("2025-03", 50, received_at=hours(9), final_at=hours(1))
    house.actual("2025-03", 55, received_at=hours(4), final_at=hours(2))
    house.actual("2025-03", 60, received_at=hours(5), final_at=hours(6))

    assert [house.only(hours(number))["actual"] for number in (1, 3, 4, 5, 6)] == [50, 50, 55, 55, 60]


def test_a_correction_changes_no_naive_forecast_of_before_it(house):
    house.item(created_at=hours(0))
    house.item("Queensland", created_at=hours(3))
    for state in ("Victoria", "Queensland"):
        house.actual("2024-03", 41, state)
        house.actual("2024-03", 44, state, received_at=hours(2))

    assert house.table()["naive"].tolist() == [41, 44]
    assert house.table(hours(1))["naive"].tolist() == [41]


def test_a_past_review_without_its_own_actual_finds_it_among_the_actuals(house):
    house.past(decided_at=hours(2), actual=None)
    house.actual("2025-03", 50)

    assert house.only()["actual"] == 50


def test_a_missing_naive_forecast_is_last_years_value(house):
    given = house.item()
    house.forecast(given, "naive", 70)
    house.item("Queensland")
    house.past(series_id=house.ids["Queensland cafes"], decided_at=hours(1))
    for state in ("Victoria", "Queensland"):
        house.actual("2024-03", 41, state)

    assert house.table()["naive"].tolist() == [70, 41, 41]


def test_the_naive_forecast_uses_nothing_that_came_after_the_review(house):
    house.item(created_at=datetime(2024, 3, 20, tzinfo=UTC))
    house.actual("2024-03", 41)
    house.actual("2023-03", 39)

    assert house.only()["naive"] == 39


def test_without_history_there_is_no_naive_forecast(house):
    house.item()
    house.item("Queensland", period="0001-01")

    assert house.table()["naive"].isna().all()


def test_a_grant_limits_live_items_and_past_reviews_alike(house):
    house.item("Victoria")
    house.item("Queensland")
    house.past()
    house.past(series_id=house.ids["Queensland cafes"], segment_id=house.ids["Queensland"])
    house.past(segment_id=None)
    manager = Principal(1, "Ada", (Grant(Role.MANAGER, house.workflow.id, "Queensland\x1f"),))
    nobody = Principal(1, "Ada", ())
    everyone = Principal(1, "Ada", (Grant(Role.AUDITOR, None, None),))

    assert house.table(within=manager)["segment_state"].tolist() == ["Queensland", "Queensland"]
    assert house.table(within=nobody).empty
    assert len(house.table(within=everyone)) == len(house.table()) == 5


def test_another_workflow_is_another_table(house):
    house.item()
    house.past()
    with house.database.writing() as session:
        other = workflows.add(session, policy_of({**POLICY, "key": "other"}), author_id=house.ids["ada"])

    with house.database.reading() as session:
        assert reports.reviews(session, other, LATER).empty


def events(house: House, as_of: datetime = LATER) -> list[tuple[int, datetime, str]]:
    with house.database.reading() as session:
        every = session.execute(select(items.c.id)).scalars().all()
        found = stage_events(session, every, as_of)
    return list(found.itertuples(index=False, name=None))


def test_moving_an_item_on_and_taking_it_up_again_are_events_of_stages(house):
    held = {"state": "claimed", "claimed_by": house.ids["ada"], "claimed_at": hours(9), "expires_at": hours(10)}
    item, plain = house.item(**held), house.item("Queensland", state="decided")
    house.decision(item, "defer", claimed_at=hours(1), decided_at=hours(2))
    house.decision(item, "escalate", claimed_at=hours(5), decided_at=hours(6))
    house.decision(plain, claimed_at=hours(1))

    told = [(at, stage) for found, at, stage in events(house) if found == item]

    assert told == [
        (hours(1), "taken_up"),
        (hours(2), "defer"),
        (hours(5), "taken_up"),
        (hours(6), "escalate"),
        (hours(9), "taken_up"),
    ]
    assert {found for found, *_ in events(house)} == {item}
    assert [stage for *_, stage in events(house, hours(2))] == ["taken_up", "defer"]


def test_an_undo_takes_the_item_up_again(house):
    item = house.item()
    moved = house.decision(item, "send_back", decided_at=hours(2))
    house.decision(item, None, act="undo", supersedes_id=moved, decided_at=hours(3))

    assert [stage for *_, stage in events(house)] == ["send_back", "taken_up"]


def test_no_item_moved_on_is_no_event(house):
    house.item()

    assert events(house) == []

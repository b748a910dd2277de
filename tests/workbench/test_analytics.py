"""From the database through a measure to a table and a sentence."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pandas as pd
import pytest

from review_queue.errors import NotAllowed, WorkflowInvalid
from review_queue.measures.latency import Clock
from review_queue.roles import Role
from storage import people
from storage.engine import Database
from tests.house import LATER, NOON, House, hours
from workbench import analytics, known_reviews, reporting
from workbench.analytics import ColumnUnknown
from workbench.reporting import ReportName
from workbench.screens import overrides

NUMBERS = count()


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def a_person(house: House, role: Role, segment_path: str | None = None) -> int:
    with house.database.writing() as session:
        person_id = people.add(session, issuer="test", subject=f"{role}-{next(NUMBERS)}", name=role.title())
        people.grant(session, person_id, role, segment_path=segment_path)
    return person_id


def report(house: House, name: ReportName, **kwargs) -> list[dict]:
    auditor = a_person(house, Role.AUDITOR)
    return reporting.report(house.database, name, person_id=auditor, workflow_key="retail", as_of=LATER, **kwargs).rows


def known(house: House) -> known_reviews.Reviews:
    return known_reviews.read(
        house.database, person_id=a_person(house, Role.AUDITOR), workflow_key="retail", as_of=LATER
    )


def decided(house: House, number: int, *, final: float = 100.0, **values) -> None:
    for _ in range(number):
        house.past(decided_at=hours(3), ai_forecast=100.0, final_forecast=final, **values)


EMPTY = {
    ReportName.LATENCY: {"group": "all", "n": 0, "open": 0, "median_hours": None, "p85_hours": None, "p90_hours": None,
                         "finished_median_hours": None, "finished_p90_hours": None},
    ReportName.AGEING: {"group": "all", "open": 0, "oldest_hours": None, "median_age_hours": None, "overdue": 0,
                        "under_1d": 0, "d1_3": 0, "d3_7": 0, "d7_14": 0, "d14_30": 0, "over_30d": 0},
    ReportName.OVERRIDES: {"group": "all", "n": 0, "overrides": 0, "rate": None, "low": None, "high": None,
                           "expected": None, "ratio": None, "state": "not enough data"},
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_a_report_on_nothing_has_counts_of_zero_and_is_otherwise_unknown(house, name):
    assert report(house, name) == [EMPTY[name]]


@pytest.mark.parametrize("name", [ReportName.VALUE_ADDED, ReportName.AI_HEALTH])
def test_without_actuals_there_is_no_accuracy_to_report(house, name):
    house.item()

    assert report(house, name) == []


def test_a_row_holds_plain_values(house):
    decided(house, 1, final=120.0, reason_code="PROMO")
    house.item()

    (row,) = report(house, ReportName.LATENCY)

    assert [type(value) for value in row.values()] == [str, int, int, float, type(None), type(None), float, float]


def test_value_added_has_the_keys_of_the_contract(house):
    decided(house, 2, final=120.0, actual=110.0)

    rows = report(house, ReportName.VALUE_ADDED)

    shown = ["group", "step", "n", "mae", "wape", "bias", "fva_points"]
    assert list(rows[0]) == [*shown, "low", "high", "verdict", "rel_mae", "better", "ties"]
    assert [(row["step"], row["n"], row["verdict"]) for row in rows] == [("ai", 2, None), ("final", 2, None)]


def test_ai_health_has_the_keys_of_the_contract(house):
    decided(house, 2, actual=110.0)

    rows = report(house, ReportName.AI_HEALTH)

    assert list(rows[0]) == ["group", "n", "measure", "value", "baseline", "alarm"]
    assert [(row["measure"], row["n"]) for row in rows] == [("wape", 2), ("bias", 2), ("coverage", 0)]
    assert rows[0]["value"] == pytest.approx(10 / 110)


def test_reports_group_by_level_reviewer_reason_week_and_imported_attribute(house):
    decided(house, 1, final=120.0, reviewer="Bo", reason_code="PROMO", attributes={"target": "cases"})
    groups = {
        by: [row["group"] for row in report(house, ReportName.OVERRIDES, by=by)]
        for by in ("state", "industry", "reviewer", "reason", "target")
    }

    assert groups == {
        "state": ["Victoria"],
        "industry": ["Cafes"],
        "reviewer": ["Bo"],
        "reason": ["PROMO"],
        "target": ["cases"],
    }


def test_a_week_is_of_the_decision_for_overrides_and_of_the_arrival_for_latency(house):
    house.past(created_at=NOON, decided_at=NOON + timedelta(days=7), ai_forecast=100.0, final_forecast=100.0)

    weeks = [report(house, name, by="week")[0]["group"] for name in (ReportName.OVERRIDES, ReportName.LATENCY)]

    assert weeks == ["2025-W15", "2025-W14"]


def test_a_week_begins_in_the_workflows_zone(house):
    house.past(created_at=datetime(2025, 3, 30, 22, 30, tzinfo=UTC))  # already Monday in Berlin
    found = known(house)
    berlin = found.workflow.policy.model_copy(update={"timezone": "Europe/Berlin"})
    moved = replace(found, workflow=replace(found.workflow, policy=berlin))

    assert analytics.group_by(found, "week").tolist() == ["2025-W13"]
    assert analytics.group_by(moved, "week").tolist() == ["2025-W14"]


def test_what_cannot_be_grouped_by_is_said_with_what_can(house):
    house.past(attributes={"target": "cases"})

    with pytest.raises(ColumnUnknown, match=r"'colour'.*: reviewer, reason, week, state, industry, target\."):
        report(house, ReportName.OVERRIDES, by="colour")


def test_the_wait_clock_stops_at_the_start(house):
    for _ in range(2):
        house.past(started_at=hours(1), decided_at=hours(3))

    cycle, wait = (report(house, ReportName.LATENCY, clock=clock)[0]["median_hours"] for clock in Clock)

    assert (cycle, wait) == (3, 1)


def test_what_was_read_a_moment_ago_is_kept_until_something_comes_in(house):
    auditor = a_person(house, Role.AUDITOR)
    asked = {"person_id": auditor, "workflow_key": "retail"}
    house.item()

    first, second = (known_reviews.read(house.database, **asked) for _ in range(2))
    first.table.loc[:, "state"] = "changed by whoever got it"
    third = known_reviews.read(house.database, **asked)
    house.past()
    fourth = known_reviews.read(house.database, **asked)

    assert first.as_of == second.as_of == third.as_of < fourth.as_of
    assert third.table["state"].tolist() == ["ready"]
    assert len(fourth.table) == 2


def test_what_is_kept_for_one_scope_is_not_shown_in_another(house):
    house.item()
    known_reviews.read(house.database, person_id=a_person(house, Role.AUDITOR), workflow_key="retail")
    narrow = a_person(house, Role.MANAGER, segment_path="Queensland\x1f")

    assert known_reviews.read(house.database, person_id=narrow, workflow_key="retail").table.empty


def test_without_an_instant_a_report_is_as_of_now(house):
    before = datetime.now(UTC)

    found = known_reviews.read(house.database, person_id=a_person(house, Role.AUDITOR), workflow_key="retail")

    assert before - timedelta(minutes=1) < found.as_of < before + timedelta(minutes=1)


def test_a_person_sees_the_reviews_of_their_segment_only(house):
    decided(house, 1)
    decided(house, 1, series_id=house.ids["Queensland cafes"], segment_id=house.ids["Queensland"])
    manager = a_person(house, Role.MANAGER, "Queensland\x1f")

    found = known_reviews.read(house.database, person_id=manager, workflow_key="retail")

    assert found.table["segment_state"].tolist() == ["Queensland"]


def test_analytics_are_refused_to_who_may_not_see_them(house):
    integrator = a_person(house, Role.INTEGRATOR)

    with pytest.raises(NotAllowed, match="may not see the analytics"):
        known_reviews.read(house.database, person_id=integrator, workflow_key="retail")
    with pytest.raises(WorkflowInvalid, match="no workflow 'none'"):
        known_reviews.read(house.database, person_id=integrator, workflow_key="none")


# --- tables for screens --------------------------------------------------------------------------------------------


def test_below_twenty_decisions_a_group_shows_counts_only(house):
    decided(house, 20, final=120.0)
    decided(house, 19, final=120.0, segment_id=house.ids["Queensland"])
    found = known(house)

    table = overrides.rates_by(found, "segment_state").set_index("group")

    assert table["n"].to_dict() == {"Queensland": 19, "Victoria": 20}
    assert table["overrides"].to_dict() == {"Queensland": 19, "Victoria": 20}
    assert table["rate"].isna().to_dict() == {"Queensland": True, "Victoria": False}
    assert table["low"].isna().to_dict() == {"Queensland": True, "Victoria": False}


def test_a_week_of_overrides_is_dated_by_its_monday(house):
    decided(house, 20)

    weeks = analytics.overrides_by_week(known(house))

    assert weeks["group"].tolist() == ["2025-W14"]
    assert weeks["week"].tolist() == [pd.Timestamp("2025-03-31")]


def test_reasons_carry_their_names_and_below_twenty_overrides_no_shares(house):
    decided(house, 10, final=120.0, reason_code="PROMO")
    decided(house, 9, final=120.0, reason_code="odd")
    few = analytics.reasons_given(known(house))
    decided(house, 1, final=120.0)
    enough = analytics.reasons_given(known(house))

    assert few["name"].tolist() == ["Promotion", "odd"]
    assert few["share"].isna().all()
    assert enough["name"].tolist() == ["Promotion", "odd", "no reason recorded"]
    assert enough["share"].tolist() == [0.5, 0.45, 0.05]


def test_percentiles_are_withheld_from_groups_with_too_few(house):
    decided(house, 20)
    decided(house, 19, segment_id=house.ids["Queensland"])

    table = analytics.latency_by(known(house), "segment_state").set_index("group")

    assert table["n"].to_dict() == {"Queensland": 19, "Victoria": 20}
    assert table["median_hours"].isna().to_dict() == {"Queensland": True, "Victoria": False}
    assert table["finished_median_hours"].isna().to_dict() == {"Queensland": True, "Victoria": False}


def test_open_items_are_listed_oldest_first_by_lane_or_segment(house):
    house.item(created_at=hours(-1), lane=0)
    house.item("Queensland", created_at=hours(-48), due_at=NOON)
    found = known(house)

    by_lane = analytics.waiting_items(found, "lane")
    ages = analytics.ageing_by(found, "segment_state")

    assert by_lane["group"].tolist() == ["Routine", "Due"]
    assert by_lane["series"].tolist() == ["Queensland cafes", "Victoria cafes"]
    assert by_lane["overdue"].tolist() == [True, False]
    assert ages["group"].tolist() == ["Queensland", "Victoria"]
    assert analytics.splits(found) == ["lane", "segment_state", "segment_industry"]


def test_since_keeps_what_lies_in_the_last_days(house):
    house.past(created_at=LATER - timedelta(days=5))
    house.past(created_at=LATER - timedelta(days=3))
    found = known(house)

    assert len(found.since(4, column="created_at").table) == 1
    assert len(found.since(None, column="created_at").table) == 2
    assert found.since(4, column="decided_at").table.empty


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "\t=1", "\r=1", "\n=1", "a\r=1"])
def test_text_that_a_spreadsheet_would_run_is_made_inert(text):
    content = analytics.csv_of(pd.DataFrame({"group": [text, "plain"], "gap": [-1.5, 2.0]})).decode("utf-8-sig")

    read = pd.read_csv(io.StringIO(content, newline=""))
    assert read["group"].tolist() == [text if text[0] == "a" else f"'{text}", "plain"]
    assert read["gap"].tolist() == [-1.5, 2.0]


# --- sentences -----------------------------------------------------------------------------------------------------


def test_an_empty_queue_is_said_so(house):
    assert analytics.ageing_answer(known(house)) == "Nothing is waiting."


def test_the_queue_in_a_sentence(house):
    house.item(created_at=LATER - timedelta(hours=30), due_at=LATER - timedelta(hours=1))
    one = analytics.ageing_answer(known(house))
    house.item("Queensland", created_at=LATER - timedelta(days=5))
    two = analytics.ageing_answer(known(house))

    assert one == "1 item is open, 1 past the deadline; the oldest has waited 30 hours."
    assert two == "2 items are open, 1 past the deadline; the oldest has waited 5.0 days."


def test_too_few_reviews_cannot_tell_a_time(house):
    decided(house, 19)

    answer = analytics.latency_answer(analytics.time_to_decision(known(house)))

    assert answer == "Time to a decision: can't tell yet, 19 of 20 reviews needed."


def test_the_time_to_a_decision_in_a_sentence(house):
    for number in range(1, 41):
        house.past(decided_at=hours(number))

    answer = analytics.latency_answer(analytics.time_to_decision(known(house)))

    assert answer.startswith("Half are decided within 20 hours (95 % interval ")
    assert answer.endswith(", 85 in 100 within 34 hours; 0 of 40 are still open.")


def test_a_time_that_was_not_seen_yet_is_more_than_what_was(house):
    decided(house, 15)
    for _ in range(10):
        house.past()

    most_decided = analytics.latency_answer(analytics.time_to_decision(known(house)))
    for _ in range(10):
        house.past()
    few_decided = analytics.latency_answer(analytics.time_to_decision(known(house)))

    assert "85 in 100 take more than 30.0 days; 10 of 25 are still open." in most_decided
    assert few_decided.endswith("half take more than 30.0 days.")


def test_the_override_rate_in_a_sentence(house):
    decided(house, 19)
    too_few = analytics.override_answer(analytics.overrides_overall(known(house)))
    decided(house, 8)
    decided(house, 3, final=120.0)
    enough = analytics.override_answer(analytics.overrides_overall(known(house)))

    assert too_few == "Can't tell yet: 19 of 20 decisions needed."
    assert enough == "In 10.0% of decisions (95 % interval 3.5% to 25.6%): 3 of 30."


@pytest.mark.parametrize(("taken", "said"), [(0.01, "1 min"), (1.5, "90 min"), (30, "30 hours"), (60, "2.5 days")])
def test_a_duration_is_said_as_people_say_it(taken, said):
    assert analytics.duration(taken) == said

"""Workflows as things with an owner: handed over, their policy changed, their dependents and what lies outside."""

from __future__ import annotations

import pandas as pd
import pytest
from sqlalchemy import insert, select

from review_queue.errors import HandoverRefused, NotAllowed, NotReady, WorkflowInvalid
from review_queue.items import Outcome
from review_queue.policy_changes import as_toml
from review_queue.roles import Role
from review_queue.showing import AiValues
from review_queue.workflows import parse_policy
from storage import people, workflows
from storage.engine import Database, database_now
from storage.tables import audit_events, handovers, items, openings, pulls, receivers
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import depending, governing, pausing, readying, reviewing

OTHERS = [Role.REVIEWER, Role.DIRECTOR, Role.MANAGER, Role.AUDITOR, Role.INTEGRATOR]


@pytest.fixture
def sales(database: Database) -> Workflow:
    return a_workflow(database)


@pytest.fixture
def olga(database: Database, sales: Workflow) -> int:
    with database.reading() as session:
        return people.find(session, "test", "owner")


def hand_over(database: Database, person_id: int, owner: str, deputy: str | None = None, note: str = "She moves on."):
    return governing.hand_over(
        database, person_id=person_id, workflow_key="sales", owner=owner, deputy=deputy, note=note
    )


def change(database: Database, person_id: int, text: str, version: int = 1) -> Workflow:
    return governing.change_policy(
        database, person_id=person_id, workflow_key="sales", toml_text=text, policy_version=version
    )


def actions(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.execute(select(audit_events.c.action).order_by(audit_events.c.id)).scalars())


# --- handing over --------------------------------------------------------------------------------------------------


def test_a_handover_changes_the_policy_and_is_on_record_with_its_note(database, sales, olga):
    changed = hand_over(database, olga, "new@example.com", "dep@example.com", "She leads the north now.")

    assert (changed.policy.owner, changed.policy.deputy, changed.policy_version) == (
        *("new@example.com", "dep@example.com"),
        2,
    )
    assert changed.policy.materiality == 10.0
    (found,) = governing.handover_history(database, person_id=olga, key="sales")
    assert (found.owner_before, found.owner, found.deputy_before, found.deputy) == (
        *("o@example.com", "new@example.com"),
        *(None, "dep@example.com"),
    )
    assert (found.note, found.by, found.policy_version) == ("She leads the north now.", "Olga", 2)
    assert actions(database)[-2:] == ["policy_changed", "workflow.handed_over"]


def test_the_policys_text_hands_over_too(database, sales, olga):
    change(database, olga, as_toml(sales.policy).replace("o@example.com", "p@example.com"))
    change(database, olga, as_toml(sales.policy).replace("o@example.com", "p@example.com") + "tolerance = 0.02\n", 2)

    (found,) = governing.handover_history(database, person_id=olga, key="sales")
    assert (found.owner_before, found.owner, found.note) == ("o@example.com", "p@example.com", "")


def test_a_handover_names_an_owner_a_change_and_why(database, sales, olga):
    with pytest.raises(HandoverRefused, match="Name the new owner"):
        hand_over(database, olga, " ")
    with pytest.raises(HandoverRefused, match="already"):
        hand_over(database, olga, "o@example.com")
    with pytest.raises(HandoverRefused, match="name two people"):
        hand_over(database, olga, "x@example.com", "x@example.com")
    with pytest.raises(HandoverRefused, match="Write a note"):
        hand_over(database, olga, "x@example.com", note=" ")

    with database.reading() as session:
        assert session.execute(select(handovers)).all() == []


@pytest.mark.parametrize("role", OTHERS)
def test_nobody_but_the_owner_hands_over_or_changes_the_policy(database, sales, role):
    somebody = a_person(database, "Sam", role)

    for press in (
        lambda: hand_over(database, somebody, "sam@example.com"),
        lambda: change(database, somebody, as_toml(sales.policy) + "tolerance = 0.02\n"),
        lambda: governing.preview_policy(
            database, person_id=somebody, workflow_key="sales", toml_text=as_toml(sales.policy)
        ),
        lambda: readying.open_for_review(database, person_id=somebody, key="sales"),
    ):
        with pytest.raises(NotAllowed, match="change a workflow"):
            press()
    assert governing.show_workflow(database, person_id=somebody, key="sales").policy_version == 1


# --- the policy ----------------------------------------------------------------------------------------------------


def test_a_preview_of_the_policy_says_what_it_changes_and_changes_nothing(database, sales, olga):
    def placed() -> list[tuple]:
        with database.reading() as session:
            columns = (items.c.content_hash, items.c.lane, items.c.flagged)
            return [tuple(row) for row in session.execute(select(*columns).order_by(items.c.id))]

    bring_in(database, sales, forecasts(3))
    before = placed()
    text = as_toml(sales.policy).replace("materiality = 10.0", "materiality = 1000.0")

    found = governing.preview_policy(database, person_id=olga, workflow_key="sales", toml_text=text)

    assert [(each.setting, each.before, each.after) for each in found.changes] == [("materiality", "10", "1000")]
    assert (found.effect.open, found.effect.in_hand) == (3, 0)
    assert governing.show_workflow(database, person_id=olga, key="sales").policy_version == 1
    assert placed() == before
    same = governing.preview_policy(database, person_id=olga, workflow_key="sales", toml_text=as_toml(sales.policy))
    assert (same.changes, same.effect) == ((), None)
    change(database, olga, text)
    assert found.effect.changed == sum(was != then for was, then in zip(before, placed(), strict=True)) > 0


def test_a_text_from_an_older_version_or_of_another_workflow_is_refused(database, sales, olga):
    text = as_toml(sales.policy) + "tolerance = 0.02\n"
    assert change(database, olga, text).policy_version == 2

    with pytest.raises(WorkflowInvalid, match="Version 2 of the policy came in while you wrote"):
        change(database, olga, text.replace("0.02", "0.03"))
    with pytest.raises(WorkflowInvalid, match="A key cannot be changed"):
        change(database, olga, text.replace('"sales"', '"other"'), 2)
    with pytest.raises(WorkflowInvalid, match="tolerance"):
        change(database, olga, text.replace("0.02", "2"), 2)

    versions = governing.policy_versions(database, person_id=olga, key="sales")
    assert [(each.version, each.author, each.policy.tolerance) for each in versions] == [
        (2, "Olga", 0.02),
        (1, "Olga", 0.01),
    ]


def test_the_registry_says_what_state_each_is_in(database, sales, olga):
    a_workflow(database, key="bare", title="Bare", owner=None)
    paused = a_workflow(database, key="paused", title="Paused")
    pausing.choose_showing(database, person_id=olga, workflow_key=paused.key, values=AiValues.PAUSED, note="It is off.")

    found = governing.registry(database, person_id=olga)
    assert {each.workflow.key: each.state for each in found} == {
        "bare": "not ready",
        "paused": "paused",
        "sales": "open",
    }
    assert governing.registry(database, person_id=a_person(database, "Nobody")) == []


# --- readiness -----------------------------------------------------------------------------------------------------

STRICT = {
    "readiness": "strict",
    "deputy": "d@example.com",
    "purpose": "How much stock to order.",
    "reversibility": "An order can be cancelled for two days.",
    "baseline": "The naive forecast.",
    "segments": ("region",),
    "scope": {"region": ("North",)},
    "feed_late_hours": 30,
    "monitoring": "overdue",
    "alerts": [{"measure": "overdue", "above": 20}],
    "reviewer_hours": 2,
}


def test_a_strict_workflow_is_closed_until_everything_passes_and_its_owner_opens_it(database):
    strict = a_workflow(database, **STRICT)
    rita = a_person(database, "Rita", Role.REVIEWER)
    with database.reading() as session:
        olga = people.find(session, "test", "owner")
    rows = "series,period,ai_forecast,human_forecast,segment_region\na,2026-12,1000,1500,North\n"
    bring_in(database, strict, rows)

    found = readying.check_workflow(database, person_id=rita, key="sales")
    assert [check.name for check in found.checks if check.state == "fail"] == ["history", "baseline"]
    with pytest.raises(NotReady, match="history: 0 of 1 series have at least 8 past actuals"):
        readying.open_for_review(database, person_id=olga, key="sales")
    history = "".join(f"a,2025-{month:02},900\n" for month in range(1, 10))
    bring_in(database, strict, "series,period,actual\n" + history, kind="history")
    assert readying.check_workflow(database, person_id=rita, key="sales").waits_for_opening
    with pytest.raises(NotReady, match="its owner opens it"):
        reviewing.take_next(database, person_id=rita, workflow=strict)

    opened = readying.open_for_review(database, person_id=olga, key="sales")

    assert (opened.is_open, opened.opening.by) == (True, "Olga")
    with database.reading() as session:
        now_open = workflows.get(session, "sales")
        (kept,) = session.execute(select(openings)).all()
    assert (kept.policy_version, set(kept.found.values())) == (1, {True})
    assert reviewing.take_next(database, person_id=rita, workflow=now_open) is not None
    assert actions(database).count("workflow.opened") == 1
    readying.open_for_review(database, person_id=olga, key="sales")
    assert actions(database).count("workflow.opened") == 1


def test_an_owner_alone_opens_an_ordinary_workflow_and_the_rest_is_advice(database, sales, olga):
    found = readying.check_workflow(database, person_id=olga, key="sales")

    assert (found.is_ready, found.is_open, found.waits_for_opening) == (True, True, False)
    assert {check.state for check in found.checks} == {"pass", "advice"}
    assert [check.name for check in found.checks if check.is_required] == ["owner"]


# --- what depends, and what lies outside ---------------------------------------------------------------------------


def test_what_a_change_of_a_model_version_touches(database, sales, olga):
    bring_in(database, sales, forecasts(3))
    bring_in(database, sales, forecasts(1, ai=1200.0).replace("m-1", "m-2"))
    plan = a_workflow(database, key="plan", title="Plan")
    bring_in(database, plan, forecasts(2))
    rita = a_person(database, "Rita", Role.REVIEWER)
    with database.writing() as session:
        now = database_now(session)
        added = {"workflow_id": sales.id, "created_by": olga, "created_at": now}
        approved = {"approved_by": rita, "approved_at": now}
        session.execute(insert(receivers).values(url="https://a.example.com", **added, **approved))
        session.execute(insert(receivers).values(url="https://b.example.com", **added))
        pulled = {"workflow_id": sales.id, "slot": 1, "started_at": now}
        session.execute(insert(pulls).values(source="planning", kind="forecasts", **pulled))
        session.execute(insert(pulls).values(source="erp", kind="actuals", **pulled))
        export = {"action": "export", "workflow_id": sales.id, "at": now, "details": {"kind": "decisions"}}
        session.execute(insert(audit_events).values(**export))
    desk = take(database, rita, sales)
    choice = choose(desk, Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=rita, workflow=sales, choice=choice)

    found = depending.what_depends(database, person_id=rita, workflow=sales)

    told = {(each.workflow.key, each.version): (each.open_items, each.decided_items) for each in found}
    on = desk.item.ai.model_version
    assert told == {
        ("sales", "m-2"): (1 - (on == "m-2"), int(on == "m-2")),
        ("sales", "m-1"): (2 - (on == "m-1"), int(on == "m-1")),
        ("plan", "m-1"): (2, 0),
    }
    assert (found[0].receivers, found[0].pulled_from, found[0].export_kinds) == (1, ("planning",), ("decisions",))
    assert depending.touches("m-1", found) == (
        f"A change of m-1 touches {told['sales', 'm-1'][0] + 2} open items in 2 workflows. What is decided on them "
        "goes to 1 receiver and was exported 1 time in the last 90 days. Its forecasts are pulled from planning."
    )
    pausing.choose_showing(
        database, person_id=olga, workflow_key="sales", values=AiValues.ROLLED_BACK, version="m-1", note="Back."
    )
    rolled = {each.version: each for each in depending.what_depends(database, person_id=olga, workflow=sales)}
    assert rolled["m-1"].open_items + rolled["m-2"].open_items == 2
    assert rolled["m-2"].open_items == 0
    with pytest.raises(NotAllowed):
        depending.what_depends(database, person_id=a_person(database, "Ivo", Role.INTEGRATOR), workflow=sales)


def test_what_lies_outside_the_scope_is_counted_by_week_and_segment(database):
    workflow = a_workflow(database, segments=("region",), scope={"region": ("North",)})
    with database.reading() as session:
        olga = people.find(session, "test", "owner")
    head = "series,period,ai_forecast,segment_region\n"
    bring_in(database, workflow, head + "a,2026-12,1,North\nb,2026-12,1,South\nc,2026-12,1,South\nd,2026-12,1,West\n")
    bring_in(database, workflow, head + "e,2026-12,1,\nf,2026-12,x,North\n")

    found = depending.outside_scope(database, person_id=olga, workflow=workflow)

    counted = found.weeks.set_index("segment")["rows"].to_dict()
    assert counted == {"South": 2, "West": 1, "not filled in": 1}
    assert set(found.weeks["came"]) == {6}
    assert found.sentence.endswith(
        "In the last 4 weeks: 4 of the 6 rows in the weeks with any (66.7%), most of them South (2)."
    )
    assert found.weeks["week"].iloc[0].weekday() == 0
    assert isinstance(found.weeks, pd.DataFrame)
    ivo = a_person(database, "Ivo", Role.INTEGRATOR)
    with pytest.raises(NotAllowed):
        depending.outside_scope(database, person_id=ivo, workflow=workflow)


def test_a_policy_written_as_text_is_the_same_policy():
    text = """
key = "sales"
title = "Sales \\"north\\""
unit = "EUR"
segments = ["region", "product"]
monitoring = "override_rate"
reviewer_hours = 1.5

[[alerts]]
measure = "override_rate"
above = 0.4

[scope]
region = ["North", "Süd"]

[sources.half_life_days]
crm = 10

[[sources.overlaps]]
source = "manual"
copies = "crm"
share = 0.8
"""
    policy = parse_policy(text)

    assert parse_policy(as_toml(policy)) == policy
    with pytest.raises(WorkflowInvalid, match=r"monitoring names overdue; add \[\[alerts\]\]"):
        parse_policy(text.replace('monitoring = "override_rate"', 'monitoring = "overdue"'))

"""Sources that disagree: weighed, left out with a reason, and where they leave doubt, no accepting at one press."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from review_queue.errors import ChoiceInvalid, ItemNotFound, ItemNotOpen, SourcesInDoubt
from review_queue.items import Outcome
from review_queue.roles import Role
from storage import lessons, one_item, people
from storage.engine import Database
from storage.tables import audit_events
from tests.builders import a_person, a_workflow, bring_in, choose, take
from workbench.actions import confirming, hearing, reviewing, sourcing

WEIGHED_BY = {"half_life_days": {"crm": 14, "contract": 14}, "assumed_miss": 0.1}


def item_of(series: str = "acme", *, ai: float = 1000.0, manual: float | None = None) -> str:
    """A forecast made now, so that it is fresh."""
    made = datetime.now(UTC).isoformat()
    return (
        "series,period,ai_forecast,ai_made_at,human_forecast,human_made_at\n"
        f"{series},2198-12,{ai},{made},{'' if manual is None else manual},{made}\n"
    )


def say(database: Database, workflow, *said: tuple[str, float], days: float = 0.0, series: str = "acme") -> None:
    """Other systems say something of the item, so many days ago."""
    at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    lines = [f"{series},forecast,{source},{value},{at},2198-12" for source, value in said]
    done = bring_in(
        database, workflow, "\n".join(["series,attribute,source,value,as_of,period", *lines]), kind="sources"
    )
    assert done.counts.set_aside == 0


def weigh(database: Database, workflow, item_id: int, person_id: int):
    with database.reading() as session:
        item = one_item.get(session, item_id, people.principal(session, person_id))
        return hearing.weigh_item(session, workflow, item)


@pytest.fixture
def world(database: Database):
    """A workflow that accepts at one press from 60 % on, its reviewer, and the item in their hands."""
    workflow = a_workflow(database, materiality=None, sources={**WEIGHED_BY, "one_key_from": 0.6})
    bring_in(database, workflow, item_of(manual=1000.0))
    ada = a_person(database, "ada", Role.REVIEWER)
    return workflow, ada


def test_without_another_system_nothing_is_weighed(database: Database, world) -> None:
    workflow, ada = world
    assert weigh(database, workflow, take(database, ada, workflow).item.id, ada) is None


def test_what_the_sources_come_to_is_the_formula_on_what_is_stored(database: Database, world) -> None:
    """By hand: no record, so σ = 10 % of the median 1,000; the contract is half as fresh; ai and manual are fresh."""
    workflow, ada = world
    say(database, workflow, ("crm", 1300.0))
    say(database, workflow, ("contract", 800.0), days=14)
    item_id = take(database, ada, workflow).item.id

    found = weigh(database, workflow, item_id, ada)

    assert found.value == pytest.approx((1000 + 1000 + 1300 + 0.5 * 800) / 3.5, rel=1e-3)
    shares = found.statements.set_index("source")["share"].to_dict()
    assert shares == pytest.approx({"ai": 2 / 7, "manual": 2 / 7, "crm": 2 / 7, "contract": 1 / 7}, rel=1e-3)
    assert found.statements["rests_on"].unique().tolist() == ["assumed"]
    assert found.outcomes == 0
    assert found.moves_it_most[0] == "crm"
    assert found.moves_it_most[1] == pytest.approx((1000 + 1000 + 400) / 2.5, rel=1e-3)


def test_a_sources_own_errors_here_become_its_usual_miss(database: Database, world) -> None:
    """By hand: σ0 = 100, ten months off by 300 each: √((10·100² + 10·300²) / 20)."""
    workflow, ada = world
    months = [f"2025-{month:02d}" for month in range(1, 11)]
    lines = [f"acme,forecast,crm,1000,{month}-01T00:00:00-12:00,{month}" for month in months]
    header = "series,attribute,source,value,as_of,period"
    early = [line.replace("T00:00:00-12:00", "").replace("-01,", "-01T00:00:00+14:00,", 1) for line in lines]
    bring_in(database, workflow, "\n".join([header, *early]), kind="sources")
    actuals = "\n".join(["series,period,actual", *(f"acme,{month},1300" for month in months)])
    bring_in(database, workflow, actuals, kind="actuals")
    say(database, workflow, ("crm", 1000.0))

    found = weigh(database, workflow, take(database, ada, workflow).item.id, ada).statements.set_index("source")

    assert found.loc["crm", "known"] == 10
    assert found.loc["crm", "miss"] == pytest.approx((0.5 * (100**2 + 300**2)) ** 0.5)
    assert found.loc["ai", "miss"] == pytest.approx(100)


def test_a_source_left_out_no_longer_counts_and_says_why(database: Database, world) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1300.0))
    item_id = take(database, ada, workflow).item.id

    sourcing.leave_out(database, person_id=ada, item_id=item_id, source="crm", reason="Typed in dollars.")

    found = weigh(database, workflow, item_id, ada)
    assert found.value == pytest.approx(1000)
    assert [(one.source, one.reason, one.by) for one in found.left_out] == [("crm", "Typed in dollars.", "ada")]
    with database.reading() as session:
        events = session.execute(
            select(audit_events.c.action, audit_events.c.details).order_by(audit_events.c.id)
        ).all()
    assert ("source.left_out", {"source": "crm"}) in [tuple(event) for event in events], "and nobody's words"

    sourcing.count_again(database, person_id=ada, item_id=item_id, source="crm")
    assert weigh(database, workflow, item_id, ada).value == pytest.approx(1100)


def test_where_all_are_left_out_there_is_no_value_and_all_can_come_back(database: Database, world) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1300.0))
    item_id = take(database, ada, workflow).item.id
    for source in ("crm", "ai", "manual"):
        sourcing.leave_out(database, person_id=ada, item_id=item_id, source=source, reason="No.")

    found = weigh(database, workflow, item_id, ada)

    assert found.value is None
    assert len(found.left_out) == 3
    assert found.moves_it_most is None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [({"reason": "  "}, ChoiceInvalid), ({"source": "ghost"}, ChoiceInvalid), ({"item_id": 999}, ItemNotFound)],
)
def test_leaving_out_takes_a_reason_and_a_source_that_is_there(database, world, change, refusal) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1300.0))
    asked = {"item_id": take(database, ada, workflow).item.id, "source": "crm", "reason": "Old."}

    with pytest.raises(refusal):
        sourcing.leave_out(database, person_id=ada, **{**asked, **change})


def test_a_manager_leaves_nothing_out_and_nobody_on_a_decided_item(database: Database, world) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1000.0))
    desk = take(database, ada, workflow)
    manager = a_person(database, "max", Role.MANAGER)

    with pytest.raises(ItemNotFound):
        sourcing.leave_out(database, person_id=manager, item_id=desk.item.id, source="crm", reason="Old.")

    choice = choose(desk, Outcome.ACCEPT_AI, note="Seen.")
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    with pytest.raises(ItemNotOpen):
        sourcing.leave_out(database, person_id=ada, item_id=desk.item.id, source="crm", reason="Old.")


def test_where_sources_leave_doubt_the_ai_is_accepted_with_a_word_only(database: Database, world) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1800.0))
    desk = take(database, ada, workflow)

    assert "its sources leave" in desk.doubt
    with pytest.raises(SourcesInDoubt, match="Say in a few words what makes you sure"):
        reviewing.submit_decision(
            database, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI, key="k1")
        )

    done = reviewing.submit_decision(
        database,
        person_id=ada,
        workflow=workflow,
        choice=choose(desk, Outcome.ACCEPT_AI, key="k2", note="I asked Dana."),
    )
    assert (done.outcome, done.note) == (Outcome.ACCEPT_AI, "I asked Dana.")
    with database.reading() as session:
        made = select(audit_events.c.details).where(audit_events.c.action == "decision.made")
        assert session.execute(made).scalar_one()["doubt"] == desk.doubt


def test_where_sources_agree_or_the_policy_does_not_ask_one_press_is_enough(database: Database, world) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1001.0), ("orders", 999.0))
    desk = take(database, ada, workflow)
    assert desk.doubt == ""
    choice = choose(desk, Outcome.ACCEPT_AI)
    assert reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice).final_value == 1000

    relaxed = a_workflow(database, key="other", sources=WEIGHED_BY)
    bring_in(database, relaxed, item_of())
    say(database, relaxed, ("crm", 9000.0))
    assert take(database, ada, relaxed).doubt == ""


def test_leaving_the_odd_one_out_brings_the_one_press_back(database: Database, world) -> None:
    workflow, ada = world
    say(database, workflow, ("crm", 1800.0), ("orders", 1000.0))
    item_id = take(database, ada, workflow).item.id

    sourcing.leave_out(database, person_id=ada, item_id=item_id, source="crm", reason="Typed in dollars.")

    assert reviewing.open_item(database, person_id=ada, workflow=workflow, item_id=item_id).doubt == ""


def test_an_item_in_doubt_is_not_confirmed_with_others(database: Database) -> None:
    workflow = a_workflow(database, sources={**WEIGHED_BY, "one_key_from": 0.6}, audit_share=0)
    for series in ("acme", "bolt", "cord"):
        bring_in(database, workflow, item_of(series, manual=1000.0))
    say(database, workflow, ("crm", 1800.0))
    say(database, workflow, ("crm", 1000.0), ("orders", 1000.0), series="bolt")
    director = a_person(database, "dora", Role.DIRECTOR)

    drawn = confirming.draw_batch(database, person_id=director, workflow=workflow)
    assert sorted(item.series for item in drawn.items) == ["bolt", "cord"]

    # What comes to be in doubt after the batch was drawn is left out of it.
    say(database, workflow, ("crm", 3000.0), series="cord")
    for item in drawn.items:
        confirming.look_at(database, person_id=director, batch_id=drawn.batch.id, item_id=item.id)
    done = confirming.confirm_batch(
        database, person_id=director, workflow=workflow, batch_id=drawn.batch.id, note="Seen."
    )
    assert len(done.decisions) == 1
    assert "Look at it by itself." in done.left_out[0][1]


def test_a_blind_second_review_weighs_without_the_ai(database: Database) -> None:
    workflow = a_workflow(database, sources=WEIGHED_BY, second_review_share=1.0)
    bring_in(database, workflow, item_of(ai=5000.0, manual=1000.0))
    say(database, workflow, ("crm", 1000.0))
    ada, ben = (a_person(database, name, Role.REVIEWER) for name in ("ada", "ben"))
    first = take(database, ada, workflow)
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choose(first, Outcome.ACCEPT_AI))
    second = take(database, ben, workflow)

    with database.reading() as session:
        found = hearing.weigh_item(session, workflow, second.item)

    assert sorted(found.statements["source"]) == ["crm", "manual"]
    assert found.value == pytest.approx(1000)


def test_the_server_learns_when_something_came_in_and_not_before(database: Database, world) -> None:
    workflow, _ = world
    assert sourcing.learn(database) == []  # no other system has spoken

    say(database, workflow, ("crm", 1300.0))
    assert sourcing.learn(database) == [workflow.id]
    assert sourcing.learn(database) == []

    bring_in(database, workflow, "series,period,actual\nacme,2198-12,1200\n", kind="actuals")
    assert sourcing.learn(database) == [workflow.id]
    with database.reading() as session:
        learnt = lessons.standing(session, workflow.id)
    assert learnt.classes.set_index("source")["n"].to_dict() == {"ai": 1, "crm": 1, "manual": 1}
    assert learnt.outcomes == 1
    assert learnt.curve == ()
    assert learnt.learnt_at is not None

    a_workflow(database, materiality=None, sources={**WEIGHED_BY, "one_key_from": 0.5})
    assert sourcing.learn(database) == [workflow.id]


def test_what_was_learnt_of_a_source_elsewhere_is_its_usual_miss_here(database: Database, world) -> None:
    workflow, ada = world
    header = "series,attribute,source,value,as_of,period"
    others = [f"s{number}" for number in range(40)]
    history = "\n".join(["series,period,actual", *(f"{name},2025-01,1300" for name in others)])
    bring_in(database, workflow, history, kind="history")
    lines = [f"{name},forecast,crm,1000,2024-12-20,2025-01" for name in others]
    bring_in(database, workflow, "\n".join([header, *lines]), kind="sources")
    say(database, workflow, ("crm", 1000.0))
    sourcing.learn(database)

    found = weigh(database, workflow, take(database, ada, workflow).item.id, ada).statements.set_index("source")

    # By hand: 40 errors of 30 % beside ten assumed ones of 10 %.
    assert found.loc["crm", "miss"] == pytest.approx(1000 * ((10 * 0.01 + 40 * 0.09) / 50) ** 0.5)
    assert found.loc["crm", "rests_on"] == "class"


def test_only_who_brings_data_in_forgets_an_identifier(database: Database, world) -> None:
    workflow, ada = world
    bring_in(
        database, workflow,
        "series,attribute,source,value,as_of,period,record_id\nacme,forecast,crm,1,2026-01-01,2198-12,A-17\n",
        kind="sources",
    )  # fmt: skip
    with database.reading() as session:
        owner = people.find(session, "test", "owner")

    with pytest.raises(sourcing.IdentifierGone):
        sourcing.forget_identifier(database, person_id=ada, identifier_id=1)
    sourcing.forget_identifier(database, person_id=owner, identifier_id=1)
    with pytest.raises(sourcing.IdentifierGone):
        sourcing.forget_identifier(database, person_id=owner, identifier_id=1)

    again = bring_in(
        database, workflow,
        "series,attribute,source,value,as_of,period\nA-17,forecast,crm,1,2026-02-01,2198-12\n", kind="sources",
    )  # fmt: skip
    assert again.counts.reasons == {"UNKNOWN_SERIES": 1}

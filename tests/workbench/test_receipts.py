"""The receipt of a decision: all that belongs to it, inside a person's scope, and nothing that a blind review hides."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from review_queue.errors import DecisionNotFound, ReceiptSealed
from review_queue.items import Act, Outcome, Stage
from review_queue.roles import Role
from storage.engine import database_now
from storage.tables import cycles, decisions, reasons
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from workbench import reads
from workbench.actions import assigning, reviewing
from workbench.settings import settings

MARKUP = "see ![x](https://elsewhere.example/x.png)"
ROWS = """series,period,ai_forecast,ai_low,ai_high,human_forecast,model_version,segment_region
acme,2026-12,1000,900,1100,1400,m-1,North
bolt,2026-12,1000,900,1100,1300,m-1,South
"""


@pytest.fixture
def workflow(database):
    found = a_workflow(database, segments=["region"], audit_share=0.0)
    bring_in(database, found, ROWS)
    return found


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


@pytest.fixture
def dora(database):
    return a_person(database, "Dora", Role.DIRECTOR)


def decide(database, person, workflow, outcome=Outcome.ADJUST, *, item_id=None, key="first", **changes):
    desk = (
        take(database, person, workflow)
        if item_id is None
        else reviewing.open_item(database, person_id=person, workflow=workflow, item_id=item_id)
    )
    asked = {"value": 1200.0, "reason": BECAUSE} if outcome is Outcome.ADJUST else {}
    choice = choose(desk, outcome, key=key, **asked | changes)
    return reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)


def receipt(database, person, decision):
    return reads.receipt(database, person_id=person, decision_id=decision.id)


def listed(database, person, workflow, **wanted):
    return reads.past_decisions(database, person_id=person, workflow_id=workflow.id, **wanted)


def test_a_receipt_holds_what_was_on_the_screen_who_when_and_why(database, workflow, ada):
    desk = take(database, ada, workflow)
    reviewing.open_evidence(database, person_id=ada, item=desk.item, panel="model")
    because = replace(BECAUSE, direction="up", effect_mid=200.0, confidence=70)
    done = decide(database, ada, workflow, reason=because, queue_length=2, opened_at=desk.opened_at)

    told = receipt(database, ada, done)

    assert (told.decision, told.item.series, told.reason) == (done, "acme", because)
    screen = told.screen
    assert (screen.ai, screen.low, screen.high, screen.manual, screen.gap) == (1000.0, 900.0, 1100.0, 1400.0, 400.0)
    assert (screen.model_version, screen.mode, screen.queue_length) == ("m-1", "ai_first", 2)
    assert (screen.policy_version, screen.owner) == (1, "o@example.com")
    assert [panel for panel, _ in told.panels] == ["model"]
    assert told.times.claimed <= told.times.opened <= told.times.first_evidence <= told.times.decided
    assert (told.supersedes, told.superseded_by, told.later, told.newer, told.actual) == (None, None, (), (), None)


def test_a_receipt_names_who_had_made_the_manual_forecast_that_was_shown(database, workflow, ada):
    signed = (
        "series,period,human_forecast,human_by,human_made_at,segment_region\nacme,2026-12,{},{},2026-10-0{},North\n"
    )
    bring_in(database, workflow, signed.format(1450, "Nils", 1))
    done = decide(database, ada, workflow)
    bring_in(database, workflow, signed.format(1450.5, "Olga", 2))

    screen = receipt(database, ada, done).screen

    assert (screen.manual, screen.manual_by, f"{screen.manual_made_at:%m-%d}") == (1450.0, "Nils", "10-01")


def test_a_receipt_keeps_what_was_shown_and_tells_what_came_later(database, workflow, ada, dora):
    done = decide(database, ada, workflow)
    later = "series,period,ai_forecast,segment_region\nacme,2026-12,1150,North\n"
    bring_in(database, workflow, later)
    bring_in(database, workflow, "series,period,actual\nacme,2026-12,1190\n", kind="actuals")
    reviewing.comment(database, person_id=dora, item_id=done.item_id, body="Well seen.")
    with database.writing() as session:
        now = database_now(session)
        session.execute(update(cycles).values(locked_at=now))
        became = {"outcome": "came_true", "outcome_by": dora, "outcome_at": now, "realised_effect": 190.0}
        session.execute(update(reasons).values(**became))

    told = receipt(database, ada, done)

    assert told.screen.ai == 1000.0
    assert [(newer.source, newer.value) for newer in told.newer] == [("ai", 1150.0)]
    assert told.actual.value == 1190.0
    assert [(comment.author, comment.body) for comment in told.comments] == [("Dora", "Well seen.")]
    assert (told.became.outcome, told.became.by, told.became.effect) == ("came_true", "Dora", 190.0)
    assert told.locked_at is not None


def test_a_receipt_names_what_it_superseded_and_what_took_its_place(database, workflow, ada, dora):
    first = decide(database, ada, workflow)
    undone = reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=first.id, key="undo")
    again = decide(database, ada, workflow, key="second", value=1250.0)
    assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=first.item_id, note="Look again.")
    other = decide(database, dora, workflow, item_id=first.item_id, key="third", value=1300.0)

    oldest, middle, newest = (receipt(database, ada, each) for each in (first, again, other))

    assert (oldest.supersedes, oldest.superseded_by.act) == (None, Act.UNDO)
    assert [each.id for each in oldest.later] == [undone.id, again.id, other.id]
    assert (middle.supersedes.id, middle.superseded_by) == (undone.id, None)
    assert (middle.decision.round, middle.item.round) == (1, 2)
    assert ([each.id for each in newest.earlier], newest.later) == ([first.id, undone.id, again.id], ())


def test_a_receipt_outside_of_ones_scope_is_refused_like_one_that_is_not_there(database, workflow, ada):
    done = decide(database, ada, workflow)
    south = a_person(database, "Sue", Role.REVIEWER, segment_path="South\x1f")
    nobody = a_person(database, "Nob")

    for person, decision_id in ((south, done.id), (nobody, done.id), (ada, 999)):
        with pytest.raises(DecisionNotFound, match=rf"Decision {decision_id} is not among those that you may see"):
            reads.receipt(database, person_id=person, decision_id=decision_id)
    assert listed(database, south, workflow).empty
    assert listed(database, nobody, workflow).empty


def test_the_last_decisions_are_found_by_series_and_outcome_and_an_undo_is_no_choice(database, workflow, ada):
    first = decide(database, ada, workflow)
    second = decide(database, ada, workflow, Outcome.SEND_BACK, key="back", note="Which contract?")
    third = reviewing.undo(database, person_id=ada, workflow=workflow, decision_id=second.id, key="undo")

    assert list(listed(database, ada, workflow)["id"]) == [second.id, first.id]
    assert list(listed(database, ada, workflow, search="CM")["id"]) == [first.id]
    assert list(listed(database, ada, workflow, outcomes=(Outcome.SEND_BACK,))["id"]) == [second.id]
    assert receipt(database, ada, third).supersedes.id == second.id


@pytest.fixture
def twice(database):
    """Everything is reviewed a second time."""
    found = a_workflow(database, segments=["region"], audit_share=0.0, second_review_share=1.0)
    bring_in(database, found, ROWS.splitlines()[0] + "\n" + ROWS.splitlines()[1] + "\n")
    return found


def test_whoever_may_give_the_second_review_gets_no_receipt_of_the_first(database, twice, ada, dora):
    first = decide(database, ada, twice)
    auditor = a_person(database, "Aiko", Role.AUDITOR)

    with pytest.raises(ReceiptSealed, match="reviewed a second time, blind"):
        receipt(database, dora, first)
    assert listed(database, dora, twice).empty
    # Neither who gave the first nor who reviews nothing could be misled.
    for person in (ada, auditor):
        assert receipt(database, person, first).decision == first
        assert list(listed(database, person, twice)["id"]) == [first.id]


def test_the_second_reviewer_gets_receipts_only_once_there_is_no_undoing_their_own(database, twice, ada, dora):
    first = decide(database, ada, twice)
    second = decide(database, dora, twice, key="second", value=1500.0)
    assert second.stage is Stage.SECOND

    for done in (first, second):
        with pytest.raises(ReceiptSealed):
            receipt(database, dora, done)
    assert listed(database, dora, twice).empty

    with database.writing() as session:
        long_ago = database_now(session) - timedelta(seconds=twice.policy.undo_seconds + 1)
        session.execute(update(decisions).values(decided_at=long_ago))
    assert receipt(database, dora, second).supersedes.id == first.id
    found = listed(database, dora, twice)
    assert list(found["id"]) == [second.id, first.id]
    assert found["ai"].isna().tolist() == [True, False]  # what was not on the screen


def receipt_page() -> None:
    """The receipt that the link names, below the page's guard."""
    import streamlit as st

    from storage import people
    from workbench.receipt_parts import receipt, wanted_receipt
    from workbench.session import database

    with database().reading() as session:
        user = people.principal(session, st.session_state["person_id"])
    told = wanted_receipt(user, database())
    if told is not None:
        receipt(told)


@pytest.fixture
def open_as(database_url, monkeypatch):
    """Open the page as somebody, by a link."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()

    def opened(person, decision):
        at = AppTest.from_function(receipt_page, default_timeout=60)
        at.session_state["person_id"] = person
        at.query_params["decision"] = str(decision)
        return at.run()

    yield opened
    settings.cache_clear()


def said(at):
    assert not at.exception
    kinds = (at.text, at.caption, at.info, at.warning, at.markdown)
    return " ".join(element.value for kind in kinds for element in kind).replace("\\", "")


def test_the_page_says_whose_number_was_nearer_and_shows_what_others_wrote_as_text(database, workflow, ada, open_as):
    because = replace(BECAUSE, text=MARKUP, direction="up", effect_mid=200.0, valid_until=date(2027, 3, 1))
    done = decide(database, ada, workflow, reason=because)
    bring_in(database, workflow, "series,period,actual\nacme,2026-12,1150\n", kind="actuals")

    at = open_as(ada, done.id)

    assert [metric.value for metric in at.metric] == ["1,000 EUR k", "+400 EUR k", "1,400 EUR k", "1,200 EUR k"]
    assert "The final number was nearer by 100 EUR k: it missed by 50 EUR k." in said(at)
    assert "Customer risk" in said(at)
    assert "until 1 Mar 2027" in said(at)
    assert MARKUP in [element.value for element in at.text]
    assert not [element for element in (*at.markdown, *at.caption) if "![x]" in element.value]


@pytest.mark.parametrize("link", ["999", "x", "1" * 30, "²"])
def test_a_link_to_no_decision_is_said_in_a_sentence(database, workflow, ada, open_as, link):
    assert "from the list" in said(open_as(ada, link))

"""Sources on the screens: what they come to beside an item, one press that is not enough, and the page of conflicts."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from review_queue.items import Outcome
from review_queue.roles import Role
from storage import exclusions, people
from storage.tables import decisions, evidence_views
from tests.builders import a_person, a_workflow, bring_in
from tests.workbench.test_flow_screens import has, press, read, review_page, rows_of
from tests.workbench.test_hearing import WEIGHED_BY, item_of, say
from workbench.actions import sourcing
from workbench.source_parts import in_four_figures

MARKUP = "see ![x](https://elsewhere.example/x.png)"


def sources_page() -> None:
    """Sources below its guard, for the person whose id stands in the session."""
    import runpy

    import streamlit as st

    from storage import people
    from workbench import session

    with session.database().reading() as reading:
        user = people.principal(reading, st.session_state["person_id"])
    kept = session.require_user
    session.require_user = lambda: user
    try:
        runpy.run_path("pages/sources.py")
    finally:
        session.require_user = kept


@pytest.fixture
def workflow(database):
    made = a_workflow(database, materiality=None, audit_share=0.0, sources={**WEIGHED_BY, "one_key_from": 0.6})
    bring_in(database, made, item_of(manual=1000.0))
    return made


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def opened(open_as, ada):
    """Review with the panel of sources open."""
    return open_as(review_page, ada, panel="sources")


def field(at, label: str):
    elements = (*at.text_input, *at.selectbox)
    return next(element for element in elements if element.label == label)


def weights(at):
    return next(frame.value for frame in at.dataframe if "share" in frame.value.columns).set_index("source")


def test_the_panel_says_what_the_sources_come_to_and_how_sure_that_is(database, workflow, ada, open_as):
    say(database, workflow, ("crm", 1300.0), ("orders", 900.0))

    at = opened(open_as, ada)

    words = read(at)
    assert "4 sources come to 1,050" in words
    assert "8 times in 10" in words
    assert "confidence" in words
    assert "The chance that the actual lies within 10 % of it, ±105 EUR k, is about 8 in 10 (uncalibrated" in words
    assert "Without crm it would be 966.7 EUR k (−83.33); no other matters as much." in words
    table = weights(at)
    assert table["share"].sum() == pytest.approx(1)
    assert table.loc["crm", "why"] == "fresh (today) · assumed to miss by 8 % · independent"
    assert [panel.panel for panel in rows_of(database, evidence_views)] == ["sources"]


def test_without_other_systems_the_panel_is_the_table_of_forecasts(database, workflow, ada, open_as):
    at = opened(open_as, ada)

    assert "sources come to" not in read(at)
    assert any("received" in frame.value.columns for frame in at.dataframe)


def test_what_is_said_of_other_attributes_stands_below_the_forecasts(database, workflow, ada, open_as):
    text = "series,attribute,source,value,as_of\nacme,contract value,crm,9000,2026-01-01\n"
    bring_in(database, workflow, text, kind="sources")

    at = opened(open_as, ada)

    assert "What else they say of this series" in read(at)
    assert any("received" in frame.value.columns for frame in at.dataframe)
    assert any("attribute" in frame.value.columns for frame in at.dataframe)


def test_in_doubt_a_press_of_accept_asks_for_a_word_and_saves_with_it(database, workflow, ada, open_as):
    say(database, workflow, ("crm", 1800.0))
    at = press(open_as(review_page, ada), "Accept AI")

    assert rows_of(database, decisions) == []
    assert "Its sources leave" in read(at)

    press(at, "Save")
    assert "what makes you sure" in read(at)
    assert rows_of(database, decisions) == []

    field(at, "What makes you sure of the AI's value?").set_value("I asked Dana.").run()
    press(at, "Save")
    stored = rows_of(database, decisions)
    assert [(row.outcome, row.note, row.final_value) for row in stored] == [("accept_ai", "I asked Dana.", 1000.0)]


def test_without_doubt_one_press_is_enough(database, workflow, ada, open_as):
    say(database, workflow, ("crm", 1001.0), ("orders", 1002.0))

    press(open_as(review_page, ada), "Accept AI")

    assert [row.outcome for row in rows_of(database, decisions)] == [Outcome.ACCEPT_AI]


def test_doubt_that_comes_while_the_item_lies_open_is_said_and_asked_about(database, workflow, ada, open_as):
    at = open_as(review_page, ada)
    say(database, workflow, ("crm", 1800.0))

    press(at, "Accept AI")

    assert rows_of(database, decisions) == []
    assert "Say in a few words what makes you sure" in read(at)
    assert has(at, "Save")


def test_a_source_is_left_out_with_a_reason_and_counts_again(database, workflow, ada, open_as):
    say(database, workflow, ("crm", 1800.0))
    at = opened(open_as, ada)

    press(at, "Leave out")
    assert "Choose the source" in read(at)
    field(at, "Leave a source out").set_value("crm")
    press(at, "Leave out")
    assert "say why crm should not count here" in read(at)
    field(at, "Why should it not count?").set_value(MARKUP)
    field(at, "Leave a source out").set_value("crm")
    press(at, "Leave out")

    item = at.session_state["sitting"].desk.item
    with database.reading() as session:
        assert [one.source for one in exclusions.standing(session, [item.id])] == ["crm"]
    assert "2 sources come to 1,000" in read(at)
    assert weights(at).loc["crm", "why"] == f"left out by Ada: {MARKUP}"
    assert at.session_state["sitting"].desk.doubt == ""

    press(at, "Count crm again")
    assert "3 sources come to" in read(at)
    assert at.session_state["sitting"].desk.doubt != ""


def test_the_page_lists_what_is_in_conflict_first(database, workflow, ada, open_as):
    bring_in(database, workflow, item_of("bolt", manual=1000.0))
    say(database, workflow, ("crm", 1800.0))
    say(database, workflow, ("crm", 1010.0), series="bolt")
    sourcing.learn(database)

    at = open_as(sources_page, ada)

    words = read(at)
    assert "1 of 2 open items that other systems speak of is in conflict." in words
    listed = next(frame.value for frame in at.dataframe if "agreement" in frame.value.columns)
    assert listed["name"].tolist() == ["acme"]
    assert "What do they call our series?" not in words
    assert "Not known yet: no period that other systems spoke of has an actual." in words


def test_the_page_does_not_give_a_hidden_ai_value_away(database, ada, open_as):
    made = a_workflow(database, materiality=1.0, human_first_share=1.0, sources=WEIGHED_BY)
    bring_in(database, made, item_of(ai=9000.0, manual=1000.0))
    say(database, made, ("crm", 1000.0))

    at = open_as(sources_page, ada, show="All")

    listed = next(frame.value for frame in at.dataframe if "agreement" in frame.value.columns)
    assert listed[["sources", "value"]].to_numpy().tolist() == [[2, 1000.0]]


def test_who_brings_data_in_forgets_an_identifier_on_the_page(database, workflow, open_as):
    at = datetime.now(UTC).isoformat()
    text = f"series,attribute,source,value,as_of,period,record_id\nacme,forecast,crm,900,{at},2198-12,A-17\n"
    bring_in(database, workflow, text, kind="sources")
    with database.reading() as session:
        owner = people.find(session, "test", "owner")

    page = open_as(sources_page, owner)

    assert "1 identifier known." in read(page)
    listed = next(frame.value for frame in page.dataframe if "record_id" in frame.value.columns)
    assert listed["record_id"].tolist() == ["A-17"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([552.5641, 63.5049], [552.6, 63.5]),
        ([0.034567], [0.03457]),
        ([186_979.4, 0.0], [186_979.0, 0.0]),
        ([0.0], [0.0]),
    ],
)
def test_values_stand_in_a_table_with_four_figures(values, shown):
    assert in_four_figures(pd.Series(values)).tolist() == shown


def test_an_empty_page_says_what_to_do(database, workflow, ada, open_as):
    assert "No other system has said anything yet." in read(open_as(sources_page, ada))


def test_nobody_sees_items_outside_their_scope_on_the_page(database, open_as):
    made = a_workflow(database, segments=["region"], sources=WEIGHED_BY)
    for series, region in (("acme", "North"), ("bolt", "South")):
        row = item_of(series).replace("\n", ",segment_region\n", 1).rstrip("\n") + f",{region}\n"
        bring_in(database, made, row)
        say(database, made, ("crm", 5000.0), series=series)
    ben = a_person(database, "Ben", Role.REVIEWER, segment_path="North\x1f")

    at = open_as(sources_page, ben)

    listed = next(frame.value for frame in at.dataframe if "agreement" in frame.value.columns)
    assert listed["name"].tolist() == ["acme"]

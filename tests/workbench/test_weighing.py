"""What stands beside a choice on the Review screen to weigh it by, run without a browser."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from review_queue.items import Outcome
from review_queue.roles import Role
from storage.tables import decisions, evidence_views, items, reasons
from tests.builders import a_person, a_workflow, bring_in, choose, take
from tests.workbench.test_flow_screens import press, read, review_page, rows_of, said
from workbench import reads
from workbench.actions import reviewing

MARKUP = "see ![x](https://elsewhere.example/x.png)"
HEADER = "series,period,ai_forecast,ai_low,ai_high,human_forecast,segment_region\n"
NOW = HEADER + "acme,2027-01,1000,900,1100,1400,North\nacme,2027-02,1000,900,1100,1001,North\n"


@pytest.fixture
def workflow(database):
    card = {"weak_at": MARKUP, "uses": "Bookings"}
    made = a_workflow(database, segments=["region"], audit_share=0.0, model_card=card)
    bring_in(database, made, NOW)
    return made


@pytest.fixture
def ada(database):
    return a_person(database, "Ada", Role.REVIEWER)


def history(database, workflow, *, count: int, series: str = "acme", off: float = 100.0, year: int = 2025) -> None:
    """So many earlier months, in each of which the actual was ``off`` above an AI value of 1000."""
    months = [f"{year + month // 12}-{month % 12 + 1:02d}" for month in range(count)]
    bring_in(database, workflow, HEADER + "".join(f"{series},{month},1000,900,1100,1300,North\n" for month in months))
    lines = "".join(f"{series},{month},{1000 + off}\n" for month in months)
    bring_in(database, workflow, f"series,period,actual\n{lines}", kind="actuals")
    with database.writing() as session:
        session.execute(update(items).where(items.c.period.in_(months)).values(state="decided"))


def overrides(database, person) -> None:
    """On every decided item an upward override by 200 for a customer's commitment."""
    shown = {"act": "decide", "outcome": "adjust", "final_value": 1200.0, "is_override": True, "ai_value": 1000.0}
    rest = {"scale": 50.0, "band": "large", "flagged": True, "lane": 1, "score": 1.0, "policy_version": 1, "fence": 1}
    with database.writing() as session:
        for row in session.execute(select(items.c.id, items.c.created_at).where(items.c.state == "decided")).all():
            key = {"idempotency_key": f"past-{row.id}", "request_hash": "x", "content_hash": "x", "mode": "ai_first"}
            values = {**shown, **rest, **key, "item_id": row.id, "round": 1, "actor_id": person}
            session.execute(insert(decisions).values(**values, reason_code="CUST_COMMIT", decided_at=row.created_at))


def number(at, label: str):
    return next(element for element in at.number_input if element.label == label)


def chips(at, label: str):
    return next(element for element in at.get("button_group") if element.label == label)


def adjusted(at, final: float = 1300.0):
    """The page with *Adjust* open at this value."""
    number(at, "Final").set_value(final)
    return at.run()


def test_a_gap_is_set_beside_the_past_misses_here(database, workflow, ada, open_as):
    history(database, workflow, count=6, off=-150)

    assert "Larger than all of the AI’s last 6 misses here." in read(open_as(review_page, ada))


def test_a_gap_without_past_misses_says_so(workflow, ada, open_as):
    assert "The AI has no past misses here yet." in read(open_as(review_page, ada))


def test_a_new_series_is_set_beside_the_misses_of_its_region(database, workflow, ada, open_as):
    history(database, workflow, count=6, series="bolt", off=500)

    words = "No past misses here. Larger than none of the last 6 in North, set to the size of this forecast."
    assert words in read(open_as(review_page, ada))


def test_the_misses_are_read_once_while_an_item_lies_open(database, workflow, ada, open_as, monkeypatch):
    asked, really = [], reads.surroundings
    monkeypatch.setattr(reads, "surroundings", lambda *args, **kwargs: asked.append(1) or really(*args, **kwargs))

    adjusted(open_as(review_page, ada))

    assert len(asked) == 1


def test_a_final_value_can_be_said_as_a_change_in_percent_or_between_the_two(workflow, ada, open_as):
    at = adjusted(open_as(review_page, ada), 1100.0)
    assert [number(at, "Change (EUR k)").value, number(at, "Change in %").value, at.slider[0].value] == [100, 10, 25]

    number(at, "Change in %").set_value(-5.0)
    at.run()
    assert [number(at, "Final").value, number(at, "Change (EUR k)").value, at.slider[0].value] == [950, -50, 0]

    at.slider[0].set_value(75.0)
    at.run()
    assert [number(at, "Final").value, number(at, "Change (EUR k)").value] == [1300, 300]

    number(at, "Change (EUR k)").set_value(20.0)
    at.run()
    assert [number(at, "Final").value, number(at, "Change in %").value, at.slider[0].value] == [1020, 2, 5]


def test_the_browser_is_told_on_every_run_where_the_final_value_stands(workflow, ada, open_as):
    at = open_as(review_page, ada)
    assert number(at, "Final").proto.default == 1000
    at.run()
    assert number(at, "Final").proto.default == 1000
    assert number(adjusted(at), "Final").proto.default == 1300


def test_the_whole_reason_is_in_sight_but_for_four_fields(workflow, ada, open_as):
    at = adjusted(open_as(review_page, ada))

    more = next(panel for panel in at.expander if panel.label == "More about it")
    kinds = ("number_input", "text_input", "date_input", "multiselect", "button_group", "selectbox")
    hidden = {element.label for kind in kinds for element in more.get(kind)}
    shown = {element.label for kind in kinds for element in at.get(kind)} - hidden
    assert hidden == {"Further reasons", "In our control?", "Reference", "Valid from"}
    assert shown >= {
        "Reason", "Direction", "Effect, at least", "Effect (EUR k)", "Effect, at most", "How sure", "Source",
        "Already in the model?", "Valid until", "Note",
    }  # fmt: skip


def test_the_track_record_of_such_changes_stands_beside_the_reason_and_can_be_followed(
    database, workflow, ada, open_as
):
    history(database, workflow, count=12, off=50)
    overrides(database, ada)
    at = adjusted(open_as(review_page, ada))
    chips(at, "Reason").set_value("CUST_COMMIT").run()

    # Twelve changes by 200 where 50 was missing: (12 · ¼ + 10 · ½) / 22 of it is worth keeping.
    kept = 1000 + 300 * (12 / 4 + 10 / 2) / 22
    words = "Upward changes for Customer commitment here in North: 12, of which 0 helped; the little history there is"
    assert f"{words} suggests keeping about 36 %. Of this change that leaves 1,109 EUR k." in read(at)
    press(at, "Use the damped value")

    assert number(at, "Final").value == pytest.approx(kept)
    note = next(element for element in at.text_input if element.label == "Note")
    assert note.value == "Damped to 36 % of +300 by track record."
    assert "Use the damped value" not in [button.label for button in at.button]
    press(at, "Save")
    stored = rows_of(database, decisions)[-1]
    assert (stored.outcome, stored.final_value) == ("adjust", pytest.approx(kept))


def test_a_short_track_record_suggests_nothing(database, workflow, ada, open_as):
    history(database, workflow, count=3, off=50)
    overrides(database, ada)
    at = adjusted(open_as(review_page, ada))
    chips(at, "Reason").set_value("CUST_COMMIT").run()

    assert "in all of the workflow: not enough yet (3 of 10)." in read(at)
    assert "Use the damped value" not in [button.label for button in at.button]


def test_a_timing_shift_names_the_period_that_gets_the_opposite_entry(database, workflow, ada, open_as):
    at = adjusted(open_as(review_page, ada))
    chips(at, "Reason").set_value("PROMO").run()
    assert not at.selectbox
    chips(at, "Reason").set_value("DEAL_TIMING").run()

    (period,) = at.selectbox
    assert (period.label, period.options, period.value) == ("Other period", ["2027-02"], None)
    period.set_value("2027-02").run()
    press(at, "Save")

    kept = [(row.code, row.paired_period) for row in rows_of(database, reasons)]
    assert kept[0] == ("DEAL_TIMING", "2027-02")
    assert len(kept) == 2  # the other half has its own


def test_another_reason_takes_the_other_period_with_it(database, workflow, ada, open_as):
    at = adjusted(open_as(review_page, ada))
    chips(at, "Reason").set_value("DEAL_TIMING").run()
    at.selectbox[0].set_value("2027-02").run()
    chips(at, "Reason").set_value("PROMO").run()

    press(at, "Save")

    assert rows_of(database, reasons)[0].paired_period is None


def test_the_model_card_says_what_its_owner_wrote_and_what_was_measured(database, workflow, ada, open_as):
    history(database, workflow, count=6, off=-150)

    at = open_as(review_page, ada, panel="card")

    assert MARKUP in [element.value for element in at.text]
    assert "![x]" not in " ".join(element.value for element in (*at.caption, *at.markdown))
    table = at.dataframe[0].value.set_index("Where")
    assert table.loc["This series", ["Forecasts", "Typical miss", "Bias"]].tolist() == [
        "6",
        "150 EUR k",
        "+17.6% (too high)",
    ]
    assert table.loc["This series", "Inside its range"] == "not enough yet (6 of 30)"
    assert "2025-06: said 1,000, came 850, off by −150 EUR k" in read(at)
    assert [view.panel for view in rows_of(database, evidence_views)] == ["card"]


def test_below_five_the_model_card_admits_that_it_cannot_tell(database, workflow, ada, open_as):
    history(database, workflow, count=4)

    at = open_as(review_page, ada, panel="card")

    assert at.dataframe[0].value["Typical miss"].tolist() == ["not enough yet (4 of 5)"] * 2
    assert "On this series: not enough yet (0 of 10), 0 of them helped." in read(at)


def test_a_blind_review_offers_no_way_to_a_number_that_starts_from_the_ai(database, ada, open_as):
    blind = a_workflow(database, second_review_share=1.0)
    bring_in(database, blind, NOW.replace(",segment_region", "").replace(",North", ""))
    first = take(database, ada, blind)
    reviewing.submit_decision(database, person_id=ada, workflow=blind, choice=choose(first, Outcome.ACCEPT_AI))
    ben = a_person(database, "Ben", Role.REVIEWER)

    at = adjusted(open_as(review_page, ben, item=str(first.item.id)), 1234.0)

    assert [element.label for element in at.number_input] == ["Final"]
    assert not at.slider
    assert "The model" not in [panel.label for panel in at.expander]
    assert "misses" not in said(at)

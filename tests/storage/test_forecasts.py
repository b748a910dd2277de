"""What files leave in the tables: forecasts are added and never edited, and the same again leaves nothing."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pandas as pd
import pytest
from sqlalchemy import func, select, update

from review_queue.columns import Kind
from review_queue.items import Outcome, State
from review_queue.roles import Role
from review_queue.rows import check_rows
from storage import matching, reports
from storage.engine import database_now
from storage.tables import (
    actuals,
    audit_events,
    cycles,
    decisions,
    forecasts,
    imports,
    items,
    model_versions,
    past_reviews,
    segments,
    series,
    sources,
)
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from workbench.actions import reviewing

HEADER = "series,period,ai_forecast,ai_low,ai_high,model_version,human_forecast,human_by,human_note,naive_forecast"
ROW = "acme,2026-12,100,90,120,m-1,130,Jo,They told me.,95"


@pytest.fixture
def workflow(database):
    return a_workflow(database, segments=["region", "area"])


def counts(database, *tables):
    with database.reading() as session:
        return [session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def only(database, table, *columns):
    with database.reading() as session:
        return session.execute(select(*(columns or (table,))).order_by(table.c.id)).all()


def test_a_row_becomes_an_item_with_a_forecast_of_each_source(database, workflow):
    bring_in(
        database, workflow, f"{HEADER},ai_q25,created_at,due_at,horizon\n{ROW},96.5,2026-11-01,2026-11-20T17:00,3\n"
    )

    (item,) = only(database, items)
    assert (item.period, item.horizon, item.state, item.round) == ("2026-12", 3, "ready", 1)
    assert item.created_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert item.due_at == datetime(2026, 11, 20, 17, tzinfo=UTC)
    with database.reading() as session:
        rows = session.execute(
            select(sources.c.key, forecasts, model_versions.c.name)
            .join(sources)
            .outerjoin(model_versions)
            .order_by(sources.c.key)
        ).all()
    ai, manual, naive = rows
    assert (ai.key, ai.value, ai.low, ai.high, ai.interval_level, ai.name) == ("ai", 100, 90, 120, 0.8, "m-1")
    assert ai.quantiles == {"0.25": 96.5}
    assert (manual.key, manual.value, manual.author, manual.note) == ("manual", 130, "Jo", "They told me.")
    assert (naive.key, naive.value, naive.quantiles) == ("naive", 95, None)
    assert {row.import_id for row in rows} == {1}


def test_segments_are_made_as_a_tree_once(database, workflow):
    header = "series,period,ai_forecast,segment_region,segment_area"

    bring_in(database, workflow, f"{header}\na,2026-12,1,North,East\nb,2026-12,1,North,West\nc,2026-12,1,South,\n")
    bring_in(database, workflow, f"{header}\nd,2026-12,1,North,East\ne,2026-12,1,,\n")

    made = {row.path: row for row in only(database, segments)}
    assert set(made) == {"North\x1f", "South\x1f", "North\x1fEast\x1f", "North\x1fWest\x1f"}
    assert made["North\x1fEast\x1f"].parent_id == made["North\x1f"].id
    assert [made["North\x1fEast\x1f"].level, made["North\x1fEast\x1f"].depth] == ["area", 1]
    paths = {row.id: path for path, row in made.items()}
    of_item = {row.key: paths.get(row.segment_id, "") for row in only(database, series)}
    assert of_item == {
        "a": "North\x1fEast\x1f",
        "b": "North\x1fWest\x1f",
        "c": "South\x1f",
        "d": "North\x1fEast\x1f",
        "e": "",
    }


def test_history_makes_series_and_forecasts_then_say_where_they_belong(database, workflow):
    bring_in(database, workflow, "series,period,actual\na,2025-12,5\n", kind="history")
    bring_in(database, workflow, "series,period,ai_forecast,segment_region\na,2026-12,1,North\n")

    assert [row.key for row in only(database, series)] == ["a"]
    assert only(database, series)[0].segment_id == only(database, items)[0].segment_id != None  # noqa: E711


def test_the_same_file_again_leaves_only_a_line_among_the_imports(database, workflow):
    everything = (items, forecasts, series, segments, cycles, sources, model_versions)
    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    before, item = counts(database, *everything), only(database, items)

    again = bring_in(database, workflow, f"{HEADER}\n{ROW}\n")

    assert (again.counts.unchanged, again.counts.accepted, again.counts.updated) == (1, 0, 0)
    assert counts(database, *everything) == before
    assert only(database, items) == item
    assert counts(database, imports) == [2]


def test_a_changed_forecast_is_added_and_the_old_one_stays(database, workflow):
    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    before = only(database, items)[0]

    summary = bring_in(database, workflow, f"{HEADER}\n{ROW.replace(',100,', ',101,')}\n")

    assert summary.counts.updated == 1
    assert [row.value for row in only(database, forecasts, forecasts.c.value)] == [100, 130, 95, 101]
    after = only(database, items)[0]
    assert (before.gap, after.gap) == (30, 29)
    assert after.content_hash != before.content_hash


def test_a_new_due_date_or_value_of_a_unit_moves_the_item_and_adds_no_forecast(database, workflow):
    bring_in(database, workflow, "series,period,ai_forecast,human_forecast\na,2026-12,1,11\na,2027-01,1,21\n")

    summary = bring_in(
        database, workflow, "series,period,ai_forecast,due_at,value_per_unit\na,2026-12,1,2026-12-24,3\n"
    )

    assert summary.counts.updated == 1
    first, second = only(database, items)
    assert (first.due_at, first.money, second.money) == (datetime(2026, 12, 24, 17, tzinfo=UTC), 30, 60)
    assert counts(database, forecasts) == [4]


def test_a_number_typed_in_meanwhile_stands_when_the_file_comes_again(database, workflow):
    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    with database.writing() as session:
        manual = session.execute(select(forecasts).where(forecasts.c.value == 130)).one()._asdict()
        del manual["id"]
        session.execute(forecasts.insert().values({**manual, "value": 140, "content_hash": "typed", "import_id": None}))

    assert bring_in(database, workflow, f"{HEADER}\n{ROW}\n").counts.unchanged == 1
    assert only(database, forecasts, forecasts.c.value)[-1].value == 140


def test_an_item_that_was_sent_back_is_ready_again_when_a_new_forecast_arrives(database, workflow):
    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    with database.writing() as session:
        session.execute(update(items).values(state=State.SENT_BACK))

    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    unchanged = only(database, items)[0].state
    bring_in(database, workflow, f"{HEADER}\n{ROW.replace(',100,', ',101,')}\n")

    assert (unchanged, only(database, items)[0].state) == ("sent_back", "ready")
    with database.reading() as session:
        details = session.execute(select(audit_events.c.details).order_by(audit_events.c.id.desc())).scalars().first()
    assert details["returned_items"] == [only(database, items)[0].id]


def test_an_item_that_was_decided_while_the_file_was_matched_stays_decided(database, workflow):
    bring_in(database, workflow, f"{HEADER}\n{ROW}\nother{ROW[4:]}\n")
    with database.writing() as session:
        session.execute(update(items).values(state=State.SENT_BACK))
    changed = f"{HEADER}\n{ROW}\nother{ROW[4:]}\n".replace(",100,", ",101,")
    sheet = pd.read_csv(io.StringIO(changed), dtype="str").set_axis([2, 3])
    good = check_rows(sheet, Kind.FORECASTS, workflow.policy).good
    with database.reading() as session:
        matched = matching.match(session, workflow, Kind.FORECASTS, good)
    with database.writing() as session:  # somebody undoes sending it back, and accepts
        session.execute(update(items).where(items.c.id == 1).values(state=State.DECIDED))

    with database.writing() as session:
        written = matching.write(
            session, workflow, Kind.FORECASTS, matched.rows, import_id=1, now=database_now(session), progress=silent
        )

    assert (written.returned, written.after_decision) == ((2,), (1,))
    assert [row.state for row in only(database, items)] == ["decided", "ready"]


def silent(done: int, total: int) -> None:
    """Nobody is watching."""


def test_a_decided_item_keeps_its_decision_when_a_newer_forecast_comes(database, workflow):
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    desk = take(database, ada, workflow)
    reviewing.submit_decision(
        database, person_id=ada, workflow=workflow, choice=choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE)
    )
    decided, item = only(database, decisions), only(database, items)

    summary = bring_in(database, workflow, f"{HEADER}\n{ROW.replace(',100,', ',101,')}\n")

    assert summary.after_decision == (item[0].id,)
    assert (only(database, decisions), only(database, items)) == (decided, item)
    assert counts(database, forecasts) == [4]


def test_an_item_in_somebodys_hands_shows_that_it_changed(database, workflow):
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, f"{HEADER}\n{ROW}\n")
    seen = take(database, ada, workflow).item.content_hash

    bring_in(database, workflow, f"{HEADER}\n{ROW.replace(',100,', ',101,')}\n")

    (item,) = only(database, items)
    assert (item.state, item.content_hash != seen) == ("claimed", True)


def test_an_actual_is_added_when_it_differs_and_only_then(database, workflow):
    bring_in(database, workflow, "series,period,actual\na,2025-12,5\n", kind="history")

    same = bring_in(database, workflow, "series,period,actual\na,2025-12,5.0\n", kind="actuals")
    newer = bring_in(database, workflow, "series,period,actual,final_at\na,2025-12,5,2026-01-15\n", kind="actuals")
    again = bring_in(database, workflow, "series,period,actual\na,2025-12,5\n", kind="history")
    bound = bring_in(database, workflow, "series,period,actual,is_lower_bound\na,2025-12,5,yes\n", kind="actuals")

    fates = [(run.counts.unchanged, run.counts.updated) for run in (same, newer, again, bound)]
    assert fates == [(1, 0), (0, 1), (1, 0), (0, 1)]
    final = datetime(2026, 1, 15, tzinfo=UTC)
    found = only(database, actuals, actuals.c.value, actuals.c.final_at, actuals.c.is_lower_bound)
    assert [tuple(row) for row in found] == [(5, None, False), (5, final, False), (5, final, True)]


def test_a_corrected_actual_does_not_inherit_when_the_wrong_one_was_final(database, workflow):
    header = "series,period,actual"
    bring_in(database, workflow, "series,period,ai_forecast,created_at\na,2025-12,4,2025-11-01\n")
    bring_in(database, workflow, f"{header},final_at\na,2025-12,5,2026-01-15\n", kind="actuals")
    bring_in(database, workflow, f"{header}\na,2025-12,6\n", kind="actuals")
    bring_in(database, workflow, f"{header},final_at\na,2025-12,7,2026-01-20\n", kind="actuals")

    final = [row.final_at for row in only(database, actuals)]
    with database.reading() as session:
        then = reports.reviews(session, workflow, datetime(2026, 2, 1, tzinfo=UTC))
        now = reports.reviews(session, workflow, database_now(session))

    assert final == [datetime(2026, 1, 15, tzinfo=UTC), None, datetime(2026, 1, 20, tzinfo=UTC)]
    assert (then["actual"].tolist(), now["actual"].tolist()) == ([5], [7])


def test_two_reviews_of_one_thing_differ_by_reviewer_or_by_time(database, workflow):
    header = "series,period,created_at,reviewer,final_forecast,target,colour"
    rows = "a,2026-01,2025-12-01,ann,1,x,\na,2026-01,2025-12-01,bob,2,y,red\na,2026-01,2025-12-02,ann,3,z,\n"

    bring_in(database, workflow, f"{header}\n{rows}", kind="reviews")

    found = only(database, past_reviews)
    assert [(row.reviewer, row.final_forecast) for row in found] == [("ann", 1), ("bob", 2), ("ann", 3)]
    assert [row.attributes for row in found] == [{"target": "x"}, {"target": "y", "colour": "red"}, {"target": "z"}]
    assert {row.outcome for row in found} == {None}


def test_a_review_that_came_before_is_brought_up_to_date(database, workflow):
    header = "series,created_at,reviewer,final_forecast,target"
    bring_in(database, workflow, f"{header}\na,2025-12-01,ann,1,x\na,2025-12-01,bob,1,x\n", kind="reviews")

    summary = bring_in(database, workflow, f"{header}\na,2025-12-01,ann,1,w\na,2025-12-01,bob,1,x\n", kind="reviews")

    assert (summary.counts.updated, summary.counts.unchanged) == (1, 1)
    assert [row.attributes for row in only(database, past_reviews)] == [{"target": "w"}, {"target": "x"}]

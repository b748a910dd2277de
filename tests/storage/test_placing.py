"""Items in their place: from what stands on them, what the AI did before, and the clock."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select, update

from review_queue.items import Lane, State
from review_queue.roles import Role
from storage import placing, workflows
from storage.engine import database_now
from storage.tables import items, series
from tests.builders import a_person, a_workflow, bring_in, forecasts, take

COLUMNS = [items.c[name] for name in placing.PLACED]


def placed(database, *which):
    """Series → what stands on its item."""
    with database.reading() as session:
        rows = session.execute(
            select(series.c.key, items.c.id, *COLUMNS, items.c.audit_sample).join(series).order_by(items.c.id)
        )
        return {row.key: row for row in rows}


def place(database, workflow, **how):
    with database.writing() as session:
        now = how.pop("now", None) or database_now(session)
        return placing.place_items(session, workflow, now=now, **how)


def test_an_item_is_placed_by_the_vector_of_the_methods(database):
    workflow = a_workflow(database, materiality=25_000)
    past = "\n".join(f"acme,2025-{month:02d},0,1,1" for month in range(1, 13))
    bring_in(database, workflow, f"series,period,ai_forecast,horizon,naive_forecast\n{past}\n")
    realised = "\n".join(f"acme,2025-{month:02d},70000" for month in range(1, 13))
    bring_in(database, workflow, f"series,period,actual\n{realised}\n", kind="actuals")
    row = "acme,2026-01,1000000,880000,1130000,0.8,1250000,1"

    header = "series,period,ai_forecast,ai_low,ai_high,ai_level,human_forecast,horizon"
    bring_in(database, workflow, f"{header}\n{row}\n")

    with database.reading() as session:
        item = session.execute(select(items).where(items.c.period == "2026-01")).one()
    assert (item.gap, item.money) == (250_000, 250_000)
    assert item.scale == pytest.approx(93_456, abs=1)
    assert item.u == pytest.approx(2.675, abs=0.001)
    assert (item.band, item.outside_interval, item.flagged) == ("large", True, True)
    assert item.symmetric == pytest.approx(0.222, abs=0.001)
    assert item.why[:2] == ["2.7 × usual miss", "250k EUR k at stake"]


@pytest.mark.parametrize("materiality", [10.0, None])
def test_items_placed_before_they_are_stored_stand_where_they_would_afterwards(database, materiality):
    workflow = a_workflow(database, materiality=materiality, segments=["region", "area"])
    rows = [
        f"s{n},2026-{1 + n % 3:02d},{100 + n},{90 + n / 3},{120 + n},{100 + (n % 7) * 9},R{n % 2},A{n % 5},"
        f"2026-01-0{1 + n % 9}"
        for n in range(40)
    ]
    header = "series,period,ai_forecast,ai_low,ai_high,human_forecast,segment_region,segment_area,created_at"
    bring_in(database, workflow, "\n".join([header, *rows]))
    before = placed(database)
    with database.reading() as session:
        now = session.execute(select(items.c.available_at)).scalars().first()

    written = place(database, workflow, now=now)

    assert written == 40
    assert placed(database) == before
    assert len({row.score for row in before.values()}) > 20


def test_materiality_is_a_share_of_what_the_parent_segment_sells_in_the_period(database):
    workflow = a_workflow(database, materiality=None, materiality_share=0.1, segments=["region", "area"])
    rows = [
        "a,2026-01,100,130,N,x,2",
        "b,2026-01,900,900,N,y,1",
        "c,2026-01,5000,5000,S,x,1",
        "d,2026-02,70000,70000,N,x,1",
    ]

    bring_in(
        database,
        workflow,
        "\n".join(["series,period,ai_forecast,human_forecast,segment_region,segment_area,value_per_unit", *rows]),
    )

    # In the north in January the AI sells 2 × 100 + 900; a tenth of it is 110, and the gap of 60 is below it.
    found = placed(database)["a"]
    assert (found.money, found.flagged) == (60, False)
    assert "60 at stake" in found.why[1]


def test_the_usual_miss_of_a_new_series_is_pooled_from_its_parent(database):
    workflow = a_workflow(database, segments=["region"])
    header = "series,period,ai_forecast,human_forecast,segment_region,horizon"
    bring_in(database, workflow, f"{header}\nold,2025-01,200,,N,1\nfar,2025-01,200,,S,1\n")
    bring_in(database, workflow, "series,period,actual\nold,2025-01,220\nfar,2025-01,400\n", kind="actuals")

    bring_in(database, workflow, f"{header}\nnew,2026-01,1000,1300,N,1\n")

    assert placed(database)["new"].scale == pytest.approx(1.2533 * 0.1 * 1000)


def test_only_the_last_24_errors_of_the_same_horizon_count_and_bounds_do_not(database):
    workflow = a_workflow(database)
    header = "series,period,ai_forecast,horizon"
    months = [f"{year}-{month:02d}" for year in (2022, 2023, 2024) for month in range(1, 13)]
    bring_in(database, workflow, "\n".join([header, *(f"a,{month},100,1" for month in months), "a,2025-01,100,2"]))
    errors = [1000] * 12 + [10] * 23 + [40]
    lines = [f"a,{month},{100 + error},false" for month, error in zip(months, errors, strict=True)]
    lines += ["a,2025-01,9000,false", "a,2025-02,9000,true"]
    bring_in(database, workflow, f"{header}\na,2025-02,100,1\n")
    bring_in(database, workflow, "\n".join(["series,period,actual,is_lower_bound", *lines]), kind="actuals")

    bring_in(database, workflow, f"{header},human_forecast\na,2026-01,100,1,100\n")

    with database.reading() as session:
        scale = session.execute(select(items.c.scale).where(items.c.period == "2026-01")).scalar_one()
    assert scale == pytest.approx(1.2533 * (23 * 10 + 40) / 24)


def test_actuals_place_the_open_items_of_their_series_again_but_not_one_in_somebodys_hands(database):
    workflow = a_workflow(database)
    ada = a_person(database, "Ada", Role.REVIEWER)
    rows = "series,period,ai_forecast,human_forecast,horizon\nheld,2026-12,1000,5000,1\nfree,2026-12,1000,1500,1\n"
    past = "held,2025-12,1000,,1\nfree,2025-12,1000,,1\n"
    bring_in(database, workflow, rows + past)
    held = take(database, ada, workflow).item
    before = open_hashes(database)

    bring_in(database, workflow, "series,period,actual\nheld,2025-12,1400\nfree,2025-12,1400\n", kind="actuals")

    after = open_hashes(database)
    assert held.series == "held"
    assert after["held"] == before["held"]
    assert after["free"] != before["free"]


def open_hashes(database):
    with database.reading() as session:
        return dict(
            session.execute(
                select(series.c.key, items.c.content_hash).join(items).where(items.c.period == "2026-12")
            ).all()
        )


def test_what_the_gap_is_worth_is_part_of_what_was_seen(database):
    workflow = a_workflow(database)
    ada = a_person(database, "Ada", Role.REVIEWER)
    header = "series,period,ai_forecast,ai_low,ai_high,human_forecast"
    bring_in(database, workflow, f"{header}\nacme,2026-12,1000,900,1100,1500\n")
    seen = take(database, ada, workflow).item

    bring_in(database, workflow, f"{header},value_per_unit\nacme,2026-12,1000,900,1100,1500,3\n")

    after = placed(database)["acme"]
    assert (seen.divergence.money, after.money) == (500, 1500)
    assert (after.scale, after.u) == (seen.divergence.scale, seen.divergence.u)
    assert after.content_hash != seen.content_hash


def test_the_clock_moves_lanes_and_scores_and_nothing_that_is_shown_as_fact(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(3))
    before = placed(database)
    with database.reading() as session:
        later = database_now(session) + timedelta(days=30)

    place(database, workflow, now=later, forecasts_changed=False)

    after = placed(database)
    assert {row.lane for row in after.values()} == {Lane.DUE}
    assert all(after[key].score > before[key].score for key in after)
    assert [row.content_hash for row in after.values()] == [row.content_hash for row in before.values()]


def test_the_clock_leaves_an_item_in_somebodys_hands_alone(database):
    workflow = a_workflow(database)
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, forecasts(2))
    held = take(database, ada, workflow).item.id

    with database.reading() as session:
        soon = database_now(session) + timedelta(minutes=1)

    assert place(database, workflow, now=soon, forecasts_changed=False) == 1
    assert place(database, workflow, now=soon + timedelta(days=1), item_ids=[held], forecasts_changed=False) == 1


def test_what_is_decided_or_withdrawn_is_not_placed(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(3))
    with database.writing() as session:
        session.execute(update(items).where(items.c.id == 1).values(state=State.DECIDED))
        session.execute(update(items).where(items.c.id == 2).values(state=State.WITHDRAWN))

    assert place(database, workflow) == 1
    assert place(database, workflow, item_ids=[1, 2]) == 0


def test_the_audit_sample_is_its_share_and_the_same_each_time(database):
    workflow = a_workflow(database, audit_share=0.05)
    ids = np.arange(1, 100_001)

    drawn = placing.audit_sample(workflow, ids)

    assert drawn.mean() == pytest.approx(0.05, abs=0.003)
    assert (drawn == placing.audit_sample(workflow, ids)).all()
    assert not placing.audit_sample(a_workflow(database, key="none", audit_share=0), ids).any()
    assert placing.audit_sample(a_workflow(database, key="all", audit_share=1), ids).all()


def test_more_items_than_one_chunk_are_all_placed(database, monkeypatch):
    monkeypatch.setattr("storage.bulk.CHUNK", 7)
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(30))

    assert place(database, workflow) == 30
    assert place(database, workflow, item_ids=range(1, 16)) == 15


# --- by the clock --------------------------------------------------------------------------------------------------


def place_due(database, workflow, *, now, limit=100):
    with database.writing() as session:
        around = placing.surroundings(session, workflow, now)
        return placing.place_due(session, workflow, around, now=now, limit=limit)


def set_items(database, which, **values):
    with database.writing() as session:
        session.execute(update(items).where(which).values(**values))


def now_of(database):
    with database.reading() as session:
        return database_now(session)


def test_only_what_the_clock_has_moved_on_is_placed_again(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(4))
    now = now_of(database)
    set_items(database, items.c.id > 0, placed_until=now + timedelta(hours=1), score=-1.0)
    set_items(database, items.c.id == 2, placed_until=now)
    set_items(database, items.c.id == 3, placed_until=now - timedelta(days=1), state=State.DECIDED)
    set_items(database, items.c.id == 4, placed_until=now - timedelta(days=1), state=State.SENT_BACK)

    assert place_due(database, workflow, now=now) == 2

    found = placed(database)
    assert [found[f"acme-{number}"].score >= 0 for number in (1, 2, 3, 4)] == [False, True, False, True]
    assert all(found[f"acme-{number}"].placed_until > now for number in (1, 2, 4))
    assert place_due(database, workflow, now=now) == 0


def test_the_longest_overdue_are_placed_first_and_no_more_than_asked_for(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(5))
    now = now_of(database)
    for number in range(1, 6):
        set_items(database, items.c.id == number, placed_until=now - timedelta(hours=number), score=-1.0)

    assert place_due(database, workflow, now=now, limit=3) == 3

    assert sorted(row.id for row in placed(database).values() if row.score >= 0) == [3, 4, 5]
    assert [place_due(database, workflow, now=now, limit=3) for _ in range(2)] == [2, 0]


def test_what_the_clock_places_stands_where_a_whole_placing_puts_it(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(5))
    later = now_of(database) + timedelta(hours=30)
    set_items(database, items.c.id == 2, due_at=later + timedelta(hours=3))
    assert place_due(database, workflow, now=later) == 5
    by_the_clock = placed(database)

    place(database, workflow, now=later)

    assert placed(database) == by_the_clock


def test_the_clock_waits_for_what_is_in_somebodys_hands_until_the_claim_runs_out(database):
    workflow = a_workflow(database)
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, forecasts(2))
    held = take(database, ada, workflow).item.id
    now = now_of(database)
    set_items(database, items.c.id > 0, placed_until=now)

    assert place_due(database, workflow, now=now) == 1
    assert place_due(database, workflow, now=now + timedelta(minutes=16)) == 2

    assert all(row.placed_until > now for row in placed(database).values())
    assert held in {row.id for row in placed(database).values()}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # in SQLite a second writer waits anyway
def test_while_an_import_is_at_work_the_clock_places_nothing(database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(2))
    now = now_of(database)
    set_items(database, items.c.id > 0, placed_until=now)

    with database.writing() as importing:
        workflows.lock(importing, workflow.id)
        assert place_due(database, workflow, now=now) == 0

    assert place_due(database, workflow, now=now) == 2


def test_another_workflows_items_are_left_alone(database):
    workflow, other = a_workflow(database), a_workflow(database, key="other")
    bring_in(database, workflow, forecasts(1))
    bring_in(database, other, forecasts(2))
    now = now_of(database)
    set_items(database, items.c.id > 0, placed_until=now)

    assert place_due(database, other, now=now) == 2
    assert place_due(database, workflow, now=now) == 1

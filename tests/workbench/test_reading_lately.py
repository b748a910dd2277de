"""What analytics keep of what they read a moment ago: always what reading everything anew would give."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import sleep

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy import select, text, update

from review_queue.errors import DatabaseBusy
from review_queue.items import Outcome, SkipReason
from review_queue.reconciling import Take
from review_queue.roles import Role
from storage import keeping, reports, tables
from storage.engine import database_now, open_database
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import analytics, known_reviews
from workbench.actions import assigning, reconciling, reviewing


@pytest.fixture
def workflow(database):
    found = a_workflow(database, second_review_share=0.0)
    bring_in(database, found, forecasts(6, step=150.0))
    past = "series,created_at,decided_at,ai_forecast,final_forecast\nacme-1,2026-01-01,2026-01-02,10,11\n"
    bring_in(database, found, past, kind="reviews")
    return found


@pytest.fixture
def people(database):
    return {
        "ada": a_person(database, "Ada", Role.REVIEWER),
        "dora": a_person(database, "Dora", Role.DIRECTOR),
        "aud": a_person(database, "Aud", Role.AUDITOR),
    }


def kept(database, people, workflow):
    return known_reviews.read(database, person_id=people["aud"], workflow_key=workflow.key)


def check(database, people, workflow):
    """What is kept, beside everything read anew as of the same moment."""
    known = kept(database, people, workflow)
    with database.reading() as session:
        whole = reports.reviews(session, workflow, known.as_of)
    order = ["item", "series", "created_at"]
    mine, theirs = (each.sort_values(order, ignore_index=True) for each in (known.table, whole))
    assert_frame_equal(mine, theirs)
    assert bytes_kept(database, workflow) == bytes_made_anew(database, workflow)
    return known


def bytes_kept(database, workflow):
    """Every part that is kept, once all is in it (invariant I16)."""
    for _ in range(3):  # PostgreSQL knows only afterwards that nobody was still writing
        list(keeping.steps(database, workflow))
    part = tables.kept_reviews.c
    with database.reading() as session:
        return session.execute(
            select(part.week, part.stratum, part.rows, part.content).order_by(part.week, part.stratum)
        ).all()


def bytes_made_anew(database, workflow):
    with database.writing() as session:
        session.execute(update(tables.kept_until).values(layout="another"))
    return bytes_kept(database, workflow)


def decide(database, person, workflow, outcome, *, key, **changes):
    desk = take(database, person, workflow)
    choice = choose(desk, outcome, key=key, **changes)
    return reviewing.submit_decision(database, person_id=person, workflow=workflow, choice=choice)


def test_after_each_thing_that_people_do_it_is_what_reading_everything_gives(database, workflow, people):
    ada, dora = people["ada"], people["dora"]
    mine = {"database": database, "person_id": ada, "workflow": workflow}
    check(database, people, workflow)

    done = decide(database, ada, workflow, Outcome.ACCEPT_AI, key="1")
    check(database, people, workflow)
    reviewing.undo(**mine, decision_id=done.id, key="undo-1")
    check(database, people, workflow)
    decide(database, ada, workflow, Outcome.ADJUST, key="2", value=1200.0, reason=BECAUSE)
    check(database, people, workflow)
    decide(database, ada, workflow, Outcome.ESCALATE, key="3", note="Look.")
    with database.reading() as session:
        tomorrow = database_now(session) + timedelta(days=1)
    decide(database, ada, workflow, Outcome.DEFER, key="4", until=tomorrow)
    check(database, people, workflow)
    desk = take(database, ada, workflow)
    reviewing.skip_item(
        database, person_id=ada, item_id=desk.item.id, fence=desk.item.fence, reason=SkipReason.MISSING_FACTS
    )
    check(database, people, workflow)
    reopened = decide(database, ada, workflow, Outcome.ACCEPT_AI, key="5")
    check(database, people, workflow)
    assigning.reopen_item(database, person_id=dora, workflow=workflow, item_id=reopened.item_id, note="Again.")
    check(database, people, workflow)
    bring_in(database, workflow, forecasts(6, ai=1100.0, step=150.0))
    check(database, people, workflow)
    bring_in(database, workflow, "series,period,actual\nacme-1,2026-12,990\n", kind="actuals")
    check(database, people, workflow)
    seen = reconciling.look(database, person_id=dora, workflow=workflow, period="2026-12")
    still_open = int((~seen.leaves["state"].isin(["decided"])).sum())
    period = {"period": "2026-12", "take": Take.AI, "open_items": still_open}
    reconciling.lock_period(database, person_id=dora, workflow=workflow, **period)
    check(database, people, workflow)


def test_only_what_can_have_changed_is_read_again(database, workflow, people, monkeypatch):
    kept(database, people, workflow)
    done = decide(database, people["ada"], workflow, Outcome.ACCEPT_AI, key="1")
    bytes_kept(database, workflow)
    asked = []
    whole = reports.rows
    monkeypatch.setattr(reports, "rows", lambda *args, **how: asked.append(how["only"]) or whole(*args, **how))

    kept(database, people, workflow)
    undone = {"person_id": people["ada"], "workflow": workflow, "decision_id": done.id, "key": "undo-1"}
    reviewing.undo(database, **undone)
    kept(database, people, workflow)

    assert [list(some.items) for some in asked] == [[], [done.item_id]]
    assert all(some.and_open for some in asked)


def test_of_very_much_what_was_read_stands_for_half_a_minute_and_the_page_says_so(
    database, workflow, people, monkeypatch
):
    monkeypatch.setattr(known_reviews, "MANY", 2)
    before = kept(database, people, workflow)
    decide(database, people["ada"], workflow, Outcome.ACCEPT_AI, key="1")

    assert kept(database, people, workflow).as_of == before.as_of
    assert "renewed every half minute" in analytics.basis(before)
    monkeypatch.setattr(known_reviews, "RENEWED", timedelta(0))
    assert kept(database, people, workflow).as_of > before.as_of


def test_who_asks_for_the_same_at_once_waits_for_one_reading(database, workflow, people, monkeypatch):
    known_reviews.keep_reviews(database)
    known_reviews.forget(database)
    asked, whole = [], reports.rows

    def slowly(*args, **how):
        asked.append(how["only"])
        sleep(0.2)  # so that the others come while it is under way
        return whole(*args, **how)

    monkeypatch.setattr(reports, "rows", slowly)
    with ThreadPoolExecutor(4) as managers:
        found = list(managers.map(lambda _: kept(database, people, workflow).as_of, range(4)))

    assert (len(asked), len(set(found))) == (1, 1)


def test_what_somebody_else_may_see_is_read_for_them(database, workflow, people):
    kept(database, people, workflow)
    nobody = a_person(database, "Nil", Role.MANAGER, segment_path="Elsewhere\x1f")

    found = known_reviews.read(database, person_id=nobody, workflow_key=workflow.key).table

    assert found.empty
    assert isinstance(found, pd.DataFrame)


def test_a_database_that_is_too_busy_to_read_from_is_a_sentence(postgresql_url):
    database = open_database(postgresql_url, lock_timeout=0.1)
    workflow = a_workflow(database)
    aud = a_person(database, "Aud", Role.AUDITOR)
    known_reviews.keep_reviews(database)
    with database.engine.begin() as other:
        other.execute(text("LOCK TABLE items IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseBusy, match="Try again in a moment"):
            known_reviews.read(database, person_id=aud, workflow_key=workflow.key)
    database.engine.dispose()

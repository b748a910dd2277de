"""Retention: what was kept long enough goes, with a record of how much, and nothing that a promise rests on does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from review_queue.items import Outcome
from review_queue.retention import RULES, Kept, rules_of
from review_queue.roles import Role
from storage import retention
from storage.engine import Database, database_now
from storage.tables import (
    actuals,
    api_answers,
    audit_events,
    comments,
    decisions,
    drafts,
    evidence_views,
    forecasts,
    import_files,
    import_parts,
    imports,
    mentions,
    notifications,
    outbox,
    reasons,
    set_aside_rows,
    sign_ins,
)
from tests import invariants
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, take
from tests.builders import forecasts as some_forecasts
from workbench import auth
from workbench.actions import retaining, reviewing

#: What promises rest on.
NEVER = (decisions, reasons, forecasts, actuals, outbox, audit_events, imports)
TODAY = dict.fromkeys(Kept, 1)


@pytest.fixture
def worked_in(database: Database) -> Database:
    """Two files of forecasts with a bad row each, a decision, a comment, and what is around them."""
    workflow = a_workflow(database, audit_share=0.0)
    for ai in (1000.0, 1100.0):
        bring_in(database, workflow, some_forecasts(2, ai=ai, step=400) + "acme-9,2026-12,many,,,,\n")
    ada, bo = a_person(database, "Ada", Role.DIRECTOR), a_person(database, "Bo", Role.DIRECTOR)
    auth.keep(database, "browser", ada)
    desk = take(database, ada, workflow)
    reviewing.comment(database, person_id=ada, item_id=desk.item.id, body="Ask @Bo", mentioned=[bo])
    choice = choose(desk, Outcome.ADJUST, value=1500.0, reason=BECAUSE)
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    with database.writing() as session:
        now = database_now(session)
        on = {"item_id": desk.item.id, "person_id": ada}
        session.execute(insert(drafts).values(**on, round=1, body={}, saved_at=now))
        session.execute(insert(evidence_views).values(**on, fence=1, panel="sources", opened_at=now))
        session.execute(
            insert(api_answers).values(person_id=ada, key="k", request_hash="x", answer="{}", answered_at=now)
        )
        session.execute(update(set_aside_rows).values(status="dismissed", resolved_by=ada, resolved_at=now))
    return database


def count(database: Database, *tables) -> list[int]:
    with database.reading() as session:
        return [session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def grow_old(database: Database, *, days: int) -> None:
    """Everything that has a rule happened so long ago."""
    by = timedelta(days=days)
    times = (
        drafts.c.saved_at,
        evidence_views.c.opened_at,
        sign_ins.c.created_at,
        notifications.c.created_at,
        api_answers.c.answered_at,
        set_aside_rows.c.resolved_at,
        imports.c.created_at,
        comments.c.created_at,
    )
    with database.writing() as session:
        then = database_now(session) - by
        for column in times:
            session.execute(update(column.table).values({column: then}))


def test_what_was_kept_long_enough_goes_and_what_promises_rest_on_stays(worked_in: Database) -> None:
    grow_old(worked_in, days=2)
    before = count(worked_in, *NEVER)

    would = retaining.would_remove(worked_in, rules=TODAY)
    removed = retaining.remove_old(worked_in, rules=TODAY)

    assert would == removed
    gone = (drafts, evidence_views, sign_ins, notifications, api_answers, comments, mentions)
    assert count(worked_in, *gone) == [0] * len(gone)
    assert count(worked_in, import_files, import_parts) == [1, 1], "the newest file can still be written back"
    with worked_in.reading() as session:
        aside = session.execute(select(set_aside_rows.c.cells, set_aside_rows.c.sentence)).all()
        told = session.execute(select(audit_events.c.details).where(audit_events.c.action == retention.RUN)).scalars()
        (details,) = list(told)
    assert [tuple(row) for row in aside] == [({}, retention.EMPTIED)] * 2
    assert details == {kept.value: number for kept, number in removed.items()}
    after = count(worked_in, *NEVER)
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, 0, 0, 0, 0, 1, 0]
    assert invariants.violations(worked_in) == []
    assert sum(retaining.remove_old(worked_in, rules=TODAY).values()) == 0


def test_what_is_younger_stays(worked_in: Database) -> None:
    before = count(worked_in, drafts, evidence_views, sign_ins, notifications, comments, import_files)

    assert sum(retaining.remove_old(worked_in, rules=TODAY).values()) == 0

    assert count(worked_in, drafts, evidence_views, sign_ins, notifications, comments, import_files) == before


def test_by_default_comments_and_answers_to_programs_are_kept_for_ever(worked_in: Database) -> None:
    grow_old(worked_in, days=5000)

    retaining.remove_old(worked_in, rules=rules_of(""))

    assert count(worked_in, comments, api_answers) == [1, 1]
    assert count(worked_in, drafts, sign_ins) == [0, 0]


def test_more_than_a_handful_goes_in_several_transactions_each_on_record(
    worked_in: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    grow_old(worked_in, days=2)

    removed = retaining.remove_old(worked_in, rules=TODAY)

    with worked_in.reading() as session:
        told = session.execute(select(audit_events.c.details).where(audit_events.c.action == retention.RUN))
        runs = list(told.scalars())
    assert removed[Kept.SET_ASIDE] == 2
    assert len(runs) >= 2
    assert sum(run["set_aside"] for run in runs) == 2


def test_the_server_does_it_once_a_day_whoever_did_it(worked_in: Database) -> None:
    grow_old(worked_in, days=2)
    retaining.remove_old_daily(worked_in, {}, rules=TODAY)
    retaining.remove_old_daily(worked_in, {}, rules=TODAY)
    looked: dict = {}
    retaining.remove_old_daily(worked_in, looked, rules=TODAY)

    with worked_in.reading() as session:
        runs = session.execute(select(func.count()).where(audit_events.c.action == retention.RUN)).scalar_one()
    assert runs == 1
    assert looked


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("decisions=30", "no rule for 'decisions'"), ("drafts=0", "days from 1"), ("notifications=3", "days from 7")],
)
def test_a_rule_that_cannot_be_is_refused_in_words(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        rules_of(text)


def test_rules_are_the_defaults_but_for_what_is_said() -> None:
    rules = rules_of("drafts=7, comments=365, sign_ins=never")

    assert (rules[Kept.DRAFTS], rules[Kept.COMMENTS], rules[Kept.SIGN_INS]) == (7, 365, None)
    assert rules[Kept.DIGESTS] == RULES[Kept.DIGESTS].days

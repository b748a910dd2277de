"""The owner pauses the AI's values, goes back to an earlier model version, and shows the newest again."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select

from review_queue.errors import ChoiceInvalid, NotAllowed, ShowingRefused, StaleContent
from review_queue.items import Outcome, SourceKind
from review_queue.roles import Role, Task
from review_queue.showing import AiValues, Showing
from review_queue.withholding import as_shown
from storage import one_item, people, placing, showings
from storage.engine import Database
from storage.tables import audit_events, decisions, forecasts, items, model_versions, sources
from storage.tables import series as series_
from storage.workflows import Workflow
from tests import builders
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose
from tests.invariants import violations
from workbench import reads
from workbench.actions import feeding, pausing, reconciling, reviewing

HEAD = "series,period,ai_forecast,human_forecast,naive_forecast,model_version\n"
OLD = HEAD + "a,2026-12,1000,1500,900,m-1\nb,2026-12,2000,2600,,m-1\n"
NEW = HEAD + "a,2026-12,1300,1500,900,m-2\nc,2026-12,500,900,450,m-2\n"


@pytest.fixture
def sales(database: Database) -> Workflow:
    """Three items: a was forecast by m-1 and then m-2, b by m-1 alone, c by m-2 alone."""
    workflow = a_workflow(database, fallback="naive")
    bring_in(database, workflow, OLD)
    bring_in(database, workflow, NEW)
    return workflow


@pytest.fixture
def olga(database: Database, sales: Workflow) -> int:
    with database.reading() as session:
        return people.find(session, "test", "owner")


@pytest.fixture
def rita(database: Database) -> int:
    return a_person(database, "Rita", Role.REVIEWER)


def switch(database: Database, person_id: int, values: AiValues, version: str | None = None, note: str = "Because."):
    return pausing.choose_showing(
        database, person_id=person_id, workflow_key="sales", values=values, version=version, note=note
    )


def preview(database: Database, person_id: int, values: AiValues, version: str | None = None):
    return pausing.preview_showing(database, person_id=person_id, workflow_key="sales", values=values, version=version)


def shown(database: Database) -> dict[str, tuple[float | None, str | None]]:
    """Each item's AI value as it leaves an action, by series, and why it is withheld."""
    with database.reading() as session:
        who = people.principal(session, people.find(session, "test", "owner"))
        found = [
            as_shown(item, has_named=True)
            for item in one_item.following(session, who, Task.SEE_QUEUE, after=0, limit=9)
        ]
    return {item.series: (item.ai.value if item.ai else None, item.withheld) for item in found}


def listed(database: Database, person_id: int, workflow: Workflow) -> dict[str, float | None]:
    rows = reads.open_items(database, person_id=person_id, workflow_id=workflow.id, wanted=reads.Filter()).items
    return {row.series: None if np.isnan(row.ai) else row.ai for row in rows.itertuples()}


def by_series(database: Database, person_id: int, workflow: Workflow, series: str):
    with database.reading() as session:
        wanted = select(items.c.id).join(series_, series_.c.id == items.c.series_id).where(series_.c.key == series)
        item_id = session.execute(wanted).scalar_one()
    return reviewing.open_item(database, person_id=person_id, workflow=workflow, item_id=item_id)


def submit(database: Database, person_id: int, workflow: Workflow, desk: object, outcome: Outcome, **more: object):
    choice = choose(desk, outcome, **more)
    return reviewing.submit_decision(database, person_id=person_id, workflow=workflow, choice=choice)


def test_paused_values_are_shown_nowhere_and_the_naive_forecast_stands_in(database, sales, olga, rita):
    assert switch(database, olga, AiValues.PAUSED) == 3

    assert shown(database) == dict.fromkeys("abc", (None, "paused"))
    assert set(listed(database, olga, sales).values()) == {None}
    desk = by_series(database, rita, sales, "a")
    assert (desk.item.ai, desk.stand_in) == (None, 900.0)
    assert desk.withheld == (
        "The AI's value is not shown: the workflow's owner paused it. The naive forecast stands in."
    )
    with pytest.raises(ChoiceInvalid, match="withheld here"):
        submit(database, rita, sales, desk, Outcome.ACCEPT_AI)
    submit(database, rita, sales, desk, Outcome.KEEP_MANUAL)
    with database.reading() as session:
        row = session.execute(select(decisions)).one()
    assert (row.is_degraded, row.withheld, row.ai_value) == (True, "paused", None)
    assert violations(database) == []


def test_rolled_back_an_item_shows_what_the_earlier_version_said_of_it(database, sales, olga, rita):
    assert switch(database, olga, AiValues.ROLLED_BACK, "m-1") == 2

    assert shown(database) == {"a": (1000.0, "rolled_back"), "b": (2000.0, None), "c": (None, "other_version")}
    assert listed(database, olga, sales) == {"a": 1000.0, "b": 2000.0, "c": None}
    period = reconciling.look(database, person_id=olga, workflow=sales, period="2026-12")
    assert period.leaves.set_index("series")["ai"].dropna().to_dict() == {"a": 1000.0, "b": 2000.0}
    desk = by_series(database, rita, sales, "a")
    assert (desk.item.ai.value, desk.item.ai.model_version, desk.item.divergence.gap) == (1000.0, "m-1", 500.0)
    submit(database, rita, sales, desk, Outcome.ACCEPT_AI)
    with database.reading() as session:
        row = session.execute(select(decisions)).one()
    assert (row.is_degraded, row.withheld, row.ai_value, row.model_version) == (True, "rolled_back", 1000.0, "m-1")
    assert violations(database) == []


def test_showing_the_newest_again_brings_every_value_back_and_no_forecast_was_touched(database, sales, olga):
    def all_rows() -> list[tuple]:
        with database.reading() as session:
            kept = [items.c.id, items.c.content_hash, items.c.lane, items.c.withheld, items.c.gap]
            return [
                [tuple(row) for row in session.execute(select(*columns).order_by(columns[0]))]
                for columns in ([*forecasts.c], kept)
            ]

    before = all_rows()
    switch(database, olga, AiValues.PAUSED)
    switch(database, olga, AiValues.ROLLED_BACK, "m-1")
    assert all_rows() != before

    switch(database, olga, AiValues.SHOWN)

    assert all_rows() == before


def test_imports_go_on_while_paused_and_while_rolled_back(database, sales, olga):
    switch(database, olga, AiValues.PAUSED)
    bring_in(database, sales, HEAD + "d,2026-12,10,20,,m-2\na,2026-12,1400,1500,900,m-3\n")
    assert shown(database) == dict.fromkeys("abcd", (None, "paused"))

    switch(database, olga, AiValues.ROLLED_BACK, "m-1")
    bring_in(database, sales, HEAD + "a,2026-12,1450,1500,900,m-3\ne,2026-12,7,8,,m-1\nf,2026-12,7,8,,m-3\n")
    assert shown(database) == {
        "a": (1000.0, "rolled_back"),
        "b": (2000.0, None),
        "c": (None, "other_version"),
        "d": (None, "other_version"),
        "e": (7.0, None),
        "f": (None, "other_version"),
    }

    switch(database, olga, AiValues.SHOWN)
    assert shown(database)["a"] == (1450.0, None)


def test_whoever_has_an_item_in_hand_is_asked_to_look_again(database, sales, olga, rita):
    desk = by_series(database, rita, sales, "a")

    assert preview(database, olga, AiValues.PAUSED).in_hand == 1
    switch(database, olga, AiValues.PAUSED)

    with pytest.raises(StaleContent):
        submit(database, rita, sales, desk, Outcome.ACCEPT_AI)


def decided_meanwhile(
    database: Database, rita: int, sales: Workflow, monkeypatch: pytest.MonkeyPatch, before: str
) -> list[int]:
    """Have Rita decide on what she holds once ``placing`` is about to do ``before``, where others may write then."""
    desk, real, made = reviewing.take_next(database, person_id=rita, workflow=sales), getattr(placing, before), []

    def act(*args: object, **kwargs: object) -> object:
        if not made:
            made.append(desk.item.id)
            submit(database, rita, sales, desk, Outcome.KEEP_MANUAL, reason=BECAUSE)
        return real(*args, **kwargs)

    monkeypatch.setattr(placing, before, act)
    return made


@pytest.mark.parametrize("before", ["_stored", "_hold"])
def test_what_is_decided_while_the_ai_is_paused_stays_as_it_was_decided_on(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """On SQLite one waits for the other."""
    database = postgresql_database
    workflow = a_workflow(database, audit_share=0.0)
    bring_in(database, workflow, builders.forecasts(6, step=300))
    rita = a_person(database, "Rita", Role.REVIEWER)
    with database.reading() as session:
        olga = people.find(session, "test", "owner")
    made = decided_meanwhile(database, rita, workflow, monkeypatch, before)

    assert switch(database, olga, AiValues.PAUSED) == 5

    monkeypatch.undo()
    (item_id,) = made
    with database.reading() as session:
        stands = session.execute(
            select(items.c.content_hash, items.c.withheld, decisions.c.content_hash, decisions.c.withheld)
            .join(decisions, decisions.c.item_id == items.c.id)
            .where(items.c.id == item_id)
        ).one()
        assert stands[:2] == stands[2:]
    assert violations(database) == []


def test_the_preview_says_what_then_happens_and_changes_nothing(database, sales, olga):
    effect = preview(database, olga, AiValues.PAUSED)

    assert (effect.open, effect.changed, effect.hidden, effect.stood_in) == (3, 3, 3, 2)
    assert sum(count for _, _, count in effect.by_lane_and_state) == 3
    assert effect.sentence == (
        "3 of 3 open items would read differently. 3 would no longer show the AI's value: the naive forecast stands in "
        "on 2; 1 go on without a number of the AI's."
    )
    assert {why for _, why in shown(database).values()} == {None}
    assert switch(database, olga, AiValues.PAUSED) == effect.changed

    back = preview(database, olga, AiValues.ROLLED_BACK, "m-1")
    assert (back.changed, back.shown_again, back.earlier) == (3, 1, 1)
    assert switch(database, olga, AiValues.ROLLED_BACK, "m-1") == 3
    again = preview(database, olga, AiValues.ROLLED_BACK, "m-1")
    assert (again.changed, again.sentence) == (0, "None of the 3 open items would read differently.")


def test_last_years_actual_counts_as_a_naive_forecast(database, sales, olga):
    bring_in(database, sales, "series,period,actual\nb,2025-12,777\n", kind="history")

    assert preview(database, olga, AiValues.PAUSED).stood_in == 3


def test_a_choice_says_why_is_no_repeat_and_names_a_version_that_there_is(database, sales, olga):
    with pytest.raises(ShowingRefused, match="A note is needed"):
        switch(database, olga, AiValues.PAUSED, note="  ")
    with pytest.raises(ShowingRefused, match="2,001 characters"):
        switch(database, olga, AiValues.PAUSED, note="x" * 2001)
    with pytest.raises(ShowingRefused, match="is so already"):
        switch(database, olga, AiValues.SHOWN)
    with pytest.raises(ShowingRefused, match=r"no model version 'm-9' in Sales. It has: m-1, m-2"):
        switch(database, olga, AiValues.ROLLED_BACK, "m-9")
    with pytest.raises(ShowingRefused, match="Name a model version"):
        preview(database, olga, AiValues.ROLLED_BACK)

    with database.reading() as session:
        assert showings.of(session, sales.id) == Showing()


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.DIRECTOR, Role.MANAGER, Role.AUDITOR, Role.INTEGRATOR])
def test_nobody_but_the_owner_chooses(database, sales, role):
    somebody = a_person(database, "Sam", role)

    with pytest.raises(NotAllowed, match="change a workflow"):
        preview(database, somebody, AiValues.PAUSED)
    with pytest.raises(NotAllowed, match="change a workflow"):
        switch(database, somebody, AiValues.PAUSED)
    assert {why for _, why in shown(database).values()} == {None}


def test_each_choice_is_on_record_with_its_note(database, sales, olga, rita):
    switch(database, olga, AiValues.PAUSED, note="It doubled on Monday.")
    switch(database, olga, AiValues.ROLLED_BACK, "m-1", note="Back to spring.")

    history = pausing.showing_history(database, person_id=rita, workflow=sales)
    assert [(each.showing, each.note, each.by) for each in history] == [
        (Showing(AiValues.ROLLED_BACK, "m-1"), "Back to spring.", "Olga"),
        (Showing(AiValues.PAUSED), "It doubled on Monday.", "Olga"),
    ]
    with database.reading() as session:
        told = session.execute(
            select(audit_events.c.action, audit_events.c.actor_id, audit_events.c.details)
            .where(audit_events.c.action.startswith("ai."))
            .order_by(audit_events.c.id)
        ).all()
        version = session.execute(select(model_versions.c.id).where(model_versions.c.name == "m-1")).scalar_one()
    assert [(row.action, row.actor_id) for row in told] == [("ai.paused", olga), ("ai.rolled_back", olga)]
    assert told[1].details == {"showing": 2, "values": "rolled_back", "model_version": version, "items": 3}


def test_everybody_is_told_while_it_lasts(database, sales, olga, rita):
    def told():
        found = feeding.notice(database, person_id=rita, workflow=sales)
        return found and found.sentence

    assert told() is None
    switch(database, olga, AiValues.PAUSED)
    assert told() == (
        "The AI's values are paused. Items go on with the naive forecast in its place. Decisions are marked degraded."
    )
    switch(database, olga, AiValues.ROLLED_BACK, "m-1")
    assert told().startswith("The AI's values are rolled back to m-1.")


def test_an_override_does_not_go_stale_by_a_version_that_is_not_shown(database, sales, olga, rita):
    switch(database, olga, AiValues.ROLLED_BACK, "m-1")
    desk = by_series(database, rita, sales, "a")
    submit(database, rita, sales, desk, Outcome.KEEP_MANUAL, reason=BECAUSE)

    bring_in(database, sales, HEAD + "a,2026-12,1900,1500,900,m-2\n")

    with database.reading() as session:
        state = session.execute(select(items.c.state).where(items.c.id == desk.item.id)).scalar_one()
        ai = select(forecasts.c.value).join(sources, sources.c.id == forecasts.c.source_id)
        newest = session.execute(ai.where(sources.c.kind == SourceKind.AI).order_by(forecasts.c.id.desc()).limit(1))
        assert (state, newest.scalar_one()) == ("decided", 1900.0)

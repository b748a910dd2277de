"""Claims that go back when somebody signs out or a server stops, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from review_queue.errors import ServerStopping
from review_queue.items import Outcome, State
from review_queue.roles import Role
from storage.claims import Held
from storage.engine import Database
from storage.tables import audit_events, drafts, items, series
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import auth
from workbench.actions import importing, releasing, reviewing
from workbench.stopping import Doors


@pytest.fixture
def workflow(database: Database):
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(4))
    return workflow


def states(database: Database) -> dict[str, str]:
    with database.reading() as session:
        found = select(series.c.key, items.c.state).join(series, series.c.id == items.c.series_id)
        return dict(session.execute(found).all())


def releases(database: Database) -> list[tuple[int, int | None, dict]]:
    with database.reading() as session:
        found = select(audit_events.c.item_id, audit_events.c.actor_id, audit_events.c.details)
        return [tuple(row) for row in session.execute(found.where(audit_events.c.action == "item.released"))]


def test_whoever_signs_out_holds_nothing_any_more_and_finds_the_draft_again(database: Database, workflow):
    auth.sign_in_as(database, "token", Role.REVIEWER)
    rita = auth.person_of_browser(database, "token").person_id
    ben = a_person(database, "Ben", Role.REVIEWER)
    hers, his = take(database, rita, workflow), take(database, ben, workflow)
    reviewing.save_draft(database, person_id=rita, item=hers.item, body={"note": "half"})

    auth.sign_out(database, "token")

    assert states(database)[hers.item.series] == State.READY
    assert states(database)[his.item.series] == State.CLAIMED
    assert releases(database) == [(hers.item.id, rita, {"fence": hers.item.fence, "because": "signed out"})]
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(drafts)).scalar_one() == 1
    assert take(database, ben, workflow).item.id == his.item.id


def test_a_server_that_stops_gives_back_what_still_stands_and_nothing_else(database: Database, workflow):
    people = [a_person(database, name, Role.REVIEWER) for name in ("Ada", "Ben", "Cem")]
    desks = [take(database, person, workflow) for person in people]
    held = [Held(person, desk.item.id, desk.item.fence) for person, desk in zip(people, desks, strict=True)]
    decided, taken_over, open_still = desks
    reviewing.submit_decision(
        database, person_id=people[0], workflow=workflow, choice=choose(decided, Outcome.ACCEPT_AI)
    )
    stale = Held(people[1], taken_over.item.id, taken_over.item.fence - 1)

    assert releasing.release_these(database, [held[0], stale, held[2]]) == 1

    assert states(database)[decided.item.series] == State.DECIDED
    assert states(database)[taken_over.item.series] == State.CLAIMED
    assert states(database)[open_still.item.series] == State.READY
    assert releases(database) == [
        (open_still.item.id, None, {"fence": open_still.item.fence, "because": "server stopped"})
    ]


def test_an_import_gives_up_and_leaves_nothing_when_the_server_stops(
    database: Database, workflow, monkeypatch: pytest.MonkeyPatch
):
    doors = Doors()
    monkeypatch.setattr(importing, "doors", doors)
    before = states(database)
    told = []

    def shut(done: int, total: int) -> None:
        told.append(done)
        doors.shut()

    with database.reading() as session:
        owner = session.execute(select(audit_events.c.actor_id).where(audit_events.c.action == "import")).scalar_one()
    with pytest.raises(ServerStopping, match="Nothing was saved"):
        importing.import_file(
            database,
            person_id=owner,
            workflow_key=workflow.key,
            kind="forecasts",
            name="more.csv",
            content=forecasts(30).encode(),
            progress=shut,
        )

    assert len(told) == 1, "it had begun to write, and gave up at the next look"
    assert states(database) == before

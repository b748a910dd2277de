"""Asking again, on real databases that were really in the way, away, or cut off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from threading import Timer

import pytest
from sqlalchemy import create_engine, func, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from review_queue.errors import DatabaseAway, DatabaseBusy, ItemNotFound, OutcomeUnknown, ServerStopping
from review_queue.items import Outcome, SkipReason
from review_queue.roles import Role
from storage.engine import Database, open_database
from storage.tables import audit_events, comments, decisions, items, people
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from tests.faults import Wire, no_room, wire_to
from workbench.actions import resolving, reviewing
from workbench.actions.again import TRIES, again, patience
from workbench.stopping import Doors


@pytest.fixture
def hasty(database_url: str) -> Iterator[Database]:
    """A database that does not wait long for others."""
    database = open_database(database_url, busy_timeout=0.05, lock_timeout=0.05)
    yield database
    database.engine.dispose()


class Renaming:
    """An action that writes, counts how often it was asked, and may do something first."""

    def __init__(self, before=lambda times: None) -> None:
        self.times, self._before = 0, before

    @again(in_doubt=False)
    def __call__(self, database: Database) -> None:
        self.times += 1
        self._before(self.times)
        with database.writing() as session:
            session.execute(update(people).values(name="Ada Again"))


def in_the_way(database: Database) -> ExitStack:
    """Somebody else who writes to the same row, until closed."""
    other = ExitStack()
    session = other.enter_context(database.writing())
    session.execute(update(people).values(name="In the way"))
    return other


def test_what_was_in_the_way_for_a_moment_is_not_noticed(hasty: Database, database: Database):
    a_person(database, "Ada", Role.REVIEWER)
    other = in_the_way(database)
    rename = Renaming(before=lambda times: other.close() if times == TRIES else None)

    rename(hasty)

    assert rename.times == TRIES
    with database.reading() as session:
        assert session.execute(select(people.c.name)).scalar_one() == "Ada Again"


def test_what_stays_in_the_way_is_said_after_three_tries(hasty: Database, database: Database):
    a_person(database, "Ada", Role.REVIEWER)
    rename = Renaming()

    with in_the_way(database), pytest.raises(DatabaseBusy, match=r"Nothing was saved, and what you typed is kept\."):
        rename(hasty)

    assert rename.times == TRIES


def test_a_refusal_and_a_bug_rise_at_once_and_as_they_are(database: Database):
    asked = []

    @again(in_doubt=True)
    def refuse(error: Exception) -> None:
        asked.append(error)
        raise error

    @again(in_doubt=True)
    def slip(database: Database) -> None:
        asked.append(1)
        with database.writing() as session:
            session.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(ItemNotFound):
        refuse(ItemNotFound(7))
    with pytest.raises(Exception, match="nowhere") as slipped:
        slip(database)

    assert len(asked) == 2
    assert not isinstance(slipped.value, DatabaseAway)
    assert isinstance(slipped.value, ProgrammingError) or database.dialect == "sqlite"


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all.db"])
def test_a_database_that_is_away_is_said_at_once(url: str):
    rename = Renaming()

    with pytest.raises(DatabaseAway, match="takes no changes at the moment"):
        rename(open_database(url))

    assert rename.times == 1


def test_a_database_without_room_is_said_and_nothing_is_half_stored(sqlite_url: str):
    database = open_database(sqlite_url)
    ada, workflow = a_person(database, "Ada", Role.REVIEWER), a_workflow(database)
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)

    with no_room(), patience(0.1), pytest.raises((DatabaseAway, OutcomeUnknown)):
        accept(database, ada, workflow, desk)

    assert count(database, decisions) == 0
    assert count(database, audit_events, audit_events.c.action == "decision.made") == 0
    accept(database, ada, workflow, desk)
    assert count(database, decisions) == 1


def test_a_read_only_database_takes_nothing_and_everything_is_as_before(postgresql_url: str):
    database = open_database(postgresql_url)
    ada, workflow = a_person(database, "Ada", Role.REVIEWER), a_workflow(database)
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    make_read_only(postgresql_url, "on")
    database.engine.dispose()

    for refused in (
        lambda: accept(database, ada, workflow, desk),
        lambda: reviewing.take_next(database, person_id=ada, workflow=workflow),
        lambda: reviewing.save_draft(database, person_id=ada, item=desk.item, body={"note": "x"}),
        lambda: reviewing.comment(database, person_id=ada, item_id=desk.item.id, body="x"),
        lambda: bring_in(database, workflow, forecasts(2)),
    ):
        with pytest.raises(DatabaseAway):
            refused()

    make_read_only(postgresql_url, "off")
    assert count(database, decisions) == count(database, comments) == 0
    accept(database, ada, workflow, desk)
    database.engine.dispose()


# --- in doubt ------------------------------------------------------------------------------------------------------


@pytest.fixture
def wire(postgresql_url: str) -> Iterator[Wire]:
    with wire_to(postgresql_url) as wire:
        yield wire


@pytest.fixture
def far(wire: Wire) -> Iterator[Database]:
    """A database with one item in Ada's hands, at the other end of the wire."""
    database = open_database(wire.url)
    yield database
    database.engine.dispose()


@pytest.fixture
def desk_of_ada(far: Database):
    ada, workflow = a_person(far, "Ada", Role.REVIEWER), a_workflow(far)
    bring_in(far, workflow, forecasts(2))
    return ada, workflow, take(far, ada, workflow)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_decision_whose_answer_was_lost_is_made_once_and_said_to_be_saved(far, wire, desk_of_ada, cut):
    wire.cut = cut

    decision = accept(far, *desk_of_ada)

    assert wire.cuts == 1
    assert decision.replayed is (cut == "after")
    assert count(far, decisions) == 1
    assert count(far, audit_events, audit_events.c.action == "decision.made") == 1


@pytest.mark.parametrize("cut", ["before", "after"])
def test_an_undo_whose_answer_was_lost_is_made_once(far, wire, desk_of_ada, cut):
    ada, workflow, _ = desk_of_ada
    decision = accept(far, *desk_of_ada)
    wire.cut = cut

    reviewing.undo(far, person_id=ada, workflow=workflow, decision_id=decision.id, key="undo-1")

    assert wire.cuts == 1
    assert count(far, decisions, decisions.c.act == "undo") == 1


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_claim_a_renewal_a_draft_and_a_skip_are_repeated_without_harm(far, wire, desk_of_ada, cut):
    ada, workflow, desk = desk_of_ada
    item = desk.item
    for act in (
        lambda: reviewing.take_next(far, person_id=ada, workflow=workflow),
        lambda: reviewing.renew_claim(far, person_id=ada, workflow=workflow, item_id=item.id, fence=item.fence),
        lambda: reviewing.save_draft(far, person_id=ada, item=item, body={"note": "x"}),
        lambda: reviewing.skip_item(far, person_id=ada, item_id=item.id, fence=item.fence, reason=SkipReason.LATER),
    ):
        wire.cut = cut

        act()

        assert wire.cut is None
    assert count(far, audit_events, audit_events.c.action == "item.claimed") == 1
    assert count(far, items, items.c.state == "claimed") == 0


def test_a_comment_whose_answer_was_lost_is_not_repeated(far, wire, desk_of_ada):
    ada, _, desk = desk_of_ada
    wire.cut = "after"

    with pytest.raises(OutcomeUnknown, match="Look whether it is there before you do it again"):
        reviewing.comment(far, person_id=ada, item_id=desk.item.id, body="Once, please.")

    lock_and_let_go(far, comments)
    assert count(far, comments) == 1


def test_a_database_that_comes_back_in_time_is_waited_for(far, wire, desk_of_ada):
    wire.cut, wire.is_down = "after", True
    Timer(1.0, lambda: setattr(wire, "is_down", False)).start()

    decision = accept(far, *desk_of_ada)

    assert decision.replayed
    assert count(far, decisions) == 1


@pytest.mark.parametrize(("cut", "stored"), [("before", False), ("after", True)])
def test_what_cannot_be_learned_in_time_is_said_so_and_resolved_by_its_key_later(far, wire, desk_of_ada, cut, stored):
    ada, _, desk = desk_of_ada
    wire.cut, wire.is_down = cut, True
    with patience(0.1), pytest.raises(OutcomeUnknown):
        accept(far, *desk_of_ada)
    with pytest.raises(DatabaseAway):
        resolving.resolve(far, person_id=ada, item_id=desk.item.id, key="key-1")

    wire.is_down = False

    found = resolving.resolve(far, person_id=ada, item_id=desk.item.id, key="key-1")
    assert (found is not None) is stored
    assert resolving.resolve(far, person_id=ada + 1, item_id=desk.item.id, key="key-1") is None


def test_nothing_is_called_not_saved_while_it_could_still_be_stored(far, wire, desk_of_ada, postgresql_url):
    """The client is cut off, and the server still has the transaction open."""
    ada, workflow, desk = desk_of_ada
    near = open_database(postgresql_url, lock_timeout=0.1)
    with far.writing() as session:
        reviewing.submit_decision.__wrapped__(  # the same statements, in a transaction that is kept open
            _Held(session), person_id=ada, workflow=workflow, choice=choose(desk, Outcome.ACCEPT_AI)
        )

        with pytest.raises(DatabaseBusy):
            resolving.resolve(near, person_id=ada, item_id=desk.item.id, key="key-1")

    found = resolving.resolve(near, person_id=ada, item_id=desk.item.id, key="key-1")
    assert found is not None
    near.engine.dispose()


@dataclass
class _Held:
    """Gives out one transaction that ends later than the action in it."""

    session: Session

    def writing(self) -> AbstractContextManager[Session]:
        return nullcontext(self.session)


# --- stopping ------------------------------------------------------------------------------------------------------


def test_shut_doors_let_nobody_in_and_wait_for_who_is_inside():
    doors = Doors()
    with doors.inside():
        doors.shut()

        assert not doors.wait_until_empty(0.01)
        with pytest.raises(ServerStopping), doors.inside():
            pass

    assert doors.wait_until_empty(0.01)


# --- what the tests share ------------------------------------------------------------------------------------------


def accept(database: Database, ada: int, workflow, desk):
    choice = choose(desk, Outcome.ACCEPT_AI)
    return reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)


def count(database: Database, table, *where) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def lock_and_let_go(database: Database, table) -> None:
    """Outlive whoever has written to ``table`` and not ended yet."""
    with database.writing() as session:
        session.execute(text(f"LOCK TABLE {table.name}"))


def make_read_only(url: str, value: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        name = engine.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}"))
    engine.dispose()

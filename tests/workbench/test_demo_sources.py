"""The simulated organisation's two further systems: what was planted in them is there, and is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
from sqlalchemy import select

from review_queue.roles import Role
from storage import lessons, people, schema, tables, workflows
from storage.engine import Database, open_database
from tests.conftest import scratch_database
from workbench import demo, source_reads
from workbench.demo_world import World
from workbench.screens.sources import is_conflict

pytestmark = pytest.mark.one_kind

NOW = datetime(2026, 3, 18, 11, 20, tzinfo=UTC)
WORLD = World()
OTHERS = ("people", "series", "items", "forecasts", "actuals", "decisions", "reasons", "evidence", "comments")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with the simulated organisation in it, on either kind; the tests only read it."""
    with scratch_database(request, tmp_path_factory.mktemp("demo")) as url:
        opened = open_database(url)
        schema.upgrade(opened)
        demo.load(opened, now=NOW)
        with opened.writing() as session:
            manager = people.add(session, issuer="test", subject="max", name="Max")
            people.grant(session, manager, Role.MANAGER)
        yield opened
        opened.engine.dispose()


def read(database: Database, table) -> pd.DataFrame:
    with database.reading() as session:
        rows = session.execute(select(table).order_by(table.c.id)).all()
    return pd.DataFrame(rows, columns=[column.name for column in table.columns])


def told(rows) -> pd.DataFrame:
    """Relative errors of every past item, by pandas alone: one column a source, one row a series and period."""
    actual = rows.actuals.set_index(["series", "period"])["value"]
    about = rows.items[["series", "period"]]
    own = rows.forecasts[rows.forecasts["kind"].isin(["ai", "manual"])].join(about, on="item")
    own = own.drop_duplicates(["item", "kind"], keep="last").rename(columns={"kind": "source"})
    said = pd.concat([own, rows.statements])[["series", "period", "source", "value"]]
    wide = said.pivot(index=["series", "period"], columns="source", values="value")
    known = wide.join(actual.rename("actual"), how="inner")
    return known.drop(columns="actual").rsub(known["actual"], axis=0) / known.drop(columns="actual")


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
def test_the_crm_and_the_manual_forecast_are_one_and_the_order_book_is_not(seed: int) -> None:
    errors = told(demo.rows_of(demo.tell(WORLD, seed=seed, now=NOW), seed)).clip(-1, 1)

    together = errors.corr()
    assert together.loc["crm", "manual"] > 0.9
    assert together.loc["orders", ["ai", "crm", "manual"]].abs().max() < 0.1
    typical = errors.abs().median()
    assert typical.idxmin() == "orders"
    assert 0.03 < typical["orders"] < 0.06


def test_the_other_rows_do_not_know_of_these_systems() -> None:
    one, other = (
        demo.rows_of(demo.tell(world, seed=3, now=NOW), 3)
        for world in (WORLD, replace(WORLD, crm_noise=0.2, orders_bias=0.1, slip_share=0.0))
    )

    for name in OTHERS:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert not one.statements["value"].equals(other.statements["value"])


def test_statements_came_before_their_period_and_before_now_under_one_name_a_series(loaded: Database) -> None:
    said, names = read(loaded, tables.statements), read(loaded, tables.identifiers)

    begins = pd.to_datetime(said["period_start"], utc=True)
    assert (pd.to_datetime(said["as_of"], utc=True) < begins).all()
    assert said["is_ahead"].all()
    assert (pd.to_datetime(said["received_at"], utc=True) <= pd.Timestamp(NOW)).all()
    assert names.groupby(["source_id", "record_id"])["series_id"].nunique().eq(1).all()
    assert names.groupby("source_id").size().tolist() == [307, 307]
    assert names["record_id"].str.contains("@").groupby(names["source_id"]).all().tolist() == [True, False]


def test_what_the_server_learnt_is_what_the_rows_say(loaded: Database) -> None:
    with loaded.reading() as session:
        workflow = workflows.get(session, "sales")
        learnt = lessons.standing(session, workflow.id)
    errors = told(demo.rows_of(demo.tell(WORLD, seed=7, now=NOW), 7)).clip(-1, 1)

    pairs = learnt.pairs.set_index(["source", "other"])["correlation"]
    assert pairs["crm", "manual"] == pytest.approx(errors["crm"].corr(errors["manual"]), abs=0.01)
    typical = learnt.classes.set_index("source")["typical"]
    for source in ("ai", "crm", "orders"):
        assert typical[source] == pytest.approx(errors[source].abs().median(), rel=0.01)
    assert learnt.outcomes == len(errors)
    # On the whole what is stated comes true as often as stated.
    tenths = learnt.reliability
    whole = tenths["n"].sum()
    stated, true = ((tenths[name] * tenths["n"]).sum() / whole for name in ("stated", "share"))
    assert abs(stated - true) < 0.05


def test_the_slip_in_the_crm_is_in_the_list_of_conflicts(loaded: Database) -> None:
    with loaded.reading() as session:
        workflow = workflows.get(session, "sales")
        manager = people.find(session, "test", "max")
    rows = demo.rows_of(demo.tell(WORLD, seed=7, now=NOW), 7)
    both = rows.statements.pivot(index=["series", "period"], columns="source", values="value")
    slipped = set(both.index[both["crm"] > 1.7 * both["orders"]])

    found = source_reads.disputed(loaded, person_id=manager, workflow=workflow)

    conflicts = is_conflict(found)
    is_slip = pd.Series([pair in slipped for pair in zip(found["name"], found["period"], strict=True)])
    assert is_slip.sum() >= 3
    assert conflicts[is_slip].all()
    assert found["far_off"][is_slip].str.contains("crm").all()
    assert conflicts[~is_slip].mean() < 0.05
    assert conflicts.iloc[: is_slip.sum()].all()

"""Other databases as sources: asked when due, once, read only, by the checks of a file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text, update
from typer.testing import CliRunner

from review_queue.errors import NotAllowed
from review_queue.roles import Role
from storage import foreign
from storage import people as persons
from storage.engine import Database, open_database
from storage.foreign import SourceFailed
from storage.tables import audit_events, forecasts, imports, people, pulls, set_aside_rows
from tests.builders import a_person, a_workflow, bring_in
from tests.conftest import scratch_database
from workbench.actions import feeding, importing, pulling
from workbench.cli import app
from workbench.settings import settings
from workbench.sources import SourcesInvalid, read_sources

QUERY = "SELECT account, month, model, planner FROM plan ORDER BY account"
COLUMNS = {"series": "account", "period": "month", "ai_forecast": "model", "human_forecast": "planner"}
Configure = Callable[..., Path]


@pytest.fixture(params=["sqlite", "postgresql"])
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of somebody else's database with a plan of two rows, one of which cannot be trusted."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    with scratch_database(request, folder) as url:
        write(
            url,
            "CREATE TABLE plan (account TEXT, month DATE, model NUMERIC(12, 3), planner TEXT)",
            "INSERT INTO plan VALUES ('acme', '2026-12-01', 1000.125, '1100')",
            "INSERT INTO plan VALUES ('bolt', '2026-12-01', 2000, 'soon')",
        )
        yield url


def write(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def configure(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Write the file of sources, and let the settings name it."""
    path = tmp_path / "sources.toml"
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    monkeypatch.setenv("WORKBENCH_SOURCES", str(path))

    def configured(*sources: dict[str, object]) -> Path:
        tables = []
        for each in sources:
            lines = [f"{name} = {json.dumps(value)}" for name, value in each.items() if name != "columns"]
            lines += [f"columns.{ours} = {json.dumps(their)}" for ours, their in each.get("columns", {}).items()]
            tables.append("\n".join(["[[sources]]", *lines]))
        path.write_text("\n".join(tables))
        settings.cache_clear()
        return path

    yield configured
    settings.cache_clear()


def source(address: str, **changes: object) -> dict[str, object]:
    named = {"name": "erp", "workflow": "sales", "kind": "forecasts", "url": address}
    ordinary = {**named, "query": QUERY, "columns": COLUMNS}
    return {**ordinary, **changes}


def rows(database: Database, table) -> list:
    with database.reading() as session:
        return list(session.execute(select(table).order_by(table.c.id)).all())


def test_a_source_is_pulled_by_the_checks_of_a_file(database, configure, theirs):
    a_workflow(database)
    configure(source(theirs))

    (done,) = pulling.pull_due(database)

    assert (done.source, done.failure) == ("erp", "")
    assert (done.summary.counts.accepted, done.summary.counts.reasons) == (1, {"NOT_A_NUMBER": 1})
    assert sorted(row.value for row in rows(database, forecasts)) == [1000.125, 1100.0]
    (pull,) = rows(database, pulls)
    (batch,) = rows(database, imports)
    assert (pull.import_id, pull.ended_at is not None, pull.failure) == (batch.id, True, "")
    assert (batch.file_name, batch.mapping) == ("source erp", {})


def test_it_is_asked_again_only_when_it_is_due(database, configure, theirs):
    a_workflow(database)
    configure(source(theirs))
    pulling.pull_due(database)

    assert pulling.pull_due(database) == []
    with database.writing() as session:
        session.execute(update(pulls).values(slot=pulls.c.slot - 1))  # an hour goes by
    (again,) = pulling.pull_due(database)

    assert (again.summary.counts.unchanged, again.summary.counts.set_aside) == (1, 1)
    assert len(rows(database, set_aside_rows)) == 1  # it waits once, however often it comes


def test_a_row_that_waits_does_not_wait_again_when_others_come_before_it(database, configure, theirs):
    a_workflow(database)
    configure(source(theirs))
    pulling.pull_due(database)
    with database.reading() as session:
        person = session.execute(select(imports.c.person_id)).scalar_one()

    write(theirs, "INSERT INTO plan VALUES ('aaa', '2026-12-01', 1, '1')")
    pulling.pull_now(database, "erp", person_id=person)
    waiting = rows(database, set_aside_rows)
    write(theirs, "UPDATE plan SET planner = 'later' WHERE account = 'bolt'")
    pulling.pull_now(database, "erp", person_id=person)

    assert [(row.row_number, row.cells["series"]) for row in waiting] == [(3, "bolt")]
    assert [row.cells["human_forecast"] for row in rows(database, set_aside_rows)] == ["soon", "later"]


def test_many_servers_ask_it_once(database, database_url, configure, theirs):
    a_workflow(database)
    configure(source(theirs))
    replicas = [open_database(database_url) for _ in range(3)]
    done: list[list[pulling.Pulled]] = []
    threads = [threading.Thread(target=lambda one=one: done.append(pulling.pull_due(one))) for one in replicas]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for one in replicas:
        one.engine.dispose()
    assert sorted(map(len, done)) == [0, 0, 1]


def test_who_brought_the_rows_in_is_the_source_and_it_may_do_nothing_else(database, configure, theirs):
    a_workflow(database)
    other = a_workflow(database, key="other", title="Other")
    configure(source(theirs))
    pulling.pull_due(database)

    with database.reading() as session:
        person = session.execute(select(people).where(people.c.subject == "source:erp@sales")).one()
    (batch,) = rows(database, imports)
    assert (batch.person_id, person.name) == (person.id, "Source erp")
    with pytest.raises(NotAllowed):
        importing.list_imports(database, person_id=person.id, workflow_key=other.key)


def test_a_role_that_somebody_took_back_is_not_given_again(database, configure, theirs):
    workflow = a_workflow(database)
    configure(source(theirs))
    pulling.pull_due(database)
    with database.writing() as session:
        person = persons.find(session, persons.LOCAL, "source:erp@sales")
        persons.revoke(session, person, Role.INTEGRATOR, workflow_id=workflow.id)
        session.execute(update(pulls).values(slot=pulls.c.slot - 1))

    (done,) = pulling.pull_due(database)

    assert "may not bring data in" in done.failure


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query": "SELECT * FROM nowhere"}, "Its database said: "),
        ({"query": "SELECT account AS series FROM plan", "columns": {}}, "A file of forecasts needs period"),
        ({"columns": {"series": "konto"}}, "The mapping looks for 'konto'"),
        ({"workflow": "ghost"}, "There is no workflow 'ghost'"),
    ],
)
def test_a_source_that_fails_says_why_and_holds_no_other_up(database, configure, theirs, changes, said):
    a_workflow(database)
    configure(source(theirs, **changes), source(theirs, name="good"))

    failed, good = pulling.pull_due(database)

    assert said in failed.failure
    assert good.summary.counts.accepted == 1
    kept = {pull.source: pull.failure for pull in rows(database, pulls)}
    assert kept["good"] == ""
    assert kept.get("erp", failed.failure) == failed.failure


def test_failures_in_a_row_put_the_feed_out(database, configure, theirs):
    workflow = a_workflow(database)
    bring_in(database, workflow, "series,period,ai_forecast\nacme,2026-12,1\n")
    configure(source(theirs, query="SELECT * FROM nowhere"))
    for _ in range(3):
        pulling.pull_due(database)
        with database.writing() as session:
            session.execute(update(pulls).values(slot=pulls.c.slot - 1))

    assert feeding.watch_feeds(database) == [workflow.id]


# --- only reading --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM plan", "SELECT 1; DROP TABLE plan", "  update plan set model = 0", "", "EXPLAIN SELECT 1"],
)
def test_a_query_that_does_more_than_read_is_refused_in_the_settings(configure, query, tmp_path):
    path = configure(source("sqlite:///x.db", query=query))

    with pytest.raises(SourcesInvalid, match=r"source 1: query: write one SELECT"):
        read_sources(str(path))


def test_a_query_that_hides_a_change_is_stopped_by_the_database(theirs):
    change = "WITH gone AS (DELETE FROM plan RETURNING *) SELECT * FROM gone"

    with pytest.raises(SourceFailed, match="Its database said: "):
        foreign.ask(theirs, change, most=10)

    assert len(foreign.ask(theirs, "SELECT * FROM plan", most=10).rows) == 2


def test_more_rows_than_are_wanted_are_refused(theirs):
    with pytest.raises(SourceFailed, match="more than 1 rows"):
        foreign.ask(theirs, "SELECT * FROM plan", most=1)
    with pytest.raises(SourceFailed, match="more than 1 rows of 4 columns"):
        foreign.ask(theirs, "SELECT * FROM plan", most=10, most_cells=7)


def test_colons_and_percent_signs_in_a_query_are_the_querys_own(theirs):
    found = foreign.ask(theirs, "SELECT account, ':name' AS a, '50%' AS b FROM plan WHERE account LIKE 'ac%';", most=9)

    assert found.rows == [("acme", ":name", "50%")]


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(SourceFailed, match="unable to open database file"):
        foreign.ask(f"sqlite:///{tmp_path}/none.db", "SELECT 1", most=1)

    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("oracle+nodriver://u:p@h/x", "cannot be used"),
        ("nothing", "cannot be used"),
        ("postgresql://u:geheim@127.0.0.1:1/x", "Its database said"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(url, said):
    with pytest.raises(SourceFailed, match=said) as refused:
        foreign.ask(url, "SELECT 1", most=1)

    assert "geheim" not in str(refused.value)


# --- the file of sources -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "stuff"}, "source 1: kind:"),
        ({"url_env": "X"}, "give either url or url_env"),
        ({"url": None, "url_env": "NO_SUCH_VARIABLE"}, "the environment variable NO_SUCH_VARIABLE is not set"),
        ({"every_minutes": 0}, "every_minutes"),
        ({"colour": "red"}, "colour"),
        ({"name": "Erp!"}, "name"),
    ],
)
def test_a_source_that_is_wrong_is_refused_field_by_field_without_its_url(configure, changes, said):
    wrong = {name: value for name, value in source("sqlite:///geheim.db", **changes).items() if value is not None}

    with pytest.raises(SourcesInvalid, match=said) as refused:
        read_sources(str(configure(wrong)))

    assert "geheim" not in str(refused.value)


def test_two_sources_of_one_name_and_a_file_that_is_not_there_are_refused(configure, tmp_path):
    path = configure(source("sqlite:///a.db"), source("sqlite:///b.db"))

    with pytest.raises(SourcesInvalid, match="erp is named twice"):
        read_sources(str(path))
    with pytest.raises(SourcesInvalid, match="cannot be read"):
        read_sources(str(tmp_path / "nowhere.toml"))
    assert read_sources(None) == ()


def test_the_url_may_lie_in_the_environment(configure, monkeypatch):
    monkeypatch.setenv("ERP_URL", "sqlite:///theirs.db")
    given = source("", url_env="ERP_URL")
    del given["url"]

    (found,) = read_sources(str(configure(given)))

    assert found.address == "sqlite:///theirs.db"
    assert "theirs" not in repr(found)


# --- by hand -------------------------------------------------------------------------------------------------------


def test_the_command_pulls_now_and_a_dry_run_changes_nothing(database, configure, theirs):
    a_workflow(database)
    configure(source(theirs))

    tried = CliRunner().invoke(app, ["pull", "erp", "--dry-run"])
    before = rows(database, imports)
    done = CliRunner().invoke(app, ["pull", "erp", "--json"])
    again = CliRunner().invoke(app, ["pull", "erp"])

    assert "Nothing was changed: this was a dry run." in tried.stdout
    assert (before, tried.exit_code, done.exit_code) == ([], 1, 1)
    assert json.loads(done.stdout)[0]["import"]["accepted"] == 1
    assert "erp: 2 rows: 0 accepted, 1 unchanged" in again.stdout


def test_the_command_refuses_a_source_that_is_not_there(database, configure, theirs):
    a_workflow(database)
    configure(source(theirs))

    result = CliRunner().invoke(app, ["pull", "ghost"])

    assert (result.exit_code, "There is no source 'ghost'. Choose one of erp." in result.stderr) == (3, True)


def test_only_who_may_import_pulls_by_hand(database, configure, theirs):
    a_workflow(database)
    configure(source(theirs))
    rita = a_person(database, "Rita", Role.REVIEWER)

    with pytest.raises(NotAllowed):
        pulling.pull_now(database, "erp", person_id=rita)

    assert rows(database, pulls) == []
    refusals = [event for event in rows(database, audit_events) if event.action == "access.refused"]
    assert [(event.actor_id, event.details) for event in refusals] == [(rita, {"action": "pull_now"})]

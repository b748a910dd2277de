from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from review_queue.checkpoints import new_key, private_key
from review_queue.errors import ReviewError, ServerStopping
from review_queue.items import Outcome
from review_queue.roles import Role
from storage import audit
from storage.engine import Database, open_database
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from tests.faults import wire_to
from workbench import gate, metrics, scraping, upkeep
from workbench.actions import reviewing
from workbench.actions.again import patience
from workbench.checkpoints import Folder, FolderRefused, Witness

DOCS = Path(__file__).parents[2] / "docs"
TOKEN = SecretStr("0123456789abcdef" * 2)
Scrape = Callable[..., float]


def read() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(generate_latest(metrics.REGISTRY).decode())
    return {(each.name, frozenset(each.labels.items())): each.value for one in families for each in one.samples}


@pytest.fixture
def grown() -> Scrape:
    """By how much a counter has grown since the test began."""
    before = read()

    def since(name: str, **labels: str) -> float:
        sample = (name, frozenset(labels.items()))
        return read().get(sample, 0.0) - before.get(sample, 0.0)

    return since


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return Witness(Folder(folder), private_key(new_key()[0]))


@pytest.fixture
def watched(database: Database, witness: Witness) -> Iterator[Database]:
    scraping.watch(database, witness.folder)
    yield database
    metrics.REGISTRY.unregister(scraping._of_the_database)
    scraping._of_the_database = None


def test_decisions_claims_repetitions_and_refusals_are_counted(watched: Database, grown: Scrape) -> None:
    workflow = a_workflow(watched)
    ada, bob = (a_person(watched, name, Role.REVIEWER) for name in ("Ada", "Bob"))
    eve = a_person(watched, "Eve", Role.AUDITOR)
    bring_in(watched, workflow, forecasts(3) + "broken,2026-12,not a number,,,,\n")
    desk = take(watched, ada, workflow)
    choice = choose(desk, Outcome.ACCEPT_AI)
    made = reviewing.submit_decision(watched, person_id=ada, workflow=workflow, choice=choice)
    reviewing.submit_decision(watched, person_id=ada, workflow=workflow, choice=choice)
    late = choose(desk, Outcome.ACCEPT_AI, key="another")
    for person, tried in ((bob, late), (eve, late)):
        with suppress(ReviewError):
            reviewing.submit_decision(watched, person_id=person, workflow=workflow, choice=tried)
    read_again = reviewing.undoable(watched, person_id=ada, workflow=workflow)
    reviewing.undo(watched, person_id=ada, workflow=workflow, decision_id=made.id, key="u")

    assert read_again is not None
    assert sum(grown("workbench_decisions_total", action="undoable", outcome=each.value) for each in Outcome) == 0
    assert grown("workbench_decisions_total", action="submit_decision", outcome="accept_ai") == 1
    assert grown("workbench_decisions_total", action="undo", outcome="undone") == 1
    assert grown("workbench_idempotent_replay_total") == 1
    assert grown("workbench_stale_rejected_total") == 1
    assert grown("workbench_authz_denied_total") + grown("workbench_refusals_total", code="NOT_FOUND") == 1
    assert grown("workbench_decide_seconds_count") == 5
    assert grown("workbench_claim_seconds_count") == 1
    assert grown("workbench_import_rows_total", result="accepted") == 3
    assert grown("workbench_import_rows_total", result="set_aside") == 1


def test_the_queue_and_the_outbox_are_read_at_the_scrape(watched: Database) -> None:
    workflow = a_workflow(watched)
    ada = a_person(watched, "Ada", Role.REVIEWER)
    bring_in(watched, workflow, forecasts(4))
    choice = choose(take(watched, ada, workflow), Outcome.ACCEPT_AI)
    reviewing.submit_decision(watched, person_id=ada, workflow=workflow, choice=choice)

    found = read()

    depths = {labels: value for (name, labels), value in found.items() if name == "workbench_queue_depth"}
    assert sum(depths.values()) == 3
    assert {dict(labels)["workflow"] for labels in depths} == {"sales"}
    ages = [value for (name, _), value in found.items() if name == "workbench_oldest_item_age_seconds"]
    assert all(0 <= age < 60 for age in ages)
    assert found["workbench_outbox_pending", frozenset()] == 1
    assert 0 <= found["workbench_outbox_oldest_age_seconds", frozenset()] < 60
    assert found["workbench_database_up", frozenset()] == 1
    assert found["workbench_db_pool_in_use", frozenset()] == 0


def test_it_is_told_how_far_the_record_is_ahead_of_its_checkpoints(
    watched: Database, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraping, "KEPT", 0.0)
    happen(watched, 3)
    events, seconds, age = lag()
    assert (events, math.isnan(age)) == (3, True)
    assert 0 <= seconds < 60

    witness.keep(watched, now=datetime.now(UTC) - timedelta(hours=1))
    assert lag() == (0, 0, pytest.approx(3600, abs=60))

    happen(watched, 2)
    witness.folder.path.rename(witness.folder.path.with_name("unmounted"))
    events, seconds, age = lag()
    assert events == 2
    assert 0 <= seconds < 60
    assert age > 3600


def happen(database: Database, count: int) -> None:
    with database.writing() as session:
        for _ in range(count):
            audit.record(session, "something.done", actor_id=None)


def lag() -> tuple[float, float, float]:
    """Events that no checkpoint vouches for, seconds since the first of them, and the last checkpoint's age."""
    found = read()
    names = ("audit_tip_lag_events", "audit_tip_lag_seconds", "checkpoint_age_seconds")
    events, seconds, age = (found[f"workbench_{name}", frozenset()] for name in names)
    return events, seconds, age


def test_without_checkpoints_nothing_is_told_of_them(database: Database) -> None:
    scraping.watch(database)

    assert not [name for name, _ in read() if "checkpoint" in name or "audit" in name]


def test_connections_in_use_are_counted(watched: Database) -> None:
    with watched.engine.connect():
        assert read()["workbench_db_pool_in_use", frozenset()] == 1


def test_without_its_database_a_scrape_says_so_and_tells_the_rest(postgresql_url: str) -> None:
    with wire_to(postgresql_url) as wire:
        database = open_database(wire.url)
        scraping.watch(database)
        wire.is_down = True

        found = read()

        assert found["workbench_database_up", frozenset()] == 0
        assert ("workbench_queue_depth", frozenset()) not in found
        assert ("workbench_in_doubt_total", frozenset()) in found
        database.engine.dispose()


def test_a_commit_in_doubt_is_counted_and_so_is_one_that_stays_so(postgresql_url: str, grown: Scrape) -> None:
    plain = open_database(postgresql_url)
    workflow = a_workflow(plain)
    ada = a_person(plain, "Ada", Role.REVIEWER)
    bring_in(plain, workflow, forecasts(1))
    with wire_to(postgresql_url) as wire:
        database = open_database(wire.url)
        choice = choose(take(database, ada, workflow), Outcome.ACCEPT_AI)
        wire.stays_down_after_cut, wire.cut = True, "after"

        with pytest.raises(ReviewError) as refused, patience(0.2):
            reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
        database.engine.dispose()
    plain.engine.dispose()

    assert refused.value.code == "OUTCOME_UNKNOWN"
    assert grown("workbench_in_doubt_total") == 1
    assert grown("workbench_in_doubt_unresolved_total") == 1


def test_a_busy_sqlite_is_counted(sqlite_url: str, grown: Scrape) -> None:
    first, second = open_database(sqlite_url), open_database(sqlite_url, busy_timeout=0.05)
    scraping.watch(second)

    with first.writing() as session:
        session.execute(text("DELETE FROM heartbeat"))
        with pytest.raises(OperationalError), second.writing() as other:
            other.execute(text("DELETE FROM heartbeat"))

    assert grown("workbench_sqlite_busy_total") == 1


def test_open_pages_are_counted() -> None:
    inside, go = threading.Event(), threading.Event()

    async def page(scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        inside.set()
        await receive()

    with TestClient(gate.OpenPages(page)).websocket_connect("/_stcore/stream"):
        assert inside.wait(5)
        assert read()["workbench_active_sessions", frozenset()] == 1
        go.set()
    assert read()["workbench_active_sessions", frozenset()] == 0


def test_upkeep_tells_when_each_work_last_ended_well(database: Database) -> None:
    def keep_something() -> None: ...

    metrics.upkeep_went_well(upkeep._name_of(keep_something))

    assert 0 <= read()["workbench_upkeep_age_seconds", frozenset({("work", "keep_something")})] < 5


def test_a_work_of_upkeep_that_never_ends_well_has_an_age_from_its_start() -> None:
    def refused_each_time() -> None:
        raise FolderRefused("Nothing can be written there.")

    async def for_a_while() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(upkeep._again_and_again(refused_each_time, "It did not work", every=9), 0.2)

    asyncio.run(for_a_while())

    assert 0.2 <= read()["workbench_upkeep_age_seconds", frozenset({("work", "refused_each_time")})] < 5


def test_one_fault_does_not_end_a_work_of_upkeep(caplog: pytest.LogCaptureFixture) -> None:
    rounds = []

    def stumbles_once() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise KeyError("what nobody foresaw")
        if len(rounds) == 3:
            raise ServerStopping

    asyncio.run(asyncio.wait_for(upkeep._again_and_again(stumbles_once, "It did not work", every=0), 5))

    assert rounds == [0, 1, 2]
    (told,) = caplog.records
    assert told.getMessage() == "It did not work, which is a fault here; it is tried again in 0 s"
    assert re.fullmatch("[0-9a-f]{8}", told.error_id)
    assert told.exc_info is not None


def test_another_part_adds_a_gauge_in_one_line() -> None:
    metrics.gauge("workbench_test_seconds", "Of this test", lambda: 42.0)

    assert read()["workbench_test_seconds", frozenset()] == 42


def client(token: SecretStr | None, *, caller: str, host: str = "localhost", **headers: str) -> Response:
    def answer(request: Request) -> Response:
        return scraping.answer(request, token)

    app = Starlette(routes=[Route("/metrics", answer)])
    with TestClient(app, base_url=f"http://{host}", client=(caller, 5000)) as opened:
        return opened.get("/metrics", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_with_a_token_only_those_who_show_it_may_scrape() -> None:
    right = f"Bearer {TOKEN.get_secret_value()}"

    assert client(TOKEN, caller="203.0.113.7", host="review.example.com", authorization=right).status_code == 200
    for wrong in ({}, {"authorization": right + "x"}, {"authorization": TOKEN.get_secret_value()}):
        refused = client(TOKEN, caller="127.0.0.1", **wrong)
        assert refused.status_code == 401
        assert "workbench_" not in refused.text


@pytest.mark.parametrize(
    ("caller", "host", "headers"),
    [
        ("203.0.113.7", "localhost", {}),
        ("127.0.0.1", "review.example.com", {}),
        ("127.0.0.1", "localhost", {"x_forwarded_for": "203.0.113.7"}),
        ("127.0.0.1", "localhost", {"x_real_ip": "127.0.0.1"}),
        ("127.0.0.1", "localhost", {"forwarded": "for=203.0.113.7"}),
    ],
)
def test_without_a_token_nobody_scrapes_from_elsewhere_nor_through_a_proxy(
    caller: str, host: str, headers: dict[str, str]
) -> None:
    refused = client(None, caller=caller, host=host, **headers)

    assert refused.status_code == 403
    assert "workbench_" not in refused.text


def test_without_a_token_this_machine_scrapes() -> None:
    answer = client(None, caller="127.0.0.1")

    assert answer.status_code == 200
    assert "workbench_decide_seconds_bucket" in answer.text


def test_every_metric_is_documented_and_the_sample_rules_name_no_other(watched: Database) -> None:
    bring_in(watched, a_workflow(watched), forecasts(1))
    metrics.upkeep_went_well("keep_order")
    known = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in metrics.REGISTRY.collect()
        if family.name.startswith("workbench_") and "test" not in family.name
    }
    documented = set(re.findall(r"`(workbench_\w+)", (DOCS / "operating.md").read_text("utf-8")))
    ruled = set(re.findall(r"\b(workbench_\w+)", (DOCS / "deploy" / "alerts.yml").read_text("utf-8")))

    assert documented - {"workbench_browser", "workbench_app", "workbench_analytics", "workbench_backup"} == known
    assert {name.removesuffix("_bucket") for name in ruled} <= known
    assert len(ruled) > 5


def test_the_sample_units_may_write_where_the_guide_keeps_checkpoints() -> None:
    (folder,) = re.findall(r"WORKBENCH_CHECKPOINTS=(/\S+)", (DOCS / "operating.md").read_text("utf-8"))

    for unit in ("workbench@.service", "workbench-worker.service"):
        assert f"ReadWritePaths=-{folder}\n" in (DOCS / "deploy" / unit).read_text("utf-8")

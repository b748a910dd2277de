"""How much and how often a program may ask, and what it is told when that is too much."""

from __future__ import annotations

import json
from time import perf_counter

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from starlette.testclient import TestClient

from review_queue.errors import DatabaseAway, DatabaseBusy, OutcomeUnknown, ReviewError, ServerStopping
from storage.tables import imports
from storage.workflows import WorkflowBusy
from tests.builders import a_workflow
from tests.workbench.api.conftest import interface, send
from workbench.actions.importing import PolicyChanged
from workbench.api import bodies, problems
from workbench.api.problems import Refused
from workbench.api.rates import Rates
from workbench.stopping import doors

ROW = {"series": "acme", "period": "2026-12", "ai_forecast": 1}


@pytest.fixture
def workflow(database):
    return a_workflow(database)


def test_a_token_that_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up(
    database, connect, workflow
) -> None:
    app = interface(database, requests=3, imports=10)
    busy, calm = connect(app=app), connect(app=app)
    answers = [busy.get("/token") for _ in range(5)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    refused = answers[-1]
    assert refused.json()["code"] == "TOO_MANY_REQUESTS"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert f"Ask again in {refused.headers['Retry-After']} seconds" in refused.json()["detail"]
    assert calm.get("/token").status_code == 200


def test_imports_have_a_limit_of_their_own(database, connect, workflow) -> None:
    client = connect(app=interface(database, requests=100, imports=2))

    assert [send(client, [ROW]).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/token").status_code == 200
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(imports)).scalar_one() == 2


def test_after_the_time_that_was_named_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    for clock in ("time.time", "limits.storage.memory.time.time", "workbench.api.rates.time"):
        monkeypatch.setattr(clock, lambda: now[0])
    rates = Rates(requests=2, imports=2)

    rates.count(1, is_import=False)
    now[0] += 20
    rates.count(1, is_import=False)
    now[0] += 5
    with pytest.raises(Refused) as refused:
        rates.count(1, is_import=False)

    assert int(refused.value.headers["Retry-After"]) == pytest.approx(35, abs=1)
    now[0] += int(refused.value.headers["Retry-After"]) + 1
    rates.count(1, is_import=False)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(connect, workflow) -> None:
    client = connect()
    taken = []

    def pieces():
        for _ in range(100):
            taken.append(1)
            yield b" " * 1_000_000

    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    announced = client.post("/workflows/sales/forecasts", content=b" " * (bodies.MOST_BYTES + 1), headers=headers)
    streamed = client.post("/workflows/sales/forecasts", content=pieces(), headers=headers)
    lied = client.post("/workflows/sales/forecasts", content=b"{}", headers={**headers, "Content-Length": "9" * 4400})

    for refused in (announced, streamed, lied):
        assert (refused.status_code, refused.json()["code"]) == (413, "TOO_LARGE")
        assert "larger than 10 MB. Send the rows in several requests." in refused.json()["detail"]
    whole = b'{"rows": [' + json.dumps(ROW).encode() + b"]}"
    padded = whole + b" " * (bodies.MOST_BYTES - len(whole))
    assert client.post("/workflows/sales/forecasts", content=padded, headers=headers).status_code == 200


def test_only_json_as_it_is_is_read(connect, workflow) -> None:
    client = connect()
    body = json.dumps({"rows": [ROW]}).encode()

    def sent(content: bytes, **headers: str) -> httpx.Response:
        return client.post("/workflows/sales/forecasts", content=content, headers={"Idempotency-Key": "k", **headers})

    for headers in (
        {},
        {"Content-Type": "text/csv"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ):
        refused = sent(body, **headers)
        assert (refused.status_code, refused.json()["code"]) == (415, "UNSUPPORTED_CONTENT")
    for content in (b"", b"{", b"\xff", b'{"rows": [NaN]}', b'{"rows": [], "rows": []}', b'{"rows": ["\\ud800"]}'):
        refused = sent(content, **{"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (400, "NOT_JSON")
    assert sent(body, **{"Content-Type": "Application/JSON; charset=utf-8"}).status_code == 200


@pytest.mark.parametrize(("depth", "is_read"), [(32, True), (33, False), (100_000, False)])
def test_json_is_read_to_a_depth_and_no_deeper(depth: int, is_read: bool) -> None:
    body = b"[" * depth + b"]" * depth
    if is_read:
        assert bodies.parsed(body)
        return
    with pytest.raises(Refused) as refused:
        bodies.parsed(body)
    assert refused.value.code == "TOO_DEEP"


def test_brackets_in_text_have_no_depth() -> None:
    text_ = "[{" * 100 + '\\"]'

    assert bodies.parsed(json.dumps({"rows": [{"note": text_}] * 40}).encode())["rows"][0]["note"] == text_


@pytest.mark.parametrize(
    "body",
    [b"[]" * 40 + b'\\"' * 60_000, b"[]" * 40 + b'"\\' * 60_000, b'"' * 4_000_000, b"[]," * 1_300_000],
    ids=["escaped quotes", "quotes and escapes", "quotes", "brackets"],
)
def test_no_body_takes_longer_than_its_length_deserves(body: bytes) -> None:
    began = perf_counter()

    with pytest.raises(Refused):
        bodies.parsed(body)

    assert perf_counter() - began < 5, "a look from each quote to the end would take minutes"


def test_a_long_object_with_a_name_twice_is_refused_at_once() -> None:
    body = json.dumps({str(number): 0 for number in range(200_000)})[:-1] + ', "199999": 0}'
    began = perf_counter()

    with pytest.raises(Refused, match="names '199999' twice"):
        bodies.parsed(body.encode())

    assert perf_counter() - began < 5


JSON = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_json_is_read_as_it_is_but_for_numbers_which_are_text(value: object) -> None:
    def in_text(found: object) -> object:
        if isinstance(found, dict):
            return {name: in_text(inner) for name, inner in found.items()}
        if isinstance(found, list):
            return [in_text(inner) for inner in found]
        return str(found) if isinstance(found, int) and not isinstance(found, bool) else found

    for ascii_only in (True, False):
        assert bodies.parsed(json.dumps(value, ensure_ascii=ascii_only).encode()) == in_text(value)


# --- refusals of the actions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (DatabaseBusy(), 503),
        (DatabaseAway(), 503),
        (OutcomeUnknown(), 503),
        (ServerStopping(), 503),
        (WorkflowBusy("Another import is running."), 409),
        (PolicyChanged("The policy changed."), 409),
        (ReviewError("Anything else."), 422),
    ],
)
def test_what_may_work_in_a_moment_says_when(refusal: ReviewError, status: int) -> None:
    answered = problems.answer(problems.of(refusal))

    problem = json.loads(bytes(answered.body))
    assert (answered.status_code, problem["status"], problem["code"]) == (status, status, refusal.code)
    assert problem["detail"] == str(refusal)
    assert problem["type"] == f"urn:review-workbench:problem:{refusal.code.lower().replace('_', '-')}"
    assert ("retry-after" in answered.headers) == (status in (409, 503))


def test_a_server_that_stops_takes_nothing_new(connect, workflow, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect()
    monkeypatch.setattr(doors, "are_shut", True)

    refused = send(client, [ROW])

    assert (refused.status_code, refused.json()["code"]) == (503, "SERVER_STOPPING")


def test_what_nobody_foresaw_is_a_problem_with_an_id_and_no_detail(database, workflow, connect) -> None:
    client = connect()
    with database.writing() as session:
        session.execute(text("ALTER TABLE items RENAME COLUMN content_hash TO something_else"))
    calm = TestClient(client.app, base_url="http://localhost/api/v1", raise_server_exceptions=False)

    failed = calm.get("/workflows/sales/items", headers=client.headers)

    assert (failed.status_code, failed.json()["code"]) == (500, "UNFORESEEN")
    assert failed.headers["content-type"] == "application/problem+json"
    assert "content_hash" not in failed.text
    assert "SELECT" not in failed.text

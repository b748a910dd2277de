"""The OpenAPI document: a valid one, complete, and what docs/api.md tells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest
import uvicorn
from jsonschema import Draft202012Validator
from sqlalchemy import func, select
from starlette.routing import Route

from review_queue.columns import Kind, columns_of
from review_queue.items import Outcome
from review_queue.roles import Role
from storage.engine import Database
from storage.tables import imports, items
from tests.builders import BECAUSE, a_person, a_workflow, choose, take
from tests.workbench.api.conftest import interface, secret, send
from workbench.actions import reviewing
from workbench.api import problems
from workbench.api.document import document

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def described() -> dict:
    return json.loads(document())


def resolve(described: dict, schema: dict) -> dict:
    """The schema with the components that it refers to, to validate by."""
    return {**schema, "components": described["components"]}


def operations(described: dict) -> list[tuple[str, str, dict]]:
    return [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_route_is_described_and_nothing_else(database: Database, described: dict) -> None:
    mounted = interface(database).routes[0].app.routes
    routes = {
        (route.path, method.lower())
        for route in mounted
        if isinstance(route, Route)
        for method in route.methods - {"HEAD"}
    }

    assert {(path, method) for path, method, _ in operations(described)} == routes - {("/openapi.json", "get")}


def test_every_schema_is_one(described: dict) -> None:
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(names)) == len(names)
    refs = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(described)))
    assert refs <= set(described["components"]["schemas"])
    assert described["openapi"] == "3.1.0"


def test_the_document_is_there_for_whoever_asks(connect) -> None:
    client = connect()
    client.headers.pop("Authorization")

    assert client.get("/openapi.json").json() == json.loads(document())


@pytest.mark.parametrize("kind", list(Kind))
def test_a_row_has_the_columns_of_its_kind(described: dict, kind: Kind) -> None:
    row = described["components"]["schemas"][f"{kind.title()}Row"]

    assert set(row["properties"]) == {column.name for column in columns_of(kind, ())}
    assert (row["additionalProperties"] is False) == (not kind.keeps_other_columns)


def test_answers_are_as_the_document_says(database: Database, connect, described: dict) -> None:
    sales = a_workflow(database, segments=["region"])
    client, ada = connect(), a_person(database, "Ada", Role.REVIEWER)
    row = {"series": "acme", "period": "2026-12", "segment_region": "North", "ai_forecast": 1, "human_forecast": 9}
    sent = send(client, [row, {}])
    desk = take(database, ada, sales)
    choice = choose(desk, Outcome.ADJUST, value=5.0, reason=BECAUSE)
    reviewing.submit_decision(database, person_id=ada, workflow=sales, choice=choice)
    seen = set()

    for path, method, operation in operations(described):
        address = path.replace("{workflow}", "sales").replace("{item}", "1").replace("{decision}", "1")
        answer = client.get(address) if method == "get" else sent if path.endswith("/forecasts") else None
        if answer is None:
            continue
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator(resolve(described, schema)).validate(answer.json())
        if "data" in answer.json():
            assert answer.json()["data"], f"{path} is to show something"
        seen.add(operation["operationId"])
    missing = client.get("/items/404")
    problem = described["components"]["schemas"]["Problem"]
    Draft202012Validator(resolve(described, problem)).validate(missing.json())
    assert len(seen) == len(described["paths"]) - len(Kind) + 1


def test_the_guide_names_every_operation_code_and_status() -> None:
    paths = set(re.findall(r"^\| `(?:GET|POST) (/[^`]*)`", GUIDE, re.MULTILINE))
    codes = set(re.findall(r"^\| (\d{3}) \| `([A-Z_]+)`", GUIDE, re.MULTILINE))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workbench/api").glob("*.py"))
    own = {(status, code) for status, code in re.findall(r'Refused\(\s*(\d{3}),\s*"([A-Z_]+)"', source)}
    own |= {("401", "TOKEN_MISSING"), *((str(status), code) for code, status in problems.STATUS.items())}

    assert paths == set(json.loads(document())["paths"]) | {"/openapi.json"}
    assert codes >= own, f"docs/api.md lacks {own - codes}"


# --- the example ---------------------------------------------------------------------------------------------------


@pytest.fixture
def served(database: Database):
    """The address of the interface on a real socket."""
    config = uvicorn.Config(interface(database), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    until = monotonic() + 30
    while not server.started and monotonic() < until:
        sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def test_the_example_of_the_guide_does_what_it_says(database: Database, served: str, tmp_path: Path) -> None:
    sales = a_workflow(database)
    program = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)[1]
    (tmp_path / "client.py").write_text(program, encoding="utf-8")
    ina, ada = a_person(database, "Ina", Role.INTEGRATOR), a_person(database, "Ada", Role.REVIEWER)
    token = secret(database, ina, Role.INTEGRATOR)

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "client.py"],
            cwd=tmp_path,
            env={"WORKBENCH": served, "WORKBENCH_TOKEN": token},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run()
    desk = take(database, ada, sales)
    choice = choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE)
    reviewing.submit_decision(database, person_id=ada, workflow=sales, choice=choice)
    second = run()

    assert "2 accepted, 0 unchanged, 1 set aside" in first
    assert "row 3: series is empty" in first
    assert "0 accepted, 2 unchanged, 1 set aside" in second
    assert f"{desk.item.series} 2026-12: keep_manual" in second
    assert 35 <= len(program.splitlines()) <= 50
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(items)).scalar_one() == 2
        assert session.execute(select(func.count()).select_from(imports)).scalar_one() == 2

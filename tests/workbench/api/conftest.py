"""Programs that ask over HTTP: the interface on each kind of database, and clients with tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from review_queue.roles import Role
from storage import people
from storage.engine import Database
from tests.builders import a_person
from workbench.actions import issuing
from workbench.api import application

Connect = Callable[..., TestClient]
_key = count()


def interface(database: Database, *, requests: int = 10_000, imports: int = 10_000) -> Starlette:
    """The interface where the server mounts it."""
    limits = {"requests_per_minute": requests, "imports_per_minute": imports}
    return Starlette(routes=[application.interface(lambda: database, **limits)])


@pytest.fixture
def connect(database: Database) -> Iterator[Connect]:
    """A client that shows a token of a person with a role; ``connect(role)``, or ``connect(person_id=…, role=…)``."""
    app, opened, names = interface(database), [], count()

    def connected(role: Role = Role.INTEGRATOR, *, person_id: int | None = None, app: Starlette = app, **how: object):
        if person_id is None:
            person_id = a_person(database, f"{role.value} {next(names)}", role)
        made = secret(database, person_id, role, **how)
        client = TestClient(app, base_url="http://localhost/api/v1", headers={"Authorization": f"Bearer {made}"})
        opened.append(client)
        return client

    yield connected
    for client in opened:
        client.close()


def secret(database: Database, person_id: int, role: Role, **how: object) -> str:
    """A token that can do all that its grant can."""
    writes = {"may_write": role in (Role.INTEGRATOR, Role.OWNER, Role.ADMINISTRATOR), **how}
    made = issuing.create_token(database, person_id=person_id, name="ERP", role=role, **writes)  # type: ignore[arg-type]
    return made.secret


def in_segment(database: Database, name: str, role: Role, workflow_id: int, path: str) -> int:
    """A person with a role in one part of the tree."""
    with database.writing() as session:
        person_id = people.add(session, issuer="test", subject=name, name=name)
        people.grant(session, person_id, role, workflow_id=workflow_id, segment_path=path)
    return person_id


def send(client: TestClient, rows: object, *, kind: str = "forecasts", workflow: str = "sales", key: str = "", **query):
    """Send rows under a key of their own, unless one is given."""
    headers = {"Idempotency-Key": key or f"key-{next(_key)}"}
    return client.post(f"/workflows/{workflow}/{kind}", json={"rows": rows}, headers=headers, params=query)


def everything(client: TestClient, path: str, **query: object) -> list[dict[str, object]]:
    """All pages of a list."""
    found, cursor = [], None
    while True:
        page = client.get(path, params={**query, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200, page.text
        found += page.json()["data"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return found

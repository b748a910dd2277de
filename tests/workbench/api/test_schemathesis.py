"""Schemathesis asks what nobody would: whatever it sends, the answer is one that the document names.

``make api N=500`` asks more. Rate limits are out of its way here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from review_queue.items import Outcome
from review_queue.roles import Role
from storage.engine import open_database
from tests.builders import BECAUSE, a_person, a_workflow, choose, take
from tests.conftest import scratch_database
from tests.workbench.api.conftest import interface, secret
from workbench.actions import importing, reviewing
from workbench.api.asked import NoQuery
from workbench.api.operations import OPERATIONS, Operation

#: Requests of each operation, on each database.
EXAMPLES = int(os.environ.get("API_EXAMPLES", "12"))
ENOUGH = 100
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    missing_required_header,
    ignored_auth,
    unsupported_method,
)
#: What a path names, so that most requests get past "there is no such workflow".
REAL = {"workflow": "sales", "item": 1, "decision": 1}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, str]]:
    """The described interface before a database with something in it, and a token that may do everything there."""
    with scratch_database(request, tmp_path_factory.mktemp("schemathesis")) as url:
        database = open_database(url)
        workflow = a_workflow(database, segments=["region"])
        ina, ada = a_person(database, "Ina", Role.OWNER), a_person(database, "Ada", Role.REVIEWER)
        rows = b"series,period,segment_region,ai_forecast,human_forecast\na,2026-12,N,1,9\nb,2026-12,N,x,9\n"
        given = {"person_id": ina, "workflow_key": "sales", "kind": "forecasts", "name": "f.csv"}
        importing.import_file(database, content=rows, **given)
        choice = choose(take(database, ada, workflow), Outcome.KEEP_MANUAL, reason=BECAUSE)
        reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
        many = {"requests": 10**9, "imports": 10**9}
        app = interface(database, **many)
        yield schemathesis.openapi.from_asgi("/api/v1/openapi.json", app), secret(database, ina, Role.OWNER)
        database.engine.dispose()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_whatever_is_asked_the_answer_is_one_that_the_document_names(asked, operation: Operation) -> None:
    schema, token = asked
    described, statuses = schema[operation.path][operation.method], []
    # Of a wrong parameter there may be nothing left in the address, and then the request is a right one.
    checks = [*CHECKS, negative_data_rejection] if operation.body else list(CHECKS)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="API_EXAMPLES" not in os.environ,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests_of(described, operation))
    def ask(case: schemathesis.Case) -> None:
        found = case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=checks)
        statuses.append(found.status_code)

    ask()

    assert len(statuses) >= EXAMPLES / 2
    assert 200 in statuses or EXAMPLES < ENOUGH, "some of it is to get through"


def requests_of(described: schemathesis.APIOperation, operation: Operation) -> SearchStrategy[schemathesis.Case]:
    """Requests as the document wants them and others, about what is there and what is not."""
    real = {name: value for name, value in REAL.items() if f"{{{name}}}" in operation.path}
    there = {"path_parameters": real}
    places = [{}, there, there, there] if real else [{}]
    return st.one_of(described.as_strategy(mode, **place) for place in places for mode in modes(operation, place))


def modes(operation: Operation, place: dict[str, object]) -> list[GenerationMode]:
    """A request can be wrong where it has anything left that can be."""
    can_be_wrong = not place or operation.query is not NoQuery
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if can_be_wrong else [])]

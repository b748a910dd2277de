"""Who may do what over HTTP: one grant's worth, the same answer for what is absent and for what is forbidden."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from review_queue.errors import RecordBehind
from review_queue.items import Outcome
from review_queue.roles import Role
from storage import people
from storage.engine import Database, database_now
from storage.tables import api_tokens, imports
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from tests.workbench.api.conftest import everything, in_segment, secret, send
from workbench.actions import granting, issuing, reviewing

REGIONS = "series,period,segment_region,ai_forecast,human_forecast\n" + "".join(
    f"{region} {number},2026-12,{region},1000,1300\n" for region in ("North", "South") for number in range(3)
)
#: What each role's token may do: read items and decisions; read rows set aside; write.
MAY = {
    Role.REVIEWER: None,  # no token can be made of it
    Role.DIRECTOR: (200, 200, 200),
    Role.MANAGER: (200, 403, 403),
    Role.OWNER: (200, 200, 200),
    Role.AUDITOR: (200, 403, 403),
    Role.ADMINISTRATOR: (403, 200, 200),
    Role.INTEGRATOR: (200, 200, 200),
}


@pytest.fixture
def sales(database: Database):
    made = a_workflow(database, segments=["region"])
    bring_in(database, made, REGIONS)
    return made


@pytest.fixture
def decided(database: Database, sales) -> int:
    """The id of a decision on an item in the North, by somebody who reviews there alone."""
    rita = in_segment(database, "Rita", Role.REVIEWER, sales.id, "North\x1f")
    desk = take(database, rita, sales)
    choice = choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE)
    return reviewing.submit_decision(database, person_id=rita, workflow=sales, choice=choice).id


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_table_says(database, connect, sales, decided, role) -> None:
    may = MAY[role]
    if may is None:
        with pytest.raises(issuing.TokenNotMade):
            connect(role)
        return
    client = connect(role, may_write=may[2] == 200)

    reads = ["/workflows/sales/items", "/workflows/sales/decisions"]
    assert [client.get(path).status_code for path in reads] == [may[0]] * 2
    # An administrator's token reaches the workflow, and not what is in it.
    assert client.get("/items/1").status_code == (200 if may[0] == 200 else 404)
    assert client.get(f"/decisions/{decided}").status_code == (200 if may[0] == 200 else 404)
    assert client.get("/workflows/sales/set-aside").status_code == may[1]
    row = {"series": "new", "period": "2026-12", "ai_forecast": 1, "segment_region": "North"}
    assert send(client, [row]).status_code == may[2]
    assert client.get("/token").json()["role"] == role.value
    assert [each["key"] for each in client.get("/workflows").json()["data"]] == ["sales"]


def test_a_token_that_reads_writes_nothing(database, connect, sales) -> None:
    client = connect(may_write=False)

    refused = send(client, [{"series": "x", "period": "2026-12", "ai_forecast": 1, "segment_region": "North"}])

    assert (refused.status_code, refused.json()["code"]) == (403, "NOT_ALLOWED")
    assert "it was made to read" in refused.json()["detail"]
    assert client.get("/token").json() == {
        "name": "ERP", "holder": "integrator 0", "role": "integrator", "reads": True, "writes": False,
    }  # fmt: skip


def test_absent_and_forbidden_are_answered_alike(database, connect, sales, decided) -> None:
    other = a_workflow(database, key="retail", title="Retail")
    bring_in(database, other, forecasts(1))
    ina = a_person(database, "Ina")
    with database.writing() as session:
        people.grant(session, ina, Role.INTEGRATOR, workflow_id=other.id)
    client = connect(person_id=ina)
    own = client.get("/workflows/retail/items").json()["data"][0]["id"]
    row = {"series": "x", "period": "2026-12", "ai_forecast": 1}
    pairs = [
        (client.get("/workflows/sales/items"), client.get("/workflows/nothing/items")),
        (client.get("/workflows/sales/decisions"), client.get("/workflows/nothing/decisions")),
        (client.get("/workflows/sales/set-aside"), client.get("/workflows/nothing/set-aside")),
        (client.get("/items/1"), client.get("/items/4711")),
        (client.get(f"/decisions/{decided}"), client.get("/decisions/4711")),
        (send(client, [row], workflow="sales"), send(client, [row], workflow="nothing")),
    ]

    for forbidden, absent in pairs:
        assert forbidden.status_code == absent.status_code == 404
        assert _without_names(forbidden.text) == _without_names(absent.text)
        assert dict(forbidden.headers).keys() == dict(absent.headers).keys()
    assert [each["key"] for each in client.get("/workflows").json()["data"]] == ["retail"]
    assert client.get(f"/items/{own}").status_code == 200
    with database.reading() as session:
        assert session.execute(select(func.count()).select_from(imports)).scalar_one() == 2


def _without_names(text: str) -> str:
    return re.sub(r"sales|nothing|(?<=item )\d+|(?<=decision )\d+", "…", text)


def test_a_token_of_one_part_of_the_tree_reads_that_part(database, connect, sales, decided) -> None:
    north = in_segment(database, "Nora", Role.DIRECTOR, sales.id, "North\x1f")
    south = in_segment(database, "Sam", Role.DIRECTOR, sales.id, "South\x1f")
    northern, southern = (connect(Role.DIRECTOR, person_id=each) for each in (north, south))

    assert {item["series"] for item in everything(northern, "/workflows/sales/items", limit=2)} == {
        "North 0", "North 1", "North 2",
    }  # fmt: skip
    assert {item["segments"][0] for item in everything(southern, "/workflows/sales/items")} == {"South"}
    assert [each["id"] for each in everything(northern, "/workflows/sales/decisions")] == [decided]
    assert everything(southern, "/workflows/sales/decisions") == []
    assert northern.get(f"/decisions/{decided}").status_code == 200
    assert southern.get(f"/decisions/{decided}").status_code == 404
    item = northern.get(f"/decisions/{decided}").json()["item"]
    assert southern.get(f"/items/{item}").status_code == 404
    row = {"series": "x", "period": "2026-12", "ai_forecast": 1, "segment_region": "North"}
    assert send(northern, [row]).status_code == 403, "bringing data in reaches over a whole workflow"


def test_a_second_grant_of_the_same_person_adds_nothing_to_the_token(database, connect, sales) -> None:
    other = a_workflow(database, key="retail", title="Retail")
    bring_in(database, other, forecasts(1))
    dora = a_person(database, "Dora", Role.ADMINISTRATOR, Role.DIRECTOR)
    with database.writing() as session:
        people.grant(session, dora, Role.AUDITOR, workflow_id=other.id)

    client = connect(Role.AUDITOR, person_id=dora)

    assert [each["key"] for each in client.get("/workflows").json()["data"]] == ["retail"]
    assert client.get("/workflows/sales/items").status_code == 404
    assert send(client, [{}], workflow="retail").status_code == 403


@pytest.mark.parametrize("ending", ["revoked", "expired", "role taken back"])
def test_a_token_that_has_ended_is_refused_at_the_next_request(database, connect, sales, ending) -> None:
    ina, ada = a_person(database, "Ina", Role.INTEGRATOR), a_person(database, "Ada", Role.ADMINISTRATOR)
    client = connect(person_id=ina)
    assert client.get("/token").status_code == 200

    if ending == "revoked":
        issuing.revoke_token(database, person_id=ina, token_id=1)
    elif ending == "expired":
        with database.writing() as session:
            now = database_now(session)
            session.execute(update(api_tokens).values(created_at=now - timedelta(days=2), expires_at=now))
    else:
        granting.revoke_role(database, person_id=ada, to=ina, role=Role.INTEGRATOR)

    refused = client.get("/workflows/sales/items")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="review workbench", error="invalid_token"'
    assert send(client, [{}]).status_code == 401


SHOWN = [
    (None, "TOKEN_MISSING"),
    ("", "TOKEN_MISSING"),
    ("Bearer", "TOKEN_REFUSED"),
    ("Bearer nonsense", "TOKEN_REFUSED"),
    ("Bearer rwb_" + "A" * 43, "TOKEN_REFUSED"),
    ("Basic cml0YTpyaXRh", "TOKEN_REFUSED"),
    ("Bearer rwb_" + "A" * 100_000, "TOKEN_REFUSED"),
]


def test_without_a_token_that_works_nothing_is_told(connect, sales) -> None:
    client = connect()
    client.headers.pop("Authorization")

    for shown, code in SHOWN:
        headers = {} if shown is None else {"Authorization": shown}
        for path in ("/token", "/workflows/sales/items", "/items/1", "/workflows/nothing/items"):
            refused = client.get(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, code)
            assert "WWW-Authenticate" in refused.headers
        assert client.post("/workflows/sales/forecasts", json={}, headers=headers).status_code == 401


def test_a_sign_in_of_the_browser_opens_nothing_here(connect, sales) -> None:
    client = connect()
    made = client.headers.pop("Authorization").removeprefix("Bearer ")
    client.cookies.set("workbench_browser", made)

    assert client.get("/token").status_code == 401
    assert client.get("/token", params={"access_token": made}).status_code == 401


def test_the_last_use_is_noted_to_the_minute(database, connect, sales) -> None:
    client = connect()

    def last() -> object:
        with database.reading() as session:
            return session.execute(select(api_tokens.c.last_used_at)).scalar_one()

    assert last() is None
    client.get("/token")
    first = last()
    client.get("/token")
    assert last() == first is not None
    with database.writing() as session:
        session.execute(update(api_tokens).values(last_used_at=first - timedelta(seconds=61)))
    client.get("/token")
    assert last() >= first


def test_reading_goes_on_while_the_record_is_behind(database, connect, sales) -> None:
    client = connect()
    database.refuse_writes(RecordBehind(size=1, vouched=5, at=datetime(2026, 11, 1, tzinfo=UTC)))

    assert client.get("/workflows/sales/items").status_code == 200
    database.refuse_writes(None)


def test_a_secret_is_not_told_by_any_answer(database, connect, sales) -> None:
    ina = a_person(database, "Ina", Role.INTEGRATOR)
    made = secret(database, ina, Role.INTEGRATOR)
    client = connect(person_id=ina)
    client.headers["Authorization"] = f"Bearer {made}"

    answers = [client.get(path) for path in ("/token", "/workflows", "/items/1", "/nowhere")] + [send(client, [{}])]

    assert not any(made[4:] in answer.text + str(answer.headers) for answer in answers)

"""Rows over HTTP: judged as those of a file are, once for each idempotency key."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from review_queue.columns import Kind
from review_queue.roles import Role
from storage import imports as imports_
from storage import tokens
from storage.engine import Database, open_database
from storage.tables import (
    actuals,
    api_answers,
    audit_events,
    forecasts,
    imports,
    items,
    metadata,
    past_reviews,
    series,
    set_aside_rows,
    workflows,
)
from tests.builders import a_person, a_workflow, bring_in
from tests.faults import wire_to
from tests.workbench.api.conftest import secret, send
from workbench.actions import importing, receiving
from workbench.api.shapes import ImportShape

ROW = {"series": "acme", "period": "2026-12", "ai_forecast": 100, "human_forecast": 130}
#: Kind → CSV with rows that can and rows that cannot be trusted.
FILES = {
    "forecasts": (
        "series,period,segment_region,ai_forecast,ai_low,ai_high,ai_q10,human_forecast,human_note,due_at,horizon\n"
        "00123,2026-12,North,100.10000000000001,90,120,91,130,fine,2026-12-24,1\n"
        "acme,2026-12,North,about 100,,,,1,,,\n"
        "bolt,2026-12,Atlantis,1,,,,1,,,\n"
        "cog,2026-12,South,1e400,,,,1,,,\n"
        "dot,2026-12,South,10,12,9,,1,,,\n"
        ",2026-12,South,10,,,,1,,,\n"
        "ear,2026-13,South,10,,,,1,,,\n"
        "00123,2026-12,North,7,,,,7,,,\n"
        "=cmd(),2026-12,North,7,,,,7,,,\n"
        "fig,2026-12,North,,,,,,,,\n"
    ),
    "history": (
        "series,period,segment_region,actual\nacme,2025-12,North,5\nacme,2026-01,North,\nacme,2026-02,North,NaN\n"
    ),
    "actuals": (
        "series,period,actual,final_at,is_lower_bound\nacme,2025-12,6.25,2026-01-31T12:00:00Z,true\nz,2025-12,1,,\n"
    ),
    "reviews": (
        "series,created_at,segment_region,outcome,ai_forecast,final_forecast,mood\n"
        "acme,2025-01-01,North,adjust,1,2,calm\nacme,soon,North,,,,\nacme,2025-01-02,North,approve,1,1,\n"
    ),
}
WRITTEN = (items, forecasts, actuals, past_reviews)


@pytest.fixture
def workflow(database: Database):
    return a_workflow(database)


def count(database: Database, table) -> int:
    with database.reading() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def state_of(database: Database) -> dict[str, list[tuple]]:
    """Every row, but for that of the token, whose last use is noted."""
    with database.reading() as session:
        tables = [table for table in metadata.sorted_tables if table.name != "api_tokens"]
        return {table.name: [tuple(row) for row in session.execute(select(table))] for table in tables}


def as_rows(text: str, *, typed: bool) -> list[dict[str, object]]:
    """The CSV as JSON rows: an empty cell is left out, and what looks like a number is one where ``typed``."""
    rows = []
    for cells in csv.DictReader(io.StringIO(text)):
        rows.append({name: _value(cell) if typed else cell for name, cell in cells.items() if cell or not typed})
    return rows


def _value(cell: str) -> object:
    try:
        value = float(cell)
    except ValueError:
        return cell
    return value if value == value and abs(value) < 1e300 and cell[:1] != "0" else cell


@pytest.mark.parametrize("typed", [True, False], ids=["numbers", "texts"])
@pytest.mark.parametrize("kind", list(FILES))
def test_rows_are_judged_and_stored_as_those_of_a_file(database, connect, kind, typed) -> None:
    levels = {"segments": ["region"], "scope": {"region": ["North", "South"]}}
    by_file, _ = a_workflow(database, **levels), a_workflow(database, key="http", title="HTTP", **levels)
    if kind in ("actuals", "reviews"):
        for key in ("sales", "http"):
            send(connect(Role.OWNER), [ROW | {"segment_region": "North"}], workflow=key)
    filed = bring_in(database, by_file, FILES[kind], kind=kind)

    answered = send(connect(), as_rows(FILES[kind], typed=typed), kind=kind, workflow="http").json()

    told = filed.as_json()
    same = ("rows", "accepted", "unchanged", "updated", "set_aside", "reasons")
    assert {name: answered[name] for name in same} == {name: told[name] for name in same}
    assert answered["set_aside"] > 0
    assert answered["accepted"] > 0
    # A file's first row of data is row 2, a request's first row is row 1.
    assert [(a["row"] + 1, a["column"], a["code"], a["sentence"]) for a in answered["aside"]] == [
        (a.row, a.column, a.code, a.sentence) for a in filed.aside
    ]
    assert _facts(database, "http") == _facts(database, "sales")


def _facts(database: Database, key: str) -> dict[str, list[str]]:
    """What stands of a workflow, without ids and times of arrival."""
    apart = ("id", "_id", "_at", "hash", "placed_until", "import_id")
    with database.reading() as session:
        whole = {}
        for table in WRITTEN:
            names = [c.name for c in table.c if not c.name.endswith(apart) and c.name != "why"]
            names += [name for name in ("due_at", "final_at") if name in table.c]
            wanted = select(*(table.c[name] for name in names))
            whole[table.name] = sorted(map(str, session.execute(wanted.where(_of(table, key))).all()))
        return whole


def _of(table, key: str):
    workflow_id = select(workflows.c.id).where(workflows.c.key == key).scalar_subquery()
    if "workflow_id" in table.c:
        return table.c.workflow_id == workflow_id
    if table is forecasts:
        return table.c.item_id.in_(select(items.c.id).where(items.c.workflow_id == workflow_id))
    return table.c.series_id.in_(select(series.c.id).where(series.c.workflow_id == workflow_id))


def test_a_number_arrives_to_the_last_digit_and_a_name_as_it_is(database, connect, workflow) -> None:
    rows = '{"rows": [{"series": 900719925474099312345, "period": "2026-12", "ai_forecast": 0.30000000000000004}]}'
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    done = connect().post("/workflows/sales/forecasts", content=rows, headers=headers)

    assert done.json()["accepted"] == 1
    (item,) = connect().get("/workflows/sales/items").json()["data"]
    assert item["series"] == "900719925474099312345"
    assert item["ai"]["value"] == 0.1 + 0.2


def test_null_a_missing_column_and_an_empty_text_are_all_unknown(database, connect, workflow) -> None:
    first = {"series": "a", "period": "2026-12", "ai_forecast": 1, "human_forecast": None}
    second = {"series": "b", "period": "2026-12", "ai_forecast": 1}
    third = {"series": "c", "period": "2026-12", "ai_forecast": 1, "human_forecast": ""}

    assert send(connect(), [first, second, third]).json()["accepted"] == 3

    assert [item["manual"] for item in connect().get("/workflows/sales/items").json()["data"]] == [None, None, None]


def test_a_row_without_any_of_its_keys_is_set_aside_and_the_others_go_in(database, connect, workflow) -> None:
    done = send(connect(), [{}, {"ai_forecast": 1}, ROW]).json()

    assert (done["accepted"], done["set_aside"], done["reasons"]) == (1, 2, {"MISSING_KEY": 2})
    assert [each["row"] for each in done["aside"]] == [1, 2]
    alone = send(connect(), [{"series": "bolt", "period": "2026-12"}]).json()
    assert (alone["set_aside"], alone["reasons"]) == (1, {"MISSING_FORECAST": 1})


NO_ROWS = [
    ([ROW, {**ROW, "ai_forcast": 1}], "'ai_forcast' is no column of forecasts here. Use ai_forecast, "),
    ([{**ROW, "Series": "x"}], "'Series' is no column"),
    ([{**ROW, "segment_planet": "Mars"}], "'segment_planet' is no column"),
    ([{**ROW, "account": "acme"}], "'account' is no column"),
    ([{**ROW, "ai_q5": 1}], "'ai_q5' is no column"),
    ([], "at least 1 item"),
    ([[1]], "valid dictionary"),
    ([{**ROW, "human_forecast": [1]}], "valid string"),
    ("rows", "valid list"),
]


def test_what_is_no_row_of_the_kind_is_refused_whole(database, connect, workflow) -> None:
    client = connect()
    before = state_of(database)

    for rows, said in NO_ROWS:
        refused = send(client, rows)
        assert refused.status_code == 422
        assert said in refused.text
    assert state_of(database) == before


def test_a_past_review_keeps_columns_of_its_own_but_no_level_that_is_not_there(database, connect, workflow) -> None:
    row = {"series": "acme", "created_at": "2025-01-01", "mood": "calm", "Cost centre": 7}

    assert send(connect(), [row], kind="reviews").json()["accepted"] == 1
    assert send(connect(), [row | {"segment_planet": "x"}], kind="reviews").status_code == 422
    assert send(connect(), [row | {"a\nb": "x"}], kind="reviews").status_code == 422

    with database.reading() as session:
        kept = session.execute(select(past_reviews.c.attributes)).scalars().all()
    assert kept == [{"mood": "calm", "Cost centre": "7"}]


def test_the_same_rows_twice_change_nothing(database, connect) -> None:
    a_workflow(database, segments=["region"], scope={"region": ["North", "South"]})
    client = connect()
    rows = as_rows(FILES["forecasts"], typed=True)
    send(client, rows)
    before = state_of(database)

    again = send(client, rows).json()

    assert (again["accepted"], again["updated"]) == (0, 0)
    assert again["unchanged"] + again["set_aside"] == again["rows"]
    after = state_of(database)
    assert {name for name in after if after[name] != before[name]} <= {
        "imports",
        "audit_events",
        "audit_chain",
        "api_answers",
    }
    assert len(after["set_aside_rows"]) == len(before["set_aside_rows"])


# --- idempotency keys ----------------------------------------------------------------------------------------------


def test_the_same_key_is_answered_to_the_letter_and_does_nothing_more(database, connect, workflow) -> None:
    client = connect()
    first = send(client, [ROW, {}], key="night-run")
    before = state_of(database)

    again = [send(client, [ROW, {}], key="night-run") for _ in range(3)]

    assert first.headers["Idempotency-Replayed"] == "false"
    assert {(each.status_code, each.content, each.headers["Idempotency-Replayed"]) for each in again} == {
        (200, first.content, "true")
    }
    assert state_of(database) == before


def test_the_order_of_names_in_a_row_is_no_part_of_a_request(database, connect, workflow) -> None:
    client = connect()
    first = send(client, [ROW], key="k")

    assert send(client, [dict(reversed(ROW.items()))], key="k").content == first.content


@pytest.mark.parametrize("change", ["rows", "kind", "workflow"])
def test_the_same_key_with_another_request_is_refused(database, connect, workflow, change) -> None:
    a_workflow(database, key="retail", title="Retail")
    client = connect()
    row = {"series": "acme", "period": "2025-12", "actual": 1}
    send(client, [row], kind="history", key="k")
    before = state_of(database)

    other = {
        "rows": lambda: send(client, [row | {"actual": 2}], kind="history", key="k"),
        "kind": lambda: send(client, [row], kind="actuals", key="k"),
        "workflow": lambda: send(client, [row], kind="history", workflow="retail", key="k"),
    }[change]()

    assert other.status_code == 422
    assert other.json()["code"] == "KEY_REUSED"
    assert "'k' was used before for another request" in other.json()["detail"]
    assert state_of(database) == before


def test_a_key_is_a_persons_own_and_outlives_their_token(database, connect, workflow) -> None:
    ina = a_person(database, "Ina", Role.INTEGRATOR)
    first = send(connect(person_id=ina), [ROW], key="k")

    again = send(connect(person_id=ina), [ROW], key="k")
    foreign = send(connect(), [ROW], key="k")

    assert again.content == first.content
    assert foreign.json()["unchanged"] == 1
    assert foreign.headers["Idempotency-Replayed"] == "false"


def test_no_answer_is_told_again_to_whoever_may_no_longer_write(database, connect, workflow) -> None:
    ina = a_person(database, "Ina", Role.INTEGRATOR)
    send(connect(person_id=ina), [ROW], key="k")

    again = send(connect(person_id=ina, may_write=False), [ROW], key="k")

    assert again.status_code == 403


def test_eight_at_once_under_one_key_are_one_import(database, connect, workflow) -> None:
    client = connect()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(client, [ROW], key="k"), range(8)))

    assert {each.status_code for each in answers} <= {200, 409, 503}
    done = [each for each in answers if each.status_code == 200]
    assert len({each.content for each in done}) == 1
    assert [each.headers["Idempotency-Replayed"] for each in done].count("false") == 1
    assert count(database, imports) == count(database, api_answers) == 1


def test_one_key_for_two_workflows_at_once_stands_for_one_of_them(database, connect, workflow) -> None:
    a_workflow(database, key="retail", title="Retail")
    client = connect()
    rows = [ROW | {"series": f"acme {number}"} for number in range(200)]

    for attempt in range(4):
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(send, client, rows, workflow=key, key=f"k{attempt}") for key in ("sales", "retail")]
        statuses = sorted(each.result().status_code for each in asked)
        assert statuses == [200, 422]
    assert count(database, imports) == count(database, api_answers) == 4


def test_a_key_must_be_there_and_be_a_key(database, connect, workflow) -> None:
    client = connect()

    for key in (None, "", "two words", "x" * 256, "ümlaut".encode(), 'a"b'):
        headers = {} if key is None else {"Idempotency-Key": key}
        refused = client.post("/workflows/sales/forecasts", json={"rows": [ROW]}, headers=headers)
        assert refused.status_code == 400
        assert refused.json()["code"] == ("IDEMPOTENCY_KEY_MISSING" if key is None else "IDEMPOTENCY_KEY_INVALID")
    assert count(database, imports) == 0


def test_a_key_in_quotation_marks_is_the_same_key(database, connect, workflow) -> None:
    """As the IETF draft of the header writes it."""
    client = connect()
    first = send(client, [ROW], key="k")

    assert send(client, [ROW], key='"k"').content == first.content


def test_a_dry_run_tells_what_would_be_and_keeps_nothing(database, connect, workflow) -> None:
    client = connect()
    before = state_of(database)

    rehearsed = send(client, [ROW, {}], key="k", dry_run="true").json()

    assert (rehearsed["accepted"], rehearsed["set_aside"], rehearsed["batch"]) == (1, 1, None)
    assert state_of(database) == before
    done = send(client, [ROW, {}], key="k").json()
    assert {**done, "batch": None} == rehearsed
    assert done["batch"] == 1


@pytest.mark.parametrize("cut", ["before", "after"])
def test_rows_whose_answer_was_lost_go_in_once_and_are_answered(postgresql_url: str, cut) -> None:
    with wire_to(postgresql_url) as wire:
        database = open_database(wire.url)
        a_workflow(database)
        ina = a_person(database, "Ina", Role.INTEGRATOR)
        with database.reading() as session:
            token_id = tokens.known(session, secret(database, ina, Role.INTEGRATOR)).token_id
        wire.cut, wire.cuts_after = cut, b"INSERT INTO api_answers"

        done = receiving.receive_rows(
            database,
            token_id=token_id,
            workflow_key="sales",
            kind=Kind.FORECASTS,
            rows=[{"series": "acme", "period": "2026-12", "ai_forecast": "1"}],
            key="k",
            told=lambda summary: ImportShape.of(summary).model_dump_json(),
        )

        assert wire.cuts == 1
        assert json.loads(done.answer)["accepted"] == 1, "of the first time, also where it is told again"
        assert done.is_repeated == (cut == "after")
        assert count(database, imports) == count(database, items) == 1
        database.engine.dispose()


# --- on record -----------------------------------------------------------------------------------------------------


def test_the_record_says_who_by_which_token_and_how_much(database, connect, workflow) -> None:
    ina = a_person(database, "Ina", Role.INTEGRATOR)

    done = send(connect(person_id=ina), [ROW, {}]).json()

    with database.reading() as session:
        event = session.execute(select(audit_events).where(audit_events.c.action == "import")).one()
        listed = imports_.listed(session, workflow.id).iloc[0]
    assert event.actor_id == ina
    assert (event.details["batch"], event.details["token"], event.details["set_aside"]) == (done["batch"], 1, 1)
    assert (listed["file"], listed["by"], listed["rows"]) == ("HTTP: ERP", "Ina", 2)


def test_the_mapping_of_the_last_file_is_still_remembered(database, connect, workflow) -> None:
    bring_in(database, workflow, "Konto,period,ai_forecast\na,2026-12,1\n".replace("Konto", "account"))
    with database.reading() as session:
        before = imports_.last_mapping(session, workflow.id, Kind.FORECASTS)

    send(connect(), [ROW])

    with database.reading() as session:
        assert imports_.last_mapping(session, workflow.id, Kind.FORECASTS) == before != {}


def test_a_row_set_aside_is_listed_and_can_be_fixed_on_the_data_page(database, connect, workflow) -> None:
    client, dora = connect(), a_person(database, "Dora", Role.DIRECTOR)
    done = send(client, [ROW | {"ai_forecast": "about 100"}]).json()

    (waiting,) = client.get("/workflows/sales/set-aside").json()["data"]
    retried = importing.retry_rows(database, person_id=dora, fixes={waiting["id"]: {"ai_forecast": "100"}})

    assert (waiting["batch"], waiting["row"], waiting["code"]) == (done["batch"], 1, "NOT_A_NUMBER")
    assert waiting["cells"]["ai_forecast"] == "about 100"
    assert retried.counts.accepted == 1
    assert client.get("/workflows/sales/set-aside").json()["data"] == []
    assert count(database, set_aside_rows) == 1

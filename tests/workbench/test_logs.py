from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import NotAllowed
from review_queue.items import Outcome
from review_queue.roles import Role
from storage.engine import Database
from tests.builders import BECAUSE, a_person, a_workflow, bring_in, choose, forecasts, take
from workbench import logs, server
from workbench.actions import reviewing
from workbench.logs import JsonLines, TextLines

Written = Callable[..., dict[str, object]]
ODD = "up\x1b[2J\n2026-01-01 ERROR forged\u2028line\x7f\x85\u202e"


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, object]]]:
    """What the log would hold of this test, line by line."""
    caplog.set_level(logging.INFO, logger="workbench")
    form = JsonLines(logs.nobody, whole=False)

    def read() -> list[dict[str, object]]:
        return [json.loads(form.format(record)) for record in caplog.records if record.name == "workbench"]

    return read


def a_record(message: str, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("workbench", logging.INFO, "x.py", 1, message, (), info)
    record.__dict__.update(extra)
    return record


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_decision_is_one_line_that_says_who_on_what_how_long_and_how_it_ended(database: Database, lines) -> None:
    workflow = a_workflow(database)
    ada = a_person(database, "Ada", Role.REVIEWER)
    bring_in(database, workflow, forecasts(1))
    desk = take(database, ada, workflow)
    choice = choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE)

    made = reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)

    (line,) = [line for line in lines() if line.get("event") == "submit_decision"]
    assert (line["actor_id"], line["item_id"], line["decision_id"]) == (ada, desk.item.id, made.id)
    assert (line["fence"], line["outcome"], line["level"]) == (desk.item.fence, "done", "INFO")
    assert 0 < line["duration_ms"] < 60_000
    assert str(line["ts"]).endswith("+00:00")
    (claim,) = [line for line in lines() if line.get("event") == "take_next"]
    assert (claim["item_id"], claim["fence"]) == (desk.item.id, desk.item.fence)


def test_a_refusal_says_its_code_and_a_repetition_that_it_is_one(database: Database, lines) -> None:
    workflow = a_workflow(database)
    ada, eve = a_person(database, "Ada", Role.REVIEWER), a_person(database, "Eve", Role.AUDITOR)
    bring_in(database, workflow, forecasts(1))
    choice = choose(take(database, ada, workflow), Outcome.ACCEPT_AI)

    for _ in range(2):
        reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)
    with pytest.raises(NotAllowed):
        reviewing.take_next(database, person_id=eve, workflow=workflow)

    outcomes = [
        (line["event"], line["outcome"]) for line in lines() if line.get("event") in ("submit_decision", "take_next")
    ]
    assert outcomes[1:] == [("submit_decision", "done"), ("submit_decision", "replayed"), ("take_next", "NOT_ALLOWED")]


def test_what_people_typed_is_not_in_the_log(database: Database, lines) -> None:
    workflow = a_workflow(database)
    ada = a_person(database, "Ada Secretname", Role.REVIEWER)
    bring_in(database, workflow, forecasts(2).replace("acme", "confidential-account"))
    desk = take(database, ada, workflow)
    reviewing.save_draft(database, person_id=ada, item=desk.item, body={"note": "between us"})
    reviewing.comment(database, person_id=ada, item_id=desk.item.id, body="between us")
    choice = choose(desk, Outcome.KEEP_MANUAL, reason=BECAUSE, note="between us")
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)

    said = json.dumps(lines())
    assert "comment" in said
    for word in ("between us", "confidential", "Secretname", BECAUSE.text):
        assert word not in said


def test_a_database_error_is_logged_without_the_values_of_its_statement(database: Database) -> None:
    said = " ".join(("between", "us"))  # put together, since a traceback shows its lines of code
    with pytest.raises(SQLAlchemyError) as failed, database.writing() as session:
        session.execute(text("INSERT INTO people (id, name) VALUES (:id, :name)"), {"id": 1, "name": said})

    assert said not in JsonLines(logs.nobody, whole=False).format(a_record("failed", failed.value))


def test_an_error_s_own_words_are_in_the_log_only_when_debugging() -> None:
    said = " ".join(("between", "us"))
    error = raised(ValueError(f"could not convert string to float: {said!r}"))
    record = a_record("A page failed", error, error_id="abcd1234")

    usual = json.loads(JsonLines(logs.nobody, whole=False).format(record))
    debugging = json.loads(JsonLines(logs.nobody, whole=True).format(record))

    assert usual["error_id"] == "abcd1234"
    assert usual["traceback"].endswith("builtins.ValueError\n")
    assert "test_logs.py" in usual["traceback"]
    assert said not in usual["traceback"]
    assert said in debugging["traceback"]


def test_what_the_system_says_of_itself_is_in_the_log() -> None:
    error = raised(ConnectionRefusedError(111, "Connection refused"))

    said = JsonLines(logs.nobody, whole=False).format(a_record("away", error))

    assert "Connection refused" in said


@pytest.mark.parametrize("form", [JsonLines, TextLines])
def test_no_text_forges_a_line_or_moves_the_cursor(form: type[JsonLines]) -> None:
    written = form(logs.nobody, whole=True).format(a_record(ODD, path=ODD, outcome=ODD))

    assert len(written.splitlines()) == 1
    assert written.isascii()
    assert written.isprintable()


def test_the_words_of_an_error_forge_no_line_of_text() -> None:
    written = TextLines(logs.nobody, whole=True).format(a_record("failed", raised(ValueError(ODD))))

    assert all(line.startswith("    | ") for line in written.splitlines()[1:])


def test_a_line_names_its_session_by_a_hash_and_its_request_by_its_id() -> None:
    form = JsonLines(lambda: "3f0e-session", whole=False)
    before = logs.request_id.set("0011aabb")

    line = json.loads(form.format(a_record("drawn")))
    logs.request_id.reset(before)

    assert line["session"] == logs.hash_of("3f0e-session")
    assert "3f0e" not in line["session"]
    assert line["request"] == "0011aabb"
    assert "session" not in json.loads(JsonLines(server.page_session, whole=False).format(a_record("no page")))


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    before, level = logging.root.handlers[:], logging.root.level
    try:
        logs.start("INFO", "text")
        logging.getLogger("workbench").info("take_next: done", extra={"item_id": 7})
    finally:
        logging.root.handlers[:] = before
        logging.root.setLevel(level)

    assert capsys.readouterr().err.rstrip().endswith("INFO    take_next: done item_id=7")

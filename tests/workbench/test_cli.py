from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from sqlalchemy import text
from typer.core import TyperGroup
from typer.testing import CliRunner, Result

from review_queue.reminders import Preferences
from review_queue.roles import Role
from storage import people, schema
from storage.engine import Database, open_database
from tests.builders import a_person, a_workflow, bring_in, forecasts
from tests.outgoing import Sending, Server, answers, receiving
from workbench import auth, upkeep
from workbench.actions import reminding
from workbench.cli import app
from workbench.settings import PREFIX, settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def workbench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``workbench …`` in this process, on a database of its own."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return run


def in_a_process(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``workbench …`` as a person would, in ``folder``."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-m", "workbench", *words],
        cwd=folder,
        env=plain | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_command_of_the_contract_is_there() -> None:
    whole = typer.main.get_command(app)
    context = typer.Context(whole)
    found = {name: whole.get_command(context, name) for name in whole.list_commands(context)}
    groups = {
        name: {below for below in group.list_commands(context) if group.get_command(context, below)}
        for name, group in found.items()
        if isinstance(group, TyperGroup)
    }
    commands = set(found) - set(groups)

    assert commands == {"serve", "worker", "demo", "import", "export", "pull", "report", "digest", "check-config"}
    assert groups == {
        "db": {"upgrade", "current", "backup", "restore", "drill", "roles", "masked-copy", "retention"},
        "workflow": {
            "add",
            "list",
            "show",
            "check",
            "open",
            "hand-over",
            "pause",
            "roll-back",
            "resume",
            "ladder",
            "test-override",
        },
        "audit": {"verify", "export", "key", "accept-loss"},
        "people": {"list", "grant", "revoke", "disable", "enable", "erase", "sign-out"},
        "token": {"create", "list", "revoke"},
        "webhook": {
            *("add", "list", "approve", "rotate", "pause", "resume", "remove"),
            *("deliveries", "replay", "replay-all", "skip"),
        },
    }


def test_a_bare_database_is_brought_to_the_newest_schema(tmp_path: Path) -> None:
    before = in_a_process("db", "current", "--json", folder=tmp_path)
    done = in_a_process("db", "upgrade", folder=tmp_path)
    after = in_a_process("db", "current", "--json", folder=tmp_path)

    assert json.loads(before.stdout) == {"current": None, "head": schema.head()}
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(after.stdout) == {"current": schema.head(), "head": schema.head()}
    assert (tmp_path / "workbench.db").exists(), "the embedded database stands where it was started"


def test_people_are_listed_granted_and_revoked(workbench: Callable[..., Result], database_url: str) -> None:
    database = open_database(database_url)
    identity = auth.Identity("https://id.example.com", "u-17", "[Noor]", None)
    noor = auth.person_of_identity(database, identity).person_id

    granted = workbench("people", "grant", str(noor), "workflow owner")
    listed = json.loads(workbench("people", "list", "--json").stdout)
    table = workbench("people", "list").stdout
    revoked = workbench("people", "revoke", str(noor), "workflow owner")

    assert granted.exit_code == revoked.exit_code == 0
    (found,) = [person for person in listed if person["person"] == noor]
    (role,) = found["roles"]
    assert (role["role"], role["workflow"], role["segment"]) == ("workflow owner", None, None)
    assert role["granted_by"] == "Command line"
    assert "[Noor]" in table
    with database.reading() as session:
        assert people.principal(session, noor).grants == ()


def test_a_person_is_shut_out_and_erased_from_the_command_line(
    workbench: Callable[..., Result], database_url: str
) -> None:
    database = open_database(database_url)
    identity = auth.Identity("https://id.example.com", "u-17", "Noor Canary", "noor@example.com")
    noor = auth.person_of_identity(database, identity).person_id

    shut = workbench("people", "disable", str(noor))
    table = workbench("people", "list").stdout
    opened = workbench("people", "enable", str(noor))
    shown = workbench("people", "erase", str(noor), "--reason", "They asked for it.")
    named = workbench("people", "erase", str(noor), "--reason", "Noor Canary asked for it.", "--yes")
    known = workbench("people", "list", "--json").stdout
    erased = workbench("people", "erase", str(noor), "--reason", "They asked for it.", "--yes")

    assert (shut.exit_code, opened.exit_code, shown.exit_code, erased.exit_code) == (0, 0, 0, 0)
    assert "disabled" in table
    assert "Nothing was changed" in shown.stdout
    assert "Noor Canary" in known
    assert (named.exit_code, "The reason names the person" in named.stderr) == (3, True)
    after = workbench("people", "list", "--json").stdout
    assert ("Noor" in after, "noor@example.com" in after, "u-17" in after) == (False, False, False)
    assert f"Erased person {noor}" in after


def test_a_digest_is_shown_first_and_sent_once(
    workbench: Callable[..., Result], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks_for_digests(open_database(database_url))

    refused = workbench("digest")
    shown = workbench("digest", "--dry-run")
    monkeypatch.setenv("WORKBENCH_MAIL", f"file:{tmp_path / 'out'}")
    monkeypatch.setenv("WORKBENCH_MAIL_FROM", "review@example.com")
    settings.cache_clear()
    sent = json.loads(workbench("digest", "--json").stdout)

    assert (refused.exit_code, "No mail is set up" in refused.stderr) == (3, True)
    assert "ada@example.com: would be sent, 1 line." in shown.stdout
    assert "1 item needs judgement" in shown.stdout
    assert [(row["address"], row["failure"]) for row in sent] == [("ada@example.com", None)]
    assert len(list((tmp_path / "out").glob("*.eml"))) == 1
    assert workbench("digest").stdout == "No digest is due now.\n"


def test_the_server_sends_digests_by_itself(
    workbench: Callable[..., Result], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks_for_digests(open_database(database_url))
    monkeypatch.setenv("WORKBENCH_MAIL", f"file:{tmp_path}")
    monkeypatch.setenv("WORKBENCH_MAIL_FROM", "review@example.com")
    settings.cache_clear()

    async def until_sent() -> None:
        keeping = asyncio.create_task(upkeep.keep(open_database(database_url)))
        while not list(tmp_path.glob("*.eml")):
            assert not keeping.done()
            await asyncio.sleep(0.02)
        keeping.cancel()

    asyncio.run(asyncio.wait_for(until_sent(), 30))


def asks_for_digests(database: Database) -> None:
    """One item, and Ada, who wants to hear of it at any hour of any day."""
    workflow = a_workflow(database, audit_share=0.0)
    bring_in(database, workflow, forecasts(1, step=300))
    ada = a_person(database, "Ada", Role.REVIEWER)
    with database.writing() as session:
        session.execute(text("UPDATE people SET email = 'ada@example.com' WHERE name = 'Ada'"))
    always = Preferences(True, hour=0, quiet_from=0, quiet_until=0, weekdays_only=False)
    reminding.save_preferences(database, person_id=ada, wanted=always)


def test_a_refusal_is_a_sentence_and_exit_code_3(workbench: Callable[..., Result]) -> None:
    refused = workbench("people", "grant", "404", "auditor")

    assert refused.exit_code == 3
    assert refused.stderr == "There is no person 404. See `workbench people list`.\n"
    assert refused.stdout == ""


def test_wrong_use_is_exit_code_2(workbench: Callable[..., Result]) -> None:
    assert workbench("people", "grant", "1", "emperor").exit_code == 2
    assert workbench("nonsense").exit_code == 2
    assert workbench("db", "backup").exit_code == 2


def test_wrong_settings_are_exit_code_2_with_every_problem(tmp_path: Path) -> None:
    found = in_a_process("check-config", folder=tmp_path, WORKBENCH_PORT="eighty", WORKBENCH_COLOUR="blue")

    assert found.returncode == 2
    assert found.stdout == ""
    assert "WORKBENCH_PORT: " in found.stderr
    assert "WORKBENCH_COLOUR: there is no such setting" in found.stderr


def test_check_config_says_what_is_in_force(tmp_path: Path) -> None:
    secret = "0123456789abcdef" * 2

    found = in_a_process("check-config", folder=tmp_path, WORKBENCH_COOKIE_SECRET=secret, WORKBENCH_PORT="8600")

    assert found.returncode == 0
    assert "WORKBENCH_PORT=8600" in found.stdout
    assert "synchronous FULL" in found.stdout
    assert secret not in found.stdout


@pytest.mark.parametrize("address", ["sqlite:////nowhere/at/all.db", "postgresql://nobody@127.0.0.1:1/none"])
def test_a_database_that_does_not_answer_is_a_sentence_and_exit_code_3(tmp_path: Path, address: str) -> None:
    found = in_a_process("workflow", "list", folder=tmp_path, WORKBENCH_DATABASE_URL=address)

    assert found.returncode == 3
    assert "The database does not answer" in found.stderr
    assert "Traceback" not in found.stderr


def test_what_is_unforeseen_ends_with_its_traceback_and_never_with_the_code_for_rows_set_aside(tmp_path: Path) -> None:
    (tmp_path / "workbench.db").write_bytes(b"this is no database, and no one said it would be" * 40)

    found = in_a_process("db", "current", folder=tmp_path, WORKBENCH_DATABASE_URL="sqlite:///workbench.db")

    assert found.returncode == 70
    assert "Traceback" in found.stderr


def test_a_backup_is_made_and_restored(workbench: Callable[..., Result], database_url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"

    made = workbench("db", "backup", str(copy))

    if database_url.startswith("postgresql"):
        assert made.exit_code == 3
        assert "pg_dump" in made.stderr
        return
    assert made.exit_code == 0
    assert workbench("db", "backup", str(copy)).exit_code == 3, "it never replaces a file"
    assert workbench("db", "restore", str(copy)).exit_code == 0


def test_a_postgresql_that_may_forget_is_warned_of_and_not_served(postgresql_url: str, tmp_path: Path) -> None:
    database = open_database(postgresql_url)
    with database.writing() as session:
        session.execute(text(f"ALTER DATABASE {database.engine.url.database} SET synchronous_commit = off"))
    database.engine.dispose()

    looked = in_a_process("check-config", folder=tmp_path, WORKBENCH_DATABASE_URL=postgresql_url)
    served = in_a_process("serve", "--port", "0", folder=tmp_path, WORKBENCH_DATABASE_URL=postgresql_url)

    assert looked.returncode == 0
    assert "Warning: PostgreSQL runs with synchronous_commit = off" in looked.stderr
    assert served.returncode == 3
    assert "a crash loses decisions that were already called saved" in served.stderr


def test_the_port_that_is_taken_is_named(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        found = in_a_process("serve", "--port", port, folder=tmp_path)

    assert found.returncode == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in found.stderr


def test_webhooks_from_the_command_line(
    workbench: Callable[..., Result], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_WEBHOOK_LOOPBACK", "true")
    settings.cache_clear()
    workbench("db", "upgrade")
    sending = Sending.of(open_database(database_url))

    with receiving(answers(200)) as server:
        added = json.loads(workbench("webhook", "add", server.url, "--workflow", "sales", "--json").stdout)
        refused = workbench("webhook", "add", "http://10.0.0.1/", "--workflow", "sales")
        changed = workbench("webhook", "rotate", str(added["receiver"]))
        sending.events(*sending.items)
        sent = workbench("worker", "--once")
        server.verified(added["secret"])
    (found,) = json.loads(workbench("webhook", "list", "--workflow", "sales", "--json").stdout)
    told = json.loads(workbench("webhook", "deliveries", "--workflow", "sales", "--json").stdout)

    assert sent.stdout == "3 attempts were made.\n"
    assert len(server.got) == 3
    assert (refused.exit_code, "must start with https" in refused.stderr) == (3, True)
    assert "which is shown this once: whsec_" in changed.stdout
    assert (found["state"], found["delivered"], found["pending"], len(found["keys"])) == ("active", 3, 0, 2)
    assert [(each["series"], each["state"]) for each in told] == [
        (f"acme-{number}", "delivered") for number in (3, 2, 1)
    ]
    assert {each["webhook_id"] for each in told} == {request.id for request in server.got}
    assert "acme-1" in workbench("webhook", "deliveries", "--workflow", "sales").stdout
    assert "is paused" in workbench("webhook", "pause", "1").stdout
    assert "gets its events again" in workbench("webhook", "resume", "1").stdout
    assert "0 deliveries are sent again" in workbench("webhook", "replay-all", "1").stdout
    assert workbench("webhook", "replay", "1").exit_code == 3
    assert workbench("webhook", "skip", "1").exit_code == 3
    assert workbench("webhook", "approve", "1").exit_code == 0
    assert "removed" in workbench("webhook", "remove", "1").stdout


@pytest.mark.parametrize("relays", [True, False])
def test_the_server_sends_webhooks_by_itself_unless_it_is_told_not_to(
    relays: bool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_WEBHOOK_LOOPBACK", "true")
    settings.cache_clear()
    database = open_database(database_url)
    schema.upgrade(database)
    sending = Sending.of(database)

    async def for_a_while(server: Server) -> None:
        keeping = asyncio.create_task(upkeep.keep(database, relays=relays))
        for _ in range(400 if relays else 30):
            if len(server.got) == 3:
                break
            await asyncio.sleep(0.05)
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping

    with receiving(answers(200)) as server:
        sending.receiver(server.url)
        sending.events(*sending.items)
        asyncio.run(for_a_while(server))

    settings.cache_clear()
    assert len(server.got) == (3 if relays else 0)


def test_a_worker_works_until_it_is_stopped(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/workbench.db"
    schema.upgrade(open_database(url))
    sending = Sending.of(open_database(url))
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment = plain | {"WORKBENCH_DATABASE_URL": url, "WORKBENCH_WEBHOOK_LOOPBACK": "true", "PYTHONPATH": str(ROOT)}

    with receiving(answers(200)) as server:
        sending.receiver(server.url)
        worker = subprocess.Popen(
            [sys.executable, "-m", "workbench", "worker"], env=environment, stderr=subprocess.PIPE
        )
        sending.events(*sending.items)
        while len(server.got) < 3:
            assert worker.poll() is None
            time.sleep(0.05)  # between two looks at another process
        worker.terminate()
        _, said = worker.communicate(timeout=30)

    assert worker.returncode == 0, said
    assert b"Traceback" not in said


def test_asking_for_help_does_not_start_the_screens() -> None:
    code = "import sys, workbench.cli; sys.exit('streamlit' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0  # noqa: S603


def test_a_command_waits_for_nothing_that_another_one_needs() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from workbench.cli import app; "
        "help = CliRunner().invoke(app, ['token', 'list', '--help']); "
        "print(help.exit_code, 'workbench.commands.reporting' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120, capture_output=True, text=True)  # noqa: S603

    assert done.stdout == "0 False\n", done.stderr


def test_a_slip_of_the_pen_is_told_what_was_meant(workbench: Callable[..., Result]) -> None:
    assert "Did you mean 'list'?" in workbench("people", "lst").output

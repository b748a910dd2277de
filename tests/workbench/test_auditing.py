"""The audit record verified, on the database and from an export, and what somebody does who tampers with it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from review_queue import checkpoints
from review_queue.checkpoints import private_key
from review_queue.errors import RecordBehind
from review_queue.roles import Role
from storage import audit
from storage.engine import Database, open_database
from storage.tables import audit_chain, audit_events
from tests.builders import a_person
from tests.tamper import WAYS, tamper
from tests.tampering import chain_anew, edit, take_out, unguarded
from workbench.actions import auditing
from workbench.actions.auditing import AuditRefused
from workbench.checkpoints import OR_EVENTS, Folder, Witness
from workbench.cli import app
from workbench.commands.console import DONE, REFUSED

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


def make_witness(folder: Path) -> Witness:
    folder.mkdir(exist_ok=True)
    return Witness(Folder(folder), private_key(checkpoints.new_key()[0]))


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return make_witness(tmp_path / "checkpoints")


def recorded(database: Database, count: int) -> None:
    with database.writing() as session:
        for number in range(count):
            audit.record(session, "something.done", actor_id=None, details={"number": number})


@pytest.fixture
def vouched(database: Database, witness: Witness) -> Database:
    """Twelve events, a checkpoint after four, after eight and after twelve."""
    for minute in (0, 2, 4):
        recorded(database, 4)
        witness.keep(database, now=START + timedelta(minutes=minute))
    return database


def verdict(database: Database, witness: Witness) -> list[str]:
    found = auditing.verify(database, folder=witness.folder, keys=witness.keys)
    return [flaw.sentence for flaw in found.flaws]


def test_an_untouched_record_is_whole(vouched, witness):
    found = auditing.verify(vouched, folder=witness.folder, keys=witness.keys)

    assert (found.is_whole, found.size, found.checkpoints) == (True, 12, 3)
    assert found.last.checkpoint.tip == found.tip


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_done_to_a_row_is_seen(vouched, witness, way, anew):
    tamper(vouched, way, anew=anew, chance=random.Random(7))  # noqa: S311

    assert verdict(vouched, witness)


def test_the_words_say_where(vouched, witness):
    with unguarded(vouched) as connection:
        edit(connection, 6, action="nothing.done")
    assert verdict(vouched, witness) == ["Event 6 (nothing.done) is not what was recorded: its hash differs."]

    with unguarded(vouched) as connection:
        chain_anew(connection)
    (sentence,) = verdict(vouched, witness)
    assert "09:02:00 UTC vouches for 8 events: something between event 5 and event 8" in sentence


def test_a_cut_end_is_seen_back_to_the_last_checkpoint_and_no_further(vouched, witness):
    recorded(vouched, 2)
    last = select(audit_chain.c.event_id)
    with unguarded(vouched) as connection:
        take_out(connection, audit_events.c.id.in_(last.where(audit_chain.c.seq > 12)))
    assert verdict(vouched, witness) == []  # within the minute that P10 names

    with unguarded(vouched) as connection:
        take_out(connection, audit_events.c.id.in_(last.where(audit_chain.c.seq > 10)))
    (sentence,) = verdict(vouched, witness)
    assert "ends at event 10" in sentence
    assert "Events 11 to 12 are missing at its end." in sentence


def test_a_checkpoint_is_due_after_a_minute_or_a_thousand_events_if_there_is_anything_new(database, witness):
    recorded(database, 1)
    assert witness.keep(database, now=START) is not None
    assert witness.keep(database, now=START + timedelta(hours=1)) is None
    recorded(database, 1)
    assert witness.keep(database, now=START + timedelta(seconds=59)) is None
    recorded(database, 999)
    assert witness.keep(database, now=START + timedelta(seconds=59)).checkpoint.seq == 1001


def test_each_month_has_its_file_and_a_line_that_was_cut_off_does_no_harm(database, witness):
    recorded(database, 1)
    witness.keep(database, now=START)
    (file,) = witness.folder.path.glob("*.jsonl")
    with file.open("a") as half:
        half.write('{"checkpoint": {"at"')
    recorded(database, 1)
    witness.keep(database, now=START + timedelta(minutes=5))
    recorded(database, 1)
    witness.keep(database, now=START + timedelta(days=40))

    found = auditing.verify(database, folder=witness.folder, keys=witness.keys)

    assert found.is_whole
    assert found.checkpoints == 3
    assert found.notes == ("checkpoints-2026-11.jsonl, line 2 is no checkpoint.",)
    assert sorted(each.name for each in witness.folder.path.glob("*.jsonl")) == [
        "checkpoints-2026-11.jsonl",
        "checkpoints-2026-12.jsonl",
    ]


def test_two_servers_whose_clocks_are_in_two_months_keep_one_chain(database, witness):
    ahead = datetime(2026, 12, 1, 0, 4, tzinfo=UTC)
    behind = ahead - timedelta(minutes=6)
    recorded(database, 5)
    witness.keep(database, now=ahead)
    recorded(database, OR_EVENTS)
    assert witness.keep(database, now=behind).checkpoint.at == behind
    recorded(database, 5)
    witness.keep(database, now=ahead + timedelta(minutes=2))

    found = auditing.verify(database, folder=witness.folder, keys=witness.keys)

    assert (found.flaws, found.checkpoints, found.last.checkpoint.seq) == ((), 3, OR_EVENTS + 10)
    assert witness.folder.last() == found.last


def test_checkpoints_cannot_be_forged_taken_out_or_signed_by_another(vouched, witness, tmp_path):
    (file,) = witness.folder.path.glob("*.jsonl")
    first, second, third = file.read_text().splitlines()

    file.write_text(f"{first}\n{third}\n")
    assert any("does not follow from the one before" in each for each in verdict(vouched, witness))

    file.write_text(f"{first}\n{second.replace('09:02', '09:03')}\n{third}\n")
    assert any("a signature that is not its own" in each for each in verdict(vouched, witness))

    file.write_text(f"{first}\n{second}\n{third}\n")
    another = make_witness(tmp_path / "another")
    sentences = [each.sentence for each in auditing.verify(vouched, folder=witness.folder, keys=another.keys).flaws]
    assert all("is not among the public keys given" in each for each in sentences)
    assert len(sentences) == 3

    file.write_text("")
    assert verdict(vouched, witness) == [
        "There are no checkpoints. Without one, nobody can tell a record that was computed anew."
    ]


def test_a_changed_key_goes_on_where_the_old_one_was(vouched, witness):
    new = Witness(witness.folder, private_key(checkpoints.new_key()[0]), witness.keys)
    recorded(vouched, 1)
    new.keep(vouched)

    found = auditing.verify(vouched, folder=new.folder, keys=new.keys)

    assert (found.is_whole, found.checkpoints) == (True, 4)


# --- from a file -----------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(vouched, witness, tmp_path) -> Path:
    auditor = a_person(vouched, "Aude", Role.AUDITOR)
    auditing.export_whole(vouched, person_id=auditor, path=tmp_path / "audit.jsonl")
    return tmp_path / "audit.jsonl"


def offline(path: Path, witness: Witness, **how: bool) -> list[str]:
    found = auditing.verify_file(path, folder=witness.folder, keys=witness.keys, **how)
    return [flaw.sentence for flaw in found.flaws]


def test_an_export_is_verified_without_the_database(exported, witness):
    assert offline(exported, witness) == []


@pytest.mark.parametrize("way", ["edited", "taken out", "put in", "swapped", "cut"])
def test_a_changed_export_is_not_what_was_recorded(exported, witness, way):
    lines = exported.read_text().splitlines()
    match way:
        case "edited":
            lines[5] = json.dumps(json.loads(lines[5]) | {"action": "nothing.done"})
        case "taken out":
            del lines[5]
        case "put in":
            lines.insert(5, lines[5])
        case "swapped":
            lines[5], lines[6] = lines[6], lines[5]
        case "cut":
            del lines[-1]
    exported.write_text("\n".join(lines) + "\n")

    assert offline(exported, witness)


def test_an_export_of_one_workflow_is_verified_as_the_part_it_is(exported, witness):
    lines = exported.read_text().splitlines()
    exported.write_text("\n".join(lines[2:5] + lines[7:]) + "\n")
    assert any("are missing" in each for each in offline(exported, witness))
    assert offline(exported, witness, in_parts=True) == []

    lines[3] = json.dumps(json.loads(lines[3]) | {"actor_id": 9})
    exported.write_text("\n".join(lines[2:5] + lines[7:]) + "\n")
    assert any("its hash differs" in each for each in offline(exported, witness, in_parts=True))


def test_a_file_that_is_no_export_is_refused_by_its_line(exported, witness):
    exported.write_text(exported.read_text() + "[1]\n")

    with pytest.raises(AuditRefused, match=r"Line 13 of audit\.jsonl is no exported event"):
        offline(exported, witness)


# --- a database that fell behind (F13) -------------------------------------------------------------------------------


def cut_back(database: Database, seq: int) -> None:
    with unguarded(database) as connection:
        later = select(audit_chain.c.event_id).where(audit_chain.c.seq > seq)
        take_out(connection, audit_events.c.id.in_(later))


def test_a_database_behind_its_checkpoint_takes_no_writes_until_the_loss_is_accepted(vouched, witness):
    admin = a_person(vouched, "Ida", Role.ADMINISTRATOR)
    cut_back(vouched, 6)

    with pytest.raises(
        RecordBehind, match="ends at event 6, and the checkpoint of 2026-11-01 09:04:00 UTC vouches for 12"
    ):
        witness.keep(vouched)
    with pytest.raises(RecordBehind):
        recorded(vouched, 1)

    again = Database(vouched.engine)
    with pytest.raises(AuditRefused, match="Say why"):
        auditing.accept_loss(again, person_id=admin, witness=witness, reason=" ")
    assert auditing.accept_loss(again, person_id=admin, witness=witness, reason="The disk died.") == 7
    witness.keep(vouched)
    recorded(vouched, 9)

    found = auditing.verify(vouched, folder=witness.folder, keys=witness.keys)
    assert found.is_whole
    assert found.notes[0].endswith("of what came before, checkpoints vouch up to event 4.")
    with vouched.reading() as session:
        told = session.execute(select(audit_events).where(audit_events.c.action == "audit.loss_accepted")).one()
    assert told.details == {"vouched": 12, "kept": 4, "size": 6, "reason": "The disk died."}
    with pytest.raises(AuditRefused, match="no loss to accept"):
        auditing.accept_loss(again, person_id=admin, witness=witness, reason="x")


def test_a_database_that_went_another_way_is_behind_too(vouched, witness):
    cut_back(vouched, 6)
    recorded(vouched, 30)

    with pytest.raises(RecordBehind, match="is another one from event 12 or before"):
        witness.look(vouched)


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def at_hand(sqlite_url, tmp_path, monkeypatch) -> str:
    """A database, a folder and a key that the settings name."""
    from workbench.settings import settings

    (tmp_path / "marks").mkdir()
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", sqlite_url)
    settings.cache_clear()
    assert run("audit", "key", str(tmp_path / "key.pem")).exit_code == DONE
    monkeypatch.setenv("WORKBENCH_CHECKPOINTS", str(tmp_path / "marks"))
    monkeypatch.setenv("WORKBENCH_CHECKPOINT_KEY", str(tmp_path / "key.pem"))
    settings.cache_clear()
    yield sqlite_url
    settings.cache_clear()


def run(*words: str):
    return CliRunner().invoke(app, list(words))


def test_from_the_key_to_an_accepted_loss_on_the_command_line(at_hand, tmp_path):
    from workbench.checkpoints import witness_of
    from workbench.settings import settings

    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    database, witness = open_database(at_hand), witness_of(settings())
    recorded(database, 3)
    assert run("db", "backup", str(tmp_path / "old.db")).exit_code == DONE
    recorded(database, 3)
    witness.keep(database)
    database.engine.dispose()

    done = run("audit", "verify", "--json")
    assert (done.exit_code, json.loads(done.stdout)["size"]) == (DONE, 6)
    assert run("audit", "export", str(tmp_path / "a.jsonl")).exit_code == DONE
    keys = ["--checkpoints", str(tmp_path / "marks"), "--public-key", str(tmp_path / "key.pem.pub")]
    assert run("audit", "verify", "--file", str(tmp_path / "a.jsonl"), *keys).exit_code == DONE

    assert run("db", "restore", str(tmp_path / "old.db"), "--replace").exit_code == DONE
    refused = run("serve", "--port", "0")
    assert refused.exit_code == REFUSED
    assert "accept-loss" in refused.stderr
    found = run("audit", "verify")
    assert (found.exit_code, "Events 4 to 6 are missing at its end." in found.stdout) == (REFUSED, True)

    assert run("audit", "accept-loss", "--reason", "Restored on purpose.").exit_code == DONE
    assert run("audit", "verify").exit_code == DONE


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",)])
def test_nothing_starts_on_a_folder_that_takes_no_checkpoints(at_hand, tmp_path, command):
    (tmp_path / "marks" / ".lock").mkdir()  # what keeps an administrator out as well

    command = [sys.executable, "-W", "ignore", "-m", "workbench", *command]  # whatever starts here would not end
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20)  # noqa: S603

    assert refused.returncode == REFUSED
    assert f"cannot be written to {tmp_path / 'marks'}: Is a directory. Let the user that this runs" in refused.stderr
    assert "ReadWritePaths" in refused.stderr


def test_without_checkpoints_verify_says_what_it_cannot_see(sqlite_url, monkeypatch):
    from workbench.settings import settings

    monkeypatch.setenv("WORKBENCH_DATABASE_URL", sqlite_url)
    settings.cache_clear()
    told = run("audit", "verify")
    settings.cache_clear()

    assert told.exit_code == DONE
    assert "a record computed anew would look the same" in told.stdout

"""``workbench export``: what it prints, its exit codes, and the setting that people are masked with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from review_queue.exporting import Mask
from review_queue.items import Outcome
from review_queue.roles import Role
from storage.engine import Database
from tests.builders import a_person, a_workflow, bring_in, choose, forecasts, take
from workbench.actions import reviewing
from workbench.cli import app
from workbench.settings import settings

Command = Callable[..., Result]


@pytest.fixture
def command(
    database_url: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """Run ``workbench`` in an empty folder, on a workflow of two items of which Ada decided one."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    monkeypatch.setenv("WORKBENCH_MASK_KEY", "k" * 32)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    workflow = a_workflow(database)
    bring_in(database, workflow, forecasts(2))
    ada = a_person(database, "Ada", Role.REVIEWER)
    choice = choose(take(database, ada, workflow), Outcome.ACCEPT_AI)
    reviewing.submit_decision(database, person_id=ada, workflow=workflow, choice=choice)

    yield lambda *arguments: CliRunner().invoke(app, ["export", *arguments], catch_exceptions=False)
    settings.cache_clear()


def test_a_file_and_its_manifest_are_written(command):
    result = command("decisions", "out.csv", "--workflow", "sales")

    assert (result.exit_code, result.stdout) == (
        0,
        "1 row of decisions are in out.csv; what is in it is told in out.csv.manifest.json.\n",
    )
    assert json.loads(Path("out.csv.manifest.json").read_text())["rows"] == 1


def test_what_a_file_written_back_leaves_out_is_told(command):
    result = command("write-back", "out.csv", "--workflow", "sales")

    written, left_out = result.stdout.splitlines()
    assert written.startswith("1 row of write-back are in out.csv;")
    assert left_out == "Rows of the file that carry no decision, and are left out: 1."


def test_json_prints_the_manifest(command):
    result = command("decisions", "out.csv", "--workflow", "sales", "--json")

    assert json.loads(result.stdout) == json.loads(Path("out.csv.manifest.json").read_text())


def test_people_are_masked_with_the_key_of_the_settings(command):
    command("labels", "out.jsonl", "--workflow", "sales")

    assert json.loads(Path("out.jsonl").read_text())["decided_by"] == Mask(b"k" * 32).of("test|Ada")


def test_a_time_without_a_zone_is_in_the_workflows(command):
    result = command("decisions", "out.csv", "--workflow", "sales", "--since", "2001-01-01", "--json")

    assert json.loads(result.stdout)["since"] == "2001-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("stuff", "out.csv", "--workflow", "sales"), 2, "stuff"),
        (("decisions", "out.csv"), 2, "--workflow"),
        (("decisions", "out.csv", "--workflow", "sales", "--since", "yesterday"), 2, "is not a time"),
        (("decisions", "out.docx", "--workflow", "sales"), 3, "does not say how to write it"),
        (("decisions", "out.csv", "--workflow", "ghost"), 3, "There is no workflow 'ghost'"),
        (("write-back", "out.csv", "--workflow", "sales", "--into", "Plan"), 3, "has no column 'Plan'"),
    ],
)
def test_wrong_use_is_exit_code_2_and_a_refusal_3(command, arguments, code, said):
    result = command(*arguments)

    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
    assert not Path("out.csv").exists()

"""``workbench workflow`` and ``workbench import``: what they print, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from workbench.cli import app
from workbench.settings import settings

Command = Callable[..., Result]

WORKFLOW = 'key = "retail"\ntitle = "Retail turnover"\nunit = "AUD m"\ntimezone = "Australia/Sydney"\n'
GOOD = "series,period,ai_forecast\na,2026-12,1\nb,2026-12,2\n"


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run ``workbench`` in an empty folder on an empty database with one workflow."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)

    Path("retail.toml").write_text(WORKFLOW)
    assert run("workflow", "add", "retail.toml").exit_code == 0
    yield run
    settings.cache_clear()


def bring(command: Command, text: str, *options: str, kind: str = "forecasts") -> Result:
    Path("file.csv").write_text(text)
    return command("import", kind, "file.csv", "--workflow", "retail", *options)


def test_import_prints_one_json_object(command):
    result = bring(command, GOOD, "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "file": "file.csv",
        "workflow": "retail",
        "kind": "forecasts",
        "rows": 2,
        "accepted": 2,
        "unchanged": 0,
        "updated": 0,
        "set_aside": 0,
        "batch": 1,
        "reasons": {},
    }


def test_rows_set_aside_are_exit_code_1_and_told_with_their_reason(command):
    text = GOOD + "c,2026-12,x\na,2026-12,5\n"

    as_json = json.loads(bring(command, text, "--json", "--dry-run").stdout)
    result = bring(command, text)

    assert result.exit_code == 1
    assert "4 rows: 2 accepted, 0 unchanged, 0 updated, 2 set aside." in result.stdout
    assert "row 4: ai_forecast “x” is not a number." in result.stdout
    assert "Times without a zone were read in Australia/Sydney." in result.stdout
    assert (as_json["batch"], as_json["reasons"]) == (None, {"DUPLICATE_KEY": 1, "NOT_A_NUMBER": 1})


def test_a_dry_run_changes_nothing(command):
    first = bring(command, GOOD, "--dry-run")
    second = json.loads(bring(command, GOOD, "--json").stdout)

    assert "Nothing was changed" in first.stdout
    assert (second["accepted"], second["batch"]) == (2, 1)


def test_a_map_says_which_column_is_which(command):
    Path("map.toml").write_text('series = "who"\nperiod = "when"\nai_forecast = "what"\n')

    result = bring(command, "who,when,what\na,2026-12,1\n", "--map", "map.toml", "--json")

    assert json.loads(result.stdout)["accepted"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("import", "stuff", "file.csv", "--workflow", "retail"), 2, "'stuff' is no kind of file"),
        (("import", "forecasts", "nowhere.csv", "--workflow", "retail"), 2, "nowhere.csv"),
        (("import", "forecasts", "file.csv"), 2, "--workflow"),
        (("import", "sources", "file.csv", "--workflow", "retail"), 3, "needs attribute"),
        (("import", "forecasts", "file.csv", "--workflow", "ghost"), 3, "There is no workflow 'ghost'"),
        (("import", "actuals", "file.csv", "--workflow", "retail"), 3, "needs actual"),
        (("import", "forecasts", "file.csv", "--workflow", "retail", "--map", "bad.toml"), 3, "not valid TOML"),
        (("workflow", "show", "ghost"), 3, "There is no workflow 'ghost'"),
        (("workflow", "add", "bad.toml"), 3, "not valid TOML"),
        (("workflow", "add", "file.csv"), 3, "not valid TOML"),
    ],
)
def test_wrong_use_is_exit_code_2_and_a_refusal_3(command, arguments, code, said):
    Path("file.csv").write_text(GOOD)
    Path("bad.toml").write_text("= nothing\n")

    result = command(*arguments)

    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_help_lists_the_kinds_there_are(command):
    result = command("import", "--help")

    assert "forecasts, history, actuals, reviews, used, sources" in " ".join(result.stdout.replace("│", " ").split())


def test_workflows_are_listed_and_shown(command):
    listed = json.loads(command("workflow", "list", "--json").stdout)
    shown = json.loads(command("workflow", "show", "retail", "--json").stdout)

    assert listed == [shown]
    assert (shown["key"], shown["policy_version"], shown["ready"]) == ("retail", 1, False)
    assert shown["policy"]["timezone"] == "Australia/Sydney"
    assert "Retail turnover" in command("workflow", "list").stdout
    assert "Australia/Sydney" in command("workflow", "show", "retail").stdout


def test_a_workflow_without_an_owner_is_not_ready(command):
    before = command("workflow", "check", "retail")
    Path("retail.toml").write_text(WORKFLOW + 'owner = "o@example.com"\n')
    command("workflow", "add", "retail.toml")
    after = command("workflow", "check", "retail", "--json")

    assert (before.exit_code, after.exit_code) == (3, 0)
    assert "Name an owner in the policy." in before.stdout
    assert json.loads(after.stdout)["ready"] is True


def test_a_file_that_is_in_doubt_is_refused_with_its_code_and_read_as_told(command):
    Path("file.csv").write_bytes("series;period;ai_forecast\nGenève;2026-12;1.234\n".encode("cp1252"))
    how = ("import", "forecasts", "file.csv", "--workflow", "retail")

    encoding = command(*how)
    decimal = command(*how, "--encoding", "windows-1252")
    wrong = command(*how, "--encoding", "klingon")
    told = command(*how, "--encoding", "Windows-1252", "--decimal", "comma", "--delimiter", "semicolon")

    assert (encoding.exit_code, decimal.exit_code, wrong.exit_code, told.exit_code) == (3, 3, 2, 0)
    assert "[AMBIGUOUS_ENCODING]" in encoding.stderr
    assert "“1.234” could be 1.234 or 1234" in decimal.stderr
    assert "--encoding is one of utf-8, utf-16, windows-1252" in wrong.stderr
    assert "1 rows: 1 accepted" in told.stdout

"""``workbench report``, through the command line, on real data where it is at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from storage.engine import open_database
from tests.house import House, hours
from tests.real_data import SHARED, real_data
from workbench.cli import app
from workbench.settings import settings

Command = Callable[..., Result]

UK = """
key = "uk"
title = "Cases and deaths"
unit = "people"
tolerance = 0.01
"""
AUSTRALIA = """
key = "retail"
title = "Retail turnover"
unit = "AUD m"
segments = ["state", "industry"]
owner = "owner@example.com"
"""


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run ``workbench`` with these arguments on an empty database."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", database_url)
    settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    settings.cache_clear()


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    database = open_database(database_url)
    yield House(database)
    database.engine.dispose()


def add_workflow(command: Command, folder: Path, toml: str) -> None:
    file = folder / "workflow.toml"
    file.write_text(toml)
    assert command("workflow", "add", file).exit_code == 0


def bring_in(command: Command, kind: str, name: str, workflow: str) -> None:
    assert command("import", kind, SHARED / name, "--workflow", workflow).exit_code == 0


def rows_of(answer: Result) -> list[dict[str, Any]]:
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)["rows"]


#: The table of the data's README: MAE, relative MAE, better, tied, WAPE and bias of the AI and of the final value.
PUBLISHED = {
    "cases": ("97449.01", "108124.86", "1.10955", "0.41975", "0.00000", "0.54730", "0.60726", "+0.21745", "+0.29479"),
    "deaths": ("107.0617", "133.5370", "1.24729", "0.21296", "0.02160", "0.30378", "0.37890", "+0.04042", "+0.12450"),
}


@real_data
def test_the_uk_case_forecasts_come_out_as_published(command, tmp_path):
    add_workflow(command, tmp_path, UK)
    bring_in(command, "reviews", "uk_rt_reviews.csv", "uk")

    rows = rows_of(command("report", "value-added", "--workflow", "uk", "--by", "target", "--json"))

    assert [(row["group"], row["step"], row["n"]) for row in rows] == [
        (target, step, 324) for target in PUBLISHED for step in ("ai", "final")
    ]
    for (target, published), ai, final in zip(PUBLISHED.items(), rows[::2], rows[1::2], strict=True):
        places = 2 if target == "cases" else 4
        found = (
            f"{ai['mae']:.{places}f}",
            f"{final['mae']:.{places}f}",
            *(f"{final[name]:.5f}" for name in ("rel_mae", "better", "ties")),
            *(f"{row['wape']:.5f}" for row in (ai, final)),
            *(f"{row['bias']:+.5f}" for row in (ai, final)),
        )
        assert found == published
        assert final["fva_points"] == pytest.approx(100 * (ai["wape"] - final["wape"]))
        assert (final["low"], final["high"], final["verdict"], ai["fva_points"]) == (None, None, None, None)


@real_data
def test_the_uk_case_forecasts_hold_601_overrides(command, tmp_path):
    add_workflow(command, tmp_path, UK)
    bring_in(command, "reviews", "uk_rt_reviews.csv", "uk")

    answer = json.loads(command("report", "overrides", "--workflow", "uk", "--json").stdout)

    assert (answer["report"], answer["workflow"]) == ("overrides", "uk")
    (row,) = answer["rows"]
    assert (row["group"], row["n"], row["overrides"], row["state"]) == ("all", 648, 601, "in usual range")
    assert row["rate"] == pytest.approx(601 / 648)
    assert row["low"] < row["rate"] < row["high"]


@real_data
def test_the_australian_forecasts_come_out_as_published(command, tmp_path):
    add_workflow(command, tmp_path, AUSTRALIA)
    for kind in ("history", "forecasts", "actuals"):
        bring_in(command, kind, f"au_retail_{kind}.csv", "retail")

    measures = {
        row["measure"]: row for row in rows_of(command("report", "ai-health", "--workflow", "retail", "--json"))
    }
    waiting = rows_of(command("report", "ageing", "--workflow", "retail", "--by", "state", "--json"))

    assert f"{measures['wape']['value']:.5f}" == "0.03164"
    assert f"{measures['wape']['baseline']:.5f}" == "0.04190"
    assert f"{measures['coverage']['value']:.1%}" == "85.5%"
    assert measures["coverage"]["baseline"] == 0.8
    assert {row["n"] for row in measures.values()} == {1776}
    assert sum(row["open"] for row in waiting) == 1776
    assert len(waiting) == 8


def test_as_of_counts_what_was_known_then_in_the_workflows_zone(command, house):
    house.past(decided_at=hours(2))

    counts = {
        text: rows_of(command("report", "latency", "--workflow", "retail", "--as-of", text, "--json"))[0]["open"]
        for text in ("2025-03-31T13:59", "2025-03-31T14:00", "2025-03-31T15:59+02:00", "2025-04-01")
    }
    answer = json.loads(command("report", "latency", "--workflow", "retail", "--as-of", "2025-04-01", "--json").stdout)

    assert list(counts.values()) == [1, 0, 1, 0]
    assert answer["as_of"] == "2025-04-01T00:00:00+00:00"


def test_the_wait_clock_is_asked_for_by_name(command, house):
    house.past(started_at=hours(1), decided_at=hours(2))

    (row,) = rows_of(command("report", "latency", "--workflow", "retail", "--clock", "wait", "--json"))

    assert row["median_hours"] == 1


def test_without_json_there_is_a_table_that_shows_names_as_they_are(command, house):
    house.past(attributes={"target": "[red]x[/]\x1b[2J"})

    answer = command("report", "latency", "--workflow", "retail", "--by", "target")

    assert answer.exit_code == 0
    assert "[red]x[/]" in answer.stdout
    assert "\x1b[2J" not in answer.stdout
    assert "p85" not in answer.stdout  # nothing is known of it


def test_nothing_to_report_is_said_in_a_word(command, house):
    answer = command("report", "value-added", "--workflow", "retail")

    assert (answer.exit_code, answer.stdout.strip()) == (0, "Nothing to report yet.")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("latency", "--workflow", "none"), 3, "There is no workflow 'none'"),
        (("latency", "--workflow", "retail", "--by", "colour"), 2, "nothing called 'colour'"),
        (("latency", "--workflow", "retail", "--as-of", "31/02"), 2, "is not a time"),
        (("latency", "--workflow", "retail", "--clock", "night"), 2, "night"),
        (("mood", "--workflow", "retail"), 2, "mood"),
        (("adoption", "--workflow", "retail", "--by", "state"), 2, "has one row a week and is not grouped"),
    ],
)
def test_wrong_use_and_refusals_have_their_own_exit_codes(command, house, arguments, code, said):
    answer = command("report", *arguments, "--json")

    assert answer.exit_code == code
    assert said in " ".join(answer.stderr.replace("│", " ").split())
    assert answer.stdout == ""

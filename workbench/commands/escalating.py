"""``workbench workflow ladder`` and ``test-override``: what would go up by itself, and whether one can override."""

from __future__ import annotations

from typing import Annotated

import typer

from review_queue.escalation import came_of, what, why
from workbench.actions import escalating, governing, path_testing
from workbench.actions.escalating import Foreseen, Rehearsal
from workbench.commands.console import REFUSED, open_ready, operator, print_json, refusals
from workbench.mailing import post_of
from workbench.settings import settings

Key = Annotated[str, typer.Argument(metavar="KEY", help="The workflow's key.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def ladder(key: Key, as_json: AsJson = False) -> None:
    """Show the escalation ladder and what it would do now and in the next 24 business hours; do nothing."""
    with refusals():
        database = open_ready()
        person_id = operator(database)
        workflow = governing.show_workflow(database, person_id=person_id, key=key)
        found = escalating.rehearse(database, person_id=person_id, workflow=workflow)
        if as_json:
            print_json(_as_json(key, found))
            return
        if not found.ladder:
            typer.echo("This workflow has no escalation ladder: nothing goes up by itself.")
            return
        for step in found.ladder:
            typer.echo(f"{step.name}: {why(step, openly=True)}: {what(step)}.")
        for act in found.acts:
            typer.echo(_printable(_line(act, is_now=act.at <= found.now)))
        if not found.acts:
            typer.echo(f"Nothing now, and nothing by {found.until:%Y-%m-%d %H:%M} UTC, if all stays as it is.")
        if not found.is_whole:
            typer.echo(f"Some step has {escalating.FOUND_AT_ONCE:,} items or more; only so many of them are listed.")


def _line(act: Foreseen, *, is_now: bool) -> str:
    when = "now" if is_now else f"{act.at:%Y-%m-%d %H:%M} UTC"
    did = came_of(act.did, to_level=act.to_level, taker=act.taker)
    told = ", ".join(act.told) or "nobody"
    return f"  {when}  item {act.item_id}  {act.series} · {act.period}  {act.step}: {did}; {told}"


def _as_json(key: str, found: Rehearsal) -> dict[str, object]:
    return {
        "workflow": key,
        "now": found.now,
        "until": found.until,
        "whole": found.is_whole,
        "ladder": [step.model_dump(mode="json") for step in found.ladder],
        "acts": [
            {
                "item": act.item_id,
                "series": act.series,
                "period": act.period,
                "step": act.step,
                "at": act.at,
                "now": act.at <= found.now,
                "does": act.did.value,
                "level": act.to_level,
                "to": act.taker,
                "told": list(act.told),
            }
            for act in found.acts
        ],
    }


def try_override(key: Key, as_json: AsJson = False) -> None:
    """Test the override path for real, leaving no decision behind; exit code 3 if a part of it fails."""
    with refusals():
        database, chosen = open_ready(), settings()
        person_id = operator(database)
        workflow = governing.show_workflow(database, person_id=person_id, key=key)
        found = path_testing.try_path(
            database, person_id=person_id, workflow=workflow, post=post_of(chosen), sender=chosen.mail_from or ""
        )
        if as_json:
            parts = [{"name": each.name, "state": each.state.value, "sentence": each.sentence} for each in found.parts]
            print_json({"workflow": key, "at": found.at, "by": found.by, "passed": found.is_passed, "parts": parts})
        else:
            for part in found.parts:
                typer.echo(_printable(f"{part.state.replace('_', ' '):<10} {part.name}: {part.sentence}"))
            typer.echo("The override path holds." if found.is_passed else "The override path does not hold.")
        if not found.is_passed:
            raise typer.Exit(REFUSED)


def _printable(line: str) -> str:
    """Nothing that drives a terminal: names of series and people are other people's text."""
    return "".join(char if char.isprintable() else "�" for char in line)

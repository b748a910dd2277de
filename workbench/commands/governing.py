"""``workbench workflow open | hand-over | pause | roll-back | resume``: what a workflow's owner decides."""

from __future__ import annotations

from typing import Annotated

import typer

from review_queue.showing import AiValues
from workbench.actions import governing, pausing, readying
from workbench.actions.pausing import Effect
from workbench.commands.console import open_ready, operator, print_json, refusals
from workbench.commands.importing import AsJson, Key

Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; everybody in the workflow can read it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]


def open_workflow(key: Key) -> None:
    """Open a workflow for review whose policy asks for all of the readiness check; exit code 3 if it does not pass."""
    with refusals():
        database = open_ready()
        found = readying.open_for_review(database, person_id=operator(database), key=key)
        typer.echo(f"{found.workflow.title} is open for review.")


def hand_over(
    key: Key,
    owner: Annotated[str, typer.Option("--owner", metavar="ADDRESS", help="Who owns it from now on.")],
    note: Note,
    deputy: Annotated[
        str | None, typer.Option("--deputy", metavar="ADDRESS", help="Who stands in; default nobody.")
    ] = None,
) -> None:
    """Give a workflow to another owner, another deputy, or both."""
    with refusals():
        database = open_ready()
        changed = governing.hand_over(
            database, person_id=operator(database), workflow_key=key, owner=owner, deputy=deputy, note=note
        )
        who = f"{changed.policy.owner} owns it, {changed.policy.deputy or 'nobody'} stands in"
        typer.echo(f"{changed.title}: {who}, policy version {changed.policy_version}.")


def pause(key: Key, note: Note = "", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Show none of the AI's values, until they are resumed. Forecasts come in all the same."""
    _choose(key, AiValues.PAUSED, None, note, dry_run=dry_run, as_json=as_json)


def roll_back(
    key: Key,
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="A model version that forecast here.")],
    note: Note = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Show the AI's values of an earlier model version, until they are resumed."""
    _choose(key, AiValues.ROLLED_BACK, to, note, dry_run=dry_run, as_json=as_json)


def resume(key: Key, note: Note = "", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Show the newest of the AI's values again."""
    _choose(key, AiValues.SHOWN, None, note, dry_run=dry_run, as_json=as_json)


def _choose(key: str, values: AiValues, version: str | None, note: str, *, dry_run: bool, as_json: bool) -> None:
    with refusals():
        database = open_ready()
        person_id = operator(database)
        effect = pausing.preview_showing(
            database, person_id=person_id, workflow_key=key, values=values, version=version
        )
        changed = None
        if not dry_run:
            changed = pausing.choose_showing(
                database, person_id=person_id, workflow_key=key, values=values, version=version, note=note
            )
        if as_json:
            print_json(
                {"workflow": key, "shown": values, "version": version, "changed": changed, "effect": _told(effect)}
            )
        else:
            typer.echo(effect.sentence)
            if changed is not None:
                typer.echo(f"Done. Open items that read differently now: {changed:,}.")


def _told(effect: Effect) -> dict[str, object]:
    return {
        "open": effect.open,
        "changed": effect.changed,
        "hidden": effect.hidden,
        "stood_in": effect.stood_in,
        "earlier": effect.earlier,
        "shown_again": effect.shown_again,
        "in_hand": effect.in_hand,
        "by_lane_and_state": [
            {"lane": lane, "state": state, "items": count} for lane, state, count in effect.by_lane_and_state
        ],
    }

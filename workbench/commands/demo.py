"""``workbench demo``: the simulated sales organisation, into an empty database."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench import demo as organisation
from workbench.commands.console import open_ready, refusals


def demo(
    seed: Annotated[int, typer.Option(min=0, help="The same seed tells the same story.")] = 7,
) -> None:
    """Load the simulated sales organisation into an empty database."""
    with refusals():
        summary = organisation.load(open_ready(), seed=seed)
    typer.echo(
        f"Simulated: a sales organisation of {summary.people} people and {summary.series:,} series, "
        f"with {summary.past_decisions:,} past decisions ({summary.overrides:,} overrides), "
        f"{summary.actuals:,} actuals and {summary.open_items:,} open items. "
        f"Loaded in {summary.seconds:.1f} s from seed {summary.seed}."
    )
    typer.echo("Every name and number is invented. What was planted in it is in docs/demo.md.")

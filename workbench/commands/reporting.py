"""``workbench report``: one measure of one workflow, as a table or as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from review_queue.measures.latency import Clock
from workbench import reporting
from workbench.analytics import ColumnUnknown
from workbench.commands.console import instant_of, open_ready, operator, print_json, refusals
from workbench.reporting import Report, ReportHasNoGroups, ReportName


def report(
    name: Annotated[ReportName, typer.Argument(metavar="NAME", help=", ".join(ReportName) + ".")],
    workflow: Annotated[str, typer.Option(metavar="KEY", help="The workflow's key.")],
    as_of: Annotated[
        str | None, typer.Option(metavar="T", help="Count only what was known then: an ISO date or time. Default: now.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A segment level, reviewer, reason, week, or an imported attribute."),
    ] = None,
    clock: Annotated[
        Clock, typer.Option(help="For latency: until it is started, or until it is decided.")
    ] = Clock.CYCLE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print a report on the reviews of a workflow."""
    with refusals():
        database = open_ready()
        instant = None if as_of is None else instant_of(database, workflow, as_of, option="--as-of")
        try:
            found = reporting.report(
                database, name, person_id=operator(database), workflow_key=workflow, as_of=instant, by=by, clock=clock
            )
        except (ColumnUnknown, ReportHasNoGroups) as unknown:
            raise typer.BadParameter(str(unknown), param_hint="--by") from unknown
        if as_json:
            print_json(found.as_json())
        else:
            _print_table(found)


def _print_table(found: Report) -> None:
    """Print the rows, without the columns in which nothing is known."""
    console = Console()
    if not found.rows:
        console.print("Nothing to report yet.")
        return
    table = Table(caption=f"{found.workflow}, as of {found.as_of:%Y-%m-%d %H:%M} UTC", caption_justify="left")
    known = [column for column in found.rows[0] if any(row[column] is not None for row in found.rows)]
    for column in known:
        words = all(isinstance(row[column], str | None) for row in found.rows)
        narrowest = 16 if column == "group" else None
        justify: Literal["left", "right"] = "left" if words else "right"
        table.add_column(column.replace("_", " "), justify=justify, overflow="fold", min_width=narrowest)
    for row in found.rows:
        table.add_row(*(Text(_cell(row[column])) for column in known))  # Text: names are never read as markup
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "".join(char if char.isprintable() else "�" for char in str(value))  # nothing that drives a terminal

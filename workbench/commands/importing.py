"""``workbench workflow`` and ``workbench import``: what is under review, and the files that feed it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from review_queue.columns import Kind
from review_queue.decimals import Mark
from review_queue.errors import FileRefused
from storage.bulk import Progress as Report
from storage.workflows import Workflow
from workbench.actions import governing, importing, readying
from workbench.actions.importing import ImportSummary
from workbench.actions.readying import Readiness
from workbench.commands.console import REFUSED, SET_ASIDE, WRONG_USE, open_ready, operator, print_json, refusals
from workbench.foreign.facts import Choices
from workbench.foreign.limits import MOST_BYTES
from workbench.foreign.sniffing import DELIMITERS, ENCODINGS

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The workflow's key.")]

#: Rows set aside that are told one by one.
TOLD = 20


def workflow_add(file: File, as_json: AsJson = False) -> None:
    """Register the workflow in FILE.toml, or change its policy to what the file says."""
    with refusals():
        database = open_ready()
        text = _text(file)
        added = governing.add_workflow(database, person_id=operator(database), toml_text=text, name=file.name)
        if as_json:
            print_json(_workflow(added))
        else:
            typer.echo(f"{added.title} ({added.key}) is registered, policy version {added.policy_version}.")


def workflow_list(as_json: AsJson = False) -> None:
    """List the workflows."""
    with refusals():
        database = open_ready()
        found = governing.list_workflows(database, person_id=operator(database))
        if as_json:
            print_json([_workflow(each) for each in found])
            return
        table = Table("Key", "Title", "Unit", "Owner", "Ready", box=None)
        for each in found:
            ready = "no" if each.missing_for_review() else "yes"
            table.add_row(*map(Text, (each.key, each.title, each.unit, each.policy.owner or "none", ready)))
        Console().print(table)


def workflow_show(key: Key, as_json: AsJson = False) -> None:
    """Show a workflow and the policy in force."""
    with refusals():
        database = open_ready()
        shown = _workflow(governing.show_workflow(database, person_id=operator(database), key=key))
        if as_json:
            print_json(shown)
            return
        table = Table("Setting", "Value", box=None)
        for name, value in {**shown, **shown["policy"]}.items():
            if name != "policy":
                table.add_row(Text(name), Text(str(value)))
        Console().print(table)


def workflow_check(key: Key, as_json: AsJson = False) -> None:
    """Check whether a workflow may open for review; exit code 3 if not."""
    with refusals():
        database = open_ready()
        found = readying.check_workflow(database, person_id=operator(database), key=key)
        if as_json:
            checks = [
                {
                    "name": each.name,
                    "ok": each.ok,
                    "required": each.is_required,
                    "sentence": each.sentence,
                    "criterion": each.criterion,
                    "asked": each.asked,
                    "state": each.state,
                }
                for each in found.checks
            ]
            print_json({"workflow": key, "ready": found.is_ready, "open": found.is_open, "checks": checks})
        else:
            for check in found.checks:
                mark = "ok      " if check.ok else "missing " if check.is_required else "advice  "
                typer.echo(f"{mark} {check.name}: {check.sentence}")
            typer.echo(_verdict(key, found))
        if not found.is_ready:
            raise typer.Exit(REFUSED)


def _verdict(key: str, found: Readiness) -> str:
    if found.waits_for_opening:
        return f"Ready for review. `workbench workflow open {key}` opens it."
    return "Ready for review." if found.is_ready else "Not ready for review yet."


def import_file(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(Kind))],
    file: File,
    workflow: Annotated[str, typer.Option("--workflow", metavar="KEY", help="The workflow's key.")],
    mapping: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE.toml", exists=True, dir_okay=False, help='Lines of column = "its header".'),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    sheet: Annotated[str | None, typer.Option("--sheet", metavar="NAME", help="The sheet of a spreadsheet.")] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", metavar="NAME", help="Of a text file, like windows-1252.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", metavar="NAME", help=", ".join(DELIMITERS.values()) + ".")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option("--decimal", metavar="SIGN", help="Before decimals in a text file: point or comma.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a file in: CSV, XLSX, Parquet, JSON Lines, or one of these packed with gzip.

    Rows that cannot be trusted are set aside, and the exit code is 1.
    """
    if kind not in list(Kind):
        typer.echo(f"{kind!r} is no kind of file. Choose one of {', '.join(Kind)}.", err=True)
        raise typer.Exit(WRONG_USE)
    choices = _choices(sheet, encoding, delimiter, decimal)
    with refusals():
        database = open_ready()
        with _bar() as progress:
            summary = importing.import_file(
                database,
                person_id=operator(database),
                workflow_key=workflow,
                kind=kind,
                name=file.name,
                content=_content(file),
                choices=choices,
                mapping=_mapping(mapping) if mapping else None,
                dry_run=dry_run,
                progress=progress,
            )
        if as_json:
            print_json(summary.as_json())
        else:
            _tell(summary)
        if summary.counts.set_aside:
            raise typer.Exit(SET_ASIDE)


@contextmanager
def _bar() -> Iterator[Report]:
    """A progress bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("Writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Writing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _choices(sheet: str | None, encoding: str | None, delimiter: str | None, decimal: str | None) -> Choices:
    """What the options say, or exit code 2."""
    encodings = {each.split(" (")[0].lower().replace(" ", "-"): each for each in ENCODINGS}
    delimiters = {name: mark for mark, name in DELIMITERS.items()}
    for option, said, known in (
        ("--encoding", encoding and encoding.lower(), encodings),
        ("--delimiter", delimiter, delimiters),
        ("--decimal", decimal, [*Mark]),
    ):
        if said and said not in known:
            typer.echo(f"{option} is one of {', '.join(known)}, not {said!r}.", err=True)
            raise typer.Exit(WRONG_USE)
    return Choices(
        sheet=sheet,
        encoding=encodings[encoding.lower()] if encoding else None,
        delimiter=delimiters[delimiter] if delimiter else None,
        decimal=decimal,
    )


def _content(file: Path) -> bytes:
    """The file, or the beginning of one that is too large and will be refused as such."""
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)


def _tell(summary: ImportSummary) -> None:
    for sentence in summary.sentences():
        typer.echo(sentence)
    for fact in summary.facts:
        typer.echo(f"{fact.name.capitalize()}: {fact.value} ({fact.grounds}).")
    if summary.left_out:
        typer.echo(f"Not taken in: {', '.join(summary.left_out)}.")
    for row in summary.aside[:TOLD]:
        typer.echo(f"  row {row.row}: {row.sentence} [{row.code}]")
    if summary.counts.set_aside > TOLD:
        typer.echo(f"  and {summary.counts.set_aside - TOLD:,} more")


def _mapping(file: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(_text(file))
    except tomllib.TOMLDecodeError as error:
        raise FileRefused(f"{file.name} is not valid TOML: {error}.") from error
    wrong = [column for column, header in found.items() if not isinstance(header, str)]
    if wrong:
        raise FileRefused(
            f'{file.name}: {wrong[0]} needs a header in quotation marks, like {wrong[0]} = "Their header".'
        )
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileRefused(f"{file.name} is not UTF-8 text. Save it as UTF-8.") from error


def _workflow(workflow: Workflow) -> dict[str, Any]:
    return {
        "key": workflow.key,
        "title": workflow.title,
        "unit": workflow.unit,
        "policy_version": workflow.policy_version,
        "simulated": workflow.is_simulated,
        "ready": not workflow.missing_for_review(),
        "policy": workflow.policy.model_dump(mode="json"),
    }

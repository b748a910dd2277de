"""The ``workbench`` command: every subcommand by its name, and nothing else.

What a command needs is imported when it is asked for: reading a token's list does not wait for the reports.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module

import typer
from typer.core import TyperGroup

UNFORESEEN = 70


def _named(**functions: str) -> type[TyperGroup]:
    """A group of the commands with these names; each is ``module:function`` in ``workbench.commands``."""
    places = {name.rstrip("_").replace("_", "-"): place for name, place in functions.items()}

    class Named(TyperGroup):
        def list_commands(self, ctx: typer.Context) -> list[str]:
            return [*places, *(name for name in super().list_commands(ctx) if name not in places)]

        def get_command(self, ctx: typer.Context, cmd_name: str):  # type: ignore[no-untyped-def] -- typer's own
            is_known = cmd_name in self.list_commands(ctx)
            for name in [cmd_name] if is_known else places:  # all of them, to say which one may have been meant
                if name in places and name not in self.commands:
                    self.commands[name] = _command(name, places[name])
            return super().get_command(ctx, cmd_name)

    return Named


def _command(name: str, place: str):  # type: ignore[no-untyped-def] -- typer's own
    module, function = place.split(":")
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(import_module(f"workbench.commands.{module}"), function))
    return typer.main.get_command(alone)


app = typer.Typer(
    help="A review workbench for forecasts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=_named(
        serve="serving:serve",
        worker="working:worker",
        demo="demo:demo",
        import_="importing:import_file",
        export="exporting:export",
        pull="pulling:pull",
        report="reporting:report",
        digest="digest:digest",
        check_config="serving:check_config",
    ),
)
GROUPS: dict[str, tuple[str, type[TyperGroup]]] = {
    "db": (
        "The database: schema and backups.",
        _named(
            upgrade="database:upgrade",
            current="database:current",
            backup="database:backup",
            restore="database:restore",
            drill="database:drill",
            roles="database:roles",
            masked_copy="database:copy_masked",
            retention="database:retention",
        ),
    ),
    "workflow": (
        "Workflows: what is under review, by what policy.",
        _named(
            add="importing:workflow_add",
            list="importing:workflow_list",
            show="importing:workflow_show",
            check="importing:workflow_check",
            ladder="escalating:ladder",
            test_override="escalating:try_override",
            open="governing:open_workflow",
            hand_over="governing:hand_over",
            pause="governing:pause",
            roll_back="governing:roll_back",
            resume="governing:resume",
        ),
    ),
    "audit": (
        "The audit record: verify it, take it out, its checkpoints.",
        _named(
            verify="auditing:verify",
            export="auditing:export",
            key="auditing:key",
            accept_loss="auditing:accept_loss",
        ),
    ),
    "people": (
        "People and their roles.",
        _named(
            list="people:list_people",
            grant="people:grant",
            revoke="people:revoke",
            disable="people:disable",
            enable="people:enable",
            erase="people:erase",
            sign_out="people:sign_out",
        ),
    ),
    "token": (
        "Tokens: what programs act with over HTTP.",
        _named(
            create="tokens:create",
            list="tokens:list_tokens",
            revoke="tokens:revoke",
        ),
    ),
    "webhook": (
        "Webhooks: where a workflow's events are sent.",
        _named(
            add="webhooks:add",
            list="webhooks:list_receivers",
            approve="webhooks:approve",
            rotate="webhooks:rotate",
            pause="webhooks:pause",
            resume="webhooks:resume",
            remove="webhooks:remove",
            deliveries="webhooks:list_deliveries",
            replay="webhooks:replay",
            replay_all="webhooks:replay_all",
            skip="webhooks:skip",
        ),
    ),
}
for name, (about, group) in GROUPS.items():
    app.add_typer(typer.Typer(help=about, no_args_is_help=True, cls=group), name=name)


def main() -> None:
    """Run the command line. What nobody foresaw ends with its traceback and a code of its own."""
    try:
        app()
    except Exception:  # Python's own code for it is 1, which here means "done, with rows set aside"
        traceback.print_exc()
        sys.exit(UNFORESEEN)

"""The ``workbench`` command: every subcommand by its name, and nothing else."""

from __future__ import annotations

import sys
import traceback

import typer

from workbench.commands import (
    auditing,
    database,
    demo,
    digest,
    escalating,
    exporting,
    governing,
    importing,
    people,
    pulling,
    reporting,
    serving,
    tokens,
    webhooks,
    working,
)

UNFORESEEN = 70

app = typer.Typer(
    help="A review workbench for forecasts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serving.serve)
app.command("worker")(working.worker)
app.command("demo")(demo.demo)
app.command("import")(importing.import_file)
app.command("export")(exporting.export)
app.command("pull")(pulling.pull)
app.command("report")(reporting.report)
app.command("digest")(digest.digest)
app.command("check-config")(serving.check_config)

db = typer.Typer(help="The database: schema and backups.", no_args_is_help=True)
db.command("upgrade")(database.upgrade)
db.command("current")(database.current)
db.command("backup")(database.backup)
db.command("restore")(database.restore)
db.command("drill")(database.drill)
db.command("roles")(database.roles)
db.command("masked-copy")(database.copy_masked)
db.command("retention")(database.retention)
app.add_typer(db, name="db")

workflow = typer.Typer(help="Workflows: what is under review, by what policy.", no_args_is_help=True)
workflow.command("add")(importing.workflow_add)
workflow.command("list")(importing.workflow_list)
workflow.command("show")(importing.workflow_show)
workflow.command("check")(importing.workflow_check)
workflow.command("ladder")(escalating.ladder)
workflow.command("test-override")(escalating.try_override)
workflow.command("open")(governing.open_workflow)
workflow.command("hand-over")(governing.hand_over)
workflow.command("pause")(governing.pause)
workflow.command("roll-back")(governing.roll_back)
workflow.command("resume")(governing.resume)
app.add_typer(workflow, name="workflow")

record = typer.Typer(help="The audit record: verify it, take it out, its checkpoints.", no_args_is_help=True)
record.command("verify")(auditing.verify)
record.command("export")(auditing.export)
record.command("key")(auditing.key)
record.command("accept-loss")(auditing.accept_loss)
app.add_typer(record, name="audit")

who = typer.Typer(help="People and their roles.", no_args_is_help=True)
who.command("list")(people.list_people)
who.command("grant")(people.grant)
who.command("revoke")(people.revoke)
who.command("disable")(people.disable)
who.command("enable")(people.enable)
who.command("erase")(people.erase)
who.command("sign-out")(people.sign_out)
app.add_typer(who, name="people")

token = typer.Typer(help="Tokens: what programs act with over HTTP.", no_args_is_help=True)
token.command("create")(tokens.create)
token.command("list")(tokens.list_tokens)
token.command("revoke")(tokens.revoke)
app.add_typer(token, name="token")
hooks = typer.Typer(help="Webhooks: where a workflow's events are sent.", no_args_is_help=True)
hooks.command("add")(webhooks.add)
hooks.command("list")(webhooks.list_receivers)
hooks.command("approve")(webhooks.approve)
hooks.command("rotate")(webhooks.rotate)
hooks.command("pause")(webhooks.pause)
hooks.command("resume")(webhooks.resume)
hooks.command("remove")(webhooks.remove)
hooks.command("deliveries")(webhooks.list_deliveries)
hooks.command("replay")(webhooks.replay)
hooks.command("replay-all")(webhooks.replay_all)
hooks.command("skip")(webhooks.skip)
app.add_typer(hooks, name="webhook")


def main() -> None:
    """Run the command line. What nobody foresaw ends with its traceback and a code of its own."""
    try:
        app()
    except Exception:  # Python's own code for it is 1, which here means "done, with rows set aside"
        traceback.print_exc()
        sys.exit(UNFORESEEN)

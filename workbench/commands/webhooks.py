"""``workbench webhook``: where a workflow's events are sent, and those that could not be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from review_queue.delivering import DeliveryState
from storage.deliveries import Delivery
from workbench.actions import delivering
from workbench.actions.delivering import Registered, Watched
from workbench.commands.console import open_ready, operator, print_json, refusals
from workbench.sending import reach_of
from workbench.settings import settings

WorkflowKey = Annotated[str, typer.Option("--workflow", metavar="KEY", help="Whose events.")]
ReceiverId = Annotated[int, typer.Argument(metavar="RECEIVER", help="The number that `webhook list` shows.")]
DeliveryId = Annotated[int, typer.Argument(metavar="DELIVERY", help="The number that `webhook deliveries` shows.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://… of the receiver.")],
    workflow: WorkflowKey,
    as_json: AsJson = False,
) -> None:
    """Send a workflow's events to this address from now on. Prints the signing secret, once."""
    with refusals():
        database = open_ready()
        added = delivering.register(
            database,
            person_id=operator(database),
            workflow_key=workflow,
            url=url,
            reach=reach_of(settings()),
            is_operator=True,
        )
        _print_secret(added, as_json=as_json)


def list_receivers(workflow: WorkflowKey, as_json: AsJson = False) -> None:
    """List the receivers of a workflow, with how their deliveries stand."""
    with refusals():
        database = open_ready()
        found = delivering.watch(database, person_id=operator(database), workflow_key=workflow)
        if as_json:
            print_json([_receiver(each) for each in found])
            return
        names = ("receiver", "url", "state", "pending", "delivered", "dead", "oldest pending")
        _print_table(names, [_receiver_line(each) for each in found])


def approve(receiver: ReceiverId) -> None:
    """Let a receiver that somebody added on the Deliveries page have what happens from now on."""
    with refusals():
        database = open_ready()
        delivering.approve(database, person_id=operator(database), receiver_id=receiver)
        typer.echo(f"Receiver {receiver} gets what happens from now on.")


def rotate(
    receiver: ReceiverId,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="For which the old key signs too; 0 ends it at once.")
    ] = delivering.OVERLAP / timedelta(hours=1),
    as_json: AsJson = False,
) -> None:
    """Make a new signing key. Prints its secret, once."""
    with refusals():
        database = open_ready()
        overlap = timedelta(hours=overlap_hours)
        changed = delivering.rotate(database, person_id=operator(database), receiver_id=receiver, overlap=overlap)
        _print_secret(changed, as_json=as_json)


def pause(receiver: ReceiverId) -> None:
    """Send nothing to a receiver until it is resumed; what happens meanwhile waits."""
    with refusals():
        database = open_ready()
        delivering.pause(database, person_id=operator(database), receiver_id=receiver)
        typer.echo(f"Receiver {receiver} is paused.")


def resume(receiver: ReceiverId) -> None:
    """Send to a receiver again, beginning with what has waited."""
    with refusals():
        database = open_ready()
        delivering.resume(database, person_id=operator(database), receiver_id=receiver)
        typer.echo(f"Receiver {receiver} gets its events again.")


def remove(receiver: ReceiverId) -> None:
    """Send nothing more to a receiver, ever."""
    with refusals():
        database = open_ready()
        left_out = delivering.remove(database, person_id=operator(database), receiver_id=receiver)
        typer.echo(f"Receiver {receiver} is removed; {left_out} deliveries are left out.")


def list_deliveries(
    workflow: WorkflowKey,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 200,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the newest first."""
    with refusals():
        database = open_ready()
        found = delivering.list_deliveries(
            database, person_id=operator(database), workflow_key=workflow, state=state, limit=limit
        )
        if as_json:
            print_json([_delivery(each) for each in found])
            return
        names = ("delivery", "receiver", "event", "item", "state", "attempts", "what became of it")
        _print_table(names, [_delivery_line(each) for each in found])


def replay(delivery: DeliveryId) -> None:
    """Begin with a dead delivery anew."""
    with refusals():
        database = open_ready()
        delivering.replay(database, person_id=operator(database), delivery_id=delivery)
        typer.echo(f"Delivery {delivery} is sent again.")


def replay_all(receiver: ReceiverId) -> None:
    """Begin anew with every dead delivery to a receiver."""
    with refusals():
        database = open_ready()
        count = delivering.replay_all(database, person_id=operator(database), receiver_id=receiver)
        typer.echo(f"{count} deliveries are sent again.")


def skip(delivery: DeliveryId) -> None:
    """Go on without a dead delivery: later events of its item are sent."""
    with refusals():
        database = open_ready()
        delivering.skip(database, person_id=operator(database), delivery_id=delivery)
        typer.echo(f"Delivery {delivery} is left out.")


def _print_secret(made: Registered, *, as_json: bool) -> None:
    if as_json:
        print_json({"receiver": made.receiver.id, "url": made.receiver.url, "secret": made.secret})
        return
    typer.echo(f"Receiver {made.receiver.id}: {made.receiver.url}")
    typer.echo(f"Its secret, which is shown this once: {made.secret}")


def _receiver(each: Watched) -> dict[str, Any]:
    receiver, tally = each.receiver, each.tally
    return {
        "receiver": receiver.id,
        "workflow": receiver.workflow_key,
        "url": receiver.url,
        "state": delivering.state_of(receiver),
        "why": receiver.paused_why or None,
        "added_by": receiver.created_by_name,
        "added_at": receiver.created_at,
        "approved_by": receiver.approved_by_name,
        "approved_at": receiver.approved_at,
        "keys": [{"key": key.id, "created_at": key.created_at, "ends_at": key.ends_at} for key in each.keys],
        "pending": tally.pending,
        "delivered": tally.delivered,
        "dead": tally.dead,
        "skipped": tally.skipped,
        "oldest_pending_at": tally.oldest_pending_at,
    }


def _receiver_line(each: Watched) -> tuple[object, ...]:
    tally, oldest = each.tally, each.tally.oldest_pending_at
    since = f"{oldest:%Y-%m-%d %H:%M} UTC" if oldest else ""
    state = delivering.state_of(each.receiver)
    return each.receiver.id, each.receiver.url, state, tally.pending, tally.delivered, tally.dead, since


def _delivery(each: Delivery) -> dict[str, Any]:
    return {
        "delivery": each.id,
        "receiver": each.receiver_id,
        "webhook_id": each.webhook_id,
        "event": each.topic,
        "series": each.series,
        "period": each.period,
        "state": each.state,
        "attempts": each.attempts,
        "why": each.why or None,
        "happened_at": each.happened_at,
        "due_at": each.due_at if each.state is DeliveryState.PENDING else None,
        "ended_at": each.ended_at,
        "waiting": each.waiting,
    }


def _delivery_line(each: Delivery) -> tuple[object, ...]:
    item = f"{each.series} · {each.period}" if each.series else ""
    return each.id, each.receiver_id, each.topic, item, each.state, each.attempts, each.why


def _print_table(names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    table = Table(*(name.capitalize() for name in names), box=None)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))  # as text: what others wrote is not markup
    Console().print(table)

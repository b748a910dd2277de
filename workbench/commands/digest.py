"""``workbench digest``: the reminders that are due now."""

from __future__ import annotations

from typing import Annotated

import typer

from review_queue.errors import ReviewError
from workbench.actions import reminding
from workbench.commands.console import open_ready, print_json, refusals
from workbench.mailing import post_of
from workbench.settings import settings


class MailNotSetUp(ReviewError):
    """There is no way for mail to get out."""

    code = "MAIL_NOT_SET_UP"


def digest(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Send everybody who asked for it what waits for them, once a day, at their hour."""
    with refusals():
        chosen = settings()
        post = None if dry_run else post_of(chosen)
        if post is None and not dry_run:
            raise MailNotSetUp("No mail is set up. Set WORKBENCH_MAIL and WORKBENCH_MAIL_FROM, or add --dry-run.")
        database = open_ready()
        told = reminding.send_digests(database, post, sender=chosen.mail_from or "", url=chosen.public_url)
        if as_json:
            print_json([_row(each) for each in told])
            return
        for each in told:
            typer.echo(_line(each, dry_run=dry_run))
            if dry_run and each.lines:
                typer.echo(each.text)
        if not told:
            typer.echo("No digest is due now.")


def _line(told: reminding.Told, *, dry_run: bool) -> str:
    whom = "".join(char if char.isprintable() else "�" for char in told.address)  # nothing that drives a terminal
    if not told.lines:
        return f"{whom}: nothing waits, so nothing is sent."
    if told.failure:
        return f"{whom}: not sent. {told.failure}"
    lines = "1 line" if told.lines == 1 else f"{told.lines} lines"
    return f"{whom}: {'would be sent' if dry_run else 'sent'}, {lines}."


def _row(told: reminding.Told) -> dict[str, object]:
    return {
        "person": told.person_id,
        "address": told.address,
        "day": told.day,
        "lines": told.lines,
        "failure": told.failure or None,
    }

"""What happens to people, in words: the same on the page and on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from review_queue.roles import Grant
from storage.erasing import Effect
from storage.tree import names


def in_words(effect: Effect) -> tuple[str, ...]:
    """What erasing somebody does, a sentence each."""
    own = sum(effect.own.values())
    return (
        "Name, e-mail address and identity go. The same person can come back only as somebody new, without a role.",
        f"What ends: {_many(effect.roles, 'role')}, {_many(effect.tokens, 'token')}. What goes: "
        f"{_many(own, 'row')} of their own (sign-ins, drafts, saved views, "
        "notifications, preferences, comments on their figures).",
        f"{_many(effect.items_given_back, 'open item')} assigned to them go back to everybody.",
        f"The text of {_many(effect.remarks, 'comment')} goes, and the notes of skips, assignments and absences.",
        f"{_many(effect.decisions, 'decision')} stay with their reasons, under a number, and so does the audit log.",
        f"{_many(effect.imported, 'imported row')} carry the very name or address, and stay as the file says.",
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def place_of(grant: Grant, titles: Mapping[int | None, str]) -> str:
    """Where a role holds: "every workflow", or a workflow and perhaps a part of it. ``titles``: by workflow id."""
    if grant.workflow_id is None:
        return "every workflow"
    part = " › ".join(names(grant.segment_path))
    return titles.get(grant.workflow_id, f"workflow {grant.workflow_id}") + (f": {part}" if part else "")

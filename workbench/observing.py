"""What is told of every action, to the log and to the counters: who, on what, how long, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar, runtime_checkable

from review_queue.errors import ReviewError
from review_queue.items import Act, Choice, Decision, Item
from workbench import metrics

#: Actions of which the log tells only where they are refused, or at level DEBUG: a page takes several of them a time.
QUIET = frozenset(
    {"unseen", "undoable", "notice", "renew_claim", "save_draft", "read_comments", "bearer_of", "_note_use", "resolve"}
)
CLAIMS = frozenset({"take_next", "open_item"})
DECIDES = frozenset({"submit_decision", "undo"})
#: Actions that answer with decisions which they have stored; others answer with some that they have read.
STORES = DECIDES | {"confirm_batch", "set_finals"}

log = logging.getLogger("workbench")
R = TypeVar("R")


@runtime_checkable
class HasDecisions(Protocol):
    """The answer to a bulk confirmation."""

    @property
    def decisions(self) -> Sequence[Decision]: ...


def observed(action: str, arguments: Mapping[str, Any], ask: Callable[[], R]) -> R:
    """What ``ask`` returns; whatever becomes of it is counted and told."""
    began = perf_counter()
    try:
        done = ask()
    except ReviewError as refusal:
        _ended(action, arguments, None, refusal.code, perf_counter() - began)
        metrics.refused(refusal)
        raise
    except Exception as error:  # told and passed on
        _ended(action, arguments, None, f"failed: {type(error).__name__}", perf_counter() - began)
        raise
    is_replay = bool(getattr(done, "replayed", False) or getattr(done, "is_repeated", False))
    if is_replay:
        metrics.replays.inc()
    else:
        _count(action, done)
    _ended(action, arguments, done, "replayed" if is_replay else "done", perf_counter() - began)
    return done


def _count(action: str, done: object) -> None:
    """Count the decisions in an action's answer."""
    if action not in STORES:
        return
    if isinstance(done, HasDecisions):
        done = done.decisions
    for each in done if isinstance(done, Sequence) else (done,):
        if isinstance(each, Decision) and not each.replayed:
            metrics.decisions.labels(action, "undone" if each.act is Act.UNDO else str(each.outcome)).inc()


def _ended(action: str, arguments: Mapping[str, Any], done: object, outcome: str, seconds: float) -> None:
    if action in CLAIMS:
        metrics.claim_seconds.observe(seconds)
    elif action in DECIDES:
        metrics.decide_seconds.observe(seconds)
    level = logging.DEBUG if action in QUIET and outcome == "done" else logging.INFO
    if log.isEnabledFor(level):
        log.log(level, "%s: %s", action, outcome, extra=_facts(action, arguments, done, outcome, seconds))


def _facts(
    action: str, arguments: Mapping[str, Any], done: object, outcome: str, seconds: float
) -> dict[str, str | int | float | None]:
    """Ids, numbers and codes; nothing that anybody typed."""
    choice, item = arguments.get("choice"), getattr(done, "item", arguments.get("item"))
    item_id = choice.item_id if isinstance(choice, Choice) else arguments.get("item_id")
    fence = choice.fence if isinstance(choice, Choice) else arguments.get("fence")
    decision_id = arguments.get("decision_id")
    if isinstance(item, Item):
        item_id, fence = item.id, item.fence
    if isinstance(done, Decision):
        item_id, fence, decision_id = done.item_id, done.fence, done.id
    return {
        "event": action,
        "outcome": outcome,
        "duration_ms": round(seconds * 1000, 1),
        "actor_id": arguments.get("person_id"),
        "token_id": arguments.get("token_id"),
        "item_id": item_id,
        "decision_id": decision_id,
        "fence": fence,
    }

"""What must hold of one step, beside the invariants that hold of the rows at any moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from storage import reports
from storage.engine import database_now
from storage.tables import (
    audit_chain,
    audit_events,
    comments,
    decisions,
    evidence_views,
    forecasts,
    imports,
    items,
    outbox,
    policies,
    reasons,
)
from tests.states.oracle import Oracle
from tests.states.records import Records
from tests.states.world import World

#: Rows of these are added, and never change.
KEPT_FOR_EVER = (
    audit_chain,
    audit_events,
    comments,
    decisions,
    evidence_views,
    forecasts,
    imports,
    outbox,
    policies,
    reasons,
)


def of_a_step(before: Records, after: Records) -> list[str]:
    """What is wrong with the step from ``before`` to ``after``, whatever it was."""
    return [*_history_stays(before, after), *_everybody_was_allowed(before, after), *_facts_were_current(before, after)]


def differences(before: Records, after: Records) -> list[str]:
    """Every table that is not exactly as it was."""
    return [name for name in after.tables if after.tables[name] != before.tables[name]]


def _history_stays(before: Records, after: Records) -> Iterator[str]:
    """P2, P10: what was written is neither changed nor taken away."""
    for table in KEPT_FOR_EVER:
        old, new = before.of(table), after.of(table)
        if old is not new:
            yield from (f"P2: {table.name} {key} changed" for key, row in old.items() if new.get(key) != row)


def _everybody_was_allowed(before: Records, after: Records) -> Iterator[str]:
    """I13, to the letter: whoever claimed or decided had the role and the scope for it at that moment."""
    oracle = Oracle(before)
    for key, event in after.of(audit_events).items():
        if key in before.of(audit_events) or event["action"] not in (
            "item.claimed",
            "decision.made",
            "decision.undone",
        ):
            continue
        # An undone escalation comes back down; a claim and a decision are made where the item was.
        there = (after if event["action"] == "decision.undone" else before).of(items)[event["item_id"]]
        if oracle.is_disabled(event["actor_id"]) or not oracle.reaches(event["actor_id"], there):
            yield f"I13: person {event['actor_id']} may not do event {key}, {event['action']}"


def _facts_were_current(before: Records, after: Records) -> Iterator[str]:
    """I11: a decision keeps the figures and the content hash that its item had at that moment."""
    oracle = Oracle(before)
    for key, row in after.of(decisions).items():
        if key in before.of(decisions):
            continue
        item = before.of(items)[row["item_id"]]
        current = (item["content_hash"], oracle.value_on(item, "ai"), oracle.value_on(item, "manual"))
        if (row["content_hash"], row["ai_value"], row["manual_value"]) != current:
            yield f"I11: decision {key} keeps other figures than its item had"


def the_reports_agree(world: World, records: Records) -> list[str]:
    """I17: the table behind every report counts the decisions that stand, outcome by outcome."""
    with world.database.reading() as session:
        table = reports.reviews(session, world.workflow, database_now(session))
    told = Counter(table["outcome"].dropna().tolist())
    last = {(row["item_id"], row["round"]): row for row in records.rows(decisions)}
    stands = Counter(
        last[item["id"], item["round"]]["outcome"] for item in records.rows(items) if item["state"] == "decided"
    )
    return [] if told == stands else [f"I17: reports count {dict(told)}, the decisions {dict(stands)}"]

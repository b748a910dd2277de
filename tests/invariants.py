"""What must hold of the database at any moment, and of what its clients were told: I1 to I18 of the promises.

``violations(database, told)`` says in words what does not hold; an empty list is what everybody wants. Each invariant
is a function over ``Stored``, the rows of one consistent read, and ``Told``, what clients sent and were answered.
They know the tables and nothing of the code under test, so that a mistake in it cannot hide itself here.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import Any

import rfc8785
from sqlalchemy import Table, select, text

from review_queue.items import CLAIMABLE_STATES, OPEN_STATES, Act, Choice, Decision, Outcome, Stage, State
from review_queue.roles import ALLOWED, REVIEW_LEVEL, Role, Task
from storage.engine import Database, database_now
from storage.tables import (
    audit_chain,
    audit_events,
    decisions,
    deliveries,
    grants,
    items,
    outbox,
    people,
    policies,
    reasons,
    receivers,
    segments,
)

#: How long after a grant ended a transaction that had read it before may still commit.
IN_FLIGHT = timedelta(seconds=5)
#: Expiries after which an item must have gone one level up.
EXPIRIES = 5
TOP_LEVEL = 2
#: How many items one person may hold where the policy does not say.
HELD_AT_ONCE = 3
#: Moves that happen without an audit event of the item's own: a date reached, a new forecast, an import, a lock.
SILENT = {
    (State.DEFERRED, State.READY),
    (State.SENT_BACK, State.READY),
    *((state, end) for state in State for end in (State.WITHDRAWN, State.LOCKED)),
}


class Answer(StrEnum):
    """What a client was told about one attempt."""

    SAVED = "saved"
    REPLAYED = "replayed"  #: saved, and it had been before
    REFUSED = "refused"  #: nothing was saved
    UNKNOWN = "unknown"  #: no answer, or one that leaves it open


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as a client sent it, and what the client was told. The same key may be attempted often."""

    key: str
    actor_id: int
    answer: Answer
    act: Act = Act.DECIDE
    item_id: int | None = None
    fence: int | None = None
    round: int | None = None
    outcome: Outcome | None = None
    value: float | None = None  #: the final value, where the client knew it
    reason: str | None = None
    note: str = ""
    content_hash: str | None = None
    shown: tuple[float | None, float | None] | None = None  #: the AI's and the manual value on screen, if known
    undoes: int | None = None  #: for an undo, the decision
    decision_id: int | None = None  #: that the answer named
    code: str | None = None  #: of the refusal
    sent_at: datetime | None = None  #: UTC, by the database's clock, if the client's is the same


def attempt_of(
    choice: Choice,
    actor_id: int,
    answer: Answer,
    *,
    decision: Decision | None = None,
    shown: tuple[float | None, float | None] | None = None,
    code: str | None = None,
) -> Attempt:
    """The attempt that sends ``choice``; ``decision`` is what came back, if anything did."""
    return Attempt(
        key=choice.idempotency_key,
        actor_id=actor_id,
        answer=answer,
        item_id=choice.item_id,
        fence=choice.fence,
        round=choice.round,
        outcome=choice.outcome,
        value=_value_of(choice, shown),
        reason=choice.reason.code if choice.reason and choice.outcome.is_final else None,
        note=choice.note.strip(),
        content_hash=choice.content_hash,
        shown=shown,
        decision_id=None if decision is None else decision.id,
        code=code,
    )


def _value_of(choice: Choice, shown: tuple[float | None, float | None] | None) -> float | None:
    if choice.outcome is Outcome.ADJUST:
        return choice.value
    if shown is None:
        return None
    return {Outcome.ACCEPT_AI: shown[0], Outcome.KEEP_MANUAL: shown[1]}.get(choice.outcome)


@dataclass(frozen=True, slots=True)
class Told:
    """What clients sent and were told."""

    attempts: tuple[Attempt, ...] = ()
    released: tuple[tuple[int, int], ...] = ()  #: (item, fence) that a client was told it gave back
    expired: frozenset[tuple[int, int]] | None = None  #: claims made to run out early; None: time was moved freely

    def by_key(self) -> dict[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self.attempts:
            found[attempt.key].append(attempt)
        return found


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """The rows of one consistent read, by id."""

    now: datetime  #: UTC, by the database's clock
    items: dict[int, Row]
    decisions: dict[int, Row]
    reasons: list[Row]
    audit: list[Row]
    outbox: list[Row]
    grants: list[Row]
    people: dict[int, Row]
    paths: dict[int, str]  #: segment -> path
    policies: dict[int, Mapping[str, Any]]  #: workflow -> the newest policy
    receivers: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    chain: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, database: Database) -> Stored:
        with database.reading() as session:

            def rows(table: Table) -> list[Row]:
                return [dict(row) for row in session.execute(select(table).order_by(*table.primary_key)).mappings()]

            return cls(
                now=database_now(session),
                items={row["id"]: row for row in rows(items)},
                decisions={row["id"]: row for row in rows(decisions)},
                reasons=rows(reasons),
                audit=rows(audit_events),
                outbox=rows(outbox),
                grants=rows(grants),
                people={row["id"]: row for row in rows(people)},
                paths={row["id"]: row["path"] for row in rows(segments)},
                policies={row["workflow_id"]: row["body"] for row in rows(policies)},
                receivers=rows(receivers),
                deliveries=rows(deliveries),
                chain=rows(audit_chain),
            )

    def effective(self) -> list[Row]:
        """The final choices that stand: superseded by nothing."""
        gone = {row["supersedes_id"] for row in self.decisions.values()}
        return [row for row in self.decisions.values() if _is_final(row) and row["id"] not in gone]

    def ttl(self, item: Row) -> timedelta:
        return timedelta(minutes=self.policies[item["workflow_id"]].get("claim_minutes", 15))


def _is_final(row: Row) -> bool:
    return row["outcome"] is not None and Outcome(row["outcome"]).is_final


# --- what clients were told ----------------------------------------------------------------------------------------


def what_was_acknowledged_is_stored(stored: Stored, told: Told) -> Iterator[str]:
    """I1: every acknowledged decision exists, with exactly the content that was sent."""
    for attempt in told.attempts:
        if attempt.answer not in (Answer.SAVED, Answer.REPLAYED):
            continue
        row = stored.decisions.get(attempt.decision_id or 0)
        if row is None or row["idempotency_key"] != attempt.key:
            yield f"lost: decision {attempt.decision_id} of {_named(attempt)} was acknowledged and is not stored"
            continue
        for difference in _differences(row, attempt):
            yield f"decision {row['id']} was acknowledged to {_named(attempt)}, but {difference}"


def what_is_stored_was_sent(stored: Stored, told: Told) -> Iterator[str]:
    """I3: every stored decision was sent by a client, with the same actor, action, reason and value."""
    sent = told.by_key()
    for row in stored.decisions.values():
        attempts = sent.get(row["idempotency_key"], [])
        if not attempts:
            yield f"decision {row['id']} on item {row['item_id']} was sent by nobody (key {row['idempotency_key']})"
        elif not any(_same(row, attempt) for attempt in attempts):
            what = "; ".join(sorted({why for attempt in attempts for why in _differences(row, attempt)}))
            yield f"decision {row['id']} on item {row['item_id']} was never sent like that: {what}"


def a_refusal_leaves_no_trace(stored: Stored, told: Told) -> Iterator[str]:
    """I10: what was refused is not stored, and nobody is told "nothing was saved" of a decision that was."""
    by_key = {row["idempotency_key"]: row for row in stored.decisions.values()}
    for key, attempts in told.by_key().items():
        row = by_key.get(key)
        alike = [attempt for attempt in attempts if row is not None and _same(row, attempt)]
        if row is not None and alike and all(attempt.answer is Answer.REFUSED for attempt in alike):
            yield f"decision {row['id']} is stored, but {_named(alike[0])} was refused ({alike[0].code})"
        answers = Counter(attempt.answer for attempt in attempts)
        if _was_there_before(row, attempts) and not answers[Answer.SAVED] and not answers[Answer.UNKNOWN]:
            refusal = next((attempt.code for attempt in attempts if attempt.answer is Answer.REFUSED), None)
            yield f"{_named(attempts[0])} was told that nothing was saved ({refusal}), but it was"
        if answers[Answer.SAVED] > 1:
            yield f"{_named(attempts[0])} was saved anew {answers[Answer.SAVED]} times under one key"
    used = {row["decision_id"] for row in stored.reasons}
    for row in stored.decisions.values():
        if row["is_override"] and row["id"] not in used:
            yield f"decision {row['id']} overrides the AI and its reason is not stored"


def _was_there_before(row: Row | None, attempts: list[Attempt]) -> bool:
    """Whether an answer named a decision older than the attempt: the product may have asked again by itself, too."""
    moment = timedelta(milliseconds=50)
    return any(
        attempt.answer is Answer.REPLAYED
        and (attempt.sent_at is None or row is None or row["decided_at"] + moment < attempt.sent_at)
        for attempt in attempts
    )


def what_was_seen_is_what_was_signed(stored: Stored, told: Told) -> Iterator[str]:
    """I11: the figures and the content hash kept with a decision are those that its client saw."""
    by_key = {row["idempotency_key"]: row for row in stored.decisions.values()}
    for attempt in told.attempts:
        row = by_key.get(attempt.key)
        if row is None or attempt.act is not Act.DECIDE or not _same(row, attempt):
            continue
        kept = (row["ai_value"], row["manual_value"])
        if attempt.shown is not None and kept != attempt.shown:
            yield f"decision {row['id']} was signed on AI and manual {attempt.shown}, and keeps {kept}"


def what_was_given_back_is_recorded(stored: Stored, told: Told) -> Iterator[str]:
    """I8, the client's side: each claim that a client gave back has its audit event."""
    recorded = {
        (row["item_id"], row["details"].get("fence"))
        for row in stored.audit
        if row["action"] in ("item.released", "item.skipped")
    }
    for item_id, fence in told.released:
        if (item_id, fence) not in recorded:
            yield f"item {item_id} was given back under claim {fence}, and the audit does not say so"


def no_live_claim_is_stolen(stored: Stored, told: Told, *, margin: timedelta = IN_FLIGHT) -> Iterator[str]:
    """I12, I18: nobody is given an item before its claim has run out, by the database's clock."""
    if told.expired is None:
        return
    for item_id, events in _by_item(stored.audit):
        item, claim = stored.items[item_id], None
        for row in events:
            if row["action"] == "item.claimed":
                if claim is not None and row["actor_id"] != claim["actor_id"]:
                    held = row["at"] - claim["at"]
                    early = (item_id, claim["details"]["fence"]) in told.expired
                    if held < stored.ttl(item) - margin and not early:
                        yield f"item {item_id}: claim {claim['details']['fence']} was taken over after {held}"
                claim = row
            elif row["action"] == "decision.undone":
                claim = row
            elif row["action"] in (
                *("decision.made", "item.released", "item.skipped"),
                *("item.passed_up", "item.assigned", "item.raised"),
            ):
                claim = None


def _named(attempt: Attempt) -> str:
    what = attempt.outcome or attempt.act
    return f"person {attempt.actor_id}'s {what} on item {attempt.item_id} (claim {attempt.fence}, key {attempt.key})"


def _same(row: Row, attempt: Attempt) -> bool:
    return not _differences(row, attempt)


def _differences(row: Row, attempt: Attempt) -> list[str]:
    wanted: dict[str, Any] = {"actor_id": attempt.actor_id, "act": attempt.act}
    if attempt.act is Act.UNDO:
        wanted |= {"supersedes_id": attempt.undoes}
    else:
        wanted |= {
            "item_id": attempt.item_id,
            "fence": attempt.fence,
            "round": attempt.round,
            "outcome": attempt.outcome,
            "reason_code": attempt.reason,
            "note": attempt.note,
            "content_hash": attempt.content_hash,
        }
        if attempt.value is not None:
            wanted["final_value"] = attempt.value
    return [f"its {name} is {row[name]!r}, not {value!r}" for name, value in wanted.items() if row[name] != value]


# --- what the tables say of each other -----------------------------------------------------------------------------


def one_decision_stands(stored: Stored, told: Told) -> Iterator[str]:
    """I2: at most one effective decision per item, round and stage; no key twice; nothing superseded twice."""
    effective = Counter((row["item_id"], row["round"], row["stage"]) for row in stored.effective())
    keys = Counter(row["idempotency_key"] for row in stored.decisions.values())
    superseded = Counter(row["supersedes_id"] for row in stored.decisions.values() if row["supersedes_id"])
    for (item_id, round_, _), count in effective.items():
        if count > 1:
            yield f"duplicate: {count} decisions stand on item {item_id} in round {round_}"
    for key, count in keys.items():
        if count > 1:
            yield f"duplicate: {count} decisions have the key {key}"
    for decision_id, count in superseded.items():
        if count > 1:
            yield f"decision {decision_id} is superseded {count} times"
    for row in stored.decisions.values():
        before = stored.decisions.get(row["supersedes_id"] or 0)
        if row["supersedes_id"] and (before is None or before["item_id"] != row["item_id"] or before["id"] > row["id"]):
            yield f"decision {row['id']} supersedes {row['supersedes_id']}, which is not an earlier one of its item"


def state_and_decision_agree(stored: Stored, told: Told) -> Iterator[str]:
    """I5: an item is decided exactly if a decision stands in its round."""
    standing = {
        (row["item_id"], row["round"]): row["stage"] for row in sorted(stored.effective(), key=lambda r: r["stage"])
    }
    for item in stored.items.values():
        stage = standing.get((item["id"], item["round"]))
        if item["state"] == State.DECIDED and stage is None:
            yield f"item {item['id']} is decided, and no decision stands in round {item['round']}"
        elif item["state"] in OPEN_STATES and stage is not None and stage >= item.get("stage", 1):
            yield f"item {item['id']} is {item['state']}, and a decision stands in round {item['round']}"


def nothing_is_stuck(stored: Stored, told: Told) -> Iterator[str]:
    """I6: a claim ends within its time, what is ready can be had now, and nothing runs out for ever."""
    for item in stored.items.values():
        if item["state"] == State.READY and item["available_at"] > stored.now:
            yield f"stuck: item {item['id']} is ready, and not to be had before {item['available_at']}"
        if item["state"] == State.CLAIMED:
            if item["available_at"] != item["expires_at"]:
                yield f"stuck: item {item['id']}'s claim ends at {item['expires_at']}, not {item['available_at']}"
            if item["expires_at"] > stored.now + stored.ttl(item):
                yield f"stuck: item {item['id']}'s claim lasts until {item['expires_at']}, longer than a claim may"
        if item["expiries"] > EXPIRIES:
            yield f"item {item['id']}'s claims ran out {item['expiries']} times, and nobody above was asked"


def every_change_is_in_the_audit(stored: Stored, told: Told) -> Iterator[str]:
    """I8: one audit event per decision and undo, and none without; ``Life`` counts the claims."""
    wanted = {Act.DECIDE: "decision.made", Act.UNDO: "decision.undone", Act.OVERTURN: "decision.overturned"}
    events: dict[int, list[Row]] = defaultdict(list)
    for row in stored.audit:
        if row["action"] in wanted.values():
            events[row["decision_id"] or 0].append(row)
    for row in stored.decisions.values():
        found = [(event["action"], event["actor_id"], event["item_id"]) for event in events.pop(row["id"], [])]
        if found != [(wanted[Act(row["act"])], row["actor_id"], row["item_id"])]:
            yield f"decision {row['id']} ({row['act']}) has {len(found)} audit events: {found}"
    for decision_id, orphans in events.items():
        yield f"the audit tells of decision {decision_id} on item {orphans[0]['item_id']}, which is not stored"


def the_record_is_chained(stored: Stored, told: Told) -> Iterator[str]:
    """I7: places 1 to n, each with its event; each hash as anybody computes it; and no event without a place.

    That every earlier end is still there is for the state machine to say, which knows what was before.
    """
    events = {row["id"]: row for row in stored.audit}
    tip = "0" * 64
    for place, link in enumerate(stored.chain, start=1):
        event = events.pop(link["event_id"], None)
        if link["seq"] != place:
            yield f"place {place} of the chain is {link['seq']}"
            return
        if event is None or link["event_hash"] != _event_hash(event):
            yield f"place {place} of the chain is of another event than {link['event_id']}"
        tip = _sha256({"event": link["event_hash"], "previous": tip, "seq": place})
        if link["hash"] != tip:
            yield f"place {place} of the chain does not follow from place {place - 1}"
            return
    for row in events.values():
        yield f"event {row['id']} ({row['action']}) has no place in the chain"


def _event_hash(row: Row) -> str:
    names = ("action", "actor_id", "decision_id", "details", "id", "item_id", "workflow_id")
    return _sha256({name: row[name] for name in names} | {"at": row["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")})


def _sha256(value: Row) -> str:
    return _sha256_of(json.dumps(value, sort_keys=True))


@lru_cache(100_000)  # the state machine asks for the same again after every step
def _sha256_of(text: str) -> str:
    return hashlib.sha256(rfc8785.dumps(json.loads(text))).hexdigest()


def every_final_decision_is_in_the_outbox(stored: Stored, told: Told) -> Iterator[str]:
    """I9: one outbox event per final decision and per undo of one, in the item's order, and none without."""
    events = Counter(
        (row["decision_id"], row["topic"]) for row in stored.outbox if row["topic"].startswith("decision.")
    )
    for row in stored.decisions.values():
        undone = stored.decisions.get(row["supersedes_id"] or 0)
        if row["act"] == Act.DECIDE and _is_final(row) and not row["is_provisional"]:
            topic = "decision.made"
        elif row["act"] == Act.UNDO and undone is not None and _is_final(undone) and not undone["is_provisional"]:
            topic = "decision.undone"
        else:
            continue
        count = events.pop((row["id"], topic), 0)
        if count != 1:
            yield f"decision {row['id']} on item {row['item_id']} has {count} outbox events {topic}"
    for (decision_id, topic), count in events.items():
        if topic in ("decision.made", "decision.undone"):
            yield f"the outbox tells {count} times {topic} of decision {decision_id}, which is not stored as one"


def nobody_holds_too_much(stored: Stored, told: Told) -> Iterator[str]:
    """I12: no person holds more items of a workflow than the policy allows."""
    held = Counter(
        (row["claimed_by"], row["workflow_id"]) for row in stored.items.values() if row["state"] == State.CLAIMED
    )
    for (person_id, workflow_id), count in held.items():
        limit = stored.policies[workflow_id].get("wip_limit", HELD_AT_ONCE)
        if count > limit:
            yield f"person {person_id} holds {count} items of workflow {workflow_id}; {limit} are allowed"


def nobody_acts_beyond_their_grants(stored: Stored, told: Told, *, margin: timedelta = IN_FLIGHT) -> Iterator[str]:
    """I13: whoever claimed or decided had a role for it then, in the item's segment and on its level."""
    for item_id, events in _by_item(stored.audit):
        item, life = stored.items[item_id], Life()
        for row in events:
            level = life.level
            list(life.play(row, stored))
            if row["action"] not in ("item.claimed", "decision.made", "decision.undone"):
                continue
            if row["action"] == "decision.undone":
                level = life.level
            if not _granted(stored, row, item, level, margin):
                yield f"person {row['actor_id']} was not allowed {row['action']} on item {item_id} at level {level}"


def the_record_gives_the_state(stored: Stored, told: Told) -> Iterator[str]:
    """I4, I16: played again from the audit, every item ends as it stands; each decision was made in its own claim."""
    events = dict(_by_item(stored.audit))
    for item in stored.items.values():
        life = Life()
        for row in events.get(item["id"], []):
            yield from (f"item {item['id']}: {slip}" for slip in life.play(row, stored))
        yield from (f"item {item['id']}: {slip}" for slip in life.compare(item))


def the_books_balance(stored: Stored, told: Told) -> Iterator[str]:
    """I17: decisions by outcome are the same in the decisions, the audit and, where final, the outbox."""
    made = Counter(row["outcome"] for row in stored.decisions.values() if row["act"] == Act.DECIDE)
    audited = Counter(row["details"].get("outcome") for row in stored.audit if row["action"] == "decision.made")
    sent = Counter(row["payload"].get("outcome") for row in stored.outbox if row["topic"] == "decision.made")
    if made != audited:
        yield f"the decisions count {dict(made)}, the audit {dict(audited)}"
    final = Counter(
        row["outcome"]
        for row in stored.decisions.values()
        if row["act"] == Act.DECIDE and _is_final(row) and not row["is_provisional"]
    )
    if final != sent:
        yield f"final decisions count {dict(final)}, the outbox {dict(sent)}"


def every_event_is_on_its_way(stored: Stored, told: Told) -> Iterator[str]:
    """I9: a routed event has one delivery to each receiver that was approved by then; an item's are in order."""
    events = {row["id"]: row for row in stored.outbox}
    made = Counter((row["outbox_id"], row["receiver_id"]) for row in stored.deliveries)
    for receiver in stored.receivers:
        if receiver["approved_at"] is None or receiver["ended_at"] is not None:
            continue
        for event in events.values():
            wanted = event["workflow_id"] == receiver["workflow_id"] and event["created_at"] >= receiver["approved_at"]
            count = made.pop((event["id"], receiver["id"]), 0)
            if event["routed_at"] is not None and count != wanted:
                yield f"event {event['id']} has {count} deliveries to receiver {receiver['id']}"
    lines: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in stored.deliveries:
        if row["item_id"] is not None:
            lines[row["receiver_id"], row["item_id"]].append(row)
    for (receiver_id, item_id), line in lines.items():
        states = [row["state"] for row in sorted(line, key=lambda row: row["outbox_id"])]
        undone = [place for place, state in enumerate(states) if state in ("pending", "dead")]
        if undone and "delivered" in states[undone[0] :]:
            yield f"receiver {receiver_id} was told of item {item_id} out of order: {states}"


#: A receiver's id -> what it got, in the order in which it came: webhook ids and bodies.
Arrived = Mapping[int, list[tuple[str, bytes]]]


def what_was_sent_arrived(stored: Stored, arrived: Arrived) -> Iterator[str]:
    """I9, the receiver's side: whatever was delivered arrived, under one id with one body, each item's in its order.

    And I17: decisions by outcome are the same there as in the outbox.
    """
    events = {row["id"]: row for row in stored.outbox}
    for receiver_id, got in arrived.items():
        mine = {row["webhook_id"]: row for row in stored.deliveries if row["receiver_id"] == receiver_id}
        first = dict(reversed(got))
        order = list(dict.fromkeys(webhook_id for webhook_id, _ in got))
        yield from (f"receiver {receiver_id} got {webhook_id}, which nobody sent" for webhook_id in first.keys() - mine)
        yield from (
            f"receiver {receiver_id} got {webhook_id} with two bodies"
            for webhook_id, body in got
            if first[webhook_id] != body
        )
        for webhook_id, row in mine.items():
            if row["state"] == "delivered" and webhook_id not in first:
                yield f"lost: event {row['outbox_id']} was delivered to receiver {receiver_id} and never arrived"
        lines: dict[int, list[int]] = defaultdict(list)
        for webhook_id in order:
            row = mine.get(webhook_id)
            if row is not None and row["item_id"] is not None:
                lines[row["item_id"]].append(row["outbox_id"])
        for item_id, line in lines.items():
            if line != sorted(line):
                yield f"receiver {receiver_id} was told of item {item_id} out of order: events {line}"
        yield from _outcomes_balance(receiver_id, first, mine, events)


def _outcomes_balance(
    receiver_id: int, first: Mapping[str, bytes], mine: Mapping[str, Row], events: Mapping[int, Row]
) -> Iterator[str]:
    bodies = [json.loads(body) for body in first.values()]
    there = Counter(body["data"].get("outcome") for body in bodies if body["type"] == "decision.made")
    here = Counter(
        events[row["outbox_id"]]["payload"].get("outcome")
        for webhook_id, row in mine.items()
        if webhook_id in first and events[row["outbox_id"]]["topic"] == "decision.made"
    )
    if there != here:
        yield f"I17: the outbox counts {dict(here)}, receiver {receiver_id} {dict(there)}"


def deliveries_slip(database: Database, arrived: Arrived) -> list[str]:
    """What does not hold of the outbox, the deliveries and what receivers got, in words."""
    stored = Stored.of(database)
    slips = [*every_event_is_on_its_way(stored, Told()), *what_was_sent_arrived(stored, arrived)]
    return [f"I9: {slip}" for slip in slips]


@dataclass
class Life:
    """One item as the audit tells it."""

    state: State = State.READY
    fence: int = 0
    holder: int | None = None
    level: int = 0
    round: int = 1
    stage: int = 1
    was_at: dict[int, tuple[int, int]] = field(default_factory=dict)  #: decision -> level and stage before it

    def play(self, event: Row, stored: Stored) -> Iterable[str]:
        """Go one event on; what could not have happened then."""
        play: dict[str, Callable[[Row, Stored], list[str]]] = {
            "item.claimed": self._claimed,
            "item.released": self._released,
            "item.skipped": self._released,
            "item.assigned": self._assigned,
            "item.stale": self._reopened,
            "decision.overturned": self._overturned,
            "item.passed_up": self._passed_up,
            "item.raised": self._raised,
            "item.reopened": self._reopened,
            "decision.made": self._decided,
            "decision.undone": self._undone,
        }
        move = play.get(event["action"])
        return [] if move is None else move(event, stored)

    def compare(self, item: Row) -> Iterator[str]:
        """What of the item is not as the audit tells it."""
        state = State(item["state"])
        if state is not self.state and (self.state, state) not in SILENT:
            yield f"it is {state}, and the audit says {self.state}"
        if item["fence"] != self.fence:
            yield f"its claims count {item['fence']}, and the audit says {self.fence}"
        if state is State.CLAIMED and item["claimed_by"] != self.holder:
            yield f"person {item['claimed_by']} holds it, and the audit says {self.holder}"
        stands, told = (item["level"], item["round"], item["stage"]), (self.level, self.round, self.stage)
        if stands != told:
            yield f"its level, round and stage are {stands}, not {told}"

    def _claimed(self, event: Row, stored: Stored) -> list[str]:
        slips = []
        if event["details"].get("fence") != self.fence + 1:
            slips.append(f"claim {event['details'].get('fence')} came after claim {self.fence}")
        if self.state is State.DECIDED and self.stage >= 3:
            slips.append(f"it was claimed while {self.state}")
        self.state, self.holder, self.fence = (
            State.CLAIMED,
            event["actor_id"],
            event["details"].get("fence", self.fence + 1),
        )
        return slips

    def _released(self, event: Row, stored: Stored) -> list[str]:
        fence = event["details"].get("fence", self.fence)
        slips = [] if self.state is State.CLAIMED and fence == self.fence else [f"claim {fence} was given back late"]
        self.state = State.READY
        return slips

    def _passed_up(self, event: Row, stored: Stored) -> list[str]:
        self.level += 1
        self.state, self.fence = State.READY, event["details"].get("fence", self.fence)
        return []

    def _raised(self, event: Row, stored: Stored) -> list[str]:
        """By a step of the escalation ladder: a claim that ran out ends, what waits for a date goes on to."""
        slips = [] if event["details"]["level"] > self.level else [f"it was raised from {self.level} to no higher"]
        self.level, self.fence = event["details"]["level"], event["details"]["fence"]
        if self.state is State.CLAIMED:
            self.state = State.READY
        return slips

    def _assigned(self, event: Row, stored: Stored) -> list[str]:
        if self.state is State.CLAIMED and self.holder != event["details"]["to"]:
            self.state, self.fence = State.READY, self.fence + 1
        return []

    def _reopened(self, event: Row, stored: Stored) -> list[str]:
        slips = [] if self.state is State.DECIDED else [f"it was reopened while {self.state}"]
        self.state, self.round, self.stage = State.READY, self.round + 1, 1
        return slips

    def _decided(self, event: Row, stored: Stored) -> list[str]:
        row = stored.decisions.get(event["decision_id"] or 0)
        if row is None:
            return [f"decision {event['decision_id']} is in the audit only"]
        slips = []
        if self.state is not State.CLAIMED or self.holder != row["actor_id"]:
            slips.append(f"decision {row['id']} by person {row['actor_id']} while {self.state} by {self.holder}")
        if (row["fence"], row["round"]) != (self.fence, self.round):
            slips.append(
                f"decision {row['id']} of claim {row['fence']}, round {row['round']} "
                f"was taken under claim {self.fence}, round {self.round}"
            )
        outcome = Outcome(row["outcome"])
        self.was_at[row["id"]] = (self.level, self.stage)
        if row["stage"] != self.stage:
            slips.append(f"decision {row['id']} is of stage {row['stage']}, at stage {self.stage}")
        self.level += outcome is Outcome.ESCALATE
        if row["is_provisional"]:
            self.level = min(self.level + (self.stage == Stage.SECOND), TOP_LEVEL)
            self.state, self.stage = State.READY, self.stage + 1
            return slips
        self.state = {
            Outcome.ESCALATE: State.READY,
            Outcome.DEFER: State.DEFERRED,
            Outcome.SEND_BACK: State.SENT_BACK,
        }.get(outcome, State.DECIDED)
        return slips

    def _overturned(self, event: Row, stored: Stored) -> list[str]:
        row = stored.decisions.get(event["decision_id"] or 0)
        if row is None or self.state is not State.DECIDED or row["round"] != self.round:
            return [f"decision {event['decision_id']} overturned one while {self.state}, round {self.round}"]
        return []

    def _undone(self, event: Row, stored: Stored) -> list[str]:
        undone = stored.decisions.get(event["details"].get("undone", 0))
        if undone is None:
            return [f"undo {event['decision_id']} names no decision"]
        slips = []
        if undone["fence"] != self.fence or event["details"].get("fence") != self.fence + 1:
            slips.append(f"decision {undone['id']} of claim {undone['fence']} was undone after claim {self.fence}")
        if self.state is State.CLAIMED or undone["actor_id"] != event["actor_id"]:
            slips.append(f"decision {undone['id']} was undone by person {event['actor_id']} while {self.state}")
        self.level, self.stage = self.was_at.get(undone["id"], (self.level, self.stage))
        self.state, self.holder, self.fence = (
            State.CLAIMED,
            event["actor_id"],
            event["details"].get("fence", self.fence + 1),
        )
        return slips


def _by_item(audit: list[Row]) -> Iterator[tuple[int, list[Row]]]:
    """The audit events of each item, in their order. An item's events are written while it is locked."""
    of_items = sorted((row for row in audit if row["item_id"]), key=lambda row: (row["item_id"], row["id"]))
    for item_id, rows in groupby(of_items, key=lambda row: row["item_id"]):
        yield item_id, list(rows)


def _granted(stored: Stored, event: Row, item: Row, level: int, margin: timedelta) -> bool:
    person = stored.people[event["actor_id"]]
    if person["disabled_at"] is not None and person["disabled_at"] + margin < event["at"]:
        return False
    path = stored.paths.get(item["segment_id"] or 0, "")
    return any(
        grant["person_id"] == event["actor_id"]
        and Role(grant["role"]) in ALLOWED[Task.REVIEW]
        and level <= REVIEW_LEVEL[Role(grant["role"])]
        and grant["granted_at"] <= event["at"] + margin
        and (grant["revoked_at"] is None or grant["revoked_at"] + margin >= event["at"])
        and grant["workflow_id"] in (None, item["workflow_id"])
        and path.startswith(grant["segment_path"] or "")
        for grant in stored.grants
    )


# --- all of them ---------------------------------------------------------------------------------------------------

Invariant = Callable[[Stored, Told], Iterable[str]]

#: What the tables say of each other.
OF_THE_TABLES: dict[str, Invariant] = {
    "I2": one_decision_stands,
    "I4/I16": the_record_gives_the_state,
    "I5": state_and_decision_agree,
    "I6": nothing_is_stuck,
    "I7": the_record_is_chained,
    "I8": every_change_is_in_the_audit,
    "I9": every_final_decision_is_in_the_outbox,
    "I9d": every_event_is_on_its_way,
    "I12": nobody_holds_too_much,
    "I13": nobody_acts_beyond_their_grants,
    "I17": the_books_balance,
}
#: What needs to know what clients sent and were told.
OF_THE_CLIENTS: dict[str, Invariant] = {
    "I1": what_was_acknowledged_is_stored,
    "I3": what_is_stored_was_sent,
    "I8c": what_was_given_back_is_recorded,
    "I10": a_refusal_leaves_no_trace,
    "I11": what_was_seen_is_what_was_signed,
    "I12/I18": no_live_claim_is_stolen,
}


def violations(database: Database, told: Told | None = None) -> list[str]:
    """What does not hold, in words, each with the invariant's number; of clients only if ``told`` is given."""
    return violations_of(Stored.of(database), told)


def violations_of(stored: Stored, told: Told | None = None) -> list[str]:
    """The same, of rows that were read already."""
    asked = OF_THE_TABLES if told is None else {**OF_THE_TABLES, **OF_THE_CLIENTS}
    return [f"{number}: {slip}" for number, holds in asked.items() for slip in holds(stored, told or Told())]


def whatever_waits_can_be_had(stored: Stored) -> list[str]:
    """I6 after a quiet time of a claim's length and five seconds: no open item is out of reach."""
    return [
        f"I6: stuck: item {item['id']} is {item['state']} and not to be had before {item['available_at']}"
        for item in stored.items.values()
        if item["state"] in CLAIMABLE_STATES and item["available_at"] > stored.now
    ]


def nothing_is_left(stored: Stored) -> list[str]:
    """I6 after everything that could be decided was: no item is left over."""
    return [
        f"I6: stuck: item {item['id']} is still {item['state']} at level {item['level']}"
        for item in stored.items.values()
        if item["state"] not in (State.DECIDED, State.WITHDRAWN, State.LOCKED)
    ]


def commits_reach_the_disk(database: Database) -> list[str]:
    """P1: how each connection is set. Only this sees a looser setting: a killed process loses no page cache."""
    wanted = {"sqlite": {"synchronous": "2"}, "postgresql": {"fsync": "on", "synchronous_commit": "on"}}
    ask = {"sqlite": "PRAGMA {}", "postgresql": "SHOW {}"}[database.dialect]
    found = []
    with database.writing() as one, database.reading() as other:
        for session in (one, other):
            for name, value in wanted[database.dialect].items():
                seen = str(session.execute(text(ask.format(name))).scalar_one())
                if seen != value:
                    found.append(f"P1: {name} is {seen}, not {value}")
    return found


def the_file_is_whole(database: Database) -> list[str]:
    """SQLite's own check of the file and of every reference; PostgreSQL keeps both by itself."""
    if database.dialect != "sqlite":
        return []
    with database.reading() as session:
        said = session.execute(text("PRAGMA integrity_check")).scalars().all()
        broken = session.execute(text("PRAGMA foreign_key_check")).all()
    return [f"SQLite: {line}" for line in said if line != "ok"] + [f"SQLite: no row for {row}" for row in broken]

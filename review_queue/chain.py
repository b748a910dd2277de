"""The hash chain over the audit record: what each event's hash is, and whether a record is whole.

An event's hash is over its ids, codes and numbers in canonical JSON (RFC 8785); a link is over its place, that hash and
the link before it. So nobody can edit, insert, delete or reorder events without every later link changing, which a
checkpoint kept elsewhere gives away (``review_queue.checkpoints``). Names of people are in neither: erasing a person
leaves the chain as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

#: What stands in the place of the link before the first.
GENESIS = "0" * 64
#: Whole numbers beyond this are not exact in every reader of JSON, and count as the nearest double.
_EXACT = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, as it is hashed."""

    id: int
    at: datetime
    actor_id: int | None
    action: str
    workflow_id: int | None
    item_id: int | None
    decision_id: int | None
    details: dict[str, Any]

    @property
    def hash(self) -> str:
        """SHA-256 of the event in canonical JSON, 64 hexadecimal digits."""
        return _sha256(
            {
                "action": self.action,
                "actor_id": self.actor_id,
                "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
                "decision_id": self.decision_id,
                "details": _plain(json.loads(json.dumps(self.details))),
                "id": self.id,
                "item_id": self.item_id,
                "workflow_id": self.workflow_id,
            }
        )


@dataclass(frozen=True, slots=True)
class Link:
    """One event's place in the chain."""

    seq: int  #: 1 for the first, without gaps
    event_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A link with its event; None where a link has none."""

    link: Link
    event: Event | None


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that would not be in a record that nobody touched."""

    seq: int  #: where, 0 for the record as a whole
    sentence: str


def link_hash(seq: int, event_hash: str, previous: str) -> str:
    """SHA-256 of ``{"event":…,"previous":…,"seq":…}``, 64 hexadecimal digits; the database writes the same text."""
    return hashlib.sha256(f'{{"event":"{event_hash}","previous":"{previous}","seq":{seq}}}'.encode()).hexdigest()


def linked(event_hashes: Iterable[str], *, seq: int = 0, tip: str = GENESIS) -> Iterator[Link]:
    """The links that these events get behind link ``seq``, whose hash is ``tip``."""
    for event_hash in event_hashes:
        seq, tip = seq + 1, link_hash(seq + 1, event_hash, tip)
        yield Link(seq, event_hash, tip)


class Walk:
    """A walk along a record from its first entry, that notes what is wrong and goes on from what it finds.

    Args:
        keep: the places whose hashes to remember, for comparison with checkpoints.
        in_parts: whether entries may be missing between two others, as in an export of one workflow.
    """

    def __init__(self, keep: Iterable[int] = (), *, in_parts: bool = False) -> None:
        self.size = 0  #: entries seen
        self.tip = Link(0, "", GENESIS)
        self.flaws: list[Flaw] = []
        self.hashes: dict[int, str] = {}  #: by place, of those in ``keep``
        self.losses: set[int] = set()  #: places at which a loss was accepted
        self._keep = frozenset(keep)
        self._in_parts = in_parts

    def step(self, entry: Entry, *, previous: str | None = None) -> None:
        """Look at the next entry. ``previous``: the hash of the link before it, where the entry itself says so."""
        link, event = entry.link, entry.event
        self.size += 1
        follows = link.seq == self.tip.seq + 1
        if link.seq <= self.tip.seq:
            self._note(
                link.seq, f"Event {link.seq} comes after event {self.tip.seq}: the record was put in another order."
            )
        elif not follows and not self._in_parts:
            gone = (
                f"Event {self.tip.seq + 1} is"
                if link.seq == self.tip.seq + 2
                else (f"Events {self.tip.seq + 1} to {link.seq - 1} are")
            )
            self._note(self.tip.seq + 1, f"{gone} missing.")
        if event is None:
            self._note(link.seq, f"Event {link.seq} was taken away: its link is there, the event is not.")
        elif event.hash != link.event_hash:
            self._note(link.seq, f"Event {link.seq} ({event.action}) is not what was recorded: its hash differs.")
        before = self.tip.hash if follows or previous is None else previous
        if previous is not None and follows and previous != self.tip.hash:
            self._note(
                link.seq, f"Event {link.seq} does not follow from event {self.tip.seq}: the link between differs."
            )
        elif link_hash(link.seq, link.event_hash, before) != link.hash and (follows or previous is not None):
            self._note(link.seq, f"Event {link.seq} does not follow from what is before it: its link differs.")
        if event is not None and event.action == LOSS_ACCEPTED:
            self.losses.add(link.seq)
        if link.seq in self._keep:
            self.hashes[link.seq] = link.hash
        self.tip = link

    def _note(self, seq: int, sentence: str) -> None:
        self.flaws.append(Flaw(seq, sentence))


#: The event with which an administrator says that what is missing is known to be missing.
LOSS_ACCEPTED = "audit.loss_accepted"


def canonical(value: Any) -> bytes:
    """``value`` in the one JSON text that RFC 8785 gives it, in UTF-8.

    Without doubles, and with names in ASCII, Python's own writer gives the same text twenty times as fast.
    """
    if _is_simple(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return rfc8785.dumps(value)


def _is_simple(value: Any) -> bool:
    if isinstance(value, dict):
        return all(name.isascii() and _is_simple(inner) for name, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_simple, value))
    return not isinstance(value, float)


def _sha256(value: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def _plain(value: Any) -> Any:
    """Numbers as any reader of JSON has them; a database may write a double as a long whole number."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return float(value)
    return value

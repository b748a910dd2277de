"""Reading the audit record, verifying it, taking it out whole, and accepting that a part of it is lost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from review_queue import checkpoints as marks
from review_queue.chain import LOSS_ACCEPTED, Entry, Event, Flaw, Link, Walk
from review_queue.checkpoints import Signed, standing
from review_queue.errors import ReviewError
from review_queue.masking import FieldClass
from review_queue.roles import Task
from storage import audit, audit_search, people, workflows
from storage.audit_search import Found, Sought
from storage.engine import Database
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen, sight
from workbench.checkpoints import Folder, Witness

Keys = Mapping[str, Ed25519PublicKey]


class AuditRefused(ReviewError):
    """What cannot be done with the audit record as asked."""

    code = "AUDIT_REFUSED"


@dataclass(frozen=True)
class Verdict:
    """What a walk along a whole record found."""

    size: int  #: events
    tip: str  #: the hash of the last link
    checkpoints: int
    last: Signed | None  #: the newest checkpoint
    flaws: tuple[Flaw, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def is_whole(self) -> bool:
        return not self.flaws

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "whole": self.is_whole,
            "size": self.size,
            "tip": self.tip,
            "checkpoints": self.checkpoints,
            "last_checkpoint": None
            if self.last is None
            else {"seq": self.last.checkpoint.seq, "at": self.last.checkpoint.at},
            "flaws": [{"seq": flaw.seq, "what": flaw.sentence} for flaw in self.flaws],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


@notes_refusals
def search(database: Database, *, person_id: int, workflow_key: str, sought: Sought) -> list[Found]:
    """The newest events of a workflow that match and lie in the person's scope.

    Raises:
        NotAllowed: the person may not read the record of this workflow.
        AuditRefused: a name is looked for by somebody whose roles hide names: what is found would tell whose it is.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        workflow = workflows.get(session, workflow_key)
        who.require(Task.AUDIT, workflow.id)
        if sought.person and sight(who, workflow).of[FieldClass.PERSON]:
            raise AuditRefused("Your roles hide people's names here. Search by action, item or time.")
        return as_seen(session, who, workflow, audit_search.find(session, who, workflow, sought))


@notes_refusals
def last_event(database: Database, *, person_id: int, action: str) -> Event | None:
    """The newest event with this action that concerns the installation as a whole: one of no workflow."""
    with database.reading() as session:
        people.principal(session, person_id).require(Task.AUDIT)
        return audit.last_of(session, action)


@notes_refusals
def verify_as(database: Database, *, person_id: int, witness: Witness | None) -> Verdict:
    """Verify the record and the checkpoints that the settings name.

    Raises:
        NotAllowed: the person may not read any of the record.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.AUDIT)
    if witness is None:
        return verify(database)
    return verify(database, folder=witness.folder, keys=witness.keys)


def verify(database: Database, *, folder: Folder | None = None, keys: Keys | None = None) -> Verdict:
    """Walk along the whole record, for whoever owns the database; beside ``folder``'s checkpoints where it is given."""
    if folder is None:
        return verify_beside(database, [], None)
    found, spoilt = folder.read()  # before the record, which may only be further
    return verify_beside(database, found, keys or {}, spoilt)


def verify_beside(database: Database, found: list[Signed], keys: Keys | None, spoilt: Sequence[str] = ()) -> Verdict:
    """The same beside checkpoints that were read already; with no ``keys``, beside none."""
    began = perf_counter()
    walk = Walk(marks.places(found))
    with database.reading() as session:
        for entry in audit.entries(session):
            walk.step(entry)
        strangers = [
            Flaw(0, f"Event number {event_id} of the table is in no place of the chain: it was put in past it.")
            for event_id in audit.strangers(session)
        ]
    return _verdict(began, walk, found, spoilt, keys, strangers)


def verify_file(
    path: Path, *, folder: Folder | None = None, keys: Keys | None = None, in_parts: bool = False
) -> Verdict:
    """The same for a record that was exported as JSON Lines; needs no database.

    Args:
        in_parts: the file is of one workflow, so that events of others are missing between its own.

    Raises:
        AuditRefused: a line is no event; says which.
    """
    began = perf_counter()
    found, spoilt = ([], []) if folder is None else folder.read()
    walk = Walk(marks.places(found), in_parts=in_parts)
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                entry, previous = _exported(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise AuditRefused(
                    f"Line {number} of {path.name} is no exported event. "
                    "Export the record with `workbench audit export FILE.jsonl`."
                ) from error
            walk.step(entry, previous=previous)
    if in_parts:
        spoilt.append("The file is a part of the record: events that were taken out of it cannot be told from others'.")
        found = [each for each in found if each.checkpoint.seq in walk.hashes]
        keys = keys if found else None
    return _verdict(began, walk, found, spoilt, None if folder is None else keys, [])


def _exported(row: dict[str, Any]) -> tuple[Entry, str]:
    details = row["details"]
    event = Event(
        id=row["event"],
        at=datetime.fromisoformat(row["at"]),
        actor_id=row["actor_id"],
        action=row["action"],
        workflow_id=row["workflow_id"],
        item_id=row["item"],
        decision_id=row["decision"],
        details=json.loads(details) if isinstance(details, str) else details,
    )
    link = Link(int(row["seq"]), str(row["event_hash"]), str(row["hash"]))
    return Entry(link, event), str(row["previous_hash"])


def _verdict(
    began: float, walk: Walk, found: list[Signed], spoilt: Sequence[str], keys: Keys | None, others: list[Flaw]
) -> Verdict:
    flaws = [*walk.flaws, *others]
    if keys is not None:
        flaws += marks.flaws(found, walk, keys)
    notes = list(spoilt)
    for signed in found:
        one = signed.checkpoint
        if one.kept is not None:
            notes.append(
                f"At event {one.seq}, on {one.at:%Y-%m-%d %H:%M} UTC, a loss was accepted: "
                f"of what came before, checkpoints vouch up to event {one.kept}."
            )
    return Verdict(
        size=walk.size,
        tip=walk.tip.hash,
        checkpoints=len(found),
        last=found[-1] if found else None,
        flaws=tuple(flaws),
        notes=tuple(notes),
        seconds=perf_counter() - began,
    )


@notes_refusals
def export_whole(database: Database, *, person_id: int, path: Path) -> int:
    """Write every event with its place and hashes to a file of JSON Lines. How many there are; the export is one more.

    Raises:
        NotAllowed: the person may not read the record of every workflow.
        AuditRefused: there is such a file, or no such folder.
    """
    if path.suffix != ".jsonl":
        raise AuditRefused(f"{path.name} would not be exact. End its name with .jsonl.")
    if path.exists() or not path.parent.is_dir():
        raise AuditRefused(f"{path} exists already, or is in no folder. Choose another name.")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as made:
        scratch = Path(made.name)
    try:
        rows, digest, previous = 0, hashlib.sha256(), Walk().tip.hash
        with scratch.open("wb") as file, database.reading() as session:
            people.principal(session, person_id).require_everywhere(Task.AUDIT)
            for entry in audit.entries(session):
                line = json.dumps(_row(entry, previous), ensure_ascii=False).encode() + b"\n"
                file.write(line)
                digest.update(line)
                rows, previous = rows + 1, entry.link.hash
        with database.writing() as session:
            people.principal(session, person_id).require_everywhere(Task.AUDIT)
            details = {"kind": "audit, whole", "format": "jsonl", "rows": rows, "sha256": digest.hexdigest()}
            audit.record(session, "export", actor_id=person_id, details=details)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return rows


def _row(entry: Entry, previous: str) -> dict[str, Any]:
    event, link = entry.event, entry.link
    if event is None:
        raise AuditRefused(f"Event {link.seq} is not there any more. `workbench audit verify` says what is wrong.")
    return {
        "seq": link.seq,
        "event": event.id,
        "at": f"{event.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
        "actor_id": event.actor_id,
        "action": event.action,
        "workflow_id": event.workflow_id,
        "item": event.item_id,
        "decision": event.decision_id,
        "details": event.details,
        "event_hash": link.event_hash,
        "previous_hash": previous,
        "hash": link.hash,
    }


@notes_refusals
def accept_loss(database: Database, *, person_id: int, witness: Witness, reason: str) -> int:
    """Go on with a record that is behind its last checkpoint. Returns the place of the event that says so.

    Raises:
        NotAllowed: the person is no administrator of everything.
        AuditRefused: nothing is lost, or no reason is given.
    """
    if not reason.strip():
        raise AuditRefused("Say why, in a few words and without names: the record keeps it for ever.")
    with database.reading() as session:
        people.principal(session, person_id).require_everywhere(Task.GRANT)
    behind = witness.behind(database)
    if behind is None:
        raise AuditRefused("The record holds all that its last checkpoint vouches for: there is no loss to accept.")
    checkpoints, _ = witness.folder.read()
    held = standing(checkpoints)
    with database.reading() as session:
        here = audit.hashes_at(session, [each.checkpoint.seq for each in held])
        size = audit.tip(session).seq
    kept = max((one.seq for one in (each.checkpoint for each in held) if here.get(one.seq) == one.tip), default=0)
    with database.writing() as session:
        people.principal(session, person_id).require_everywhere(Task.GRANT)
        event_id = audit.record(
            session,
            LOSS_ACCEPTED,
            actor_id=person_id,
            details={"vouched": behind.vouched, "kept": kept, "size": size, "reason": reason.strip()},
        )
    with database.reading() as session:
        seq = audit.place_of(session, event_id)
    witness.accept_loss(database, kept=kept, seq=seq)
    witness.look(database)
    return seq

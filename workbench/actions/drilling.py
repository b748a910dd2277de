"""The drill of a restore: a backup made while people work, put back elsewhere, and held against what was there."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy.orm import Session

from review_queue.roles import Task
from storage import audit, backups, people
from storage.engine import Database
from workbench.actions.again import again
from workbench.actions.auditing import Keys, verify_beside
from workbench.actions.refusing import notes_refusals
from workbench.checkpoints import Witness

DRILLED = "database.drilled"
#: Within this long work goes on again after a restore (P14).
RTO = timedelta(minutes=30)


@dataclass(frozen=True)
class Drill:
    """What a drill came to."""

    before: int  #: events when the backup began
    held: int  #: events in what was restored
    after: int  #: events when it was held against the original
    rows: int  #: rows of all the tables that are only ever added to, in what was restored
    backup_seconds: float
    restore_seconds: float  #: putting it back and verifying it
    unsaved_seconds: float  #: from the last event in it to the end of the backup
    flaws: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        return not self.flaws


@notes_refusals
def drill(database: Database, *, person_id: int, witness: Witness | None, folder: Path | None = None) -> Drill:
    """Back the database up, restore it elsewhere and compare; the date and the outcome go on record.

    Args:
        folder: where there is room for the backup and, for SQLite, for what is restored; else the system's own.

    Raises:
        NotAllowed: the person is no administrator of everything.
        BackupRefused: PostgreSQL's tools are not at hand, or failed.
    """
    with database.reading() as session:
        people.principal(session, person_id).require_everywhere(Task.GRANT)
    found, _ = ([], []) if witness is None else witness.folder.read()
    keys: Keys | None = witness.keys if witness and found else None
    with database.reading() as session:
        first, counted = audit.tip(session), backups.counts(session)
    began = perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="workbench-drill-", dir=folder) as scratch,
        backups.restored_elsewhere(database, Path(scratch)) as (copy, backed_up),
    ):
        verdict = verify_beside(copy, found, keys)
        flaws = [flaw.sentence for flaw in verdict.flaws]
        with copy.reading() as session:
            there, tip, last_at = backups.counts(session), audit.tip(session), audit.last_at(session)
        restored = perf_counter()
    with database.reading() as session:
        now_there = backups.counts(session)
        flaws += _differences(session, first.seq, tip.seq, tip.hash)
        after = audit.tip(session).seq
    flaws += [
        f"{name} has {there.get(name, 0):,} rows in the copy, and had {rows:,} when the backup began."
        for name, rows in counted.items()
        if not rows <= there.get(name, 0) <= now_there[name]
    ]
    done = Drill(
        before=first.seq,
        held=tip.seq,
        after=after,
        rows=sum(there.values()),
        backup_seconds=backed_up.seconds,
        restore_seconds=restored - began - backed_up.seconds,
        unsaved_seconds=0.0 if last_at is None else max((backed_up.at - last_at).total_seconds(), 0.0),
        flaws=tuple(flaws),
    )
    _note(database, person_id, done)
    return done


def _differences(session: Session, first: int, size: int, tip: str) -> list[str]:
    found = []
    if size < first:
        found.append(f"The copy ends at event {size}, and {first} were recorded when the backup began.")
    if size and audit.hashes_at(session, [size]).get(size) != tip:
        found.append(f"The copy is no beginning of the record: event {size} has another hash there.")
    return found


@again(in_doubt=False)
def _note(database: Database, person_id: int, done: Drill) -> None:
    facts = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(done).items()}
    facts["flaws"] = len(done.flaws)
    with database.writing() as session:
        people.principal(session, person_id).require_everywhere(Task.GRANT)
        audit.record(session, DRILLED, actor_id=person_id, details=facts)

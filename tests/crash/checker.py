"""What a run came to: the workers' logs beside the database, and the account of both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from storage.engine import Database
from tests.crash import log
from tests.crash.log import Record
from tests.crash.requests import Request
from tests.invariants import (
    Answer,
    Attempt,
    Stored,
    Told,
    commits_reach_the_disk,
    nothing_is_left,
    the_file_is_whole,
    violations_of,
)

#: Refusals of a decision whose claim had gone: the attempts that a fence exists for.
STALE = {"CLAIM_NOT_HELD", "ALREADY_DECIDED"}


@dataclass
class Account:
    """The figures of one run."""

    acknowledged: int = 0  #: requests that were told "saved"
    attempted: int = 0
    ambiguous: int = 0  #: attempts without an answer
    replayed: int = 0  #: answers that named an earlier decision
    in_doubt: int = 0  #: requests that were saved, and whose first answer was lost: found by asking again
    stale: int = 0  #: refused because the claim had gone
    lost: int = 0
    duplicate: int = 0
    stuck: int = 0
    refused: dict[str, int] = field(default_factory=dict)  #: by code
    violations: list[str] = field(default_factory=list)

    @property
    def bit(self) -> list[str]:
        """Why the run proves nothing, if it does not."""
        wanted = {"no commit was left in doubt": self.in_doubt, "no stale decision was attempted": self.stale}
        return [f"INVALID: {what}; the faults did not bite" for what, count in wanted.items() if not count]


def told_by(folder: Path, *, watch_time: bool = True) -> Told:
    """What the logs of a run say that clients sent and were told."""
    logs = log.read_all(folder)
    return Told(
        attempts=tuple(attempt for records in logs.values() for attempt in _attempts(records)),
        released=tuple(
            (record["item"], record["fence"])
            for records in logs.values()
            for record in records
            if record["kind"] == "given back" and record["answer"] == Answer.SAVED
        ),
        expired=frozenset(_run_out(logs.get("keeper", []))) if watch_time else None,
    )


def check(database: Database, folder: Path, *, drained: bool = True, watch_time: bool = True) -> Account:
    """Hold the logs against the database."""
    stored, told = Stored.of(database), told_by(folder, watch_time=watch_time)
    account = count(told)
    account.violations = [
        *violations_of(stored, told),
        *(nothing_is_left(stored) if drained else []),
        *commits_reach_the_disk(database),
        *the_file_is_whole(database),
        *_broken(folder),
    ]
    account.lost = sum("lost: " in slip for slip in account.violations)
    account.duplicate = sum("duplicate: " in slip for slip in account.violations)
    account.stuck = sum("stuck: " in slip for slip in account.violations)
    return account


def count(told: Told) -> Account:
    answers = Counter(attempt.answer for attempt in told.attempts)
    refused = Counter(attempt.code or "" for attempt in told.attempts if attempt.answer is Answer.REFUSED)
    by_key = told.by_key().values()
    kinds = [{attempt.answer for attempt in attempts} for attempts in by_key]
    return Account(
        acknowledged=sum(bool({Answer.SAVED, Answer.REPLAYED} & kind) for kind in kinds),
        attempted=len(told.attempts),
        ambiguous=answers[Answer.UNKNOWN],
        replayed=answers[Answer.REPLAYED],
        in_doubt=sum(Answer.REPLAYED in kind and Answer.SAVED not in kind for kind in kinds),
        stale=sum(refused[code] for code in STALE),
        refused=dict(refused),
    )


def _attempts(records: list[Record]) -> list[Attempt]:
    answers = {(record["life"], record["number"]): record for record in records if record["kind"] == "answer"}
    found = []
    for record in records:
        if record["kind"] == "try":
            answer = answers.get((record["life"], record["number"]), {"answer": Answer.UNKNOWN})
            attempt = Request.of(record).attempt(
                record["person"], Answer(answer["answer"]), decision=answer.get("decision"), code=answer.get("code")
            )
            found.append(replace(attempt, sent_at=datetime.fromtimestamp(record["at"], UTC)))
    return found


def _run_out(records: list[Record]) -> set[tuple[int, int]]:
    return {(item, fence) for record in records if record["kind"] == "run out" for item, fence in record["claims"]}


def _broken(folder: Path) -> list[str]:
    """What a worker found wrong by itself."""
    return [
        f"P6: {record['sentence']}"
        for records in log.read_all(folder).values()
        for record in records
        if record["kind"] == "broken"
    ]

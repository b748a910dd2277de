"""Whether the database takes writes: asked in the background with a small real write, known without asking."""

from __future__ import annotations

import logging
from enum import StrEnum
from threading import Event, Thread
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import RecordBehind
from storage import heartbeat
from storage.engine import CommitInDoubt, Database
from storage.failures import Failure, failure_of

EVERY = 1.5  #: seconds between two beats
OVERDUE = 2.0  #: seconds after which a beat that has not ended counts as failed

log = logging.getLogger("workbench")


class Health(StrEnum):
    """What the database does for us now."""

    WELL = "well"
    READ_ONLY = "read only"  #: it answers, and takes no writes
    AWAY = "away"
    BEHIND = "behind"  #: its audit record does not hold what the last checkpoint vouches for


class Watch:
    """Beats until stopped, on a thread of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._way_in = heartbeat.own_way_in(database)
        self._found = Health.WELL
        self._is_doubted = False  #: the next beat has to show that there is room
        self._since: float | None = None  #: when the beat began that is under way
        self._wake, self._is_stopped = Event(), False
        Thread(target=self._run, name="health", daemon=True).start()

    @property
    def found(self) -> Health:
        since = self._since
        if since is not None and monotonic() - since > OVERDUE:
            return Health.AWAY
        return self._found

    def suspect(self) -> None:
        """A write was refused: believe that until a beat that needs room says otherwise."""
        self._is_doubted = True
        if self._found is Health.WELL:
            self._found = Health.READ_ONLY
        self._wake.set()

    def stop(self) -> None:
        self._is_stopped = True
        self._wake.set()

    def _run(self) -> None:
        while not self._is_stopped:
            self._wake.clear()
            doubted, self._is_doubted = self._is_doubted, False
            self._since = monotonic()
            found = self._beat(heavily=doubted)
            self._since = None
            if found is not None:
                self._learn(found)
            self._wake.wait(EVERY)
        self._way_in.engine.dispose()

    def _learn(self, found: Health) -> None:
        if found is not Health.WELL:
            self._is_doubted = True
        elif self._is_doubted:  # only since this beat began; the next one shows
            return
        if found is Health.WELL and self._found is not Health.WELL:
            # What was opened meanwhile may stay read-only, or lead to where the database was.
            self.database.engine.dispose()
            log.info("The database takes writes again")
        self._found = found

    def _beat(self, *, heavily: bool) -> Health | None:
        """What a beat found, or None if somebody else's write was in the way, which is no news."""
        try:
            for weighing in (True, False) if heavily else (False,):
                with self._way_in.writing() as session:
                    heartbeat.beat(session, heavily=weighing)
        except (SQLAlchemyError, CommitInDoubt) as error:
            if failure_of(error) is Failure.CONFLICT:
                self._is_doubted |= heavily
                return None
            if self._found is Health.WELL:
                log.exception("The database takes no writes")
            return Health.READ_ONLY if self._answers() else Health.AWAY
        return Health.WELL

    def _answers(self) -> bool:
        try:
            with self._way_in.reading() as session:
                heartbeat.last(session)
        except SQLAlchemyError:
            return False
        return True


_watch: Watch | None = None


def watch(database: Database) -> None:
    """Begin to watch, in place of what was watched before."""
    global _watch
    stop()
    _watch = Watch(database)


def stop() -> None:
    global _watch
    if _watch is not None:
        _watch.stop()
    _watch = None


def now(database: Database) -> Health:
    """What is known of ``database`` at this moment; where nobody watches it, the best is assumed."""
    if isinstance(database.refusal, RecordBehind):
        return Health.BEHIND
    return _watch.found if _watch and _watch.database is database else Health.WELL


def suspect() -> None:
    """A write was refused just now."""
    if _watch is not None:
        _watch.suspect()

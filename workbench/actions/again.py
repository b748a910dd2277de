"""Asking the database again when it was in the way of itself, and saying honestly how it ended.

Errors become three refusals: busy, away, and not known. The first two mean that nothing was stored. Bugs rise.

Why no ``pg_xact_status``: a doubtful transaction holds its item's row until it ends. Whoever repeats it under its key
waits for that row, and so knows how it ended without having asked for a transaction's number beforehand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from random import uniform
from time import monotonic, sleep
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from review_queue.errors import DatabaseAway, DatabaseBusy, OutcomeUnknown, ReviewError
from storage.engine import CommitInDoubt
from storage.failures import Failure, failure_of
from workbench import health, metrics
from workbench.actions.refusing import notes_refusals
from workbench.observing import observed
from workbench.stopping import doors

TRIES = 3
JITTER = (0.02, 0.2)  #: seconds between two tries, at random, so that two who collided do not collide again
PATIENCE = 10.0  #: seconds for which a doubtful commit is asked for again
LOOKS_EVERY = 0.25  #: seconds between two looks whether a database that went away is back

log = logging.getLogger("workbench")
_patience: ContextVar[float] = ContextVar("patience", default=PATIENCE)
P = ParamSpec("P")
R = TypeVar("R")


def again(*, in_doubt: bool, in_parts: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For an action that is one transaction: repeat it as long as that can help.

    Args:
        in_doubt: it may be repeated even if the first time was stored, because its key or its nature makes the second
            time harmless. Then a doubtful commit is asked for again until it is answered, or patience ends.
        in_parts: it is several transactions, of which some may be stored when a later one fails.

    Who is not allowed to is refused, and that is on record, as ``notes_refusals`` says.

    The action then raises, beside its own refusals:
        DatabaseBusy: somebody else was in the way ``TRIES`` times. Nothing was stored.
        DatabaseAway: the database takes no changes now. Nothing was stored.
        OutcomeUnknown: whether it was stored could not be learned.
    """

    def decorate(action: Callable[P, R]) -> Callable[P, R]:
        on_record = notes_refusals(action)

        @wraps(action)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            def in_words() -> R:
                try:
                    return _asked(partial(on_record, *args, **kwargs), action.__name__, in_doubt=in_doubt)
                except (DatabaseAway, DatabaseBusy) as refusal:
                    if in_parts:
                        raise OutcomeUnknown from refusal
                    raise

            with doors.inside():
                return observed(action.__name__, kwargs, in_words)

        return asked

    return decorate


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Ask for a doubtful commit that long and no longer: a page says meanwhile that it is checking."""
    before = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(before)


def _asked(once: Callable[[], R], name: str, *, in_doubt: bool) -> R:
    try:
        return _a_few_times(once, tries=TRIES)
    except CommitInDoubt as doubt:
        log.warning("A commit is in doubt: %s", name)
        metrics.in_doubt.inc()
        if not in_doubt:
            raise OutcomeUnknown from doubt
        return _until_answered(once)
    except DatabaseAway:
        health.suspect()
        raise


def _a_few_times(once: Callable[[], R], *, tries: int) -> R:
    """The answer, after up to so many tries of which nothing was stored."""
    for left in reversed(range(tries)):
        try:
            return once()
        except SQLAlchemyError as error:
            failure = failure_of(error)
            if failure is Failure.OTHER:
                raise
            if not left or failure in (Failure.SLOW, Failure.AWAY):
                log.warning("The database did not do it (%s): %s", failure, _first_line(error))
                raise _refusal(failure) from error
            sleep(uniform(*JITTER))  # noqa: S311 -- no secret
    raise AssertionError("the last try answers or raises")


def _refusal(failure: Failure) -> ReviewError:
    return DatabaseAway() if failure in (Failure.LOST, Failure.AWAY) else DatabaseBusy()


def _first_line(error: SQLAlchemyError) -> str:
    """What the database said, without the statement and what was in it."""
    return (str(getattr(error, "orig", error)).strip().splitlines() or [""])[0]


def _until_answered(once: Callable[[], R]) -> R:
    """The answer of a repetition, which is that of the first time if that was stored."""
    until = monotonic() + _patience.get()
    while True:
        try:
            return _a_few_times(once, tries=1)
        except (CommitInDoubt, DatabaseBusy, DatabaseAway) as error:
            if monotonic() >= until:
                raise OutcomeUnknown from error
            sleep(LOOKS_EVERY)

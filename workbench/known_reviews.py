"""Reading reviews for the analytics: what is kept of the closed ones, what has happened since, and all that is open.

A page asks again with every filter that is set, so that what was read is at hand for a while, for each scope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.errors import ReviewError
from review_queue.items import OPEN_STATES
from review_queue.roles import Principal, Task
from storage import keeping, kept_reviews, people, reports, workflows
from storage.engine import Database, database_now
from storage.growth import Some, Tips, newest, touched
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.stopping import doors

#: For so many who ask what was read is at hand; while nothing comes in it stands for a minute.
AT_HAND, FRESH = 4, timedelta(minutes=1)
#: Where more rows than this are open or new, what was read stands so long, also while something comes in: else those
#: who watch a large queue would have it read anew without end, and take the time of those who work in it.
MANY, RENEWED = 10_000, timedelta(seconds=30)
#: Of more reviews than this that something has happened to since, it is kept first what happened.
MOST_TOUCHED = 5_000
#: How long somebody waits for that at the most, in seconds; the server goes on with it.
LONGEST_WAIT = 10.0


@dataclass(frozen=True)
class Span:
    """Of which closed reviews somebody wants to know, where there are too many to read all of them."""

    days: int | None = None  #: those of so many last days; None: of all time
    is_newest: bool = False  #: every one of the newest weeks, instead of some series of all


ALL_TIME, NEWEST = Span(), Span(is_newest=True)


@dataclass(frozen=True)
class Reviews:
    """The reviews of one workflow that somebody may see, as they were known at an instant."""

    workflow: Workflow
    as_of: datetime  #: UTC
    table: pd.DataFrame  #: as ``storage.reports.reviews`` gives it; of one in ``one_in`` series
    one_in: int = 1  #: 1: all series; else they are drawn by chance
    of: int = 0  #: closed reviews that there are, where ``table`` has those of some series; 0: not counted
    every_open: pd.DataFrame | None = None  #: all that are open, where ``table`` has those of some series
    is_behind: bool = False  #: much has come in that is not in it yet
    is_large: bool = False  #: so much is open or new that it is read anew every ``RENEWED``, and not each time

    @property
    def tolerance(self) -> float:
        return self.workflow.policy.tolerance

    @property
    def waiting(self) -> Reviews:
        """Every open review, also where ``table`` has those of some series."""
        table = self.table if self.every_open is None else self.every_open
        return replace(self, table=table[table["state"].isin(OPEN_STATES)], one_in=1, every_open=None)

    def only(self, keep: pd.Series | slice) -> Reviews:
        """The reviews for which ``keep`` is true; a table of their own, that can be changed."""
        return replace(self, table=self.table[keep])

    def since(self, days: int | None, *, column: str) -> Reviews:
        """The reviews whose ``column`` lies in the last so many days; None keeps all."""
        if days is None:
            return self
        return self.only(self.table[column] >= pd.Timestamp(self.as_of - timedelta(days=days)))


class BeingPutTogether(ReviewError):
    """What analytics read is being made, which takes longer than anybody should wait."""

    code = "BEING_PUT_TOGETHER"

    def __init__(self) -> None:
        super().__init__(
            "The figures are being put together from everything that was decided here. Open this page again in a "
            "minute or two; nothing else is held up."
        )


@dataclass(frozen=True)
class _Closed:
    """The closed reviews that are kept and that somebody may see."""

    table: pd.DataFrame  #: as ``storage.reports.reviews`` gives it
    past: pd.Series  #: which past review each is
    lowest: int  #: the stratum from which on series are in it
    of: int  #: closed reviews that there are; 0: nobody counted those in this person's scope


@dataclass(frozen=True)
class _AtHand:
    """What was read lately."""

    grown: Tips
    stamp: int  #: of what was kept
    closed: _Closed
    known: Reviews


_LATELY: WeakKeyDictionary[Database, dict[Any, _AtHand]] = WeakKeyDictionary()
#: Whoever asks for what is being read already waits for that, and does not read it a second time.
_TURNS: WeakKeyDictionary[Database, dict[Any, Lock]] = WeakKeyDictionary()


@again(in_doubt=True)
def read(
    database: Database,
    *,
    person_id: int,
    workflow_key: str,
    as_of: datetime | None = None,
    span: Span = ALL_TIME,
    is_whole: bool = False,
) -> Reviews:
    """The reviews of a workflow inside the person's scope, as of now unless another instant is given.

    Args:
        span: where there are many, those that ended before it are left out.
        is_whole: all of them, however many; else those of some series, drawn by chance, where there are too many.

    Raises:
        WorkflowInvalid: there is no such workflow.
        NotAllowed: the person may not see analytics in it.
        BeingPutTogether: the reviews have not been put together yet.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        workflow = workflows.get(session, workflow_key)
        who.require(Task.SEE_ANALYTICS, workflow.id)
        if as_of is not None:
            return Reviews(workflow, as_of, reports.reviews(session, workflow, as_of, within=who))
    return read_now(database, workflow, who, span=span, is_whole=is_whole)


def read_now(
    database: Database,
    workflow: Workflow,
    who: Principal | None = None,
    *,
    span: Span = ALL_TIME,
    is_whole: bool = False,
) -> Reviews:
    """The reviews as of now, for whoever may see them; None is the server itself, which sees all."""
    asked = (workflow.id, workflow.policy_version, None if who is None else _paths(who, workflow.id), span, is_whole)
    lately = _LATELY.setdefault(database, {})
    with _TURNS.setdefault(database, {}).setdefault(asked, Lock()):
        before = lately.pop(asked, None)
        is_behind = _keep_up(database, workflow)
        with database.reading() as session:
            found = _read(session, workflow, who, before, span=span, is_whole=is_whole)
        if is_behind:
            return replace(found.known, is_behind=True)
        while len(lately) >= AT_HAND:
            lately.pop(next(iter(lately)), None)
        lately[asked] = found
    return found.known.only(slice(None))


def _keep_up(database: Database, workflow: Workflow) -> bool:
    """See to it that next to everything is kept that has come in; whether it is not yet, after a while."""
    with database.reading() as session:
        if not _is_far_behind(session, workflow):
            return False
    began = monotonic()
    for _ in keeping.steps(database, workflow):
        if monotonic() - began > LONGEST_WAIT:
            break
    with database.reading() as session:
        return _is_far_behind(session, workflow)


def forget(database: Database) -> None:
    """Have nothing at hand of what was read lately."""
    _LATELY.pop(database, None)


def keep_reviews(database: Database) -> None:
    """Keep what has come in of every workflow, however long it takes; a server that stops leaves off in between."""
    with database.reading() as session:
        every = workflows.all(session)
    for workflow in every:
        for _ in keeping.steps(database, workflow):
            doors.check()


def _is_far_behind(session: Session, workflow: Workflow) -> bool:
    until = keeping.until(session, workflow)
    if until is None or until.tips is None or not until.is_whole:
        return True
    now = database_now(session)
    if until.changes_at is not None and until.changes_at <= now:
        return True
    return len(touched(session, workflow.id, until.tips, between=(until.as_of, now))) > MOST_TOUCHED


def _read(
    session: Session,
    workflow: Workflow,
    who: Principal | None,
    before: _AtHand | None,
    *,
    span: Span,
    is_whole: bool,
) -> _AtHand:
    now, grown, until = database_now(session), newest(session), keeping.until(session, workflow)
    if until is None or until.tips is None or not until.is_whole:
        raise BeingPutTogether
    if before is not None and before.stamp == until.stamp:
        stands = FRESH if before.grown == grown else RENEWED if before.known.is_large else timedelta(0)
        if now - before.known.as_of < stands:
            return before
        closed = before.closed
    else:
        since = None if is_whole else _read_from(session, workflow, span, now)
        closed = _closed(session, workflow, who, since=since, is_whole=is_whole or span.is_newest)
    some = touched(session, workflow.id, until.tips, between=(until.as_of, now))
    lately = reports.rows(session, workflow, now, within=who, only=replace(some, and_open=True))
    known = _together(session, workflow, closed, lately, some, now)
    return _AtHand(grown, until.stamp, closed, replace(known, is_large=len(lately) > MANY))


def _read_from(session: Session, workflow: Workflow, span: Span, now: datetime) -> date | None:
    """The day from which on closed reviews are read; None: from the first on."""
    if span.is_newest:
        return kept_reviews.newest_weeks(session, workflow.id)
    if span.days is None or kept_reviews.count(session, workflow.id) <= kept_reviews.MOST:
        return None
    return (now - timedelta(days=span.days)).astimezone(workflow.policy.zone).date()


def _together(
    session: Session, workflow: Workflow, closed: _Closed, lately: pd.DataFrame, some: Some, now: datetime
) -> Reviews:
    """What was kept with what has happened since, and with what is open."""
    is_over = closed.table["item"].isin([*some.items, *lately["item"].dropna()]) | closed.past.isin(some.past)
    rest, fresh = closed.table[~is_over], reports.presented(session, workflow, lately)
    if closed.lowest == 0:
        return Reviews(workflow, now, pd.concat([rest, fresh], ignore_index=True) if len(rest) else fresh)
    drawn = fresh[kept_reviews.strata_of(lately["series_id"]) >= closed.lowest]
    return Reviews(
        workflow,
        now,
        pd.concat([rest, drawn], ignore_index=True),
        one_in=kept_reviews.ONE_IN**closed.lowest,
        of=closed.of,
        every_open=fresh[fresh["state"].isin(OPEN_STATES)],
    )


def _closed(
    session: Session, workflow: Workflow, who: Principal | None, *, since: date | None, is_whole: bool
) -> _Closed:
    kept = kept_reviews.read(session, workflow.id, since=since, is_whole=is_whole)
    paths = None if who is None else _paths(who, workflow.id)
    rows = kept.rows if paths is None else kept.rows[kept.rows["path"].fillna("").str.startswith(paths)]
    rows = rows.reset_index(drop=True)
    return _Closed(
        reports.presented(session, workflow, rows), rows["past"], kept.lowest, kept.of if paths is None else 0
    )


def _paths(who: Principal, workflow_id: int) -> tuple[str, ...] | None:
    """The segments below which this person may see analytics; None: everywhere."""
    grants = who.grants_for(Task.SEE_ANALYTICS, workflow_id)
    if any(grant.segment_path is None for grant in grants):
        return None
    return tuple(sorted(str(grant.segment_path) for grant in grants))

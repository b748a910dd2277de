"""What thresholds are compared with: each watched measure as it is now, or None where it cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd

from review_queue.alerting import Reading, Watched
from review_queue.feeds import Feed
from review_queue.measures.ageing import open_reviews
from review_queue.measures.coverage import coverage
from review_queue.measures.latency import durations, percentiles
from review_queue.measures.overrides import overrides
from review_queue.measures.skill import skill_path
from review_queue.roles import Task
from storage import feeds, people
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions.refusing import notes_refusals
from workbench.known_reviews import Reviews, read_now

WEEKS = timedelta(weeks=4)  #: how far back what is happening now goes
RATE_FROM = 60  #: decisions from which an override rate is concluded from (METHODS 9)
ENOUGH = "enough"


@notes_refusals
def watched_now(database: Database, *, person_id: int, workflow: Workflow) -> dict[Watched, Reading | None]:
    """What the workflow watches as it is now, over all of it, as alerts are raised.

    Raises:
        NotAllowed: the person may not see analytics in it.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.SEE_ANALYTICS, workflow.id)
    return watched_of(database, workflow, read_now(database, workflow)) if workflow.policy.alerts else {}


def watched_of(database: Database, workflow: Workflow, known: Reviews) -> dict[Watched, Reading | None]:
    """Every measure that the workflow watches, over reviews that were just read."""
    wanted = [rule.measure for rule in workflow.policy.alerts]
    with database.reading() as session:
        feed = feeds.feed_of(session, workflow.id) if Watched.AI_FEED_HOURS in wanted else None
    return read_all(known, wanted, feed=feed)


def read_all(known: Reviews, wanted: list[Watched], *, feed: Feed | None = None) -> dict[Watched, Reading | None]:
    """The wanted measures over reviews that were just read, and of the AI's ``feed``."""
    of_feed = {Watched.AI_FEED_HOURS: _feed_hours(feed, known.as_of)}
    return {watched: of_feed[watched] if watched in of_feed else _READ[watched](known) for watched in wanted}


def _feed_hours(feed: Feed | None, now: datetime) -> Reading | None:
    hours = None if feed is None else feed.hours(now)
    return None if hours is None else Reading.of(hours, 1)


def _overdue(known: Reviews) -> Reading:
    waiting = open_reviews(known.waiting.table, as_of=known.as_of)
    return Reading.of(float(waiting["overdue"].sum()), len(waiting))


def _oldest(known: Reviews) -> Reading:
    ages = open_reviews(known.waiting.table, as_of=known.as_of)["age_hours"]
    return Reading.of(float(ages.max()) if len(ages) else 0.0, len(ages))


def _p85(known: Reviews) -> Reading | None:
    table = known.table
    lately = table[table["created_at"] >= pd.Timestamp(known.as_of - 3 * WEEKS)]
    row = percentiles(durations(lately, as_of=known.as_of), (0.85,)).iloc[0]
    if row["state"] != ENOUGH or row[["hours", "low"]].isna().any():
        return None
    high = row["high"] if pd.notna(row["high"]) else float("inf")
    return Reading(float(row["hours"]), float(row["low"]), float(high), len(lately))


def _override_rate(known: Reviews) -> Reading | None:
    table = known.table
    lately = table[table["decided_at"] >= pd.Timestamp(known.as_of - WEEKS)]
    row = overrides(lately, tolerance=known.tolerance).iloc[0]
    if row["n"] < RATE_FROM:
        return None
    return Reading(float(row["rate"]), float(row["low"]), float(row["high"]), int(row["n"]))


def _coverage(known: Reviews) -> Reading | None:
    found = coverage(known.table)
    if found.empty or found["verdict"].iloc[0] in ("not enough data", "can't tell yet"):
        return None
    row = found.iloc[0]
    return Reading(float(row["inside"]), float(row["low"]), float(row["high"]), int(row["n"]))


def _evidence(known: Reviews) -> Reading | None:
    path = skill_path(known.table)
    return Reading.of(float(path["evidence"].iloc[-1]), len(path)) if len(path) else None


_READ: dict[Watched, Callable[[Reviews], Reading | None]] = {
    Watched.OVERDUE: _overdue,
    Watched.OLDEST_HOURS: _oldest,
    Watched.P85_HOURS: _p85,
    Watched.OVERRIDE_RATE: _override_rate,
    Watched.AI_COVERAGE: _coverage,
    Watched.AI_EVIDENCE: _evidence,
}

"""Watching the thresholds of every workflow that has some, beside the server's other work."""

from __future__ import annotations

from datetime import datetime, timedelta

from review_queue.alerting import Watched
from storage import feeds, workflows
from storage.engine import Database, database_now
from storage.reports import reviews
from workbench.actions import alerting
from workbench.analytics import Reviews
from workbench.readings import read_all
from workbench.stopping import doors

#: How often each workflow is looked at: what the thresholds are about moves in hours.
EVERY = timedelta(minutes=15)


def watch(database: Database, looked_at: dict[int, datetime]) -> list[int]:
    """Raise what is to be raised in each workflow that is due to be looked at; the ids of new alerts.

    Args:
        looked_at: when each workflow was looked at last, kept up to date here.
    """
    with database.reading() as session:
        now = database_now(session)
        watched = [workflow for workflow in workflows.all(session) if workflow.policy.alerts]
    made: list[int] = []
    for workflow in watched:
        doors.check()
        if workflow.id in looked_at and now - looked_at[workflow.id] < EVERY:
            continue
        with database.reading() as session:
            known = Reviews(workflow, now, reviews(session, workflow, now))
            wanted = [rule.measure for rule in workflow.policy.alerts]
            feed = feeds.feed_of(session, workflow.id) if Watched.AI_FEED_HOURS in wanted else None
        readings = read_all(known, wanted, feed=feed)
        made += alerting.raise_alerts(database, workflow, readings)
        looked_at[workflow.id] = now
    return made

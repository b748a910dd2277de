"""Watching the thresholds of every workflow, and whose figures stand out, beside the server's other work."""

from __future__ import annotations

from datetime import datetime, timedelta

from storage import workflows
from storage.engine import Database, database_now
from storage.workflows import Workflow
from workbench.actions import alerting, forewarning
from workbench.actions.looking import people_compared
from workbench.known_reviews import NEWEST, read_now
from workbench.readings import watched_of
from workbench.stopping import doors

#: How often each workflow is looked at: what the thresholds are about moves in hours.
EVERY = timedelta(minutes=15)


def watch(database: Database, looked_at: dict[int, datetime]) -> list[int]:
    """Raise what is to be raised in each workflow that is due to be looked at, and tell whoever stands out there.

    Args:
        looked_at: when each workflow was looked at last, kept up to date here.

    Returns:
        The ids of new alerts.
    """
    with database.reading() as session:
        now = database_now(session)
        every = workflows.all(session)
    made: list[int] = []
    for workflow in every:
        doors.check()
        if workflow.id in looked_at and now - looked_at[workflow.id] < EVERY:
            continue
        made += _look_at(database, workflow)
        looked_at[workflow.id] = now
    return made


def _look_at(database: Database, workflow: Workflow) -> list[int]:
    policy = workflow.policy
    if not policy.alerts and not policy.person_level:
        forewarning.keep_notices(database, workflow, [])  # those of a time when people were compared
        return []
    known = read_now(database, workflow)
    made = alerting.raise_alerts(database, workflow, watched_of(database, workflow, known))
    compared = people_compared(read_now(database, workflow, span=NEWEST)) if policy.person_level else []
    forewarning.keep_notices(database, workflow, [one.reviewer for one in compared if one.may_be_named])
    return made

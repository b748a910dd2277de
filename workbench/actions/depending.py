"""What hangs on a workflow's model versions, and what came in that lies outside its scope."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from review_queue.measures import scope_creep
from review_queue.roles import Task
from storage import out_of_scope, people, versions, workflows
from storage.engine import Database, database_now
from storage.versions import EXPORTS_OVER, Dependent
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.governing import has_role


@dataclass(frozen=True)
class ScopeCreep:
    """What was set aside because it lies outside the scope."""

    weeks: pd.DataFrame  #: as ``review_queue.measures.scope_creep.by_week``
    sentence: str


@again(in_doubt=True)
def what_depends(database: Database, *, person_id: int, workflow: Workflow) -> list[Dependent]:
    """What depends on each model version of the workflow, and on the same versions in others that the person may see.

    The workflow's own come first, the newest version first.

    Raises:
        NotAllowed: the person may not see the workflow's queue.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow.id)
        own = versions.dependents(session, [workflow])
        names = {each.version for each in own}
        others = [other for other in workflows.all(session) if other.id != workflow.id and has_role(who, other)]
        return own + [each for each in versions.dependents(session, others) if each.version in names]


def touches(version: str, found: list[Dependent]) -> str:
    """What a change of this model version touches, in a sentence."""
    here = [each for each in found if each.version == version]
    if not here:
        return f"Nothing depends on {version}."
    waiting = sum(each.open_items for each in here)
    told, exports = sum(each.receivers for each in here), sum(each.exports for each in here)
    pulled = sorted({source for each in here for source in each.pulled_from})
    where = _count(len(here), "workflow")
    parts = [f"A change of {version} touches {_count(waiting, 'open item')} in {where}."]
    goes = f"goes to {_count(told, 'receiver')}" if told else "goes to no receiver"
    taken = f"was exported {_count(exports, 'time')}" if exports else "was not exported"
    parts.append(f"What is decided on them {goes} and {taken} in the last {EXPORTS_OVER.days} days.")
    if pulled:
        parts.append(f"Its forecasts are pulled from {', '.join(pulled)}.")
    return " ".join(parts)


@again(in_doubt=True)
def outside_scope(database: Database, *, person_id: int, workflow: Workflow) -> ScopeCreep:
    """The rows that imports set aside as outside the scope, by week and segment.

    Raises:
        NotAllowed: the person may not see the workflow's analytics.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.SEE_ANALYTICS, workflow.id)
        zone = workflow.policy.zone
        weeks = scope_creep.by_week(
            out_of_scope.counts(session, workflow.id), out_of_scope.came(session, workflow.id), zone=zone
        )
        this_week = scope_creep.monday(pd.Timestamp(database_now(session)), zone)
        has_scope = bool(workflow.policy.scope)
        return ScopeCreep(weeks, scope_creep.in_words(weeks, this_week=this_week, has_scope=has_scope))


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"

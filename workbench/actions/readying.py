"""The readiness check of a workflow, and opening for review what asks for all of it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from review_queue.calendars import BusinessCalendar
from review_queue.errors import NotReady
from review_queue.readiness import Check, assess
from review_queue.roles import Task
from review_queue.workflows import ReadinessLevel
from storage import audit, people, readiness, workflows
from storage.engine import Database
from storage.readiness import Opening
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.governing import seen
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a workflow may open for review, check by check."""

    workflow: Workflow
    checks: tuple[Check, ...]
    opening: Opening | None  #: where the policy asks for all of the check: when it was opened

    @property
    def is_ready(self) -> bool:
        """Whether every check that is required passes."""
        return all(check.ok for check in self.checks if check.is_required)

    @property
    def is_open(self) -> bool:
        """Whether people review now."""
        return not self.workflow.missing_for_review()

    @property
    def waits_for_opening(self) -> bool:
        """Whether all that is missing is that the owner opens it."""
        return self.is_ready and not self.is_open


@notes_refusals
def check_workflow(database: Database, *, person_id: int, key: str) -> Readiness:
    """Whether the workflow may open for review, and what would make it better.

    Raises:
        WorkflowInvalid: there is none with this key, or its calendar cannot be worked out.
        NotAllowed: the person has no role in it.
    """
    with database.reading() as session:
        workflow, who = seen(session, person_id, key), people.principal(session, person_id)
        return as_seen(session, who, workflow, _checked(session, workflow))


@again(in_doubt=False)
def open_for_review(database: Database, *, person_id: int, key: str) -> Readiness:
    """Open a workflow that asks for all of the readiness check; what was found is kept with it.

    Raises:
        NotReady: a check does not pass, or the workflow needs no opening.
        NotAllowed: the person may not change the workflow.
    """
    with database.writing() as session:
        workflow, who = workflows.get(session, key), people.principal(session, person_id)
        who.require(Task.GOVERN, workflow.id)
        workflows.lock(session, workflow.id)
        found = _checked(session, workflows.by_id(session, workflow.id))
        failing = [f"{check.name}: {check.sentence.rstrip('.')}" for check in found.checks if check.state == "fail"]
        if failing:
            raise NotReady(workflow.title, "; ".join(failing))
        if found.is_open or found.workflow.policy.readiness is not ReadinessLevel.STRICT:
            return as_seen(session, who, workflow, found)
        opening_id = readiness.add_opening(
            session,
            workflow.id,
            found.workflow.policy_version,
            {check.name: check.ok for check in found.checks},
            by=person_id,
        )
        details = {"opening": opening_id, "policy_version": found.workflow.policy_version}
        audit.record(session, "workflow.opened", actor_id=person_id, workflow_id=workflow.id, details=details)
        return as_seen(session, who, workflow, _checked(session, workflows.by_id(session, workflow.id)))


def _checked(session: Session, workflow: Workflow) -> Readiness:
    BusinessCalendar.of(workflow.policy)
    checks = assess(workflow.policy, readiness.facts_of(session, workflow.id))
    return Readiness(workflow, checks, readiness.last_opening(session, workflow.id))

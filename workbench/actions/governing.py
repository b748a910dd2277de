"""Workflows as their owners govern them: registering one, changing its policy, asking whether it is ready."""

from __future__ import annotations

from dataclasses import dataclass

from review_queue.calendars import BusinessCalendar
from review_queue.roles import Principal, Task
from review_queue.workflows import Policy, parse_policy
from storage import audit, people, placing, workflows
from storage.engine import Database, database_now
from storage.workflows import Workflow
from workbench.actions.again import again


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the readiness check asks of a workflow."""

    name: str
    ok: bool
    is_required: bool  #: without it the workflow does not open for review
    sentence: str  #: what is there, or what to do


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a workflow may open for review, check by check."""

    workflow: Workflow
    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        return all(check.ok for check in self.checks if check.is_required)


@again(in_doubt=False)
def add_workflow(database: Database, *, person_id: int, toml_text: str, name: str = "the file") -> Workflow:
    """Register the workflow in a TOML file, or bring its policy to what the file says, and its open items with it.

    Raises:
        WorkflowInvalid: the file cannot be taken, with every problem named.
        WorkflowBusy: an import into the workflow is running.
        NotAllowed: the person may not change workflows.
    """
    policy = parse_policy(toml_text, name=name)
    BusinessCalendar.of(policy)
    with database.writing() as session:
        who = people.principal(session, person_id)
        known = {workflow.key: workflow for workflow in workflows.all(session)}.get(policy.key)
        who.require(Task.GOVERN, known.id if known else None)
        if known is not None:
            workflows.lock(session, known.id)
            known = workflows.by_id(session, known.id)
        workflow = workflows.add(session, policy, author_id=person_id)
        if known is not None and known.policy_version != workflow.policy_version:
            placing.place_items(session, workflow, now=database_now(session), forecasts_changed=True)
        if known is None or known.policy_version != workflow.policy_version:
            audit.record(
                session,
                "workflow_added" if known is None else "policy_changed",
                actor_id=person_id,
                workflow_id=workflow.id,
                details={"policy_version": workflow.policy_version},
            )
        return workflow


def list_workflows(database: Database, *, person_id: int) -> list[Workflow]:
    """The workflows that this person has any role in, by title."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        return [workflow for workflow in workflows.all(session) if _has_role(who, workflow)]


def show_workflow(database: Database, *, person_id: int, key: str) -> Workflow:
    """One workflow with the policy in force.

    Raises:
        WorkflowInvalid: there is none with this key.
        NotAllowed: the person has no role in it.
    """
    with database.reading() as session:
        workflow = workflows.get(session, key)
        who = people.principal(session, person_id)
        if not _has_role(who, workflow):
            who.require(Task.SEE_QUEUE, workflow.id)
        return workflow


def check_workflow(database: Database, *, person_id: int, key: str) -> Readiness:
    """Whether the workflow may open for review, and what would make it better.

    Raises:
        WorkflowInvalid: there is none with this key, or its calendar cannot be worked out.
        NotAllowed: the person has no role in it.
    """
    workflow = show_workflow(database, person_id=person_id, key=key)
    BusinessCalendar.of(workflow.policy)
    return Readiness(workflow, _checks(workflow.policy))


def _has_role(who: Principal, workflow: Workflow) -> bool:
    return any(grant.workflow_id in (None, workflow.id) for grant in who.grants)


def _checks(policy: Policy) -> tuple[Check, ...]:
    owner, deputy = policy.owner, policy.deputy
    return (
        Check("owner", owner is not None, True, f"{owner} owns it." if owner else "Name an owner in the policy."),
        Check(
            "deputy",
            deputy is not None,
            False,
            f"{deputy} stands in." if deputy else "Name a deputy, so that alerts reach somebody in holidays.",
        ),
        Check(
            "materiality",
            policy.materiality is not None,
            False,
            f"A gap matters from {policy.materiality:g} {policy.unit}."
            if policy.materiality is not None
            else f"Set materiality, or a gap matters from {policy.materiality_share:.1%} of its parent segment.",
        ),
        Check(
            "scope",
            bool(policy.scope),
            False,
            "What it covers is listed; anything else is set aside."
            if policy.scope
            else "List in [scope] what the AI was validated for, or any segment is taken.",
        ),
        Check(
            "fallback",
            policy.feed_late_hours is not None,
            False,
            f"Without an AI forecast for {policy.feed_late_hours:g} hours the fallback counts: {policy.fallback}."
            if policy.feed_late_hours is not None
            else "Set feed_late_hours and fallback, so that nobody waits for an AI that is away.",
        ),
    )

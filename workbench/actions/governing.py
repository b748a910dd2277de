"""Workflows as their owners govern them: registering one, changing its policy, handing it over."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from review_queue.calendars import BusinessCalendar
from review_queue.errors import HandoverRefused, WorkflowInvalid
from review_queue.policy_changes import Change, changes
from review_queue.roles import Principal, Task
from review_queue.showing import LONGEST_NOTE, Showing
from review_queue.workflows import Policy, parse_policy
from storage import audit, handovers, people, placing, showings, workflows
from storage.engine import Database, database_now
from storage.handovers import Handover
from storage.workflows import PolicyVersion, Workflow
from workbench.actions.again import again
from workbench.actions.pausing import Effect, effect_of
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen


@dataclass(frozen=True, slots=True)
class Registered:
    """A workflow in the registry."""

    workflow: Workflow
    showing: Showing

    @property
    def state(self) -> str:
        """Open, not ready, paused or rolled back."""
        if self.workflow.missing_for_review():
            return "not ready"
        return "open" if self.showing.is_usual else self.showing.values.replace("_", " ")


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """What a new text of the policy would change."""

    policy: Policy
    changes: tuple[Change, ...]
    effect: Effect | None  #: on the open items; None where nothing changes


@again(in_doubt=False)
def add_workflow(database: Database, *, person_id: int, toml_text: str, name: str = "the file") -> Workflow:
    """Register the workflow in a TOML file, or bring its policy to what the file says, and its open items with it.

    Raises:
        WorkflowInvalid: the file cannot be taken, with every problem named.
        WorkflowBusy: an import into the workflow is running.
        NotAllowed: the person may not change workflows.
    """
    policy = _parsed(toml_text, name)
    with database.writing() as session:
        who = people.principal(session, person_id)
        known = {workflow.key: workflow for workflow in workflows.all(session)}.get(policy.key)
        who.require(Task.GOVERN, known.id if known else None)
        if known is not None:
            known = _held(session, known.id)
        return _put_in_force(session, known, policy, person_id=person_id)


@again(in_doubt=False)
def change_policy(
    database: Database, *, person_id: int, workflow_key: str, toml_text: str, policy_version: int
) -> Workflow:
    """Put a new text of the policy in force, and place the workflow's open items by it.

    Args:
        policy_version: that the text was written from.

    Raises:
        WorkflowInvalid: the text cannot be taken, is another workflow's, or somebody changed the policy meanwhile.
        WorkflowBusy: an import into the workflow is running.
        NotAllowed: the person may not change it.
    """
    policy = _parsed(toml_text, "The policy")
    with database.writing() as session:
        known = _held(session, _governed(session, person_id, workflow_key).id)
        _require_same(known, policy)
        if known.policy_version != policy_version:
            raise WorkflowInvalid(
                f"Version {known.policy_version} of the policy came in while you wrote: yours is from version "
                f"{policy_version}. Look at what changed, and write yours again."
            )
        return _put_in_force(session, known, policy, person_id=person_id)


@again(in_doubt=True)
def preview_policy(database: Database, *, person_id: int, workflow_key: str, toml_text: str) -> PolicyPreview:
    """What a new text of the policy would change, in its settings and on the open items; nothing is changed.

    Raises:
        WorkflowInvalid: the text cannot be taken, or is another workflow's.
        NotAllowed: the person may not change the workflow.
    """
    policy = _parsed(toml_text, "The policy")
    with database.reading() as session:
        known = _governed(session, person_id, workflow_key)
        _require_same(known, policy)
        found = tuple(changes(known.policy, policy))
        if not found:
            return PolicyPreview(policy, found, None)
        showing = showings.of(session, known.id)
        effect = effect_of(session, known, workflows.with_policy(known, policy), showing, showing)
        return PolicyPreview(policy, found, effect)


@again(in_doubt=False)
def hand_over(
    database: Database, *, person_id: int, workflow_key: str, owner: str, deputy: str | None, note: str
) -> Workflow:
    """Give the workflow to another owner, another deputy, or both, from now on.

    Raises:
        HandoverRefused: no owner is named, nothing changes, or no note says why.
        WorkflowBusy: an import into the workflow is running.
        NotAllowed: the person may not change it.
    """
    text, new_owner, new_deputy = note.strip(), owner.strip(), (deputy or "").strip() or None
    with database.writing() as session:
        known = _held(session, _governed(session, person_id, workflow_key).id)
        if not new_owner:
            raise HandoverRefused("Name the new owner: a workflow without one closes for review.")
        if (new_owner, new_deputy) == (known.policy.owner, known.policy.deputy):
            raise HandoverRefused(f"{known.title} has this owner and deputy already. Nothing was changed.")
        if new_owner == new_deputy:
            raise HandoverRefused("The deputy stands in when the owner is away: name two people.")
        if not text or len(text) > LONGEST_NOTE:
            raise HandoverRefused(f"Write a note, up to {LONGEST_NOTE:,} characters: what is handed over, and why.")
        policy = known.policy.model_copy(update={"owner": new_owner, "deputy": new_deputy})
        return _put_in_force(session, known, policy, person_id=person_id, note=text)


@notes_refusals
def registry(database: Database, *, person_id: int) -> list[Registered]:
    """The workflows that this person has any role in, by title, with which of the AI's values each shows."""
    with database.reading() as session:
        chosen = showings.of_all(session)
        return [Registered(workflow, chosen.get(workflow.id, Showing())) for workflow in _in_reach(session, person_id)]


@notes_refusals
def list_workflows(database: Database, *, person_id: int) -> list[Workflow]:
    """The workflows that this person has any role in, by title."""
    with database.reading() as session:
        return _in_reach(session, person_id)


@notes_refusals
def show_workflow(database: Database, *, person_id: int, key: str) -> Workflow:
    """One workflow with the policy in force, to be read: who is not shown names reads none in it.

    Raises:
        WorkflowInvalid: there is none with this key.
        NotAllowed: the person has no role in it.
    """
    with database.reading() as session:
        workflow, who = seen(session, person_id, key), people.principal(session, person_id)
        return as_seen(session, who, workflow, workflow)


@notes_refusals
def policy_versions(database: Database, *, person_id: int, key: str) -> list[PolicyVersion]:
    """Every version of a workflow's policy, the newest first, for whoever has a role in it."""
    with database.reading() as session:
        workflow, who = seen(session, person_id, key), people.principal(session, person_id)
        return as_seen(session, who, workflow, workflows.versions(session, workflow.id))


@notes_refusals
def handover_history(database: Database, *, person_id: int, key: str) -> list[Handover]:
    """Every change of owner or deputy, the newest first, for whoever has a role in the workflow."""
    with database.reading() as session:
        workflow, who = seen(session, person_id, key), people.principal(session, person_id)
        return as_seen(session, who, workflow, handovers.history(session, workflow.id))


def seen(session: Session, person_id: int, key: str) -> Workflow:
    """The workflow, for whoever has any role in it."""
    workflow = workflows.get(session, key)
    who = people.principal(session, person_id)
    if not has_role(who, workflow):
        who.require(Task.SEE_QUEUE, workflow.id)
    return workflow


def _in_reach(session: Session, person_id: int) -> list[Workflow]:
    """The workflows that this person has any role in, by title, as this person may see them."""
    who = people.principal(session, person_id)
    return [as_seen(session, who, workflow, workflow) for workflow in workflows.all(session) if has_role(who, workflow)]


def has_role(who: Principal, workflow: Workflow) -> bool:
    """Whether somebody has any role in the workflow."""
    return any(grant.workflow_id in (None, workflow.id) for grant in who.grants)


def _parsed(toml_text: str, name: str) -> Policy:
    policy = parse_policy(toml_text, name=name)
    BusinessCalendar.of(policy)
    return policy


def _require_same(known: Workflow, policy: Policy) -> None:
    if policy.key != known.key:
        raise WorkflowInvalid(f"The text is of {policy.key!r}, and this is {known.key!r}. A key cannot be changed.")


def _governed(session: Session, person_id: int, workflow_key: str) -> Workflow:
    workflow = workflows.get(session, workflow_key)
    people.principal(session, person_id).require(Task.GOVERN, workflow.id)
    return workflow


def _held(session: Session, workflow_id: int) -> Workflow:
    workflows.lock(session, workflow_id)
    return workflows.by_id(session, workflow_id)


def _put_in_force(
    session: Session, known: Workflow | None, policy: Policy, *, person_id: int, note: str = ""
) -> Workflow:
    """The workflow with this policy: a new version if it differs, on record, and its open items placed by it."""
    workflow = workflows.add(session, policy, author_id=person_id)
    if known is not None and known.policy_version == workflow.policy_version:
        return workflow
    if known is not None:
        placing.place_items(session, workflow, now=database_now(session), forecasts_changed=True)
    version = workflow.policy_version
    audit.record(
        session,
        "workflow_added" if known is None else "policy_changed",
        actor_id=person_id,
        workflow_id=workflow.id,
        details={"policy_version": version},
    )
    handover_id = handovers.add(
        session,
        workflow.id,
        None if known is None else known.policy,
        policy,
        policy_version=version,
        note=note,
        person_id=person_id,
    )
    if handover_id is not None and known is not None:
        details = {"handover": handover_id, "policy_version": version}
        audit.record(session, "workflow.handed_over", actor_id=person_id, workflow_id=workflow.id, details=details)
    return workflow

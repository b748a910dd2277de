"""Workflows and their policies. A policy is never edited: a change adds a version, and the newest is in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, exists, false, func, insert, or_, select, true, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from review_queue.errors import ReviewError, WorkflowInvalid
from review_queue.roles import Principal
from review_queue.workflows import Policy, ReadinessLevel, policy_of
from storage.engine import database_time
from storage.tables import openings, people, policies, workflows

#: What PostgreSQL answers when ``lock_timeout`` has passed.
LOCK_NOT_AVAILABLE = "55P03"


class WorkflowBusy(ReviewError):
    """Somebody else is changing many items of the workflow at this moment."""

    code = "WORKFLOW_BUSY"


@dataclass(frozen=True, slots=True)
class Workflow:
    """One kind of forecast under review, with the policy in force."""

    id: int
    key: str
    title: str
    unit: str
    policy: Policy
    policy_version: int
    is_simulated: bool
    is_opened: bool = False  #: by its owner, after all of the readiness check had passed

    def missing_for_review(self) -> tuple[str, ...]:
        """What is still asked for before anybody reviews here; empty when review is open."""
        missing = self.policy.missing_for_review()
        if missing or self.is_opened or self.policy.readiness is not ReadinessLevel.STRICT:
            return missing
        return ("its owner opens it once the whole readiness check has passed",)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a workflow's policy, as it was put in force."""

    version: int
    policy: Policy
    author: str | None  #: untrusted text
    at: datetime  #: UTC


def versions(session: Session, workflow_id: int) -> list[PolicyVersion]:
    """Every version of the policy, the newest first."""
    rows = session.execute(
        select(policies.c.version, policies.c.body, people.c.name, policies.c.created_at)
        .outerjoin(people, people.c.id == policies.c.author_id)
        .where(policies.c.workflow_id == workflow_id)
        .order_by(policies.c.version.desc())
    )
    return [PolicyVersion(row.version, _policy(row.body), row.name, row.created_at) for row in rows]


def with_policy(workflow: Workflow, policy: Policy) -> Workflow:
    """The workflow as it would be with this policy; nothing is stored."""
    return replace(workflow, title=policy.title, unit=policy.unit, policy=policy)


def add(session: Session, policy: Policy, *, author_id: int, is_simulated: bool = False) -> Workflow:
    """Add a workflow, or a new version of its policy if its key is known and the policy differs."""
    known = session.execute(_in_force().where(workflows.c.key == policy.key)).one_or_none()
    if known is None:
        workflow_id, version = _insert(session, policy, is_simulated), 1
    elif _policy(known.body) == policy:
        return _workflow(known)
    else:
        workflow_id, version = known.id, known.version + 1
        _retitle(session, workflow_id, policy)
    session.execute(
        insert(policies).values(
            workflow_id=workflow_id,
            version=version,
            body=policy.model_dump(mode="json"),
            author_id=author_id,
            created_at=database_time(),
        )
    )
    return by_id(session, workflow_id)


def get(session: Session, key: str) -> Workflow:
    """The workflow with this key.

    Raises:
        WorkflowInvalid: there is none.
    """
    row = session.execute(_in_force().where(workflows.c.key == key)).one_or_none()
    if row is None:
        raise WorkflowInvalid(f"There is no workflow {key!r}. `workbench workflow list` names those that exist.")
    return _workflow(row)


def by_id(session: Session, workflow_id: int) -> Workflow:
    """The workflow with this id, which must exist."""
    return _workflow(session.execute(_in_force().where(workflows.c.id == workflow_id)).one())


def all(session: Session) -> list[Workflow]:
    """Every workflow, by title."""
    return [_workflow(row) for row in session.execute(_in_force().order_by(workflows.c.title, workflows.c.id))]


def reachable(
    session: Session, who: Principal, *, key: str | None = None, after: int = 0, limit: int = 1
) -> list[Workflow]:
    """The workflows in which this person has a grant, the first past the id ``after``; ``key``: that one alone."""
    inside = [true() if grant.workflow_id is None else workflows.c.id == grant.workflow_id for grant in who.grants]
    wanted = _in_force().where(or_(false(), *inside), workflows.c.id > after)
    if key is not None:
        wanted = wanted.where(workflows.c.key == key)
    return [_workflow(row) for row in session.execute(wanted.order_by(workflows.c.id).limit(limit))]


def lock(session: Session, workflow_id: int) -> None:
    """Hold the workflow until the transaction ends, so that two imports into it run one after the other.

    Raises:
        WorkflowBusy: another import has held it for too long.
    """
    # key_share: a decision's audit event refers to this row, and must not wait for an import to end.
    wanted = select(workflows.c.id).where(workflows.c.id == workflow_id).with_for_update(key_share=True)
    try:
        session.execute(wanted)
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise WorkflowBusy("Another import into this workflow is running. Try again when it is done.") from error


def try_lock(session: Session, workflow_id: int) -> bool:
    """Hold the workflow as ``lock`` does, unless somebody else does already."""
    wanted = select(workflows.c.id).where(workflows.c.id == workflow_id)
    held = session.execute(wanted.with_for_update(key_share=True, skip_locked=True))
    return held.one_or_none() is not None


def _insert(session: Session, policy: Policy, is_simulated: bool) -> int:
    workflow_id: int = session.execute(
        insert(workflows)
        .values(
            key=policy.key,
            title=policy.title,
            unit=policy.unit,
            timezone=policy.timezone,
            is_simulated=is_simulated,
            created_at=database_time(),
        )
        .returning(workflows.c.id)
    ).scalar_one()
    return workflow_id


def _retitle(session: Session, workflow_id: int, policy: Policy) -> None:
    session.execute(
        update(workflows)
        .where(workflows.c.id == workflow_id)
        .values(title=policy.title, unit=policy.unit, timezone=policy.timezone)
    )


def _in_force() -> Select[Any]:
    mine = policies.alias("mine")
    opened = exists().where(openings.c.workflow_id == workflows.c.id)
    newest = select(func.max(mine.c.version)).where(mine.c.workflow_id == workflows.c.id).scalar_subquery()
    return (
        select(workflows, policies.c.version, policies.c.body, opened.label("is_opened"))
        .select_from(workflows)
        .join(policies, and_(policies.c.workflow_id == workflows.c.id, policies.c.version == newest))
    )


def _workflow(row: Row[Any]) -> Workflow:
    return Workflow(
        row.id, row.key, row.title, row.unit, _policy(row.body), row.version, row.is_simulated, row.is_opened
    )


#: Settings that policies had once, which did nothing.
_RETIRED = {"season"}


def _policy(body: dict[str, Any]) -> Policy:
    """The policy as it was stored, by whichever version of the program."""
    return policy_of({name: value for name, value in body.items() if name not in _RETIRED})

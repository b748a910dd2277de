"""Who may do what: roles times scope. Every action asks here, with the person as the database knows them now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from review_queue.errors import NotAllowed


class Role(StrEnum):
    """What a grant lets a person do inside its scope."""

    REVIEWER = "reviewer"
    DIRECTOR = "director"
    MANAGER = "manager"
    OWNER = "workflow owner"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    INTEGRATOR = "integrator"


class Task(StrEnum):
    """What is asked for; the text completes "may not …"."""

    REVIEW = "review items"
    ASSIGN = "assign items"
    CONFIRM = "confirm items in bulk"
    REOPEN = "reopen decided items"
    RECONCILE = "reconcile a period"
    LOCK = "lock a period"
    SEE_QUEUE = "see the queue"
    SEE_ANALYTICS = "see the analytics"
    ANSWER = "answer alerts"
    RESPOND = "respond to incidents or test the override path"
    IMPORT = "bring data in"
    EXPORT = "take data out"
    GOVERN = "change a workflow"
    DELIVER = "send decisions to other systems"
    GRANT = "change people and roles"
    AUDIT = "read the audit record"


ALLOWED: dict[Task, frozenset[Role]] = {
    Task.REVIEW: frozenset({Role.REVIEWER, Role.DIRECTOR, Role.OWNER}),
    Task.ASSIGN: frozenset({Role.DIRECTOR, Role.MANAGER, Role.OWNER}),
    Task.CONFIRM: frozenset({Role.DIRECTOR, Role.OWNER}),
    Task.REOPEN: frozenset({Role.DIRECTOR, Role.OWNER}),
    Task.RECONCILE: frozenset({Role.DIRECTOR, Role.OWNER}),
    Task.LOCK: frozenset({Role.DIRECTOR, Role.OWNER}),
    Task.SEE_QUEUE: frozenset(
        {Role.REVIEWER, Role.DIRECTOR, Role.MANAGER, Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR}
    ),
    Task.SEE_ANALYTICS: frozenset(
        {Role.REVIEWER, Role.DIRECTOR, Role.MANAGER, Role.OWNER, Role.AUDITOR, Role.ADMINISTRATOR}
    ),
    Task.ANSWER: frozenset({Role.MANAGER, Role.OWNER}),
    Task.RESPOND: frozenset({Role.REVIEWER, Role.DIRECTOR, Role.MANAGER, Role.OWNER, Role.ADMINISTRATOR}),
    Task.IMPORT: frozenset({Role.DIRECTOR, Role.OWNER, Role.ADMINISTRATOR, Role.INTEGRATOR}),
    Task.EXPORT: frozenset({Role.DIRECTOR, Role.MANAGER, Role.OWNER, Role.AUDITOR, Role.INTEGRATOR}),
    Task.GOVERN: frozenset({Role.OWNER, Role.ADMINISTRATOR}),
    Task.DELIVER: frozenset({Role.OWNER, Role.ADMINISTRATOR}),
    Task.GRANT: frozenset({Role.ADMINISTRATOR}),
    Task.AUDIT: frozenset({Role.AUDITOR, Role.OWNER, Role.ADMINISTRATOR}),
}

#: Tasks that reach over a whole workflow, so that a grant inside a segment does not allow them.
WHOLE = frozenset({Task.ANSWER, Task.IMPORT, Task.GOVERN, Task.DELIVER, Task.GRANT, Task.LOCK})

#: How far up the escalation ladder a role may take items; 0 is the ordinary queue.
REVIEW_LEVEL: dict[Role, int] = {Role.REVIEWER: 0, Role.DIRECTOR: 1, Role.OWNER: 2}


@dataclass(frozen=True, slots=True)
class Grant:
    """One role inside one scope."""

    role: Role
    workflow_id: int | None = None  #: None: every workflow
    segment_path: str | None = None  #: materialised path of a segment; None: all of the workflow

    def covers(self, workflow_id: int, path: str) -> bool:
        """Whether a segment with this path lies in the scope."""
        return self.workflow_id in (None, workflow_id) and path.startswith(self.segment_path or "")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, with the grants that stood in the database a moment ago."""

    person_id: int
    name: str
    grants: tuple[Grant, ...]

    def may(self, task: Task, workflow_id: int | None = None) -> bool:
        """Whether some grant allows ``task``, in ``workflow_id`` where one is named."""
        return bool(self.grants_for(task, workflow_id))

    def grants_for(self, task: Task, workflow_id: int | None = None) -> tuple[Grant, ...]:
        """The grants that allow ``task``; storage turns them into the rows a person may see."""
        return tuple(
            grant
            for grant in self.grants
            if grant.role in ALLOWED[task]
            and (workflow_id is None or grant.workflow_id in (None, workflow_id))
            and not (task in WHOLE and grant.segment_path)
        )

    def may_whole(self, task: Task, workflow_id: int) -> bool:
        """Whether some grant allows ``task`` in all of the workflow, and not in a part of its tree alone."""
        return any(not grant.segment_path for grant in self.grants_for(task, workflow_id))

    def may_at(self, task: Task, workflow_id: int, path: str, *, level: int = 0) -> bool:
        """Whether some grant allows ``task`` at this segment, and reaches up to this step of the ladder."""
        return any(
            grant.covers(workflow_id, path) and level <= REVIEW_LEVEL.get(grant.role, 0)
            for grant in self.grants_for(task, workflow_id)
        )

    def require(self, task: Task, workflow_id: int | None = None) -> None:
        """Raise ``NotAllowed`` unless ``may``."""
        if not self.may(task, workflow_id):
            raise NotAllowed(self.name, task.value)

    def require_everywhere(self, task: Task) -> None:
        """Raise ``NotAllowed`` unless some grant allows ``task`` in every workflow."""
        if not any(grant.workflow_id is None for grant in self.grants_for(task)):
            raise NotAllowed(self.name, f"{task.value} for every workflow")

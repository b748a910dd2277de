"""Who owned a workflow, and who stood in: each change, with the note of whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from review_queue.workflows import Policy
from storage.engine import database_time
from storage.tables import handovers, people


@dataclass(frozen=True, slots=True)
class Handover:
    """One change of owner or deputy. All but the version and the time is untrusted text."""

    policy_version: int  #: from which on
    owner_before: str | None
    owner: str | None
    deputy_before: str | None
    deputy: str | None
    note: str  #: empty where the policy's text changed it
    by: str
    at: datetime  #: UTC


def add(
    session: Session,
    workflow_id: int,
    before: Policy | None,
    after: Policy,
    *,
    policy_version: int,
    note: str,
    person_id: int,
) -> int | None:
    """Keep that owner or deputy changed. Returns its id; None where neither did."""
    was = (None, None) if before is None else (before.owner, before.deputy)
    if was == (after.owner, after.deputy):
        return None
    row = {"owner_before": was[0], "owner": after.owner, "deputy_before": was[1], "deputy": after.deputy}
    handover_id: int = session.execute(
        insert(handovers)
        .values(
            workflow_id=workflow_id,
            policy_version=policy_version,
            **row,
            note=note,
            handed_by=person_id,
            handed_at=database_time(),
        )
        .returning(handovers.c.id)
    ).scalar_one()
    return handover_id


def history(session: Session, workflow_id: int, *, limit: int = 100) -> list[Handover]:
    """Every change, the newest first."""
    rows = session.execute(
        select(handovers, people.c.name)
        .join(people, people.c.id == handovers.c.handed_by)
        .where(handovers.c.workflow_id == workflow_id)
        .order_by(handovers.c.id.desc())
        .limit(limit)
    )
    return [
        Handover(
            row.policy_version,
            row.owner_before,
            row.owner,
            row.deputy_before,
            row.deputy,
            row.note,
            row.name,
            row.handed_at,
        )
        for row in rows
    ]

"""What tests start from: a workflow, people, items that came in through the real import."""

from __future__ import annotations

from dataclasses import replace

from review_queue.items import Choice, Outcome, Reason
from review_queue.roles import Role
from review_queue.workflows import policy_of
from storage import people, workflows
from storage.engine import Database
from storage.workflows import Workflow
from tests import remembered
from workbench.actions import importing, reviewing
from workbench.actions.importing import ImportSummary
from workbench.actions.reviewing import Desk
from workbench.foreign.reading import read_here

BECAUSE = Reason("CUST_RISK", text="They lost their budget.")


def a_person(database: Database, name: str, *roles: Role, segment_path: str | None = None) -> int:
    """A person with these roles on every workflow."""
    with database.writing() as session:
        person_id = people.add(session, issuer="test", subject=name, name=name)
        for role in roles:
            people.grant(session, person_id, role, segment_path=segment_path)
    return person_id


def a_workflow(database: Database, **policy: object) -> Workflow:
    """A workflow that is open for review, unless ``policy`` says otherwise."""
    fields = {"key": "sales", "title": "Sales", "unit": "EUR k", "owner": "o@example.com", "materiality": 10.0}
    with database.writing() as session:
        author = people.find(session, "test", "owner") or people.add(
            session, issuer="test", subject="owner", name="Olga"
        )
        people.grant(session, author, Role.OWNER)
        return workflows.add(session, policy_of({**fields, **policy}), author_id=author)


def bring_in(database: Database, workflow: Workflow, rows: str, *, kind: str = "forecasts") -> ImportSummary:
    """Import CSV text as the workflow's owner; it is our own, so that no other process need read it."""
    with database.reading() as session:
        owner = people.find(session, "test", "owner")
    name, content = f"{kind}.csv", rows.encode()

    def import_it() -> ImportSummary:
        return importing.import_sheet(
            database,
            person_id=owner,
            workflow_key=workflow.key,
            kind=kind,
            name=name,
            content=content,
            sheet=read_here(name, content),
        )

    return remembered.once(database, (workflow.id, kind, rows), import_it)


def forecasts(count: int, *, ai: float = 1000.0, step: float = 100.0) -> str:
    """CSV of ``count`` items; the manual forecasts move further from the AI's item by item."""
    rows = [
        f"acme-{number},2026-12,{ai},{ai * 0.9},{ai * 1.1},{ai + step * number},m-1" for number in range(1, count + 1)
    ]
    return "\n".join(["series,period,ai_forecast,ai_low,ai_high,human_forecast,model_version", *rows]) + "\n"


def choose(desk: Desk, outcome: Outcome, *, key: str = "key-1", **changes: object) -> Choice:
    """The choice that the form on this desk would send."""
    choice = Choice(
        item_id=desk.item.id,
        outcome=outcome,
        fence=desk.item.fence,
        round=desk.item.round,
        content_hash=desk.item.content_hash,
        idempotency_key=key,
        opened_at=desk.opened_at,
    )
    return replace(choice, **changes)


def take(database: Database, person_id: int, workflow: Workflow) -> Desk:
    """The next item, which must be there."""
    desk = reviewing.take_next(database, person_id=person_id, workflow=workflow)
    assert desk is not None
    return desk

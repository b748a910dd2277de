"""Every action × every role × every scope: who gets through, by a table of its own, on both databases.

Actions are found by looking, so that one without a row in the table fails. An attempt that is refused changes no table
but the audit log, where it is on record as ``access.refused``: unless absent and forbidden are one answer. An attempt
that gets through is rolled back.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from review_queue.addresses import Reach as Webhooks
from review_queue.columns import Kind
from review_queue.errors import IncidentRefused, ItemNotFound, NotAllowed, ReceiverRefused, ReviewError
from review_queue.exporting import ExportKind
from review_queue.incidents import Severity
from review_queue.items import Choice, Outcome, SkipReason
from review_queue.reconciling import Take
from review_queue.reminders import Preferences
from review_queue.roles import Role
from review_queue.showing import AiValues
from storage import incidents, one_item, people, receivers, tokens, workflows
from storage.audit_search import Sought
from storage.engine import Database
from storage.tables import alerts, api_tokens, grants, items, metadata, segments, set_aside_rows
from storage.workflows import Workflow
from tests.builders import a_person, a_workflow, bring_in
from tests.conftest import in_memory, scratch_database
from workbench import actions, known_reviews
from workbench.actions import (
    alerting,
    assigning,
    auditing,
    checking,
    confirming,
    correcting,
    delivering,
    depending,
    drilling,
    escalating,
    exporting,
    feeding,
    forewarning,
    governing,
    granting,
    importing,
    issuing,
    looking,
    notifying,
    noting,
    path_testing,
    pausing,
    pulling,
    readying,
    receiving,
    reconciling,
    reminding,
    resolving,
    responding,
    reviewing,
    saving_views,
    sourcing,
    telling,
)
from workbench.actions.receiving import WorkflowNotFound
from workbench.actions.reconciling import Edit
from workbench.actions.telling import DecisionsWanted, ItemsWanted, NothingThere
from workbench.checkpoints import Folder, Witness

VICTORIA, QUEENSLAND = "Victoria\x1f", "Queensland\x1f"
ROWS = """series,period,ai_forecast,human_forecast,segment_state
acme,2026-12,1000,1500,Victoria
bolt,2026-12,1000,1500,Queensland
core,2026-12,,,Victoria
"""
LETTERS = {
    "R": Role.REVIEWER,
    "D": Role.DIRECTOR,
    "M": Role.MANAGER,
    "O": Role.OWNER,
    "A": Role.AUDITOR,
    "X": Role.ADMINISTRATOR,
    "I": Role.INTEGRATOR,
}
#: Where somebody's role may stand, seen from an item in Victoria.
STANDS = ("everywhere", "workflow", "segment", "other segment", "other workflow")
#: How far a role has to reach for an action → where it may stand.
REACH = {
    "everywhere": {"everywhere"},
    "whole": {"everywhere", "workflow"},
    "place": {"everywhere", "workflow", "segment"},
    "workflow": {"everywhere", "workflow", "segment", "other segment"},
    "whole somewhere": {"everywhere", "workflow", "other workflow"},
    "anywhere": set(STANDS),
}
#: What is kept ready of what was decided; whoever asks for figures first has it brought up to date.
DERIVED = "kept_"
DENIALS = (NotAllowed, ItemNotFound, NothingThere, WorkflowNotFound)


@dataclass(frozen=True)
class World:
    """What there is to ask for, all of it in Victoria where it is anywhere."""

    database: Database
    workflow: Workflow
    item: Any
    other_person: int
    ids: dict[str, int]
    people: dict[tuple[str, str], int]  #: (letter, where it stands) → person
    folder: Path
    witness: Witness  #: beside whose checkpoints nothing is lost


Call = Callable[[Database, World, int], object]


@dataclass(frozen=True)
class Row:
    """Who gets through: these roles, reaching that far; ``own``: everybody whose account works."""

    who: str
    reach: str
    call: Call
    denied: tuple[type[Exception], ...] = ()  #: what beside ``DENIALS`` says no here


def row(who: str, reach: str, call: Call, *denied: type[Exception]) -> Row:
    return Row(who, reach, call, denied)


def choice(world: World) -> Choice:
    item = world.item
    return Choice(
        item_id=item.id,
        outcome=Outcome.ACCEPT_AI,
        fence=item.fence,
        round=item.round,
        content_hash=item.content_hash,
        idempotency_key="k" * 32,
        opened_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def edit(world: World) -> Edit:
    return Edit(world.item.id, 1200.0, world.item.content_hash)


def token_of(database: Database, person: int) -> int:
    with database.reading() as session:
        found = select(api_tokens.c.id).join(grants, grants.c.id == api_tokens.c.grant_id)
        return session.execute(found.where(grants.c.person_id == person)).scalar_one_or_none() or 0


def exported_whole(database: Database, world: World, person: int) -> int:
    path = world.folder / "record.jsonl"
    path.unlink(missing_ok=True)
    return auditing.export_whole(database, person_id=person, path=path)


A, B = "ADMOX" + "R", "RDO"  # who sees the queue; who reviews
SOON = datetime(2027, 1, 1, tzinfo=UTC)
NEXT = SOON + timedelta(days=1)
#: Another text of the policy than the one in force.
POLICY = 'key = "sales"\ntitle = "Sales"\nunit = "EUR k"\nsegments = ["state"]\nowner = "o@example.com"\n'
TABLE: dict[Callable[..., Any], Row] = {
    # the queue
    reviewing.take_next: row(B, "workflow", lambda d, w, p: reviewing.take_next(d, person_id=p, workflow=w.workflow)),
    reviewing.open_item: row(
        A, "place", lambda d, w, p: reviewing.open_item(d, person_id=p, workflow=w.workflow, item_id=w.item.id)
    ),
    reviewing.submit_decision: row(
        B, "place", lambda d, w, p: reviewing.submit_decision(d, person_id=p, workflow=w.workflow, choice=choice(w))
    ),
    reviewing.name_number: row(
        B,
        "place",
        lambda d, w, p: reviewing.name_number(
            d, person_id=p, workflow=w.workflow, item_id=w.item.id, fence=0, value=1.0, knew_more=True
        ),
    ),
    reviewing.undo: row(
        "",
        "place",
        lambda d, w, p: reviewing.undo(d, person_id=p, workflow=w.workflow, decision_id=w.ids["decision"], key="u"),
        ReviewError,
    ),
    reviewing.undoable: row("own", "", lambda d, w, p: reviewing.undoable(d, person_id=p, workflow=w.workflow)),
    reviewing.skip_item: row(
        A,
        "place",
        lambda d, w, p: reviewing.skip_item(
            d, person_id=p, item_id=w.item.id, fence=0, reason=SkipReason.OTHER, note="x"
        ),
    ),
    reviewing.renew_claim: row(
        "own",
        "workflow",
        lambda d, w, p: reviewing.renew_claim(d, person_id=p, workflow=w.workflow, item_id=w.item.id, fence=0),
    ),
    reviewing.save_draft: row(B, "place", lambda d, w, p: reviewing.save_draft(d, person_id=p, item=w.item, body={})),
    reviewing.open_evidence: row(
        A, "place", lambda d, w, p: reviewing.open_evidence(d, person_id=p, item=w.item, panel="history")
    ),
    reviewing.comment: row(B, "place", lambda d, w, p: reviewing.comment(d, person_id=p, item_id=w.item.id, body="x")),
    reviewing.read_comments: row(
        A, "place", lambda d, w, p: reviewing.read_comments(d, person_id=p, item_id=w.item.id)
    ),
    reviewing.mentionable: row(A, "place", lambda d, w, p: reviewing.mentionable(d, person_id=p, item_id=w.item.id)),
    checking.answer_check: row(
        B, "place", lambda d, w, p: checking.answer_check(d, person_id=p, workflow=w.workflow, choice=choice(w))
    ),
    resolving.resolve: row(
        "own", "", lambda d, w, p: resolving.resolve(d, person_id=p, item_id=w.item.id, key="never sent")
    ),
    # giving items, and who is away
    assigning.candidates: row(
        "DMO", "workflow", lambda d, w, p: assigning.candidates(d, person_id=p, workflow=w.workflow)
    ),
    assigning.assign_items: row(
        "DMO",
        "place",
        lambda d, w, p: assigning.assign_items(d, person_id=p, workflow=w.workflow, item_ids=[w.item.id], to=None),
    ),
    assigning.reopen_item: row(
        "DO",
        "place",
        lambda d, w, p: assigning.reopen_item(d, person_id=p, workflow=w.workflow, item_id=w.item.id, note="x"),
    ),
    assigning.note_absence: row(
        "DMO",
        "anywhere",
        lambda d, w, p: assigning.note_absence(d, person_id=p, whose=w.other_person, from_at=SOON, until_at=NEXT),
    ),
    assigning.end_absence: row(
        "DMO", "anywhere", lambda d, w, p: assigning.end_absence(d, person_id=p, absence_id=w.ids["absence"])
    ),
    assigning.list_absences: row("own", "", lambda d, w, p: assigning.list_absences(d, person_id=p)),
    assigning.deputies: row("own", "", lambda d, w, p: assigning.deputies(d, person_id=p)),
    # many at once
    confirming.draw_batch: row(
        "DO", "workflow", lambda d, w, p: confirming.draw_batch(d, person_id=p, workflow=w.workflow)
    ),
    confirming.open_batch: row(
        "DO", "workflow", lambda d, w, p: confirming.open_batch(d, person_id=p, workflow=w.workflow)
    ),
    confirming.look_at: row(
        "", "place", lambda d, w, p: confirming.look_at(d, person_id=p, batch_id=1, item_id=w.item.id), ReviewError
    ),
    confirming.confirm_batch: row(
        "DO",
        "workflow",
        lambda d, w, p: confirming.confirm_batch(d, person_id=p, workflow=w.workflow, batch_id=1, note="x"),
    ),
    # a period
    reconciling.periods: row(A, "workflow", lambda d, w, p: reconciling.periods(d, person_id=p, workflow=w.workflow)),
    reconciling.look: row(
        A, "workflow", lambda d, w, p: reconciling.look(d, person_id=p, workflow=w.workflow, period="2026-12")
    ),
    reconciling.set_finals: row(
        "DO",
        "place",
        lambda d, w, p: reconciling.set_finals(
            d, person_id=p, workflow=w.workflow, edits=[edit(w)], reason=None, key="k" * 32
        ),
    ),
    reconciling.set_manuals: row(
        "DO",
        "place",
        lambda d, w, p: reconciling.set_manuals(d, person_id=p, workflow=w.workflow, edits=[edit(w)], note="x"),
    ),
    reconciling.submit_period: row(
        "DO",
        "place",
        lambda d, w, p: reconciling.submit_period(
            d, person_id=p, workflow=w.workflow, period="2026-12", segment_path=VICTORIA, note="x"
        ),
    ),
    reconciling.withdraw_submission: row(
        "DO",
        "workflow",
        lambda d, w, p: reconciling.withdraw_submission(
            d, person_id=p, workflow=w.workflow, period="2026-12", submission_id=w.ids["submission"], note="x"
        ),
    ),
    reconciling.lock_period: row(
        "DO",
        "whole",
        lambda d, w, p: reconciling.lock_period(
            d, person_id=p, workflow=w.workflow, period="2026-12", take=Take.AI, open_items=0
        ),
    ),
    # data in
    importing.import_file: row(
        "DOXI",
        "whole",
        lambda d, w, p: importing.import_file(
            d, person_id=p, workflow_key="sales", kind="forecasts", name="a.pdf", content=b""
        ),
    ),
    importing.import_sheet: row(
        "DOXI",
        "whole",
        lambda d, w, p: importing.import_sheet(
            d, person_id=p, workflow_key="sales", kind="forecasts", name="a.csv", content=b"x", sheet=a_sheet()
        ),
    ),
    importing.import_values: row(
        "DOXI",
        "whole",
        lambda d, w, p: importing.import_values(
            d, person_id=p, workflow_key="sales", kind=Kind.FORECASTS, name="a", sheet=a_sheet(), identity="x"
        ),
    ),
    importing.guess_mapping: row(
        "DOXI",
        "whole",
        lambda d, w, p: importing.guess_mapping(
            d, person_id=p, workflow_key="sales", kind="forecasts", name="a.pdf", content=b""
        ),
    ),
    importing.retry_rows: row(
        "DOXI",
        "whole",
        lambda d, w, p: importing.retry_rows(d, person_id=p, fixes={w.ids["set aside"]: {"ai_forecast": "7"}}),
    ),
    importing.dismiss_rows: row(
        "DOXI", "whole", lambda d, w, p: importing.dismiss_rows(d, person_id=p, row_ids=[w.ids["set aside"]])
    ),
    importing.list_imports: row(
        A + "I", "seen", lambda d, w, p: importing.list_imports(d, person_id=p, workflow_key="sales")
    ),
    importing.list_set_aside: row(
        A + "I", "whole", lambda d, w, p: importing.list_set_aside(d, person_id=p, workflow_key="sales")
    ),
    importing.count_set_aside: row(
        A + "I", "whole", lambda d, w, p: importing.count_set_aside(d, person_id=p, workflow_key="sales")
    ),
    correcting.take_out: row(
        "DOXI",
        "whole",
        lambda d, w, p: correcting.take_out(d, person_id=p, workflow_key="sales", kind=Kind.FORECASTS),
    ),
    pulling.list_pulls: row(A + "I", "seen", lambda d, w, p: pulling.list_pulls(d, person_id=p, workflow_key="sales")),
    sourcing.leave_out: row(
        B, "place", lambda d, w, p: sourcing.leave_out(d, person_id=p, item_id=w.item.id, source="crm", reason="x")
    ),
    sourcing.count_again: row(
        B, "place", lambda d, w, p: sourcing.count_again(d, person_id=p, item_id=w.item.id, source="crm")
    ),
    # data out
    exporting.export: row(
        "DMOAI",
        "workflow",
        lambda d, w, p: exporting.export(
            d,
            person_id=p,
            workflow_key="sales",
            path=w.folder / "out.csv",
            wanted=exporting.Wanted(ExportKind.DECISIONS),
        ),
    ),
    exporting.list_files: row(
        "DMOAI", "workflow", lambda d, w, p: exporting.list_files(d, person_id=p, workflow_key="sales")
    ),
    delivering.register: row(
        "OX",
        "whole",
        lambda d, w, p: delivering.register(
            d, person_id=p, workflow_key="sales", url="https://example.com/new", reach=Webhooks()
        ),
    ),
    delivering.watch: row("OX", "whole", lambda d, w, p: delivering.watch(d, person_id=p, workflow_key="sales")),
    delivering.list_deliveries: row(
        "OX", "whole", lambda d, w, p: delivering.list_deliveries(d, person_id=p, workflow_key="sales")
    ),
    # watching
    alerting.list_alerts: row(A, "workflow", lambda d, w, p: alerting.list_alerts(d, person_id=p, workflow=w.workflow)),
    alerting.acknowledge: row(
        "MO", "whole", lambda d, w, p: alerting.acknowledge(d, person_id=p, alert_id=w.ids["alert"])
    ),
    alerting.explain: row(
        "MO", "whole", lambda d, w, p: alerting.explain(d, person_id=p, alert_id=w.ids["alert"], explanation="x")
    ),
    alerting.close: row("MO", "whole", lambda d, w, p: alerting.close(d, person_id=p, alert_id=w.ids["alert"])),
    feeding.notice: row(A, "workflow", lambda d, w, p: feeding.notice(d, person_id=p, workflow=w.workflow)),
    forewarning.comment_on_own: row(
        A,
        "workflow",
        lambda d, w, p: forewarning.comment_on_own(d, person_id=p, workflow_id=w.workflow.id, body="x"),
    ),
    looking.compare: row(A, "workflow", lambda d, w, p: compared(d, p)),
    looking.look_closer: row(
        "DMO",
        "workflow",
        lambda d, w, p: looking.look_closer(d, person_id=p, workflow=w.workflow, reviewer="Rita"),
    ),
    noting.note_happening: row(
        "DMOX",
        "mixed",
        lambda d, w, p: noting.note_happening(
            d, person_id=p, workflow_id=w.workflow.id, day=date(2026, 1, 1), what="x"
        ),
    ),
    noting.list_happenings: row(
        A, "workflow", lambda d, w, p: noting.list_happenings(d, person_id=p, workflow_id=w.workflow.id)
    ),
    noting.answer_pulse: row(
        B, "workflow", lambda d, w, p: noting.answer_pulse(d, person_id=p, workflow=w.workflow, answer=3)
    ),
    noting.is_pulse_due: row("own", "", lambda d, w, p: noting.is_pulse_due(d, person_id=p, workflow=w.workflow)),
    noting.pulse_counts: row(A, "workflow", lambda d, w, p: noting.pulse_counts(d, person_id=p, workflow=w.workflow)),
    noting.reviewers: row(A, "workflow", lambda d, w, p: noting.reviewers(d, person_id=p, workflow_id=w.workflow.id)),
    # governing
    governing.add_workflow: row(
        "OX",
        "whole",
        lambda d, w, p: governing.add_workflow(d, person_id=p, toml_text=POLICY),
    ),
    governing.list_workflows: row("own", "", lambda d, w, p: governing.list_workflows(d, person_id=p)),
    governing.show_workflow: row(
        A + "I", "workflow", lambda d, w, p: governing.show_workflow(d, person_id=p, key="sales")
    ),
    governing.registry: row("own", "", lambda d, w, p: governing.registry(d, person_id=p)),
    governing.policy_versions: row(
        A + "I", "workflow", lambda d, w, p: governing.policy_versions(d, person_id=p, key="sales")
    ),
    governing.handover_history: row(
        A + "I", "workflow", lambda d, w, p: governing.handover_history(d, person_id=p, key="sales")
    ),
    governing.preview_policy: row(
        "OX",
        "whole",
        lambda d, w, p: governing.preview_policy(d, person_id=p, workflow_key="sales", toml_text=POLICY),
    ),
    governing.change_policy: row(
        "OX",
        "whole",
        lambda d, w, p: governing.change_policy(
            d, person_id=p, workflow_key="sales", toml_text=POLICY, policy_version=w.workflow.policy_version
        ),
    ),
    governing.hand_over: row(
        "OX",
        "whole",
        lambda d, w, p: governing.hand_over(
            d, person_id=p, workflow_key="sales", owner="new@example.com", deputy=None, note="x"
        ),
    ),
    readying.check_workflow: row(
        A + "I", "workflow", lambda d, w, p: readying.check_workflow(d, person_id=p, key="sales")
    ),
    readying.open_for_review: row("OX", "whole", lambda d, w, p: readying.open_for_review(d, person_id=p, key="sales")),
    pausing.preview_showing: row(
        "OX",
        "whole",
        lambda d, w, p: pausing.preview_showing(d, person_id=p, workflow_key="sales", values=AiValues.PAUSED),
    ),
    pausing.choose_showing: row(
        "OX",
        "whole",
        lambda d, w, p: pausing.choose_showing(d, person_id=p, workflow_key="sales", values=AiValues.PAUSED, note="x"),
    ),
    pausing.showing_history: row(
        A, "workflow", lambda d, w, p: pausing.showing_history(d, person_id=p, workflow=w.workflow)
    ),
    depending.what_depends: row(
        A, "workflow", lambda d, w, p: depending.what_depends(d, person_id=p, workflow=w.workflow)
    ),
    depending.outside_scope: row(
        A, "workflow", lambda d, w, p: depending.outside_scope(d, person_id=p, workflow=w.workflow)
    ),
    # the ladder, incidents and the override path; an auditor reads them and changes nothing
    escalating.rehearse: row("DMOX", "mixed", lambda d, w, p: escalating.rehearse(d, person_id=p, workflow=w.workflow)),
    escalating.last_acts: row(
        "DMOX", "mixed", lambda d, w, p: escalating.last_acts(d, person_id=p, workflow=w.workflow)
    ),
    path_testing.try_path: row(
        "RDMOX", "workflow", lambda d, w, p: path_testing.try_path(d, person_id=p, workflow=w.workflow)
    ),
    path_testing.path_tests_of: row(
        A, "workflow", lambda d, w, p: path_testing.path_tests_of(d, person_id=p, workflow=w.workflow)
    ),
    responding.list_incidents: row(
        A, "workflow", lambda d, w, p: responding.list_incidents(d, person_id=p, workflow=w.workflow)
    ),
    responding.whole_incident: row(
        A,
        "workflow",
        lambda d, w, p: responding.whole_incident(d, person_id=p, incident_id=w.ids["incident"]),
        IncidentRefused,
    ),
    responding.open_incident: row(
        "RDMOX",
        "workflow",
        lambda d, w, p: responding.open_incident(
            d, person_id=p, workflow=w.workflow, title="x", severity=Severity.MINOR
        ),
    ),
    responding.comment: row(
        "RDMOX",
        "workflow",
        lambda d, w, p: responding.comment(d, person_id=p, incident_id=w.ids["incident"], body="x"),
        IncidentRefused,
    ),
    responding.hand_over: row(
        "MO",
        "whole",
        lambda d, w, p: responding.hand_over(
            d, person_id=p, incident_id=w.ids["incident"], owner_id=w.other_person, severity=Severity.MAJOR
        ),
        IncidentRefused,
    ),
    responding.close: row(
        "MO",
        "whole",
        lambda d, w, p: responding.close(d, person_id=p, incident_id=w.ids["incident"], closing_note="x"),
        IncidentRefused,
    ),
    responding.reopen: row(
        "MO",
        "whole",
        lambda d, w, p: responding.reopen(d, person_id=p, incident_id=w.ids["ended"], why="x"),
        IncidentRefused,
    ),
    responding.owners_to_be: row(
        "RDMOX", "workflow", lambda d, w, p: responding.owners_to_be(d, person_id=p, workflow_id=w.workflow.id)
    ),
    # the record
    auditing.search: row(
        "OAX", "workflow", lambda d, w, p: auditing.search(d, person_id=p, workflow_key="sales", sought=Sought())
    ),
    auditing.last_event: row(
        "OAX", "anywhere", lambda d, w, p: auditing.last_event(d, person_id=p, action=drilling.DRILLED)
    ),
    auditing.verify_as: row("OAX", "anywhere", lambda d, w, p: auditing.verify_as(d, person_id=p, witness=None)),
    auditing.export_whole: row("OAX", "everywhere", exported_whole),
    auditing.accept_loss: row(
        "X",
        "everywhere",
        lambda d, w, p: auditing.accept_loss(d, person_id=p, witness=w.witness, reason="x"),
    ),
    drilling.drill: row(
        "X", "everywhere", lambda d, w, p: drilling.drill(d, person_id=p, witness=None, folder=w.folder)
    ),
    # people
    granting.list_requests: row("X", "whole somewhere", lambda d, w, p: granting.list_requests(d, person_id=p)),
    granting.answer_request: row(
        "X",
        "whole",
        lambda d, w, p: granting.answer_request(d, person_id=p, request_id=w.ids["request"], give=True),
    ),
    granting.erasing_would: row(
        "X", "everywhere", lambda d, w, p: granting.erasing_would(d, person_id=p, whom=w.other_person)
    ),
    granting.erase_person: row(
        "X", "everywhere", lambda d, w, p: granting.erase_person(d, person_id=p, whom=w.other_person, reason="x")
    ),
    granting.list_people: row("X", "whole somewhere", lambda d, w, p: granting.list_people(d, person_id=p)),
    granting.grant_role: row(
        "X",
        "whole",
        lambda d, w, p: granting.grant_role(d, person_id=p, to=w.other_person, role=Role.AUDITOR, workflow="sales"),
    ),
    granting.revoke_role: row(
        "X",
        "everywhere",
        lambda d, w, p: granting.revoke_role(d, person_id=p, to=w.other_person, role=Role.REVIEWER),
    ),
    granting.set_disabled: row(
        "X", "everywhere", lambda d, w, p: granting.set_disabled(d, person_id=p, whom=w.other_person, disabled=True)
    ),
    granting.sign_out_everywhere: row(
        "X", "everywhere", lambda d, w, p: granting.sign_out_everywhere(d, person_id=p, whom=w.other_person)
    ),
    issuing.create_token: row(
        "X",
        "everywhere",
        lambda d, w, p: issuing.create_token(d, person_id=p, name="t", role=Role.REVIEWER, holder=w.other_person),
    ),
    issuing.revoke_token: row(
        "X",
        "everywhere",
        lambda d, w, p: issuing.revoke_token(d, person_id=p, token_id=w.ids["token"]),
        issuing.TokenNotFound,
    ),
    issuing.list_tokens: row(
        "X", "whole somewhere", lambda d, w, p: issuing.list_tokens(d, person_id=p, everybody=True)
    ),
    issuing.grants_for_tokens: row("own", "", lambda d, w, p: issuing.grants_for_tokens(d, person_id=p)),
    # one's own
    notifying.unseen: row("own", "", lambda d, w, p: notifying.unseen(d, who=who_is(d, p))),
    notifying.mark_seen: row("own", "", lambda d, w, p: notifying.mark_seen(d, person_id=p)),
    reminding.my_reminders: row("own", "", lambda d, w, p: reminding.my_reminders(d, person_id=p)),
    reminding.save_preferences: row(
        "own", "", lambda d, w, p: reminding.save_preferences(d, person_id=p, wanted=Preferences())
    ),
    saving_views.list_views: row(
        A, "workflow", lambda d, w, p: saving_views.list_views(d, person_id=p, workflow_id=w.workflow.id, page="queue")
    ),
    saving_views.save_view: row(
        A,
        "workflow",
        lambda d, w, p: saving_views.save_view(
            d,
            person_id=p,
            workflow_id=w.workflow.id,
            page="queue",
            name="mine",
            link={"lane": ["due"]},
            is_shared=False,
        ),
    ),
    # programs: a token of the grant, which reads
    telling.list_workflows: row(
        "RDMOAXI", "anywhere", lambda d, w, p: telling.list_workflows(d, token_id=token_of(d, p), after=0, limit=9)
    ),
    telling.list_items: row(
        "DMOAI",
        "workflow",
        lambda d, w, p: telling.list_items(
            d, token_id=token_of(d, p), workflow_key="sales", wanted=ItemsWanted(), after=0, limit=9
        ),
    ),
    telling.read_item: row(
        "DMOAI", "place", lambda d, w, p: telling.read_item(d, token_id=token_of(d, p), item_id=w.item.id)
    ),
    telling.list_decisions: row(
        "DMOAI",
        "workflow",
        lambda d, w, p: telling.list_decisions(
            d, token_id=token_of(d, p), workflow_key="sales", wanted=DecisionsWanted(), after=0, limit=9
        ),
    ),
    telling.read_decision: row(
        "", "place", lambda d, w, p: telling.read_decision(d, token_id=token_of(d, p), decision_id=404)
    ),
    telling.list_set_aside: row(
        "DOXI",
        "whole",
        lambda d, w, p: telling.list_set_aside(d, token_id=token_of(d, p), workflow_key="sales", after=0, limit=9),
    ),
    receiving.receive_rows: row(
        "DOXI",
        "whole",
        lambda d, w, p: receiving.receive_rows(
            d,
            token_id=token_of(d, p),
            workflow_key="sales",
            kind=Kind.FORECASTS,
            rows=[{"series": "a", "period": "2026-12", "ai_forecast": "1"}],
            key="k",
            told=lambda summary: "{}",
            dry_run=True,
        ),
    ),
}
for act in (delivering.approve, delivering.rotate, delivering.pause, delivering.resume, delivering.remove):
    TABLE[act] = row(
        "OX",
        "whole",
        lambda d, w, p, act=act: act(d, person_id=p, receiver_id=w.ids["receiver"]),
        ReceiverRefused,
    )
TABLE[delivering.replay_all] = row(
    "OX",
    "whole",
    lambda d, w, p: delivering.replay_all(d, person_id=p, receiver_id=w.ids["receiver"]),
    ReceiverRefused,
)
#: Their object is somebody's own, or made of files: refused here for want of one, and tried where one is made.
ELSEWHERE = {
    correcting.bring_back: "tests/workbench/test_correcting.py",
    delivering.replay: "tests/workbench/test_delivering.py",
    delivering.skip: "tests/workbench/test_delivering.py",
    pulling.pull_now: "tests/workbench/test_pulling.py",
    saving_views.delete_view: "tests/workbench/test_saved_views.py",
    sourcing.forget_identifier: "tests/workbench/test_sources_screens.py",
    telling.bearer_of: "tests/workbench/api/test_who.py",
}
#: Whoever calls it has asked the database beforehand who it is for, and that refuses.
ASKED_BEFORE = {notifying.unseen}
#: What refuses in the place of an action that is given what was read: under that name it is on record.
READ_BEFORE = {looking.compare: "read"}
#: They start another process or read a lot. Quick: tried for those alone whom they are not for.
COSTLY = {
    importing.import_file,
    importing.guess_mapping,
    correcting.take_out,
    looking.compare,
    drilling.drill,
}
#: What the server does by itself, and what whoever owns the database does on the command line, with no account's
#: grants (they could read and write every table); no page and no program can ask for it.
OF_THE_SERVER = {
    "alerting.raise_alerts",
    "auditing.verify",
    "auditing.verify_beside",
    "delivering.give_back",
    "delivering.keep_answers",
    "delivering.take_next",
    "escalating.climb",
    "feeding.watch_feeds",
    "forewarning.keep_notices",
    "pulling.pull_due",
    "releasing.free_claims",
    "releasing.release_these",
    "reminding.send_digests",
    "retaining.remove_old",
    "retaining.remove_old_daily",
    "retaining.would_remove",
    "reviewing.keep_order",
    "sourcing.learn",
    "sourcing.learn_of",
}


def public_actions() -> dict[str, Callable[..., Any]]:
    """Every function of ``workbench/actions`` that opens a transaction of its own, by its dotted name."""
    found = {}
    for module in pkgutil.iter_modules(actions.__path__):
        inside = importlib.import_module(f"{actions.__name__}.{module.name}")
        for name, function in vars(inside).items():
            ours = inspect.isfunction(function) and function.__module__ == inside.__name__
            if (
                ours
                and not name.startswith("_")
                and next(iter(inspect.signature(function).parameters), "") == "database"
            ):
                found[f"{module.name}.{name}"] = function
    return found


def a_sheet() -> Any:
    from workbench.foreign.reading import read_here

    return read_here("a.csv", b"series,period,ai_forecast\nzed,2026-12,7\n")


def who_is(database: Database, person: int) -> Any:
    with database.reading() as session:
        return people.principal(session, person)


def compared(database: Database, person: int) -> object:
    known = known_reviews.read(database, person_id=person, workflow_key="sales")
    return looking.compare(database, user=who_is(database, person), known=known)


class Rehearsal(Database):
    """The same database, where nothing that is written stays."""

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with Session(self.engine, autoflush=False) as session:
            session.begin()
            yield session
            session.rollback()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """In memory where the machine has room: a thousand refusals are a thousand commits."""
    with TemporaryDirectory(dir=in_memory()) as folder, scratch_database(request, Path(folder)) as url:
        yield url


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    workflow = a_workflow(database, segments=("state",))
    with database.writing() as session:
        workflows.add(session, workflow.policy.model_copy(update={"key": "other"}), author_id=1)
    bring_in(database, workflow, ROWS)
    other = a_person(database, "other", Role.REVIEWER)
    found: dict[tuple[str, str], int] = {}
    with database.writing() as session:
        here = workflow.id
        elsewhere = workflows.get(session, "other").id
        scopes = {
            "everywhere": (None, None),
            "workflow": (here, None),
            "segment": (here, VICTORIA),
            "other segment": (here, QUEENSLAND),
            "other workflow": (elsewhere, None),
        }
        for letter, role in LETTERS.items():
            for where, (workflow_id, path) in scopes.items():
                person = people.add(session, issuer="test", subject=f"{letter} {where}", name=f"{letter} {where}")
                people.grant(session, person, role, workflow_id=workflow_id, segment_path=path)
                found[letter, where] = person
                (held,) = tokens.held_grants(session, person)
                _token(session, held.id, person)
        found["", "no role"] = people.add(session, issuer="test", subject="none", name="None")
        disabled = people.add(session, issuer="test", subject="disabled", name="Disabled")
        for role in Role:
            people.grant(session, disabled, role)
        people.set_disabled(session, disabled, disabled=True)
        _token(session, tokens.held_grants(session, disabled)[0].id, disabled)
        found["", "disabled"] = disabled
        acme = session.execute(
            select(items.c.id).join(segments, segments.c.id == items.c.segment_id).where(segments.c.path == VICTORIA)
        ).scalar_one()
        (held,) = tokens.held_grants(session, other)
        ids = {"decision": 404, "absence": 0, "submission": 0, "token": _token(session, held.id, other)}
        ids["alert"] = _alert(session, here)
        ids["request"] = people.ask_for_role(session, other, Role.ADMINISTRATOR, workflow_id=here, asked_by=disabled)
        ids["receiver"] = receivers.add(session, here, "https://example.com/hook", person_id=other)
    ids["set aside"] = _set_aside(database)
    ids["absence"] = assigning.note_absence(database, person_id=other, whose=other, from_at=SOON, until_at=NEXT)
    ids |= _incidents(database, workflow, other)
    director = found["D", "everywhere"]
    with database.reading() as session:
        item = one_item.get(session, acme, people.principal(session, director))
    witness = Witness(Folder(tmp_path), Ed25519PrivateKey.generate())
    return World(database, workflow, item, other, ids, found, tmp_path, witness)


def _token(session: Session, grant_id: int, person: int) -> int:
    return tokens.add(
        session,
        f"secret of {person}",
        name="t",
        grant_id=grant_id,
        workflow_id=None,
        may_write=True,
        days=9,
        created_by=person,
    )


def _alert(session: Session, workflow_id: int) -> int:
    facts = {"sentence": "x", "value": 1.0, "limit": 0.0}
    raised = {"workflow_id": workflow_id, "measure": "override_rate", "details": facts, "raised_at": SOON}
    return session.execute(insert(alerts).values(**raised).returning(alerts.c.id)).scalar_one()


def _incidents(database: Database, workflow: Workflow, person: int) -> dict[str, int]:
    """One that is open, which nobody owns, and one that is closed."""
    asked = {"title": "x", "severity": Severity.MINOR, "by": None}
    with database.writing() as session:
        made = {name: responding.start(session, workflow, **asked) for name in ("incident", "ended")}
        incidents.change(session, made["incident"], owner_id=None, severity=Severity.MINOR)
        incidents.close(session, made["ended"], by=person, closing_note="x")
        incidents.change(session, made["ended"], owner_id=None, severity=Severity.MINOR)
    return made


def _set_aside(database: Database) -> int:
    with database.reading() as session:
        return session.execute(select(set_aside_rows.c.id)).scalar_one()


def test_every_action_has_a_row() -> None:
    known = {f"{each.__module__.rsplit('.', 1)[1]}.{each.__name__}" for each in (*TABLE, *ELSEWHERE)}

    assert set(public_actions()) - OF_THE_SERVER - known == set(), "give each a row in TABLE"
    assert known | OF_THE_SERVER <= set(public_actions()), "rows of what is gone"
    for name in OF_THE_SERVER:
        assert "person_id" not in inspect.signature(public_actions()[name]).parameters, name


@pytest.mark.parametrize("is_whole", [False, pytest.param(True, marks=pytest.mark.long)])
def test_who_gets_through(world: World, is_whole: bool) -> None:
    """Quick: every role of every action in one place, in turn. Whole (``make long``): in every place."""
    before = everything(world.database)
    rehearsal = Rehearsal(world.database.engine)

    wrong, noted = [], []
    for turn, (act, rule) in enumerate(TABLE.items()):
        for (letter, where), person in world.people.items():
            expected = expects(rule, letter, where)
            if not is_whole and not _is_in_turn(turn, letter, where, is_costly=expected and act in COSTLY):
                continue
            name = f"{act.__module__.rsplit('.', 1)[1]}.{act.__name__}: {letter} {where}"
            try:
                refusal = refusal_of(world, rehearsal, rule, person, expected=expected)
            except Exception as fault:  # all of them are told at once
                wrong.append(f"{name} raised {fault!r}")
                continue
            if (refusal is None) != expected:
                wrong.append(f"{name} is {'not ' if expected else ''}let through")
            elif isinstance(refusal, NotAllowed) and act not in ASKED_BEFORE:
                noted.append(on_record(world, act, person))

    assert wrong == [], "\n".join(wrong)
    after = everything(world.database)
    events = after.pop("audit_events")[len(before.pop("audit_events")) :]
    assert len(after.pop("audit_chain")) - len(before.pop("audit_chain")) == len(events)
    assert after == before, "what was refused left a trace"
    assert {event["action"] for event in events} == {"access.refused"}
    assert [(event["actor_id"], event["details"]) for event in events] == noted


def _is_in_turn(turn: int, letter: str, where: str, *, is_costly: bool) -> bool:
    if is_costly or not letter:
        return not is_costly
    return where == STANDS[(turn + list(LETTERS).index(letter)) % len(STANDS)]


def expects(rule: Row, letter: str, where: str) -> bool:
    if where == "disabled":
        return False
    if rule.who == "own":
        return True
    return letter != "" and letter in rule.who and where in _reach(rule.reach, letter)


def _reach(reach: str, letter: str) -> set[str]:
    if reach == "mixed":  # an administrator may, of the whole workflow; whoever may assign items may, also in a part
        return REACH["whole" if letter == "X" else "workflow"]
    if reach == "seen":  # a program's role to bring data in is of the whole workflow; people see what is in theirs
        return REACH["whole" if letter == "I" else "workflow"]
    return REACH[reach]


def refusal_of(world: World, rehearsal: Database, rule: Row, person: int, *, expected: bool) -> ReviewError | None:
    """How the person is turned away, if at all; what is refused for another reason was let through."""
    try:
        rule.call(rehearsal if expected else world.database, world, person)
    except (*DENIALS, *rule.denied) as refusal:
        return refusal
    except ReviewError:
        return None
    return None


def on_record(world: World, act: Callable[..., Any], person: int) -> tuple[int | None, dict[str, Any]]:
    """Of whom and of what a refusal is to tell; of a token, where one was used or is what it was about."""
    name, given = {"action": READ_BEFORE.get(act, act.__name__)}, inspect.signature(act).parameters
    if "token_id" not in given:
        return person, name
    if "person_id" in given:
        return person, name | {"token_id": world.ids["token"]}
    return None, name | {"token_id": token_of(world.database, person)}


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that is not derived."""
    with database.reading() as session:
        return {
            table.name: [dict(each) for each in session.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in metadata.sorted_tables
            if not table.name.startswith(DERIVED)
        }

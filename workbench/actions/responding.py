"""Responding to incidents: opening, talking, handing over, closing, opening again. Each is a line of the timeline."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from review_queue.errors import IncidentRefused, NotAllowed
from review_queue.incidents import Happened, Severity, TimeToClose, time_to_close
from review_queue.masking import FieldClass
from review_queue.notices import News
from review_queue.roles import Principal, Task
from storage import absences, alerts, audit, incidents, notifications, one_item, people, workflows
from storage.engine import Database, database_now
from storage.incidents import Event, Incident
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen, sight

LONGEST_TITLE = 400  #: characters
LONGEST = 2000  #: characters of a comment or a closing note
MOST_ITEMS = 100  #: items that one incident can touch


@dataclass(frozen=True, slots=True)
class Incidents:
    """The incidents of a workflow, and how long they take."""

    every: tuple[Incident, ...]  #: the open ones first
    to_close: TimeToClose


@dataclass(frozen=True, slots=True)
class Whole:
    """One incident with everything that belongs to it."""

    incident: Incident
    timeline: tuple[Event, ...]  #: the oldest first
    items: tuple[tuple[int, str, str], ...]  #: id, series, period; those that this person may see
    may_end: bool  #: whether this person may change, close and reopen it
    may_write: bool  #: whether this person may comment


@again(in_doubt=False)
def open_incident(
    database: Database,
    *,
    person_id: int,
    workflow: Workflow,
    title: str,
    severity: Severity,
    model_version: str = "",
    item_ids: Collection[int] = (),
    alert_id: int | None = None,
) -> int:
    """Open an incident; its id. The owner of the workflow owns it, and they and their deputy are told.

    Raises:
        IncidentRefused: the title is missing or too long, an item is not there, or the alert has one open already.
        NotAllowed: the person does not respond to incidents there.
    """
    title = " ".join(title.split())
    if not title:
        raise IncidentRefused("Say in a line what is wrong.")
    if len(title) > LONGEST_TITLE:
        raise IncidentRefused(f"The title has {len(title):,} characters, and {LONGEST_TITLE} is the most.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        who.require(Task.RESPOND, workflow.id)
        if alert_id is not None:
            _check_alert(session, workflow, alert_id)
        return start(
            session,
            workflow,
            title=title,
            severity=severity,
            model_version=model_version.strip()[:200] or None,
            item_ids=_seen(session, who, workflow.id, item_ids),
            alert_id=alert_id,
            by=person_id,
        )


def start(
    session: Session,
    workflow: Workflow,
    *,
    title: str,
    severity: Severity,
    by: int | None,
    model_version: str | None = None,
    item_ids: Collection[int] = (),
    alert_id: int | None = None,
) -> int:
    """Open an incident inside a transaction of somebody else; ``by``: None is a rule of the policy."""
    policy = workflow.policy
    owner_id = _owner_of(session, workflow)
    incident_id = incidents.add(
        session,
        workflow.id,
        title=title,
        severity=severity,
        owner_id=owner_id,
        model_version=model_version,
        alert_id=alert_id,
        opened_by=by,
    )
    incidents.touch(session, incident_id, item_ids)
    incidents.note(session, incident_id, Happened.OPENED, by=by, said=title)
    emails = tuple(filter(None, (policy.owner, policy.deputy)))
    owners = people.owners(session, workflow.id, emails=emails)
    _tell(session, workflow, owners, f"{severity.value} incident opened: {title}", by=by)
    _record(session, "incident.opened", by, workflow.id, incident_id, severity=severity, alert=alert_id)
    return incident_id


def note_event(session: Session, workflow_id: int, kind: Happened, *, by: int | None, said: str = "") -> int:
    """Write that something happened into every open incident of a workflow, in the transaction in which it does.

    For whoever pauses the AI, say. How many incidents there are; none is no error.
    """
    found = incidents.open_of(session, workflow_id)
    for incident_id in found:
        incidents.note(session, incident_id, kind, by=by, said=said)
    return len(found)


@notes_refusals
def list_incidents(database: Database, *, person_id: int, workflow: Workflow) -> Incidents:
    """The incidents of a workflow, and the median time in which they were closed."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_QUEUE, workflow.id)
        every = as_seen(session, who, workflow, incidents.of(session, workflow.id))
        return Incidents(tuple(every), time_to_close(incidents.spans(session, workflow.id)))


@notes_refusals
def whole_incident(database: Database, *, person_id: int, incident_id: int) -> Whole:
    """One incident with its timeline and the items that it touches.

    Raises:
        IncidentRefused: there is none, or the person does not see the workflow's queue.
    """
    with database.reading() as session:
        who, incident = _seen_incident(session, person_id, incident_id)
        timeline = tuple(incidents.timeline(session, incident, who))
        touched = tuple(incidents.touched(session, incident_id, who))
        may_write = who.may(Task.RESPOND, incident.workflow_id)
        whole = Whole(incident, timeline, touched, _may_end(who, incident), may_write)
        return as_seen(session, who, incident.workflow_id, whole)


@again(in_doubt=False)
def comment(database: Database, *, person_id: int, incident_id: int, body: str, item_ids: Collection[int] = ()) -> None:
    """Say something in an incident, or add items that it touches, or both.

    Raises:
        IncidentRefused: nothing or too much is said, an item is not there, or the incident is closed.
        NotAllowed: the person does not respond to incidents there.
    """
    body = _words(body, "Write the comment first.", is_needed=not item_ids)
    with database.writing() as session:
        who, incident = _seen_incident(session, person_id, incident_id, lock=True)
        who.require(Task.RESPOND, incident.workflow_id)
        _check_open(incident)
        found = _seen(session, who, incident.workflow_id, item_ids)
        if incident.items + len(found) > MOST_ITEMS:
            raise IncidentRefused(f"An incident names {MOST_ITEMS} items at most. Say which others in a comment.")
        incidents.touch(session, incident_id, found)
        if found:
            said = "Touches " + ", ".join(f"item {item_id}" for item_id in sorted(found)) + "."
            incidents.note(session, incident_id, Happened.CHANGED, by=person_id, said=said)
        if body:
            incidents.note(session, incident_id, Happened.COMMENT, by=person_id, said=body)
        _record(session, "incident.commented", person_id, incident.workflow_id, incident_id, items=sorted(found))


@again(in_doubt=True)
def hand_over(database: Database, *, person_id: int, incident_id: int, owner_id: int, severity: Severity) -> None:
    """Give an incident to somebody, and say how grave it is now. The same once more changes nothing.

    Raises:
        IncidentRefused: the new owner does not respond to incidents there, or the incident is closed.
        NotAllowed: the person neither owns the incident nor answers the workflow's alerts.
    """
    with database.writing() as session:
        who, incident = _seen_incident(session, person_id, incident_id, lock=True)
        _check_may_end(who, incident)
        _check_open(incident)
        to = {each.person_id: each.name for each in people.who_may(session, Task.RESPOND, incident.workflow_id)}
        if owner_id not in to:
            raise IncidentRefused("That person does not respond to incidents here. Choose somebody who does.")
        if (owner_id, severity) == (incident.owner_id, incident.severity):
            return
        incidents.change(session, incident_id, owner_id=owner_id, severity=severity)
        said = f"Owner {to[owner_id]}, severity {severity.value}."
        incidents.note(session, incident_id, Happened.CHANGED, by=person_id, said=said)
        workflow = workflows.by_id(session, incident.workflow_id)
        if owner_id != incident.owner_id:
            _tell(session, workflow, [owner_id], f"this incident is yours now: {incident.title}", by=person_id)
        _record(session, "incident.changed", person_id, workflow.id, incident_id, owner=owner_id, severity=severity)


@again(in_doubt=True)
def close(database: Database, *, person_id: int, incident_id: int, closing_note: str) -> None:
    """Close an incident, saying how it ended. Whoever was first stands.

    Raises:
        IncidentRefused: nothing is said of how it ended, or too much.
        NotAllowed: the person neither owns the incident nor answers the workflow's alerts.
    """
    closing_note = _words(closing_note, "Say how it ended, and what keeps it from coming back. Then close it.")
    with database.writing() as session:
        who, incident = _seen_incident(session, person_id, incident_id, lock=True)
        _check_may_end(who, incident)
        if not incident.is_open:
            return
        incidents.close(session, incident_id, by=person_id, closing_note=closing_note)
        incidents.note(session, incident_id, Happened.CLOSED, by=person_id, said=closing_note)
        _record(session, "incident.closed", person_id, incident.workflow_id, incident_id)


@again(in_doubt=True)
def reopen(database: Database, *, person_id: int, incident_id: int, why: str) -> None:
    """Open a closed incident again, saying why; its owner is told. How it had ended stays in the timeline.

    Raises:
        IncidentRefused: no reason is given, or its alert has another incident open by now.
        NotAllowed: the person neither owns the incident nor answers the workflow's alerts.
    """
    why = _words(why, "Say why it is opened again.")
    with database.writing() as session:
        who, incident = _seen_incident(session, person_id, incident_id, lock=True)
        _check_may_end(who, incident)
        if incident.is_open:
            return
        if incident.alert_id is not None and incidents.open_of_alert(session, incident.alert_id) is not None:
            raise IncidentRefused("Another incident is open for the same alert. Go on there.")
        incidents.reopen(session, incident_id)
        incidents.note(session, incident_id, Happened.REOPENED, by=person_id, said=why)
        workflow = workflows.by_id(session, incident.workflow_id)
        owner = [incident.owner_id] if incident.owner_id is not None else []
        _tell(session, workflow, owner, f"incident opened again: {incident.title}", by=person_id)
        _record(session, "incident.reopened", person_id, incident.workflow_id, incident_id)


@notes_refusals
def owners_to_be(database: Database, *, person_id: int, workflow_id: int) -> dict[int, str]:
    """To whom an incident can be given: everybody who responds to incidents there, id → name."""
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.RESPOND, workflow_id)
        seen = sight(who, workflows.by_id(session, workflow_id))
        able = people.who_may(session, Task.RESPOND, workflow_id)
        return {each.person_id: seen.text(FieldClass.PERSON, each.name) or "" for each in able}


def _seen_incident(
    session: Session, person_id: int, incident_id: int, *, lock: bool = False
) -> tuple[Principal, Incident]:
    who, incident = people.principal(session, person_id), incidents.by_id(session, incident_id, lock=lock)
    if incident is None or not who.may(Task.SEE_QUEUE, incident.workflow_id):
        raise IncidentRefused("There is no such incident here. Choose another from the list.")
    return who, incident


def _seen(session: Session, who: Principal, workflow_id: int, item_ids: Collection[int]) -> set[int]:
    """The items asked for, which must all be there for this person."""
    if len(set(item_ids)) > MOST_ITEMS:
        raise IncidentRefused(f"An incident names {MOST_ITEMS} items at most. Say which others in a comment.")
    found = one_item.visible(session, who, workflow_id, item_ids)
    missing = sorted(set(item_ids) - found)
    if missing:
        raise IncidentRefused(f"Item {missing[0]} is not among those that you see here. Leave it out, or correct it.")
    return found


def _check_alert(session: Session, workflow: Workflow, alert_id: int) -> None:
    alert = alerts.by_id(session, alert_id, lock=True)
    if alert is None or alert.workflow_id != workflow.id:
        raise IncidentRefused("There is no such alert here.")
    if incidents.open_of_alert(session, alert_id) is not None:
        raise IncidentRefused("An incident is open for this alert already. Go on there.")


def _owner_of(session: Session, workflow: Workflow) -> int | None:
    """Whoever the policy names and has an account here, the deputy while the owner is away; else by a grant."""
    named = [
        person
        for email in filter(None, (workflow.policy.owner, workflow.policy.deputy))
        for person in people.with_email(session, email)
    ]
    candidates = [*named, *people.owners(session, workflow.id, emails=())]
    now = database_now(session)
    present = (person for person in candidates if absences.away(session, person, now=now) is None)
    return next(present, candidates[0] if candidates else None)


def _may_end(who: Principal, incident: Incident) -> bool:
    is_owner = who.person_id == incident.owner_id and who.may(Task.RESPOND, incident.workflow_id)
    return is_owner or who.may(Task.ANSWER, incident.workflow_id)


def _check_may_end(who: Principal, incident: Incident) -> None:
    if not _may_end(who, incident):
        raise NotAllowed(who.name, "change this incident: its owner, a manager or the workflow's owner does")


def _check_open(incident: Incident) -> None:
    if not incident.is_open:
        raise IncidentRefused(f"{incident.closed_by} closed this incident. Open it again first.")


def _words(text: str, missing: str, *, is_needed: bool = True) -> str:
    text = text.strip()
    if is_needed and not text:
        raise IncidentRefused(missing)
    if len(text) > LONGEST:
        raise IncidentRefused(f"That has {len(text):,} characters, and {LONGEST:,} is the most. Use fewer words.")
    return text


def _tell(session: Session, workflow: Workflow, whom: Collection[int], said: str, *, by: int | None) -> None:
    """Tell them, and whoever stands in for those who are away."""
    now = database_now(session)
    away = (absences.away(session, person, now=now) for person in whom)
    stand_ins = {absence.deputy_id for absence in away if absence is not None and absence.deputy_id is not None}
    notifications.notify(session, {*whom, *stand_ins}, workflow.id, News.INCIDENT, f"{workflow.title}: {said}", by=by)


def _record(
    session: Session, action: str, by: int | None, workflow_id: int, incident_id: int, **details: object
) -> None:
    audit.record(session, action, actor_id=by, workflow_id=workflow_id, details={"incident": incident_id, **details})

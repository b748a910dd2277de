"""What people note beside the reviews: what else changed, and whether the workbench helps them."""

from __future__ import annotations

from datetime import date

from review_queue.errors import NotAllowed, NoteRefused
from review_queue.roles import Principal, Task
from storage import audit, happenings, people, pulses
from storage.engine import Database, database_now
from storage.happenings import Happening
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen

LONGEST = 400  #: characters of what happened
MONTHS = 3  #: months, this one included, whose answers still count


def may_note(who: Principal, workflow_id: int) -> bool:
    """Whether this person may note what else changed: who governs the workflow or assigns its items."""
    return who.may(Task.GOVERN, workflow_id) or who.may(Task.ASSIGN, workflow_id)


@again(in_doubt=True)
def note_happening(database: Database, *, person_id: int, workflow_id: int, day: date, what: str) -> int:
    """Note what else changed on a day; its id. The same once more changes nothing.

    Raises:
        NoteRefused: nothing is said, or too much.
        NotAllowed: the person neither governs the workflow nor assigns its items.
    """
    what = " ".join(what.split())
    if not what:
        raise NoteRefused("Say what happened first.")
    if len(what) > LONGEST:
        raise NoteRefused(f"That has {len(what)} characters, and {LONGEST} is the most. Say it in fewer words.")
    with database.writing() as session:
        who = people.principal(session, person_id)
        if not may_note(who, workflow_id):
            raise NotAllowed(who.name, "note what else changed")
        noted = happenings.add(session, workflow_id=workflow_id, day=day, what=what, noted_by=person_id)
        audit.record(
            session, "happening.noted", actor_id=person_id, workflow_id=workflow_id, details={"happening": noted}
        )
        return noted


@notes_refusals
def list_happenings(database: Database, *, person_id: int, workflow_id: int) -> list[Happening]:
    """What else changed, by day.

    Raises:
        NotAllowed: the person sees no analytics in the workflow.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        who.require(Task.SEE_ANALYTICS, workflow_id)
        return as_seen(session, who, workflow_id, happenings.of(session, workflow_id))


@again(in_doubt=True)
def answer_pulse(database: Database, *, person_id: int, workflow: Workflow, answer: int) -> None:
    """Keep this month's answer to whether the workbench helps, 1 (not at all) to 5 (very much).

    Raises:
        NoteRefused: the answer is none of these.
        NotAllowed: the person does not review in the workflow.
    """
    if answer not in range(1, 6):
        raise NoteRefused("Answer with a number from 1 to 5.")
    with database.writing() as session:
        people.principal(session, person_id).require(Task.REVIEW, workflow.id)
        month = _month(database_now(session).astimezone(workflow.policy.zone).date())
        pulses.add(session, workflow_id=workflow.id, person_id=person_id, month=month, answer=answer)


@notes_refusals
def is_pulse_due(database: Database, *, person_id: int, workflow: Workflow) -> bool:
    """Whether this person reviews in the workflow and has not said this month whether it helps."""
    with database.reading() as session:
        if not people.principal(session, person_id).may(Task.REVIEW, workflow.id):
            return False
        month = _month(database_now(session).astimezone(workflow.policy.zone).date())
        return not pulses.has_answered(session, workflow_id=workflow.id, person_id=person_id, month=month)


@notes_refusals
def pulse_counts(database: Database, *, person_id: int, workflow: Workflow) -> dict[int, int]:
    """How many people gave each answer, 1 to 5, the last of each in this month and the two before.

    Raises:
        NotAllowed: the person sees no analytics in the workflow.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.SEE_ANALYTICS, workflow.id)
        today = database_now(session).astimezone(workflow.policy.zone).date()
        return pulses.counts(session, workflow_id=workflow.id, since=_month(today, back=MONTHS - 1))


@notes_refusals
def reviewers(database: Database, *, person_id: int, workflow_id: int) -> list[Principal]:
    """Everybody who may review in the workflow: whom it was built for.

    Raises:
        NotAllowed: the person sees no analytics in the workflow.
    """
    with database.reading() as session:
        people.principal(session, person_id).require(Task.SEE_ANALYTICS, workflow_id)
        return people.who_may(session, Task.REVIEW, workflow_id)


def _month(day: date, *, back: int = 0) -> str:
    year, month = divmod(day.year * 12 + day.month - 1 - back, 12)
    return f"{year:04d}-{month + 1:02d}"

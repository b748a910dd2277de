"""What people do about sources that disagree, and what the server learns of them as actuals come in."""

from __future__ import annotations

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.columns import OWN_SOURCES
from review_queue.errors import ChoiceInvalid, ItemNotOpen, ReviewError
from review_queue.items import OPEN_STATES
from review_queue.measures.calibration import fit_curve, reliability
from review_queue.measures.reconciled import replayed
from review_queue.measures.source_records import by_source, errors_of, moving_together
from review_queue.roles import Task
from review_queue.workflows import Policy
from storage import audit, crosswalk, exclusions, lessons, one_item, people, statements, workflows
from storage.engine import Database, database_now
from storage.lessons import Lessons
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.stopping import doors


class IdentifierGone(ReviewError):
    """An identifier that somebody has forgotten already, or that never was."""

    code = "IDENTIFIER_GONE"

    def __init__(self) -> None:
        super().__init__("This identifier no longer stands: somebody has forgotten it. Reload the page.")


@again(in_doubt=True)
def leave_out(database: Database, *, person_id: int, item_id: int, source: str, reason: str) -> None:
    """Let a source not count on an open item, saying why. Everybody sees it; it is on record, and can be taken back.

    Raises:
        ChoiceInvalid: no reason was given, or there is no such source.
        ItemNotOpen: the item is not to be decided now.
        ItemNotFound: there is none, or it lies outside the person's scope.
    """
    if not reason.strip():
        raise ChoiceInvalid(item_id, f"say why {source} should not count here.")
    _exclude(database, person_id, item_id, source, reason.strip())


@again(in_doubt=True)
def count_again(database: Database, *, person_id: int, item_id: int, source: str) -> None:
    """Let a source that was left out count again.

    Raises:
        ChoiceInvalid: there is no such source.
        ItemNotOpen, ItemNotFound: as ``leave_out``.
    """
    _exclude(database, person_id, item_id, source, None)


@again(in_doubt=True)
def forget_identifier(database: Database, *, person_id: int, identifier_id: int) -> None:
    """Forget what a source calls a series, so that the next file can say it anew. What came under it stays.

    Raises:
        IdentifierGone: it does not stand, or lies in a workflow that the person may not bring data into.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        known = crosswalk.standing(session, identifier_id)
        if known is None or not who.may(Task.IMPORT, known.workflow_id):
            raise IdentifierGone
        crosswalk.forget(session, identifier_id, person_id=person_id, now=database_now(session))
        details = {"source": known.source, "record_id": known.record_id, "series": known.series}
        audit.record(
            session, "identifier.forgotten", actor_id=person_id, workflow_id=known.workflow_id, details=details
        )


def learn(database: Database) -> list[int]:
    """Learn anew in each workflow where something came in since; the ids of those. The server calls this."""
    with database.reading() as session:
        every = [each for each in workflows.all(session) if statements.is_said(session, each.id)]
        due = [workflow for workflow in every if lessons.is_due(session, workflow)]
    for workflow in due:
        doors.check()
        learn_of(database, workflow)
    return [workflow.id for workflow in due]


def learn_of(database: Database, workflow: Workflow) -> None:
    """Keep what the outcomes of a workflow teach of its sources; read first, so that nobody waits for the reading."""
    with database.reading() as session:
        learnt, newest = _learnt(session, workflow)
    with database.writing() as session:
        lessons.record(session, workflow, learnt, after_import=newest)


def learn_in(session: Session, workflow: Workflow) -> None:
    """The same inside a transaction of somebody else."""
    learnt, newest = _learnt(session, workflow)
    lessons.record(session, workflow, learnt, after_import=newest)


def _learnt(session: Session, workflow: Workflow) -> tuple[Lessons, int]:
    past = statements.past(session, workflow.id, workflow.policy.sources.attribute)
    return lessons_of(past, workflow.policy), lessons.newest_import(session, workflow.id)


def lessons_of(past: pd.DataFrame, policy: Policy) -> Lessons:
    """What past statements teach: each source's record, which go together, and how often confidence came true.

    Args:
        past: as ``storage.statements.past`` gives it.
    """
    errors = errors_of(past)
    is_other = ~past["source"].isin(OWN_SOURCES)
    spoken_of = past[is_other.groupby([past["series"], past["period"]]).transform("any")] if len(past) else past
    if spoken_of.empty:
        none = lessons.none()
        return Lessons(by_source(errors), none.pairs, none.reliability)
    outcomes = replayed(spoken_of.assign(materiality=policy.materiality or float("nan")), policy)
    return Lessons(
        classes=by_source(errors),
        pairs=moving_together(errors),
        reliability=reliability(outcomes["confidence"], outcomes["came_true"]),
        curve=fit_curve(outcomes["confidence"], outcomes["came_true"]),
        outcomes=int(outcomes["confidence"].notna().sum()),
    )


def _exclude(database: Database, person_id: int, item_id: int, source: str, reason: str | None) -> None:
    with database.writing() as session:
        who = people.principal(session, person_id)
        item = one_item.get(session, item_id, who, Task.REVIEW, lock=True)
        if item.state not in OPEN_STATES:
            raise ItemNotOpen(item_id, item.state)
        known = exclusions.source_id(session, item.workflow_id, source)
        if known is None:
            raise ChoiceInvalid(item_id, f"there is no source {source!r}. Reload the page.")
        is_out = source in [one.source for one in exclusions.standing(session, [item_id])]
        if is_out == (reason is not None):
            return
        exclusions.add(session, item_id, known, person_id, is_left_out=reason is not None, reason=reason or "")
        audit.record(
            session,
            "source.left_out" if reason is not None else "source.counts_again",
            actor_id=person_id,
            workflow_id=item.workflow_id,
            item_id=item_id,
            details={"source": source},
        )

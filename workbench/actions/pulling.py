"""Other databases asked on a schedule, their rows taken in by the same checks as a file's."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from review_queue.errors import ReviewError, ServerStopping, WorkflowInvalid
from review_queue.roles import Role, Task
from storage import audit, foreign, people, pulls, workflows
from storage.engine import Database, database_now
from workbench.actions import importing
from workbench.actions.importing import ImportSummary
from workbench.actions.refusing import notes_refusals
from workbench.foreign.limits import MOST_CELLS, MOST_ROWS
from workbench.foreign.values import sheet_of_values
from workbench.settings import settings
from workbench.sources import Source, SourcesInvalid, read_sources
from workbench.stopping import doors

log = logging.getLogger("workbench")


@dataclass(frozen=True)
class Pulled:
    """One source that was asked."""

    source: str
    summary: ImportSummary | None
    failure: str = ""  #: why nothing was taken in; quotes the other database


def pull_due(database: Database) -> list[Pulled]:
    """Ask every source of the settings that is due, each once however many servers look; what became of it.

    A source that fails is noted with its reason, holds none of the others up, and is asked again when it is due.

    Raises:
        SourcesInvalid: the file of sources cannot be taken.
    """
    done = []
    for source in read_sources(settings().sources):
        doors.check()
        try:
            pull_id = _claimed(database, source, by_hand=False)
        except WorkflowInvalid as unknown:
            done.append(Pulled(source.name, None, str(unknown)))
            continue
        if pull_id is not None:
            done.append(_pull(database, source, pull_id))
    for each in done:
        if each.failure:
            log.warning("Source %s was not taken in: %s", each.source, each.failure)
    return done


@notes_refusals
def pull_now(database: Database, name: str, *, person_id: int, dry_run: bool = False) -> Pulled:
    """Ask one source now, whether it is due or not.

    Args:
        dry_run: tell what would happen, and change nothing.

    Raises:
        SourcesInvalid: there is no such source, or the file of sources cannot be taken.
        SourceFailed, FileRefused: a dry run could not be done.
        NotAllowed: the person may not bring data into the source's workflow.
    """
    sources = {source.name: source for source in read_sources(settings().sources)}
    if name not in sources:
        known = f"Choose one of {', '.join(sources)}." if sources else "WORKBENCH_SOURCES names none."
        raise SourcesInvalid(f"There is no source {name!r}. {known}")
    source = sources[name]
    with database.reading() as session:
        workflow = workflows.get(session, source.workflow)
        people.principal(session, person_id).require(Task.IMPORT, workflow.id)
    if dry_run:
        return Pulled(name, _take_in(database, source, person_id, dry_run=True))
    pull_id = _claimed(database, source, by_hand=True)
    assert pull_id is not None  # noqa: S101 -- a time of its own, which nobody else takes
    return _pull(database, source, pull_id)


@notes_refusals
def list_pulls(database: Database, *, person_id: int, workflow_key: str) -> pd.DataFrame:
    """The last pulls into a workflow, the newest first, columns as in ``storage.pulls.COLUMNS``."""
    with database.reading() as session:
        workflow = workflows.get(session, workflow_key)
        who = people.principal(session, person_id)
        if not who.may(Task.IMPORT, workflow.id):
            who.require(Task.SEE_QUEUE, workflow.id)
        return pulls.listed(session, workflow.id)


# --- how it is done ------------------------------------------------------------------------------------------------


def _claimed(database: Database, source: Source, *, by_hand: bool) -> int | None:
    with database.writing() as session:
        workflow, now = workflows.get(session, source.workflow), database_now(session)
        slot = -int(now.timestamp() * 1_000_000) if by_hand else _slot(source, now)
        return pulls.claim(session, source.name, workflow.id, source.kind, slot, now=now)


def _slot(source: Source, now: datetime) -> int:
    """Which of its times a source is at: those asked for by hand lie below 0."""
    return int(now.timestamp() // (60 * source.every_minutes))


def _pull(database: Database, source: Source, pull_id: int) -> Pulled:
    try:
        pulled = Pulled(source.name, _take_in(database, source, _person(database, source)))
    except ServerStopping:
        raise
    except ReviewError as refusal:
        pulled = Pulled(source.name, None, str(refusal))
    with database.writing() as session:
        batch = pulled.summary.batch if pulled.summary else None
        pulls.finish(session, pull_id, now=database_now(session), import_id=batch, failure=pulled.failure)
    return pulled


def _take_in(database: Database, source: Source, person_id: int, *, dry_run: bool = False) -> ImportSummary:
    answer = foreign.ask(source.address, source.query, most=MOST_ROWS, most_cells=MOST_CELLS)
    name = f"source {source.name}"
    # The same for each pull, so that a row which cannot be trusted waits once and not once an hour.
    identity = hashlib.sha256(f"{source.name}\x1f{source.query}".encode()).hexdigest()
    return importing.import_values(
        database,
        person_id=person_id,
        workflow_key=source.workflow,
        kind=source.kind,
        name=name,
        sheet=sheet_of_values(name, answer.columns, answer.rows),
        identity=identity,
        mapping=source.columns,
        dry_run=dry_run,
    )


def _person(database: Database, source: Source) -> int:
    """Whom the record names as bringing the rows in: the source itself, which may do that in its workflow."""
    subject = f"source:{source.name}@{source.workflow}"
    with database.writing() as session:
        workflow = workflows.get(session, source.workflow)
        person_id = people.find(session, people.LOCAL, subject)
        if person_id is None:
            person_id = people.add(session, issuer=people.LOCAL, subject=subject, name=f"Source {source.name}")
            people.grant(session, person_id, Role.INTEGRATOR, workflow_id=workflow.id)
            audit.record(session, "person.added", actor_id=person_id, details={"person_id": person_id})
        return person_id

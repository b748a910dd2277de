"""Which of the AI's values each workflow shows, as its owner chose: rows are added, and the newest is in force."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, insert, select
from sqlalchemy.orm import Session

from review_queue.showing import AiValues, Showing
from storage.engine import database_time
from storage.tables import items, model_versions, people, showings


@dataclass(frozen=True, slots=True)
class Chosen:
    """One choice of which values are shown."""

    showing: Showing
    note: str  #: untrusted text
    by: str  #: untrusted text
    at: datetime  #: UTC


def of(session: Session, workflow_id: int) -> Showing:
    """What is in force now."""
    newest = history(session, workflow_id, limit=1)
    return newest[0].showing if newest else Showing()


def of_all(session: Session) -> dict[int, Showing]:
    """What is in force in each workflow in which anybody ever chose."""
    return {row.workflow_id: _showing(row) for row in session.execute(_chosen().order_by(showings.c.id))}


def history(session: Session, workflow_id: int, *, limit: int = 100) -> list[Chosen]:
    """Every choice, the newest first."""
    rows = session.execute(
        _chosen().where(showings.c.workflow_id == workflow_id).order_by(showings.c.id.desc()).limit(limit)
    )
    return [Chosen(_showing(row), row.note, row.name, row.chosen_at) for row in rows]


def add(
    session: Session, workflow_id: int, values: AiValues, *, version_id: int | None, note: str, person_id: int
) -> int:
    """Keep a choice; it is in force from now on. The workflow is held. Returns its id."""
    row = {"workflow_id": workflow_id, "shown": values, "model_version_id": version_id, "note": note}
    added = insert(showings).values(**row, chosen_by=person_id, chosen_at=database_time()).returning(showings.c.id)
    showing_id: int = session.execute(added).scalar_one()
    return showing_id


def version_shown() -> ColumnElement[int | None]:
    """The id of the model version that the workflow of ``items`` is rolled back to."""
    return (
        select(showings.c.model_version_id)
        .where(showings.c.workflow_id == items.c.workflow_id)
        .order_by(showings.c.id.desc())
        .limit(1)
        .correlate(items)
        .scalar_subquery()
    )


def _chosen() -> Select[tuple[int, str, str, datetime, str, str | None]]:
    return (
        select(
            showings.c.workflow_id,
            showings.c.shown,
            showings.c.note,
            showings.c.chosen_at,
            people.c.name,
            model_versions.c.name.label("version"),
        )
        .join(people, people.c.id == showings.c.chosen_by)
        .outerjoin(model_versions, model_versions.c.id == showings.c.model_version_id)
    )


def _showing(row: object) -> Showing:
    return Showing(AiValues(row.shown), row.version)  # type: ignore[attr-defined]

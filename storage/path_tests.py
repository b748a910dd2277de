"""Tests of the override path, as they were: who pressed, when, and what each part came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, insert, select
from sqlalchemy.orm import Session

from review_queue.path_test import Part, PartState, is_passed
from storage.engine import database_time
from storage.tables import OPEN, items, path_tests, people, segments


@dataclass(frozen=True, slots=True)
class PathTest:
    """One test."""

    by: str
    at: datetime  #: UTC
    is_passed: bool
    parts: tuple[Part, ...]


def add(session: Session, workflow_id: int, person_id: int, parts: tuple[Part, ...], *, mailed: bool) -> None:
    """Keep what a test came to."""
    said = [{"name": part.name, "state": part.state.value, "sentence": part.sentence} for part in parts]
    row = {"workflow_id": workflow_id, "person_id": person_id, "is_passed": is_passed(parts), "parts": said}
    session.execute(insert(path_tests).values(tested_at=database_time(), mailed=mailed, **row))


def newest(session: Session, workflow_id: int, *, limit: int = 10) -> list[PathTest]:
    """The last tests of a workflow, the newest first."""
    rows = session.execute(
        select(people.c.name, path_tests.c.tested_at, path_tests.c.is_passed, path_tests.c.parts)
        .join(people, people.c.id == path_tests.c.person_id)
        .where(path_tests.c.workflow_id == workflow_id)
        .order_by(path_tests.c.id.desc())
        .limit(limit)
    )
    return [
        PathTest(
            name, at, passed, tuple(Part(each["name"], PartState(each["state"]), each["sentence"]) for each in parts)
        )
        for name, at, passed, parts in rows
    ]


def mailed_at(session: Session, workflow_id: int) -> datetime | None:
    """When a test last sent mail."""
    wanted = (path_tests.c.workflow_id == workflow_id, path_tests.c.mailed)
    newest = select(path_tests.c.tested_at).where(*wanted).order_by(path_tests.c.id.desc()).limit(1)
    return session.execute(newest).scalar_one_or_none()


def paths_in_review(session: Session, workflow_id: int) -> list[str]:
    """The segments in which items are open, as paths; the empty one stands for items without a segment."""
    here = exists().where(items.c.segment_id == segments.c.id, OPEN)
    paths = session.execute(
        select(segments.c.path).where(segments.c.workflow_id == workflow_id, here).order_by(segments.c.path)
    )
    nowhere = select(items.c.id).where(items.c.workflow_id == workflow_id, items.c.segment_id.is_(None), OPEN).limit(1)
    return [*([""] if session.execute(nowhere).first() is not None else []), *paths.scalars()]

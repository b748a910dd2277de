"""What outcomes have taught of a workflow's sources: learnt beside the server's work, read with every item."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from review_queue.measures.calibration import Curve
from storage.engine import database_time
from storage.tables import imports, source_lessons
from storage.workflows import Workflow

CLASS_COLUMNS = ("source", "n", "mean_square", "typical", "bias")
PAIR_COLUMNS = ("source", "other", "n", "correlation")
TENTH_COLUMNS = ("tenth", "n", "stated", "share", "low", "high")


@dataclass(frozen=True)
class Lessons:
    """What is known of the sources of one workflow."""

    classes: pd.DataFrame  #: ``CLASS_COLUMNS``, as ``source_records.by_source`` gives them
    pairs: pd.DataFrame  #: ``PAIR_COLUMNS``, as ``source_records.moving_together`` gives them
    reliability: pd.DataFrame  #: ``TENTH_COLUMNS``, as ``calibration.reliability`` gives them
    curve: Curve = ()  #: the correction of confidence; empty while too few actuals are known
    outcomes: int = 0  #: reconciled values whose actual is known
    learnt_at: datetime | None = None  #: UTC; None: nothing was learnt yet


def none() -> Lessons:
    """What is known before anything was learnt."""
    return Lessons(_frame([], CLASS_COLUMNS), _frame([], PAIR_COLUMNS), _frame([], TENTH_COLUMNS))


def standing(session: Session, workflow_id: int) -> Lessons:
    """The newest lessons of a workflow."""
    row = session.execute(
        select(source_lessons.c.body, source_lessons.c.learnt_at)
        .where(source_lessons.c.workflow_id == workflow_id)
        .order_by(source_lessons.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return none()
    body: dict[str, Any] = row.body
    return Lessons(
        classes=_frame(body["classes"], CLASS_COLUMNS),
        pairs=_frame(body["pairs"], PAIR_COLUMNS),
        reliability=_frame(body["reliability"], TENTH_COLUMNS),
        curve=tuple((float(x), float(y)) for x, y in body["curve"]),
        outcomes=int(body["outcomes"]),
        learnt_at=row.learnt_at,
    )


def is_due(session: Session, workflow: Workflow) -> bool:
    """Whether anything came in, or the policy changed, since the last lessons."""
    last = session.execute(
        select(source_lessons.c.after_import, source_lessons.c.policy_version)
        .where(source_lessons.c.workflow_id == workflow.id)
        .order_by(source_lessons.c.id.desc())
        .limit(1)
    ).one_or_none()
    return last is None or tuple(last) != (newest_import(session, workflow.id), workflow.policy_version)


def newest_import(session: Session, workflow_id: int) -> int:
    """The id of the workflow's newest import; 0 for none."""
    newest = select(func.coalesce(func.max(imports.c.id), 0)).where(imports.c.workflow_id == workflow_id)
    found: int = session.execute(newest).scalar_one()
    return found


def record(session: Session, workflow: Workflow, learnt: Lessons, *, after_import: int) -> None:
    """Add lessons; they stand from now on."""
    body = {
        "classes": _rows(learnt.classes[list(CLASS_COLUMNS)]),
        "pairs": _rows(learnt.pairs[list(PAIR_COLUMNS)]),
        "reliability": _rows(learnt.reliability[list(TENTH_COLUMNS)]),
        "curve": [list(point) for point in learnt.curve],
        "outcomes": learnt.outcomes,
    }
    session.execute(
        insert(source_lessons).values(
            workflow_id=workflow.id,
            body=body,
            after_import=after_import,
            policy_version=workflow.policy_version,
            learnt_at=database_time(),
        )
    )


def _rows(frame: pd.DataFrame) -> list[list[Any]]:
    """The values row by row, None where unknown, which JSON has and NaN is not."""
    return [[None if pd.isna(value) else value for value in row] for row in frame.to_numpy(dtype=object).tolist()]


def _frame(rows: list[Any], columns: tuple[str, ...]) -> pd.DataFrame:
    named = ("source", "other")
    types = {name: "str" if name in named else "float64" for name in columns}
    return pd.DataFrame(rows, columns=list(columns)).astype(types)

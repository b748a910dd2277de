"""Rows that imports set aside because they lie outside what a workflow covers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from storage.tables import imports, set_aside_rows

#: What the check of a row calls it (``review_queue.rows``).
CODE = "UNKNOWN_SEGMENT"


def counts(session: Session, workflow_id: int) -> pd.DataFrame:
    """Rows set aside as out of scope: ``at`` (UTC), ``column``, ``segment`` (untrusted text), ``rows``.

    The segment is empty where the row named none. One row an import, column and segment: a file that came twice counts
    twice, as its rows were set aside twice.
    """
    is_outside = (set_aside_rows.c.workflow_id == workflow_id, set_aside_rows.c.code == CODE)
    columns = session.execute(select(set_aside_rows.c.column).where(*is_outside).distinct()).scalars().all()
    found: list[Row[Any]] = []
    for column in sorted(columns):
        segment = func.coalesce(set_aside_rows.c.cells[column].as_string(), "").label("segment")
        found += session.execute(
            select(imports.c.created_at, set_aside_rows.c.column, segment, func.count())
            .join(imports, imports.c.id == set_aside_rows.c.import_id)
            .where(*is_outside, set_aside_rows.c.column == column)
            .group_by(imports.c.id, imports.c.created_at, set_aside_rows.c.column, segment)
        ).all()
    return _table(found, ["at", "column", "segment", "rows"])


def came(session: Session, workflow_id: int) -> pd.DataFrame:
    """Every import into the workflow: ``at`` (UTC) and ``rows``."""
    rows = session.execute(select(imports.c.created_at, imports.c.rows).where(imports.c.workflow_id == workflow_id))
    return _table(rows.all(), ["at", "rows"])


def _table(rows: Sequence[Any], columns: list[str]) -> pd.DataFrame:
    frame: pd.DataFrame = pd.DataFrame(rows, columns=columns).astype({"rows": "int64"})
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True))

"""When other databases were asked: each time once, however many servers look, and how it ended."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.engine import upsert
from storage.tables import imports, pulls

COLUMNS = ("source", "kind", "started_at", "ended_at", "failure", "batch", "rows", "set_aside")


def claim(session: Session, source: str, workflow_id: int, kind: str, slot: int, *, now: datetime) -> int | None:
    """Take one time at which a source is due for oneself: the id of the pull, None if somebody has taken it."""
    values = {"source": source, "workflow_id": workflow_id, "kind": kind, "slot": slot, "started_at": now}
    taken = session.execute(
        upsert(session, pulls)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["source", "workflow_id", "slot"])
        .returning(pulls.c.id)
    )
    pull_id: int | None = taken.scalar_one_or_none()
    return pull_id


def finish(session: Session, pull_id: int, *, now: datetime, import_id: int | None = None, failure: str = "") -> None:
    """Note how it ended: with an import, or with why not."""
    ended = {"ended_at": now, "import_id": import_id, "failure": failure}
    session.execute(update(pulls).where(pulls.c.id == pull_id).values(ended))


def listed(session: Session, workflow_id: int, *, limit: int = 50) -> pd.DataFrame:
    """The last pulls, the newest first: ``COLUMNS``."""
    rows = session.execute(
        select(
            pulls.c.source,
            pulls.c.kind,
            pulls.c.started_at,
            pulls.c.ended_at,
            pulls.c.failure,
            imports.c.id,
            imports.c.rows,
            imports.c.set_aside,
        )
        .outerjoin(imports, imports.c.id == pulls.c.import_id)
        .where(pulls.c.workflow_id == workflow_id)
        .order_by(pulls.c.id.desc())
        .limit(limit)
    ).all()
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(dict.fromkeys(("batch", "rows", "set_aside"), "Int64"))

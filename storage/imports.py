"""Files that were imported, and the rows of them that were set aside: kept, numbered, explained, fixable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.orm import Session

from review_queue.columns import Kind
from storage import bulk
from storage.engine import database_time
from storage.tables import imports, people, set_aside_rows

OPEN, FIXED, DISMISSED = "open", "fixed", "dismissed"
#: How many rows set aside are listed at once.
LISTED = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a file's rows; they add up."""

    rows: int
    accepted: int
    unchanged: int
    updated: int
    set_aside: int
    reasons: dict[str, int]  #: code → rows set aside for it


@dataclass(frozen=True, slots=True)
class SetAside:
    """One row that an import did not trust."""

    id: int
    import_id: int
    kind: Kind
    row_number: int  #: as a spreadsheet counts: the header is row 1
    column: str
    code: str
    sentence: str  #: may quote the row: untrusted text
    cells: dict[str, str]  #: canonical column → text as it stood in the file
    status: str


def record(
    session: Session,
    workflow_id: int,
    kind: Kind,
    *,
    file_name: str,
    file_hash: str,
    counts: Counts,
    mapping: Mapping[str, str],
    person_id: int,
) -> int:
    """Add an import; its id is the batch."""
    batch: int = session.execute(
        insert(imports)
        .values(
            workflow_id=workflow_id,
            kind=kind,
            file_name=file_name[-400:],
            file_hash=file_hash,
            rows=counts.rows,
            accepted=counts.accepted,
            unchanged=counts.unchanged,
            updated=counts.updated,
            set_aside=counts.set_aside,
            reasons=counts.reasons,
            mapping=dict(mapping),
            person_id=person_id,
            created_at=database_time(),
        )
        .returning(imports.c.id)
    ).scalar_one()
    return batch


def set_aside(
    session: Session, workflow_id: int, kind: Kind, batch: int, aside: pd.DataFrame, *, may_move: bool = False
) -> None:
    """Keep the rows set aside by import ``batch``, but for those that the same file already left here.

    Args:
        aside: ``row_number, column, code, sentence, cells``.
        may_move: a row with the same cells is the same wherever it stands, as in what a database answers.
    """
    same_file = select(imports.c.file_hash).where(imports.c.id == batch).scalar_subquery()
    kept = session.execute(
        select(set_aside_rows.c.row_number, set_aside_rows.c.cells)
        .join(imports, imports.c.id == set_aside_rows.c.import_id)
        .where(imports.c.workflow_id == workflow_id, imports.c.kind == kind, imports.c.file_hash == same_file)
    )
    known = {_identity(row, cells, may_move) for row, cells in kept}
    pairs = zip(aside["row_number"], aside["cells"], strict=True)
    is_new = pd.Series(
        [_identity(row, cells, may_move) not in known for row, cells in pairs], index=aside.index, dtype="bool"
    )
    rows = aside[is_new].assign(workflow_id=workflow_id, kind=str(kind), import_id=batch)
    for piece in bulk.chunks(rows):
        bulk.insert_rows(session, set_aside_rows, piece)


def _identity(row_number: int, cells: Mapping[str, str], may_move: bool) -> tuple[int, frozenset[tuple[str, str]]]:
    return 0 if may_move else row_number, frozenset(cells.items())


def last_mapping(session: Session, workflow_id: int, kind: Kind) -> dict[str, str]:
    """The mapping that the last file of this kind went by: canonical column → header, "" for one left out.

    A retry of rows set aside is an import too, but has no file and so no mapping.
    """
    mapping: dict[str, str] | None = session.execute(
        select(imports.c.mapping)
        .where(imports.c.workflow_id == workflow_id, imports.c.kind == kind, imports.c.mapping != {})
        .order_by(imports.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return mapping or {}


def listed(session: Session, workflow_id: int, *, limit: int = 100) -> pd.DataFrame:
    """Past imports, the newest first.

    Columns ``batch, at, file, kind, by, rows, accepted, unchanged, updated, set_aside``.
    """
    rows = session.execute(
        select(
            imports.c.id,
            imports.c.created_at,
            imports.c.file_name,
            imports.c.kind,
            people.c.name,
            *(imports.c[name] for name in ("rows", "accepted", "unchanged", "updated", "set_aside")),
        )
        .join(people, people.c.id == imports.c.person_id)
        .where(imports.c.workflow_id == workflow_id)
        .order_by(imports.c.id.desc())
        .limit(limit)
    ).all()
    columns = ["batch", "at", "file", "kind", "by", "rows", "accepted", "unchanged", "updated", "set_aside"]
    return pd.DataFrame(rows, columns=columns)


def list_set_aside(
    session: Session, workflow_id: int, *, status: str = OPEN, after: int = 0, limit: int = LISTED
) -> list[SetAside]:
    """Rows set aside in this workflow, in the order in which they came, the first of those past the id ``after``."""
    rows = session.execute(
        select(set_aside_rows)
        .where(
            set_aside_rows.c.workflow_id == workflow_id,
            set_aside_rows.c.status == status,
            set_aside_rows.c.id > after,
        )
        .order_by(set_aside_rows.c.id)
        .limit(limit)
    )
    return [_set_aside(row) for row in rows]


def count_set_aside(session: Session, workflow_id: int) -> int:
    """How many rows of this workflow are open."""
    query = select(func.count()).where(set_aside_rows.c.workflow_id == workflow_id, set_aside_rows.c.status == OPEN)
    return session.execute(query).scalar_one()


def open_rows(session: Session, ids: Collection[int], *, hold: bool = False) -> list[tuple[int, SetAside]]:
    """Those of the rows that are still open, each with its workflow's id.

    Args:
        hold: nobody else changes them until the transaction ends.
    """
    query = (
        select(set_aside_rows)
        .where(bulk.among(session, set_aside_rows.c.id, list(ids)), set_aside_rows.c.status == OPEN)
        .order_by(set_aside_rows.c.id)
    )
    rows = session.execute(query.with_for_update(of=set_aside_rows) if hold else query)
    return [(row.workflow_id, _set_aside(row)) for row in rows]


def resolve(session: Session, ids: Collection[int], status: str, *, person_id: int, now: datetime) -> int:
    """Mark those of the rows that are open as fixed or dismissed. Returns how many."""
    marked = session.execute(
        update(set_aside_rows)
        .where(bulk.among(session, set_aside_rows.c.id, list(ids)), set_aside_rows.c.status == OPEN)
        .values(status=status, resolved_by=person_id, resolved_at=now)
        .returning(set_aside_rows.c.id)
    )
    return len(marked.all())


def explain_again(session: Session, rows: pd.DataFrame) -> None:
    """Give rows that failed a retry their new cells and sentence: ``id, column, code, sentence, cells``.

    They are held as open by the same transaction.
    """
    bulk.update_rows(session, set_aside_rows, rows)


def _set_aside(row: Row[Any]) -> SetAside:
    return SetAside(
        id=row.id,
        import_id=row.import_id,
        kind=Kind(row.kind),
        row_number=row.row_number,
        column=row.column,
        code=row.code,
        sentence=row.sentence,
        cells=row.cells,
        status=row.status,
    )

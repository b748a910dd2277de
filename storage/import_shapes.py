"""The shape of files of forecasts, kept so that what was decided can be written back in it: headers, order, cells."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from sqlalchemy import Text, and_, insert, not_, select
from sqlalchemy.orm import Session

from review_queue.decimals import Mark, with_mark
from review_queue.exporting import ADDED
from review_queue.roles import Principal, Task
from storage import bulk
from storage.exports import AT_ONCE, stands
from storage.people import scope
from storage.receipts import sealed_from
from storage.tables import decisions, import_files, import_parts, imports, items, people, series
from storage.workflows import Workflow

_KEYS = ("row_number", "series", "period")
_DECIMAL = b"decimal"  #: what a column of a part says of its numbers


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file looked."""

    batch: int
    file: str
    headers: tuple[str, ...]  #: as written, in their order
    delimiter: str


def keep(
    session: Session,
    import_id: int,
    headers: Sequence[str],
    delimiter: str,
    cells: pd.DataFrame,
    keys: pd.DataFrame,
    marks: Mapping[int, Mark],
) -> None:
    """Keep the shape of the file of an import and its cells, unless the same file left them here before.

    Args:
        cells: as ``Sheet.cells``: one column of text a header, indexed by the number of the row.
        keys: ``series`` and ``period`` of the rows that were taken in, canonical, with the same index.
        marks: place of a column of numbers → the sign before its decimals.
    """
    this, before = imports.alias("this"), imports.alias("before")
    known = (
        select(import_files.c.id)
        .join(before, before.c.id == import_files.c.import_id)
        .join(this, and_(this.c.workflow_id == before.c.workflow_id, this.c.file_hash == before.c.file_hash))
        .where(this.c.id == import_id)
    )
    if session.execute(known.limit(1)).first() is not None:
        return
    session.execute(insert(import_files).values(import_id=import_id, headers=list(headers), delimiter=delimiter))
    named = keys[["series", "period"]].reindex(cells.index)
    for number, start in enumerate(range(0, len(cells), AT_ONCE)):
        piece, theirs = cells.iloc[start : start + AT_ONCE], named.iloc[start : start + AT_ONCE]
        part = _part(piece, theirs, marks)
        session.execute(insert(import_parts).values(import_id=import_id, number=number, body=_body(part)))


def find(session: Session, workflow_id: int, batch: int | None = None) -> Shape | None:
    """The shape of the file of an import; of the newest file where no batch is named."""
    query = (
        select(import_files.c.import_id, imports.c.file_name, import_files.c.headers, import_files.c.delimiter)
        .join(imports, imports.c.id == import_files.c.import_id)
        .where(imports.c.workflow_id == workflow_id)
        .order_by(import_files.c.import_id.desc())
        .limit(1)
    )
    if batch is not None:
        same_file = select(imports.c.file_hash).where(imports.c.id == batch, imports.c.workflow_id == workflow_id)
        query = query.where(imports.c.file_hash == same_file.scalar_subquery())
    row = session.execute(query).one_or_none()
    return None if row is None else Shape(row.import_id, row.file_name, tuple(row.headers), row.delimiter)


def mark_of(session: Session, shape: Shape, place: int | None) -> Mark:
    """The sign before the decimals in a column of a file; where it has no numbers, that of all its other columns."""
    first = session.execute(
        select(import_parts.c.body).where(import_parts.c.import_id == shape.batch, import_parts.c.number == 0)
    ).scalar_one_or_none()
    if first is None:
        return Mark.POINT
    columns = pyarrow.parquet.read_schema(io.BytesIO(first))
    marks = {
        int(column.name): Mark(column.metadata[_DECIMAL].decode())
        for column in columns
        if _DECIMAL in (column.metadata or {})
    }
    known = set(marks.values())
    common = known.pop() if len(known) == 1 else Mark.POINT
    return common if place is None else marks.get(place, common)


def decided_rows(
    session: Session,
    who: Principal,
    workflow: Workflow,
    shape: Shape,
    *,
    can_be_undone: datetime,
    since: datetime | None = None,
    into: int | None = None,
    mark: Mark = Mark.POINT,
) -> Iterator[pa.Table]:
    """The rows of a file whose items are decided, in its order, each cell as it came; a part of the file a table.

    Args:
        who: keeps to what they may take out.
        can_be_undone: UTC; decisions since then could be undone still, see ``receipts.sealed_from``.
        since: UTC; keeps to what was decided from then on.
        into: the place of the column that the final value goes into; None leaves all as they came, and the columns
            ``ADDED`` follow.
        mark: stands before the decimals of what goes into that column.
    """
    numbers = session.execute(
        select(import_parts.c.number).where(import_parts.c.import_id == shape.batch).order_by(import_parts.c.number)
    )
    for number in numbers.scalars().all():
        body = session.execute(
            select(import_parts.c.body).where(import_parts.c.import_id == shape.batch, import_parts.c.number == number)
        ).scalar_one()
        part = pyarrow.parquet.read_table(io.BytesIO(body)).to_pandas()
        part = part[part["series"].notna()]
        final = _final(session, who, workflow, part, can_be_undone=can_be_undone, since=since)
        found = part.merge(final, on=["series", "period"], how="inner")
        if len(found):
            yield _as_it_came(found, len(shape.headers), into, mark)


def _final(
    session: Session,
    who: Principal,
    workflow: Workflow,
    part: pd.DataFrame,
    *,
    can_be_undone: datetime,
    since: datetime | None,
) -> pd.DataFrame:
    keys = {name: (Text(), part[name].tolist()) for name in ("series", "period")}
    wanted = bulk.given(session, "wanted", keys)
    in_hand = select(wanted.c.series, wanted.c.period).distinct().subquery("in_hand")
    rows = session.execute(
        select(
            in_hand.c.series,
            in_hand.c.period,
            decisions.c.final_value,
            decisions.c.outcome,
            decisions.c.reason_code,
            people.c.name,
            decisions.c.decided_at,
        )
        .select_from(in_hand)
        .join(series, and_(series.c.workflow_id == workflow.id, series.c.key == in_hand.c.series))
        .join(items, and_(items.c.series_id == series.c.id, items.c.period == in_hand.c.period))
        .join(decisions, decisions.c.item_id == items.c.id)
        .join(people, people.c.id == decisions.c.actor_id)
        .where(items.c.workflow_id == workflow.id, scope(who, Task.EXPORT), stands())
        .where(not_(sealed_from(who, can_be_undone)))
        .where(*([] if since is None else [decisions.c.decided_at >= since]))
    ).all()
    names = ["series", "period", *(column.name for column in ADDED)]
    return pd.DataFrame(rows, columns=names).astype({"series": "str", "period": "str"})


def _as_it_came(found: pd.DataFrame, width: int, into: int | None, mark: Mark) -> pa.Table:
    columns: list[Any] = [pa.array(found[str(place)], type=pa.string(), from_pandas=True) for place in range(width)]
    if into is not None:
        columns[into] = pa.array([_as_text(value, mark) for value in found["final_forecast"]], type=pa.string())
        return pa.Table.from_arrays(columns, names=[str(place) for place in range(width)])
    times = pd.to_datetime(found["decided_at"], utc=True)
    columns += [
        pa.array(found["final_forecast"], type=pa.float64()),
        *(pa.array(found[name], type=pa.string(), from_pandas=True) for name in ("outcome", "reason_code")),
        pa.array(found["decided_by"], type=pa.string()),
        pa.array(times.dt.as_unit("us"), type=pa.timestamp("us", "UTC")),
    ]
    return pa.Table.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def _as_text(value: float, mark: Mark) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else with_mark(float(value), mark)


def _part(cells: pd.DataFrame, keys: pd.DataFrame, marks: Mapping[int, Mark]) -> pa.Table:
    arrays = [
        pa.array(cells.index.to_numpy(), type=pa.int64()),
        *(pa.array(keys[name], type=pa.string(), from_pandas=True) for name in ("series", "period")),
        *(pa.array(cells[place], type=pa.string()) for place in cells.columns),
    ]
    signs = {place: {_DECIMAL: mark.value.encode()} for place, mark in marks.items()}
    columns = [pa.field(str(place), pa.string(), metadata=signs.get(int(place))) for place in cells.columns]
    own = zip(_KEYS, (pa.int64(), pa.string(), pa.string()), strict=True)
    return pa.Table.from_arrays(arrays, schema=pa.schema([*own, *columns]))


def _body(part: pa.Table) -> bytes:
    body = io.BytesIO()
    pyarrow.parquet.write_table(part, body, compression="zstd")
    return body.getvalue()

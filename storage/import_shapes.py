"""The shape of files of forecasts, kept so that what was decided can be written back in it: headers, order, cells."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Row, Text, and_, case, exists, func, insert, not_, select, update
from sqlalchemy.orm import Session

from review_queue.decimals import Mark, with_mark
from review_queue.exporting import ADDED
from review_queue.roles import Principal, Task
from storage import bulk
from storage.exports import AT_ONCE, stands
from storage.people import scope
from storage.receipts import sealed_from
from storage.tables import (
    decisions,
    forecasts,
    import_files,
    import_parts,
    imports,
    items,
    people,
    series,
    set_aside_rows,
)
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


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a file written back does not hold."""

    rows: int  #: of the file, of which nothing was decided that may be written back
    items: int  #: decided, and brought by the file, but in none of its rows as they were first taken in


def keep(
    session: Session,
    import_id: int,
    headers: Sequence[str],
    delimiter: str,
    cells: pd.DataFrame,
    keys: pd.DataFrame,
    marks: Mapping[int, Mark],
) -> None:
    """Keep the shape of the file of an import and its cells.

    Where the same table of the same file left them here before, that one learns which further rows were taken in.

    Args:
        cells: as ``Sheet.cells``: one column of text a header, indexed by the number of the row.
        keys: ``series`` and ``period`` of the rows that were taken in, canonical, with the same index.
        marks: place of a column of numbers → the sign before its decimals.
    """
    for known in _same_file(session, import_id):
        if tuple(known.headers) == tuple(headers) and _is_same(session, known.import_id, cells):
            _complete(session, known.import_id, keys, marks)
            return
    session.execute(insert(import_files).values(import_id=import_id, headers=list(headers), delimiter=delimiter))
    named = keys[["series", "period"]].reindex(cells.index)
    for number, start in enumerate(range(0, len(cells), AT_ONCE)):
        piece, theirs = cells.iloc[start : start + AT_ONCE], named.iloc[start : start + AT_ONCE]
        part = _part(piece, theirs, marks)
        session.execute(insert(import_parts).values(import_id=import_id, number=number, body=_body(part)))


def take_in(session: Session, keys: pd.DataFrame) -> None:
    """Note of rows that had been set aside, and are in now, what they came to be, in the shapes of their files.

    Where a file left several tables here, and nothing says in which of them a row stood, it is noted in none.

    Args:
        keys: ``series`` and ``period``, canonical, indexed by the id of the row set aside.
    """
    columns = set_aside_rows.c.id, set_aside_rows.c.import_id, set_aside_rows.c.row_number
    rows = session.execute(select(*columns).where(bulk.among(session, columns[0], keys.index.tolist()))).all()
    found = pd.DataFrame(rows, columns=["id", "import_id", "row_number"]).set_index("id").join(keys)
    for import_id in sorted({row.import_id for row in rows}):
        known = [shape.import_id for shape in _same_file(session, import_id)]
        own = [batch for batch in known if batch == import_id] or known
        if len(own) == 1:
            theirs = found[found["import_id"] == import_id].drop_duplicates("row_number")
            _complete(session, own[0], theirs.set_index("row_number"), {})


def find(session: Session, workflow_id: int, batch: int | None = None) -> Shape | None:
    """The shape of the file of an import; of the newest file where no batch is named."""
    query = (
        select(import_files.c.import_id, imports.c.file_name, import_files.c.headers, import_files.c.delimiter)
        .join(imports, imports.c.id == import_files.c.import_id)
        .where(imports.c.workflow_id == workflow_id)
        .limit(1)
    )
    if batch is not None:
        same_file = select(imports.c.file_hash).where(imports.c.id == batch, imports.c.workflow_id == workflow_id)
        query = query.where(imports.c.file_hash == same_file.scalar_subquery())
        query = query.order_by(case((import_files.c.import_id == batch, 0), else_=1))
    row = session.execute(query.order_by(import_files.c.import_id.desc())).one_or_none()
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


@dataclass
class WriteBack:
    """The rows of a file whose items are decided, in its order, each cell as it came."""

    session: Session
    who: Principal  #: keeps to what they may take out
    workflow: Workflow
    shape: Shape
    can_be_undone: datetime  #: UTC; decisions since then could be undone still, see ``receipts.sealed_from``
    since: datetime | None = None  #: UTC; keeps to what was decided from then on
    #: The place of the column that the final value goes into; None leaves all as they came, and ``ADDED`` follow.
    into: int | None = None
    mark: Mark = Mark.POINT  #: stands before the decimals of what goes into that column
    _without: int = field(default=0, init=False)
    _of_file: list[NDArray[np.int64]] = field(default_factory=list, init=False)

    def tables(self) -> Iterator[pa.Table]:
        """The rows, a part of the file a table."""
        for _, body in _parts(self.session, self.shape.batch):
            part = pyarrow.parquet.read_table(io.BytesIO(body)).to_pandas()
            named = part[part["series"].notna()]
            found = named.merge(self._final(named), on=["series", "period"], how="inner")
            self._without += len(part) - len(found)
            self._of_file.append(found.loc[found["is_of_file"].astype("bool"), "item"].to_numpy(dtype=np.int64))
            if len(found):
                yield _as_it_came(found, len(self.shape.headers), self.into, self.mark)

    def left_out(self) -> LeftOut:
        """What is not in the tables, once all of them were read."""
        decided = self.session.execute(
            select(func.count(items.c.id.distinct()))
            .select_from(items)
            .join(decisions, decisions.c.item_id == items.c.id)
            .where(*self._decided(), self._came_with_the_file())
        ).scalar_one()
        here = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *self._of_file]))
        return LeftOut(rows=self._without, items=decided - len(here))

    def _final(self, part: pd.DataFrame) -> pd.DataFrame:
        keys = {name: (Text(), part[name].tolist()) for name in ("series", "period")}
        wanted = bulk.given(self.session, "wanted", keys)
        in_hand = select(wanted.c.series, wanted.c.period).distinct().subquery("in_hand")
        rows = self.session.execute(
            select(
                in_hand.c.series,
                in_hand.c.period,
                decisions.c.final_value,
                decisions.c.outcome,
                decisions.c.reason_code,
                people.c.name,
                decisions.c.decided_at,
                items.c.id,
                self._came_with_the_file(),
            )
            .select_from(in_hand)
            .join(series, and_(series.c.workflow_id == self.workflow.id, series.c.key == in_hand.c.series))
            .join(items, and_(items.c.series_id == series.c.id, items.c.period == in_hand.c.period))
            .join(decisions, decisions.c.item_id == items.c.id)
            .join(people, people.c.id == decisions.c.actor_id)
            .where(*self._decided())
        ).all()
        names = ["series", "period", *(column.name for column in ADDED), "item", "is_of_file"]
        return pd.DataFrame(rows, columns=names).astype({"series": "str", "period": "str"})

    def _decided(self) -> list[ColumnElement[bool]]:
        """The conditions on ``items`` and ``decisions`` of what may be written back."""
        return [
            items.c.workflow_id == self.workflow.id,
            scope(self.who, Task.EXPORT),
            stands(),
            not_(sealed_from(self.who, self.can_be_undone)),
            *([] if self.since is None else [decisions.c.decided_at >= self.since]),
        ]

    def _came_with_the_file(self) -> ColumnElement[bool]:
        """The condition on ``items`` that an import of this file brought a forecast of one."""
        this, same = imports.alias("this"), imports.alias("same")
        batches = select(same.c.id).join(
            this, and_(this.c.workflow_id == same.c.workflow_id, this.c.file_hash == same.c.file_hash)
        )
        came = forecasts.c.import_id.in_(batches.where(this.c.id == self.shape.batch))
        return exists().where(forecasts.c.item_id == items.c.id, came)


def _same_file(session: Session, import_id: int) -> Sequence[Row[Any, Any]]:
    """``import_id`` and ``headers`` of every shape that an import of the same file left here, the newest first."""
    this, same = imports.alias("this"), imports.alias("same")
    return session.execute(
        select(import_files.c.import_id, import_files.c.headers)
        .join(same, same.c.id == import_files.c.import_id)
        .join(this, and_(this.c.workflow_id == same.c.workflow_id, this.c.file_hash == same.c.file_hash))
        .where(this.c.id == import_id)
        .order_by(import_files.c.import_id.desc())
    ).all()


def _is_same(session: Session, import_id: int, cells: pd.DataFrame) -> bool:
    """Whether the kept rows are these: one file may hold several sheets, and be read in several ways."""
    start = 0
    for _, body in _parts(session, import_id):
        part = pyarrow.parquet.read_table(io.BytesIO(body)).drop_columns(["series", "period"])
        piece = cells.iloc[start : start + len(part)]
        start += len(part)
        nothing = pd.DataFrame(None, index=piece.index, columns=["series", "period"], dtype="str")
        if not part.equals(_part(piece, nothing, {}).drop_columns(["series", "period"])):
            return False
    return start == len(cells)


def _complete(session: Session, import_id: int, keys: pd.DataFrame, marks: Mapping[int, Mark]) -> None:
    """Give the rows of a shape that have no ``series`` and ``period`` theirs, and its columns the signs in ``marks``.

    Args:
        keys: indexed by the number of the row.
    """
    for number, body in _parts(session, import_id):
        numbers = pyarrow.parquet.read_table(io.BytesIO(body), columns=["row_number"])["row_number"].to_numpy()
        if not marks and not np.isin(keys.index, numbers).any():
            continue
        old = pyarrow.parquet.read_table(io.BytesIO(body))
        new = _signed(old, marks)
        theirs = keys[["series", "period"]].reindex(numbers)
        has_none = pc.is_null(old["series"])
        for name in ("series", "period"):
            given = pc.if_else(has_none, pa.array(theirs[name], type=pa.string(), from_pandas=True), old[name])
            new = new.set_column(new.schema.get_field_index(name), new.schema.field(name), given)
        if not new.equals(old, check_metadata=True):
            which = import_parts.c.import_id == import_id, import_parts.c.number == number
            session.execute(update(import_parts).where(*which).values(body=_body(new)))


def _parts(session: Session, import_id: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a file in order, one at a time."""
    numbers = session.execute(
        select(import_parts.c.number).where(import_parts.c.import_id == import_id).order_by(import_parts.c.number)
    )
    for number in numbers.scalars().all():
        which = import_parts.c.import_id == import_id, import_parts.c.number == number
        yield number, session.execute(select(import_parts.c.body).where(*which)).scalar_one()


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
    return _signed(pa.table(arrays, names=[*_KEYS, *(str(place) for place in cells.columns)]), marks)


def _signed(part: pa.Table, marks: Mapping[int, Mark]) -> pa.Table:
    """``part`` whose columns say the signs in ``marks``."""
    signs = {str(place): {_DECIMAL: mark.value.encode()} for place, mark in marks.items()}
    columns = [column.with_metadata(signs.get(column.name, column.metadata)) for column in part.schema]
    return pa.Table.from_arrays(part.columns, schema=pa.schema(columns))


def _body(part: pa.Table) -> bytes:
    body = io.BytesIO()
    pyarrow.parquet.write_table(part, body, compression="zstd")
    return body.getvalue()

"""Taking data out: written to a file inside the person's scope, with a manifest beside it, and recorded."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from review_queue.decimals import Mark
from review_queue.exporting import (
    NEUTRALISED,
    SCHEMA_VERSION,
    ExportKind,
    Format,
    Mask,
    Out,
    columns_of,
    written_back,
)
from review_queue.masking import CLEAR, FieldClass, Treatment
from review_queue.roles import Principal, Task
from storage import audit, exports, import_shapes, people, schema, workflows
from storage.engine import Database, database_now
from storage.import_shapes import LeftOut, Shape, WriteBack
from storage.workflows import Workflow
from workbench.actions.again import again
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import sight
from workbench.stopping import doors
from workbench.writing_files import ExportRefused, format_of, open_writer

#: How people and free text are given, as a manifest says it.
_MANNER = {
    Treatment.SHOWN: "names",
    Treatment.MASKED: "masked: a stand-in for each person",
    Treatment.LEFT_OUT: "left out",
}
_MANNER_OF_TEXT = {Treatment.SHOWN: "included", Treatment.MASKED: "masked", Treatment.LEFT_OUT: "left out"}

MANIFEST = ".manifest.json"  #: behind the file's name


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken out."""

    kind: ExportKind
    since: datetime | None = None  #: UTC; decided, happened or came in from then on
    with_text: bool = False  #: for labels: with the free text that people wrote
    mask_key: bytes | None = None  #: for labels: what people are masked with; None: a key of this export alone
    batch: int | None = None  #: for write-back: the import whose shape it has; None: the newest file of forecasts
    into: str | None = None  #: for write-back: the column of the file that the final value goes into


@dataclass(frozen=True)
class Manifest:
    """What is in an exported file, as the file beside it says."""

    file: str
    kind: ExportKind
    format: Format
    workflow: str
    unit: str
    is_simulated: bool
    rows: int
    columns: tuple[Out, ...]
    sha256: str
    bytes: int
    as_of: datetime  #: UTC; the state of the database that it holds
    since: datetime | None
    by: str
    scope: tuple[str, ...]  #: the parts of the tree that it is limited to; empty: the whole workflow
    people: str
    text: str
    batch: int | None
    left_out: LeftOut | None  #: of a file written back

    def as_json(self) -> dict[str, Any]:
        """The manifest as it is written; times in ISO 8601, unknown as null."""
        return {
            "file": self.file,
            "kind": self.kind,
            "format": self.format,
            "schema_version": SCHEMA_VERSION,
            "database_schema": schema.head(),
            "workflow": self.workflow,
            "unit": self.unit,
            "simulated": self.is_simulated,
            "rows": self.rows,
            "columns": [{"name": column.name, "holds": column.holds} for column in self.columns],
            "sha256": self.sha256,
            "bytes": self.bytes,
            "as_of": self.as_of.isoformat(),
            "since": self.since.isoformat() if self.since else None,
            "by": self.by,
            "scope": list(self.scope),
            "people": self.people,
            "text": self.text,
            "formulas": NEUTRALISED if self.format in (Format.CSV, Format.XLSX) else "exact",
            "batch": self.batch,
            "rows_without_decision": self.left_out.rows if self.left_out else None,
            "decided_items_left_out": self.left_out.items if self.left_out else None,
        }

    def sentences(self) -> list[str]:
        """What a file written back does not hold, for people."""
        said = []
        if self.left_out and self.left_out.rows:
            said.append(f"Rows of the file that carry no decision, and are left out: {self.left_out.rows:,}.")
        if self.left_out and self.left_out.items:
            said.append(
                f"Decided items that came with the file, and are in none of its rows here: {self.left_out.items:,}."
            )
        return said


@again(in_doubt=True)
def export(database: Database, *, person_id: int, workflow_key: str, path: Path, wanted: Wanted) -> Manifest:
    """Write an export to ``path`` and its manifest to ``path`` + ``.manifest.json``; both, or nothing.

    The format goes by the ending of the name. What is there is replaced. Rows are read as of one instant and written
    some thousands at a time. Nothing is handed over unless the audit event of it is stored.

    Raises:
        NotAllowed: the person may not take data out of this workflow, or not all of it where there are no parts.
        ExportRefused: it cannot be written so, or there is nothing to write back; says what to do.
        WorkflowInvalid: there is no such workflow.
    """
    how = format_of(path)
    if not path.parent.is_dir():
        raise ExportRefused(f"There is no folder {path.parent}. Make it first, or name another.")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as made:
        scratch = Path(made.name)
    try:
        manifest = _written(database, person_id, workflow_key, scratch, path.name, how, wanted)
        with database.writing() as session:
            workflow = workflows.get(session, workflow_key)
            people.principal(session, person_id).require(Task.EXPORT, workflow.id)
            _record(session, person_id, workflow, manifest)
        beside = path.with_name(path.name + MANIFEST)
        beside.write_text(json.dumps(manifest.as_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    return manifest


@notes_refusals
def list_files(database: Database, *, person_id: int, workflow_key: str) -> Shape | None:
    """The newest file of forecasts that can be written back, None while there is none.

    Raises:
        NotAllowed: the person may not take data out of this workflow.
    """
    with database.reading() as session:
        workflow = workflows.get(session, workflow_key)
        people.principal(session, person_id).require(Task.EXPORT, workflow.id)
        return import_shapes.find(session, workflow.id)


# --- how it is done ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Content:
    columns: tuple[Out, ...]
    schema: pa.Schema
    tables: Iterator[pa.Table]
    delimiter: str = ","
    mark: Mark = Mark.POINT  #: stands before the decimals of a CSV file's numbers
    batch: int | None = None
    back: WriteBack | None = None


def _written(
    database: Database, person_id: int, workflow_key: str, scratch: Path, name: str, how: Format, wanted: Wanted
) -> Manifest:
    with database.reading() as session:
        who = people.principal(session, person_id)
        workflow = workflows.get(session, workflow_key)
        who.require(Task.EXPORT, workflow.id)
        if wanted.kind in exports.WHOLE_ONLY and not exports.whole(who, workflow):
            raise ExportRefused(
                f"Rows set aside belong to no part of {workflow.title} yet, and you may take out a part of it only. "
                "Ask somebody who may take out all of it."
            )
        as_of = database_now(session)
        content, seen = _content(session, who, workflow, wanted, as_of, how), sight(who, workflow)
        rows = _fill(scratch, how, content)
        left_out = content.back.left_out() if content.back else None
    with scratch.open("rb") as whole:
        sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
    is_masked = wanted.kind is ExportKind.LABELS
    return Manifest(
        file=name,
        kind=wanted.kind,
        format=how,
        workflow=workflow.key,
        unit=workflow.unit,
        is_simulated=workflow.is_simulated,
        rows=rows,
        columns=content.columns,
        sha256=sha256,
        bytes=scratch.stat().st_size,
        as_of=as_of,
        since=wanted.since,
        by=who.name,
        scope=_parts(who, workflow),
        people=_of_people(wanted) if is_masked else _MANNER[seen.of[FieldClass.PERSON]],
        text="left out" if is_masked and not wanted.with_text else _MANNER_OF_TEXT[seen.of[FieldClass.TEXT]],
        batch=content.batch,
        left_out=left_out,
    )


def _content(
    session: Session, who: Principal, workflow: Workflow, wanted: Wanted, as_of: datetime, how: Format
) -> _Content:
    seen = sight(who, workflow)
    if wanted.kind is ExportKind.WRITE_BACK:
        if any(seen.of[each] for each in (FieldClass.PERSON, FieldClass.TEXT, FieldClass.RATIONALE)):
            raise ExportRefused(
                "A file that is written back holds everything as it came, and your roles here hide part of that. "
                "Ask somebody whose roles show it, or take the decisions out instead."
            )
        return _write_back(session, who, workflow, wanted, as_of, how)
    masked = wanted.kind is ExportKind.LABELS
    with_text = wanted.with_text or not masked
    if wanted.kind is ExportKind.SET_ASIDE and who.may(Task.IMPORT, workflow.id):
        seen = CLEAR  # whoever corrects rows needs them as they came, on the Data page and in a file
    columns = exports.seen_of(columns_of(wanted.kind, workflow.policy.segments, with_text=with_text), seen)
    mask = Mask(wanted.mask_key or secrets.token_bytes(32)) if masked else None
    tables = exports.read(
        session, who, workflow, wanted.kind, as_of=as_of, since=wanted.since, with_text=with_text, mask=mask, sight=seen
    )
    return _Content(columns, exports.schema_of(columns), tables)


def _write_back(
    session: Session, who: Principal, workflow: Workflow, wanted: Wanted, as_of: datetime, how: Format
) -> _Content:
    shape = import_shapes.find(session, workflow.id, wanted.batch)
    if shape is None:
        which = "" if wanted.batch is None else f" as batch {wanted.batch}"
        raise ExportRefused(
            f"No file of forecasts came into {workflow.title}{which}, so there is no shape to write in."
        )
    columns, place = written_back(shape.headers, into=wanted.into), _place(shape, wanted.into)
    # A spreadsheet's number is no text, and is shown as its reader writes numbers.
    mark = Mark.POINT if how is Format.XLSX else import_shapes.mark_of(session, shape, place)
    back = import_shapes.WriteBack(
        session,
        who,
        workflow,
        shape,
        can_be_undone=as_of - timedelta(seconds=workflow.policy.undo_seconds),
        since=wanted.since,
        into=place,
        mark=mark,
    )
    return _Content(columns, exports.schema_of(columns), back.tables(), shape.delimiter, mark, shape.batch, back)


def _place(shape: Shape, into: str | None) -> int | None:
    if into is None:
        return None
    if into not in shape.headers:
        listed = ", ".join(header for header in shape.headers if header)
        raise ExportRefused(f"{shape.file} has no column {into!r} for the final value. Its columns are {listed}.")
    return shape.headers.index(into)


def _fill(scratch: Path, how: Format, content: _Content) -> int:
    """Write the file; how many rows it has."""
    rows = 0
    writer = open_writer(scratch, how, content.columns, content.schema, delimiter=content.delimiter, mark=content.mark)
    try:
        for table in content.tables:
            doors.check()
            writer.write(table)
            rows += len(table)
    finally:
        writer.close()
    return rows


def _parts(who: Principal, workflow: Workflow) -> tuple[str, ...]:
    if exports.whole(who, workflow):
        return ()
    paths = {grant.segment_path or "" for grant in who.grants_for(Task.EXPORT, workflow.id)}
    return tuple(path.rstrip("\x1f").replace("\x1f", " › ") for path in sorted(paths))


def _of_people(wanted: Wanted) -> str:
    with_what = "the key in WORKBENCH_MASK_KEY" if wanted.mask_key else "a key of this export alone"
    return f"masked: HMAC-SHA256 with {with_what}, 16 hexadecimal digits"


def _record(session: Session, person_id: int, workflow: Workflow, manifest: Manifest) -> None:
    details = {
        "kind": manifest.kind,
        "format": manifest.format,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "sha256": manifest.sha256,
        "since": manifest.since.isoformat() if manifest.since else None,
        "with_text": manifest.text == "included",
        "batch": manifest.batch,
        "parts": len(manifest.scope),
    }
    audit.record(session, "export", actor_id=person_id, workflow_id=workflow.id, details=details)

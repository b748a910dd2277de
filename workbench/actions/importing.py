"""Bringing files in: read, matched, written in one transaction, and what was set aside fixed and tried again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from sqlalchemy.orm import Session

from review_queue.columns import Kind, Match, columns_of, kind_of, match_headers
from review_queue.decimals import Mark
from review_queue.errors import NotAllowed, ReviewError
from review_queue.roles import Principal, Task
from review_queue.rows import Checked, check_rows
from storage import audit, import_shapes, imports, matching, notifications, people, workflows
from storage.bulk import Progress
from storage.engine import Database, database_now
from storage.fates import Fate, Written
from storage.imports import Counts, SetAside
from storage.matching import Matched
from storage.workflows import Workflow
from workbench import metrics
from workbench.actions.again import again
from workbench.actions.arriving import DOUBTED, LEFT_OVER, Incoming, arrive
from workbench.actions.refusing import notes_refusals
from workbench.actions.seeing import as_seen
from workbench.foreign.facts import Choices, Fact
from workbench.foreign.reading import read
from workbench.foreign.sheets import Sheet
from workbench.stopping import doors

#: How many of the rows set aside a summary shows.
SHOWN = 200
#: How many rows of a file are shown before it is imported.
PREVIEWED = 10
#: Rows refused for what they stand beside: nothing in them shows the mistake, so as they are they stay refused.
_ONLY_CORRECTED = ("DUPLICATE_KEY", "WRONG_NUMBER_OF_CELLS")


class RowsNotOpen(ReviewError):
    """Set-aside rows that somebody else has dealt with, or that never were."""

    code = "ROWS_NOT_OPEN"

    def __init__(self, sentence: str = "") -> None:
        super().__init__(
            sentence
            or "Some of these rows are no longer set aside as they were: somebody has dealt with them. Reload the page."
        )


class ImportCancelled(ReviewError):
    """Somebody stopped an import that was under way."""

    code = "IMPORT_CANCELLED"

    def __init__(self) -> None:
        super().__init__("The import was cancelled.")


class PolicyChanged(ReviewError):
    """The workflow's policy changed while the file was being read."""

    code = "POLICY_CHANGED"


@dataclass(frozen=True)
class AsideRow:
    """A row that was set aside, as a summary tells it."""

    row: int  #: as a spreadsheet counts: the header is row 1
    column: str
    code: str
    sentence: str  #: may quote the file: untrusted text


@dataclass(frozen=True)
class ImportSummary:
    """What an import did, or would do."""

    file: str
    workflow: str
    kind: Kind
    counts: Counts
    batch: int | None  #: None for a dry run, which leaves nothing behind
    timezone: str  #: in which times without a zone were read
    mapping: tuple[Match, ...] = ()
    left_out: tuple[str, ...] = ()  #: headers that no column was made of
    aside: tuple[AsideRow, ...] = ()  #: the first of the rows set aside
    after_decision: tuple[int, ...] = ()  #: decided items that a newer forecast came for; their decision stands
    facts: tuple[Fact, ...] = ()  #: how the file was read
    stale: int = 0  #: overridden items that came back, since a number that they were decided on has moved

    def as_json(self) -> dict[str, Any]:
        """The contract of ``workbench import --json``."""
        counts = self.counts
        return {
            "file": self.file,
            "workflow": self.workflow,
            "kind": self.kind.value,
            "rows": counts.rows,
            "accepted": counts.accepted,
            "unchanged": counts.unchanged,
            "updated": counts.updated,
            "set_aside": counts.set_aside,
            "batch": self.batch,
            "reasons": counts.reasons,
        }

    def sentences(self) -> list[str]:
        """The same for people, with what the numbers leave out."""
        counts = self.counts
        said = [
            f"{counts.rows:,} rows: {counts.accepted:,} accepted, {counts.unchanged:,} unchanged, "
            f"{counts.updated:,} updated, {counts.set_aside:,} set aside.",
            f"Times without a zone were read in {self.timezone}.",
        ]
        if self.batch is None:
            said.insert(0, "Nothing was changed: this was a dry run.")
        if self.after_decision:
            said.append(f"{len(self.after_decision):,} decided items got a newer forecast; their decisions stand.")
        if self.stale:
            said.append(f"{self.stale:,} overridden items came back: a number that they were decided on has moved.")
        if counts.set_aside and self.batch is not None:
            said.append("Correct the rows set aside on the Data page and retry them there.")
        return said


@dataclass(frozen=True)
class FileLook:
    """What is in a file, before it is imported."""

    headers: tuple[str, ...]
    columns: tuple[str, ...]  #: canonical, of its kind
    matches: tuple[Match, ...]
    facts: tuple[Fact, ...]  #: how it was read, and why so
    sheets: tuple[str, ...]  #: of a spreadsheet
    rows: int
    size: int  #: bytes that its table takes in memory, which may be very many more than the file's
    first: pd.DataFrame  #: the first rows, as ``Sheet.cells``: untrusted text


@again(in_doubt=False)
def import_file(
    database: Database,
    *,
    person_id: int,
    workflow_key: str,
    kind: str,
    name: str,
    content: bytes,
    choices: Choices | None = None,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportSummary:
    """Bring a file in, as a whole or not at all; rows that cannot be trusted are set aside.

    Args:
        kind: one of ``Kind``.
        mapping: canonical column → the file's header, where the names do not tell; "" leaves a column out. The
            next file of the kind goes by it too.
        dry_run: tell what would happen, and change nothing.
        choices: how the file is to be read, where that is not to be found out.
        progress: told of rows written, and of how many, both 0 while the file is read; what it raises ends the
            import and undoes it.

    Raises:
        FileRefused: the file, or a mapping for it, cannot be read at all. Nothing was changed.
        NotAllowed: the person may not bring data into this workflow.
        WorkflowInvalid: there is no such workflow.
    """
    _allowed(database, person_id, workflow_key, kind_of(kind))
    sheet = _read(name, content, choices, progress)
    return import_sheet(
        database,
        person_id=person_id,
        workflow_key=workflow_key,
        kind=kind,
        name=name,
        content=content,
        sheet=sheet,
        choices=choices,
        mapping=mapping,
        dry_run=dry_run,
        progress=progress,
    )


@again(in_doubt=False)
def import_sheet(
    database: Database,
    *,
    person_id: int,
    workflow_key: str,
    kind: str,
    name: str,
    content: bytes,
    sheet: Sheet,
    choices: Choices | None = None,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportSummary:
    """Bring a table in that has been read: as ``import_file``, whose ``content`` it was read from.

    Raises:
        FileRefused, NotAllowed, WorkflowInvalid: as ``import_file``.
    """
    what = kind_of(kind)
    workflow, remembered = _allowed(database, person_id, workflow_key, what)
    incoming, matches = arrive(
        sheet,
        kind=what,
        levels=workflow.policy.segments,
        name=name,
        file_hash=hashlib.sha256(content).hexdigest(),
        remembered=remembered,
        mapping=mapping,
        choices=choices or Choices(),
    )
    return _brought_in(database, person_id, workflow, incoming, sheet, matches, dry_run=dry_run, progress=progress)


@again(in_doubt=False)
def import_values(
    database: Database,
    *,
    person_id: int,
    workflow_key: str,
    kind: Kind,
    name: str,
    sheet: Sheet,
    identity: str,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> ImportSummary:
    """Bring a table in that came in no file, by the checks of ``import_file``.

    Args:
        name: what the list of imports calls it.
        identity: 64 hexadecimal digits that stay the same while the table may hold the same rows: one that was set
            aside before is not set aside again, wherever it stands now.
        mapping: canonical column → the table's, where the names do not tell. Files do not go by it.

    Raises:
        FileRefused, NotAllowed, WorkflowInvalid: as ``import_file``.
    """
    workflow, _ = _allowed(database, person_id, workflow_key, kind)
    incoming, matches = arrive(
        sheet,
        kind=kind,
        levels=workflow.policy.segments,
        name=name,
        file_hash=identity,
        remembered={},
        mapping=mapping,
        choices=Choices(),
    )
    incoming = replace(incoming, mapping={}, sheet=None, may_move=True)
    return _brought_in(database, person_id, workflow, incoming, sheet, matches, dry_run=dry_run, progress=None)


def _brought_in(
    database: Database,
    person_id: int,
    workflow: Workflow,
    incoming: Incoming,
    sheet: Sheet,
    matches: tuple[Match, ...],
    *,
    dry_run: bool,
    progress: Progress | None,
) -> ImportSummary:
    done = (
        _rehearse(database, person_id, workflow, incoming)
        if dry_run
        else _perform(database, person_id, workflow, incoming, progress or _silent)
    )
    taken = {match.header for match in matches}
    left_out = tuple(header for header in sheet.headers if header and header not in taken)
    return replace(done.summary, mapping=matches, left_out=left_out, facts=sheet.facts + incoming.facts)


@notes_refusals
def guess_mapping(
    database: Database,
    *,
    person_id: int,
    workflow_key: str,
    kind: str,
    name: str,
    content: bytes,
    choices: Choices | None = None,
) -> FileLook:
    """What is in a file: how it would be read, which of its columns would be taken for what, and why.

    A required column may still be missing.

    Raises:
        FileRefused: the file cannot be read.
        NotAllowed: the person may not bring data into this workflow.
    """
    what = kind_of(kind)
    workflow, remembered = _allowed(database, person_id, workflow_key, what)
    levels = workflow.policy.segments
    sheet = _read(name, content, choices, None)
    matches = match_headers(sheet.headers, what, levels, remembered=remembered, must_be_complete=False)
    return FileLook(
        headers=sheet.headers,
        columns=tuple(column.name for column in columns_of(what, levels)),
        matches=matches,
        facts=sheet.facts,
        sheets=sheet.sheets,
        rows=len(sheet.cells),
        size=sheet.size,
        # Copied: a slice would keep the whole table for as long as anybody keeps the look.
        first=sheet.cells.take(range(min(PREVIEWED, len(sheet.cells)))),
    )


@again(in_doubt=False)
def retry_rows(database: Database, *, person_id: int, fixes: Mapping[int, Mapping[str, str]]) -> ImportSummary:
    """Try rows that were set aside again, corrected: the ones that pass go in, the others say what is wrong now.

    Args:
        fixes: id of a set-aside row → canonical column → its new text; an empty mapping tries the row as it is.

    Raises:
        RowsNotOpen: a row is no longer open, or somebody else has changed it meanwhile; or the rows are of different
            kinds or workflows. Nothing was changed.
        NotAllowed: the person may not bring data into the workflow.
    """
    with database.reading() as session:
        who = people.principal(session, person_id)
        workflow, rows = _rows_of_one_kind(session, fixes)
        who.require(Task.IMPORT, workflow.id)
    incoming = _corrected(rows, fixes)
    return _perform(database, person_id, workflow, incoming, _silent, retried=rows).summary


@again(in_doubt=False)
def dismiss_rows(database: Database, *, person_id: int, row_ids: Collection[int]) -> int:
    """Put set-aside rows away for good; they stay on record. Returns how many.

    Raises:
        RowsNotOpen: a row is no longer open, or the rows are of different kinds or workflows.
        NotAllowed: the person may not bring data into the workflow.
    """
    with database.writing() as session:
        who = people.principal(session, person_id)
        workflow, rows = _rows_of_one_kind(session, row_ids)
        who.require(Task.IMPORT, workflow.id)
        ids = [row.id for row in rows]
        _resolve(session, ids, imports.DISMISSED, person_id=person_id)
        audit.record(session, "rows_dismissed", actor_id=person_id, workflow_id=workflow.id, details={"rows": ids})
        return len(ids)


@notes_refusals
def list_imports(database: Database, *, person_id: int, workflow_key: str) -> pd.DataFrame:
    """Past imports, the newest first, columns as in ``storage.imports.listed``."""
    with database.reading() as session:
        workflow, who = workflows.get(session, workflow_key), people.principal(session, person_id)
        _require_sight(who, workflow)
        return as_seen(session, who, workflow, imports.listed(session, workflow.id))


@notes_refusals
def list_set_aside(database: Database, *, person_id: int, workflow_key: str) -> list[SetAside]:
    """Rows that wait for a correction, the oldest first; as they came for whoever may correct them.

    Raises:
        NotAllowed: ``may_see_set_aside`` says no.
    """
    with database.reading() as session:
        workflow, who = workflows.get(session, workflow_key), people.principal(session, person_id)
        _require_sight_of_set_aside(who, workflow)
        found = imports.list_set_aside(session, workflow.id)
        return found if who.may(Task.IMPORT, workflow.id) else as_seen(session, who, workflow, found)


@notes_refusals
def count_set_aside(database: Database, *, person_id: int, workflow_key: str) -> int:
    """How many rows wait for a correction; ``list_set_aside`` gives the oldest of them.

    Raises:
        NotAllowed: ``may_see_set_aside`` says no.
    """
    with database.reading() as session:
        workflow = workflows.get(session, workflow_key)
        _require_sight_of_set_aside(people.principal(session, person_id), workflow)
        return imports.count_set_aside(session, workflow.id)


def may_see_set_aside(who: Principal, workflow: Workflow) -> bool:
    """Whether this person is shown rows set aside, which a role in a part of the tree does not do.

    What such a row says of its place in the tree is not to be trusted either.
    """
    return who.may(Task.IMPORT, workflow.id) or who.may_whole(Task.SEE_QUEUE, workflow.id)


# --- how it is done ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    summary: ImportSummary
    aside: pd.DataFrame


def _rehearse(database: Database, person_id: int, workflow: Workflow, incoming: Incoming) -> Outcome:
    checked = checked_rows(workflow, incoming)
    with database.reading() as session:
        people.principal(session, person_id).require(Task.IMPORT, workflow.id)
        return rehearse(session, workflow, incoming, checked)


def rehearse(session: Session, workflow: Workflow, incoming: Incoming, checked: Checked) -> Outcome:
    """What ``bring_in`` would do, without doing it."""
    matched = matching.match(session, workflow, incoming.kind, checked.good)
    return _told(workflow, incoming, checked, matched, batch=None)


def _perform(
    database: Database,
    person_id: int,
    workflow: Workflow,
    incoming: Incoming,
    progress: Progress,
    *,
    retried: Sequence[SetAside] = (),
) -> Outcome:
    checked = checked_rows(workflow, incoming)
    doors.check()
    with database.writing() as session:
        people.principal(session, person_id).require(Task.IMPORT, workflow.id)
        done = bring_in(session, person_id, workflow, incoming, checked, progress=progress, retried=retried)
    count_rows(done.summary.counts)
    return done


def count_rows(counts: Counts) -> None:
    """Count rows that came in, once their transaction has ended."""
    metrics.rows_came_in(
        accepted=counts.accepted, unchanged=counts.unchanged, updated=counts.updated, set_aside=counts.set_aside
    )


def bring_in(
    session: Session,
    person_id: int,
    workflow: Workflow,
    incoming: Incoming,
    checked: Checked,
    *,
    progress: Progress | None = None,
    retried: Sequence[SetAside] = (),
) -> Outcome:
    """Write checked rows, as one import, in the transaction of whoever has asked whether this person may.

    Args:
        retried: the rows set aside that these rows are, as they stood when they were read.

    Raises:
        PolicyChanged: the rows were checked by a policy that is no longer in force.
        RowsNotOpen: a retried row no longer stands as it was read.
    """
    workflows.lock(session, workflow.id)
    _hold(session, retried)
    if workflows.by_id(session, workflow.id).policy_version != workflow.policy_version:
        raise PolicyChanged(f"The policy of {workflow.title} changed while the file was read. Import it again.")
    now = database_now(session)
    matched = matching.match(session, workflow, incoming.kind, checked.good)
    told = _told(workflow, incoming, checked, matched, batch=None)
    batch = imports.record(
        session,
        workflow.id,
        incoming.kind,
        file_name=incoming.name,
        file_hash=incoming.file_hash,
        counts=told.summary.counts,
        mapping=incoming.mapping,
        person_id=person_id,
    )
    noted = _while_open(progress or _silent)
    written = matching.write(session, workflow, incoming.kind, matched.rows, import_id=batch, now=now, progress=noted)
    if incoming.sheet is not None and incoming.kind is Kind.FORECASTS:
        _keep_shape(session, batch, incoming.sheet, incoming.marks, matched)
    if retried:
        if incoming.kind is Kind.FORECASTS:
            import_shapes.take_in(session, matched.rows)
        _settle(session, incoming, told.aside, person_id=person_id)
    else:
        aside = told.aside.drop(columns="row")
        imports.set_aside(session, workflow.id, incoming.kind, batch, aside, may_move=incoming.may_move)
    _record(session, person_id, workflow, incoming, told.summary.counts, batch, written)
    if written.feed_is_back:
        audit.record(session, "feed.back", actor_id=person_id, workflow_id=workflow.id, details={"batch": batch})
    notifications.tell_who_sent_back(session, workflow.id, written.returned, by=person_id)
    notifications.tell_of_stale(session, workflow.id, written.stale, by=person_id)
    after, stale = written.after_decision, len(written.stale)
    return replace(told, summary=replace(told.summary, batch=batch, after_decision=after, stale=stale))


def _keep_shape(session: Session, batch: int, sheet: Sheet, marks: Mapping[int, Mark], matched: Matched) -> None:
    """So that decisions can be written back in the shape in which their forecasts came."""
    import_shapes.keep(session, batch, sheet.headers, sheet.delimiter, sheet.cells, matched.rows, marks)


def checked_rows(workflow: Workflow, incoming: Incoming) -> Checked:
    """The rows that can be trusted by themselves, and the others."""
    texts = incoming.texts
    if incoming.unresolved is not None:
        texts = texts.drop(index=incoming.unresolved["row"].tolist())
    return check_rows(texts, incoming.kind, workflow.policy, misshapen=incoming.misshapen, doubts=incoming.doubts)


def _told(workflow: Workflow, incoming: Incoming, checked: Checked, matched: Matched, *, batch: int | None) -> Outcome:
    pieces = [checked.aside, matched.aside]
    if incoming.unresolved is not None:
        pieces.append(incoming.unresolved)
    aside = pd.concat(pieces, ignore_index=True)
    aside["row_number"] = aside["row"].map(incoming.row_numbers)
    aside = aside.sort_values("row_number", kind="stable")
    fate = matched.rows["fate"].value_counts()
    counts = Counts(
        rows=len(incoming.texts),
        accepted=int(fate.get(Fate.ACCEPTED, 0)),
        unchanged=int(fate.get(Fate.UNCHANGED, 0)) + matched.repeats,
        updated=int(fate.get(Fate.UPDATED, 0)),
        set_aside=len(aside),
        reasons={str(code): int(count) for code, count in aside["code"].value_counts().sort_index().items()},
    )
    shown = aside.head(SHOWN)[["row_number", "column", "code", "sentence"]].itertuples(index=False)
    rows = tuple(AsideRow(int(row), column, code, sentence) for row, column, code, sentence in shown)
    summary = ImportSummary(
        incoming.name, workflow.key, incoming.kind, counts, batch, workflow.policy.timezone, aside=rows
    )
    labels = aside["row"].tolist()
    read = _cells(incoming.texts.loc[labels])
    cells = [{**row, **_storable_all(incoming.kept.get(label, {}))} for label, row in zip(labels, read, strict=True)]
    aside["cells"] = pd.Series(cells, index=aside.index, dtype=object)
    return Outcome(summary, aside[["row", "row_number", "column", "code", "sentence", "cells"]])


def _cells(texts: pd.DataFrame) -> list[dict[str, str]]:
    """Of each row, column → text."""
    return [{str(column): _storable(str(text)) for column, text in row.items()} for row in texts.to_dict("records")]


def _storable_all(kept: Mapping[str, str]) -> dict[str, str]:
    return {name: _storable(text) for name, text in kept.items()}


def _storable(text: str) -> str:
    """``text`` without the character NUL, which JSON in a database cannot hold."""
    return text.replace("\x00", "␀")


def _hold(session: Session, rows: Sequence[SetAside]) -> None:
    """Keep everybody else from these rows until the transaction ends, if they still stand as they were read."""
    held = imports.open_rows(session, [row.id for row in rows], hold=True) if rows else []
    if [row for _, row in held] != list(rows):
        raise RowsNotOpen


def _resolve(session: Session, ids: Collection[int], status: str, *, person_id: int) -> None:
    if imports.resolve(session, ids, status, person_id=person_id, now=database_now(session)) != len(ids):
        raise RowsNotOpen


def _settle(session: Session, incoming: Incoming, aside: pd.DataFrame, *, person_id: int) -> None:
    """After a retry: the rows that went in are fixed, the others say what is wrong with them now."""
    failed = set(aside["row"].tolist())
    fixed = [row for row in incoming.texts.index.tolist() if row not in failed]
    _resolve(session, fixed, imports.FIXED, person_id=person_id)
    again = aside.rename(columns={"row": "id"})[["id", "column", "code", "sentence", "cells"]]
    imports.explain_again(session, again)


def _record(
    session: Session,
    person_id: int,
    workflow: Workflow,
    incoming: Incoming,
    counts: Counts,
    batch: int,
    written: Written,
) -> None:
    details = {
        "batch": batch,
        **{name: getattr(counts, name) for name in ("rows", "accepted", "unchanged", "updated", "set_aside")},
        "returned_items": list(written.returned),
        "after_decision": list(written.after_decision),
        "stale_items": [stale.item_id for stale in written.stale],
    }
    if incoming.token_id is not None:
        details["token"] = incoming.token_id
    audit.record(session, "import", actor_id=person_id, workflow_id=workflow.id, details=details)


def _allowed(database: Database, person_id: int, workflow_key: str, kind: Kind) -> tuple[Workflow, Mapping[str, str]]:
    with database.reading() as session:
        who = people.principal(session, person_id)
        workflow = workflows.get(session, workflow_key)
        who.require(Task.IMPORT, workflow.id)
        return workflow, imports.last_mapping(session, workflow.id, kind)


def _require_sight(who: Principal, workflow: Workflow) -> None:
    if not who.may(Task.IMPORT, workflow.id):
        who.require(Task.SEE_QUEUE, workflow.id)


def _require_sight_of_set_aside(who: Principal, workflow: Workflow) -> None:
    if not may_see_set_aside(who, workflow):
        raise NotAllowed(who.name, "see rows set aside, which belong to the whole workflow")


def _rows_of_one_kind(session: Session, ids: Collection[int]) -> tuple[Workflow, list[SetAside]]:
    found = imports.open_rows(session, ids)
    missing = len(set(ids)) - len(found)
    if missing or not found:
        raise RowsNotOpen
    if len({(workflow_id, row.kind) for workflow_id, row in found}) > 1:
        raise RowsNotOpen("These rows are of several kinds. Choose rows of one kind.")
    return workflows.by_id(session, found[0][0]), [row for _, row in found]


def _corrected(rows: list[SetAside], fixes: Mapping[int, Mapping[str, str]]) -> Incoming:
    """The rows with their fixes, labelled by the id of the set-aside row."""
    ids = pd.Index([row.id for row in rows], name="row")
    cells = [{**row.cells, **fixes[row.id]} for row in rows]
    texts = pd.DataFrame([_to_be_read(each) for each in cells], index=ids).fillna("").astype("str")
    kept = {row.id: _still_kept(new) for row, new in zip(rows, cells, strict=True)}
    same = [
        row
        for row, new in zip(rows, cells, strict=True)
        if kept[row.id] or (row.code in _ONLY_CORRECTED and new == row.cells)
    ]
    unresolved = pd.DataFrame(
        [(row.id, row.column, row.code, row.sentence) for row in same], columns=["row", "column", "code", "sentence"]
    )
    return Incoming(
        kind=rows[0].kind,
        name="rows set aside",
        file_hash=hashlib.sha256(repr(sorted(fixes.items())).encode()).hexdigest(),
        texts=texts,
        row_numbers=pd.Series([row.row_number for row in rows], index=ids),
        mapping={},
        kept=kept,
        unresolved=unresolved,
    )


def _to_be_read(cells: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in cells.items() if not name.startswith((LEFT_OVER, DOUBTED))}


def _still_kept(cells: Mapping[str, str]) -> dict[str, str]:
    """What goes on keeping a row back: cells left over, and doubted cells whose text is what it was."""
    left_over = {name: text for name, text in cells.items() if name.startswith(LEFT_OVER) and text.strip()}
    doubted = {
        name: text
        for name, text in cells.items()
        if name.startswith(DOUBTED) and cells.get(name.removeprefix(DOUBTED)) == text
    }
    return left_over | doubted


def _read(name: str, content: bytes, choices: Choices | None, progress: Progress | None) -> Sheet:
    """The table in a file; the reading ends when the server stops, or when ``progress`` raises."""
    told = _while_open(progress or _silent)
    doors.check()
    return read(name, content, choices, heard=lambda _: told(0, 0))


def _while_open(progress: Progress) -> Progress:
    """``progress``, which ends the import, and so undoes it, when the server stops."""

    def note(done: int, total: int) -> None:
        doors.check()
        progress(done, total)

    return note


def _silent(done: int, total: int) -> None:
    """Nobody is watching."""

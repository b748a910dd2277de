"""Rows set aside, corrected many at once: alike, or in a file that goes out and comes back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import xlsxwriter

from review_queue.columns import Kind, columns_of
from review_queue.errors import FileRefused
from review_queue.roles import Task
from storage import audit, imports, people, workflows
from storage.engine import Database
from storage.imports import SetAside
from workbench.actions.again import again
from workbench.actions.arriving import DOUBTED, LEFT_OVER
from workbench.actions.importing import ImportSummary, retry_rows
from workbench.foreign.reading import read
from workbench.foreign.sheets import Sheet

#: The columns of such a file that say which row it is, and what is wrong with it.
ROW_ID, ROW, WRONG = "set-aside id", "row in the file", "what is wrong"
_LONGEST = 32_767  #: characters that a spreadsheet's cell can hold
_CELL = "cell "  #: how a cell beyond the header is called there, before its place


def alike(rows: Sequence[SetAside], column: str, *, find: str, put: str) -> dict[int, dict[str, str]]:
    """The fixes that put ``put`` in place of ``find`` in one column of every row, or of the whole cell if it is "".

    Rows that this leaves as they are have no fix.
    """
    new = {row.id: row.cells.get(column, "").replace(find, put) if find else put for row in rows}
    return {row.id: {column: new[row.id]} for row in rows if new[row.id] != row.cells.get(column, "")}


@again(in_doubt=False)
def take_out(database: Database, *, person_id: int, workflow_key: str, kind: Kind) -> bytes:
    """The rows of one kind that wait for a correction, as an XLSX file to correct and bring back.

    Every cell is text, so that nothing in it runs, and nothing is rounded on the way.

    Raises:
        NotAllowed: the person may not bring data into the workflow.
    """
    with database.writing() as session:
        workflow = workflows.get(session, workflow_key)
        people.principal(session, person_id).require(Task.IMPORT, workflow.id)
        rows = [row for row in imports.list_set_aside(session, workflow.id) if row.kind == kind and _fits(row)]
        details = {"kind": str(kind), "rows": len(rows)}
        audit.record(session, "rows_taken_out", actor_id=person_id, workflow_id=workflow.id, details=details)
    order = [column.name for column in columns_of(kind, workflow.policy.segments)]
    names = list(dict.fromkeys(name for row in rows for name in row.cells if not name.startswith(DOUBTED)))
    names.sort(key=lambda name: order.index(name) if name in order else len(order))
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Set aside")
        sheet.freeze_panes(1, 0)
        for column, name in enumerate((ROW_ID, ROW, WRONG, *map(_shown, names))):
            sheet.write_string(0, column, name)
        for number, row in enumerate(rows, start=1):
            cells = (str(row.id), str(row.row_number), row.sentence, *(row.cells.get(name, "") for name in names))
            for column, text in enumerate(cells):
                sheet.write_string(number, column, text)
    return file.getvalue()


def bring_back(database: Database, *, person_id: int, name: str, content: bytes) -> ImportSummary:
    """Try the rows again that were changed in a file of ``take_out``; the others go on waiting.

    Raises:
        FileRefused: it is no such file, nothing in it was changed, or a cell of it would keep its row out of an import.
        RowsNotOpen: a row is no longer open.
        NotAllowed: the person may not bring data into the workflow.
    """
    sheet = read(name, content)
    if ROW_ID not in sheet.headers:
        raise FileRefused(f"{name} has no column {ROW_ID!r}. Bring back the file that was taken out here, corrected.")
    _check_trusted(name, sheet)
    texts = sheet.cells.set_axis([_stored(header) for header in sheet.headers], axis=1)
    given: dict[int, dict[str, str]] = {}
    for number, cells in zip(texts.index, texts.to_dict("records"), strict=True):
        row_id = str(cells.pop(ROW_ID)).strip()
        if not row_id.isdecimal() or int(row_id) in given:
            raise FileRefused(
                f"{name}, row {number}: its {ROW_ID} was changed or stands there twice. Take the file out again.",
                row=int(number),
                column=ROW_ID,
            )
        given[int(row_id)] = {str(column): str(text) for column, text in cells.items() if column not in (ROW, WRONG)}
    fixes = _changed(database, given)
    if not fixes:
        raise FileRefused(f"{name} holds the rows as they were. Correct them in it, save it, and bring it back.")
    return retry_rows(database, person_id=person_id, fixes=fixes)


def _check_trusted(name: str, sheet: Sheet) -> None:
    """Refuse a file for its first cell that would keep its row out of an import, whatever it reads as."""
    for row in sorted(sheet.misshapen)[:1]:
        raise FileRefused(
            f"{name}, row {row:,}: it has {sheet.misshapen[row]} cells, which is not what the header has. Put each "
            "value under the name of its column.",
            code="WRONG_NUMBER_OF_CELLS",
            row=row,
        )
    for doubt in sorted(sheet.doubts):
        if (column := sheet.headers[doubt.place]) not in (ROW, WRONG):
            sentence = f"{name}, row {doubt.row:,}: {column} {doubt.sentence}"
            raise FileRefused(sentence, code=doubt.code, row=doubt.row, column=column)


def _fits(row: SetAside) -> bool:
    """Whether every cell fits into one of a spreadsheet; a row that does not is corrected on the page."""
    return max(map(len, row.cells.values()), default=0) <= _LONGEST


def _changed(database: Database, given: Mapping[int, Mapping[str, str]]) -> dict[int, dict[str, str]]:
    with database.reading() as session:
        known = {row.id: row.cells for _, row in imports.open_rows(session, list(given))}
    changed = {}
    for row_id, cells in given.items():
        before = known.get(row_id, {})
        new = {name: text for name, text in cells.items() if text != before.get(name, "")}
        if new or row_id not in known:
            changed[row_id] = new
    return changed


def _shown(name: str) -> str:
    return _CELL + name.removeprefix(LEFT_OVER) if name.startswith(LEFT_OVER) else name


def _stored(header: str) -> str:
    is_left_over = header.startswith(_CELL) and header.removeprefix(_CELL).isdecimal()
    return LEFT_OVER + header.removeprefix(_CELL) if is_left_over else header

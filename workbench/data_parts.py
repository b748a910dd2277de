"""The pieces of the Data page: choosing a file, saying which column is which, rows to fix, past imports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from review_queue.columns import Kind, columns_of
from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.imports import SetAside
from storage.workflows import Workflow
from workbench.actions import importing
from workbench.actions.arriving import LEFT_OVER
from workbench.actions.importing import FileLook, ImportSummary
from workbench.parts import time_column
from workbench.session import database

KINDS = {
    Kind.FORECASTS: "Forecasts: items to review",
    Kind.HISTORY: "History: past actuals",
    Kind.ACTUALS: "Actuals: what was realised",
    Kind.REVIEWS: "Reviews: past reviews kept elsewhere",
}
#: Columns that are not the file's: no header there can be called like them.
CHOSEN, ROW, WRONG = "\x1fchosen", "\x1frow", "\x1fwrong"
ASIDE_COLUMNS = {
    CHOSEN: st.column_config.CheckboxColumn("Chosen"),
    ROW: st.column_config.NumberColumn("Row", format="%d"),
    WRONG: st.column_config.TextColumn("What is wrong"),
}
COUNTS = ("rows", "accepted", "unchanged", "updated", "set_aside")
NOT_THERE = "—"
REDRAWN_AFTER = 0.2  #: seconds between two looks at how far an import is
DONE = "data-done"  #: where a summary waits for the run after the one that made it
LOOK = "data-look"  #: where the look into a file stays from run to run, with what it is of


_IMPORTS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="import")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody holds out."""

    kind: Kind
    name: str
    content: bytes


def bring_in(user: Principal, workflow: Workflow) -> None:
    """Choose a file, say which column is which, then check or import it."""
    st.subheader("Bring a file in")
    upload = choose_file()
    mapping = choose_columns(user, workflow, upload) if upload else None
    if upload and mapping is not None:
        import_buttons(user, workflow, upload, mapping)


def choose_file() -> Upload | None:
    """What is in the file, and the file."""
    kind = st.selectbox("What one row is", list(KINDS), format_func=KINDS.__getitem__, key="data-kind")
    file = st.file_uploader("CSV or XLSX file", type=["csv", "tsv", "txt", "xlsx"], key="data-file")
    return None if file is None else Upload(kind, file.name, file.getvalue())


def choose_columns(user: Principal, workflow: Workflow, upload: Upload) -> dict[str, str] | None:
    """Which header fills which column, guessed with its grounds and editable; None when the file cannot be read."""
    try:
        look = _look(user, workflow, upload)
    except ReviewError as refusal:
        _refused(refusal)
        return None
    st.caption("Which column of the file is which. Correct the guesses here; they are kept for the next file.")
    edited = st.data_editor(
        _guesses(look),
        hide_index=True,
        disabled=["column", "grounds"],
        column_config={
            "column": "Column",
            "header": st.column_config.SelectboxColumn(
                "In the file", options=[NOT_THERE, *look.headers], required=True
            ),
            "grounds": "Why",
        },
        key=f"data-mapping-{workflow.key}-{upload.kind}-{upload.name}",
    )
    return _mapping(look, edited)


def import_buttons(user: Principal, workflow: Workflow, upload: Upload, mapping: Mapping[str, str]) -> None:
    """*Check* tells what would happen; *Import* does it, with a bar."""
    check, bring = st.columns(2)
    checked = check.button("Check", key="data-check", width="stretch")
    wanted = bring.button("Import", key="data-import", type="primary", width="stretch")
    if not (checked or wanted):
        return
    bar = st.progress(0.0, text="Reading the file")
    try:
        summary = _import(user, workflow, upload, mapping, dry_run=checked, show=bar.progress)
    except ReviewError as refusal:
        _refused(refusal)
    else:
        show_summary(summary)
        if wanted:
            st.session_state.pop(LOOK, None)  # the columns that were confirmed are what the next look goes by
    finally:
        bar.empty()


def show_summary(summary: ImportSummary) -> None:
    """The counts, what they leave out, and the rows set aside."""
    for column, name in zip(st.columns(len(COUNTS)), COUNTS, strict=True):
        column.metric(name.replace("_", " ").capitalize(), f"{getattr(summary.counts, name):,}")
    for sentence in summary.sentences():
        st.text(sentence)
    if summary.left_out:
        st.text(f"Not taken in: {', '.join(summary.left_out)}.")
    if summary.aside:
        shown = pd.DataFrame([(row.row, row.column, row.code, row.sentence) for row in summary.aside])
        st.dataframe(shown.set_axis(["Row", "Column", "Code", "What is wrong"], axis=1), hide_index=True)


def rows_to_fix(user: Principal, workflow: Workflow, *, may_import: bool) -> None:
    """Rows set aside, to be corrected in place and retried, or dismissed."""
    st.subheader("Set aside")
    _show_done()
    whose = {"person_id": user.person_id, "workflow_key": workflow.key}
    rows = importing.list_set_aside(database(), **whose)
    if not rows:
        st.caption("Nothing is set aside. Rows that an import cannot trust wait here for a correction.")
        return
    if more := importing.count_set_aside(database(), **whose) - len(rows):
        st.info(f"{more:,} more wait behind the {len(rows):,} rows here. They move up as these are fixed or dismissed.")
    kinds = sorted({row.kind for row in rows}, key=list(Kind).index)
    kind = st.segmented_control("Kind", kinds, default=kinds[0], required=True, key="data-aside-kind")
    those = [row for row in rows if row.kind == kind]
    if not may_import:
        shown = _aside_table(those).drop(columns=CHOSEN)
        st.dataframe(shown, hide_index=True, column_config=_aside_columns(shown), alt="Rows set aside")
        return
    st.caption("Correct cells in place and retry those rows, or tick rows to retry them as they are or dismiss them.")
    table = _aside_table(those)
    edited = st.data_editor(
        table,
        hide_index=True,
        disabled=[ROW, WRONG],
        column_config=_aside_columns(table),
        key=f"data-aside-{workflow.key}-{kind}-{those[-1].id}-{len(those)}",
    )
    _fix_buttons(user, those, edited)


def past_imports(user: Principal, workflow: Workflow) -> None:
    """What came in so far."""
    st.subheader("Imports")
    found = importing.list_imports(database(), person_id=user.person_id, workflow_key=workflow.key)
    if found.empty:
        st.caption("Nothing has come in yet. Start with history or forecasts above, or on the command line.")
        return
    st.dataframe(
        found,
        hide_index=True,
        column_config={"at": time_column("at")},
        alt="Past imports",
    )


def _look(user: Principal, workflow: Workflow, upload: Upload) -> FileLook:
    """What is in the file, read once and not in every run of the page."""
    file_hash = hashlib.sha256(upload.content).hexdigest()
    of = (user.person_id, workflow.key, workflow.policy_version, upload.kind, file_hash)
    kept: tuple[object, FileLook] | None = st.session_state.get(LOOK)
    if kept is not None and kept[0] == of:
        return kept[1]
    look = importing.guess_mapping(
        database(),
        person_id=user.person_id,
        workflow_key=workflow.key,
        kind=upload.kind,
        name=upload.name,
        content=upload.content,
    )
    st.session_state[LOOK] = (of, look)
    return look


def _import(
    user: Principal,
    workflow: Workflow,
    upload: Upload,
    mapping: Mapping[str, str],
    *,
    dry_run: bool,
    show: Callable[[float, str], object],
) -> ImportSummary:
    """Import in a thread of its own: nothing that is drawn, and no closed browser, may interrupt its transaction."""
    reached = [0.0]

    def note(done: int, total: int) -> None:
        reached[0] = done / total if total else 1.0

    running = _IMPORTS.submit(
        importing.import_file,
        database(),
        person_id=user.person_id,
        workflow_key=workflow.key,
        kind=upload.kind,
        name=upload.name,
        content=upload.content,
        mapping=mapping,
        dry_run=dry_run,
        progress=note,
    )
    while wait([running], timeout=REDRAWN_AFTER).not_done:
        show(reached[0], "Writing" if reached[0] else "Reading the file")
    return running.result()


def _guesses(look: FileLook) -> pd.DataFrame:
    found = {match.column: match for match in look.matches}
    rows = [
        (column, found[column].header, found[column].grounds) if column in found else (column, NOT_THERE, "")
        for column in [*look.columns, *(column for column in found if column not in look.columns)]
    ]
    return pd.DataFrame(rows, columns=["column", "header", "grounds"])


def _mapping(look: FileLook, edited: pd.DataFrame) -> dict[str, str]:
    chosen = dict(zip(edited["column"], edited["header"], strict=True))
    return {column: "" if header == NOT_THERE else header for column, header in chosen.items()}


def _aside_table(rows: list[SetAside]) -> pd.DataFrame:
    told = {CHOSEN: False, ROW: [row.row_number for row in rows], WRONG: [row.sentence for row in rows]}
    cells = pd.DataFrame([row.cells for row in rows]).fillna("")
    order = [column.name for column in columns_of(rows[0].kind, ()) if column.name in cells.columns]
    others = [name for name in cells.columns if name not in order]
    return pd.concat([pd.DataFrame(told), cells[order + others]], axis=1)


def _aside_columns(table: pd.DataFrame) -> dict[str, object]:
    """How the columns of the table are shown; a cell beyond the header goes by its place in the row."""
    places = {name: name.removeprefix(LEFT_OVER) for name in table.columns if name.startswith(LEFT_OVER)}
    return {**ASIDE_COLUMNS, **{name: st.column_config.TextColumn(f"Cell {place}") for name, place in places.items()}}


def _fix_buttons(user: Principal, rows: list[SetAside], edited: pd.DataFrame) -> None:
    cells = {row.id: _cells(row, edited.iloc[place]) for place, row in enumerate(rows)}
    ticked = [row.id for place, row in enumerate(rows) if edited[CHOSEN].iloc[place]]
    fixes = {row.id: cells[row.id] for row in rows if row.id in ticked or cells[row.id] != row.cells}
    retry, dismiss = st.columns(2)
    if retry.button("Retry", key="data-retry", type="primary", disabled=not fixes, width="stretch"):
        _do(lambda: _retried(user, fixes))
    if dismiss.button("Dismiss", key="data-dismiss", disabled=not ticked, width="stretch"):
        _do(lambda: _dismissed(user, ticked))


def _cells(row: SetAside, edited: pd.Series) -> dict[str, str]:
    """The row's cells as they stand in the table; a column that only other rows have counts if it was filled."""
    cells = edited.drop([CHOSEN, ROW, WRONG]).fillna("").astype(str)
    return {str(name): text for name, text in cells.items() if text or name in row.cells}


def _retried(user: Principal, fixes: Mapping[int, Mapping[str, str]]) -> str:
    counts = importing.retry_rows(database(), person_id=user.person_id, fixes=fixes).counts
    return f"Of {counts.rows} that you retried, {counts.rows - counts.set_aside} went in."


def _dismissed(user: Principal, ids: list[int]) -> str:
    return f"{importing.dismiss_rows(database(), person_id=user.person_id, row_ids=ids)} rows dismissed."


def _do(act: Callable[[], str]) -> None:
    """Do it, and say so on a page drawn afresh, where the rows are no longer."""
    try:
        st.session_state[DONE] = act()
    except ReviewError as refusal:
        _refused(refusal)
        return
    st.rerun()


def _show_done() -> None:
    with st.container():
        if said := st.session_state.pop(DONE, None):
            st.success(said)


def _refused(refusal: ReviewError) -> None:
    st.error("Nothing was changed.")
    st.text(str(refusal))  # it may quote the file

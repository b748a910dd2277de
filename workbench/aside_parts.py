"""The pieces of the Data page for rows set aside: corrected in place, alike, or in a file; retried or dismissed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from review_queue.columns import Kind, columns_of
from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.imports import SetAside
from storage.workflows import Workflow
from workbench.actions import correcting, importing
from workbench.actions.arriving import DOUBTED, LEFT_OVER
from workbench.data_parts import refused
from workbench.parts import plain
from workbench.session import database

#: Columns that are not the file's: no header there can be called like them.
CHOSEN, ROW, WRONG = "\x1fchosen", "\x1frow", "\x1fwrong"
ASIDE_COLUMNS = {
    CHOSEN: st.column_config.CheckboxColumn("Chosen"),
    ROW: st.column_config.NumberColumn("Row", format="%d"),
    WRONG: st.column_config.TextColumn("What is wrong"),
}
DONE = "data-done"  #: where a summary waits for the run after the one that made it


def rows_to_fix(user: Principal, workflow: Workflow, *, may_import: bool) -> None:
    """Rows set aside, to be corrected in place and retried, or dismissed."""
    st.subheader("Set aside")
    _show_done()
    if not importing.may_see_set_aside(user, workflow):
        st.caption("Rows set aside belong to no part of the tree yet. Whoever has a role in all of it sees them here.")
        return
    whose = {"person_id": user.person_id, "workflow_key": workflow.key}
    rows = importing.list_set_aside(database(), **whose)
    if not rows:
        st.caption("Nothing is set aside. Rows that an import cannot trust wait here for a correction.")
        return
    if more := importing.count_set_aside(database(), **whose) - len(rows):
        st.info(f"{more:,} more wait behind the {len(rows):,} rows here. They move up as these are fixed or dismissed.")
    kinds = sorted({row.kind for row in rows}, key=list(Kind).index)
    kind = st.segmented_control("Kind", kinds, default=kinds[0], required=True, key="data-aside-kind")
    those = _of_one_reason([row for row in rows if row.kind == kind])
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
        key=f"data-aside-{workflow.key}-{kind}-{those[0].id}-{those[-1].id}-{len(those)}",
    )
    _fix_buttons(user, those, edited)
    _change_alike(user, those, edited)
    _correct_in_a_file(user, workflow, kind)


def _aside_table(rows: list[SetAside]) -> pd.DataFrame:
    told = {CHOSEN: False, ROW: [row.row_number for row in rows], WRONG: [row.sentence for row in rows]}
    cells = pd.DataFrame([_shown(row) for row in rows]).fillna("")
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
    fixes = {row.id: cells[row.id] for row in rows if row.id in ticked or cells[row.id] != _shown(row)}
    retry, dismiss = st.columns(2)
    if retry.button("Retry", key="data-retry", type="primary", disabled=not fixes, width="stretch"):
        _do(lambda: _retried(user, fixes))
    if dismiss.button("Dismiss", key="data-dismiss", disabled=not ticked, width="stretch"):
        _do(lambda: _dismissed(user, ticked))


def _cells(row: SetAside, edited: pd.Series) -> dict[str, str]:
    """The row's cells as they stand in the table; a column that only other rows have counts if it was filled."""
    cells = edited.drop([CHOSEN, ROW, WRONG]).fillna("").astype(str)
    return {str(name): text for name, text in cells.items() if text or name in row.cells}


def _shown(row: SetAside) -> dict[str, str]:
    """The row's cells, without the notes of which of them were doubted."""
    return {name: text for name, text in row.cells.items() if not name.startswith(DOUBTED)}


def _of_one_reason(rows: list[SetAside]) -> list[SetAside]:
    """The rows that were set aside for one reason, or all of them."""
    codes = sorted({row.code for row in rows})
    if len(codes) < 2:
        return rows
    code = st.selectbox("Reason", [None, *codes], format_func=lambda code: code or "All", key="data-aside-code")
    return [row for row in rows if code in (None, row.code)]


def _change_alike(user: Principal, rows: list[SetAside], edited: pd.DataFrame) -> None:
    """One correction for many rows: the ticked ones, or where none is ticked all that are shown."""
    ticked = [row for place, row in enumerate(rows) if edited[CHOSEN].iloc[place]]
    with st.expander("Correct many rows alike"):
        columns = list(dict.fromkeys(name for row in rows for name in _shown(row)))
        column = st.selectbox("Column", columns, format_func=_title, key="data-alike-column")
        find = st.text_input("Replace", key="data-alike-find", help="Empty: the whole cell.")
        put = st.text_input("With", key="data-alike-put")
        fixes = correcting.alike(ticked or rows, column, find=find, put=put)
        which = "ticked" if ticked else "shown"
        st.caption(f"It changes {len(fixes):,} of the {len(ticked or rows):,} rows {which}, and tries them again.")
        if st.button("Change them", key="data-alike", disabled=not fixes):
            _do(lambda: _retried(user, fixes))


def _correct_in_a_file(user: Principal, workflow: Workflow, kind: Kind) -> None:
    """The rows out as a spreadsheet, and back corrected."""
    with st.expander("Correct them in a spreadsheet"):
        st.download_button(
            "Take the rows out",
            lambda: correcting.take_out(database(), person_id=user.person_id, workflow_key=workflow.key, kind=kind),
            file_name=f"set-aside-{workflow.key}-{kind}.xlsx",
            key="data-take-out",
        )
        file = st.file_uploader("The file, corrected", type=["xlsx"], key="data-back")
        if st.button("Bring the rows back", key="data-bring-back", disabled=file is None) and file is not None:
            _do(lambda: _brought_back(user, file.name, file.getvalue()))


def _title(name: str) -> str:
    return f"Cell {name.removeprefix(LEFT_OVER)}" if name.startswith(LEFT_OVER) else name


def _brought_back(user: Principal, name: str, content: bytes) -> str:
    counts = correcting.bring_back(database(), person_id=user.person_id, name=name, content=content).counts
    return f"Of {counts.rows} that you corrected, {counts.rows - counts.set_aside} went in."


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
        refused(refusal)
        return
    st.rerun()


def _show_done() -> None:
    with st.container():
        if said := st.session_state.pop(DONE, None):
            st.success(plain(said))

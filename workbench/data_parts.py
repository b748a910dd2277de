"""The pieces of the Data page: choosing a file, how it is read, which column is which, the import, past imports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

import pandas as pd
import streamlit as st

from review_queue.columns import Kind
from review_queue.decimals import Mark
from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.workflows import Workflow
from workbench import importing_apart
from workbench.actions import importing
from workbench.actions.importing import FileLook, ImportSummary
from workbench.foreign.facts import Choices
from workbench.foreign.opening import CSV, ENDINGS
from workbench.foreign.sniffing import DELIMITERS, ENCODINGS
from workbench.parts import time_column
from workbench.session import database

KINDS = {
    Kind.FORECASTS: "Forecasts: items to review",
    Kind.HISTORY: "History: past actuals",
    Kind.ACTUALS: "Actuals: what was realised",
    Kind.REVIEWS: "Reviews: past reviews kept elsewhere",
    Kind.USED: "Used: the plan as it was used downstream",
    Kind.SOURCES: "Sources: what other systems say",
}
COUNTS = ("rows", "accepted", "unchanged", "updated", "set_aside")
NOT_THERE = "—"
UPLOADED = [*(ending.removeprefix(".") for ending in ENDINGS), "gz"]
TEXT_FILES = tuple(ending for ending, kind in ENDINGS.items() if kind == CSV)
REDRAWN_AFTER = 0.5  #: seconds between two looks at how far an import is
AT_ONCE = 1.5  #: seconds that an import may take before it gets a panel of its own
RUNNING = "data-running"  #: where the import stays that is under way
LOOK = "data-look"  #: where the look into a file stays from run to run, with what it is of


_IMPORTS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="import")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that somebody holds out."""

    kind: Kind
    name: str
    content: bytes


@dataclass
class Running:
    """An import, or a rehearsal of one, in a thread of its own."""

    name: str
    is_rehearsal: bool
    stop: Event = field(default_factory=Event)
    done: int = 0
    total: int = 0
    future: Future[ImportSummary] | None = None

    def note(self, done: int, total: int) -> None:
        """How far it is; called from its thread."""
        if self.stop.is_set():
            raise importing.ImportCancelled
        self.done, self.total = done, total

    @property
    def told(self) -> tuple[float, str]:
        if not self.total:
            return 0.0, f"Reading {self.name}"
        return self.done / self.total, f"Writing: {self.done:,} of {self.total:,}"


def bring_in(user: Principal, workflow: Workflow) -> None:
    """Choose a file, say how it is read and which column is which, then check or import it."""
    st.subheader("Bring a file in")
    upload = choose_file()
    choices = choose_reading(upload) if upload else None
    mapping = choose_columns(user, workflow, upload, choices) if upload and choices else None
    if upload and choices and mapping is not None:
        import_buttons(user, workflow, upload, choices, mapping)
    show_running()


def choose_file() -> Upload | None:
    """What is in the file, and the file."""
    kind = st.selectbox("What one row is", list(KINDS), format_func=KINDS.__getitem__, key="data-kind")
    file = st.file_uploader(
        "CSV, XLSX, Parquet or JSON Lines file, or one packed with gzip", type=UPLOADED, key="data-file"
    )
    return None if file is None else Upload(kind, file.name, file.getvalue())


def choose_reading(upload: Upload) -> Choices:
    """How the file is read; what is not chosen is found out."""
    key = f"data-{{}}-{upload.name}"
    sheet = st.session_state.get(key.format("sheet"))
    if not upload.name.lower().removesuffix(".gz").endswith(TEXT_FILES):
        return Choices(sheet=sheet)
    with st.expander("How the file is read"):
        encoding = st.selectbox("Encoding", [None, *ENCODINGS], format_func=_or_found, key=key.format("encoding"))
        delimiter = st.selectbox(
            "Delimiter",
            [None, *DELIMITERS],
            format_func=lambda mark: _or_found(DELIMITERS.get(mark)),
            key=key.format("delimiter"),
        )
        decimal = st.selectbox("Decimal sign", [None, *Mark], format_func=_or_found, key=key.format("decimal"))
    return Choices(encoding=encoding, delimiter=delimiter, decimal=decimal)


def choose_columns(user: Principal, workflow: Workflow, upload: Upload, choices: Choices) -> dict[str, str] | None:
    """What was found in the file, and which header fills which column, guessed with its grounds and editable.

    None when the file cannot be read.
    """
    try:
        look = _look(user, workflow, upload, choices)
    except ReviewError as refusal:
        refused(refusal)
        return None
    if len(look.sheets) > 1:
        first = look.sheets.index(next(fact.value for fact in look.facts if fact.name == "sheet"))
        st.selectbox("Sheet", look.sheets, index=first, key=f"data-sheet-{upload.name}")
    show_look(look)
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
        key=f"data-mapping-{workflow.key}-{upload.kind}-{upload.name}-{choices}",
    )
    return _mapping(look, edited)


def show_look(look: FileLook) -> None:
    """How the file was read, why so, and its first rows."""
    for fact in look.facts:
        st.text(f"{fact.name.capitalize()}: {fact.value} ({fact.grounds}).")
    st.text(f"{look.rows:,} rows; the first {len(look.first)} as they are read:")
    places = [f"{place + 1}" for place in range(len(look.headers))]
    shown = look.first.set_axis(places, axis=1).reset_index()
    titles = {place: header or f"(column {place})" for place, header in zip(places, look.headers, strict=True)}
    st.dataframe(shown, hide_index=True, column_config={"row": "Row", **titles}, alt="The first rows of the file")


def import_buttons(
    user: Principal, workflow: Workflow, upload: Upload, choices: Choices, mapping: Mapping[str, str]
) -> None:
    """*Check* tells what would happen; *Import* does it. One at a time."""
    is_busy = _is_busy()
    check, bring = st.columns(2)
    checked = check.button("Check", key="data-check", width="stretch", disabled=is_busy)
    wanted = bring.button("Import", key="data-import", type="primary", width="stretch", disabled=is_busy)
    if not (checked or wanted) or is_busy:
        return
    running = Running(upload.name, is_rehearsal=checked)
    running.future = _IMPORTS.submit(
        importing_apart.import_file,
        database(),
        person_id=user.person_id,
        workflow_key=workflow.key,
        kind=upload.kind,
        name=upload.name,
        content=upload.content,
        size=_look(user, workflow, upload, choices).size,
        choices=choices,
        mapping=mapping,
        dry_run=checked,
        progress=running.note,
    )
    st.session_state[RUNNING] = running
    with st.spinner("Reading the file"):
        wait([running.future], timeout=AT_ONCE)


def _is_busy() -> bool:
    running: Running | None = st.session_state.get(RUNNING)
    return running is not None and running.future is not None and not running.future.done()


def show_running() -> None:
    """How far an import is, with *Cancel*; and what came of it, once it has ended."""
    running: Running | None = st.session_state.get(RUNNING)
    if running is None or running.future is None:
        return
    if not running.future.done():
        _progress(running)
        return
    del st.session_state[RUNNING]
    try:
        summary = running.future.result()
    except ReviewError as refusal:
        refused(refusal)
        return
    show_summary(summary)
    if not running.is_rehearsal:
        st.session_state.pop(LOOK, None)  # the columns that were confirmed are what the next look goes by


@st.fragment(run_every=REDRAWN_AFTER)
def _progress(running: Running) -> None:
    if running.future is not None and running.future.done():
        st.rerun()
    share, said = running.told
    st.progress(share, text=said)
    if st.button("Cancel", key="data-cancel", disabled=running.stop.is_set()):
        running.stop.set()
    if running.stop.is_set():
        st.caption("Cancelling. What was written is being undone.")


def show_summary(summary: ImportSummary) -> None:
    """The counts, what they leave out, and the rows set aside."""
    for column, name in zip(st.columns(len(COUNTS)), COUNTS, strict=True):
        column.metric(name.replace("_", " ").capitalize(), f"{getattr(summary.counts, name):,}")
    for sentence in summary.sentences():
        st.text(sentence)
    if summary.left_out:
        st.text(f"Not taken in: {', '.join(summary.left_out)}.")
    for fact in summary.facts:
        st.text(f"{fact.name.capitalize()}: {fact.value} ({fact.grounds}).")
    if summary.counts.reasons:
        told = ", ".join(f"{count:,} × {code}" for code, count in summary.counts.reasons.items())
        st.text(f"Set aside: {told}.")
    if summary.aside:
        shown = pd.DataFrame([(row.row, row.column, row.code, row.sentence) for row in summary.aside])
        st.dataframe(shown.set_axis(["Row", "Column", "Code", "What is wrong"], axis=1), hide_index=True)


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


def _look(user: Principal, workflow: Workflow, upload: Upload, choices: Choices) -> FileLook:
    """What is in the file, read once and not in every run of the page."""
    file_hash = hashlib.sha256(upload.content).hexdigest()
    of = (user.person_id, workflow.key, workflow.policy_version, upload.kind, upload.name, file_hash, choices)
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
        choices=choices,
    )
    st.session_state[LOOK] = (of, look)
    return look


def _or_found(name: str | None) -> str:
    return name or "Found out"


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


def refused(refusal: ReviewError) -> None:
    st.error("Nothing was changed.")
    st.text(str(refusal))  # it may quote the file

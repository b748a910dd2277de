"""The pieces of the Data page that let data out: an export prepared and downloaded, and what other databases gave."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.exporting import ExportKind, Format
from review_queue.roles import Principal
from storage.workflows import Workflow
from workbench.actions import exporting, pulling
from workbench.actions.exporting import MANIFEST, Manifest, Wanted
from workbench.parts import counted, plain, time_column
from workbench.session import database
from workbench.settings import settings

KINDS = {
    ExportKind.DECISIONS: "Decisions, with what was on screen",
    ExportKind.OVERRIDES: "Overrides that stand, with their reasons",
    ExportKind.LABELS: "Labels to train on, people masked",
    ExportKind.WRITE_BACK: "Forecasts in the shape they came in, with the final values",
    ExportKind.AUDIT: "The record",
    ExportKind.SET_ASIDE: "Rows set aside",
}
FORMATS = {Format.CSV: "CSV", Format.XLSX: "XLSX", Format.PARQUET: "Parquet", Format.JSON_LINES: "JSON Lines"}
LARGEST = 50 << 20  #: bytes that are held in memory for a browser to fetch
READY = "export-ready"  #: where a prepared export waits to be downloaded

_EXPORTS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="export")


@dataclass(frozen=True)
class Ready:
    """An export that waits to be downloaded."""

    of: tuple[int, str]  #: person and workflow
    manifest: Manifest
    content: bytes


def take_out(user: Principal, workflow: Workflow) -> None:
    """Choose what to take out and how, prepare it, download it with its manifest."""
    st.subheader("Take data out")
    kind = st.selectbox("What to take out", list(KINDS), format_func=KINDS.__getitem__, key="export-kind")
    how = st.segmented_control(
        "Format", list(FORMATS), format_func=FORMATS.__getitem__, default=Format.CSV, required=True, key="export-format"
    )
    since = st.date_input("Only since", value=None, key="export-since")
    with_text = kind is ExportKind.LABELS and st.checkbox("With the text that people wrote", key="export-text")
    into = _column(user, workflow) if kind is ExportKind.WRITE_BACK else None
    key = settings().mask_key
    wanted = Wanted(
        kind=kind,
        since=_start_of(since, workflow) if isinstance(since, date) else None,
        with_text=with_text,
        mask_key=key.get_secret_value().encode() if key else None,
        into=into,
    )
    if st.button("Prepare", key="export-prepare"):
        _prepare(user, workflow, how, wanted)
    _download(user, workflow)


def past_pulls(user: Principal, workflow: Workflow) -> None:
    """How other databases answered lately; nothing where none was asked."""
    found = pulling.list_pulls(database(), person_id=user.person_id, workflow_key=workflow.key)
    if found.empty:
        return
    st.subheader("Pulled from databases")
    times = {"started_at": time_column("Asked"), "ended_at": time_column("Done")}
    st.dataframe(found, hide_index=True, column_config=times, alt="Pulls from other databases")


def _column(user: Principal, workflow: Workflow) -> str | None:
    shape = exporting.list_files(database(), person_id=user.person_id, workflow_key=workflow.key)
    if shape is None:
        st.caption("No file of forecasts has come in yet, so there is no shape to write in.")
        return None
    st.caption(plain(f"In the shape of {shape.file}, batch {shape.batch}: its rows that are decided."))
    headers = [header for header in shape.headers if header]
    return st.selectbox(
        "Put the final value into", headers, index=None, placeholder="columns of its own behind", key="export-into"
    )


def _start_of(day: date, workflow: Workflow) -> datetime:
    return datetime.combine(day, time(), tzinfo=workflow.policy.zone)


def _prepare(user: Principal, workflow: Workflow, how: Format, wanted: Wanted) -> None:
    """In a thread of its own: no closed browser may interrupt the transaction that records it."""
    st.session_state.pop(READY, None)
    try:
        with st.spinner("Reading and writing"):
            st.session_state[READY] = _EXPORTS.submit(_exported, user, workflow, how, wanted).result()
    except ReviewError as refusal:
        st.error("Nothing was taken out.")
        st.text(str(refusal))  # it may name a column of a file


def _exported(user: Principal, workflow: Workflow, how: Format, wanted: Wanted) -> Ready:
    with TemporaryDirectory(prefix="workbench-export-") as folder:
        path = Path(folder) / f"{workflow.key}-{wanted.kind}.{how}"
        manifest = exporting.export(
            database(), person_id=user.person_id, workflow_key=workflow.key, path=path, wanted=wanted
        )
        content = path.read_bytes() if manifest.bytes <= LARGEST else b""
        return Ready((user.person_id, workflow.key), manifest, content)


def _download(user: Principal, workflow: Workflow) -> None:
    ready: Ready | None = st.session_state.get(READY)
    if ready is None or ready.of != (user.person_id, workflow.key):
        return
    manifest = ready.manifest
    st.text(f"{counted(manifest.rows, 'row')} of {manifest.kind}, {manifest.bytes / 1e6:.1f} MB.")
    for sentence in manifest.sentences():
        st.text(sentence)
    if manifest.bytes > LARGEST:
        st.info("That is too much for a browser. `workbench export` writes it to a file on the server.")
        return
    told = json.dumps(manifest.as_json(), ensure_ascii=False, indent=2)
    with st.container(horizontal=True):
        st.download_button("Download", ready.content, manifest.file, key="export-file", on_click="ignore")
        st.download_button(
            "Download the manifest", told, manifest.file + MANIFEST, key="export-manifest", on_click="ignore"
        )

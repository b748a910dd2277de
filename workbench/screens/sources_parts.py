"""What the page Sources shows: the conflicts, the records, the reliability, and what sources call our series."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.engine import Database
from storage.workflows import Workflow
from workbench import source_reads
from workbench.actions import sourcing
from workbench.analytics_parts import chart_with_table, count_column, ratio_column, share_column, table_with_download
from workbench.lists import open_review, selected_row
from workbench.parts import counted, local_time, plain, time_column
from workbench.screens import sources as screen
from workbench.screens.sources_charts import reliability_chart
from workbench.source_parts import in_four_figures, in_whole_percent, named
from workbench.source_reads import Heard

_number = st.column_config.NumberColumn
TENTHS = {
    "tenth": share_column("From"),
    "n": count_column("Values"),
    "stated": share_column("Stated"),
    "share": share_column("Came true"),
    "low": share_column("95 % from"),
    "high": share_column("to"),
}
PAIRS = {
    "source": "Source",
    "other": "And",
    "n": count_column("Periods"),
    "correlation": ratio_column("Errors go together"),
    "told": share_column("Overlap told"),
}


def disputes(found: pd.DataFrame, workflow: Workflow) -> None:
    """The open items whose sources disagree; selecting a row opens the item with its sources."""
    st.markdown(f"**{plain(screen.disputes_answer(found))}**")
    if found.empty:
        return
    choices = [screen.CONFLICTS, screen.LOW, screen.STALE, screen.EVERY]
    show = st.segmented_control("Show", choices, default=choices[0], required=True, key="show", bind="query-params")
    wanted = screen.shown(found, show or choices[0], workflow)
    if wanted.empty:
        st.caption("No open item is so. Choose another list.")
        return
    _opening(wanted, workflow)


@st.fragment
def _opening(wanted: pd.DataFrame, workflow: Workflow) -> None:
    amounts = {name: _number(title, format="localized") for name, title in _AMOUNTS.items()}
    columns: dict[str, Any] = {
        "name": "Series",
        "period": st.column_config.TextColumn("Period", width=75),
        "agreement": "Sources",
        "far_off": "Far off",
        "apart": share_column("Apart"),
        "confidence": share_column("Confidence"),
        **amounts,
        "lane": "Lane",
        "due_at": time_column("Due"),
        "segment": "Segment",
    }
    ids = wanted["id"]
    shares = {name: in_whole_percent(wanted[name]) for name in ("apart", "confidence")}
    numbers = {name: in_four_figures(wanted[name]) for name in _AMOUNTS}
    far_off = wanted["far_off"].map(lambda text: ", ".join(map(named, filter(None, text.split(", ")))))
    wanted = wanted.assign(**shares, **numbers, far_off=far_off)
    row = selected_row(wanted, columns, key="disputes", alt="Items whose sources disagree", ids=ids)
    st.caption(plain(f"Values in {workflow.unit}. Select a row to open it in Review with its sources."))
    if row is not None:
        open_review(int(ids.iloc[row]), panel="sources")


_AMOUNTS = {"value": "They come to", "low": "From", "high": "To"}


def records(rows: pd.DataFrame, pairs: pd.DataFrame, known: Heard) -> None:
    """Each source's record, and which of them may be one."""
    st.markdown(f"**{plain(screen.records_answer(rows, pairs))}**")
    columns: dict[str, Any] = {
        "source": "Source",
        "n": count_column("Periods known"),
        "typical": share_column("Typical miss"),
        "bias": share_column("Bias (above 0: too high)"),
        "half_life": _number("Half-life (days)", format="%g"),
        "copies": "Repeats (as told)",
        "statements": count_column("Statements"),
        "newest": time_column("Newest"),
    }
    shown = rows.assign(source=rows["source"].map(named))
    st.dataframe(
        shown,
        hide_index=True,
        column_order=list(columns),
        column_config=columns,
        placeholder="",
        alt="Sources and records",
    )
    if len(pairs):
        both = pairs.assign(source=pairs["source"].map(named), other=pairs["other"].map(named))
        table_with_download(both, key="errors-that-go-together", columns=PAIRS)  # type: ignore[arg-type]
    if known.learnt.learnt_at is not None:
        st.caption(f"As of {local_time(known.learnt.learnt_at)}; worked out again when something comes in.")


def reliability(known: Heard) -> None:
    """What was stated beside what came true."""
    st.markdown(f"**{plain(screen.reliability_answer(known.learnt))}**")
    tenths = known.learnt.reliability
    if len(tenths):
        alt = "What was stated beside what came true"
        chart_with_table(reliability_chart(tenths), tenths, key="stated-and-true", alt_text=alt, columns=TENTHS)


def identifiers(user: Principal, database: Database, workflow: Workflow, known: Heard) -> None:
    """The crosswalk: search it, and forget what is wrong in it."""
    st.markdown(
        f"**{counted(known.identifiers, 'identifier')} known.** Files teach them: see *record_id* in the files' guide."
    )
    if not known.identifiers:
        return
    search = st.text_input("Search identifiers", key="identifier-search", type="search", live="300ms")
    here = {"person_id": user.person_id, "workflow": workflow}
    found = source_reads.identifiers(database, **here, search=search or "")
    if not found:
        st.caption("None matches.")
        return
    rows = pd.DataFrame([(one.source, one.record_id, one.series, one.learnt_at) for one in found])
    rows = rows.set_axis(["source", "record_id", "series", "learnt_at"], axis=1)
    columns = {"source": "Source", "record_id": "Calls it", "series": "Series", "learnt_at": time_column("Since")}
    row = selected_row(
        rows, columns, key="identifiers", alt="What sources call our series", ids=[one.id for one in found]
    )
    if row is None:
        st.caption("Select one to forget it; the next file can then say it anew.")
        return
    chosen = found[row]
    if st.button(plain(f"Forget “{chosen.record_id}” of {chosen.source}"), key=f"forget-{chosen.id}"):
        try:
            sourcing.forget_identifier(database, person_id=user.person_id, identifier_id=chosen.id)
        except ReviewError as refusal:
            st.warning(plain(str(refusal)))
        else:
            st.rerun()

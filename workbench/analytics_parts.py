"""What the analytics pages share: the filter row, and the table and download behind each chart."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from review_queue.items import Lane
from review_queue.measures.ageing import BUCKETS
from storage.reports import SEGMENT
from workbench import analytics
from workbench.analytics import LANE, Reviews
from workbench.charts import BUCKET_TITLES

EVERYTHING = "All"
#: What the link says → how far back, in days, and what the person reads.
SPANS: dict[str, tuple[int | None, str]] = {
    "all": (None, "All time"),
    "1y": (365, "Last 12 months"),
    "13w": (91, "Last 13 weeks"),
    "4w": (28, "Last 4 weeks"),
}


@dataclass(frozen=True)
class Wanted:
    """What the filter row asks for."""

    by: str  #: what charts split by: ``lane`` or the column of a segment level
    days: int | None  #: how far back; None: all time


def filter_row(known: Reviews, *, time: str) -> tuple[Reviews, Wanted]:
    """The filter row, kept in the link, and the reviews that its segment leaves.

    ``time`` says what the time span is about; it is for the page to apply.
    """
    split, segment, span = st.columns(3)
    choices = analytics.splits(known)
    outermost = min(1, len(choices) - 1)
    by = split.selectbox("Split by", choices, index=outermost, format_func=_level_title, key="by", bind="query-params")
    groups = analytics.groups_for(known, by)
    names = [lane.title for lane in Lane] if by == LANE else sorted(groups.dropna().unique())
    only = segment.selectbox("Show", [EVERYTHING, *names], key="only", bind="query-params")
    chosen = span.selectbox(time, list(SPANS), format_func=lambda name: SPANS[name][1], key="span", bind="query-params")
    kept = known if only == EVERYTHING else known.only(groups == only)
    return kept, Wanted(by, SPANS[chosen][0])


def chart_with_table(chart: alt.LayerChart, table: pd.DataFrame, *, key: str, alt_text: str) -> None:
    """A chart, and behind it, folded away, its table with a download."""
    st.altair_chart(chart, key=f"{key}-chart", alt=alt_text)
    table_with_download(table, key=key)


def table_with_download(table: pd.DataFrame, *, key: str) -> None:
    """A table, folded away, and its download as CSV. ``key`` names the table in ``TABLES`` and the file."""
    columns = TABLES[key]
    with st.expander(f"Table: {key.replace('-', ' ')}"):
        st.dataframe(
            table, hide_index=True, column_order=list(columns), column_config=columns, alt=key.replace("-", " ")
        )
        st.download_button(
            "Download CSV",
            lambda: analytics.csv_of(table),
            f"{key}.csv",
            "text/csv",
            key=f"{key}-csv",
            on_click="ignore",
        )


def _text(title: str) -> ColumnConfig:
    return st.column_config.TextColumn(title)


def _share(title: str) -> ColumnConfig:
    return st.column_config.NumberColumn(title, format="percent")


def _hours(title: str) -> ColumnConfig:
    return st.column_config.NumberColumn(f"{title} (h)", format="%.1f")


def _count(title: str) -> ColumnConfig:
    return st.column_config.NumberColumn(title, format="localized")


_RATES = {
    "n": _count("Decisions"),
    "overrides": _count("Overrides"),
    "rate": _share("Rate"),
    "low": _share("95 % from"),
    "high": _share("to"),
    "state": _text("State"),
}
#: Table → its columns as shown, in their order.
TABLES: dict[str, dict[str, ColumnConfig]] = {
    "open-by-age": {
        "group": _text("Group"),
        "open": _count("Open"),
        "overdue": _count("Past deadline"),
        "oldest_hours": _hours("Oldest"),
        "median_age_hours": _hours("Median age"),
        **{bucket: _count(f"{BUCKET_TITLES[bucket]} d") for bucket in BUCKETS},
    },
    "open-items": {
        "group": _text("Group"),
        "series": _text("Series"),
        "period": _text("Period"),
        "age_hours": _hours("Age"),
        "overdue": st.column_config.CheckboxColumn("Past deadline"),
    },
    "time-to-decision": {
        "group": _text("Group"),
        "n": _count("Reviews"),
        "open": _count("Still open"),
        "median_hours": _hours("Half decided"),
        "p85_hours": _hours("85 in 100 decided"),
        "p90_hours": _hours("90 in 100 decided"),
        "finished_median_hours": _hours("Median of finished"),
        "finished_p90_hours": _hours("90 in 100 of finished"),
    },
    "from-ai-to-final": {
        "label": _text("Step"),
        "amount": _count("Amount"),
        "end": _count("Comes to"),
        "items": _count("Items"),
    },
    "change-in-a-week": {"label": _text("What moved it"), "amount": _count("Change"), "items": _count("Items")},
    "overrides-by-week": {"group": _text("Week"), **_RATES},
    "overrides-by-group": {"group": _text("Group"), **_RATES},
    "overrides-by-reason": {
        "name": _text("Reason"),
        "reason": _text("Code"),
        "overrides": _count("Overrides"),
        "of": _count("Of all overrides"),
        "share": _share("Share"),
        "low": _share("95 % from"),
        "high": _share("to"),
    },
}


def _level_title(name: str) -> str:
    return "Queue lane" if name == LANE else name.removeprefix(SEGMENT).replace("_", " ").capitalize()

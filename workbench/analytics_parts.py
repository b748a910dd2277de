"""What the analytics pages share: the filter row, and the table and download behind each chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.column_types import ColumnConfig

from review_queue.errors import ReviewError
from review_queue.items import Lane
from review_queue.measures.ageing import BUCKETS
from review_queue.roles import Principal
from storage.reports import SEGMENT
from workbench import analytics, known_reviews
from workbench.analytics import LANE
from workbench.charts import BUCKET_TITLES
from workbench.known_reviews import ALL_TIME, NEWEST, BeingPutTogether, Reviews, Span
from workbench.parts import plain
from workbench.session import choose_workflow, database

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
    place: str  #: what ``only`` is one of: ``lane`` or the column of a segment level
    only: str  #: the group to keep to, or ``EVERYTHING``

    def of(self, known: Reviews) -> Reviews:
        """The reviews that the segment leaves."""
        return known if self.only == EVERYTHING else analytics.narrowed(known, self.place, self.only)


def filter_row(
    known: Reviews, *, time: str, further: Mapping[str, str] | None = None, splits: bool = True
) -> tuple[Reviews, Wanted]:
    """The filter row, kept in the link, and the reviews that its segment leaves.

    Args:
        time: what the time span is about; it is for the page to apply.
        further: what the page can split by besides, and what it is called; what to show is then a place still.
        splits: whether there is anything to split; without, only what to show is asked, and since when.
    """
    *split, segment, span = st.columns(3 if splits else 2)
    titles = {name: _level_title(name) for name in analytics.splits(known)}
    outermost = list(titles)[min(1, len(titles) - 1)]
    choices = titles | dict(further or {})
    by = _split(split[0], choices, outermost) if split else outermost
    place = by if by in titles else outermost
    groups = analytics.groups_for(known, place)
    names = [lane.title for lane in Lane] if place == LANE else sorted(groups.dropna().unique())
    only = segment.selectbox("Show", [EVERYTHING, *names], key="only", bind="query-params")
    chosen = span.selectbox(time, list(SPANS), format_func=lambda name: SPANS[name][1], key="span", bind="query-params")
    wanted = Wanted(by, SPANS[chosen][0], place, only)
    return wanted.of(known), wanted


def _split(where: DeltaGenerator, choices: Mapping[str, str], at_first: str) -> str:
    names = list(choices)
    return where.selectbox(
        "Split by",
        names,
        index=names.index(at_first),
        format_func=choices.__getitem__,
        key="by",
        bind="query-params",
    )


def reviews_of(user: Principal, *, key: str, decided_in_span: bool = False) -> Reviews:
    """The reviews of the workflow that is chosen, inside this person's scope; without any the page says so and ends.

    Args:
        key: names the page, for its widgets.
        decided_in_span: whether the page is about decisions of the time span in its filter row, and nothing else.
    """
    workflow = choose_workflow(user, key=f"{key}-workflow")
    if workflow is None:
        st.stop()
    known = _read(user, workflow.key, Span(_chosen_days()) if decided_in_span else ALL_TIME)
    said = analytics.basis(known)
    if said:
        st.caption(said)
    if known.table.empty:
        st.info("No forecast has come in yet. Import forecasts on the Data page, and this page can tell of them.")
        st.stop()
    return known


def in_a_row(user: Principal, known: Reviews) -> Reviews:
    """The reviews for what shows only where none is left out between two: the newest ones, if these are some series."""
    if known.one_in == 1:
        return known
    return _read(user, known.workflow.key, NEWEST)


def _read(user: Principal, workflow_key: str, span: Span) -> Reviews:
    """The reviews, or else the page says why there are none now, and ends."""
    try:
        return known_reviews.read(database(), person_id=user.person_id, workflow_key=workflow_key, span=span)
    except ReviewError as refusal:
        say = st.info if isinstance(refusal, BeingPutTogether) else st.error
        say(plain(str(refusal)))
        st.stop()


def _chosen_days() -> int | None:
    """The time span of the filter row, which stands below: what was chosen before this run, else what the link says."""
    chosen = st.session_state.get("span") or st.query_params.get("span")
    return SPANS.get(str(chosen), (None, ""))[0]


def chart_with_table(
    chart: alt.LayerChart,
    table: pd.DataFrame,
    *,
    key: str,
    alt_text: str,
    columns: Mapping[str, ColumnConfig] | None = None,
) -> None:
    """A chart, and behind it, folded away, its table with a download. ``columns``: as ``table_with_download``."""
    st.altair_chart(chart, key=f"{key}-chart", alt=alt_text)
    table_with_download(table, key=key, columns=columns)


def table_with_download(table: pd.DataFrame, *, key: str, columns: Mapping[str, ColumnConfig] | None = None) -> None:
    """A table, folded away, and its download as CSV.

    ``key`` names the table and the file; ``columns`` are those to show, in their order, else what ``TABLES`` has.
    """
    with st.expander(f"Table: {key.replace('-', ' ')}"):
        _table(table, key, TABLES[key] if columns is None else columns)


def table_on_demand(make: Callable[[], pd.DataFrame], *, key: str, columns: Mapping[str, ColumnConfig]) -> None:
    """As ``table_with_download``, for a table that takes a while: it is made when somebody unfolds it."""
    with st.expander(f"Table: {key.replace('-', ' ')}", key=f"{key}-panel", on_change="rerun") as panel:
        if panel.open:
            _table(make(), key, columns)


def _table(table: pd.DataFrame, key: str, columns: Mapping[str, ColumnConfig]) -> None:
    st.dataframe(
        table, hide_index=True, column_order=list(columns), column_config=dict(columns), alt=key.replace("-", " ")
    )
    st.download_button(
        "Download CSV",
        lambda: analytics.csv_of(table),
        f"{key}.csv",
        "text/csv",
        key=f"{key}-csv",
        on_click="ignore",
    )


def text_column(title: str) -> ColumnConfig:
    """A column of words."""
    return st.column_config.TextColumn(title)


def share_column(title: str) -> ColumnConfig:
    """A column of shares, 0 to 1, shown in percent."""
    return st.column_config.NumberColumn(title, format="percent")


def hours_column(title: str) -> ColumnConfig:
    """A column of hours."""
    return st.column_config.NumberColumn(f"{title} (h)", format="%.1f")


def ratio_column(title: str) -> ColumnConfig:
    """A column of ratios and other plain figures around 1."""
    return st.column_config.NumberColumn(title, format="%.2f")


def count_column(title: str) -> ColumnConfig:
    """A column of whole numbers."""
    return st.column_config.NumberColumn(title, format="localized")


#: Table → its columns as shown, in their order.
TABLES: dict[str, dict[str, ColumnConfig]] = {
    "open-by-age": {
        "group": text_column("Group"),
        "open": count_column("Open"),
        "overdue": count_column("Past deadline"),
        "oldest_hours": hours_column("Oldest"),
        "median_age_hours": hours_column("Median age"),
        **{bucket: count_column(f"{BUCKET_TITLES[bucket]} d") for bucket in BUCKETS},
    },
    "open-items": {
        "group": text_column("Group"),
        "series": text_column("Series"),
        "period": text_column("Period"),
        "age_hours": hours_column("Age"),
        "overdue": st.column_config.CheckboxColumn("Past deadline"),
    },
    "time-to-decision": {
        "group": text_column("Group"),
        "n": count_column("Reviews"),
        "open": count_column("Still open"),
        "median_hours": hours_column("Half decided"),
        "p85_hours": hours_column("85 in 100 decided"),
        "p90_hours": hours_column("90 in 100 decided"),
        "finished_median_hours": hours_column("Median of finished"),
        "finished_p90_hours": hours_column("90 in 100 of finished"),
    },
    "from-ai-to-final": {
        "label": text_column("Step"),
        "amount": count_column("Amount"),
        "end": count_column("Comes to"),
        "items": count_column("Items"),
    },
    "change-in-a-week": {
        "label": text_column("What moved it"),
        "amount": count_column("Change"),
        "items": count_column("Items"),
    },
    "overrides-by-reason": {
        "name": text_column("Reason"),
        "reason": text_column("Code"),
        "overrides": count_column("Overrides"),
        "of": count_column("Of all overrides"),
        "share": share_column("Share"),
        "low": share_column("95 % from"),
        "high": share_column("to"),
    },
}


def _level_title(name: str) -> str:
    return "Queue lane" if name == LANE else name.removeprefix(SEGMENT).replace("_", " ").capitalize()

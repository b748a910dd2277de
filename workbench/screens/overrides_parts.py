"""What the page Overrides shows: each chart with its table, or the table alone while there is too little to draw."""

from __future__ import annotations

import streamlit as st

from workbench import analytics, charts
from workbench.analytics_parts import chart_with_table, table_with_download
from workbench.known_reviews import Reviews
from workbench.screens import overrides
from workbench.screens.overrides_charts import funnel_chart


def by_week(decided: Reviews, rate: float) -> None:
    """The rate over time."""
    table = analytics.overrides_by_week(decided)
    key, columns = "overrides-by-week", overrides.BY_WEEK
    enough = table.dropna(subset=["rate"])
    if enough.empty:
        table_with_download(table, key=key, columns=columns)
        return
    chart = charts.rate_by_week(enough, overall=rate)
    alt_text = "Override rate by week with its 95 % interval and what the items let expect"
    chart_with_table(chart, table, key=key, alt_text=alt_text, columns=columns)


def by_group(decided: Reviews, by: str, rate: float) -> None:
    """The rate of each group of the split."""
    table = overrides.rates_by(decided, by)
    key, columns = "overrides-by-group", overrides.BY_GROUP
    enough = table.dropna(subset=["rate"])
    if enough.empty:
        table_with_download(table, key=key, columns=columns)
        return
    title = overrides.QUESTIONS.get(by, "Where do people go against the AI?")
    chart = charts.rate_by_group(enough, overall=rate, title=title, order=overrides.ORDERS.get(by))
    alt_text = "Override rate by group with its 95 % interval and what the items let expect"
    chart_with_table(chart, table, key=key, alt_text=alt_text, columns=columns)


def funnel(decided: Reviews, by: str) -> None:
    """Which groups lie outside what their number lets expect."""
    found = overrides.funnel_by(decided, by)
    if len(found.table) < overrides.FEWEST_TO_COMPARE:
        return
    chart = funnel_chart(found, "Is any group's rate unusual for its items?")
    alt_text = "Observed over expected overrides of each group against its decisions, with 95 % and 99.8 % limits"
    chart_with_table(chart, found.table, key="unusual-groups", alt_text=alt_text, columns=overrides.FUNNEL)
    st.caption(overrides.funnel_note(found))


def by_reason(decided: Reviews) -> None:
    """Which reasons are given."""
    reasons = analytics.reasons_given(decided)
    if reasons["share"].notna().any():
        chart = charts.reason_bars(reasons)
        chart_with_table(chart, reasons, key="overrides-by-reason", alt_text="Overrides by reason")
    elif not reasons.empty:
        table_with_download(reasons, key="overrides-by-reason")

"""Ageing on the screen: what each of its three views shows."""

from __future__ import annotations

import streamlit as st

from workbench import analytics, charts
from workbench.analytics_parts import Wanted, chart_with_table, count_column, hours_column, share_column, text_column
from workbench.known_reviews import Reviews
from workbench.parts import plain
from workbench.screens import ageing, ageing_charts
from workbench.session import database

DUE_COLUMNS = {
    "group": text_column("Group"),
    "open": count_column("Open"),
    **{name: count_column(title.capitalize()) for name, title in ageing.DUE_TITLES.items()},
}
FLOW_COLUMNS = {
    "day": st.column_config.DateColumn("By the end of"),
    "arrived": count_column("Came in"),
    "started": count_column("Taken up"),
    "left": count_column("Decided or withdrawn"),
}
FAN_COLUMNS = {
    "date": st.column_config.DateColumn("End of"),
    "p50": st.column_config.NumberColumn("As likely as not", format="%.0f"),
    "p15": st.column_config.NumberColumn("P15", format="%.0f"),
    "p85": st.column_config.NumberColumn("P85", format="%.0f"),
}
STAGE_COLUMNS = {
    "group": text_column("Group"),
    "stage": text_column("Stage"),
    "items": count_column("Items"),
    "open": count_column("Still there"),
    "hours": hours_column("Business hours"),
    "share": share_column("Share of all waiting"),
}


def choose_view() -> str:
    """Which of the three views is shown; the choice is in the link."""
    return str(
        st.segmented_control(
            "View",
            ageing.VIEWS,
            default=ageing.WAITING,
            required=True,
            key="view",
            bind="query-params",
        )
    )


def waiting(kept: Reviews, watched: Reviews, wanted: Wanted) -> None:
    """What waits: how old it is, when it is due, and item by item."""
    items = analytics.waiting_items(kept, wanted.by)
    st.markdown(ageing.due_answer(kept))
    if items.empty:
        return
    ages, due = analytics.ageing_by(kept, wanted.by), ageing.due_by(kept, wanted.by)
    timing = analytics.time_to_decision(watched)
    usual = {"half decided": timing.hours(0.5), "85 in 100 decided": timing.hours(0.85)}
    chart_with_table(charts.age_heat_map(ages), ages, key="open-by-age", alt_text="Open items by age and group")
    chart_with_table(
        ageing_charts.due_heat_map(due),
        due,
        key="open-by-deadline",
        alt_text="Open items by deadline and group",
        columns=DUE_COLUMNS,
    )
    dots = charts.ageing_dots(items, usual)
    chart_with_table(dots, items, key="open-items", alt_text="Every open item by its age")


def flow(kept: Reviews, wanted: Wanted) -> None:
    """Whether as much goes out as comes in, when the queue will be clear, and whether there are enough people."""
    found = ageing.flow_of(kept, wanted.days)
    st.markdown(f"**{plain(found.answer)}** {ageing.pace_answer(found.found)}")
    hours = st.number_input(
        "Hours a day that one reviewer has for reviews",
        min_value=0.1,
        max_value=24.0,
        value=None,
        step=0.5,
        placeholder="not stated",
        key="hours",
        bind="query-params",
        width=320,
    )
    st.markdown(ageing.utilisation_answer(kept, found.found, hours=hours))
    st.markdown(ageing.threshold_answer(kept, hours=hours))
    bands = ageing_charts.flow_bands(found)
    chart_with_table(
        bands, found.bands, key="flow", alt_text="What came in and what was done, added up", columns=FLOW_COLUMNS
    )
    if found.fan["p50"].notna().sum() > 1:
        fan = ageing_charts.backlog_fan(found)
        chart_with_table(
            fan, found.fan, key="backlog-ahead", alt_text="Open items so far and ahead", columns=FAN_COLUMNS
        )


def time(watched: Reviews, wanted: Wanted) -> None:
    """How long a decision takes, and in which group and stage the time goes."""
    timing = analytics.time_to_decision(watched)
    shares = ageing.waiting_shares(watched, ageing.moved_on(database(), watched), wanted.by)
    st.markdown(f"**{plain(ageing.bottleneck_answer(shares, timing.n))}** {plain(ageing.attainment_answer(watched))}")
    if timing.n < analytics.ENOUGH_TIMES:
        return
    curve = charts.survival_chart(timing.curve, timing.still_open)
    by_group = analytics.latency_by(watched, wanted.by)
    chart_with_table(curve, by_group, key="time-to-decision", alt_text="Share undecided by days since coming in")
    bars = ageing_charts.waiting_bars(shares)
    chart_with_table(
        bars, shares, key="waiting-by-stage", alt_text="Share of all waiting by group and stage", columns=STAGE_COLUMNS
    )

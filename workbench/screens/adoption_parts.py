"""Adoption on the screen: where forecasts stop, who comes, and month 1 beside month 12."""

from __future__ import annotations

import streamlit as st

from workbench.analytics_parts import (
    Wanted,
    chart_with_table,
    count_column,
    share_column,
    table_with_download,
    text_column,
)
from workbench.known_reviews import Reviews
from workbench.parts import plain
from workbench.screens import adoption, adoption_charts

_SPREAD = {"low": share_column("95 % from"), "high": share_column("to")}
COHORT_COLUMNS = {
    "week": text_column("Week"),
    "title": text_column("Step"),
    "reached": count_column("At the step before"),
    "pending": count_column("Still under way"),
    "converted": count_column("Took it"),
    "n": count_column("Of"),
    "rate": share_column("Share"),
    **_SPREAD,
}
SHADOW_COLUMNS = {
    "group": text_column("Group"),
    "n": count_column("Decided, with a used value"),
    "shadow": count_column("Replaced"),
    "share": share_column("Share"),
    **_SPREAD,
    "state": text_column("State"),
}
ACTIVE_COLUMNS = {
    "week": text_column("Week"),
    "active": count_column("People who decided"),
    "new": count_column("For the first time"),
}
MONTH_COLUMNS = {
    "title": text_column("Step"),
    "first": share_column("Month 1"),
    "n_first": count_column("Of"),
    "then": share_column("Month 12"),
    "n_then": count_column("Of "),
    "change": share_column("Change"),
    **_SPREAD,
    "state": text_column("State"),
}


def funnel(watched: Reviews, wanted: Wanted) -> None:
    """The answer, and where the forecasts of each week stop."""
    times = adoption.steps_of(watched)
    cohorts = adoption.cohorts(watched, times)
    st.markdown(f"**{plain(adoption.answer(watched, times, cohorts))}**")
    findings = (
        adoption.cliff_answer(watched, times, wanted.by),
        adoption.quiet_answer(watched, times),
        adoption.shadow_answer(watched),
    )
    st.markdown("\n".join(f"- {plain(said)}" for said in findings))
    if "used_value" in watched.table and watched.table["used_value"].notna().any():
        shadow = adoption.shadow_by(watched, wanted.by)
        table_with_download(shadow, key="shadow-overrides-by-group", columns=SHADOW_COLUMNS)
    missing = adoption.left_out(times)
    if missing:
        st.caption(missing)
    if (cohorts["reached"] > 0).any():
        drawn = adoption_charts.step_heat_map(cohorts)
        chart_with_table(
            drawn, cohorts, key="steps-by-week", alt_text="Share at each step by week", columns=COHORT_COLUMNS
        )


def people(watched: Reviews) -> None:
    """How many people review week by week; nobody is named."""
    weeks = adoption.active_by_week(watched)
    st.markdown(adoption.people_answer(watched, weeks))
    if len(weeks) > 1:
        drawn = adoption_charts.active_chart(weeks)
        chart_with_table(
            drawn, weeks, key="active-reviewers", alt_text="People who decided by week", columns=ACTIVE_COLUMNS
        )


def first_and_twelfth(kept: Reviews) -> None:
    """Month 1 beside month 12, from go-live on, whatever time is chosen."""
    months = adoption.months(kept, adoption.steps_of(kept))
    st.markdown(adoption.months_answer(months))
    if not months.dropna(subset=["first", "then"]).empty:
        drawn = adoption_charts.months_chart(months)
        chart_with_table(
            drawn, months, key="month-1-and-12", alt_text="Share at each step in two months", columns=MONTH_COLUMNS
        )

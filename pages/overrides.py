"""Overrides: how often do people go against the AI, where, and why? It is about the work, and never about a person."""

import streamlit as st

from workbench import analytics, charts
from workbench.analytics_parts import chart_with_table, filter_row, reviews_of, table_with_download
from workbench.session import require_user

user = require_user()
st.title("Overrides")
known = reviews_of(user, key="overrides")
kept, wanted = filter_row(known, time="Decided in")
decided = kept.since(wanted.days, column="decided_at")
overall = analytics.overrides_overall(decided)

st.subheader("How often do people go against the AI?")
st.markdown(f"**{analytics.override_answer(overall)}**")
if overall["n"] == 0:
    st.info("Nothing decided here had both an AI and a final value. Choose a longer time, or review some items.")
    st.stop()
st.caption(analytics.override_footnote(decided))

for key, table, draw in (
    ("overrides-by-week", analytics.overrides_by_week(decided), charts.rate_by_week),
    ("overrides-by-group", analytics.overrides_by(decided, wanted.by), charts.rate_by_group),
):
    enough = table.dropna(subset=["rate"])
    if enough.empty:
        table_with_download(table, key=key)
    else:
        chart = draw(enough, overall=overall["rate"])
        chart_with_table(chart, table, key=key, alt_text="Override rates with their 95 % intervals")

reasons = analytics.reasons_given(decided)
if reasons["share"].notna().any():
    chart_with_table(charts.reason_bars(reasons), reasons, key="overrides-by-reason", alt_text="Overrides by reason")
elif not reasons.empty:
    table_with_download(reasons, key="overrides-by-reason")

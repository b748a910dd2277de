"""Value added: do our changes make the forecast better? It is about the work, and never about a person."""

import streamlit as st

from workbench.analytics_parts import chart_with_table, filter_row, reviews_of, table_with_download
from workbench.parts import plain
from workbench.screens import value_added as screen
from workbench.screens import value_added_charts as charts
from workbench.session import require_user

user = require_user()
st.title("Value added")
known = reviews_of(user, key="value-added", decided_in_span=True)
kept, wanted = filter_row(known, time="Decided in")
decided = kept.since(wanted.days, column="decided_at")
unit = screen.money_unit(decided)

st.subheader("Do our changes make the forecast better?")
st.markdown(f"**{screen.answer(decided)}**")
st.caption(screen.basis(decided))

steps = screen.stairstep(decided)
if steps["wape"].notna().any():
    step_chart = charts.stairstep_chart(steps)
    chart_with_table(step_chart, steps, key="steps", alt_text="Error by step", columns=screen.STEP_COLUMNS)
    groups = screen.final_against_ai(decided, wanted.by)
    table_with_download(groups, key="final-against-AI-by-group", columns=screen.GROUP_COLUMNS)
    st.caption(f"{screen.beside_manual(steps)} {screen.across_series(decided)}")

past = screen.changes(decided)
st.markdown(f"{screen.direction_answer(past)} {plain(screen.error_removed(decided, past))}")
kinds, reasons = screen.by_kind(past), screen.by_reason(past)
if kinds["hit"].notna().any():
    ends, columns = charts.outcome_bars(kinds), screen.kind_columns(unit)
    chart_with_table(ends, kinds, key="ends-of-overrides", alt_text="How overrides ended", columns=columns)
    st.markdown(screen.damping_answer(past))
if reasons["hit"].notna().any():
    st.markdown(plain(screen.reasons_answer(reasons, past)))
    hits, columns = charts.reason_hits(reasons, overall=past["helped"].mean()), screen.reason_columns(unit)
    chart_with_table(hits, reasons, key="reasons-that-help", alt_text="Which reasons help", columns=columns)

with st.expander("How to read this"):
    st.markdown(screen.HOW_TO_READ)

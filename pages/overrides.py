"""Overrides: how often do people go against the AI, where, and why? It is about the work, and never about a person."""

import streamlit as st

from workbench import analytics
from workbench.analytics_parts import filter_row, reviews_of
from workbench.screens import overrides, overrides_parts
from workbench.session import require_user

user = require_user()
st.title("Overrides")
known = reviews_of(user, key="overrides", decided_in_span=True)
kept, wanted = filter_row(known, time="Decided in", further=overrides.FURTHER)
decided = kept.since(wanted.days, column="decided_at")
overall = analytics.overrides_overall(decided)
usual = overrides.usual_rate(known.since(wanted.days, column="decided_at"), decided)

st.subheader("How often do people go against the AI?")
st.markdown(f"**{overrides.answer(overall, usual)}**")
if overall["n"] == 0:
    st.info("Nothing decided here had both an AI and a final value. Choose a longer time, or review some items.")
    st.stop()
st.caption(analytics.override_footnote(decided))

overrides_parts.by_week(decided, overall["rate"])
if wanted.by != overrides.REASON:
    overrides_parts.by_group(decided, wanted.by, overall["rate"])
if wanted.by in overrides.FURTHER:
    overrides_parts.by_reason(decided)
else:
    overrides_parts.funnel(decided, wanted.by)

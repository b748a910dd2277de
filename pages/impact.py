"""Impact: is it used, does it change decisions, and what is it worth? Before go-live beside now."""

import streamlit as st

from workbench.analytics_parts import filter_row, reviews_of
from workbench.screens import impact_parts
from workbench.session import require_user

user = require_user()
st.title("Impact")
known = reviews_of(user, key="impact")
kept, wanted = filter_row(known, time="Charts over time show")
watched = kept.since(wanted.days, column="created_at")
rate = impact_parts.hourly_rate(known)
happened = impact_parts.happenings(user, known.workflow)

st.subheader("Is it used, does it change decisions, and what is it worth?")
impact_parts.answers(user, kept, rate)
impact_parts.over_time(watched, happened)
impact_parts.what_else(user, known.workflow, happened)

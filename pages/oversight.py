"""Oversight: is review real, or a rubber stamp? About the team and its work first, and about nobody by name."""

import streamlit as st

from workbench import analytics
from workbench.analytics_parts import filter_row, in_a_row, reviews_of
from workbench.screens import oversight
from workbench.screens.oversight_parts import (
    enough_people,
    how_to_read,
    lines,
    people,
    rates_before_the_deadline,
    rates_by_gap,
)
from workbench.session import database, require_user

user = require_user()
st.title("Oversight")
known = reviews_of(user, key="oversight")
kept, wanted = filter_row(known, time="Decided in", splits=False)
enough_people(known, kept)
decided = kept.since(wanted.days, column="decided_at")
caught = analytics.checks_caught(database(), known, person_id=user.person_id)
twice = analytics.second_looks(database(), known, person_id=user.person_id)
every = in_a_row(user, known)
row = wanted.of(every).since(wanted.days, column="decided_at")

st.subheader("Is review real, or a rubber stamp?")
st.markdown(f"**{oversight.answer(decided)}**")
lines(oversight.five_lines(decided, row), key="five-questions")
rates_by_gap(decided)

st.subheader("Is there time to review?")
st.markdown(oversight.pace(row))
rates_before_the_deadline(decided)

st.subheader("What do tests of review say?")
lines(oversight.tested_lines(decided, caught, twice), key="tests-of-review", gather=True)

st.subheader("Do people's decisions differ more than their items?")
people(user, known)
how_to_read()

"""Ageing: is anything waiting too long, does the queue clear, and where does the time go?"""

import streamlit as st

from workbench import analytics
from workbench.analytics_parts import filter_row, reviews_of
from workbench.screens import ageing, ageing_parts
from workbench.session import require_user

user = require_user()
st.title("Ageing")
known = reviews_of(user, key="ageing")
kept, wanted = filter_row(known, time="Came in")
watched = kept.since(wanted.days, column="created_at")

st.subheader("Is anything waiting too long?")
timing = analytics.time_to_decision(watched)
st.markdown(f"**{analytics.ageing_answer(kept.waiting)}** {analytics.latency_answer(timing)}")
view = ageing_parts.choose_view()

if view == ageing.WAITING:
    ageing_parts.waiting(kept.waiting, watched, wanted)
elif view == ageing.FLOW:
    ageing_parts.flow(kept, wanted)
else:
    ageing_parts.time(watched, wanted)

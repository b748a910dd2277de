"""Ageing: is anything waiting too long, and how long does a decision take?"""

import streamlit as st

from workbench import analytics, charts
from workbench.analytics_parts import chart_with_table, filter_row, reviews_of
from workbench.session import require_user

user = require_user()
st.title("Ageing")
known = reviews_of(user, key="ageing")
kept, wanted = filter_row(known, time="Time to a decision, of items that came in")
watched = kept.since(wanted.days, column="created_at")
timing = analytics.time_to_decision(watched)
waiting = analytics.waiting_items(kept, wanted.by)

st.subheader("Is anything waiting too long?")
st.markdown(f"**{analytics.ageing_answer(kept)}** {analytics.latency_answer(timing)}")

if not waiting.empty:
    ages = analytics.ageing_by(kept, wanted.by)
    chart_with_table(charts.age_heat_map(ages), ages, key="open-by-age", alt_text="Open items by age and group")
    usual = {"half decided": timing.hours(0.5), "85 in 100 decided": timing.hours(0.85)}
    dots = charts.ageing_dots(waiting, usual)
    chart_with_table(dots, waiting, key="open-items", alt_text="Every open item by its age")
if timing.n >= analytics.ENOUGH_TIMES:
    by_group = analytics.latency_by(watched, wanted.by)
    curve = charts.survival_chart(timing.curve, timing.still_open)
    chart_with_table(curve, by_group, key="time-to-decision", alt_text="Share undecided by days since coming in")

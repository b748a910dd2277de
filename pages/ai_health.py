"""AI health: is the AI still as good as it was, by what happened, by its ranges, and before anything is known?"""

from functools import partial

import streamlit as st

from workbench.analytics_parts import chart_with_table, filter_row, reviews_of, table_on_demand, table_with_download
from workbench.feed_parts import feed_notice
from workbench.parts import plain
from workbench.screens import ai_health as screen
from workbench.screens import ai_health_charts as charts
from workbench.session import require_user

user = require_user()
st.title("AI health")
known = reviews_of(user, key="ai-health")
feed_notice(user, known.workflow)
kept, wanted = filter_row(known, time="Forecasts that came in")
seen = kept.since(wanted.days, column="created_at")
change, path = screen.changed(seen), screen.path_of(seen)
evidence = screen.evidence_of(path)

st.subheader("Is the AI still as good as it was?")
st.markdown(f"**{plain(screen.answer(change))}** {plain(screen.alarm_answer(evidence, seen.workflow.policy.zone))}")

periods, covered = screen.by_period(seen), screen.coverage_by_version(seen)
if periods["wape"].notna().any():
    errors = charts.error_by_period(periods)
    chart_with_table(errors, periods, key="error-by-period", alt_text="Error by period", columns=screen.PERIOD_COLUMNS)
    st.markdown(plain(screen.bias_answer(change, periods)))
if evidence.n >= screen.ENOUGH_ROWS:
    days = screen.evidence_by_day(seen, path)
    line, columns = charts.evidence_chart(days), screen.EVIDENCE_COLUMNS
    chart_with_table(line, days, key="evidence", alt_text="Evidence that the AI is worse than naive", columns=columns)
st.markdown(plain(screen.coverage_answer(covered)))
if covered["inside"].notna().any():
    inside, columns = charts.coverage_by_version(covered), screen.COVERAGE_COLUMNS
    chart_with_table(inside, covered, key="coverage", alt_text="Actuals inside the AI's range", columns=columns)

weeks = screen.signs_by_week(seen)
st.markdown(plain(screen.early_answer(seen, weeks, change)))
table_with_download(weeks, key="signs-by-week", columns=screen.SIGN_COLUMNS)
for by, key in ((screen.VERSION, "figures-by-model-version"), (wanted.by, "figures-by-group")):
    table_on_demand(partial(screen.figures, seen, by), key=key, columns=screen.FIGURE_COLUMNS)

with st.expander("How to read this"):
    st.markdown(screen.HOW_TO_READ)

"""Alerts: which thresholds were passed, who answers, by when, and what they said."""

import streamlit as st

from workbench.alert_parts import alert_list
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Alerts")
workflow = choose_workflow(user, key="alerts-workflow")
if workflow is None:
    st.stop()

alert_list(user, database(), workflow)

"""Incidents: what went wrong, who owns it, what happened since, and how it ended."""

import streamlit as st

from workbench.incident_parts import incidents
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Incidents")
workflow = choose_workflow(user, key="incidents-workflow")
if workflow is None:
    st.stop()

incidents(database(), user, workflow)

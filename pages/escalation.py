"""Escalation: what goes up by itself, what would next, and whether a bad AI value can be overridden."""

import streamlit as st

from workbench.escalation_parts import ladder, override_test
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Escalation")
workflow = choose_workflow(user, key="escalation-workflow")
if workflow is None:
    st.stop()

ladder(database(), user, workflow)
override_test(database(), user, workflow)

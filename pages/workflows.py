"""Workflows: what is under review, who owns it, whether it is ready, and what its owner can change."""

import streamlit as st

from review_queue.roles import Task
from workbench.navigation import PAGES
from workbench.screens import governing_parts
from workbench.screens import workflows_parts as parts
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Workflows")
workflow = choose_workflow(user, key="workflows-workflow")
if workflow is None:
    st.stop()

parts.said()
st.subheader("Is all that is under review in order?", anchor=False)
parts.registry(user, database())

st.subheader("What is it for?", anchor=False)
parts.about(workflow)

st.subheader("Is it ready for review?", anchor=False)
parts.readiness(user, database(), workflow)

st.subheader("Who owns it?", anchor=False)
parts.ownership(user, database(), workflow)

if st.button("Escalation ladder and test of the override path", type="tertiary", key="workflows-escalation"):
    st.switch_page(PAGES / "escalation.py", query_params={"workflow": workflow.key})

st.subheader("Which of the AI's values are shown?", anchor=False)
governing_parts.showing(user, database(), workflow)

st.subheader("What hangs on which model version?", anchor=False)
parts.dependencies(user, database(), workflow)

if user.may(Task.SEE_ANALYTICS, workflow.id):
    st.subheader("Does it stay inside its scope?", anchor=False)
    parts.scope(user, database(), workflow)

st.subheader("By what policy?", anchor=False)
governing_parts.policy(user, database(), workflow)

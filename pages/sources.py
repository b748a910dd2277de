"""Sources: where they disagree, how good each has been, whether stated confidence comes true, what they call things."""

import streamlit as st

from review_queue.roles import Task
from workbench import source_reads
from workbench.screens import sources as screen
from workbench.screens import sources_parts as parts
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Sources")
workflow = choose_workflow(user, key="sources-workflow")
if workflow is None:
    st.stop()

known = source_reads.heard(database(), person_id=user.person_id, workflow=workflow)
if known.systems.empty:
    st.info(
        "No other system has said anything yet. Import a file of sources on the Data page, and they are set beside."
    )
    st.stop()
found = source_reads.disputed(database(), person_id=user.person_id, workflow=workflow)

st.subheader("Where do sources disagree?")
parts.disputes(found, workflow)

st.subheader("How good has each source been?")
parts.records(source_reads.records(known, workflow), source_reads.pairs(known, workflow), known)

st.subheader("Does stated confidence come true?")
parts.reliability(known)

if user.may(Task.IMPORT, workflow.id):
    st.subheader("What do they call our series?")
    parts.identifiers(user, database(), workflow, known)

with st.expander("How to read this"):
    st.markdown(screen.HOW_TO_READ)

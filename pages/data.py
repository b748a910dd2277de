"""Data: files brought in, rows set aside to fix and retry, what came in so far, what goes out, tokens for programs."""

import streamlit as st

from review_queue.roles import Task
from workbench import aside_parts, data_parts, export_parts, token_parts
from workbench.session import choose_workflow, require_user

user = require_user()
st.title("Data")

workflow = choose_workflow(user, key="data-workflow")
if workflow is None:
    st.stop()
may_import = user.may(Task.IMPORT, workflow.id)

if may_import:
    with st.container():  # what an import says comes and goes inside it, and moves nothing below to another place
        data_parts.bring_in(user, workflow)
else:
    st.info("You can see what came in, but not bring data in. Ask an administrator for the role that can.")

aside_parts.rows_to_fix(user, workflow, may_import=may_import)
data_parts.past_imports(user, workflow)
export_parts.past_pulls(user, workflow)
if user.may(Task.EXPORT, workflow.id):
    with st.container():  # what is prepared comes and goes inside it
        export_parts.take_out(user, workflow)
token_parts.tokens(user, workflow)

"""Audit: is the record whole, and what does it say of a person, an item or an action."""

import streamlit as st

from review_queue.errors import NotAllowed
from workbench import audit_parts
from workbench.parts import plain
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Audit")
workflow = choose_workflow(user, key="audit-workflow")
if workflow is None:
    st.stop()
try:
    audit_parts.standing(user, database())
    sought = audit_parts.search_form(user, workflow)
    audit_parts.events(user, database(), workflow, sought)
except NotAllowed as refusal:
    st.info(plain(str(refusal)))

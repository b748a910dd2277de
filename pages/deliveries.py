"""Deliveries: where decisions are sent, whether they arrive, and what to do about those that do not."""

import streamlit as st

from review_queue.errors import NotAllowed
from workbench import delivery_parts
from workbench.actions import delivering
from workbench.parts import plain
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Deliveries")
workflow = choose_workflow(user, key="deliveries-workflow")
if workflow is None:
    st.stop()
try:
    watched = delivering.watch(database(), person_id=user.person_id, workflow_key=workflow.key)
except NotAllowed as refusal:
    st.info(plain(str(refusal)))
    st.stop()

delivery_parts.verdict(watched)
delivery_parts.said()
delivery_parts.dead_letters(user, database(), workflow, watched)
delivery_parts.receivers(user, database(), watched)
delivery_parts.add_receiver(user, database(), workflow, is_first=not watched)
if watched:
    delivery_parts.newest(user, database(), workflow)

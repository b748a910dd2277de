"""Receipt: one decision with what was on the screen, who, when, why, and what has happened since."""

import streamlit as st

from workbench.receipt_parts import decision_search, receipt, wanted_receipt
from workbench.session import choose_workflow, database, prefer_workflow, require_user

user = require_user()
title = st.empty()

told = wanted_receipt(user, database())
title.title("Receipt" if told else "Decisions")
if told is not None:
    prefer_workflow(told.item.workflow_key)
workflow = choose_workflow(user, key="receipt-workflow")
if workflow is None:
    st.stop()
if told is not None and told.item.workflow_id == workflow.id:
    receipt(told)
else:
    decision_search(user, database(), workflow)

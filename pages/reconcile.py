"""Reconcile: a period as a whole, up the tree; numbers changed at the leaf; submit, withdraw, lock."""

import streamlit as st

from review_queue.roles import Task
from workbench import reconcile_parts as parts
from workbench.actions import reconciling
from workbench.reconcile_desk import reconcile_desk
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Reconcile")

workflow = choose_workflow(user, key="reconcile-workflow")
if workflow is None:
    st.stop()
cycles = reconciling.periods(database(), person_id=user.person_id, workflow=workflow)
if not cycles:
    st.info("No forecast has come in yet. Import forecasts on the Data page, and their periods show here.")
    st.stop()

desk = reconcile_desk(database(), user.person_id, workflow)
seen = desk.look(parts.choose_period(cycles))
may_change = user.may(Task.RECONCILE, workflow.id) and seen.cycle.locked_at is None

parts.standing(seen)
parts.headline(seen, workflow.unit)
path = parts.totals(seen)
parts.change(desk, path, cycles, may_change=may_change)
parts.breakdowns(seen, path, workflow.unit)
if user.may(Task.RECONCILE, workflow.id):
    parts.closing(desk, user, path)

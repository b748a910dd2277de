"""Queue: every open item in scope, filtered and sorted, assigned, confirmed together, each one press from Review."""

import streamlit as st

from review_queue.roles import Task
from workbench import reads
from workbench.assign_parts import assignable_list
from workbench.batch_parts import confirm_button, open_batch
from workbench.feed_parts import feed_notice
from workbench.lists import group_counts, item_list, queue_filter
from workbench.paging import PAGE, place_in_link, turn_pages, what_is_shown
from workbench.session import choose_workflow, database, require_user
from workbench.view_parts import saved_views

user = require_user()
st.title("Queue")

workflow = choose_workflow(user, key="queue-workflow")
if workflow is None:
    st.stop()
feed_notice(user, workflow)
may_confirm = user.may(Task.CONFIRM, workflow.id)
if may_confirm and open_batch(user, database(), workflow):
    st.stop()

here = {"person_id": user.person_id, "workflow_id": workflow.id}
above, segments = st.container(), reads.segment_choices(database(), **here)
wanted, group = queue_filter(segments, person_id=user.person_id)
with above:
    saved_views(user, database(), workflow, segments)
after = place_in_link()
page = reads.open_items(database(), **here, wanted=wanted, limit=PAGE, after=after)

with st.container(horizontal=True, vertical_alignment="center"):
    what_is_shown(page, after)
    turn_pages(page, after)
    if may_confirm:
        confirm_button(user, database(), workflow, wanted.segment_path)
group_counts(page.items, group)
if user.may(Task.ASSIGN, workflow.id) and not page.items.empty:
    assignable_list(user, database(), workflow, page.items)
else:
    item_list("", page.items, key="queue", empty="No open item matches. Clear the filter to see them all.")

"""My desk: what is due, what needs judgement, what waits on me, what came back, and when I am away."""

import streamlit as st

from review_queue.items import Lane
from workbench import keys, reads
from workbench.absence_parts import absences
from workbench.lists import at_most, decision_list, desk_lists, due_list, in_a_sentence, mention_list, open_review
from workbench.pulse_parts import pulse
from workbench.reminder_parts import reminders
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("My desk")

workflow = choose_workflow(user, key="desk-workflow")
if workflow is None:
    st.stop()
desk = reads.my_desk(database(), person_id=user.person_id, workflow_id=workflow.id)

for column, lane in zip(st.columns(3, border=True, wrap=False, gap="xsmall"), Lane, strict=True):
    column.metric(lane.title, at_most(desk.waiting[lane]))
st.markdown(in_a_sentence(desk))

st.caption(
    "Open to you now; Start reviewing takes the most at stake first, lane by lane. "
    "The queue also lists what others hold, and what was put off or sent back."
)
is_nothing = not any(desk.waiting.values())
if st.button("Start reviewing", type="primary", shortcut=keys.live(keys.START), disabled=is_nothing):
    open_review()
if workflow.policy.check_share:
    st.caption(f"About {workflow.policy.check_share:.0%} of items come as a check first; you are told at once.")
if is_nothing:
    st.caption("Nothing waits for you. New items appear here as forecasts arrive.")

due_list(desk)
mention_list("You were mentioned", desk.mentions)
desk_lists(desk, user)
decision_list("Your last decisions", desk.decided)
if not desk.decided.empty:
    pulse(user, database(), workflow)
absences(user, database(), workflow)
reminders(user, database())

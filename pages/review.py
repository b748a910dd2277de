"""Review: one item, both forecasts, the gap between them, and the choice."""

import streamlit as st

from workbench.feed_parts import feed_notice
from workbench.review_card import follow_link, review
from workbench.session import choose_workflow, database, require_user

user = require_user()
st.title("Review")

follow_link(user, database())
workflow = choose_workflow(user, key="review-workflow")
if workflow is not None:
    feed_notice(user, workflow)
    review(user, database(), workflow)

"""The line that says that the AI's feed is out, on every page where its values are worked with."""

from __future__ import annotations

import streamlit as st

from review_queue.roles import Principal
from storage.workflows import Workflow
from workbench.actions import feeding
from workbench.session import database
from workbench.settings import settings


def feed_notice(user: Principal, workflow: Workflow) -> None:
    """A warning while the feed is out; nothing while it is well."""
    if workflow.policy.feed_late_hours is None and settings().sources is None:
        return  # nothing can put it out: no look at the database
    found = feeding.notice(database(), person_id=user.person_id, workflow=workflow)
    if found is not None:
        st.warning(found.sentence, icon=":material/cloud_off:")

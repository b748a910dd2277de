"""The line that says that the AI's values are not shown as they come, on every page where they are worked with."""

from __future__ import annotations

import streamlit as st

from review_queue.roles import Principal
from storage.workflows import Workflow
from workbench.actions import feeding
from workbench.parts import plain
from workbench.session import database


def feed_notice(user: Principal, workflow: Workflow) -> None:
    """A warning while the feed is out, or while the owner has paused the values or gone back to an earlier version."""
    found = feeding.notice(database(), person_id=user.person_id, workflow=workflow)
    if found is not None:
        st.warning(plain(found.sentence), icon=":material/cloud_off:")

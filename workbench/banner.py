"""The banner that says when nothing can be saved, on every page, and the way back when it can be again."""

from __future__ import annotations

import streamlit as st

from workbench import health, navigation
from workbench.health import Health
from workbench.session import database

EVERY = 2.5  #: seconds between two looks; a look asks this process and not the database, and costs it 4.5 ms
_OUTAGE = "outage"  #: set in a session that has seen one, until it is over
SENTENCES = {
    Health.READ_ONLY: "Read only: the database takes no changes, so nothing can be saved at the moment. "
    "What you type stays on this page.",
    Health.AWAY: "Read only: the database does not answer, so nothing can be saved at the moment. "
    "What you type stays on this page.",
    Health.BEHIND: "Read only: the database has lost decisions that were saved before, so nothing can be saved until "
    "an administrator has looked at it. What you type stays on this page.",
}
AWAY_HERE = "The database does not answer at the moment, so this cannot be shown. The page comes back by itself."


@st.fragment(run_every=EVERY)
def banner() -> None:
    """Say that nothing can be saved while that is so, and draw the page afresh once it is over."""
    navigation.return_if_astray()
    found = health.now(database())
    if found is not Health.WELL:
        st.session_state[_OUTAGE] = True
        st.warning(SENTENCES[found], icon=":material/cloud_off:")
    elif st.session_state.pop(_OUTAGE, False):
        st.rerun()


def say_away() -> None:
    """In the place of what could not be read; the page is drawn afresh when the database is well."""
    st.session_state[_OUTAGE] = True
    st.info(AWAY_HERE)

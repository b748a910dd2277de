"""One question a month on My desk: does the workbench help? Answered with a press, and gone."""

from __future__ import annotations

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import noting
from workbench.parts import plain

QUESTION = "Does the workbench help you decide? 1 not at all … 5 very much"
SAID = "pulse-said"  #: what came of the press: whether it was kept, and a sentence


def pulse(user: Principal, database: Database, workflow: Workflow) -> None:
    """The question, for a reviewer who has not answered it this month; answering takes it away."""
    said = st.session_state.pop(SAID, None)
    if said is not None:
        (st.caption if said[0] else st.warning)(plain(said[1]))
    if not noting.is_pulse_due(database, person_id=user.person_id, workflow=workflow):
        return
    key = f"pulse-{workflow.id}"
    st.segmented_control(
        QUESTION,
        range(1, 6),
        key=key,
        help="Asked once a month. Impact shows the share of all answers, from five on, and no names.",
        on_change=_answer,
        args=(database, user.person_id, workflow, key),
    )


def _answer(database: Database, person_id: int, workflow: Workflow, key: str) -> None:
    chosen = st.session_state.get(key)
    if chosen is None:
        return
    try:
        noting.answer_pulse(database, person_id=person_id, workflow=workflow, answer=int(chosen))
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    else:
        st.session_state[SAID] = (True, "Thank you. You are asked again next month.")

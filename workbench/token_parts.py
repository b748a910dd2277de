"""Tokens for programs, on the Data page: made, shown once, listed and revoked by the person whose grants they are."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Grant, Principal, Task
from storage.tokens import Token
from storage.workflows import Workflow
from workbench.actions import issuing
from workbench.actions.issuing import LONGEST_LIFE, LONGEST_NAME, USUAL_LIFE, NewToken
from workbench.parts import plain, time_column
from workbench.session import database

ENDED = "token-ended"  #: what was revoked, for the run after the press


def tokens(user: Principal, workflow: Workflow) -> None:
    """What programs show to act in one's place, for this workflow; folded away until somebody wants it."""
    mine = issuing.list_tokens(database(), person_id=user.person_id)
    here = [each for each in mine if each.is_live and each.grant.workflow_id in (None, workflow.id)]
    with st.expander(f"Tokens for programs ({len(here)})", icon=":material/key:"):
        st.caption(
            "A program that shows a token can do over HTTP what one role of yours can do in this workflow, "
            "and nothing else. docs/api.md says what that is."
        )
        if ended := st.session_state.pop(ENDED, None):
            st.success(plain(ended))
        _make(user, workflow)
        if here:
            _table(here)
            _revoke(user, here)


def _make(user: Principal, workflow: Workflow) -> None:
    usable = [
        grant for grant in issuing.grants_for_tokens(database(), person_id=user.person_id) if _is_here(grant, workflow)
    ]
    if not usable:
        st.caption("None of your roles here can do anything over HTTP. Ask an administrator for one that can.")
        return
    with st.form("token-form", clear_on_submit=True, border=False):
        name = st.text_input("What it is for", max_chars=LONGEST_NAME, key="token-name", placeholder="ERP nightly")
        grant = st.selectbox("Which role of yours", usable, format_func=_words, key="token-grant")
        writes = st.checkbox("It may bring data in", key="token-writes")
        days = st.number_input("Days until it ends", 1, LONGEST_LIFE, USUAL_LIFE, key="token-days")
        wanted = st.form_submit_button("Make a token", key="token-make")
    if wanted:
        try:
            _show_once(_made(user, workflow, name, grant, writes=writes, days=int(days)))
        except ReviewError as refusal:
            st.error(plain(str(refusal)))


def _made(user: Principal, workflow: Workflow, name: str, grant: Grant, *, writes: bool, days: int) -> NewToken:
    return issuing.create_token(
        database(),
        person_id=user.person_id,
        name=name,
        role=grant.role,
        workflow=workflow.key,
        segment=grant.segment_path,
        may_write=writes,
        days=days,
    )


def _show_once(made: NewToken) -> None:
    st.success("Copy it now and keep it safe: it is not shown again.")
    st.code(made.secret, language=None)


def _table(here: list[Token]) -> None:
    rows = [(each.name, each.hint + "…", _can(each), each.expires_at, each.last_used_at) for each in here]
    columns = ["What it is for", "Begins with", "Can", "ends", "used"]
    st.dataframe(
        pd.DataFrame(rows, columns=columns).astype({"used": "datetime64[us, UTC]"}),
        hide_index=True,
        column_config={"ends": time_column("Ends"), "used": time_column("Last used")},
        alt="Your tokens",
    )


def _revoke(user: Principal, here: list[Token]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        named = {each.id: f"{each.name} ({each.hint}…)" for each in here}
        chosen = st.selectbox("Token", list(named), format_func=named.__getitem__, key="token-chosen")
        if st.button("Revoke", key="token-revoke"):
            ended = issuing.revoke_token(database(), person_id=user.person_id, token_id=chosen)
            st.session_state[ENDED] = f"{ended.name} no longer works."
            st.rerun()


def _is_here(grant: Grant, workflow: Workflow) -> bool:
    return grant.workflow_id in (None, workflow.id)


def _words(grant: Grant) -> str:
    alone = Principal(0, "", (grant,))
    can = [word for task, word in ((Task.EXPORT, "reads"), (Task.IMPORT, "may bring data in")) if alone.may(task)]
    place = " in " + " › ".join(filter(None, grant.segment_path.split("\x1f"))) if grant.segment_path else ""
    return f"{grant.role.value.capitalize()}{place}: {', '.join(can)}"


def _can(token: Token) -> str:
    return f"{'read and write' if token.may_write else 'read'} as {token.grant.role.value}"

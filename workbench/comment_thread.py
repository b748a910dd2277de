"""The comments on an item: what was said, to whom above all, and a form to add to it."""

from __future__ import annotations

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.items import Item
from storage.notes import Comment
from workbench import reads
from workbench.actions import reviewing
from workbench.parts import local_time, plain, told_apart, untrusted_text
from workbench.sitting import Sitting


def comment_thread(here: Sitting, item: Item) -> None:
    """Every comment, oldest first, and below them the form."""
    remarks = reads.comments(here.database, person_id=here.person_id, item=item)
    for remark in remarks:
        st.caption(plain(_heading(remark)))
        untrusted_text(remark.body)
    # The next comment gets fields of its own, so that they start empty.
    key = f"{here.form}-{len(remarks)}"
    people = told_apart(reviewing.mentionable(here.database, person_id=here.person_id, item_id=item.id))
    with st.form(f"comment-form-{key}", border=False):
        text, told, send = st.columns([5, 3, 1], vertical_alignment="bottom")
        text.text_input("Add a comment", key=f"comment-{key}", max_chars=2000, placeholder="@Name tells somebody too")
        told.multiselect(
            "Mention", list(people), format_func=people.__getitem__, key=f"mention-{key}", placeholder="People to tell"
        )
        send.form_submit_button("Comment", on_click=_comment, args=(here, item, key))
    refusal = st.session_state.pop(_refused(key), None)
    if refusal:
        st.error(plain(refusal))


def _heading(remark: Comment) -> str:
    told = f" · to {', '.join(remark.told)}" if remark.told else ""
    return f"{remark.author} · {local_time(remark.created_at)}{told}"


def _comment(here: Sitting, item: Item, key: str) -> None:
    if st.session_state.get(_sent(key)):
        return  # a doubled press
    try:
        reviewing.comment(
            here.database,
            person_id=here.person_id,
            item_id=item.id,
            body=st.session_state.get(f"comment-{key}") or "",
            mentioned=st.session_state.get(f"mention-{key}") or (),
        )
    except ReviewError as refusal:
        st.session_state[_refused(key)] = str(refusal)
    else:
        st.session_state[_sent(key)] = True


def _sent(key: str) -> str:
    return f"comment-sent-{key}"


def _refused(key: str) -> str:
    return f"comment-refused-{key}"

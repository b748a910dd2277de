"""What stands in the sidebar of every page: what is new, the keys, and who is signed in."""

from __future__ import annotations

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.notices import News
from review_queue.roles import Principal
from storage.notifications import Notification, Unseen
from workbench import keys, session
from workbench.actions import notifying
from workbench.lists import open_review
from workbench.navigation import PAGES
from workbench.parts import local_time, plain, untrusted_text

#: What is not about an item → the page that says more of it; of the rest My desk does.
TOLD_OF_ON = {
    News.ALERT: "alerts.py",
    News.FIGURES: "oversight.py",
    News.INCIDENT: "incidents.py",
    News.PATH_TEST: "escalation.py",
}


def sidebar(user: Principal) -> None:
    """The frame's part of the sidebar, below the menu."""
    with st.sidebar:
        _news(user)
        keys.keys_button()
        untrusted_text(user.name)
        st.button("Sign out", on_click=session.sign_out, icon=":material/logout:", key="frame-sign-out")
        st.button(
            "End all sessions",
            on_click=_sign_out_everywhere,
            args=[user],
            type="tertiary",
            help="Signs you out everywhere: in every browser, this one too.",
            key="frame-end-sessions",
        )


def _sign_out_everywhere(user: Principal) -> None:
    try:
        session.sign_out_everywhere(user)
    except ReviewError as refusal:
        st.toast(plain(str(refusal)))


def _news(user: Principal) -> None:
    """*Notifications*, with how many there are; nothing while the database is away, which the page itself says."""
    try:
        found = notifying.unseen(session.database(), who=user)
    except ReviewError:
        return
    label = f"Notifications ({found.count})" if found.count else "Notifications"
    with st.popover(label, icon=":material/notifications:", key="frame-news", width="stretch"):
        _inside(user, found)


def _inside(user: Principal, found: Unseen) -> None:
    if not found.count:
        st.caption("Nothing new. You are told here of mentions, of items given to you, and of what came back.")
        return
    for one in found.newest:
        _line(user, one)
    if found.count > len(found.newest):
        st.caption(f"And {found.count - len(found.newest):,} older ones.")
    st.button("Mark all as read", key=f"frame-read-{found.newest[0].id}", on_click=_mark, args=(user.person_id, None))


def _line(user: Principal, one: Notification) -> None:
    said, go = st.columns([4, 1], vertical_alignment="center")
    with said, st.container(gap=None):
        st.caption(plain(local_time(one.created_at)))
        untrusted_text(one.sentence, limit=400)
    if go.button("Open", key=f"frame-open-{one.id}", type="tertiary"):
        _mark(user.person_id, [one.id])
        _open(one)


def _open(one: Notification) -> None:
    if one.item_id is not None:
        open_review(one.item_id)
    page = TOLD_OF_ON.get(one.kind, "my_desk.py")
    st.switch_page(PAGES / page, query_params={"workflow": one.workflow_key})


def _mark(person_id: int, which: list[int] | None) -> None:
    try:
        notifying.mark_seen(session.database(), person_id=person_id, which=which)
    except ReviewError as refusal:
        st.toast(plain(str(refusal)))

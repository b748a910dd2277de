"""Saved views of the Queue: its filter under a name. A view is no more than the page's link, so links go on working."""

from __future__ import annotations

from typing import Any

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.engine import Database
from storage.saved_views import Link, SavedView
from storage.workflows import Workflow
from workbench.actions import saving_views
from workbench.paging import back_to_first
from workbench.parts import plain, visible

PAGE = "queue"
VIEW = "queue-view"  #: the key of the list of views
TURN = "queue-view-turn"  #: how often a view was saved; names the form that is drawn
SAID = "queue-view-said"  #: what came of the last press: whether it was done, and a sentence
#: The filter's widgets by their query parameters, with what each holds where it keeps everything.
MANY = ("lane", "state", "band")
NOTHING: dict[str, Any] = {
    "lane": [],
    "state": [],
    "band": [],
    "segment": None,
    "search": "",
    "group": "none",
    "mine": False,
}


def filter_now() -> Link:
    """The filter as it is drawn, by its query parameters; what keeps everything is left out."""
    held = {name: st.session_state.get(name, nothing) for name, nothing in NOTHING.items()}
    chosen = {name: value for name, value in held.items() if value and value != NOTHING[name]}
    return {
        name: sorted(value) if name in MANY else ["true" if value is True else str(value)]
        for name, value in chosen.items()
    }


def saved_views(user: Principal, database: Database, workflow: Workflow, segments: dict[str, str]) -> None:
    """*View*, *Save view* and *Delete view*; drawn after the filter, of which they speak."""
    here = {"person_id": user.person_id, "workflow_id": workflow.id, "page": PAGE}
    places = set(segments.values())
    views = {
        view.id: view
        for view in saving_views.list_views(database, **here)  # type: ignore[arg-type]
        if set(view.link.get("segment", [])) <= places
    }
    now = filter_now()
    st.session_state[VIEW] = chosen = next((view.id for view in views.values() if view.link == now), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if views:
            st.selectbox(
                "View",
                list(views),
                format_func=lambda view_id: _named(views[view_id], user),
                key=VIEW,
                placeholder="Choose a view",
                on_change=_choose,
                args=(views,),
                width=280,
            )
        _save(user, database, workflow, now)
        if chosen is not None and views[chosen].owner_id == user.person_id:
            asked = (database, user.person_id, views[chosen])
            st.button("Delete view", key=f"delete-view-{chosen}", type="tertiary", on_click=_delete, args=asked)
    said = st.session_state.pop(SAID, None)
    if said is not None:
        (st.success if said[0] else st.warning)(plain(said[1]))


def _named(view: SavedView, user: Principal) -> str:
    whose = "" if view.owner_id == user.person_id else f" ({view.owner})"
    return visible(f"{view.name}{whose}")


def _save(user: Principal, database: Database, workflow: Workflow, now: Link) -> None:
    turn = st.session_state.get(TURN, 0)
    with (
        st.popover(
            "Save view",
            icon=":material/bookmark_add:",
            help=None if now else "Filter the queue first.",
            key=f"save-view-{turn}",
            disabled=not now,
        ),
        st.form(f"view-form-{turn}", border=False),
    ):
        st.text_input("Name", key=f"view-name-{turn}", max_chars=saving_views.LONGEST_NAME)
        st.radio("For whom?", ["Only me", f"Everybody in {plain(workflow.title)}"], index=0, key=f"view-for-{turn}")
        asked = (database, user.person_id, workflow.id, now, turn)
        st.form_submit_button("Save", type="primary", on_click=_keep, args=asked)


# --- the presses ---------------------------------------------------------------------------------------------------


def _choose(views: dict[int, SavedView]) -> None:
    """Put the chosen view's filter into the widgets, and so into the link; no view: keep everything."""
    view = views.get(st.session_state[VIEW])
    link = view.link if view else {}
    for name, nothing in NOTHING.items():
        values = link.get(name, [])
        if name in MANY:
            st.session_state[name] = list(values)
        elif name == "mine":
            st.session_state[name] = values == ["true"]
        else:
            st.session_state[name] = values[0] if values else nothing
    back_to_first()


def _keep(database: Database, person_id: int, workflow_id: int, link: Link, turn: int) -> None:
    if turn != st.session_state.get(TURN, 0):
        return  # a doubled press
    name = st.session_state.get(f"view-name-{turn}") or ""
    is_shared = st.session_state.get(f"view-for-{turn}") != "Only me"
    try:
        saving_views.save_view(
            database,
            person_id=person_id,
            workflow_id=workflow_id,
            page=PAGE,
            name=name,
            link=link,
            is_shared=is_shared,
        )
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
        return
    st.session_state[TURN] = turn + 1
    st.session_state[SAID] = (True, f"Saved as {' '.join(name.split())}.")


def _delete(database: Database, person_id: int, view: SavedView) -> None:
    try:
        saving_views.delete_view(database, person_id=person_id, view_id=view.id)
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    else:
        st.session_state[SAID] = (True, f"{view.name} is deleted.")

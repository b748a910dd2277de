"""The pieces of the Workflows page that change what people work with: the AI's values shown, and the policy."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.policy_changes import Change, as_toml, changes
from review_queue.roles import Principal, Task
from review_queue.showing import LONGEST_NOTE, AiValues, Showing, sentence
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import depending, governing, pausing
from workbench.actions.pausing import Effect
from workbench.parts import local_time, plain, untrusted_text, visible
from workbench.screens.workflows_parts import press

CHOICES = {
    AiValues.SHOWN: "Show the newest",
    AiValues.PAUSED: "Pause",
    AiValues.ROLLED_BACK: "Go back to an earlier model version",
}
DONE = {
    AiValues.SHOWN: "The newest of the AI's values are shown again.",
    AiValues.PAUSED: "The AI's values are paused.",
    AiValues.ROLLED_BACK: "The AI's values are rolled back.",
}
NOW = "Every item shows the newest value that came."


def showing(user: Principal, database: Database, workflow: Workflow) -> None:
    """Which values are shown, the choice of others with what it would do, and the choices so far."""
    history = pausing.showing_history(database, person_id=user.person_id, workflow=workflow)
    present = history[0].showing if history else Showing()
    st.markdown(f"**{plain(sentence(present, workflow.policy.fallback) or NOW)}**")
    if user.may(Task.GOVERN, workflow.id):
        with st.expander("Change what is shown"):
            _choice(user, database, workflow, present)
    if history:
        with st.expander(f"Changes ({len(history)})"):
            for each in history:
                what = CHOICES[each.showing.values] + (f": {each.showing.version}" if each.showing.version else "")
                st.markdown(plain(what))
                st.caption(plain(f"{local_time(each.at)} · by {each.by}"))
                untrusted_text(each.note)


def _choice(user: Principal, database: Database, workflow: Workflow, present: Showing) -> None:
    key = workflow.key
    values = st.radio(
        "The AI's values", list(CHOICES), format_func=CHOICES.__getitem__, key=f"values-{key}", index=None
    )
    version = None
    if values is AiValues.ROLLED_BACK:
        found = depending.what_depends(database, person_id=user.person_id, workflow=workflow)
        names = [each.version for each in found if each.workflow.id == workflow.id]
        version = st.selectbox("Model version", names, key=f"back-to-{key}", format_func=visible, index=None, width=320)
    if values is None or (values is AiValues.ROLLED_BACK and version is None):
        st.caption("Choose, and what it would do to the open items is shown before anything changes.")
        return
    if Showing(values, version) == present:
        st.caption("It is so already.")
        return
    try:
        effect = pausing.preview_showing(
            database, person_id=user.person_id, workflow_key=key, values=values, version=version
        )
    except ReviewError as refusal:
        st.warning(plain(str(refusal)))
        return
    what_changes(effect)
    with st.form(f"showing-{key}", border=False):
        note = st.text_area("Why", max_chars=LONGEST_NOTE, height=80, key=f"showing-note-{key}")
        if st.form_submit_button(CHOICES[values], type="primary"):
            press(lambda: _chosen(user, database, workflow, values, version, note))


def _chosen(
    user: Principal, database: Database, workflow: Workflow, values: AiValues, version: str | None, note: str
) -> str:
    changed = pausing.choose_showing(
        database, person_id=user.person_id, workflow_key=workflow.key, values=values, version=version, note=note
    )
    for name in ("values", "back-to", "showing-note"):
        st.session_state.pop(f"{name}-{workflow.key}", None)
    return f"{DONE[values]} {changed:,} open items changed."


def what_changes(effect: Effect) -> None:
    """What a choice does to the open items, in words and by lane and state."""
    st.markdown(plain(effect.sentence))
    if effect.by_lane_and_state:
        table = pd.DataFrame(effect.by_lane_and_state, columns=["Lane afterwards", "State now", "Items"])
        st.dataframe(table, hide_index=True, width="content", alt="Items that would read differently")


def policy(user: Principal, database: Database, workflow: Workflow) -> None:
    """The versions of the policy with what each changed, and its text to edit."""
    found = governing.policy_versions(database, person_id=user.person_id, key=workflow.key)
    newest = found[0]
    st.markdown(plain(f"Version {newest.version}, by {newest.author or 'nobody'} on {local_time(newest.at)}."))
    with st.expander(f"What each version changed ({len(found)})"):
        for later, earlier in zip(found, [*found[1:], None], strict=True):
            st.caption(plain(f"Version {later.version} · by {later.author or 'nobody'} · {local_time(later.at)}"))
            if earlier is None:
                st.text("The first.")
            else:
                _differences(changes(earlier.policy, later.policy), alt=f"What version {later.version} changed")
    with st.expander("Its text"):
        if user.may(Task.GOVERN, workflow.id):
            _editor(user, database, workflow)
        else:
            st.code(visible(as_toml(newest.policy)), language="toml")


def _editor(user: Principal, database: Database, workflow: Workflow) -> None:
    st.caption("What is not written has its default. Press *See what it changes* before you put it in force.")
    key = f"policy-{workflow.key}-{workflow.policy_version}"
    text = st.text_area("Policy", as_toml(workflow.policy), height=420, key=key, max_chars=100_000)
    if not st.toggle("See what it changes", key=f"see-{key}"):
        return
    try:
        preview = governing.preview_policy(
            database, person_id=user.person_id, workflow_key=workflow.key, toml_text=text
        )
    except ReviewError as refusal:
        st.warning(plain(str(refusal)))
        return
    if preview.effect is None:
        st.caption("Nothing: the text says what is in force.")
        return
    _differences(preview.changes, alt="What the text changes")
    what_changes(preview.effect)
    if st.button("Put in force", type="primary", key=f"force-{key}"):
        press(lambda: _in_force(user, database, workflow, text))


def _in_force(user: Principal, database: Database, workflow: Workflow, text: str) -> str:
    changed = governing.change_policy(
        database,
        person_id=user.person_id,
        workflow_key=workflow.key,
        toml_text=text,
        policy_version=workflow.policy_version,
    )
    return f"Version {changed.policy_version} of the policy is in force."


def _differences(found: Sequence[Change], *, alt: str) -> None:
    rows = [(each.setting, visible(each.before), visible(each.after)) for each in found]
    st.dataframe(pd.DataFrame(rows, columns=["Setting", "Before", "After"]), hide_index=True, alt=alt)

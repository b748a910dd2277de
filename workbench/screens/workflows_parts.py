"""The pieces of the Workflows page: the registry, readiness, who owns it, and what depends on what."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal, Task
from review_queue.showing import LONGEST_NOTE
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import depending, governing, readying
from workbench.actions.readying import Readiness
from workbench.analytics_parts import chart_with_table
from workbench.parts import counted, local_time, plain, time_column, untrusted_text, visible
from workbench.screens.workflows_charts import scope_creep_map

SAID = "workflow-said"  #: what came of the last press: whether it was done, and a sentence
STATES = {"pass": "passes", "fail": "missing", "advice": "advice"}
SCOPE_COLUMNS = {
    "week": st.column_config.DateColumn("Week from"),
    "segment": "Segment",
    "rows": st.column_config.NumberColumn("Rows set aside", format="localized"),
    "came": st.column_config.NumberColumn("Rows of that week", format="localized"),
    "share": st.column_config.NumberColumn("Share", format="percent"),
}


def said() -> None:
    """What came of the last press."""
    with st.container():
        told = st.session_state.pop(SAID, None)
        if told is not None:
            (st.success if told[0] else st.warning)(plain(told[1]))


def press(act: Callable[[], str]) -> None:
    """Do it, keep the sentence that it gives or the refusal, and draw the page anew."""
    try:
        st.session_state[SAID] = (True, act())
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    st.rerun()


def registry(user: Principal, database: Database) -> None:
    """Every workflow of this person, with its owner and what state it is in."""
    found = governing.registry(database, person_id=user.person_id)
    rows = [
        {
            "Workflow": each.workflow.title,
            "State": each.state,
            "Owner": each.workflow.policy.owner or "nobody",
            "Deputy": each.workflow.policy.deputy or "nobody",
            "Purpose": each.workflow.policy.purpose or "not written down",
        }
        for each in found
    ]
    not_open = [each for each in found if each.state != "open"]
    is_well = f"All {len(found)} are open." if len(found) > 1 else "It is open."
    answer = f"{len(not_open)} of {len(found)} are not simply open: look at their state." if not_open else is_well
    st.markdown(f"**{plain(answer)}**")
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="The workflows, their owners and states")


def about(workflow: Workflow) -> None:
    """What it is for, what it covers, and how a wrong decision is undone."""
    policy = workflow.policy
    scope = "; ".join(f"{level}: {', '.join(names)}" for level, names in policy.scope.items())
    rows = {
        "Purpose": policy.purpose,
        "Scope": scope or "not listed: any segment is taken",
        "A wrong decision": policy.reversibility,
        "Measured against": policy.baseline,
        "Watched": _watched(workflow),
        "Without the AI": policy.fallback.replace("_", " "),
    }
    table = pd.DataFrame(
        {"As written down": [plain(text or "not written down") for text in rows.values()]}, index=[*rows]
    )
    st.table(table)  # wraps what is long, where a grid would cut it off


def _watched(workflow: Workflow) -> str:
    rule = next((rule for rule in workflow.policy.alerts if rule.measure == workflow.policy.monitoring), None)
    if rule is None:
        return ""
    sides = (("below", rule.below), ("above", rule.above))
    return f"{rule.measure}, alert " + " or ".join(f"{side} {limit:g}" for side, limit in sides if limit is not None)


def readiness(user: Principal, database: Database, workflow: Workflow) -> None:
    """Whether people may review here, check by check, and the button that opens a strict workflow."""
    try:
        found = readying.check_workflow(database, person_id=user.person_id, key=workflow.key)
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        return
    st.markdown(f"**{plain(_ready(found))}**")
    rows = [
        {
            "Asked": check.asked,
            "About": check.criterion,
            "Result": STATES[check.state],
            "Found, or what to do": plain(check.sentence),
        }
        for check in found.checks
    ]
    st.table(pd.DataFrame(rows).set_index("Asked"))
    if found.opening is not None:
        how = f"Opened by {found.opening.by} on {local_time(found.opening.at)}"
        opened = f"{how}, policy version {found.opening.policy_version}."
        st.caption(plain(opened))
    if found.waits_for_opening and user.may(Task.GOVERN, workflow.id) and st.button("Open for review", type="primary"):
        press(lambda: _opened(user, database, workflow))


def _opened(user: Principal, database: Database, workflow: Workflow) -> str:
    readying.open_for_review(database, person_id=user.person_id, key=workflow.key)
    return f"{workflow.title} is open for review."


def _ready(found: Readiness) -> str:
    failing = [check for check in found.checks if check.state == "fail"]
    advice = sum(check.state == "advice" for check in found.checks)
    if failing:
        return f"Not ready: {counted(len(failing), 'required check')} missing."
    if found.waits_for_opening:
        return "Everything that is asked passes. Its owner opens it for review."
    rest = f" {counted(advice, 'check')} of {len(found.checks)} would make it better." if advice else ""
    return f"Open for review.{rest}"


def ownership(user: Principal, database: Database, workflow: Workflow) -> None:
    """Who owns it and stands in, how that changed, and the form that hands it over."""
    policy = workflow.policy
    shown = governing.show_workflow(database, person_id=user.person_id, key=workflow.key).policy
    st.markdown(plain(f"{shown.owner or 'Nobody'} owns it; {shown.deputy or 'nobody'} stands in."))
    if user.may(Task.GOVERN, workflow.id):
        with st.expander("Hand over"), st.form(f"hand-over-{workflow.key}", border=False):
            owner = st.text_input("Owner", policy.owner or "", max_chars=400, key=f"owner-{workflow.key}")
            deputy = st.text_input("Deputy", policy.deputy or "", max_chars=400, key=f"deputy-{workflow.key}")
            note = st.text_area(
                "What is handed over, and why", max_chars=LONGEST_NOTE, key=f"handover-note-{workflow.key}"
            )
            if st.form_submit_button("Hand over"):
                press(lambda: _handed(user, database, workflow, owner, deputy, note))
    past = governing.handover_history(database, person_id=user.person_id, key=workflow.key)
    with st.expander(f"Handovers ({len(past)})"):
        if not past:
            st.caption("None yet. Owner and deputy have been the same since the workflow was registered.")
        for each in past:
            st.caption(plain(f"{local_time(each.at)} · by {each.by} · policy version {each.policy_version}"))
            changed = (("Owner", each.owner_before, each.owner), ("Deputy", each.deputy_before, each.deputy))
            for what, before, now in changed:
                if before != now:
                    st.text(visible(f"{what}: {before or 'nobody'} → {now or 'nobody'}"))
            untrusted_text(each.note, empty="With the text of the policy.")


def _handed(user: Principal, database: Database, workflow: Workflow, owner: str, deputy: str, note: str) -> str:
    governing.hand_over(
        database, person_id=user.person_id, workflow_key=workflow.key, owner=owner, deputy=deputy, note=note
    )
    return f"{workflow.title} is handed over. The note is on record."


def dependencies(user: Principal, database: Database, workflow: Workflow) -> None:
    """What depends on which model version, and what a change of one touches."""
    found = depending.what_depends(database, person_id=user.person_id, workflow=workflow)
    if not found:
        st.caption("No forecast has named its model version yet. Fill in model_version in the file of forecasts.")
        return
    names = list(dict.fromkeys(each.version for each in found))
    chosen = st.selectbox("Model version", names, key=f"version-{workflow.key}", format_func=visible, width=320)
    st.markdown(f"**{plain(depending.touches(chosen, found))}**")
    rows = [
        {
            "Model version": visible(each.version),
            "Workflow": each.workflow.title,
            "Since": each.first_seen_at,
            "Open items": each.open_items,
            "Decided on it": each.decided_items,
            "Receivers": each.receivers,
            "Pulled from": ", ".join(each.pulled_from) or "files",
            "Exports in 90 days": f"{each.exports} ({', '.join(each.export_kinds)})" if each.exports else "0",
        }
        for each in found
    ]
    columns = {"Since": time_column("Since")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, alt="What depends on each model version")


def scope(user: Principal, database: Database, workflow: Workflow) -> None:
    """What came in from outside the scope, week by week."""
    found = depending.outside_scope(database, person_id=user.person_id, workflow=workflow)
    st.markdown(f"**{plain(found.sentence)}**")
    if not found.weeks.empty:
        chart_with_table(
            scope_creep_map(found.weeks),
            found.weeks,
            key="outside-scope",
            alt_text="Rows outside the scope by week and segment",
            columns=SCOPE_COLUMNS,
        )

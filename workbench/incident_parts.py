"""The incidents of a workflow: the list, one of them with its timeline, and the form that opens another."""

from __future__ import annotations

import re
from collections.abc import Callable

import streamlit as st

from review_queue.errors import IncidentRefused, ReviewError
from review_queue.incidents import Happened, Severity, TimeToClose
from review_queue.roles import Principal, Task
from storage.alerts import Alert
from storage.engine import Database
from storage.incidents import Event, Incident
from storage.workflows import Workflow
from workbench.actions import responding
from workbench.actions.responding import LONGEST, LONGEST_TITLE, Whole
from workbench.lists import open_review
from workbench.navigation import PAGES
from workbench.parts import counted, local_time, plain, told_apart, untrusted_text

SAID = "incident-said"  #: why the last press was refused
CHOSEN = "incident"  #: in the address
EVENT_WORDS = {
    Happened.OPENED: "opened",
    Happened.COMMENT: "said",
    Happened.CHANGED: "changed",
    Happened.AI_PAUSED: "paused the AI",
    Happened.AI_RESUMED: "resumed the AI",
    Happened.ESCALATED: "escalated",
    Happened.CLOSED: "closed",
    Happened.REOPENED: "opened again",
}


def incidents(database: Database, user: Principal, workflow: Workflow) -> None:
    """The one that the address names, or all of them."""
    refused = st.session_state.pop(SAID, None)
    if refused:
        st.warning(plain(refused))
    chosen = st.query_params.get(CHOSEN, "")
    try:
        if chosen.isdecimal():
            _one(database, user, responding.whole_incident(database, person_id=user.person_id, incident_id=int(chosen)))
        else:
            _all(database, user, workflow)
    except ReviewError as refusal:
        st.error(plain(str(refusal)))
        st.button("All incidents", on_click=_choose, args=(None,))


def open_from_alert(database: Database, user: Principal, workflow: Workflow, alert: Alert) -> None:
    """*Open an incident* on an alert, or the way to the one that is open for it."""
    known = responding.list_incidents(database, person_id=user.person_id, workflow=workflow)
    mine = next((one for one in known.every if one.alert_id == alert.id and one.is_open), None)
    if mine is not None:
        if st.button("See its incident", key=f"incident-of-{alert.id}", type="tertiary"):
            _go(workflow, mine.id)
        return
    if user.may(Task.RESPOND, workflow.id) and st.button(
        "Open an incident", key=f"open-incident-{alert.id}", type="tertiary", icon=":material/emergency_home:"
    ):
        try:
            made = responding.open_incident(
                database,
                person_id=user.person_id,
                workflow=workflow,
                title=alert.sentence[:LONGEST_TITLE],
                severity=Severity.MAJOR,
                alert_id=alert.id,
            )
        except ReviewError as refusal:
            st.session_state["alert-said"] = str(refusal)
            st.rerun()
        _go(workflow, made)


def _go(workflow: Workflow, incident_id: int) -> None:
    st.switch_page(PAGES / "incidents.py", query_params={"workflow": workflow.key, CHOSEN: str(incident_id)})


def _choose(incident_id: int | None) -> None:
    if incident_id is None:
        st.query_params.pop(CHOSEN, None)
    else:
        st.query_params[CHOSEN] = str(incident_id)


# --- the list ------------------------------------------------------------------------------------------------------


def _all(database: Database, user: Principal, workflow: Workflow) -> None:
    known = responding.list_incidents(database, person_id=user.person_id, workflow=workflow)
    still_open, closed = [one for one in known.every if one.is_open], [one for one in known.every if not one.is_open]
    st.subheader("Is anything wrong?", anchor=False)
    st.markdown(f"**{plain(_answer(len(still_open), known.to_close))}**")
    for incident in still_open:
        with st.container(border=True):
            _short(incident)
    if closed:
        with st.expander(f"Closed ({len(closed)})"):
            for incident in closed:
                _short(incident)
    if user.may(Task.RESPOND, workflow.id):
        _opening(database, user, workflow, is_first=not known.every)


def _answer(still_open: int, to_close: TimeToClose) -> str:
    now = f"Yes: {counted(still_open, 'incident')} open." if still_open else "No incident is open."
    if to_close.median_hours is None:
        return f"{now} None was closed yet."
    return f"{now} Half of those closed were closed within {_hours(to_close.median_hours)} (n = {to_close.n:,})."


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"


def _short(incident: Incident) -> None:
    said, go = st.columns([6, 1], vertical_alignment="center")
    with said, st.container(gap=None):
        untrusted_text(incident.title)
        st.caption(plain(" · ".join(_facts(incident))))
    go.button("Open", key=f"see-{incident.id}", type="tertiary", on_click=_choose, args=(incident.id,))


def _facts(incident: Incident) -> list[str]:
    facts = [incident.severity.value, f"opened {local_time(incident.opened_at)} by {incident.opened_by or 'a rule'}"]
    facts.append(f"owner {incident.owner or 'nobody'}")
    if incident.model_version:
        facts.append(f"model {incident.model_version}")
    if incident.items:
        facts.append(counted(incident.items, "item"))
    if incident.closed_at is not None:
        facts.append(f"closed {local_time(incident.closed_at)} by {incident.closed_by}")
    return facts


def _opening(database: Database, user: Principal, workflow: Workflow, *, is_first: bool) -> None:
    with st.expander("Open an incident", expanded=is_first), st.form("open-incident", border=False):
        title = st.text_input("What is wrong, in a line", max_chars=LONGEST_TITLE, key="incident-title")
        severity, model, items = st.columns([1, 1, 2])
        grave = severity.selectbox("Severity", list(Severity), format_func=str, index=1, key="incident-severity")
        version = model.text_input("Model version", key="incident-model", max_chars=200)
        touched = items.text_input("Items that it touches, by number", key="incident-items", placeholder="12, 15")
        if st.form_submit_button("Open the incident"):
            _do(lambda: _choose(_opened(database, user, workflow, title, grave, version, touched)))


def _opened(
    database: Database, user: Principal, workflow: Workflow, title: str, grave: Severity, version: str, touched: str
) -> int:
    return responding.open_incident(
        database,
        person_id=user.person_id,
        workflow=workflow,
        title=title,
        severity=grave,
        model_version=version,
        item_ids=item_numbers(touched),
    )


def item_numbers(text: str) -> list[int]:
    """The items that somebody typed.

    Raises:
        IncidentRefused: something among them is no number.
    """
    typed = [each for each in re.split(r"[\s,;]+", text.strip()) if each]
    wrong = next((each for each in typed if not re.fullmatch(r"[0-9]{1,15}", each)), None)
    if wrong is not None:
        raise IncidentRefused(f"{wrong!r} is no item's number. Write them like 12, 15.")
    return [int(each) for each in typed]


# --- one -----------------------------------------------------------------------------------------------------------


def _one(database: Database, user: Principal, whole: Whole) -> None:
    incident = whole.incident
    st.button("All incidents", icon=":material/arrow_back:", type="tertiary", on_click=_choose, args=(None,))
    st.subheader(plain(incident.title), anchor=False)
    st.caption(plain(" · ".join(_facts(incident))))
    if not incident.is_open:
        st.markdown("**How it ended**")
        untrusted_text(incident.closing_note)
    _touched(whole)
    st.subheader("What happened", anchor=False)
    for event in whole.timeline:
        _event(event)
    if incident.is_open:
        if whole.may_write:
            _talk(database, user, incident)
        if whole.may_end:
            _hand_over(database, user, incident)
            _end(database, user, incident)
        else:
            st.caption("Its owner, a manager or the workflow's owner closes it.")
    elif whole.may_end:
        _again(database, user, incident)


def _touched(whole: Whole) -> None:
    if not whole.incident.items:
        return
    with st.expander(f"Items that it touches ({whole.incident.items:,})"):
        for item_id, series, period in whole.items:
            if st.button(plain(f"{series} · {period}"), key=f"touched-{item_id}", type="tertiary"):
                open_review(item_id)
        hidden = whole.incident.items - len(whole.items)
        if hidden:
            st.caption(f"And {hidden:,} that you may not see.")


def _event(event: Event) -> None:
    with st.container(gap=None):
        st.caption(plain(f"{local_time(event.at)} · {event.by or 'by itself'} · {EVENT_WORDS[event.kind]}"))
        if event.said:
            untrusted_text(event.said)


def _talk(database: Database, user: Principal, incident: Incident) -> None:
    with st.form(f"talk-{incident.id}", clear_on_submit=True, border=False):
        body = st.text_area("Comment", key=f"incident-comment-{incident.id}", max_chars=LONGEST, height=80)
        items = st.text_input("Further items that it touches, by number", key=f"incident-more-{incident.id}")
        if st.form_submit_button("Add to the timeline"):
            _do(lambda: responding.comment(database, **_mine(user, incident), body=body, item_ids=item_numbers(items)))


def _hand_over(database: Database, user: Principal, incident: Incident) -> None:
    people = told_apart(responding.owners_to_be(database, person_id=user.person_id, workflow_id=incident.workflow_id))
    ids = sorted(people, key=people.__getitem__)
    with st.expander("Owner and severity"), st.form(f"hand-{incident.id}", border=False):
        to = st.selectbox(
            "Owner",
            ids,
            index=ids.index(incident.owner_id) if incident.owner_id in ids else None,
            format_func=people.__getitem__,
            key=f"incident-owner-{incident.id}",
        )
        grave = st.selectbox(
            "Severity",
            list(Severity),
            index=list(Severity).index(incident.severity),
            format_func=str,
            key=f"incident-grave-{incident.id}",
        )
        if st.form_submit_button("Change") and to is not None:
            _do(lambda: responding.hand_over(database, **_mine(user, incident), owner_id=to, severity=grave))


def _end(database: Database, user: Principal, incident: Incident) -> None:
    with st.expander("Close the incident"), st.form(f"close-{incident.id}", border=False):
        note = st.text_area(
            "How it ended, and what keeps it from coming back",
            key=f"incident-note-{incident.id}",
            max_chars=LONGEST,
            height=80,
        )
        if st.form_submit_button("Close the incident"):
            _do(lambda: responding.close(database, **_mine(user, incident), closing_note=note))


def _again(database: Database, user: Principal, incident: Incident) -> None:
    with st.form(f"again-{incident.id}", border=False):
        why = st.text_input("Why it is opened again", key=f"incident-why-{incident.id}", max_chars=LONGEST)
        if st.form_submit_button("Open again"):
            _do(lambda: responding.reopen(database, **_mine(user, incident), why=why))


def _do(act: Callable[[], object]) -> None:
    try:
        act()
    except ReviewError as refusal:
        st.session_state[SAID] = str(refusal)
    st.rerun()


def _mine(user: Principal, incident: Incident) -> dict[str, int]:
    return {"person_id": user.person_id, "incident_id": incident.id}

"""The pieces of the Audit page: whether the record is whole, the search, and the events that were found."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal, Task
from storage.audit_search import PAGE, Found, Sought
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import auditing
from workbench.actions.auditing import Verdict
from workbench.actions.drilling import DRILLED
from workbench.checkpoints import Witness, witness_of
from workbench.lists import selected_row
from workbench.parts import counted, local_time, plain, reader_zone, time_column, untrusted_text
from workbench.receipt_parts import open_receipt
from workbench.settings import settings

BEFORE = "before"  #: what the event behind which a page begins is called in the link
OLD_DRILL = timedelta(days=31)
FLAWS = 20  #: that are told one by one
MOST_DIGITS = 18


def standing(user: Principal, database: Database) -> None:
    """The last checkpoint, the last drill, and *Verify* with what it finds."""
    witness = _witness()
    drilled = auditing.last_event(database, person_id=user.person_id, action=DRILLED)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Verify", type="primary", icon=":material/verified:")
        st.caption(plain(f"{_checkpoint(witness)} {_drill(None if drilled is None else drilled.at)}"))
    if pressed:
        with st.spinner("Every event is computed again …"):
            found = auditing.verify_as(database, person_id=user.person_id, witness=witness)
        _verdict(found, is_beside=witness is not None)


def _witness() -> Witness | None:
    try:
        return witness_of(settings())
    except (ReviewError, OSError) as problem:
        st.warning(plain(str(problem)))
        return None


def _checkpoint(witness: Witness | None) -> str:
    if witness is None:
        return "No checkpoints are kept: whoever owns the database could compute the record anew."
    last = witness.folder.last()
    if last is None:
        return "No checkpoint was made yet."
    one = last.checkpoint
    return f"Last checkpoint {local_time(one.at)}, of {counted(one.seq, 'event')}."


def _drill(at: datetime | None) -> str:
    if at is None:
        return "Restoring a backup was never tried."
    old = " That is long ago." if datetime.now(UTC) - at > OLD_DRILL else ""
    return f"Restoring a backup was last tried {local_time(at)}.{old}"


def _verdict(found: Verdict, *, is_beside: bool) -> None:
    if found.is_whole:
        beside = f" {counted(found.checkpoints, 'checkpoint')} agree." if is_beside else ""
        st.success(plain(f"The record is whole: {counted(found.size, 'event')}.{beside}"), icon=":material/verified:")
    else:
        st.error("The record is not what was recorded. Keep a copy of the database as it is, and tell whoever runs it.")
        for flaw in found.flaws[:FLAWS]:
            untrusted_text(flaw.sentence)
        if len(found.flaws) > FLAWS:
            st.caption(f"{len(found.flaws) - FLAWS:,} more. `workbench audit verify --json` lists them all.")
    for note in found.notes:
        untrusted_text(note)
    st.caption("Tip, the hash of the last event:")
    st.code(found.tip, language=None)


def search_form(user: Principal, workflow: Workflow) -> Sought:
    """What to look for. All of it stands in the link."""
    person_at, action_at, item_at, days_at = st.columns([3, 3, 2, 3], vertical_alignment="bottom")
    with person_at:
        person = st.text_input("Person", key="person", placeholder="Part of a name", bind="query-params")
    with action_at:
        action = st.text_input("Action", key="action", placeholder="decision.made", bind="query-params")
    with item_at:
        item = st.text_input("Item", key="item", placeholder="Number", bind="query-params")
    with days_at:
        days = st.date_input("Days", value=(), key="days", format="YYYY-MM-DD")
    everywhere = any(not grant.workflow_id and not grant.segment_path for grant in user.grants_for(Task.AUDIT))
    is_general = everywhere and st.toggle(
        "What belongs to no workflow",
        key="general",
        help="Sign-ins, people and roles, drills, the whole record taken out.",
    )
    if item and not _number(item):
        st.warning("An item is a number, as it stands behind *item* on its receipt.")
    since, until = _instants(days)
    sought = Sought(
        person=person or None,
        action=action or None,
        item_id=(_number(item) or 0) if item else None,
        since=since,
        until=until,
        is_general=is_general,
    )
    return _on_page(sought, workflow)


def _on_page(sought: Sought, workflow: Workflow) -> Sought:
    """From where the link says, unless what is looked for has changed since."""
    asked = (workflow.key, sought)
    if st.session_state.setdefault("audit-asked", asked) != asked:
        st.query_params.pop(BEFORE, None)
        st.session_state["audit-asked"] = asked
    before = _number(st.query_params.get(BEFORE, ""))
    return Sought(**{name: getattr(sought, name) for name in Sought.__slots__} | {"before": before})


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def _instants(days: tuple[date, ...] | date | None) -> tuple[datetime | None, datetime | None]:
    """From the first day's beginning to the last one's end, in the reader's zone."""
    if not isinstance(days, tuple) or not days:
        return None, None
    zone = ZoneInfo(reader_zone())
    begin = datetime.combine(days[0], time(), zone)
    return begin, datetime.combine(days[-1] + timedelta(days=1), time(), zone) if len(days) == 2 else None


def events(user: Principal, database: Database, workflow: Workflow, sought: Sought) -> None:
    """The newest events that match; selecting one that is of a decision opens its receipt."""
    try:
        found = auditing.search(database, person_id=user.person_id, workflow_key=workflow.key, sought=sought)
    except ReviewError as refusal:
        st.warning(plain(str(refusal)))
        return
    more, shown = len(found) > PAGE, found[:PAGE]
    if not shown:
        st.caption("Nothing in the record matches.")
    else:
        which = "Further back, " if sought.before else ""
        st.caption(f"{which}{counted(len(shown), 'event')}, the newest first. Select a decision's to see its receipt.")
        _table(shown)
    with st.container(horizontal=True):
        if sought.before:
            st.button("Back to the newest", type="tertiary", on_click=_go, args=(None,))
        if more:
            st.button(f"Next {PAGE}", key=f"next-{shown[-1].id}", on_click=_go, args=(shown[-1].id,))


@st.fragment
def _table(shown: list[Found]) -> None:
    columns = {
        "seq": st.column_config.NumberColumn("Place", width=75),
        "at": time_column("When"),
        "actor": "Who",
        "action": "Action",
        "item_id": st.column_config.NumberColumn("Item", width=75),
        "series": "Series",
        "period": st.column_config.TextColumn("Period", width=75),
        "decision_id": st.column_config.NumberColumn("Decision", width=80),
        "details": st.column_config.TextColumn("Details", width="large"),
    }
    rows = [
        (
            each.seq,
            each.at,
            each.actor or ("the program" if each.actor_id is None else f"person {each.actor_id}"),
            each.action,
            each.item_id,
            each.series or "",
            each.period or "",
            each.decision_id,
            json.dumps(each.details, ensure_ascii=False) if each.details else "",
        )
        for each in shown
    ]
    table = pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(("seq", "item_id", "decision_id"), "Int64"))
    row = selected_row(table, columns, key="audit-events", alt="Events of the record", ids=[each.id for each in shown])
    if row is not None and shown[row].decision_id is not None:
        open_receipt(shown[row].decision_id)


def _go(before: int | None) -> None:
    if before is None:
        st.query_params.pop(BEFORE, None)
    else:
        st.query_params[BEFORE] = str(before)

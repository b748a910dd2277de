"""The pieces of the Deliveries page: the verdict, dead letters, receivers and their keys, the newest deliveries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from review_queue.delivering import DeliveryState
from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.deliveries import Delivery
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import delivering
from workbench.actions.delivering import Watched
from workbench.parts import counted, local_time, plain, time_column, untrusted_text
from workbench.sending import reach_of
from workbench.settings import settings

SAID = "delivery-said"  #: what came of the last press: whether it was done, and a sentence
SECRET = "delivery-secret"  # noqa: S105 -- where a new secret is until it was taken down
SHOWN = 200  #: deliveries at once
LATE = timedelta(minutes=15)  #: an event that waits longer is worth a look
TITLES = {
    DeliveryState.PENDING: "Pending",
    DeliveryState.DELIVERED: "Delivered",
    DeliveryState.DEAD: "Dead",
    DeliveryState.SKIPPED: "Skipped",
}


def verdict(watched: list[Watched]) -> None:
    """The page's question and its answer."""
    st.subheader("Does everything arrive?", anchor=False)
    st.markdown(f"**{plain(_answer(watched))}**")


def _answer(watched: list[Watched]) -> str:
    if not watched:
        return "Nothing is sent anywhere yet."
    dead, pending = (sum(getattr(each.tally, name) for each in watched) for name in ("dead", "pending"))
    if dead:
        return f"No: {counted(dead, 'event')} could not be delivered, and later events of those items wait behind."
    paused = sum(delivering.state_of(each.receiver) == "paused" for each in watched)
    if paused:
        return f"No: {counted(paused, 'receiver')} paused, {counted(pending, 'event')} waiting."
    oldest = min((each.tally.oldest_pending_at for each in watched if each.tally.oldest_pending_at), default=None)
    if oldest is not None and datetime.now(UTC) - oldest > LATE:
        return f"Not now: {counted(pending, 'event')} waiting, the oldest since {local_time(oldest)}."
    delivered = sum(each.tally.delivered for each in watched)
    if not delivered and not pending:
        waiting = sum(each.receiver.approved_at is None for each in watched)
        waits = f"{counted(waiting, 'receiver')} waiting for somebody to approve." if waiting else ""
        return f"Nothing had to be sent yet. {waits}".rstrip()
    return f"Yes: {counted(delivered, 'event')} delivered, {pending:,} on the way."


def said() -> None:
    """What came of the last press, and a new secret until somebody says that they have it."""
    with st.container():
        told = st.session_state.pop(SAID, None)
        if told is not None:
            (st.success if told[0] else st.warning)(plain(told[1]))
        if SECRET in st.session_state:
            st.info("This secret is shown this once. Give it to the receiver, which verifies every message with it.")
            st.code(st.session_state[SECRET], language=None)
            st.button("I have it", key="secret-kept", on_click=st.session_state.pop, args=(SECRET,))


def dead_letters(user: Principal, database: Database, workflow: Workflow, watched: list[Watched]) -> None:
    """Those that were given up, each with the reason and what can be done."""
    if not any(each.tally.dead for each in watched):
        return
    st.subheader("Could not be delivered", anchor=False)
    for each in watched:
        if each.tally.dead > 1:
            name = f"Replay all {each.tally.dead:,} to {_short(each.receiver.url)}"
            if st.button(plain(name), key=f"replay-all-{each.receiver.id}"):
                _do(lambda each=each: _replayed_all(user, database, each.receiver.id))
    dead = delivering.list_deliveries(
        database, person_id=user.person_id, workflow_key=workflow.key, state=DeliveryState.DEAD, limit=20
    )
    for letter in dead:
        with st.container(border=True):
            _letter(user, database, letter)
    more = sum(each.tally.dead for each in watched) - len(dead)
    if more > 0:
        st.caption(f"{more:,} more are behind these. *Replay all* takes them too.")


def _letter(user: Principal, database: Database, letter: Delivery) -> None:
    about = f" of {letter.series} · {letter.period}" if letter.series else ""
    st.markdown(f"**{plain(letter.topic + about)}**")
    st.text(letter.why)
    behind = f" {counted(letter.waiting, 'later event')} of this item behind it." if letter.waiting else ""
    when = local_time(letter.ended_at or letter.happened_at)
    st.caption(plain(f"To {_short(letter.url)}, given up {when} after {letter.attempts} attempts.{behind}"))
    who = {"person_id": user.person_id, "delivery_id": letter.id}
    with st.container(horizontal=True):
        if st.button("Replay", key=f"replay-{letter.id}", type="primary"):
            _do(lambda: _then(delivering.replay(database, **who), "It is sent again."))
        if st.button("Go on without it", key=f"skip-{letter.id}"):
            _do(lambda: _then(delivering.skip(database, **who), "It is left out, and what waited behind it is sent."))


def receivers(user: Principal, database: Database, watched: list[Watched]) -> None:
    """Each receiver, with how it stands and what can be done."""
    if watched:
        st.subheader("Receivers", anchor=False)
    for each in watched:
        with st.container(border=True):
            _told(each)
            _deeds(user, database, each)


def _told(each: Watched) -> None:
    receiver, tally = each.receiver, each.tally
    untrusted_text(receiver.url)
    facts = [delivering.state_of(receiver), f"{tally.delivered:,} delivered", f"{tally.pending:,} pending"]
    facts += [f"{tally.dead:,} dead"] if tally.dead else []
    facts.append(f"added by {receiver.created_by_name}, {local_time(receiver.created_at)}")
    facts += [f"approved by {receiver.approved_by_name}"] if receiver.approved_by_name else []
    if receiver.hold_until is not None and receiver.hold_until > datetime.now(UTC):
        facts.append(f"asked us to wait until {local_time(receiver.hold_until)}")
    ending = [key.ends_at for key in each.keys if key.ends_at is not None]
    facts += [f"the old key signs until {local_time(ends_at)}" for ends_at in ending]
    st.caption(plain(" · ".join(facts)))
    if receiver.paused_why:
        st.text(receiver.paused_why)


def _deeds(user: Principal, database: Database, each: Watched) -> None:
    receiver = each.receiver
    who = {"person_id": user.person_id, "receiver_id": receiver.id}
    with st.container(horizontal=True):
        if receiver.approved_at is None:
            if receiver.created_by == user.person_id:
                st.caption("Somebody else who may send decisions has to approve it.")
            elif st.button("Approve", key=f"approve-{receiver.id}", type="primary"):
                _do(lambda: _then(delivering.approve(database, **who), "It gets what happens from now on."))
        elif receiver.paused_at is not None:
            if st.button("Resume", key=f"resume-{receiver.id}", type="primary"):
                _do(lambda: _then(delivering.resume(database, **who), "It gets its events again."))
        elif st.button("Pause", key=f"pause-{receiver.id}"):
            _do(lambda: _then(delivering.pause(database, **who), "Nothing is sent to it until you resume it."))
        if st.button("New key", key=f"rotate-{receiver.id}", help="The old key signs beside it for a day."):
            _do(lambda: _with_secret(delivering.rotate(database, **who).secret, "The new key signs from now on."))
        with st.popover("Remove"):
            st.caption("Nothing more is sent to it, ever, and what waits is left out.")
            if st.button("Remove this receiver", key=f"remove-{receiver.id}"):
                _do(lambda: _then(delivering.remove(database, **who), "It is removed."))


def add_receiver(user: Principal, database: Database, workflow: Workflow, *, is_first: bool) -> None:
    """A form for one more address."""
    with st.expander("Add a receiver", expanded=is_first), st.form("receiver-form", border=False):
        st.caption(
            "Every decision, undo, overturn and lock of this workflow is sent to it, signed, in order per item. "
            "Somebody else has to approve it first."
        )
        url = st.text_input("Address", placeholder="https://example.com/hooks", key="receiver-url")
        if st.form_submit_button("Add"):
            _do(lambda: _added(user, database, workflow, url))


def newest(user: Principal, database: Database, workflow: Workflow) -> None:
    """The newest deliveries, in one state or in any."""
    st.subheader("Newest", anchor=False)
    state = st.segmented_control(
        "State", list(TITLES), format_func=TITLES.__getitem__, key="delivery-state", label_visibility="collapsed"
    )
    found = delivering.list_deliveries(
        database, person_id=user.person_id, workflow_key=workflow.key, state=state, limit=SHOWN
    )
    if not found:
        st.caption("None yet." if state is None else "None in this state.")
        return
    rows = [
        (each.happened_at, each.topic, _item(each), _short(each.url), TITLES[each.state], each.attempts, each.why)
        for each in found
    ]
    columns = ["Happened", "Event", "Item", "To", "State", "Attempts", "What became of it"]
    table = pd.DataFrame(rows, columns=columns)
    st.dataframe(table, hide_index=True, column_config={"Happened": time_column("Happened")}, alt="Newest deliveries")


def _item(each: Delivery) -> str:
    return f"{each.series} · {each.period}" if each.series else ""


def _short(url: str) -> str:
    """An address in a line of text: without what may be secret in its query."""
    return url.split("?")[0].removeprefix("https://")


def _added(user: Principal, database: Database, workflow: Workflow, url: str) -> str:
    made = delivering.register(
        database, person_id=user.person_id, workflow_key=workflow.key, url=url, reach=reach_of(settings())
    )
    return _with_secret(made.secret, "It is added, and waits for somebody else to approve it.")


def _replayed_all(user: Principal, database: Database, receiver_id: int) -> str:
    count = delivering.replay_all(database, person_id=user.person_id, receiver_id=receiver_id)
    return f"{counted(count, 'event')} sent again."


def _with_secret(secret: str, sentence: str) -> str:
    st.session_state[SECRET] = secret
    return sentence


def _then(done: object, sentence: str) -> str:
    return sentence


def _do(act: Callable[[], str]) -> None:
    """Do it, and say so on a page drawn afresh."""
    try:
        st.session_state[SAID] = (True, act())
    except ReviewError as refusal:
        st.session_state[SAID] = (False, str(refusal))
    st.rerun()

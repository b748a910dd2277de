"""How somebody wants to be reminded: whether by mail, at what hour, on which days, and when not at all."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import available_timezones

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.reminders import HOURS, Preferences
from review_queue.roles import Principal
from storage.engine import Database
from workbench.actions import reminding
from workbench.parts import plain, reader_zone
from workbench.settings import settings

SAID = "reminders-said"  #: what came of the last press: whether it was done, and a sentence


def reminders(user: Principal, database: Database) -> None:
    """An expander with the reader's own reminders."""
    with st.expander("Reminders", key="reminders", on_change="rerun") as panel:
        if panel.open:
            _form(user, database)


def _form(user: Principal, database: Database) -> None:
    mine = reminding.my_reminders(database, person_id=user.person_id)
    if settings().mail is None:
        st.info("No mail is set up here yet, so none is sent. What you choose holds from when it is.")
    elif mine.address is None:
        st.info("No e-mail address came with your sign-in, so no digest can be sent to you.")
    now = mine.preferences or replace(Preferences(), timezone=reader_zone())
    with st.form("reminders-form", border=False):
        to = f" to {plain(mine.address)}" if mine.address else ""
        st.toggle(f"A daily digest by e-mail{to}", value=now.wants_digest, key="remind-wants")
        hour, quiet_from, quiet_until, zone = st.columns([1, 1, 1, 2])
        hour.selectbox("At", range(HOURS), index=now.hour, format_func=_clock, key="remind-hour")
        quiet_from.selectbox("Quiet from", range(HOURS), index=now.quiet_from, format_func=_clock, key="remind-from")
        quiet_until.selectbox("until", range(HOURS), index=now.quiet_until, format_func=_clock, key="remind-until")
        zones = sorted(available_timezones() | {now.timezone})
        zone.selectbox("Time zone", zones, index=zones.index(now.timezone), key="remind-zone")
        st.toggle("On weekdays only", value=now.weekdays_only, key="remind-weekdays")
        st.form_submit_button("Save reminders", on_click=_save, args=(database, user.person_id))
    said = st.session_state.pop(SAID, None)
    if said is not None:
        (st.success if said[0] else st.warning)(plain(said[1]))


def _clock(hour: int) -> str:
    return f"{hour:02d}:00"


def _save(database: Database, person_id: int) -> None:
    typed = st.session_state
    wanted = Preferences(
        wants_digest=typed["remind-wants"],
        hour=typed["remind-hour"],
        quiet_from=typed["remind-from"],
        quiet_until=typed["remind-until"],
        weekdays_only=typed["remind-weekdays"],
        timezone=typed["remind-zone"],
    )
    try:
        reminding.save_preferences(database, person_id=person_id, wanted=wanted)
    except ReviewError as refusal:
        typed[SAID] = (False, str(refusal))
    else:
        typed[SAID] = (True, "Saved. Your reminders come like this from now on.")

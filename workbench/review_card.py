"""The Review screen's card: one item with both forecasts, the gap between them, the choice and its reason.

The whole card is one fragment: a press runs its callback and draws this again, and nothing else on the page.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from time import sleep
from typing import Any

import streamlit as st

from review_queue.errors import ReviewError
from review_queue.items import Decision, Item, Lane, Outcome, Stage, State
from review_queue.roles import Principal, Task
from storage.engine import Database
from storage.workflows import Workflow
from workbench import evidence, keys, reads
from workbench.actions import reviewing
from workbench.choice_form import button, choice_form
from workbench.figures import ai_figure, gap_figure, gap_scale, manual_figure, naive_figure
from workbench.filled_charts import draw
from workbench.item_chart import in_words, item_chart
from workbench.item_story import item_story
from workbench.laid_out import NEXT, PASSING, REOPEN, SKIP
from workbench.lists import receipt_button
from workbench.number_first import number_first
from workbench.parts import amount, heading, local_time, plain
from workbench.press_words import OUTCOME_WORDS
from workbench.reads import Surroundings
from workbench.reopen_form import reopen_form
from workbench.sitting import Sitting, sitting
from workbench.skip_form import skip_form

#: Seconds from the last button to the first chart: until then the browser is busy painting what it got, and a chart
#: that comes in between holds that up. Less than 0.05 was slower by half.
SENT_AFTER = 0.08
LONGEST_ID = 18  #: digits
#: The outcomes whose inline form is about the final value.
VALUED = (Outcome.ADJUST, Outcome.KEEP_MANUAL)


def review(user: Principal, database: Database, workflow: Workflow) -> None:
    """Lay out the item that the link names, or the next one, and draw the card."""
    here = sitting(database, user.person_id, workflow)
    try:
        here.arrive(_wanted())
    except PASSING as refusal:
        if here.desk is None:
            st.info(plain(str(refusal)))
            return  # else what lies open stays, and what was typed on it
    except ReviewError as refusal:
        st.info(plain(str(refusal)))
        return
    _card(here, user)
    _hold(here)


def follow_link(user: Principal, database: Database) -> None:
    """Choose the workflow of the item that the link names, if it names no workflow itself."""
    wanted = _wanted()
    if wanted is not None and "workflow" not in st.query_params:
        key = reads.workflow_of(database, person_id=user.person_id, item_id=wanted)
        if key is not None:
            st.query_params["workflow"] = key


def _wanted() -> int | None:
    """The id of the item that the link names; what cannot be one counts as none."""
    text = st.query_params.get("item", "")
    return int(text) if text.isdecimal() and len(text) <= LONGEST_ID else None


@st.fragment
def _card(here: Sitting, user: Principal) -> None:
    _notice(here)
    with st.container():  # keeps its place when it empties, or for the length of a run the buttons stood twice
        if here.doubt is not None:
            _find_out(here)
    try:
        here.settle()
    except PASSING:
        st.query_params.pop("item", None)
        st.info("The next item comes as soon as the database is back.")
        return
    if here.desk is None:
        st.query_params.pop("item", None)
        st.success("Nothing waits for you here. New items appear as forecasts arrive.")
        return
    item = here.desk.item
    st.query_params.update(item=str(item.id), workflow=item.workflow_key)
    _header(item)  # before anything is read: it is what tells that this is another item
    around = here.surroundings()
    item_story(here, item, here.story())
    scale = _figures(here, item, around)
    if here.desk.mine:
        _buttons(here, item)
        _form(here, item)
    else:
        _to_read(here, user, item)
    _let_it_be_painted()
    final = _typed(here)
    gap_scale(scale, item, around.misses, final=final)
    draw(item_chart(item, around, final=final), alt_text=in_words(item, around, final=final))
    evidence.panels(here, item, around)
    here.look_ahead()


@st.fragment(run_every=60)
def _hold(here: Sitting) -> None:
    """Keep the claim alive while the page is open."""
    if here.desk is not None and here.desk.mine:
        item = here.desk.item
        with suppress(*PASSING):  # the next time will do, and the claim lasts longer than that
            reviewing.renew_claim(
                here.database, person_id=here.person_id, workflow=here.workflow, item_id=item.id, fence=item.fence
            )


@st.fragment(run_every=1)
def _find_out(here: Sitting) -> None:
    """Ask how the press in doubt ended until it is known, then draw the page for what comes of it."""
    if not here.resolve():
        return
    if here.coming == NEXT:
        st.query_params.pop("item", None)
    elif here.coming:
        st.query_params["item"] = str(here.coming)
    st.rerun()


def _notice(here: Sitting) -> None:
    show = {"saved": st.success, "info": st.info, "warning": st.warning, "error": st.error}
    with st.container(horizontal=True, vertical_alignment="center"):
        if here.notice is not None:
            words = " · ".join(filter(None, (here.notice.sentence, here.notice.item)))
            show[here.notice.kind](plain(words), width="stretch")
        elif here.can_undo:
            st.caption("Your last decision can still be undone.")
        if here.can_undo and here.doubt is None:
            undo_key = keys.live("u") if here.panel is None else None
            st.button("Undo", key=f"undo-{here.last.id}", on_click=here.undo, shortcut=undo_key)
            if here.last.stage is not Stage.SECOND:
                receipt_button(here.last.id, place="saved")


def _header(item: Item) -> None:
    """The item by name, then one line: its lane, why it is next, where it lies. A blind review tells no lane or why."""
    heading(f"{item.series} · {item.period}")
    if item.stage is Stage.SECOND:
        lane, why = ":gray-badge[Second review]", ()
    else:
        colour = "gray" if item.standing.lane is Lane.ROUTINE else "blue"
        lane, why = f":{colour}-badge[{item.standing.lane.title}]", item.standing.why
    st.markdown(f"{lane} :small[:gray[{plain(' · '.join((*why, *item.segments, f'item {item.id}')))}]]")


def _let_it_be_painted() -> None:
    """Pause until the item has been sent and painted: charts hold the browser up, and come after."""
    sleep(SENT_AFTER)


def _figures(here: Sitting, item: Item, around: Surroundings) -> Any:
    """The numbers side by side; the place kept for the scale of the gap, if there is one."""
    if here.awaits_number:
        naive, manual = st.columns(2, border=True)
        with naive:
            naive_figure(item, around.naive)
        with manual:
            manual_figure(item)
        return None
    if here.is_blind:
        naive, manual, final = st.columns([4, 4, 4], border=True)
        with naive:
            naive_figure(item, around.naive)
        with manual:
            manual_figure(item)
        with final:
            _final(here, item)
        return None
    # The gap comes first, widest and framed: it is what is decided about, and on a phone what is seen.
    gap, numbers, last = st.columns([5, 6, 3])
    with gap, st.container(border=True):
        scale = gap_figure(item, around.misses)
    with numbers:
        ai, manual = st.columns(2, wrap=False)  # two numbers to compare stay side by side on a phone
        with ai:
            ai_figure(item, here.desk.withheld if here.desk else "")
        with manual:
            manual_figure(item)
    with last:
        _final(here, item)
    return scale


def _typed(here: Sitting) -> float | None:
    """The final value, once it is being decided about."""
    return here.final if here.panel in VALUED else None


def _final(here: Sitting, item: Item) -> None:
    if not here.desk or not here.desk.mine:
        last = here.desk.last if here.desk else None
        st.metric("Final", amount(last.final_value, plain(item.unit)) if last else "—")
        return
    if here.panel is Outcome.KEEP_MANUAL and item.manual is not None:
        st.metric("Final", amount(item.manual.value, plain(item.unit)))
        st.caption("The manual forecast")
        return
    st.number_input(
        "Final",
        value=here.final,  # on every run: what the session's state is given, the browser may miss
        key=here.widget("final"),
        format="%.10g",
        on_change=here.typed,
        args=(here.form, "final"),
    )
    named = here.desk.named
    if named is not None:
        st.caption(plain(f"You named {amount(named.value)} first."))
    if here.panel not in VALUED:
        st.caption(_starts_as(here, item))
    elif item.ai is not None and here.final is not None and item.ai.value:
        st.caption(f"{here.final / item.ai.value - 1:+.1%} against the AI")


def _starts_as(here: Sitting, item: Item) -> str:
    if item.ai is not None:
        return "Starts as the AI's value. Type over it to adjust."
    if here.desk is not None and here.desk.stand_in is not None:
        return "Starts as the naive forecast, which stands in for the AI. Adjust to use it, or type over it."
    return "Type a value of your own."


def _buttons(here: Sitting, item: Item) -> None:
    missing = {Outcome.ACCEPT_AI: item.ai is None, Outcome.KEEP_MANUAL: item.manual is None}
    # A form is open: somebody types now, perhaps beside its fields, and a letter must not decide anything.
    single_keys = here.panel is None
    # A row of its own for each item: of one that is drawn over, the browser may keep the button that was clicked.
    with st.container(horizontal=True, key=here.widget("choices")):
        for outcome, shortcut in keys.OUTCOME_KEYS.items():
            if outcome is Outcome.ACCEPT_AI and here.is_blind:
                continue
            if outcome.is_final and here.awaits_number:
                continue
            button(
                here,
                OUTCOME_WORDS[outcome],
                partial(here.press, outcome=outcome),
                shortcut=shortcut if single_keys else None,
                disabled=missing.get(outcome, False),
                type="primary" if outcome is here.panel else "secondary",
            )
        skips = "primary" if here.panel == SKIP else "tertiary"
        button(here, "Skip", here.skip, shortcut="n" if single_keys else None, type=skips)


def _form(here: Sitting, item: Item) -> None:
    if here.awaits_number and here.panel is None:
        number_first(here, item)
    elif here.panel == SKIP:
        skip_form(here)
    elif isinstance(here.panel, Outcome):
        choice_form(here, item)


def _to_read(here: Sitting, user: Principal, item: Item) -> None:
    """Why there is nothing to decide here, and the way on."""
    st.info(plain(_why_not(here, item)))
    with st.container(horizontal=True):
        button(here, "Next item", here.go_on, shortcut="n" if here.panel is None else None)
        if item.state is State.DECIDED and user.may(Task.REOPEN, item.workflow_id):
            button(here, "Reopen", here.reopen, type="primary" if here.panel == REOPEN else "tertiary")
        if item.state is State.DECIDED and here.desk is not None and here.desk.last is not None:
            receipt_button(here.desk.last.id, place="decided")
    if here.panel == REOPEN:
        reopen_form(here)


def _why_locked(item: Item, last: Decision | None) -> str:
    if last is None or last.final_value is None:
        return f"{item.period} is locked. Nobody decided this before; Reconcile says what it went in with."
    return f"{item.period} is locked, with {amount(last.final_value, item.unit)} as {last.actor_name} decided."


def _why_not(here: Sitting, item: Item) -> str:
    last = here.desk.last if here.desk else None
    if item.state is State.LOCKED:
        return _why_locked(item, last)
    if item.state is State.DECIDED and last is not None and last.outcome is not None:
        who = "you" if last.actor_id == here.person_id else last.actor_name
        return f"Decided by {who} at {local_time(last.decided_at)}: {OUTCOME_WORDS[last.outcome]}."
    if item.state is State.CLAIMED and item.expires_at is not None:
        return f"{item.holder_name or 'Somebody'} has this item until {local_time(item.expires_at)}."
    if item.stage is Stage.SECOND and item.not_for == here.person_id:
        return "You decided this first; it waits for somebody else to review it a second time."
    if item.stage is Stage.SETTLING and here.person_id in (item.not_for, item.nor_for):
        return "You were one of the two who decided this differently; somebody else settles it."
    if item.assigned_id not in (None, here.person_id):
        return f"This item is {item.assigned_name}'s to decide."
    if item.state is State.READY and item.level > 0:
        return f"This item waits for {'a director' if item.level == 1 else 'the workflow owner'} to decide."
    return f"This item is {item.state.replace('_', ' ')}; there is nothing to decide now."

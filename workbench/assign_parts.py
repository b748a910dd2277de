"""The Queue for those who assign: rows are ticked and given to a person, or back to everybody."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from review_queue.errors import ReviewError
from review_queue.roles import Principal
from storage.engine import Database
from storage.workflows import Workflow
from workbench.actions import assigning
from workbench.actions.assigning import Assigned, Candidate
from workbench.lists import item_table, open_review
from workbench.parts import counted, left_out, plain, told_apart

EVERYBODY = 0
TURN = "assign-turn"  #: how often items were assigned; names the form that is drawn
SAID = "assign-said"  #: what came of the last press


@dataclass(frozen=True)
class _Said:
    sentence: str
    done: Assigned | None = None


def assignable_list(user: Principal, database: Database, workflow: Workflow, items: pd.DataFrame) -> None:
    """The items, to be ticked; and above them to whom the ticked ones go."""
    to = assigning.candidates(database, person_id=user.person_id, workflow=workflow)
    _assignable(user.person_id, database, workflow, items, to)


@st.fragment
def _assignable(
    person_id: int, database: Database, workflow: Workflow, items: pd.DataFrame, to: list[Candidate]
) -> None:
    said: _Said | None = st.session_state.get(SAID)
    if said and said.done and said.done.item_ids and st.session_state.pop("assign-reread", False):
        st.rerun()  # who has what has changed
    bar, turn = st.container(), st.session_state.get(TURN, 0)
    chosen = item_table(items, key=f"queue-{turn}", alt="Open items", many=True)
    with bar:
        _bar(person_id, database, workflow, to, chosen, turn)
        _say(st.session_state.pop(SAID, None))


def _bar(
    person_id: int, database: Database, workflow: Workflow, to: list[Candidate], chosen: list[int], turn: int
) -> None:
    names = _choices(to, workflow.policy.zone)
    with st.form(f"assign-{turn}", border=False):
        person, note, buttons = st.columns([5, 5, 2], vertical_alignment="bottom")
        person.selectbox(
            "Assign to",
            list(names),
            index=None,
            format_func=names.__getitem__,
            key=f"assign-to-{turn}",
            placeholder="A person, or everybody",
        )
        note.text_input("Note", key=f"assign-note-{turn}", max_chars=2000)
        with buttons.container(horizontal=True):
            st.form_submit_button(
                "Assign",
                type="primary",
                disabled=not chosen,
                on_click=_assign,
                args=(person_id, database, workflow, tuple(chosen), turn),
            )
            if st.form_submit_button("Open", disabled=len(chosen) != 1):
                open_review(chosen[0])
    # A line of its own: what floats above a table's right corner would cover the buttons.
    st.caption(
        f"{counted(len(chosen), 'item')} selected." if chosen else "Tick rows to assign them, or one to open it."
    )


def _choices(to: list[Candidate], zone: ZoneInfo) -> dict[int, str]:
    names = told_apart({person.id: person.name for person in to})
    return {EVERYBODY: "Everybody"} | {person.id: _choice(person, names[person.id], zone) for person in to}


def _choice(person: Candidate, name: str, zone: ZoneInfo) -> str:
    """A person as the list shows them: name, how much is theirs, and who gets it while they are away."""
    words = [name, counted(person.assigned, "item")]
    if person.away_until is not None:
        instead = f"{person.deputy} stands in" if person.deputy else "nobody stands in"
        words.append(f"away until {person.away_until.astimezone(zone):%-d %b}, {instead}")
    return " · ".join(words)


def _assign(person_id: int, database: Database, workflow: Workflow, item_ids: tuple[int, ...], turn: int) -> None:
    if turn != st.session_state.get(TURN, 0):
        return  # a doubled press
    to = st.session_state.get(f"assign-to-{turn}")
    if to is None:
        st.session_state[SAID] = _Said("Choose to whom first: a person, or everybody.")
        return
    note = st.session_state.get(f"assign-note-{turn}") or ""
    try:
        done = assigning.assign_items(
            database,
            person_id=person_id,
            workflow=workflow,
            item_ids=item_ids,
            to=None if to == EVERYBODY else to,
            note=note,
        )
    except ReviewError as refusal:
        st.session_state[SAID] = _Said(str(refusal))
        return
    st.session_state[SAID] = _Said(_sentence(done), done)
    st.session_state["assign-reread"] = True
    if done.item_ids:
        st.session_state[TURN] = turn + 1


def _sentence(done: Assigned) -> str:
    """What became of the press, in a sentence."""
    given, rest = len(done.item_ids), len(done.left_out)
    if not given:
        return "Nothing was assigned."
    whose = f"{done.to}'s" if done.to else "everybody's"
    instead = f", in place of {done.in_place_of}, who is away" if done.in_place_of else ""
    left = f" {counted(rest, 'item')} {'was' if rest == 1 else 'were'} left out." if rest else ""
    return f"{counted(given, 'item')} {'is' if given == 1 else 'are'} {whose} to decide now{instead}.{left}"


def _say(said: _Said | None) -> None:
    if said is None:
        return
    show = st.warning if said.done is None else st.success if said.done.item_ids else st.info
    show(plain(said.sentence))
    if said.done is not None:
        left_out(said.done.left_out)

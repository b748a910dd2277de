"""What others did with an item before it came to this desk: gave it, skipped it, moved it on, reopened it, decided it.

Names and notes are other people's text: they reach the screen as plain text only.
"""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from review_queue.escalation import Did
from review_queue.items import Decision, Item, Outcome
from review_queue.reasons import REASONS
from review_queue.roles import REVIEW_LEVEL
from review_queue.staleness import in_words
from storage.escalations import Escalated
from workbench.parts import amount, counted, local_time, plain
from workbench.press_words import OUTCOME_WORDS, SKIP_WORDS
from workbench.reads import Look, Story
from workbench.sitting import Sitting

BLIND = "Second review: decide without seeing the AI's value or the first decision."
MOVED_ON = {
    Outcome.ESCALATE: "passed this up at",
    Outcome.SEND_BACK: "sent this back at",
    Outcome.DEFER: "put this off at",
}
SKIPS_SHOWN = 3
NAMED = 3  #: of those whom the ladder told
#: Levels of review above the ordinary queue → who has them.
STEP_WORDS = {level: role.value for role, level in REVIEW_LEVEL.items() if level}


def item_story(here: Sitting, item: Item, told: Story) -> None:
    """Everything that whoever decides now should know of what was done before."""
    with st.container():  # keeps its place where there is nothing to tell
        if here.is_blind:
            st.info(BLIND, icon=":material/visibility_off:")
        lines = [plain(line) for line in _lines(here, item, told)]
        if lines:
            st.info("  \n".join(lines))
        if told.to_settle:
            _to_settle(here, item, told.to_settle)


def _lines(here: Sitting, item: Item, told: Story) -> Iterator[str]:
    if told.stale:
        yield _stale(told)
    if told.given is not None:
        yield _given(here, item, *told.given)
    yield from _went_up(here, item, told)
    yield from _moved_on(here)
    if told.reopened is not None:
        who, at = told.reopened.name, local_time(told.reopened.at)
        yield _with_note(f"{who} reopened this at {at}", told.reopened.note)
    for skip in told.skips[:SKIPS_SHOWN]:
        who = "You" if skip.person_id == here.person_id else skip.name
        said = f"{who} skipped this at {local_time(skip.skipped_at)}: {SKIP_WORDS[skip.reason]}"
        yield f"{said} ({skip.note})" if skip.note else f"{said}."


def _stale(told: Story) -> str:
    """Why an override came back, and what it was."""
    done, moved = told.overridden, in_words(told.stale)
    if done is None:
        return f"This came back: {moved}"
    why = f" ({REASONS[done.reason_code].name})" if done.reason_code in REASONS else ""
    was = f"{done.actor_name} had set {amount(done.final_value)}{why}"
    return f"This came back after {was}: {moved} Keep it, or change it?"


def _given(here: Sitting, item: Item, by: str, note: str) -> str:
    if item.assigned_id == here.person_id:
        return _with_note(f"{by} gave you this", note)
    instead = ", in whose place you decide" if here.desk and here.desk.mine else ""
    return _with_note(f"{by} gave this to {item.assigned_name}{instead}", note)


def _went_up(here: Sitting, item: Item, told: Story) -> Iterator[str]:
    """How it came up, by people and by the ladder, in the order of events, and to whom."""
    steps = [(each.decided_at, _passed_up(here, item, told, each)) for each in told.passed_up]
    steps += [(each.at, _climbed(each)) for each in told.climbed]
    yield from (line for _, line in sorted(steps))


def _passed_up(here: Sitting, item: Item, told: Story, done: Decision) -> str:
    who = "You" if done.actor_id == here.person_id else done.actor_name
    is_newest = done == told.passed_up[-1] and all(done.decided_at > each.at for each in told.climbed)
    to = f" to a {STEP_WORDS[item.level]}" if is_newest and item.level in STEP_WORDS else ""
    return _with_note(f"{who} passed this up{to} at {local_time(done.decided_at)}", done.note)


def _climbed(done: Escalated) -> str:
    """What a step of the ladder did; who was told is named as far as there is room."""
    others = len(done.told) - NAMED
    told = ", ".join(done.told[:NAMED]) + (f" and {counted(others, 'other')}" if others > 0 else "")
    did = {
        Did.NOTIFIED: "told somebody of this",
        Did.RAISED: f"put this before a {STEP_WORDS.get(done.to_level, 'reviewer')}",
        Did.ASSIGNED: f"gave this to {done.assigned_to}",
        Did.NOT_POSSIBLE: "found nobody who could take this",
    }[done.did]
    return f"The ladder {did} at {local_time(done.at)} ({done.why}). Told: {told or 'nobody'}."


def _moved_on(here: Sitting) -> Iterator[str]:
    """What whoever had the item before asked or noted when they moved it on."""
    last = here.desk.last if here.desk else None
    if last is None or last.outcome is None or last.outcome.is_final:
        return
    if last.outcome is Outcome.ESCALATE and not here.is_blind:
        return  # told in the order in which it went up
    who = "You" if last.actor_id == here.person_id else last.actor_name
    yield _with_note(f"{who} {MOVED_ON[last.outcome]} {local_time(last.decided_at)}", last.note)


def _with_note(said: str, note: str) -> str:
    return f"{said}: {note}" if note else f"{said}."


def _to_settle(here: Sitting, item: Item, looks: tuple[Look, ...]) -> None:
    ask = "Two people decided this differently. Settle it: your value holds."
    st.info(ask if here.desk and here.desk.mine else "Two people decided this differently; it waits to be settled.")
    for column, look, name in zip(
        st.columns(2, border=True), looks, ("First decision", "Second decision, blind"), strict=False
    ):
        with column:
            _look(item, look, name)


def _look(item: Item, look: Look, name: str) -> None:
    done, reason = look.decision, look.reason
    st.metric(name, amount(done.final_value, plain(item.unit)))
    words = OUTCOME_WORDS[done.outcome] if done.outcome else ""
    said = [f"{words} · {done.actor_name}, {local_time(done.decided_at)}"]
    if reason is not None:
        code = REASONS[reason.code].name if reason.code in REASONS else reason.code
        said.append(_with_note(code, reason.text))
    st.caption("  \n".join(plain(line) for line in said))

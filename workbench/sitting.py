"""One reviewer's sitting at the Review screen: what lies open, what was typed, and what each button does.

The session only remembers; the database knows. Every callback names the form that it was drawn for, so that a late or
doubled press cannot act on the item that came after.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any, Final, Literal, TypeVar

import streamlit as st

from review_queue.calendars import BusinessCalendar
from review_queue.checking import Answer
from review_queue.errors import (
    ClaimNotHeld,
    DatabaseAway,
    DatabaseBusy,
    ItemAlreadyDecided,
    ItemNotFound,
    OutcomeUnknown,
    ReviewError,
    ServerStopping,
    StaleContent,
)
from review_queue.items import Choice, Decision, Item, Outcome, Reason, SkipReason, Stage
from review_queue.reasons import REASONS
from review_queue.rules import NOTE_NEEDED, is_override
from storage.claims import Held
from storage.engine import Database
from storage.workflows import Workflow
from workbench import held, reads
from workbench.actions import assigning, checking, resolving, reviewing
from workbench.actions.again import patience
from workbench.actions.reviewing import Desk
from workbench.final_value import final_from, shown_as, tidy
from workbench.parts import amount
from workbench.press_words import OUTCOME_WORDS as OUTCOME_WORDS  # the screen's parts know these from here
from workbench.press_words import SKIP_WORDS as SKIP_WORDS
from workbench.press_words import changes, check_words, name_of, said
from workbench.reads import Ahead, Story, Surroundings
from workbench.reason_draft import reason_in
from workbench.settings import settings

T = TypeVar("T")

#: The inline forms that belong to no outcome.
SKIP: Final = "skip"
REOPEN: Final = "reopen"
Panel = Outcome | Literal["skip", "reopen"]
NEXT = 0
#: Seconds for which a press waits for a doubtful commit in silence; then the page says that it is checking.
IN_SILENCE = 2.0
LONGEST_NOTE = 2000  #: characters
#: Seconds in which the browser may still send what a field showed before it was moved by another one.
ECHO = 2.0
#: Seconds for which what was read ahead of an item counts as known.
AHEAD_FOR = 60.0
#: What passes by itself: the page stays as it is meanwhile.
PASSING = (DatabaseAway, DatabaseBusy, OutcomeUnknown, ServerStopping)


@dataclass(frozen=True)
class Notice:
    """What the page says about the last press. ``item`` names the one that it was about."""

    kind: Literal["saved", "info", "warning", "error"]
    sentence: str
    item: str = ""


@dataclass(frozen=True)
class Doubt:
    """A press whose answer never came."""

    item_id: int
    key: str
    item: Item | None = None  #: that a choice was made on; None for an undo


@dataclass(eq=False)
class Sitting:
    """What the session remembers between two runs of the Review screen."""

    database: Database
    person_id: int
    workflow: Workflow
    desk: Desk | None = None
    key: str = ""  #: idempotency key of the form that is drawn
    panel: Panel | None = None  #: the outcome whose inline form is open, or *Skip*, or *Reopen*
    draft: dict[str, Any] = field(default_factory=dict)
    notice: Notice | None = None
    last: Decision | None = None  #: the last decision of this sitting, which *Undo* takes back
    queue_length: int | None = None  #: what waited when the page was last drawn whole
    saved_at: float = -math.inf  #: when the last press was saved, in seconds of this process's clock
    doubt: Doubt | None = None  #: nothing else happens until it is known how this ended
    is_draft_unsaved: bool = False  #: the database has an older one
    around: Surroundings | None = None  #: of the item that lies open, as last read
    told: Story | None = None  #: of the item that lies open, as last read
    looked_up: dict[Any, Any] = field(default_factory=dict)  #: what was read once for the item that lies open
    final_before: tuple[float | None, float] = (None, -math.inf)  #: what stood in *Final* until then (process's clock)
    ahead: tuple[str, Ahead | None, float] = ("", None, 0.0)  #: read beside which form, what, when (process's clock)
    is_just_told: bool = False  #: the story was read ahead, and not shown yet
    coming: int | None = None  #: the item to lay out when the card is drawn next; ``NEXT`` for whichever is next

    @property
    def form(self) -> str:
        """Names the form that is drawn: the item and the claim that it is drawn under."""
        if self.desk is None:
            return "none"
        return f"{self.desk.item.id}-{self.desk.item.fence}{'-2' if self.desk.is_after_check else ''}"

    @property
    def claim(self) -> Held | None:
        """The claim that lies on the desk."""
        if self.desk is None or not self.desk.mine:
            return None
        return Held(self.person_id, self.desk.item.id, self.desk.item.fence)

    @property
    def can_undo(self) -> bool:
        """Whether *Undo* is worth offering; whether it works is for the database's clock to say."""
        if self.last is None:
            return False
        return datetime.now(UTC) - self.last.decided_at < timedelta(seconds=self.workflow.policy.undo_seconds)

    # --- what lies open ------------------------------------------------------------------------------------------

    def arrive(self, wanted: int | None) -> None:
        """Lay out the item that the link names, else the one in hand or the next; called on every full page run."""
        if self.doubt is not None:
            return
        self.coming = None
        waiting = reads.waiting(self.database, person_id=self.person_id, workflow_id=self.workflow.id)
        self.queue_length = sum(waiting.values())
        self._lay_out(wanted)

    def _lay_out(self, wanted: int | None) -> None:
        if self.last is None:
            self.last = reviewing.undoable(**self._mine())
        if wanted is None or not self._opened(wanted):
            self.next_item()

    def _opened(self, wanted: int) -> bool:
        try:
            desk = reviewing.open_item(**self._mine(), item_id=wanted)
        except ItemNotFound as refusal:
            self.notice = Notice("warning", str(refusal))
            return False
        self._lay(desk)
        return True

    def settle(self) -> None:
        """Lay out what the last press asked for. Apart from the press: what it stored stays said if this fails."""
        if self.coming is not None:
            self._lay_out(self.coming or None)
            self.coming = None

    def next_item(self) -> None:
        """Lay out the item in hand, or the next one in the queue, or nothing."""
        self._lay(reviewing.take_next(**self._mine()))

    def surroundings(self) -> Surroundings:
        """What surrounds the item that lies open, read once while its forecasts stay what they are."""
        assert self.desk is not None  # noqa: S101 -- asked for an item that is drawn
        if self.around is None:
            self.around = reads.surroundings(self.database, person_id=self.person_id, item=self.desk.item)
        return self.around

    def once(self, what: Any, read: Callable[[], T]) -> T | None:
        """What ``read`` answers, asked for once while this form lies open; None while the database is away."""
        if what not in self.looked_up:
            try:
                self.looked_up[what] = read()
            except PASSING:
                return None
        found: T = self.looked_up[what]
        return found

    def story(self) -> Story:
        """What others did with the item that lies open; as it was last read, while the database is away."""
        assert self.desk is not None  # noqa: S101 -- asked for an item that is drawn
        if self.is_just_told and self.told is not None:
            self.is_just_told = False
            return self.told
        try:
            self.told = reads.story(self.database, person_id=self.person_id, item=self.desk.item)
        except PASSING:
            if self.told is None:
                raise
        return self.told

    def look_ahead(self) -> None:
        """Read what the next card is going to need, once for each item, after this one has been drawn."""
        if self.desk is None or not self.desk.mine or self.ahead[0] == self.form:
            return
        try:
            found = reads.look_ahead(self.database, person_id=self.person_id, workflow=self.workflow)
        except PASSING:
            found = None
        self.ahead = self.form, found, monotonic()

    def _was_read_ahead(self) -> Ahead | None:
        _, found, at = self.ahead
        if found is None or self.desk is None or monotonic() - at > AHEAD_FOR:
            return None
        return found if found.fits(self.desk.item) else None

    def _lay(self, desk: Desk | None) -> None:
        before, shown, self.desk = self.form, self.desk, desk
        is_same = self.form == before and shown and desk and shown.item.content_hash == desk.item.content_hash
        if not is_same:
            self.around, self.looked_up = None, {}
        if self.form != before:
            ahead = self._was_read_ahead()
            self.told, self.is_just_told = (ahead.story, True) if ahead else (None, False)
            self.around = ahead.around if ahead else None
        elif self.is_draft_unsaved:
            self.keep_draft()
        if self.form != before or not self.key:
            self.is_draft_unsaved = False
            self.key = secrets.token_hex(16)
            self.draft = dict(desk.draft) if desk else {}
            panel = self.draft.get("panel")
            self.panel = (SKIP if panel == SKIP else Outcome(panel)) if panel else None

    def _mine(self) -> dict[str, Any]:
        return {"database": self.database, "person_id": self.person_id, "workflow": self.workflow}

    # --- the buttons ---------------------------------------------------------------------------------------------

    def press(self, form: str, outcome: Outcome) -> None:
        """A press of an outcome's button: decide at once if nothing more is needed, else open its inline form."""
        if form != self.form or self.desk is None or self.doubt:
            return
        item = self.desk.item
        ai = item.ai.value if item.ai else None
        at_once = outcome is Outcome.ACCEPT_AI or (
            outcome is Outcome.KEEP_MANUAL
            and item.manual is not None
            and not self.is_blind
            and not is_override(item.manual.value, ai, item.tolerance)
        )
        if at_once:
            # The second half of a double click would decide the item that came up under it, and nobody saw that one.
            if monotonic() - self.saved_at > settings().double_click_ms / 1000:
                self._submit(outcome)
        else:
            self.panel, self.notice = outcome, None
            self.keep_draft()

    def save(self, form: str) -> None:
        """A press of *Save*: send the open inline form."""
        if form != self.form or self.panel is None or self.doubt:
            return
        if self.panel == SKIP:
            self._skip()
        elif self.panel == REOPEN:
            self._reopen()
        else:
            self._submit(self.panel)

    def cancel(self, form: str) -> None:
        """A press of *Cancel*: close the inline form; what was typed stays in the draft."""
        if form == self.form and not self.doubt:
            self.panel = None
            self.keep_draft()

    def undo(self) -> None:
        """A press of *Undo*: take the last decision of this sitting back, and the item into hand again."""
        if self.last is None or self.doubt:
            return
        done, self.last = self.last, None
        key = f"undo-{done.id}"
        try:
            with patience(IN_SILENCE):
                reviewing.undo(**self._mine(), decision_id=done.id, key=key)
        except OutcomeUnknown:
            self._check(Doubt(done.item_id, key))
        except PASSING as refusal:
            self.last = done
            self.notice = Notice("warning", str(refusal))
        except ReviewError as refusal:
            self.notice = Notice("warning", str(refusal))
        else:
            self._undone(done.item_id)

    def _undone(self, item_id: int) -> None:
        self.coming = item_id
        self.notice = Notice("info", "Undone. The item is in your hands again, with what you had typed.")

    def name_number(self, form: str) -> None:
        """A press of *Show the AI's*: commit to the number that was typed, and lay the item out whole."""
        item, value = self.desk.item if self.desk else None, st.session_state.get(self.widget("named"))
        if form != self.form or item is None or self.doubt:
            return
        knew_more = bool(st.session_state.get(self.widget("knew-more")))
        named = {"item_id": item.id, "fence": item.fence, "knew_more": knew_more}
        try:
            desk = reviewing.name_number(**self._mine(), value=math.nan if value is None else value, **named)
        except ReviewError as refusal:
            self.notice = Notice("error", str(refusal))
            return
        self.around, self.looked_up, self.notice = None, {}, None
        self._lay(desk)

    def skip(self, form: str) -> None:
        """A press of *Skip*: open its inline form."""
        if form == self.form and self.desk is not None and not self.doubt:
            self.panel, self.notice = SKIP, None
            self.keep_draft()

    def reopen(self, form: str) -> None:
        """A press of *Reopen*: open its inline form."""
        if form == self.form and self.desk is not None and not self.doubt:
            self.panel, self.notice = REOPEN, None

    def go_on(self, form: str) -> None:
        """A press of *Next item*, where there is nothing to decide."""
        if form != self.form:
            return
        self.notice = None
        self.coming = NEXT

    # --- what was typed ------------------------------------------------------------------------------------------

    def widget(self, name: str) -> str:
        """The key of the widget for a field of this form; the item's id and the claim stand in it."""
        return f"{name}-{self.form}"

    def typed(self, form: str, name: str) -> None:
        """A field changed: keep the draft, and open *Adjust* when the final value was typed over."""
        if form != self.form:
            return
        value = st.session_state.get(self.widget(name))
        if name == "final":
            self.final_before = self.final, monotonic()
        self.draft[name] = value.isoformat() if isinstance(value, date) else value
        if name == "final" and self.panel is None:
            self.panel = Outcome.ADJUST
        if name == "code":
            self._suggest_validity()
        self.keep_draft()

    def said_otherwise(self, form: str, way: str) -> None:
        """The final value was said another way (``final_value``): work it out, as if it had been typed."""
        item, value = self.desk.item if self.desk else None, st.session_state.get(self.widget(way))
        if form != self.form or item is None or item.ai is None or value is None or self._is_echo(way, value):
            return
        final = final_from(way, value, ai=item.ai.value, manual=item.manual.value if item.manual else None)
        if final is not None:
            self._set_final(final)

    def _is_echo(self, way: str, value: float) -> bool:
        """Whether nobody moved this field: the browser only sends back what it shows, or showed a moment ago."""
        if value == self._shown(way, self.final):
            return True
        return monotonic() - self.final_before[1] < ECHO and value == self._shown(way, self.final_before[0])

    def _shown(self, way: str, final: float | None) -> float | None:
        item = self.desk.item if self.desk else None
        if item is None or item.ai is None or final is None:
            return None
        return shown_as(way, final, ai=item.ai.value, manual=item.manual.value if item.manual else None)

    def damp(self, form: str, keep: float) -> None:
        """A press of *Use the damped value*: keep that share of the change, and say so in the note."""
        item, final = self.desk.item if self.desk else None, self.final
        if form != self.form or item is None or item.ai is None or final is None or self.doubt:
            return
        change = final - item.ai.value
        words = f"Damped to {100 * keep:.0f} % of {amount(change, signed=True)} by track record."
        note = f"{(self.value('text') or '').strip()} {words}".strip()
        if len(note) <= LONGEST_NOTE:
            st.session_state[self.widget("text")] = self.draft["text"] = note
        self.draft["damped"] = tidy(item.ai.value + keep * change)
        self._set_final(self.draft["damped"])

    def _set_final(self, final: float) -> None:
        self.final_before = self.final, monotonic()
        st.session_state[self.widget("final")] = self.draft["final"] = final
        self.panel = Outcome.ADJUST
        self.keep_draft()

    def _suggest_validity(self) -> None:
        """Start "valid until" at what is usual for the reason, if nothing stands there yet."""
        chosen = REASONS.get(self.value("code") or "")
        if self.desk is None or chosen is None or chosen.validity_days is None or self.value("valid_until"):
            return
        until = self.desk.opened_at.date() + timedelta(days=chosen.validity_days)
        st.session_state[self.widget("valid_until")] = until
        self.draft["valid_until"] = until.isoformat()

    def keep_draft(self) -> None:
        if self.desk is None or not self.desk.mine:
            return
        self.draft["panel"] = self.panel
        try:
            reviewing.save_draft(self.database, person_id=self.person_id, item=self.desk.item, body=self.draft)
        except ReviewError as refusal:
            self.is_draft_unsaved = isinstance(refusal, PASSING)
            self.notice = Notice("warning", str(refusal))
        else:
            self.is_draft_unsaved = False

    def value(self, name: str, default: Any = None) -> Any:
        """What stands in a field of the form."""
        return self.draft.get(name, default)

    @property
    def final(self) -> float | None:
        """The final value as the form has it: what was typed, else the AI's."""
        item = self.desk.item if self.desk else None
        if item is None:
            return None
        if self.panel is Outcome.KEEP_MANUAL and item.manual is not None:
            return item.manual.value
        typed = self.value("final")
        return typed if typed is not None else (item.ai.value if item.ai else None)

    @property
    def overrides(self) -> bool:
        """Whether the final value as the form has it goes against the AI, so that it needs a reason."""
        item = self.desk.item if self.desk else None
        if item is None or item.ai is None or self.panel not in (Outcome.ADJUST, Outcome.KEEP_MANUAL):
            return False
        return self.final is not None and is_override(self.final, item.ai.value, item.tolerance)

    @property
    def is_blind(self) -> bool:
        """Whether the item is decided a second time, without seeing the AI's value."""
        return self.desk is not None and self.desk.item.stage is Stage.SECOND

    @property
    def awaits_number(self) -> bool:
        """Whether the AI's value is hidden until this person has named a number of their own."""
        return self.desk is not None and self.desk.item.awaits_number

    @property
    def asks_why(self) -> bool:
        """Whether the choice as the form has it comes with a reason: asked always where the AI's value is not shown."""
        return self.is_blind or self.overrides

    @property
    def reason(self) -> Reason | None:
        """The reason as the form has it; None while no code is chosen."""
        return reason_in(self.draft)

    # --- sending -------------------------------------------------------------------------------------------------

    def _submit(self, outcome: Outcome) -> None:
        item = self.desk.item if self.desk else None
        if item is None:
            return
        try:
            with patience(IN_SILENCE):
                done = self._send(self._choice(item, outcome))
        except OutcomeUnknown:
            self._check(Doubt(item.id, self.key, item))
        except ItemAlreadyDecided as refusal:
            self.notice = Notice("info", str(refusal), name_of(item))
            self.coming = NEXT
        except StaleContent as refusal:
            self._lay(reviewing.open_item(**self._mine(), item_id=item.id))
            changed = changes(item, self.desk.item) if self.desk else ""
            self.notice = Notice("warning", f"{refusal} {changed}".strip())
        except ClaimNotHeld as refusal:
            self._lay(reviewing.open_item(**self._mine(), item_id=item.id))
            self.notice = Notice("warning", str(refusal))
        except ReviewError as refusal:
            self.notice = Notice("error", str(refusal))
        else:
            if isinstance(done, Answer):
                self._was_check(done, item)
            else:
                self._saved(done, item)

    def _send(self, choice: Choice) -> Decision | Answer:
        if self.desk is not None and self.desk.is_check:
            return checking.answer_check(**self._mine(), choice=choice)
        return reviewing.submit_decision(**self._mine(), choice=choice)

    def _was_check(self, answer: Answer, item: Item) -> None:
        """Say that it was a check item, and lay the item out as it is, to be decided."""
        self.last, self.saved_at, self.draft = None, monotonic(), {}
        self.notice = Notice("info", check_words(answer, item), name_of(item))
        self.coming = item.id

    def _saved(self, decision: Decision, item: Item) -> None:
        self.last, self.saved_at = decision, monotonic()
        until = f" until {self.value('until')}" if decision.outcome is Outcome.DEFER else ""
        self.notice = Notice("saved", f"Saved: {said(decision, item)}{until}", name_of(item))
        self.coming = NEXT

    # --- a press whose answer never came ---------------------------------------------------------------------------

    def _check(self, doubt: Doubt) -> None:
        self.doubt = doubt
        self.notice = Notice("info", "Checking whether it was saved…", name_of(doubt.item) if doubt.item else "")

    def resolve(self) -> bool:
        """Learn how the press in doubt ended, and say so; false while the database does not tell."""
        doubt = self.doubt
        if doubt is None:
            return True
        try:
            decision = resolving.resolve(self.database, person_id=self.person_id, item_id=doubt.item_id, key=doubt.key)
        except PASSING:
            return False
        self.doubt = None
        if decision is None:
            self.notice = Notice("warning", "It was not saved. Choose again; your draft is kept.")
        elif doubt.item is None:
            self._undone(doubt.item_id)
        else:
            self._saved(decision, doubt.item)
        return True

    def _skip(self) -> None:
        """Give the item back undecided, saying why, and go on; what was typed for a decision is kept."""
        item, reason = self.desk.item if self.desk else None, self.value("skip_reason")
        if item is None:
            return
        if reason is None:
            self.notice = Notice("error", "Choose why you skip it, then save.")
            return
        skipped = {"item_id": item.id, "fence": item.fence, "reason": SkipReason(reason)}
        try:
            reviewing.skip_item(self.database, person_id=self.person_id, note=self.value("skip_note") or "", **skipped)
        except ClaimNotHeld as refusal:
            self._lay(reviewing.open_item(**self._mine(), item_id=item.id))
            self.notice = Notice("warning", str(refusal))
            return
        except ReviewError as refusal:
            self.notice = Notice("error", str(refusal))
            return
        self.panel, self.draft = None, {name: self.draft[name] for name in self.draft if not name.startswith("skip_")}
        self.keep_draft()
        self.notice = Notice("info", f"Skipped: {SKIP_WORDS[reason]}", name_of(item))
        self.coming = NEXT

    def _reopen(self) -> None:
        """Put the decided item back into the queue."""
        item = self.desk.item if self.desk else None
        if item is None:
            return
        note = self.value("reopen_note") or ""
        try:
            round_ = assigning.reopen_item(**self._mine(), item_id=item.id, note=note)
        except ReviewError as refusal:
            self.notice = Notice("error", str(refusal))
            return
        self.panel = None
        self.notice = Notice(
            "info", f"Reopened for round {round_}; the earlier decision stays on record", name_of(item)
        )
        self.coming = item.id

    def _choice(self, item: Item, outcome: Outcome) -> Choice:
        return Choice(
            item_id=item.id,
            outcome=outcome,
            fence=item.fence,
            round=item.round,
            content_hash=item.content_hash,
            idempotency_key=self.key,
            value=self.final if outcome is Outcome.ADJUST else None,
            reason=self.reason if outcome.is_final and self.asks_why else None,
            note=(self.value("note") or "") if outcome in NOTE_NEEDED else "",
            until=self._until() if outcome is Outcome.DEFER else None,
            opened_at=self.desk.opened_at if self.desk else None,
            queue_length=self.queue_length,
        )

    def _until(self) -> datetime | None:
        day = self.value("until")
        if not day:
            return None
        return BusinessCalendar.of(self.workflow.policy).next_opening(date.fromisoformat(day))


def sitting(database: Database, person_id: int, workflow: Workflow) -> Sitting:
    """This session's sitting on ``workflow``; a new one for another person or workflow, or after a policy change."""
    kept = st.session_state.get("sitting")
    if isinstance(kept, Sitting) and (kept.person_id, kept.workflow) == (person_id, workflow):
        return kept
    st.session_state["sitting"] = fresh = Sitting(database, person_id, workflow)
    held.remember(fresh)
    return fresh

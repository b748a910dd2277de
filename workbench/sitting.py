"""One reviewer's sitting at the Review screen: what each button does.

Every callback names the form that it was drawn for, so that a late or doubled press cannot act on the item that came
after.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from time import monotonic

import streamlit as st

from review_queue.calendars import BusinessCalendar
from review_queue.checking import Answer
from review_queue.errors import (
    ClaimNotHeld,
    ItemAlreadyDecided,
    OutcomeUnknown,
    ReviewError,
    SourcesInDoubt,
    StaleContent,
)
from review_queue.items import Choice, Decision, Item, Outcome, SkipReason
from review_queue.rules import NOTE_NEEDED, is_override
from storage.engine import Database
from storage.workflows import Workflow
from workbench import held
from workbench.actions import assigning, checking, resolving, reviewing, sourcing
from workbench.actions.again import patience
from workbench.laid_out import NEXT, PASSING, REOPEN, SKIP, Doubt, Notice
from workbench.press_words import SKIP_WORDS, changes, check_words, name_of, said
from workbench.settings import settings
from workbench.typed import Typed

#: Under what name what the sources say is kept, of all that is read once for an item.
WEIGHED = "weighed"
#: Seconds for which a press waits for a doubtful commit in silence; then the page says that it is checking.
IN_SILENCE = 2.0


@dataclass(eq=False)
class Sitting(Typed):
    """One reviewer, one workflow, one browser tab: what its buttons do."""

    def press(self, form: str, outcome: Outcome) -> None:
        """A press of an outcome's button: decide at once if nothing more is needed, else open its inline form."""
        if form != self.form or self.desk is None or self.doubt:
            return
        item = self.desk.item
        ai = item.ai.value if item.ai else None
        at_once = (outcome is Outcome.ACCEPT_AI and not self.desk.doubt) or (
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
        except SourcesInDoubt as refusal:
            self._lay(reviewing.open_item(**self._mine(), item_id=item.id))
            self.panel, self.notice = Outcome.ACCEPT_AI, Notice("warning", str(refusal))
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

    def leave_out(self, form: str) -> None:
        """A press of *Leave out*: let the chosen source no longer count on this item."""
        source, reason = (st.session_state.get(self.widget(name)) for name in ("left-out", "left-out-why"))
        if form != self.form or self.desk is None:
            return
        if source is None:
            self.notice = Notice("error", "Choose the source to leave out first.")
            return
        asked = {"item_id": self.desk.item.id, "source": source, "reason": reason or ""}
        self._about_sources(partial(sourcing.leave_out, self.database, person_id=self.person_id, **asked))

    def count_again(self, form: str, source: str) -> None:
        """A press of *Count … again*: let a source that was left out count on this item."""
        if form != self.form or self.desk is None:
            return
        asked = {"item_id": self.desk.item.id, "source": source}
        self._about_sources(partial(sourcing.count_again, self.database, person_id=self.person_id, **asked))

    def _about_sources(self, act: Callable[[], None]) -> None:
        """Do it, and lay the item out again: whether one press is enough may have changed with it."""
        try:
            act()
        except ReviewError as refusal:
            self.notice = Notice("error", str(refusal))
            return
        self.looked_up.pop(WEIGHED, None)
        self.notice = None
        self.coming = self.desk.item.id if self.desk else None

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
            note=(self.value("note") or "") if outcome in NOTE_NEEDED or self.panel is Outcome.ACCEPT_AI else "",
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

"""One reviewer's sitting at the Review screen: what lies open, what was typed, and what each button does.

The session only remembers; the database knows. Every callback names the form that it was drawn for, so that a late or
doubled press cannot act on the item that came after.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any, Final, Literal

import streamlit as st

from review_queue.calendars import BusinessCalendar
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
from workbench.actions import assigning, resolving, reviewing
from workbench.actions.again import patience
from workbench.actions.reviewing import Desk
from workbench.parts import amount
from workbench.reads import Story, Surroundings
from workbench.settings import settings

OUTCOME_WORDS = {
    Outcome.ACCEPT_AI: "Accept AI",
    Outcome.KEEP_MANUAL: "Keep manual",
    Outcome.ADJUST: "Adjust",
    Outcome.SEND_BACK: "Send back",
    Outcome.ESCALATE: "Escalate",
    Outcome.DEFER: "Defer",
}
SKIP_WORDS: dict[str, str] = {
    SkipReason.NOT_MINE: "Not mine to decide",
    SkipReason.MISSING_FACTS: "Facts are missing",
    SkipReason.INTEREST: "Conflict of interest",
    SkipReason.LATER: "Later",
    SkipReason.OTHER: "Another reason",
}
#: The inline forms that belong to no outcome.
SKIP: Final = "skip"
REOPEN: Final = "reopen"
Panel = Outcome | Literal["skip", "reopen"]
NEXT = 0
#: Seconds for which a press waits for a doubtful commit in silence; then the page says that it is checking.
IN_SILENCE = 2.0
#: What passes by itself: the page stays as it is meanwhile.
PASSING = (DatabaseAway, DatabaseBusy, OutcomeUnknown, ServerStopping)
REASON_FIELDS = (
    "code", "text", "direction", "effect_low", "effect_mid", "effect_high", "confidence", "valid_from", "valid_until",
    "source_type", "source_ref", "already_in_model", "controllable",
)  # fmt: skip


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
    coming: int | None = None  #: the item to lay out when the card is drawn next; ``NEXT`` for whichever is next

    @property
    def form(self) -> str:
        """Names the form that is drawn: the item and the claim that it is drawn under."""
        return f"{self.desk.item.id}-{self.desk.item.fence}" if self.desk else "none"

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
        """What surrounds the item that lies open; as it was last read, while the database is away."""
        assert self.desk is not None  # noqa: S101 -- asked for an item that is drawn
        try:
            self.around = reads.surroundings(self.database, person_id=self.person_id, item=self.desk.item)
        except PASSING:
            if self.around is None:
                raise
        return self.around

    def story(self) -> Story:
        """What others did with the item that lies open; as it was last read, while the database is away."""
        assert self.desk is not None  # noqa: S101 -- asked for an item that is drawn
        try:
            self.told = reads.story(self.database, person_id=self.person_id, item=self.desk.item)
        except PASSING:
            if self.told is None:
                raise
        return self.told

    def _lay(self, desk: Desk | None) -> None:
        before, self.desk = self.form, desk
        if self.form != before:
            self.around = self.told = None
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
        self.draft[name] = value.isoformat() if isinstance(value, date) else value
        if name == "final" and self.panel is None:
            self.panel = Outcome.ADJUST
        if name == "code":
            self._suggest_validity()
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
    def asks_why(self) -> bool:
        """Whether the choice as the form has it comes with a reason: asked always where the AI's value is not shown."""
        return self.is_blind or self.overrides

    @property
    def reason(self) -> Reason | None:
        """The reason as the form has it; None while no code is chosen."""
        fields = {name: self.value(name) for name in REASON_FIELDS}
        if not fields["code"]:
            return None
        dates = {name: date.fromisoformat(text) for name in ("valid_from", "valid_until") if (text := fields[name])}
        texts = {name: (fields[name] or "").strip() for name in ("text", "source_ref")}
        return Reason(**{**fields, **dates, **texts, "secondary": tuple(self.value("secondary") or ())})

    # --- sending -------------------------------------------------------------------------------------------------

    def _submit(self, outcome: Outcome) -> None:
        item = self.desk.item if self.desk else None
        if item is None:
            return
        try:
            with patience(IN_SILENCE):
                decision = reviewing.submit_decision(**self._mine(), choice=self._choice(item, outcome))
        except OutcomeUnknown:
            self._check(Doubt(item.id, self.key, item))
        except ItemAlreadyDecided as refusal:
            self.notice = Notice("info", str(refusal), _name(item))
            self.coming = NEXT
        except StaleContent as refusal:
            self._lay(reviewing.open_item(**self._mine(), item_id=item.id))
            changes = _changes(item, self.desk.item) if self.desk else ""
            self.notice = Notice("warning", f"{refusal} {changes}".strip())
        except ClaimNotHeld as refusal:
            self._lay(reviewing.open_item(**self._mine(), item_id=item.id))
            self.notice = Notice("warning", str(refusal))
        except ReviewError as refusal:
            self.notice = Notice("error", str(refusal))
        else:
            self._saved(decision, item)

    def _saved(self, decision: Decision, item: Item) -> None:
        self.last, self.saved_at = decision, monotonic()
        until = f" until {self.value('until')}" if decision.outcome is Outcome.DEFER else ""
        self.notice = Notice("saved", f"Saved: {_said(decision, item)}{until}", _name(item))
        self.coming = NEXT

    # --- a press whose answer never came ---------------------------------------------------------------------------

    def _check(self, doubt: Doubt) -> None:
        self.doubt = doubt
        self.notice = Notice("info", "Checking whether it was saved…", _name(doubt.item) if doubt.item else "")

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
        self.notice = Notice("info", f"Skipped: {SKIP_WORDS[reason]}", _name(item))
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
        self.notice = Notice("info", f"Reopened for round {round_}; the earlier decision stays on record", _name(item))
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


def _name(item: Item) -> str:
    return f"{item.series} · {item.period}"


def _said(decision: Decision, item: Item) -> str:
    words = OUTCOME_WORDS[decision.outcome] if decision.outcome else "Undo"
    if decision.final_value is None:
        return words
    # Whether the second of two agreed with the first is not told: it could be undone and tried again.
    waits = decision.is_provisional and item.stage is Stage.FIRST
    then = ". Somebody else reviews it too, before it counts" if waits else ""
    return f"{words}, {amount(decision.final_value, item.unit)}{then}"


def _changes(before: Item, after: Item) -> str:
    pairs = (("The AI forecast", before.ai, after.ai), ("The manual forecast", before.manual, after.manual))
    return " ".join(
        f"{whose} was {amount(old.value if old else None)} and is {amount(new.value if new else None)} now."
        for whose, old, new in pairs
        if (old.value if old else None) != (new.value if new else None)
    )

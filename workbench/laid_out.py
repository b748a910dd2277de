"""What lies open in front of a reviewer: the item, what was read around it, and the draft of its form.

The session only remembers; the database knows.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final, Literal, TypeVar

from review_queue.errors import (
    DatabaseAway,
    DatabaseBusy,
    ItemNotFound,
    OutcomeUnknown,
    ReviewError,
    ServerStopping,
)
from review_queue.items import Decision, Item, Outcome, Stage
from storage.claims import Held
from storage.engine import Database
from storage.workflows import Workflow
from workbench import reads
from workbench.actions import reviewing
from workbench.actions.reviewing import Desk
from workbench.reads import Ahead, Story, Surroundings

T = TypeVar("T")

#: The inline forms that belong to no outcome.
SKIP: Final = "skip"
REOPEN: Final = "reopen"
Panel = Outcome | Literal["skip", "reopen"]
NEXT = 0
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
class LaidOut:
    """What the session remembers between two runs of the Review screen, and how an item is laid out."""

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

    @property
    def is_blind(self) -> bool:
        """Whether the item is decided a second time, without seeing the AI's value."""
        return self.desk is not None and self.desk.item.stage is Stage.SECOND

    @property
    def awaits_number(self) -> bool:
        """Whether the AI's value is hidden until this person has named a number of their own."""
        return self.desk is not None and self.desk.item.awaits_number

    def arrive(self, wanted: int | None) -> None:
        """Lay out the item that the link names, else the one in hand or the next; called on every full page run."""
        if self.doubt is not None:
            return
        self.coming = None
        waiting = reads.waiting(self.database, person_id=self.person_id, workflow_id=self.workflow.id)
        self.queue_length = sum(waiting.values())
        self._lay_out(wanted)

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

    def widget(self, name: str) -> str:
        """The key of the widget for a field of this form; the item's id and the claim stand in it."""
        return f"{name}-{self.form}"

    def value(self, name: str, default: Any = None) -> Any:
        """What stands in a field of the form."""
        return self.draft.get(name, default)

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

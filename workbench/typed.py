"""What was typed into the form of the item that lies open: the final value said several ways, and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from time import monotonic

import streamlit as st

from review_queue.items import Outcome, Reason
from review_queue.reasons import REASONS
from review_queue.rules import is_override
from workbench.final_value import final_from, shown_as, tidy
from workbench.laid_out import LaidOut
from workbench.parts import amount
from workbench.reason_draft import reason_in

LONGEST_NOTE = 2000  #: characters
#: Seconds in which the browser may still send what a field showed before it was moved by another one.
ECHO = 2.0


@dataclass(eq=False)
class Typed(LaidOut):
    """The form of the item that lies open, as it was filled in so far."""

    @property
    def final(self) -> float | None:
        """The final value as the form has it: what was typed, else the AI's or what stands in for it."""
        item = self.desk.item if self.desk else None
        if item is None:
            return None
        if self.panel is Outcome.KEEP_MANUAL and item.manual is not None:
            return item.manual.value
        typed = self.value("final")
        if typed is not None:
            return typed
        return item.ai.value if item.ai else self.desk.stand_in if self.desk else None

    @property
    def overrides(self) -> bool:
        """Whether the final value as the form has it goes against the AI, so that it needs a reason."""
        item = self.desk.item if self.desk else None
        if item is None or item.ai is None or self.panel not in (Outcome.ADJUST, Outcome.KEEP_MANUAL):
            return False
        return self.final is not None and is_override(self.final, item.ai.value, item.tolerance)

    @property
    def asks_why(self) -> bool:
        """Whether the choice as the form has it comes with a reason: asked always where the AI's value is not shown."""
        return self.is_blind or self.overrides

    @property
    def reason(self) -> Reason | None:
        """The reason as the form has it; None while no code is chosen."""
        return reason_in(self.draft)

    def typed(self, form: str, name: str) -> None:
        """A field changed: keep the draft, and open *Adjust* when the final value was typed over."""
        if form != self.form:
            return
        value = st.session_state.get(self.widget(name))
        if name == "final":
            self.final_before = self.final, monotonic()
        self.draft[name] = value.isoformat() if isinstance(value, date) else value
        if name == "final" and self.panel in (None, Outcome.ACCEPT_AI):
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

"""One director's desk at the Reconcile screen: the period that lies open, what was typed over, what each button does.

What was typed is kept by item, not by row: it outlives a fresh look at the period, and is compared with whatever stands
there then.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
import streamlit as st

from review_queue.errors import ItemAlreadyDecided, ReviewError, StaleContent
from review_queue.items import OPEN_STATES, Reason
from review_queue.reasons import advice
from review_queue.reconciling import Take, effect
from review_queue.rules import is_override
from storage.engine import Database
from storage.reconciling import Cycle
from storage.workflows import Workflow
from workbench.actions import reconciling
from workbench.actions.reconciling import Edit, Reconciliation
from workbench.parts import counted

FINAL, MANUAL = "plan", "manual"
#: Columns of the leaves that can be typed over.
TYPED = (FINAL, MANUAL)


@dataclass(frozen=True)
class Said:
    """What the page says about the last press."""

    kind: Literal["saved", "warning", "error"]
    sentence: str
    about: Literal["numbers", "closing"] = "numbers"


@dataclass(eq=False)
class ReconcileDesk:
    """What the session remembers between two runs of the Reconcile screen."""

    database: Database
    person_id: int
    workflow: Workflow
    period: str = ""
    seen: Reconciliation | None = None
    typed: dict[int, dict[str, float]] = field(default_factory=dict)  #: item → column → value
    drawn: pd.DataFrame | None = None  #: the leaves in the table, row by row, as they were drawn
    form: str = field(default_factory=lambda: secrets.token_hex(8))  #: names the table and the reason that are drawn
    said: Said | None = None
    is_locking: bool = False
    is_pressed: bool = False  #: a press changed what stands elsewhere on the page

    # --- looking -------------------------------------------------------------------------------------------------

    def look(self, period: str) -> Reconciliation:
        """Read the period afresh; what was typed stays typed."""
        if period != self.period:
            self.typed, self.drawn, self.is_locking = {}, None, False
            self.period, self.form = period, secrets.token_hex(8)
        self.seen = reconciling.look(**self._mine(), period=period)
        return self.seen

    @property
    def leaves(self) -> pd.DataFrame:
        assert self.seen is not None  # noqa: S101 -- asked for a period that is drawn
        return self.seen.leaves

    @property
    def open_items(self) -> pd.DataFrame:
        return self.leaves[self.leaves["state"].isin(list(OPEN_STATES))]

    # --- typing --------------------------------------------------------------------------------------------------

    def type_over(self, changed: dict[int, dict[str, Any]]) -> None:
        """Take what the table says was typed: row number → column → value."""
        if self.drawn is None:
            return
        standing = self.leaves.set_index("item")
        for row, columns in changed.items():
            item = int(self.drawn["item"].iloc[row])
            for column, value in columns.items():
                is_same = value is None or item not in standing.index or standing.loc[item, column] == value
                mine = self.typed.setdefault(item, {})
                if is_same:
                    mine.pop(column, None)
                else:
                    mine[column] = float(value)
        self.typed = {item: columns for item, columns in self.typed.items() if columns}

    def values(self, column: str) -> dict[int, float]:
        """Item → value, of what was typed into a column."""
        return {item: columns[column] for item, columns in self.typed.items() if column in columns}

    @property
    def effect(self) -> pd.DataFrame:
        """What the typed values do to every total that they reach."""
        return effect(self.leaves, finals=self.values(FINAL), manuals=self.values(MANUAL))

    @property
    def overrides(self) -> list[int]:
        """The items whose typed final value goes against the AI, so that a reason is asked."""
        ai, tolerance = self.leaves.set_index("item")["ai"], self.workflow.policy.tolerance
        return [
            item
            for item, value in self.values(FINAL).items()
            if item in ai.index and pd.notna(ai[item]) and is_override(value, float(ai[item]), tolerance)
        ]

    def widget(self, name: str) -> str:
        """The key of a widget of the form that is drawn."""
        return f"{name}-{self.form}"

    @property
    def reason(self) -> Reason | None:
        """The reason as the form has it; None while no code is chosen."""
        kept = st.session_state
        code = kept.get(self.widget("code"))
        if not code:
            return None
        text, until = kept.get(self.widget("text")) or "", kept.get(self.widget("valid-until"))
        return Reason(code, text=text.strip(), valid_until=until, paired_period=kept.get(self.widget("paired")))

    @property
    def doubts(self) -> list[str]:
        """What to look at again before saving; nothing here stops it."""
        reason = self.reason
        if reason is None:
            return []
        rows = self.leaves.set_index("item")
        found = {
            sentence: None
            for item, value in self.values(FINAL).items()
            if item in rows.index
            for sentence in advice(
                reason,
                adjustment=_known(value - rows.loc[item, "ai"]),
                u=_known(rows.loc[item, "u"]),
            )
        }
        return list(found)

    # --- the buttons ---------------------------------------------------------------------------------------------

    def save(self) -> None:
        """A press of *Save changes*: manual forecasts first, then the final values that rest on them."""
        manuals, finals = self._edits(MANUAL), self._edits(FINAL)
        try:
            if manuals:
                note = st.session_state.get(self.widget("manual-note")) or ""
                reconciling.set_manuals(**self._mine(), edits=manuals, note=note)
                self._forget(MANUAL)
                self.seen = reconciling.look(**self._mine(), period=self.period)
                finals = self._edits(FINAL)
            if finals:
                reconciling.set_finals(**self._mine(), edits=finals, reason=self.reason, key=self.form)
                self._forget(FINAL)
        except (StaleContent, ItemAlreadyDecided) as refusal:
            self._look_again()
            self.said = Said("warning", f"{refusal} What you typed is still here, beside the numbers of now.")
        except ReviewError as refusal:
            self.said = Said("error", str(refusal))
        else:
            parts = [
                counted(len(edits), name) for edits, name in ((finals, "final value"), (manuals, "manual forecast"))
            ]
            said = " and ".join(part for part in parts if not part.startswith("0 "))
            self.said = Said("saved", f"Saved: {said}.")
            self._look_again()

    def discard(self) -> None:
        """A press of *Discard*."""
        self.typed, self.said = {}, None
        self._look_again()

    def submit(self, path: str) -> None:
        """A press of *Submit*."""
        note = st.session_state.get(f"submit-note-{self.period}") or ""
        asked = {**self._mine(), "period": self.period, "segment_path": path, "note": note}
        self._press("Submitted.", lambda: reconciling.submit_period(**asked))

    def withdraw(self, submission_id: int) -> None:
        """A press of *Withdraw*."""
        note = st.session_state.get(f"withdraw-note-{submission_id}") or ""
        asked = {**self._mine(), "period": self.period, "submission_id": submission_id, "note": note}
        self._press("Withdrawn. It can be submitted again.", lambda: reconciling.withdraw_submission(**asked))

    def consider_lock(self, wanted: bool) -> None:
        """A press of *Lock period*, or of *Cancel* below what it says."""
        self.is_locking, self.said = wanted, None

    def lock(self, open_items: int) -> None:
        """A press of the button that locks for good, by what is chosen at that moment, drawn again or not."""
        take = st.session_state.get(f"take-{self.period}") or Take.AI
        note = st.session_state.get(f"lock-note-{self.period}") or ""
        asked = {**self._mine(), "period": self.period, "take": take, "open_items": open_items, "note": note}
        self._press(f"{self.period} is locked.", lambda: reconciling.lock_period(**asked))
        self.is_locking = False

    def _press(self, done: str, act: Any) -> None:
        try:
            act()
        except ReviewError as refusal:
            self.said = Said("error", str(refusal), "closing")
        else:
            self.said = Said("saved", done, "closing")
        self._look_again()

    def _edits(self, column: str) -> list[Edit]:
        rows = self.leaves.set_index("item")
        return [
            Edit(
                item,
                value,
                str(rows.loc[item, "content_hash"]),
                None if pd.isna(rows.loc[item, "decision"]) else int(rows.loc[item, "decision"]),
            )
            for item, value in self.values(column).items()
            if item in rows.index
        ]

    def _forget(self, column: str) -> None:
        for columns in self.typed.values():
            columns.pop(column, None)
        self.typed = {item: columns for item, columns in self.typed.items() if columns}

    def _look_again(self) -> None:
        self.drawn, self.form, self.is_pressed = None, secrets.token_hex(8), True
        self.look(self.period)

    def _mine(self) -> dict[str, Any]:
        return {"database": self.database, "person_id": self.person_id, "workflow": self.workflow}


def to_close(cycles: list[Cycle]) -> str:
    """The period that waits to be closed: the oldest one with open items, else the newest that is not locked."""
    unlocked = [cycle for cycle in cycles if cycle.locked_at is None]
    waiting = [cycle for cycle in unlocked if cycle.open_items]
    chosen = waiting[-1] if waiting else (unlocked or cycles)[0]
    return chosen.period


def reconcile_desk(database: Database, person_id: int, workflow: Workflow) -> ReconcileDesk:
    """This session's desk for ``workflow``; a new one for another person or workflow, or after a policy change."""
    kept = st.session_state.get("reconcile-desk")
    if isinstance(kept, ReconcileDesk) and (kept.person_id, kept.workflow) == (person_id, workflow):
        return kept
    fresh = ReconcileDesk(database, person_id, workflow)
    st.session_state["reconcile-desk"] = fresh
    return fresh


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)

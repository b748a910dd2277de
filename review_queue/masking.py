"""Who is shown what of other people's names and words: one table of field class and role, and what it makes of values.

Screens, exports and the HTTP interface ask the same ``Sight``, so what one hides the others hide too. A policy may
tighten the table under ``[masking]``, and never loosen it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel

from review_queue.roles import Grant, Role

T = TypeVar("T")


class FieldClass(StrEnum):
    """What a field tells."""

    PERSON = "person"  #: the name of somebody
    TEXT = "text"  #: what people wrote: notes, comments, the words of a reason
    RATIONALE = "rationale"  #: what the AI said of its forecast
    MONEY = "money"  #: what a gap is worth, and what a unit is worth


class Treatment(IntEnum):
    """How a field is given, the openest first."""

    SHOWN = 0
    MASKED = 1  #: a stand-in: the same for the same person; "(hidden)" for words
    LEFT_OUT = 2  #: nothing at all

    @classmethod
    def of(cls, word: str) -> Treatment:
        """The treatment that a policy calls by this word."""
        return cls[word.strip().upper().replace(" ", "_")]


HIDDEN = "(hidden)"
_OPEN = (Treatment.SHOWN, Treatment.SHOWN)

#: Role × field class → in a whole workflow, in a part of one. Whoever works on forecasts reads what was said of them.
#: Administrators look after accounts and data, and need nobody's words for it; a program of a part needs no names.
TABLE: dict[Role, dict[FieldClass, tuple[Treatment, Treatment]]] = {
    Role.REVIEWER: dict.fromkeys(FieldClass, _OPEN),
    Role.DIRECTOR: dict.fromkeys(FieldClass, _OPEN),
    Role.MANAGER: dict.fromkeys(FieldClass, _OPEN),
    Role.OWNER: dict.fromkeys(FieldClass, _OPEN),
    Role.AUDITOR: dict.fromkeys(FieldClass, _OPEN),
    Role.ADMINISTRATOR: {
        FieldClass.PERSON: _OPEN,
        FieldClass.TEXT: (Treatment.MASKED, Treatment.MASKED),
        FieldClass.RATIONALE: (Treatment.MASKED, Treatment.MASKED),
        FieldClass.MONEY: _OPEN,
    },
    Role.INTEGRATOR: {
        FieldClass.PERSON: (Treatment.SHOWN, Treatment.MASKED),
        FieldClass.TEXT: _OPEN,
        FieldClass.RATIONALE: _OPEN,
        FieldClass.MONEY: _OPEN,
    },
}

Tightened = Mapping[FieldClass, Mapping[Role, Treatment]]

_P, _T, _R, _M = FieldClass.PERSON, FieldClass.TEXT, FieldClass.RATIONALE, FieldClass.MONEY

#: Field of a value → what it tells, as ``Class.field``. What is not here is shown to whoever may see the value.
FIELDS: dict[str, FieldClass] = {
    **dict.fromkeys(("Item.holder_name", "Item.assigned_name", "Forecast.author", "Decision.actor_name"), _P),
    **dict.fromkeys(("Skip.name", "Reopening.name", "Comment.author", "Comment.told", "Mention.author"), _P),
    **dict.fromkeys(("Screen.manual_by", "Screen.owner", "Became.by", "LeftOut.by", "Told.by_name"), _P),
    **dict.fromkeys(("Submission.submitted_by", "Snapshot.locked_by", "Cycle.locked_by"), _P),
    **dict.fromkeys(("Forecast.note", "Decision.note", "Reason.text", "Reason.source_ref", "Skip.note"), _T),
    **dict.fromkeys(("Reopening.note", "Comment.body", "Mention.body", "LeftOut.reason", "Told.note", "Why.text"), _T),
    **dict.fromkeys(("Submission.note", "Snapshot.note"), _T),
    **dict.fromkeys(("Alert.owner", "Alert.acknowledged_by", "Alert.explained_by", "Alert.closed_by"), _P),
    **dict.fromkeys(("Candidate.name", "Candidate.deputy", "Happening.noted_by", "SavedView.owner"), _P),
    **dict.fromkeys(("Alert.explanation", "Happening.what"), _T),
    **dict.fromkeys(("SetAside.sentence", "SetAside.cells"), _T),  # they quote what people wrote
    **dict.fromkeys(("Incident.owner", "Incident.opened_by", "Incident.closed_by", "Event.by", "PathTest.by"), _P),
    **dict.fromkeys(("Incident.title", "Incident.closing_note", "Event.said", "Handover.note", "Chosen.note"), _T),
    **dict.fromkeys(("Handover.owner_before", "Handover.owner", "Handover.deputy_before", "Handover.deputy"), _P),
    **dict.fromkeys(("Handover.by", "Chosen.by", "Opening.by", "PolicyVersion.author", "Found.actor"), _P),
    **dict.fromkeys(("Foreseen.taker", "Foreseen.told", "Escalated.assigned_to", "Escalated.told"), _P),
    **dict.fromkeys(("Receiver.created_by_name", "Receiver.approved_by_name"), _P),
    **dict.fromkeys(("Policy.owner", "Policy.deputy"), _P),
    "Forecast.rationale": _R,
    "Divergence.money": _M,
}
#: Column of a table or of an export → what it tells.
COLUMNS: dict[str, FieldClass] = {
    **dict.fromkeys(("decided_by", "actor", "resolved_by", "owner", "holder", "assigned", "by", "reviewer"), _P),
    **dict.fromkeys(("person", "overruled_by", "given_by", "author"), _P),
    **dict.fromkeys(("note", "reason_text", "reason_source", "comment"), _T),
    **dict.fromkeys(("sentence", "cells"), _T),  # of rows set aside: they quote what people wrote
    "ai_rationale": _R,
    **dict.fromkeys(("money", "value_per_unit"), _M),
}


@dataclass(frozen=True)
class Sight:
    """What somebody is shown of each field class, and the key that names are masked with."""

    of: Mapping[FieldClass, Treatment]
    key: bytes = b""

    @property
    def is_clear(self) -> bool:
        """Whether nothing is hidden."""
        return not any(self.of.values())

    def text(self, field_class: FieldClass, value: Any) -> Any:
        """One value of a field class as it is to be shown; None and empty text stay what they are."""
        treatment = self.of[field_class]
        if treatment is Treatment.SHOWN or value is None or value == "":
            return value
        if field_class is FieldClass.MONEY:
            return None  # a stand-in for a number would be taken for one
        if treatment is Treatment.LEFT_OUT:
            return "" if isinstance(value, str) else type(value)() if isinstance(value, tuple | dict) else None
        if field_class is not FieldClass.PERSON:
            return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN
        return tuple(self._stand_in(name) for name in value) if isinstance(value, tuple) else self._stand_in(value)

    def _stand_in(self, name: str) -> str:
        return f"Person {hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:6]}"


#: Of whoever is shown everything.
CLEAR = Sight(dict.fromkeys(FieldClass, Treatment.SHOWN))


def sight_of(
    grants: Iterable[Grant], workflow_id: int, tightened: Tightened | None = None, *, key: bytes = b""
) -> Sight:
    """What the holder of these grants is shown in a workflow: the openest that one of their roles there gives.

    A role that the policy tightens is tightened first; whoever also holds another one keeps what that one shows.
    """
    here = [grant for grant in grants if grant.workflow_id in (None, workflow_id)]
    found = {}
    for field_class in FieldClass:
        said = [_treatment(grant, field_class, tightened or {}) for grant in here]
        found[field_class] = min(said, default=Treatment.LEFT_OUT)
    return Sight(found, key)


def _treatment(grant: Grant, field_class: FieldClass, tightened: Tightened) -> Treatment:
    whole, part = TABLE[grant.role][field_class]
    usual = whole if grant.segment_path is None else part
    return max(usual, tightened.get(field_class, {}).get(grant.role, Treatment.SHOWN))


def masked(value: T, sight: Sight) -> T:
    """``value`` as ``sight`` shows it: frozen values, policies, tables, and lists, tuples and mappings of them."""
    return value if sight.is_clear else _masked(value, sight)


def _masked(value: Any, sight: Sight) -> Any:
    if isinstance(value, pd.DataFrame):
        return _table(value, sight)
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_masked(each, sight) for each in value)
    if isinstance(value, dict):
        return {name: _masked(each, sight) for name, each in value.items()}
    if isinstance(value, BaseModel):
        return _model(value, sight)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed = {}
    for field in fields(value):
        before = getattr(value, field.name)
        field_class = FIELDS.get(f"{type(value).__name__}.{field.name}")
        after = _masked(before, sight) if field_class is None else sight.text(field_class, before)
        if after is not before:
            changed[field.name] = after
    return replace(value, **changed) if changed else value


def _model(value: BaseModel, sight: Sight) -> BaseModel:
    """A policy: what it says of somebody keeps a word, so that nobody seems to be nobody."""
    names = {name: FIELDS.get(f"{type(value).__name__}.{name}") for name in type(value).model_fields}
    hidden = {
        name: sight.text(field_class, before) or HIDDEN
        for name, field_class in names.items()
        if field_class is not None and sight.of[field_class] and (before := getattr(value, name))
    }
    return value.model_copy(update=hidden) if hidden else value


def _table(table: pd.DataFrame, sight: Sight) -> pd.DataFrame:
    hidden = {
        name: [sight.text(COLUMNS[name], cell) for cell in _known(table[name])]
        for name in table.columns
        if name in COLUMNS and sight.of[COLUMNS[name]]
    }
    return table.assign(**hidden) if hidden else table


def _known(column: pd.Series) -> pd.Series:
    return column.astype("object").where(column.notna(), None)

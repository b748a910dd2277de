"""What leaves: the columns of each kind of export, text made harmless for spreadsheets, people behind a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: The shape of the exports below. It rises when a column is renamed, dropped or changes its meaning.
SCHEMA_VERSION = 1

NEUTRALISED = (
    "Text that a spreadsheet would run has an apostrophe before it in CSV and XLSX: text that begins, after spaces, "
    "control characters and apostrophes, with = + - @ | % or their full-width forms, or with a tab, a line break or "
    "NUL. Take one apostrophe away to have it back. Numbers are numbers. Parquet and JSON Lines hold the exact text."
)


class ExportKind(StrEnum):
    """What one row of an export is."""

    DECISIONS = "decisions"  #: one decision, also one that no longer stands
    OVERRIDES = "overrides"  #: one override that stands, with its reason
    LABELS = "labels"  #: one final decision that stands, with what was known then and what came true
    AUDIT = "audit"  #: one audit event
    SET_ASIDE = "set-aside"  #: one row that an import did not trust
    WRITE_BACK = "write-back"  #: one row of a file of forecasts that was decided, in the shape in which it came


class Format(StrEnum):
    """How a file is written, by the ending of its name."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    JSON_LINES = "jsonl"


class Holds(StrEnum):
    """What the cells of an exported column hold."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE = "whole number"
    TRUTH = "true or false"
    TIME = "time, UTC"
    DATE = "date"
    JSON = "JSON"
    AS_CAME = "text as it came in"  #: also numbers, which spreadsheets get as numbers where that is exact


@dataclass(frozen=True, slots=True)
class Out:
    """One column of an export."""

    name: str
    holds: Holds = Holds.TEXT


def _out(holds: Holds, *names: str) -> tuple[Out, ...]:
    return tuple(Out(name, holds) for name in names)


SEGMENTS = Out("segment_")  #: stands for one column a level of the workflow, outermost first
_WHAT = (Out("series"), Out("period"), SEGMENTS)
_SHOWN = (
    *_out(Holds.NUMBER, "ai", "ai_low", "ai_high", "ai_level"),
    Out("model_version"),
    *_out(Holds.NUMBER, "manual", "naive", "gap", "money", "usual_miss", "u"),
    Out("band"),
    Out("flagged", Holds.TRUTH),
    Out("lane", Holds.WHOLE),
    *_out(Holds.NUMBER, "score", "hours_to_deadline"),
    Out("queue_length", Holds.WHOLE),
    Out("mode"),
    Out("initial_value", Holds.NUMBER),
    Out("knew_more", Holds.TRUTH),
    Out("is_degraded", Holds.TRUTH),
    Out("withheld"),
)
_WHY = (
    Out("reason_code"),
    Out("secondary_codes", Holds.JSON),
    Out("direction"),
    *_out(Holds.NUMBER, "effect_low", "effect_mid", "effect_high"),
    Out("confidence", Holds.WHOLE),
    *_out(Holds.DATE, "valid_from", "valid_until"),
    *_out(Holds.TEXT, "source_type", "already_in_model"),
    Out("controllable", Holds.TRUTH),
    Out("paired_period"),
)
#: Free text, which labels leave out unless it is asked for.
TEXTS = _out(Holds.TEXT, "reason_text", "reason_source", "note")
_TAKEN = _out(Holds.TIME, "claimed_at", "opened_at", "first_evidence_at", "decided_at")

COLUMNS: dict[ExportKind, tuple[Out, ...]] = {
    ExportKind.DECISIONS: (
        *_out(Holds.WHOLE, "decision", "item"),
        *_WHAT,
        *_out(Holds.WHOLE, "round", "stage"),
        *_out(Holds.TEXT, "act", "outcome"),
        Out("final", Holds.NUMBER),
        *_out(Holds.TRUTH, "stands", "is_override", "is_provisional"),
        Out("reason_code"),
        Out("note"),
        *_out(Holds.WHOLE, "supersedes", "opposite_of"),
        Out("decided_by"),
        *_TAKEN,
        *_SHOWN,
        Out("policy_version", Holds.WHOLE),
        *_out(Holds.TEXT, "owner", "content_hash"),
    ),
    ExportKind.OVERRIDES: (
        *_out(Holds.WHOLE, "decision", "item"),
        *_WHAT,
        Out("outcome"),
        Out("final", Holds.NUMBER),
        *_WHY,
        *TEXTS,
        Out("decided_by"),
        Out("decided_at", Holds.TIME),
        *_SHOWN,
        *_out(Holds.TEXT, "reason_outcome"),
        Out("realised_effect", Holds.NUMBER),
    ),
    ExportKind.LABELS: (
        Out("decision", Holds.WHOLE),
        *_WHAT,
        Out("horizon", Holds.WHOLE),
        *_out(Holds.TIME, "created_at", "due_at", "decided_at"),
        Out("value_per_unit", Holds.NUMBER),
        Out("currency"),
        *_SHOWN,
        Out("stage", Holds.WHOLE),
        Out("outcome"),
        Out("final", Holds.NUMBER),
        Out("is_override", Holds.TRUTH),
        *_WHY,
        *TEXTS,
        Out("decided_by"),
        Out("actual", Holds.NUMBER),
        Out("actual_final_at", Holds.TIME),
        Out("is_lower_bound", Holds.TRUTH),
        Out("reason_outcome"),
        Out("realised_effect", Holds.NUMBER),
    ),
    ExportKind.AUDIT: (
        *_out(Holds.WHOLE, "seq", "event"),
        Out("at", Holds.TIME),
        Out("actor_id", Holds.WHOLE),
        *_out(Holds.TEXT, "actor", "action"),
        *_out(Holds.WHOLE, "workflow_id", "item", "decision"),
        Out("details", Holds.JSON),
        *_out(Holds.TEXT, "event_hash", "previous_hash", "hash"),
    ),
    ExportKind.SET_ASIDE: (
        *_out(Holds.WHOLE, "id", "batch"),
        *_out(Holds.TEXT, "file", "kind"),
        Out("imported_at", Holds.TIME),
        Out("row", Holds.WHOLE),
        *_out(Holds.TEXT, "column", "code", "sentence", "status"),
        Out("resolved_by"),
        Out("resolved_at", Holds.TIME),
        Out("cells", Holds.JSON),
    ),
}
#: What a file that is written back has behind its own columns, unless the final value goes into one of these.
ADDED = (
    Out("final_forecast", Holds.NUMBER),
    *_out(Holds.TEXT, "outcome", "reason_code", "decided_by"),
    Out("decided_at", Holds.TIME),
)


def columns_of(kind: ExportKind, levels: Sequence[str], *, with_text: bool = True) -> tuple[Out, ...]:
    """The columns of an export, with one for each level of the workflow; ``write-back`` has those of its file."""
    left_out = () if with_text else TEXTS
    found: list[Out] = []
    for column in COLUMNS[kind]:
        if column is SEGMENTS:
            found += [Out(SEGMENTS.name + level) for level in levels]
        elif column not in left_out:
            found.append(column)
    return tuple(found)


def written_back(headers: Sequence[str], *, into: str | None) -> tuple[Out, ...]:
    """The columns of a file that is written back: its own in their order, then ``ADDED`` unless ``into`` names one."""
    own = tuple(Out(header, Holds.AS_CAME) for header in headers)
    return own if into is not None else own + tuple(Out(_unlike(headers, out.name), out.holds) for out in ADDED)


def _unlike(headers: Sequence[str], name: str) -> str:
    taken = {header.casefold() for header in headers}
    names = [name, f"review_{name}", *(f"review_{name}_{number}" for number in range(2, len(headers) + 3))]
    return next(each for each in names if each.casefold() not in taken)


_SIGN = r"=+\-@|%＝＋－＠｜％"
_RUN = re.compile(rf"'*(?:[\t\r\n\x00]|[\s\ufeff\x00-\x20]*[{_SIGN}])")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
NUMBER_BY_COMMA = re.compile(
    r"[+-]?(([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?"  # 1234,5 and 1.234,5
)


def inert(text: str) -> str:
    """``text`` so that no spreadsheet runs it; ``restored`` takes that back. The rule is told in ``NEUTRALISED``.

    Source: OWASP, CSV Injection; ASVS 5.0, 1.2.10.
    """
    return f"'{text}" if _RUN.match(text) else text


def restored(text: str) -> str:
    """What ``inert`` was given."""
    return text[1:] if text.startswith("'") and _RUN.match(text[1:]) else text


@dataclass(frozen=True, slots=True)
class Mask:
    """People as keyed hashes: the same person is the same text under one key, and nobody without it."""

    key: bytes

    def of(self, person: str) -> str:
        """Sixteen hexadecimal digits of HMAC-SHA256."""
        return hmac.new(self.key, person.encode(), hashlib.sha256).hexdigest()[:16]

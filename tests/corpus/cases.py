"""What a file of the corpus is, and what must become of it: written down by whoever made it, never read from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.foreign.facts import Choices

HEADER = ("series", "period", "ai_forecast", "ai_rationale")
#: Rows that many things have been done to: an id is text, whatever it looks like.
IDS = (
    ("00123", "2026-12", "1.5", "leading zeros"),
    ("NA", "2026-12", "-2", "no missing value"),
    ("1e5", "2026-12", "0.1", "no number"),
    ("TRUE", "2026-12", "12345.678", "no flag"),
    ("2026-01-02", "2026-12", "1e3", "no date"),
)


@dataclass(frozen=True, slots=True)
class In:
    """A row that must go in, exactly."""

    series: str
    value: float
    note: str | None = None
    period: str = "2026-12"


@dataclass(frozen=True, slots=True)
class Aside:
    """A row that must be set aside, and why."""

    row: int
    column: str
    code: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that must be refused, and why."""

    code: str
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True)
class Case:
    """A file of forecasts, and what must become of it."""

    name: str
    content: bytes
    rows: tuple[In | Aside, ...] = ()
    refused: Refused | None = None
    choices: Choices = field(default_factory=Choices)


def goes_in(rows: tuple[tuple[str, ...], ...] = IDS) -> tuple[In, ...]:
    """What rows of text must become."""
    return tuple(In(series, float(value), note or None, period) for series, period, value, note in rows)

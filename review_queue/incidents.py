"""Incidents: how grave, what can happen in one, and how long they take to close. No database, no clock."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How grave an incident is."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class Happened(StrEnum):
    """What a line of an incident's timeline tells."""

    OPENED = "opened"
    COMMENT = "comment"
    CHANGED = "changed"  #: owner, severity or what it touches
    AI_PAUSED = "ai_paused"
    AI_RESUMED = "ai_resumed"
    ESCALATED = "escalated"  #: an item of it went up, by a person or by the ladder
    CLOSED = "closed"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class TimeToClose:
    """How long incidents took."""

    median_hours: float | None  #: by the clock on the wall; None where none was closed
    n: int  #: closed incidents


def time_to_close(spans: Iterable[tuple[datetime, datetime | None]]) -> TimeToClose:
    """The median time from opening to closing; what is open does not count, one reopened counts to its last closing."""
    hours = [(closed - opened).total_seconds() / 3600 for opened, closed in spans if closed is not None]
    return TimeToClose(statistics.median(hours) if hours else None, len(hours))

"""The feed that brings the AI's forecasts: when it counts as late or failing, and what stands in for it meanwhile.

While it is out, nothing waits for it: items go on with the fallback that the policy names, and what is decided on them
is marked degraded. It is back with the first AI forecast that comes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: Pulls that fail one after another before the feed counts as failing: one may fail for a moment's reason.
FAILURES = 3


class Fallback(StrEnum):
    """What stands in for the AI's value while its feed is out."""

    NAIVE = "naive"  #: the naive forecast; the AI's value, which is not of today, is not shown
    LAST_VERSION = "last_version"  #: the last value that came, marked as such
    NONE = "none"  #: nothing; people decide without


class Outage(StrEnum):
    """Why the feed is out."""

    LATE = "late"  #: no AI forecast came for longer than the policy allows
    FAILING = "failing"  #: the source that it is pulled from failed ``FAILURES`` times since the last one came


@dataclass(frozen=True, slots=True)
class Feed:
    """What is known of a workflow's feed."""

    last_at: datetime | None  #: UTC; when the last AI forecast came; None before the first
    failures: int = 0  #: pulls of forecasts that failed since then, one after another

    def hours(self, now: datetime) -> float | None:
        """Hours since the last AI forecast came; None before the first."""
        return None if self.last_at is None else (now - self.last_at) / timedelta(hours=1)


def outage(feed: Feed, *, late_hours: float | None, now: datetime) -> Outage | None:
    """Whether the feed is out, and why. One that never brought anything is not out: it has not begun.

    Args:
        late_hours: hours without an AI forecast after which it is late; None: it never is.
        now: UTC.
    """
    hours = feed.hours(now)
    if hours is None:
        return None
    if feed.failures >= FAILURES:
        return Outage.FAILING
    return Outage.LATE if late_hours is not None and hours > late_hours else None


def sentence(out: Outage, feed: Feed, *, late_hours: float | None, fallback: Fallback, now: datetime) -> str:
    """What people are told while the feed is out."""
    since = "has not come yet" if feed.last_at is None else f"came {_ago(now - feed.last_at)} ago"
    if out is Outage.FAILING:
        why = f"The AI's feed is failing: its source failed {feed.failures} times, and the last forecast {since}."
    else:
        why = f"The AI's feed is late: the last forecast {since}, and {_span(late_hours or 0)} are allowed."
    return f"{why} {GOES_ON[fallback]} Decisions are marked degraded."


GOES_ON = {
    Fallback.NAIVE: "Items go on with the naive forecast in its place.",
    Fallback.LAST_VERSION: "Items go on with the last values that came.",
    Fallback.NONE: "Items go on without the AI's value.",
}


def _ago(passed: timedelta) -> str:
    return _span(max(passed / timedelta(hours=1), 0.0))


def _span(hours: float) -> str:
    """A stretch of time: hours below two days, then days."""
    if hours < 48:
        return "1 hour" if round(hours, 1) == 1 else f"{hours:.3g} hours"
    return f"{hours / 24:.3g} days"

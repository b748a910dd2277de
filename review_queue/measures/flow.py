"""What comes in, what is decided and what waits, day by day (METHODS 5.3, 5.4).

Days are those of the workflow's time zone, written as its naive midnight.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.calendars import BusinessCalendar

ARRIVED, STARTED, LEFT = "arrived", "started", "left"
STEPS = (ARRIVED, STARTED, LEFT)
WINDOW_DAYS = 28  #: four weeks


def events_of(reviews: pd.DataFrame) -> pd.DataFrame:
    """What happened to each review, as events: ``at`` (UTC) and ``step``, one of ``STEPS``.

    A review leaves when it is decided or withdrawn. One that nobody was seen to start passes through ``started`` as
    it leaves, and none is started before it has arrived or after it has left, so that no band of the chart is
    negative.

    Args:
        reviews: ``created_at``, ``started_at``, ``decided_at`` and ``withdrawn_at``, UTC.
    """
    arrived = reviews["created_at"]
    left = reviews["decided_at"].combine_first(reviews["withdrawn_at"])
    left = left.mask(left < arrived, arrived)
    started = reviews["started_at"].combine_first(left)
    started = started.mask(started < arrived, arrived).mask(started > left, left)
    parts = [pd.DataFrame({"at": at, "step": step}) for at, step in zip((arrived, started, left), STEPS, strict=True)]
    return pd.concat(parts, ignore_index=True).dropna(subset=["at"])


def cumulative_flow(events: pd.DataFrame, *, start: datetime, end: datetime, timezone: str) -> pd.DataFrame:
    """How many had arrived, been started and left by the end of each day. The counts never dip.

    Args:
        events: ``at`` (UTC) and ``step``; of a log in which an item comes back, each return is an arrival of its own.
        start: the first day is the one in which this instant (UTC) lies; what came before it counts.
        end: the same for the last day; events after this instant do not count.

    Returns:
        One row per calendar day: ``day``, and a count for each of ``STEPS``.
    """
    known = events[events["at"] <= pd.Timestamp(end)]
    days = _days(start, end, timezone)
    happened = local_days(known["at"], timezone)
    counts = {step: np.searchsorted(_sorted(happened[known["step"] == step]), days, side="right") for step in STEPS}
    return pd.DataFrame({"day": days, **counts})


def per_day(
    reviews: pd.DataFrame, *, start: datetime, end: datetime, timezone: str, calendar: BusinessCalendar | None = None
) -> pd.DataFrame:
    """What came in and what was decided on each day, and what was open when it ended.

    Args:
        reviews: ``created_at``, ``decided_at`` and ``withdrawn_at``, UTC.
        start: the first day is the one in which this instant (UTC) lies.
        end: the same for the last day; the last day ends at this instant.
        calendar: which days are worked; without one every day is.

    Returns:
        One row per calendar day: ``day``, ``arrivals``, ``decisions``, ``withdrawals``, ``open`` (when the day ended)
        and ``working``.
    """
    days = _days(start, end, timezone)
    withdrawn = reviews["withdrawn_at"].where(reviews["decided_at"].isna())
    ends = {"arrivals": reviews["created_at"], "decisions": reviews["decided_at"], "withdrawals": withdrawn}
    before, on = {}, {}
    for name, times in ends.items():
        happened = _sorted(local_days(times[times <= pd.Timestamp(end)], timezone))
        until = np.searchsorted(happened, days, side="right")
        before[name] = int(np.searchsorted(happened, days[:1], side="left")[0])
        on[name] = np.diff(until, prepend=before[name])
    first = before["arrivals"] - before["decisions"] - before["withdrawals"]
    table = pd.DataFrame({"day": days, **on})
    table["open"] = first + (table["arrivals"] - table["decisions"] - table["withdrawals"]).cumsum()
    table["working"] = True if calendar is None else _worked(days, calendar)
    return table


def net_flow(days: pd.DataFrame, *, window: int = WINDOW_DAYS) -> pd.DataFrame:
    """Arrivals and decisions a day over the four weeks up to each day, and by how much the queue grows.

    Args:
        days: as ``per_day`` gives them, every calendar day once.
        window: calendar days.

    Returns:
        ``day``, ``arrivals``, ``decisions`` (each a calendar day) and ``net`` (arrivals minus decisions); NaN until the
        window is full. Source: METHODS 5.3.
    """
    ordered = days.sort_values("day", ignore_index=True)
    means = ordered[["arrivals", "decisions"]].rolling(window).mean()
    return means.assign(net=means["arrivals"] - means["decisions"]).assign(day=ordered["day"])[
        ["day", "arrivals", "decisions", "net"]
    ]


def local_days(times: pd.Series, timezone: str) -> pd.Series:
    """The day, as a naive midnight, that each instant (UTC) falls on in ``timezone``."""
    days: pd.Series = times.dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()
    return days


def _days(start: datetime, end: datetime, timezone: str) -> pd.DatetimeIndex:
    ends = local_days(pd.to_datetime(pd.Series([start, end]), utc=True), timezone)
    return pd.date_range(ends[0], ends[1], freq="D", unit="us")


def _sorted(days: pd.Series) -> NDArray[np.datetime64]:
    return np.sort(days.dropna().to_numpy("datetime64[us]"))


def _worked(days: pd.DatetimeIndex, calendar: BusinessCalendar) -> NDArray[np.bool_]:
    opens = days.tz_localize(calendar.timezone, ambiguous=np.ones(len(days), bool), nonexistent="shift_forward")
    closes = (days + pd.Timedelta(days=1)).tz_localize(
        calendar.timezone, ambiguous=np.ones(len(days), bool), nonexistent="shift_forward"
    )
    hours = calendar.hours_between(pd.Series(opens), pd.Series(closes))
    return hours.to_numpy(float) > 0

"""Business hours: how much working time lies between two instants, in the workflow's own calendar.

Working days are laid end to end once, as a table of opening instants and cumulative lengths; any number of
rows is then looked up in it at once (METHODS 5.1). Days are opened and closed by the wall clock of the zone
and measured by elapsed time, so that a working night in which the clocks change counts what it lasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from review_queue.errors import WorkflowInvalid
from review_queue.workflows import Policy

#: No hours are counted outside of these years: the table stays small, and a deadline written as 9999-12-31
#: is simply far away.
FIRST_YEAR, LAST_YEAR = 1970, 2100

_HOUR = 3_600_000_000  # microseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Instants = NDArray[np.int64]  # microseconds since 1970 UTC


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """When people work: hours of the day, weekdays, public holidays and closed days, in one time zone."""

    timezone: str
    start_hour: float  #: of the day, by the wall clock
    end_hour: float
    weekdays: tuple[int, ...]  #: Monday is 0
    country: str | None = None  #: ISO code; its public holidays are closed
    subdivision: str | None = None
    closed: tuple[date, ...] = ()  #: further closed days

    @classmethod
    def of(cls, policy: Policy) -> BusinessCalendar:
        """The calendar that ``policy`` describes.

        Raises:
            WorkflowInvalid: the country or subdivision has no known holidays, or a closed day is no date.
        """
        rules = policy.calendar
        _check_country(policy)
        return cls(
            timezone=policy.timezone,
            start_hour=rules.start_hour,
            end_hour=rules.end_hour,
            weekdays=rules.weekdays,
            country=rules.country,
            subdivision=rules.subdivision,
            closed=tuple(_closed_day(day, policy) for day in rules.closed),
        )

    @property
    def day_hours(self) -> float:
        """Hours in an ordinary working day."""
        return self.end_hour - self.start_hour

    def hours_between(self, starts: pd.Series, ends: pd.Series | datetime) -> pd.Series:
        """Business hours from each start to its end; negative when the end comes first, NaN for NaT.

        Times without a zone are read as UTC. Any number of rows, without a loop over them.

        Raises:
            ValueError: ``ends`` is a series with another index than ``starts``.
        """
        if isinstance(ends, datetime):
            ends = pd.Series(pd.Timestamp(_in_utc(ends)), index=starts.index)
        elif not ends.index.equals(starts.index):
            raise ValueError("starts and ends need the same index")
        days = _working_days(self)
        first, last = _instants(starts), _instants(ends)
        hours = (days.elapsed(last) - days.elapsed(first)) / _HOUR
        missing = starts.isna().to_numpy() | ends.isna().to_numpy()
        return pd.Series(np.where(missing, np.nan, hours), index=starts.index, dtype="float64")

    def hours(self, start: datetime, end: datetime) -> float:
        """Business hours from ``start`` to ``end``, both aware; negative when ``end`` comes first."""
        instants = np.array([_instant(start), _instant(end)], dtype=np.int64)
        before, after = _working_days(self).elapsed(instants)
        return float(after - before) / _HOUR

    def add_hours(self, start: datetime, hours: float) -> datetime:
        """The first instant, in UTC, with ``hours`` business hours behind it since ``start``.

        A whole day therefore ends when work closes, not when it opens again.

        Raises:
            ValueError: ``hours`` is negative, or the calendar (to the year 2100) does not hold as many.
        """
        found = self.hours_after(start, hours)
        if found is None:
            raise ValueError(f"the calendar ends in {LAST_YEAR}, before {hours:g} business hours have passed")
        return found

    def hours_after(self, start: datetime, hours: float) -> datetime | None:
        """As ``add_hours``; None where the calendar does not hold as many.

        Raises:
            ValueError: ``hours`` is negative.
        """
        if not hours >= 0:
            raise ValueError("hours to add are 0 or more")
        days = _working_days(self)
        wanted = int(days.elapsed(np.array([_instant(start)], dtype=np.int64))[0]) + round(hours * _HOUR)
        if wanted > days.before[-1] + days.length[-1]:
            return None
        return _at(max(days.instant(wanted), _instant(start)) if hours else _instant(start))

    def hours_ago(self, now: datetime, hours: float) -> datetime:
        """The last instant, in UTC, since which ``hours`` business hours have passed by ``now``.

        What happened then or before lies ``hours`` or more behind; what happened later does not. It is the other way
        round of ``add_hours``: ``add_hours(start, hours) <= now`` exactly when ``start <= hours_ago(now, hours)``.

        Raises:
            ValueError: ``hours`` is negative, or the calendar (from the year 1970) does not hold as many.
        """
        if not hours >= 0:
            raise ValueError("hours to go back are 0 or more")
        if not hours:
            return _in_utc(now)
        days = _working_days(self)
        left = int(days.elapsed(np.array([_instant(now)], dtype=np.int64))[0]) - round(hours * _HOUR)
        if left < 0:
            raise ValueError(f"the calendar begins in {FIRST_YEAR}, after these {hours:g} business hours")
        day = int(np.searchsorted(days.before, left, side="right")) - 1
        return _at(int(days.opens[day]) + left - int(days.before[day]))

    def next_opening(self, day: date) -> datetime:
        """When work begins on ``day``, or on the first open day after it where it is closed; UTC.

        Beyond the years that are counted every day is open.
        """
        days = _working_days(self)
        place = int(np.searchsorted(days.opens, self._shown(day, 0.0), side="left"))
        is_counted = FIRST_YEAR <= day.year <= LAST_YEAR and place < len(days.opens)
        return _at(int(days.opens[place]) if is_counted else self._shown(day, self.start_hour))

    def last_close(self, day: date) -> datetime:
        """When work ends on ``day``, or on the last open day before it where it is closed; UTC.

        Beyond the years that are counted every day is open.
        """
        days = _working_days(self)
        place = int(np.searchsorted(days.opens, self._shown(day, 24.0), side="left")) - 1
        is_counted = FIRST_YEAR <= day.year <= LAST_YEAR and place >= 0
        return _at(int(days.opens[place] + days.length[place]) if is_counted else self._shown(day, self.end_hour))

    def _shown(self, day: date, hour: float) -> int:
        """The instant at which clocks first show ``hour`` on ``day``."""
        return int(_wall_clock(pd.DatetimeIndex([day]).as_unit("us"), hour, self.timezone)[0])


class _WorkingDays(NamedTuple):
    """Open days in order, shape (days,) each, in microseconds."""

    opens: Instants
    length: NDArray[np.int64]
    before: NDArray[np.int64]  # working time before this day opens

    def elapsed(self, instants: Instants) -> NDArray[np.int64]:
        """Working time from the first day of the table to each instant."""
        day = np.searchsorted(self.opens, instants, side="right") - 1
        day = np.maximum(day, 0)
        today: NDArray[np.int64] = np.clip(instants - self.opens[day], 0, self.length[day])
        return self.before[day] + today

    def instant(self, elapsed: int) -> int:
        """The first instant with this much working time behind it."""
        day = max(int(np.searchsorted(self.before, elapsed, side="left")) - 1, 0)
        return int(self.opens[day]) + elapsed - int(self.before[day])


@lru_cache(maxsize=32)
def _working_days(calendar: BusinessCalendar) -> _WorkingDays:
    days = pd.date_range(f"{FIRST_YEAR}-01-01", f"{LAST_YEAR}-12-31", unit="us")
    days = days[days.day_of_week.isin(calendar.weekdays)]
    days = days[~days.isin(pd.DatetimeIndex(sorted(_closed_days(calendar))))]
    opens = _wall_clock(days, calendar.start_hour, calendar.timezone)
    closes = _wall_clock(days, calendar.end_hour, calendar.timezone)
    # Where a zone crossed the date line a day is missing, and its neighbours must not reach into each other.
    next_opens = np.minimum.accumulate(np.append(opens[1:], closes[-1])[::-1])[::-1]
    length = np.minimum(closes, next_opens) - opens
    opens, length = opens[length > 0], length[length > 0]
    return _WorkingDays(opens, length, np.cumsum(length) - length)


def _closed_days(calendar: BusinessCalendar) -> set[date]:
    closed = set(calendar.closed)
    if calendar.country:
        years = range(FIRST_YEAR, LAST_YEAR + 1)
        closed |= set(holidays.country_holidays(calendar.country, subdiv=calendar.subdivision, years=years))
    return closed


def _wall_clock(days: pd.DatetimeIndex, hour: float, zone: str) -> Instants:
    """The instant at which clocks in ``zone`` first show ``hour`` on each day, or skip over it."""
    shown = (days + pd.Timedelta(hours=hour)).as_unit("us")
    first = np.ones(len(shown), dtype=bool)
    local = shown.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    instants: Instants = local.as_unit("us").asi8
    return instants


def _instants(times: pd.Series) -> Instants:
    """Microseconds since 1970 UTC; NaT as some number, to be masked by the caller."""
    aware = pd.to_datetime(times, utc=True).dt.as_unit("us")
    instants: Instants = pd.DatetimeIndex(aware).asi8
    return instants


def _instant(time: datetime) -> int:
    return (_in_utc(time) - _EPOCH) // timedelta(microseconds=1)


def _at(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("a time needs its zone")
    return time.astimezone(UTC)


def _check_country(policy: Policy) -> None:
    country, subdivision = policy.calendar.country, policy.calendar.subdivision
    if country is None and subdivision is not None:
        raise WorkflowInvalid(f"{policy.key}: calendar.subdivision needs calendar.country beside it.")
    if country is None:
        return
    try:
        holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError as error:
        raise WorkflowInvalid(
            f"{policy.key}: the public holidays of {' '.join(filter(None, (country, subdivision)))} "
            "are not known. Write the country as its ISO code, like DE, and the subdivision too, like BE."
        ) from error


def _closed_day(text: str, policy: Policy) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WorkflowInvalid(
            f"{policy.key}: calendar.closed holds {text!r}, which is not a date. Write it like 2025-12-24."
        ) from error

"""The time spans that are forecast: days, ISO weeks, months, quarters and years, as people write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

DAYS = 7  #: the season of days


@dataclass(frozen=True, slots=True)
class Period:
    """One time span, with the number of such spans after which its season returns."""

    text: str  #: canonical: 2025-03-31, 2025-03, 2025-W13, 2025-Q1 or 2025
    start: date
    end: date  #: exclusive
    season: int  #: 7 for days, 52 for weeks, 12 for months, 4 for quarters, 1 for years


@lru_cache(maxsize=4096)
def parse_period(text: str) -> Period:
    """The period that ``text`` names: an ISO date, YYYY-MM, YYYY-Www, YYYY-Qn or YYYY.

    Raises:
        ValueError: with a sentence that says how a period is written, or that there is no such one.
    """
    written = text.strip().upper()
    for pattern, build in _FORMS:
        if match := pattern.fullmatch(written):
            try:
                return build(*map(int, match.groups()))
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{_shown(text)} is not in the calendar.") from error
    raise ValueError(f"{_shown(text)} is not a period. Write it like 2025-03-31, 2025-03, 2025-W13, 2025-Q1 or 2025.")


def seasons_back(period: Period, seasons: int = 1) -> Period:
    """The same season, ``seasons`` earlier: a year for months, 52 weeks for weeks, 7 days for days.

    What a seasonal naive forecast looks up. Weeks go back by 52 whole weeks, not by week number, since
    most years have no week 53.

    Raises:
        ValueError: that is before the year 1.
    """
    steps = period.season * seasons
    try:
        return _EARLIER[period.season](period.start, steps)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{steps} periods before {period.text} is before the calendar starts.") from error


def before(period: Period) -> Period:
    """The period just before this one."""
    return _EARLIER[period.season](period.start, 1)


def in_step(period: Period, season: int) -> Period:
    """The same span as a workflow whose periods have this ``season`` writes it.

    A date names the period that starts on it: 2025-03-01 is March where months are forecast, and 2025-03 is that date
    where dates are. Any other period stays what it is.
    """
    if DAYS not in (period.season, season):
        return period
    same = _EARLIER[season](period.start, 0)
    return same if same.start == period.start else period


def _day(year: int, month: int, day: int) -> Period:
    return _day_of(date(year, month, day))


def _day_of(start: date) -> Period:
    return Period(start.isoformat(), start, start + timedelta(days=1), season=7)


def _week(year: int, week: int) -> Period:
    start = date.fromisocalendar(year, week, 1)
    return Period(f"{year:04d}-W{week:02d}", start, start + timedelta(days=7), season=52)


def _month(year: int, month: int) -> Period:
    return Period(f"{year:04d}-{month:02d}", date(year, month, 1), _months_after(year, month, 1), season=12)


def _quarter(year: int, quarter: int) -> Period:
    first = 3 * quarter - 2
    return Period(f"{year:04d}-Q{quarter}", date(year, first, 1), _months_after(year, first, 3), season=4)


def _year(year: int) -> Period:
    return Period(f"{year:04d}", date(year, 1, 1), date(year + 1, 1, 1), season=1)


def _months_after(year: int, month: int, months: int) -> date:
    years, index = divmod(month - 1 + months, 12)
    return date(year + years, index + 1, 1)


def _weeks_before(start: date, weeks: int) -> Period:
    year, week, _ = (start - timedelta(weeks=weeks)).isocalendar()
    return _week(year, week)


def _months_before(start: date, months: int) -> Period:
    first = _months_after(start.year, start.month, -months)
    return _month(first.year, first.month)


def _quarters_before(start: date, quarters: int) -> Period:
    first = _months_after(start.year, start.month, -3 * quarters)
    return _quarter(first.year, (first.month + 2) // 3)


_FORMS: tuple[tuple[re.Pattern[str], Callable[..., Period]], ...] = (
    (re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"), _day),
    (re.compile(r"([0-9]{4})-W([0-9]{2})"), _week),
    (re.compile(r"([0-9]{4})-([0-9]{2})"), _month),
    (re.compile(r"([0-9]{4})-Q([1-4])"), _quarter),
    (re.compile(r"([0-9]{4})"), _year),
)

_EARLIER: dict[int, Callable[[date, int], Period]] = {
    7: lambda start, days: _day_of(start - timedelta(days=days)),
    52: _weeks_before,
    12: _months_before,
    4: _quarters_before,
    1: lambda start, years: _year(start.year - years),
}


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")

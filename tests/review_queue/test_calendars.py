"""Business hours: against hand-counted days, against counting minutes one by one, and against themselves."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_queue.calendars import BusinessCalendar
from review_queue.errors import WorkflowInvalid
from review_queue.workflows import CalendarPolicy, Policy

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu")


def a_calendar(timezone: str = "Europe/Berlin", **rules: object) -> BusinessCalendar:
    calendar = CalendarPolicy.model_validate(rules)
    return BusinessCalendar.of(Policy(key="k", title="t", unit="EUR", timezone=timezone, calendar=calendar))


def local(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


INSTANTS = st.integers(0, 3 * 366 * 86_400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
CALENDARS = st.builds(
    a_calendar,
    timezone=st.sampled_from(ZONES),
    start_hour=st.sampled_from([0, 8.5, 9]),
    end_hour=st.sampled_from([12, 17, 23.75, 24]),
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(tuple),
    country=st.sampled_from([None, "DE", "US"]),
)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2025-06-03T10:00", "2025-06-03T12:30", 2.5),  # inside a Tuesday
        ("2025-06-03T07:00", "2025-06-03T20:00", 8),  # around it
        ("2025-06-06T16:00", "2025-06-09T10:00", 2),  # over a weekend
        ("2025-06-07T10:00", "2025-06-08T10:00", 0),  # inside a weekend
        ("2025-03-28T16:00", "2025-03-31T10:00", 2),  # over the change to summer time
        ("2025-06-03T12:30", "2025-06-03T10:00", -2.5),  # backwards
    ],
)
def test_only_working_hours_count(start: str, end: str, hours: float) -> None:
    assert a_calendar().hours(local(start), local(end)) == hours


def test_public_holidays_of_the_subdivision_are_closed() -> None:
    week = local("2025-03-03T00:00"), local("2025-03-11T00:00")  # Women's Day, the 8th, is one in Berlin only

    assert a_calendar(country="DE", weekdays=range(7)).hours(*week) == 8 * 8
    assert a_calendar(country="DE", subdivision="BE", weekdays=range(7)).hours(*week) == 7 * 8


def test_further_closed_days_are_closed() -> None:
    calendar = a_calendar(closed=["2025-06-04"])

    assert calendar.hours(local("2025-06-03T09:00"), local("2025-06-05T17:00")) == 16


def test_a_night_in_which_the_clocks_change_counts_what_it_lasts() -> None:
    always = a_calendar(start_hour=0, end_hour=24, weekdays=range(7))

    assert always.hours(local("2025-03-30T00:00"), local("2025-03-31T00:00")) == 23
    assert always.hours(local("2025-10-26T00:00"), local("2025-10-27T00:00")) == 25


def test_a_day_that_the_zone_left_out_has_no_hours() -> None:
    apia = ZoneInfo("Pacific/Apia")  # went from the 29th to the 31st of December 2011
    always = a_calendar("Pacific/Apia", start_hour=0, end_hour=24, weekdays=range(7))

    assert always.hours(local("2011-12-29T00:00", apia), local("2012-01-01T00:00", apia)) == 48


def test_many_rows_are_counted_at_once_and_nat_is_unknown() -> None:
    starts = pd.Series([local("2025-06-03T10:00"), pd.NaT, local("2025-06-06T16:00")], index=[7, 3, 5])
    starts = pd.to_datetime(starts, utc=True)
    ends = pd.Series(pd.to_datetime(["2025-06-03T10:30Z", "2025-06-03T10:30Z", None]), index=[7, 3, 5])

    to_a_series = a_calendar().hours_between(starts, ends)
    to_an_instant = a_calendar().hours_between(starts, local("2025-06-09T10:00"))

    pd.testing.assert_series_equal(to_a_series, pd.Series([2.5, np.nan, np.nan], index=[7, 3, 5]))
    pd.testing.assert_series_equal(to_an_instant, pd.Series([4 * 8.0, np.nan, 2.0], index=[7, 3, 5]))


def test_no_rows_are_no_hours() -> None:
    none = pd.Series([], dtype="datetime64[us, UTC]")

    assert a_calendar().hours_between(none, none).empty


def test_datetimes_as_a_database_gives_them_are_read() -> None:
    starts = pd.Series([local("2025-06-03T10:00"), None], dtype=object)

    assert a_calendar().hours_between(starts, local("2025-06-03T12:00")).tolist()[0] == 2


def test_series_that_do_not_belong_together_are_refused() -> None:
    times = pd.Series(pd.to_datetime(["2025-06-03T10:30Z"]))

    with pytest.raises(ValueError, match="same index"):
        a_calendar().hours_between(times, times.set_axis([1]))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its zone"):
        a_calendar().hours(datetime(2025, 6, 3), local("2025-06-03T12:00"))  # noqa: DTZ001 the point of the test


def test_a_deadline_at_the_end_of_time_is_only_far_away() -> None:
    never = datetime(9999, 12, 31, tzinfo=UTC)

    assert 100_000 < a_calendar().hours(local("2025-06-03T10:00"), never) < 200_000


def test_nothing_is_counted_before_the_calendar_begins() -> None:
    long_ago = datetime(1, 1, 1, tzinfo=UTC)

    assert a_calendar().hours(long_ago, local("1970-01-01T10:00")) == 1
    assert a_calendar().add_hours(long_ago, 1) == local("1970-01-01T10:00")


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2025-06-03T10:00", 2.5, "2025-06-03T12:30"),
        ("2025-06-03T09:00", 8, "2025-06-03T17:00"),  # a full day ends in the evening, not the next morning
        ("2025-06-06T16:00", 2, "2025-06-09T10:00"),
        ("2025-06-07T10:00", 1, "2025-06-09T10:00"),  # begun on a Saturday
        ("2025-06-07T10:00", 0, "2025-06-07T10:00"),
        ("2025-03-28T16:00", 16, "2025-04-01T16:00"),
    ],
)
def test_hours_are_added_in_working_time(start: str, hours: float, end: str) -> None:
    found = a_calendar().add_hours(local(start), hours)

    assert found == local(end)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(("hours", "why"), [(-1, "0 or more"), (float("nan"), "0 or more"), (1e9, "ends in 2100")])
def test_hours_that_cannot_be_added_are_refused(hours: float, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        a_calendar().add_hours(local("2025-06-03T10:00"), hours)


@pytest.mark.parametrize(
    ("day", "opening", "close"),
    [
        ("2025-06-03", "2025-06-03T09:00", "2025-06-03T17:00"),  # a Tuesday
        ("2025-06-07", "2025-06-10T09:00", "2025-06-06T17:00"),  # a Saturday before Whit Monday
        ("2025-12-25", "2025-12-29T09:00", "2025-12-24T17:00"),  # Christmas, then a weekend
        ("2025-03-30", "2025-03-31T09:00", "2025-03-28T17:00"),  # the Sunday on which the clocks change
        ("2100-12-31", "2100-12-31T09:00", "2100-12-31T17:00"),
        ("2150-01-01", "2150-01-01T09:00", "2150-01-01T17:00"),  # beyond what is counted every day is open
        ("1900-01-01", "1900-01-01T09:00", "1900-01-01T17:00"),
    ],
)
def test_a_day_begins_at_the_next_opening_and_ends_at_the_last_close(day: str, opening: str, close: str) -> None:
    calendar = a_calendar(country="DE")

    found = calendar.next_opening(date.fromisoformat(day)), calendar.last_close(date.fromisoformat(day))

    assert found == (local(opening), local(close))
    assert all(instant.tzinfo is UTC for instant in found)


def test_a_day_that_lasts_to_midnight_closes_then() -> None:
    always = a_calendar(start_hour=0, end_hour=24, weekdays=range(7))

    assert always.next_opening(date(2025, 6, 3)) == local("2025-06-03T00:00")
    assert always.last_close(date(2025, 6, 3)) == local("2025-06-04T00:00")


@settings(deadline=None)
@given(CALENDARS, st.dates(date(2024, 1, 1), date(2026, 12, 31)))
def test_between_a_day_and_its_next_opening_or_last_close_nobody_works(calendar: BusinessCalendar, day: date) -> None:
    zone = ZoneInfo(calendar.timezone)
    begins, ends = (datetime.combine(day + timedelta(days=n), time(), zone) for n in (0, 1))
    opening, close = calendar.next_opening(day), calendar.last_close(day)

    assert begins <= opening
    assert close <= ends
    assert calendar.hours(begins, opening) == calendar.hours(close, ends) == 0
    assert calendar.hours(opening, opening + timedelta(minutes=30)) == 0.5
    assert calendar.hours(close - timedelta(minutes=30), close) == 0.5


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"country": "XX"}, "the public holidays of XX are not known"),
        ({"country": "DE", "subdivision": "QQ"}, "the public holidays of DE QQ are not known"),
        ({"subdivision": "BE"}, "calendar.subdivision needs calendar.country"),
        ({"closed": ["24.12.2025"]}, "calendar.closed holds '24.12.2025', which is not a date"),
    ],
)
def test_a_calendar_that_cannot_be_kept_is_refused(rules: dict[str, object], sentence: str) -> None:
    with pytest.raises(WorkflowInvalid, match=sentence):
        a_calendar(**rules)


def test_a_calendar_knows_the_length_of_its_day() -> None:
    assert a_calendar(start_hour=8.5, end_hour=17).day_hours == 8.5


@settings(max_examples=30, deadline=None)
@given(CALENDARS, INSTANTS, st.integers(0, 6 * 24 * 4))
def test_hours_agree_with_counting_them_quarter_by_quarter(
    calendar: BusinessCalendar, start: datetime, quarters: int
) -> None:
    start = start.replace(minute=0, second=0, microsecond=0)
    closed = {day.isoformat() for day in _holidays(calendar, start.year)}

    worked = sum(is_working(start + timedelta(minutes=15 * quarter), calendar, closed) for quarter in range(quarters))

    assert calendar.hours(start, start + timedelta(minutes=15 * quarters)) == worked / 4


def is_working(instant: datetime, calendar: BusinessCalendar, closed: set[str]) -> bool:
    shown = instant.astimezone(ZoneInfo(calendar.timezone))
    hour = shown.hour + shown.minute / 60
    return (
        shown.weekday() in calendar.weekdays
        and calendar.start_hour <= hour < calendar.end_hour
        and shown.date().isoformat() not in closed
    )


def _holidays(calendar: BusinessCalendar, year: int) -> list[object]:
    import holidays

    if calendar.country is None:
        return []
    return list(holidays.country_holidays(calendar.country, years=[year - 1, year, year + 1]))


@settings(deadline=None)
@given(CALENDARS, INSTANTS, INSTANTS, INSTANTS)
def test_hours_of_adjacent_intervals_add_up(
    calendar: BusinessCalendar, first: datetime, second: datetime, third: datetime
) -> None:
    parts = calendar.hours(first, second) + calendar.hours(second, third)

    assert parts == pytest.approx(calendar.hours(first, third), abs=1e-6)


@settings(deadline=None)
@given(CALENDARS, INSTANTS, st.floats(0, 500))
def test_adding_hours_and_counting_them_are_inverse(calendar: BusinessCalendar, start: datetime, hours: float) -> None:
    end = calendar.add_hours(start, hours)

    assert end >= start
    assert calendar.hours(start, end) == pytest.approx(hours, abs=1e-8)


@settings(deadline=None)
@given(CALENDARS, st.lists(st.tuples(INSTANTS, INSTANTS), max_size=20))
def test_many_rows_give_what_one_gives(calendar: BusinessCalendar, pairs: list[tuple[datetime, datetime]]) -> None:
    starts = pd.to_datetime(pd.Series([start for start, _ in pairs]), utc=True)
    ends = pd.to_datetime(pd.Series([end for _, end in pairs]), utc=True)

    together = calendar.hours_between(starts, ends)

    assert together.tolist() == [calendar.hours(start, end) for start, end in pairs]

"""When a reminder is due, when it would disturb, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_queue.errors import PreferencesRefused
from review_queue.reminders import (
    Preferences,
    Waiting,
    check_preferences,
    due_on,
    is_quiet,
    preferences_from,
    subject_of,
    text_of,
)

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"
ASKED = Preferences(wants_digest=True, hour=8, quiet_from=19, quiet_until=7, timezone=BERLIN)
SALES = Waiting("sales", "Sales")


def berlin(day: int, hour: int, minute: int = 0, *, month: int = 6, fold: int = 0) -> datetime:
    """An instant of 2026 by the clock in Berlin; 1 June is a Monday."""
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo(BERLIN), fold=fold).astimezone(UTC)


def test_a_digest_is_due_from_its_hour_on_by_the_readers_clock():
    assert due_on(ASKED, berlin(1, 7, 59)) is None
    assert due_on(ASKED, berlin(1, 8)) == date(2026, 6, 1)
    assert due_on(ASKED, berlin(1, 18, 59)) == date(2026, 6, 1)  # late, where the server was away in the morning
    assert due_on(replace(ASKED, timezone="Asia/Tokyo"), berlin(1, 1)) == date(2026, 6, 1)
    assert due_on(replace(ASKED, timezone="America/Los_Angeles"), berlin(2, 1)) == date(2026, 6, 1)


def test_nobody_gets_one_who_did_not_ask():
    assert due_on(Preferences(timezone=BERLIN), berlin(1, 12)) is None


@pytest.mark.parametrize(("day", "due"), [(5, True), (6, False), (7, False), (8, True)])
def test_weekends_are_left_alone_where_that_is_wanted(day, due):
    assert (due_on(ASKED, berlin(day, 12)) is not None) is due
    assert due_on(replace(ASKED, weekdays_only=False), berlin(day, 12)) == date(2026, 6, day)


@pytest.mark.parametrize(
    ("quiet_from", "quiet_until", "quiet"),
    [
        (19, 7, {19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6}),  # over midnight
        (12, 14, {12, 13}),
        (0, 6, {0, 1, 2, 3, 4, 5}),
        (22, 0, {22, 23}),
        (9, 9, set()),
    ],
)
def test_quiet_hours_hold_and_may_go_over_midnight(quiet_from, quiet_until, quiet):
    wanted = replace(ASKED, hour=0, quiet_from=quiet_from, quiet_until=quiet_until)

    for hour in range(24):
        assert is_quiet(wanted, berlin(1, hour, 30)) is (hour in quiet)
        assert (due_on(wanted, berlin(1, hour, 30)) is None) is (hour in quiet)


def test_where_the_clock_skips_the_hour_the_digest_comes_at_the_next_one():
    early = replace(ASKED, hour=2, quiet_from=22, quiet_until=1, weekdays_only=False)

    assert due_on(early, berlin(29, 1, 59, month=3)) is None
    assert due_on(early, berlin(29, 1, 59, month=3) + timedelta(minutes=1)) == date(2026, 3, 29)  # 3:00


def test_where_the_hour_comes_twice_it_is_the_same_days_digest():
    early = replace(ASKED, hour=2, quiet_from=22, quiet_until=1, weekdays_only=False)
    first, second = (berlin(25, 2, 30, month=10, fold=fold) for fold in (0, 1))

    assert second - first == timedelta(hours=1)
    assert due_on(early, first) == due_on(early, second) == date(2026, 10, 25)


@given(
    hour=st.integers(0, 23),
    quiet_from=st.integers(0, 23),
    quiet_until=st.integers(0, 23),
    zone=st.sampled_from([BERLIN, "UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]),
    start=st.integers(0, 364 * 24 * 60).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes)),
)
def test_what_is_allowed_comes_once_on_every_day_and_never_in_quiet_hours(hour, quiet_from, quiet_until, zone, start):
    wanted = Preferences(True, hour, quiet_from, quiet_until, weekdays_only=False, timezone=zone)
    try:
        check_preferences(wanted)
    except PreferencesRefused:
        return
    looks = [start + timedelta(minutes=10 * number) for number in range(6 * 50)]

    days = {day for look in looks if (day := due_on(wanted, look)) is not None}

    assert (looks[0].astimezone(wanted.zone) + timedelta(days=1)).date() in days
    assert not [look for look in looks if is_quiet(wanted, look) and due_on(wanted, look)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hour": 24}, "Hours go from 0 to 23"),
        ({"quiet_from": -1}, "Hours go from 0 to 23"),
        ({"timezone": "Mars/Olympus"}, "That time zone is not known"),
        ({"timezone": "../../etc/passwd"}, "That time zone is not known"),
        ({"hour": 20}, "20:00 lies in your quiet hours"),
        ({"hour": 6}, "6:00 lies in your quiet hours"),
    ],
)
def test_preferences_under_which_nothing_could_come_are_refused(changes, sentence):
    with pytest.raises(PreferencesRefused, match=sentence):
        check_preferences(replace(ASKED, **changes))


def test_preferences_come_back_as_they_were_kept_and_grow_fields():
    assert preferences_from(ASKED.as_body()) == ASKED
    assert preferences_from({"hour": 9, "gone": 1}) == replace(Preferences(), hour=9)
    assert preferences_from(None) == Preferences()


def test_what_waits_is_said_with_a_link_each():
    waiting = replace(SALES, overdue=1, due_soon=2, judgement=1_000, mentions=1)

    assert list(waiting.lines("https://review.example.com/")) == [
        "1 item is overdue: https://review.example.com/queue?workflow=sales&lane=Due",
        "2 items are due within a day: https://review.example.com/queue?workflow=sales&lane=Due",
        "1,000 or more items need judgement: https://review.example.com/queue?workflow=sales&lane=Needs+judgement",
        "1 comment mentions you, unread: https://review.example.com/?workflow=sales",
    ]
    assert "http" not in " ".join(waiting.lines(None))
    assert not SALES.is_something


def test_the_subject_is_the_most_pressing():
    assert subject_of([replace(SALES, overdue=1, judgement=9), replace(SALES, overdue=2)]) == "Review: 3 overdue"
    assert subject_of([replace(SALES, due_soon=4)]) == "Review: 4 due within a day"
    assert subject_of([replace(SALES, assigned=2, judgement=5)]) == "Review: 5 waiting for you"
    assert subject_of([replace(SALES, mentions=1)]) == "Review: 1 waiting for you"


def test_names_stay_on_their_line():
    text = text_of("Ada\r\nBcc: x", [replace(SALES, title="Sales\n\nUrgent", overdue=1)], wanted=ASKED, url=None)

    assert text.splitlines()[:4] == ["Hello Ada Bcc: x,", "", "Sales Urgent", "  - 1 item is overdue"]
    assert "on weekdays from 8:00 (Europe/Berlin)" in text

"""Periods as people write them, and the season before."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_queue.periods import Period, in_step, parse_period, seasons_back

DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    day = draw(DAYS)
    year, week, _ = day.isocalendar()
    return parse_period(
        draw(
            st.sampled_from(
                [
                    day.isoformat(),
                    f"{day:%Y-%m}",
                    f"{year}-W{week:02d}",
                    f"{day.year}-Q{(day.month + 2) // 3}",
                    f"{day.year}",
                ]
            )
        )
    )


@pytest.mark.parametrize(
    ("text", "start", "end", "season"),
    [
        ("2024-02-29", date(2024, 2, 29), date(2024, 3, 1), 7),
        ("2025-12", date(2025, 12, 1), date(2026, 1, 1), 12),
        ("2020-W53", date(2020, 12, 28), date(2021, 1, 4), 52),
        ("2025-W01", date(2024, 12, 30), date(2025, 1, 6), 52),
        ("2025-Q4", date(2025, 10, 1), date(2026, 1, 1), 4),
        ("2025", date(2025, 1, 1), date(2026, 1, 1), 1),
    ],
)
def test_each_form_names_its_span(text: str, start: date, end: date, season: int) -> None:
    assert parse_period(text) == Period(text, start, end, season)


def test_spaces_and_small_letters_become_the_canonical_text() -> None:
    assert parse_period(" 2025-w07 ").text == "2025-W07"
    assert parse_period("2025-q2").text == "2025-Q2"


@pytest.mark.parametrize("text", ["", "31/02", "2025/03", "2025-3", "25-03", "2025Q1", "2025-Q5", "March", "٢٠٢٥"])
def test_other_text_is_refused_with_the_ways_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a period\. Write it like 2025-03-31, 2025-03, 2025-W13"):
        parse_period(text)


@pytest.mark.parametrize("text", ["2025-02-31", "2025-13", "2025-00", "2021-W53", "2025-W00", "0000", "9999"])
def test_a_period_that_the_calendar_lacks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is not in the calendar"):
        parse_period(text)


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(ValueError, match="not a period") as refusal:
        parse_period("9" * 10_000)

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("text", "seasons", "earlier"),
    [
        ("2024-02-29", 1, "2024-02-22"),
        ("2025-01", 1, "2024-01"),
        ("2025-12", 3, "2022-12"),
        ("2025-Q1", 1, "2024-Q1"),
        ("2025-W10", 1, "2024-W10"),
        ("2020-W53", 1, "2020-W01"),
        ("2021-W01", 1, "2020-W02"),
        ("2025", 2, "2023"),
        ("2025-03", 0, "2025-03"),
    ],
)
def test_the_same_season_earlier(text: str, seasons: int, earlier: str) -> None:
    assert seasons_back(parse_period(text), seasons).text == earlier


def test_there_is_no_season_before_the_calendar() -> None:
    with pytest.raises(ValueError, match="12 periods before 0001-05 is before the calendar starts"):
        seasons_back(parse_period("0001-05"))


@given(periods())
def test_the_canonical_text_names_the_same_period(period: Period) -> None:
    assert parse_period(period.text) == period
    assert period.start < period.end


@given(periods(), st.integers(0, 5), st.integers(0, 5))
def test_seasons_add_up(period: Period, some: int, more: int) -> None:
    assert seasons_back(seasons_back(period, some), more) == seasons_back(period, some + more)


@given(periods())
def test_a_season_is_about_a_year_or_a_week(period: Period) -> None:
    apart = period.start - seasons_back(period).start

    assert apart == timedelta(days=7) if period.season == 7 else timedelta(364) <= apart <= timedelta(366)


@pytest.mark.parametrize(
    ("text", "season", "same"),
    [
        ("2025-03-01", 12, "2025-03"),
        ("2025-03-02", 12, "2025-03-02"),
        ("2025-04-01", 4, "2025-Q2"),
        ("2025-01-01", 1, "2025"),
        ("2025-03-31", 52, "2025-W14"),
        ("2025-03", 7, "2025-03-01"),
        ("2025", 12, "2025"),
        ("2025-Q1", 12, "2025-Q1"),
    ],
)
def test_a_date_names_the_period_that_starts_on_it(text, season, same):
    assert in_step(parse_period(text), season).text == same

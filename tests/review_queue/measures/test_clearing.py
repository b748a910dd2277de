"""When the queue will be clear, against the figures of METHODS 5.3."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from review_queue.calendars import BusinessCalendar
from review_queue.measures.clearing import clearing, day_after, fan, in_words, more_needed, working_history

OFFICE = BusinessCalendar("Europe/Berlin", 9, 17, (0, 1, 2, 3, 4))
MONDAY = datetime(2025, 3, 31, 7, tzinfo=UTC)  # nine in Berlin, where work begins


def history(arrivals, decisions, *, days: int = 40, **further) -> pd.DataFrame:
    made = {"day": pd.date_range("2025-01-01", periods=days), "arrivals": arrivals, "decisions": decisions}
    return pd.DataFrame({**made, "working": True, **further})


def irregular(arrivals: float, decisions: float, *, seed: int) -> pd.DataFrame:
    """Forty days of Poisson counts with these means, in an order of their own."""
    places, random = (np.arange(40) + 0.5) / 40, np.random.default_rng(seed)
    return history(*(random.permutation(poisson.ppf(places, mean)) for mean in (arrivals, decisions)))


def test_sixty_items_with_eight_in_and_ten_out_a_day():
    found = clearing(irregular(8, 10, seed=0), backlog=60)

    assert (found.p50, found.p85, found.p95) == pytest.approx((27, 38, 46), rel=0.1)
    assert found.never == 0


def test_a_history_that_clears_by_chance_clears_late_and_not_always():
    # METHODS: 76, 142, 202 days and 2 % never, of a history of 10 in and 10 out a day in which by chance
    # about 0.7 more a day went out than came in.
    random = np.random.default_rng(131)

    found = clearing(history(random.poisson(10, 40), random.poisson(10, 40)), backlog=60)

    assert found.net == pytest.approx(-0.65)
    assert (found.p50, found.p85, found.p95) == pytest.approx((76, 142, 202), rel=0.1)
    assert found.never == pytest.approx(0.02, abs=0.01)


def test_a_queue_in_balance_mostly_does_not_clear():
    found = clearing(irregular(10, 10, seed=0), backlog=60)

    assert found.never > 0.5
    assert np.isnan(found.p50)


def test_without_chance_the_day_is_exact():
    found = clearing(history(8, 10), backlog=60)

    assert (found.p50, found.p85, found.p95, found.never) == (30, 30, 30, 0)


def test_an_empty_queue_is_clear_now():
    assert clearing(history(8, 10), backlog=0).p95 == 0


def test_only_the_last_forty_working_days_are_drawn_from():
    days = history(0, 0, days=100, working=[day % 2 == 0 for day in range(100)])

    found = working_history(days.sample(frac=1, random_state=2))

    assert found["day"].dt.day_of_year.tolist() == list(range(21, 100, 2))


def test_arrivals_and_decisions_of_a_day_stay_together():
    busy = np.arange(40)

    assert clearing(history(busy, busy + 2), backlog=60).p95 == 30


def test_below_twenty_working_days_nothing_is_foretold():
    found = clearing(history(8, 10, days=19), backlog=60)

    assert found.state == "not enough data"
    assert np.isnan(found.p50)
    assert fan(history(8, 10, days=19), backlog=60)["p50"].notna().tolist() == [True] + [False] * 40


def test_the_fan_starts_at_the_backlog_widens_and_stays_above_nothing():
    bands = fan(irregular(8, 10, seed=0), backlog=60)

    assert bands.loc[0, ["p15", "p50", "p85"]].tolist() == [60, 60, 60]
    assert bands.loc[10, "p85"] - bands.loc[10, "p15"] > bands.loc[2, "p85"] - bands.loc[2, "p15"]
    assert (bands[["p15", "p50", "p85"]] >= 0).all(axis=None)
    assert bands.loc[40, "p15"] < 10


def test_an_empty_queue_in_the_fan_fills_again():
    days = history([0, 30] * 20, [10, 0] * 20)

    assert fan(days, backlog=5)["p85"].max() > 5


def test_how_many_more_decisions_a_day_it_takes():
    assert more_needed(backlog=60, days=20, arrivals=10, decisions=10) == 3
    assert more_needed(backlog=60, days=60, arrivals=8, decisions=10) == 0
    assert more_needed(backlog=60, days=0, arrivals=8, decisions=10) == np.inf


def test_a_working_day_ends_on_a_day_that_is_worked():
    assert day_after(5, now=MONDAY, calendar=OFFICE) == date(2025, 4, 4)
    assert day_after(6, now=MONDAY, calendar=OFFICE) == date(2025, 4, 7)
    assert day_after(float("nan"), now=MONDAY, calendar=OFFICE) is None
    assert day_after(25_000, now=MONDAY, calendar=OFFICE) is None, "the calendar ends before"


@pytest.mark.parametrize(
    ("days", "backlog", "sentence"),
    [
        (history(8, 10), 60, "Clear by 9 May 2025 as likely as not, very likely by 9 May 2025."),
        (
            history(10, 10),
            60,
            "Not clearing at the current pace; needs +6 decisions a day to clear by 11 April 2025.",
        ),
        (history(8, 10, days=5), 60, "Not enough data: 5 of 20 working days."),
        (history(8, 10), 0, "The queue is clear."),
    ],
)
def test_clearing_is_told_in_a_sentence(days, backlog, sentence):
    found = clearing(days, backlog=backlog)

    assert in_words(found, by=date(2025, 4, 11), now=MONDAY, calendar=OFFICE) == sentence


def test_a_date_that_is_over_cannot_be_cleared_by():
    found = clearing(history(10, 10), backlog=60)

    assert "no working day is left" in in_words(found, by=date(2025, 3, 28), now=MONDAY, calendar=OFFICE)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=20, max_size=50),
    st.integers(1, 80),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=12)
def test_the_answer_is_the_same_each_time_in_whatever_order_days_come(made, backlog, random):
    days = history(*zip(*made, strict=True), days=len(made))
    shuffled = days.loc[random.sample(list(days.index), len(days))]

    found = clearing(days, backlog=backlog, trials=200)

    assert repr(found) == repr(clearing(shuffled, backlog=backlog, trials=200))
    assert not found.p50 > found.p85
    pd.testing.assert_frame_equal(fan(days, backlog=backlog, trials=100), fan(shuffled, backlog=backlog, trials=100))

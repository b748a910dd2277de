"""Whether the people there are can keep up, by hand and by simulation."""

import numpy as np
import pandas as pd
import pytest

from review_queue.measures.capacity import flow_efficiency, in_words, littles_check, utilisation, waiting_factor


def queue(*, per_day: int, hours: float, days: int, grows: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts of each day and times of a queue in which every item takes ``hours``, or is never looked at."""
    n = per_day * days
    waiting = np.minimum(np.arange(1, days + 1) * per_day, n if grows else per_day * hours / 24)
    counts = pd.DataFrame({"arrivals": per_day, "open": waiting})
    random = np.random.default_rng(4)
    times = pd.DataFrame({"hours": random.exponential(hours, n), "finished": True})
    return counts, times


def test_a_steady_queue_agrees_with_littles_law():
    found = littles_check(*queue(per_day=40, hours=48, days=60))

    assert found.arrivals == 40
    assert found.days == pytest.approx(2, rel=0.05)
    assert abs(found.apart) < 0.1
    assert found.state == "agrees"


def test_a_queue_that_grows_while_reviews_seem_quick_does_not():
    found = littles_check(*queue(per_day=40, hours=48, days=60, grows=True))

    assert found.state == "not stable, or the clocks are wrong"


def test_a_window_shorter_than_three_times_p85_decides_nothing():
    assert littles_check(*queue(per_day=40, hours=48, days=10)).state == "can't tell yet"


def test_few_items_have_no_mean_time():
    counts, times = queue(per_day=40, hours=48, days=60)

    found = littles_check(counts, times.head(19))

    assert found.state == "not enough data"
    assert np.isnan(found.expected)


def test_the_mean_time_counts_open_items():
    # Half end at 24 h, half are open at 72 h: area 24 + 0.5 · 48 = 48 h.
    times = pd.DataFrame({"hours": [24.0] * 10 + [72.0] * 10, "finished": [True] * 10 + [False] * 10})

    assert littles_check(pd.DataFrame({"arrivals": [1], "open": [2]}), times).days == 2


def test_utilisation_by_hand():
    assert utilisation(arrivals=48, touch_minutes=15, reviewers=3, hours=5) == pytest.approx(0.8)
    assert np.isnan(utilisation(arrivals=48, touch_minutes=15, reviewers=0, hours=5))


@pytest.mark.parametrize(("used", "times"), [(0.8, 4), (0.9, 9), (0.95, 19), (1.0, np.inf), (1.2, np.inf)])
def test_waiting_grows_without_bound_as_people_are_used_up(used, times):
    assert waiting_factor(used) == pytest.approx(times)


@pytest.mark.parametrize(
    ("used", "part"),
    [
        (0.5, "there is room for a busy day"),
        (0.8, "about 4 times as long as the work on it takes; at 95 % it would be 19 times."),
        (0.95, "about 19 times as long as the work on it takes."),
        (1.3, "130 % of their time: more comes in than they can look at"),
        (float("nan"), "not known"),
    ],
)
def test_utilisation_is_told_in_a_sentence(used, part):
    assert part in in_words(used)


def test_flow_efficiency_is_touch_over_cycle():
    found = flow_efficiency(pd.Series([1.0, 1.0, np.nan]), pd.Series([4.0, 0.0, 2.0]))

    assert found.tolist() == pytest.approx([0.25, np.nan, np.nan], nan_ok=True)

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from review_queue.feeds import Fallback, Feed, Outage, outage, sentence

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


def came(hours: float, failures: int = 0) -> Feed:
    return Feed(NOW - timedelta(hours=hours), failures)


@pytest.mark.parametrize(
    ("feed", "late_hours", "expected"),
    [
        (came(24), 24, None),
        (came(24.01), 24, Outage.LATE),
        (came(9999), None, None),
        (came(1, failures=2), 24, None),
        (came(1, failures=3), 24, Outage.FAILING),
        (came(1, failures=3), None, Outage.FAILING),
        (Feed(None, 9), 24, None),
    ],
)
def test_a_feed_is_out_past_what_the_policy_allows_or_after_three_failures(feed, late_hours, expected):
    assert outage(feed, late_hours=late_hours, now=NOW) is expected


def test_the_sentence_says_since_when_what_is_allowed_and_how_items_go_on():
    late = sentence(Outage.LATE, came(72), late_hours=24, fallback=Fallback.NAIVE, now=NOW)
    failing = sentence(Outage.FAILING, came(1, 4), late_hours=None, fallback=Fallback.LAST_VERSION, now=NOW)

    assert late == (
        "The AI's feed is late: the last forecast came 3 days ago, and 24 hours are allowed. "
        "Items go on with the naive forecast in its place. Decisions are marked degraded."
    )
    assert failing == (
        "The AI's feed is failing: its source failed 4 times, and the last forecast came 1 hour ago. "
        "Items go on with the last values that came. Decisions are marked degraded."
    )

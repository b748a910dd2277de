"""When the AI's number is not shown, and what is taken out of an item then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from review_queue.items import Stage, State
from review_queue.staleness import Move, in_words, moved
from review_queue.withholding import Withheld, as_shown, because, is_named_first, withheld
from review_queue.workflows import Policy
from tests.review_queue.test_rules import an_item

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
POLICY = Policy(key="sales", title="Sales", unit="EUR k", withhold_width=0.5, withhold_after_days=30)


def facts(ai: float = 100.0, low: float = 90.0, high: float = 110.0, days: float = 1.0) -> pd.DataFrame:
    made = pd.Timestamp(NOW - timedelta(days=days))
    return pd.DataFrame({"ai": [ai], "ai_low": [low], "ai_high": [high], "ai_made_at": [made]})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, None),
        ({"low": 75.0, "high": 125.0}, None),
        ({"low": 74.9, "high": 125.0}, Withheld.TOO_WIDE),
        ({"ai": -100.0, "low": -130.0, "high": -70.0}, Withheld.TOO_WIDE),
        ({"days": 30.0}, None),
        ({"days": 30.01}, Withheld.TOO_OLD),
        ({"low": np.nan, "high": np.nan}, None),
        ({"ai": np.nan, "low": np.nan, "high": np.nan}, Withheld.ABSENT),
    ],
)
def test_a_number_is_withheld_past_what_the_policy_allows_and_not_before(given, why):
    assert withheld(facts(**given), POLICY, now=NOW).tolist() == [why]


def test_a_policy_that_sets_no_limit_withholds_nothing_that_is_there():
    free = POLICY.model_copy(update={"withhold_width": None, "withhold_after_days": None})

    assert withheld(facts(low=0.0, high=1000.0, days=999), free, now=NOW).tolist() == [None]


def test_the_reason_is_told_with_its_figures():
    item = an_item()
    ai = replace(item.ai, value=100.0, low=60.0, high=140.0, made_at=NOW - timedelta(days=45))

    wide = because(replace(item, ai=ai, withheld="too_wide"), POLICY, now=NOW)
    old = because(replace(item, ai=ai, withheld="too_old"), POLICY, now=NOW)

    assert wide == "The AI's value is withheld: its range is 80% of it, wider than the 50% that this workflow allows."
    assert old == "The AI's value is withheld: it is 45 days old, and 30 are allowed."


def test_what_is_withheld_is_taken_out_with_everything_that_gives_it_away():
    shown = as_shown(replace(an_item(), withheld="too_wide"), has_named=True)

    assert (shown.ai, shown.others, shown.divergence.gap, shown.divergence.u) == (None, (), None, None)


def flagged_item(**changes):
    item = an_item()
    return replace(item, human_first=True, divergence=replace(item.divergence, flagged=True), **changes)


def test_a_drawn_item_hides_the_ai_until_a_number_is_named():
    before, after = (as_shown(flagged_item(), has_named=named) for named in (False, True))

    assert (before.ai, before.awaits_number) == (None, True)
    assert "usual miss" not in " ".join(before.standing.why)
    assert (after.ai is not None, after.awaits_number) == (True, False)


@pytest.mark.parametrize("changes", [{"stage": Stage.SECOND}, {"state": State.DECIDED}, {"withheld": "too_old"}])
def test_only_an_open_first_review_is_human_first(changes):
    assert is_named_first(flagged_item())
    assert not is_named_first(flagged_item(**changes))


@pytest.mark.parametrize(
    ("seen", "now", "did"),
    [(100, 101, False), (100, 101.1, True), (-100, -98, True), (np.nan, 5, True), (5, np.nan, True), (0, 0.1, True)],
)
def test_a_number_has_moved_past_tolerance_or_come_or_gone(seen, now, did):
    assert moved(pd.Series([float(seen)]), pd.Series([float(now)]), 0.01).tolist() == [did]


def test_what_moved_is_told_a_sentence_each():
    assert in_words((Move("ai", 1000.0, 1200.0), Move("manual", None, 50.0))) == (
        "The AI forecast was 1,000 and is 1,200 now. The manual forecast came: 50."
    )

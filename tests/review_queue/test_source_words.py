"""What is said of sources that disagree."""

from __future__ import annotations

import pytest

from review_queue.confidence import Overlap
from review_queue.measures.source_records import ASSUMED, CLASS, OWN
from review_queue.source_words import chance, why


@pytest.mark.parametrize(
    ("confidence", "words"),
    [(0.896, "about 9 in 10"), (0.97, "more than 19 in 20"), (0.949, "about 9 in 10"), (0.5, "about 5 in 10"),
     (0.06, "about 1 in 10"), (0.01, "less than 1 in 20")],
)  # fmt: skip
def test_confidence_is_counted_in_tens(confidence: float, words: str) -> None:
    assert chance(confidence) == words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"rests_on": OWN}, "fresh (1 day) · misses by 8 % · independent"),
        ({"rests_on": CLASS, "age": 0.4}, "fresh (today) · misses by 8 % elsewhere · independent"),
        (
            {"rests_on": ASSUMED, "age": 20.2, "freshness": 0.3},
            "ageing (20 days) · assumed to miss by 8 % · independent",
        ),
        ({"rests_on": OWN, "age": 90, "freshness": 0.01}, "stale (90 days) · misses by 8 % · independent"),
        (
            {"rests_on": OWN, "copies": [Overlap("manual", "crm", 0.8)]},
            "fresh (1 day) · misses by 8 % · repeats crm (80 %)",
        ),
        ({"rests_on": OWN, "value": 0.0}, "fresh (1 day) · misses by an unknown share · independent"),
    ],
)  # fmt: skip
def test_a_weight_has_its_reasons(facts: dict[str, object], words: str) -> None:
    known = {"age": 1.3, "freshness": 0.95, "miss": 80.0, "value": -1000.0}

    assert why(**{**known, **facts}) == words

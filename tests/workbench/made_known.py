"""Reviews as the screens know them, made without a database."""

from __future__ import annotations

from typing import Any

import pandas as pd

from review_queue.workflows import policy_of
from storage.workflows import Workflow
from tests.review_queue.measures.made_reviews import NOON, reviews
from workbench.known_reviews import Reviews

POLICY = {"key": "retail", "title": "Retail", "unit": "AUD m", "segments": ("state",), "owner": "ada"}
ORDINARY = {"state": "decided", "decided_at": NOON, "ai": 100.0, "final": 100.0, "reviewer": "Bo", "band": "minor",
            "flagged": True, "audit_sample": False, "lane": 1, "note": None}  # fmt: skip


def known_of(*rows: dict[str, Any]) -> Reviews:
    """What is known of these reviews, a moment after ``NOON``."""
    table = reviews(*({**ORDINARY, **row} for row in rows))
    for column in ("opened_at", "first_evidence_at"):
        if column in table:
            table[column] = pd.to_datetime(table[column], utc=True)
    workflow = Workflow(1, "retail", "Retail", "AUD m", policy_of(POLICY), policy_version=1, is_simulated=False)
    return Reviews(workflow, NOON, table)


def overridden(count: int, *, of: int, **values: Any) -> list[dict[str, Any]]:
    """``of`` decisions of which the first ``count`` are overrides."""
    return [{"final": 150.0 if place < count else 100.0, **values} for place in range(of)]

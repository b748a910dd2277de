"""Reviews of a small workflow, made for tests of what screens say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from review_queue.workflows import policy_of
from storage.workflows import Workflow
from tests.review_queue.measures import made_reviews
from workbench.known_reviews import Reviews

NOON = made_reviews.NOON
POLICY = {"key": "retail", "title": "Retail", "unit": "AUD m", "segments": ("state",), "owner": "ada"}
FURTHER = {
    "u": 0.3,
    "flagged": False,
    "is_degraded": False,
    "model_version": "m1",
    "scale": 10.0,
    "lane": 2,
    "segment_state": "Victoria",
    "hours_to_deadline": 100.0,
    "horizon": 1.0,
}


def known(table: pd.DataFrame, **policy: Any) -> Reviews:
    made = policy_of({**POLICY, **policy})
    workflow = Workflow(1, made.key, made.title, made.unit, made, policy_version=1, is_simulated=False)
    return Reviews(workflow, NOON, table)


def decided(number: int, *, series: int = 20, **changes: Any) -> pd.DataFrame:
    """So many decided reviews of a few series: the actual is about 100, AI, manual and final are as told.

    A change that is a list is one value a row.
    """
    off = np.random.default_rng(4).uniform(-2, 2, number)
    columns = {
        "series": [f"s{place % series:02}" for place in range(number)],
        "period": [f"{2000 + place // series // 12}-{place // series % 12 + 1:02}" for place in range(number)],
        "state": "decided",
        "decided_at": NOON - timedelta(hours=1),
        "ai": 100.0,
        "final": 100.0,
        "actual": 100.0 + off,
        **FURTHER,
        **changes,
    }
    rows = pd.DataFrame(columns, index=range(number)).to_dict("records")
    return made_reviews.reviews(*rows)

"""Reviews as a screen gets them, made without a database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from review_queue.workflows import policy_of
from storage.workflows import Workflow
from tests.review_queue.measures.made_reviews import NOON, reviews
from workbench.known_reviews import Reviews

POLICY = {"key": "retail", "title": "Retail", "unit": "EUR k", "currency": "EUR", "segments": ["region"], "owner": "o"}


def known_of(*rows: dict[str, Any], as_of: datetime = NOON, live: bool = True, **policy: object) -> Reviews:
    """Reviews in the columns that screens read; ``live``: of the workbench, else imported. A row may say ``item``."""
    further = {"segment_region": "North", "lane": 2, "outcome": None}
    table = reviews(*({**further, **row} for row in rows))
    numbers = pd.Series(range(len(table)), index=table.index, dtype="Int64")
    given = table["item"] if "item" in table else pd.Series(pd.NA, index=table.index)
    table["item"] = given.astype("Int64").fillna(numbers) if live else given.astype("Int64")
    return Reviews(a_workflow_of(**policy), as_of, table)


def a_workflow_of(**policy: object) -> Workflow:
    rules = policy_of({**POLICY, **policy})
    return Workflow(1, rules.key, rules.title, rules.unit, rules, policy_version=1, is_simulated=False)

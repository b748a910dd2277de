"""Reviews made for tests, in the columns of ``storage.reports.reviews``: what a test does not name is ordinary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

NOON = datetime(2025, 3, 31, 12, tzinfo=UTC)

ORDINARY: dict[str, Any] = {
    "series": "a",
    "period": "2025-03",
    "created_at": NOON - timedelta(hours=10),
    "started_at": None,
    "decided_at": None,
    "withdrawn_at": None,
    "due_at": None,
    "state": "ready",
    "reviewer": None,
    "ai": None,
    "manual": None,
    "naive": None,
    "final": None,
    "actual": None,
    "ai_low": None,
    "ai_high": None,
    "ai_level": None,
    "reason": None,
    "value_per_unit": 1.0,
    "is_lower_bound": False,
}
TIMES = ("created_at", "started_at", "decided_at", "withdrawn_at", "due_at")
NUMBERS = ("ai", "manual", "naive", "final", "actual", "ai_low", "ai_high", "ai_level", "value_per_unit")


def reviews(*rows: dict[str, Any]) -> pd.DataFrame:
    """A table with one row per dict, each a change to an ordinary review."""
    table = pd.DataFrame([{**ORDINARY, **row} for row in rows], columns=[*ORDINARY, *_further(rows)])
    for column in TIMES:
        table[column] = pd.to_datetime(table[column], utc=True)
    for column in NUMBERS:
        table[column] = pd.to_numeric(table[column]).astype(float)
    table["is_lower_bound"] = table["is_lower_bound"].eq(True)
    return table


def took(hours: float, *, ended: bool = True) -> dict[str, Any]:
    """A review that was decided after so many hours, or one that has waited so long by ``NOON`` and still does."""
    created = NOON - timedelta(hours=hours)
    if ended:
        return {"created_at": created, "decided_at": NOON, "state": "decided"}
    return {"created_at": created}


def _further(rows: tuple[dict[str, Any], ...]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row if name not in ORDINARY))

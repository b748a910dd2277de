"""A workflow with two series, filled row by row straight into the tables: for tests of what is read from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pandas as pd
from sqlalchemy import insert

from review_queue.periods import parse_period
from review_queue.workflows import policy_of
from storage import people as persons
from storage import reports, workflows
from storage.engine import Database
from storage.tables import actuals, decisions, forecasts, items, model_versions, past_reviews, segments, series, sources
from storage.workflows import Workflow

NOON = datetime(2025, 3, 31, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
POLICY = {"key": "retail", "title": "Retail", "unit": "AUD m", "segments": ("state", "industry"), "owner": "ada"}


def hours(number: float) -> datetime:
    return NOON + timedelta(hours=number)


@dataclass
class House:
    """A workflow with one series in Victoria and one in Queensland, and short ways to add to it."""

    database: Database
    workflow: Workflow = field(init=False)
    ids: dict[str, int] = field(default_factory=dict)
    _number: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            person = persons.add(session, issuer="local", subject="ada", name="Ada")
            self.ids["ada"] = person
            self.workflow = workflows.add(session, policy_of(POLICY), author_id=person)
        for state in ("Victoria", "Queensland"):
            outer = self.add(segments, level="state", depth=0, name=state, path=f"{state}\x1f")
            inner = self.add(
                segments, parent_id=outer, level="industry", depth=1, name="Cafes", path=f"{state}\x1fCafes\x1f"
            )
            self.ids[state] = inner
            self.ids[f"{state} cafes"] = self.add(series, key=f"{state} cafes", segment_id=inner, value_per_unit=2.0)
        for kind in ("ai", "manual", "naive"):
            self.ids[kind] = self.add(sources, key=kind, kind=kind, title=kind)
        self.ids["m1"] = self.add(model_versions, name="m1", first_seen_at=NOON)

    def add(self, table: Any, **values: Any) -> int:
        if "workflow_id" in table.c:
            values.setdefault("workflow_id", self.workflow.id)
        with self.database.writing() as session:
            return session.execute(insert(table).values(**values).returning(table.c.id)).scalar_one()

    def item(self, where: str = "Victoria", period: str = "2025-03", **values: Any) -> int:
        ordinary = {
            "series_id": self.ids[f"{where} cafes"],
            "segment_id": self.ids[where],
            "period": period,
            "period_start": parse_period(period).start,
            "created_at": NOON,
            "available_at": NOON,
            "state": "ready",
            "band": "minor",
            "lane": 2,
            "score": 1.0,
            "why": [],
            "content_hash": "x",
        }
        return self.add(items, **{**ordinary, **values})

    def forecast(self, item_id: int, kind: str, value: float, **values: Any) -> int:
        ordinary = {"item_id": item_id, "source_id": self.ids[kind], "received_at": NOON, "content_hash": "x"}
        return self.add(forecasts, **{**ordinary, "value": value, **values})

    def decision(self, item_id: int, outcome: str | None = "accept_ai", **values: Any) -> int:
        return self.add(decisions, **{**self.decided_row(item_id, outcome), **values})

    def decided_row(self, item_id: int, outcome: str | None = "accept_ai") -> dict[str, Any]:
        """The row of a decision."""
        return {
            "item_id": item_id,
            "round": 1,
            "act": "decide",
            "outcome": outcome,
            "final_value": 100.0 if outcome in ("accept_ai", "keep_manual", "adjust") else None,
            "actor_id": self.ids["ada"],
            "idempotency_key": f"key-{next(self._number)}",
            "request_hash": "x",
            "fence": 1,
            "mode": "ai_first",
            "content_hash": "x",
            "ai_value": 100.0,
            "band": "large",
            "flagged": True,
            "lane": 1,
            "score": 2.0,
            "policy_version": 1,
            "decided_at": hours(5),
        }

    def past(self, **values: Any) -> int:
        ordinary = {
            "series_id": self.ids["Victoria cafes"],
            "segment_id": self.ids["Victoria"],
            "identity_hash": f"identity-{next(self._number)}",
            "content_hash": "x",
            "period": "2025-03",
            "period_start": date(2025, 3, 1),
            "created_at": NOON,
            "attributes": {},
        }
        return self.add(past_reviews, **{**ordinary, **values})

    def actual(self, period: str, value: float, state: str = "Victoria", **values: Any) -> int:
        ordinary = {"series_id": self.ids[f"{state} cafes"], "received_at": NOON, "is_lower_bound": False}
        start = parse_period(period).start
        return self.add(actuals, **{**ordinary, "period": period, "period_start": start, "value": value, **values})

    def table(self, as_of: datetime = LATER, **kwargs: Any) -> pd.DataFrame:
        with self.database.reading() as session:
            return reports.reviews(session, self.workflow, as_of, **kwargs)

    def only(self, as_of: datetime = LATER) -> pd.Series:
        table = self.table(as_of)
        assert len(table) == 1
        return table.iloc[0]

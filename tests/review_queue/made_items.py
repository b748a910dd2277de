"""Items and choices for tests of the rules: what a test does not name is ordinary."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from review_queue.items import (
    Band,
    Choice,
    Divergence,
    Forecast,
    Item,
    Lane,
    Outcome,
    Reason,
    SourceKind,
    Stage,
    Standing,
    State,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADA, BEN = 1, 2
BECAUSE = Reason("CUST_RISK", text="They lost their budget.")


def a_forecast(kind: SourceKind, value: float) -> Forecast:
    return Forecast(id=1, source=kind, kind=kind, value=value, received_at=NOON)


def an_item(**changes: object) -> Item:
    item = Item(
        id=7,
        workflow_id=1,
        workflow_key="sales",
        unit="EUR k",
        series_id=1,
        series="Acme",
        period="2026-12",
        period_start=date(2026, 12, 1),
        segments=("North",),
        state=State.CLAIMED,
        round=1,
        level=0,
        stage=Stage.FIRST,
        created_at=NOON,
        due_at=None,
        ai=a_forecast(SourceKind.AI, 1000.0),
        manual=a_forecast(SourceKind.MANUAL, 1200.0),
        naive=None,
        others=(),
        divergence=Divergence(200.0, 200.0, 80.0, 2.5, 0.18, Band.LARGE, True, True),
        standing=Standing(Lane.JUDGEMENT, 50.0, ("2.5 × usual miss",)),
        content_hash="seen",
        tolerance=0.01,
        fence=3,
        holder_id=ADA,
        holder_name="Ada",
    )
    return replace(item, **changes)


def a_choice(outcome: Outcome, **changes: object) -> Choice:
    choice = Choice(item_id=7, outcome=outcome, fence=3, round=1, content_hash="seen", idempotency_key="k")
    return replace(choice, **changes)

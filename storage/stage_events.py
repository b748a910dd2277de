"""What happened to items between coming in and the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import and_, case, literal, or_, select
from sqlalchemy.orm import Session

from review_queue.items import Act, Outcome
from storage import bulk
from storage.frames import frame
from storage.tables import decisions, items

TAKEN_UP = "taken_up"
MOVED_ON = (Outcome.ESCALATE, Outcome.DEFER, Outcome.SEND_BACK)


def stage_events(session: Session, item_ids: Sequence[int], as_of: datetime) -> pd.DataFrame:
    """When these items were escalated, put off or sent back, and when those with whom that happened were taken up.

    Returns:
        ``item``, ``at`` (UTC, up to ``as_of``) and ``stage``: an outcome of ``MOVED_ON``, or ``TAKEN_UP``, which an
        undo does too. In the order of their times.
    """
    moved = select(decisions.c.item_id).where(
        bulk.among(session, decisions.c.item_id, item_ids),
        decisions.c.outcome.in_(MOVED_ON),
        decisions.c.decided_at <= as_of,
    )
    is_move = and_(decisions.c.act == Act.DECIDE, decisions.c.outcome.in_(MOVED_ON))
    at, stage = decisions.c.decided_at, case((is_move, decisions.c.outcome), else_=TAKEN_UP)
    chosen = select(decisions.c.item_id.label("item"), at.label("at"), stage.label("stage")).where(
        decisions.c.item_id.in_(moved), or_(is_move, decisions.c.act == Act.UNDO)
    )
    claimed = select(decisions.c.item_id, decisions.c.claimed_at, literal(TAKEN_UP)).where(
        decisions.c.item_id.in_(moved), decisions.c.claimed_at.is_not(None)
    )
    held = select(items.c.id, items.c.claimed_at, literal(TAKEN_UP)).where(
        items.c.id.in_(moved), items.c.claimed_at.is_not(None)
    )
    table = frame(session, chosen.union_all(claimed, held)).assign(at=lambda rows: pd.to_datetime(rows["at"], utc=True))
    known = table[table["at"] <= pd.Timestamp(as_of)]
    return known.sort_values(["item", "at"], kind="stable", ignore_index=True)

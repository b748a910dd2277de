"""Overrides of which it is known how they ended: what the track record beside a choice is worked out from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sqlalchemy import and_, func, not_, select
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, Act, State
from storage.tables import actuals, decisions, items, reasons, segments
from storage.track_record import stands

COLUMNS = ("series_id", "path", "period", "adj", "gap", "s", "reason", "direction")


def ended(session: Session, workflow_id: int, *, code: str | None = None, series_id: int | None = None) -> pd.DataFrame:
    """The workflow's overrides that stand and whose actual is known, newest period last.

    Left out: values that wait for another person's, decisions made without the AI's value, the other halves of timing
    shifts, actuals that are only a lower bound, what no usual miss was known for, and what was in our own control, as
    there the forecast may have made the actual (METHODS 3.5).

    Args:
        code: only overrides for this reason.
        series_id: only those of this series.

    Returns:
        ``adj`` (final minus AI), ``gap`` (actual minus AI) and ``s`` (the usual miss then), in the unit; ``reason`` the
        code, ``direction`` ``up`` or ``down``; ``path`` of the segment, empty for none.
    """
    superseding = decisions.alias("superseding")
    realised = and_(actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start)
    wanted = (
        select(
            items.c.series_id,
            func.coalesce(segments.c.path, ""),
            items.c.period,
            decisions.c.final_value - decisions.c.ai_value,
            actuals.c.value - decisions.c.ai_value,
            decisions.c.scale,
            decisions.c.reason_code,
        )
        .select_from(items)
        .join(decisions, and_(decisions.c.item_id == items.c.id, decisions.c.round == items.c.round))
        .join(actuals, realised)
        .outerjoin(reasons, and_(reasons.c.decision_id == decisions.c.id, reasons.c.rank == 0))
        .outerjoin(superseding, superseding.c.supersedes_id == decisions.c.id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .where(
            items.c.workflow_id == workflow_id,
            items.c.state.in_((State.DECIDED, State.LOCKED)),
            decisions.c.act.in_((Act.DECIDE, Act.OVERTURN)),
            decisions.c.outcome.in_(FINAL_OUTCOMES),
            decisions.c.is_override,
            not_(decisions.c.is_provisional),
            not_(decisions.c.is_degraded),
            decisions.c.opposite_of.is_(None),
            decisions.c.ai_value.is_not(None),
            decisions.c.scale > 0,
            superseding.c.id.is_(None),
            not_(func.coalesce(reasons.c.controllable, False)),
            not_(actuals.c.is_lower_bound),
            stands(),
        )
        .order_by(items.c.period_start, decisions.c.id)
    )
    if code is not None:
        wanted = wanted.where(decisions.c.reason_code == code)
    if series_id is not None:
        wanted = wanted.where(items.c.series_id == series_id)
    rows = pd.DataFrame(session.execute(wanted).all(), columns=list(COLUMNS[:-1]))
    rows = rows.astype({"adj": "float64", "gap": "float64", "s": "float64"})
    rows["direction"] = np.where(rows["adj"] > 0, "up", "down")
    return rows

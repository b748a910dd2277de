"""What surrounds an item on the screen: the series' past, and how earlier decisions on it turned out."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import and_, func, not_, select
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, OPEN_STATES, Act, Stage
from storage.tables import actuals, decisions, items, people


def history(session: Session, series_id: int) -> pd.DataFrame:
    """The series' realised values as they stand now, oldest first: ``period_start`` and ``value`` (in the unit)."""
    newest = select(func.max(actuals.c.id)).where(actuals.c.series_id == series_id).group_by(actuals.c.period_start)
    rows = session.execute(
        select(actuals.c.period_start, actuals.c.value).where(actuals.c.id.in_(newest)).order_by(actuals.c.period_start)
    ).all()
    frame = pd.DataFrame(rows, columns=["period_start", "value"])
    frame["period_start"] = pd.to_datetime(frame["period_start"])
    return frame


def earlier_decisions(session: Session, series_id: int, *, limit: int = 12) -> pd.DataFrame:
    """The last final decisions on the series, newest first.

    Columns: ``period, decided_at, decided_by, outcome, ai, manual, final, reason, actual, decision`` (values in the
    unit; ``actual`` is NaN while unknown; ``decision`` is its id).
    """
    superseding = decisions.alias("superseding")
    newest_actual = (
        select(func.max(actuals.c.id))
        .where(actuals.c.series_id == items.c.series_id, actuals.c.period_start == items.c.period_start)
        .correlate(items)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            items.c.period,
            decisions.c.decided_at,
            people.c.name,
            decisions.c.outcome,
            decisions.c.ai_value,
            decisions.c.manual_value,
            decisions.c.final_value,
            decisions.c.reason_code,
            actuals.c.value,
            decisions.c.id,
        )
        .join(decisions, decisions.c.item_id == items.c.id)
        .join(people, people.c.id == decisions.c.actor_id)
        .outerjoin(superseding, superseding.c.supersedes_id == decisions.c.id)
        .outerjoin(actuals, actuals.c.id == newest_actual)
        .where(
            and_(
                items.c.series_id == series_id,
                decisions.c.act.in_((Act.DECIDE, Act.OVERTURN)),
                decisions.c.outcome.in_(FINAL_OUTCOMES),
                # A second reviewer is not told of the first decision.
                not_(and_(decisions.c.is_provisional, items.c.stage == Stage.SECOND)),
                superseding.c.id.is_(None),
            )
        )
        .order_by(items.c.period_start.desc(), decisions.c.id.desc())
        .limit(limit)
    ).all()
    columns = ["period", "decided_at", "decided_by", "outcome", "ai", "manual", "final", "reason", "actual", "decision"]
    return pd.DataFrame(rows, columns=columns)


def other_open_periods(session: Session, item_id: int) -> list[str]:
    """The periods in which the item's series has other items that are still open, the earliest first."""
    here = items.alias("here")
    return list(
        session.execute(
            select(items.c.period)
            .join(here, and_(here.c.series_id == items.c.series_id, here.c.workflow_id == items.c.workflow_id))
            .where(here.c.id == item_id, items.c.id != item_id, items.c.state.in_(OPEN_STATES))
            .order_by(items.c.period_start)
        ).scalars()
    )

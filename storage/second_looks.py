"""What two people made of the same item, the second of them blind."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from sqlalchemy import ColumnElement, FromClause, and_, exists, literal_column, select
from sqlalchemy.orm import Session

from review_queue.items import FINAL_OUTCOMES, Act, Stage
from review_queue.roles import Principal, Task
from storage import people
from storage.tables import decisions, items
from storage.workflows import Workflow

COLUMNS = ("ai", "first", "second", "scale")


def pairs(session: Session, workflow: Workflow, as_of: datetime, *, within: Principal | None = None) -> pd.DataFrame:
    """The first and the second final value of each round that was reviewed twice by ``as_of`` (UTC).

    Returns:
        ``COLUMNS``, in the workflow's unit, NaN where unknown: the AI's value and its usual miss ``scale`` as they were
        on the first screen. What was undone does not count; what was settled since does. Whose they were is not told.
    """
    first, second = decisions.alias("first"), decisions.alias("second")
    # Found first, by an index of their own: they are few, and decisions are many.
    later = select(decisions.c.item_id).where(decisions.c.stage > literal_column("1")).cte("later")
    later = later.prefix_with("MATERIALIZED")
    seen = [] if within is None else [people.scope(within, Task.SEE_ANALYTICS)]
    rows = session.execute(
        select(first.c.ai_value, first.c.final_value, second.c.final_value, first.c.scale)
        .join(second, and_(second.c.item_id == first.c.item_id, second.c.round == first.c.round))
        .join(items, items.c.id == first.c.item_id)
        .where(items.c.workflow_id == workflow.id, first.c.item_id.in_(select(later.c.item_id)), *seen)
        .where(_stands(first, Stage.FIRST, as_of), _stands(second, Stage.SECOND, as_of))
        .order_by(first.c.id)
    ).all()
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype("float64")


def _stands(decision: FromClause, stage: Stage, as_of: datetime) -> ColumnElement[bool]:
    """The condition that this is a final choice at the stage, and was not taken back by then."""
    undo = decisions.alias(f"undo_{stage}")
    taken_back = exists().where(
        undo.c.supersedes_id == decision.c.id, undo.c.act == Act.UNDO, undo.c.decided_at <= as_of
    )
    return and_(
        decision.c.stage == stage,
        decision.c.act == Act.DECIDE,
        decision.c.outcome.in_(FINAL_OUTCOMES),
        decision.c.decided_at <= as_of,
        ~taken_back,
    )

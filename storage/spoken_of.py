"""The open items that other systems have spoken of, as one person may see them."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from review_queue.items import Lane
from review_queue.roles import Principal, Task
from review_queue.withholding import HIDDEN
from storage import people
from storage.listing import awaits_number, is_blind
from storage.tables import OPEN, SERVING_ORDER, items, segments, series, statements
from storage.tree import names

#: The first in serving order that are looked at.
MOST = 5_000
COLUMNS = ("item", "series", "name", "period", "period_start", "segment", "lane", "due_at", "hides_ai")


def open_items(session: Session, who: Principal, workflow_id: int, attribute: str) -> pd.DataFrame:
    """The first open items in this person's scope that another system has said ``attribute`` of: ``COLUMNS``.

    ``series`` is its id, ``name`` its key; ``hides_ai``: the AI's value is not shown to this person, or to nobody.
    """
    is_said = exists().where(
        statements.c.series_id == items.c.series_id,
        statements.c.attribute == attribute,
        statements.c.period_start == items.c.period_start,
    )
    withheld = items.c.withheld.in_(HIDDEN)
    rows = session.execute(
        select(
            items.c.id,
            items.c.series_id,
            series.c.key,
            items.c.period,
            items.c.period_start,
            segments.c.path,
            items.c.lane,
            items.c.due_at,
            or_(is_blind(), awaits_number(who), and_(items.c.withheld.is_not(None), withheld)),
        )
        .join(series, series.c.id == items.c.series_id)
        .outerjoin(segments, segments.c.id == items.c.segment_id)
        .where(items.c.workflow_id == workflow_id, OPEN, people.scope(who, Task.SEE_QUEUE), is_said)
        .order_by(*SERVING_ORDER)
        .limit(MOST)
    ).all()
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    found["segment"] = [" › ".join(names(path)) for path in found["segment"]]
    found["lane"] = [Lane(lane).title for lane in found["lane"]]
    found["due_at"] = pd.to_datetime(found["due_at"], utc=True)
    return found.astype({"hides_ai": "bool"})
